//! Connecting by name: a lookup, then whichever of its addresses answers first. It adds nothing to either.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::fallback::{ConnectAny, FallbackOptions};
use super::names::ResolveAddress;
use super::stream::StreamTransport;
use crate::{Handle, TransportError};

/// Looks `name` up as [`resolve`](crate::resolve) does, and connects to its addresses as
/// [`connect_any`](crate::connect_any) does.
///
/// The lookup begins with the call. Dropping the future ends it, at whatever step. A [`timeout`](crate::timeout) around it
/// bounds both steps together.
///
/// # Errors
///
/// Those of the lookup, with the name; then those of the connect, with the address.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, StreamServer, connect_host};
///
/// let server = StreamServer::listen(Address::loopback(5432))?;
/// let stream = connect_host("localhost", 5432).await?;
/// assert_eq!(stream.remote_address(), server.local_address());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_host(name: &str, port: u16) -> ConnectHost {
    connect_host_with(name, port, &FallbackOptions::default())
}

/// As [`connect_host`], with options.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::driver::ConnectOptions;
/// use twinloop::transport::{FallbackOptions, connect_host_with};
/// use twinloop::{Address, StreamServer};
///
/// let server = StreamServer::listen(Address::loopback(5432))?;
/// let options = FallbackOptions::default().connect(ConnectOptions::default().no_delay(false));
/// connect_host_with("localhost", 5432, &options).await?;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_host_with(name: &str, port: u16, options: &FallbackOptions) -> ConnectHost {
    let handle = Handle::current();
    let place = Location::caller();
    ConnectHost::begin(handle, ResolveAddress::of_name(handle, name, port, place), options, place)
}

/// As [`connect_host`] for a text such as `db:5432`, or any that is an [`Address`](crate::Address).
///
/// # Errors
///
/// As [`connect_host`]; and as [`resolve_address`](crate::resolve_address) if the text has no port.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, StreamServer, connect_to};
///
/// let server = StreamServer::listen(Address::loopback(5432))?;
/// for text in ["localhost:5432", "127.0.0.1:5432"] {
///     assert_eq!(connect_to(text).await?.remote_address(), server.local_address());
/// }
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_to(text: &str) -> ConnectHost {
    connect_to_with(text, &FallbackOptions::default())
}

/// As [`connect_to`], with options.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::transport::{FallbackOptions, connect_to_with};
/// use twinloop::{Address, StreamServer};
///
/// let server = StreamServer::listen(Address::loopback(5432))?;
/// let hurried = FallbackOptions::default().attempt_delay(Duration::from_millis(50));
/// connect_to_with("localhost:5432", &hurried).await?;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_to_with(text: &str, options: &FallbackOptions) -> ConnectHost {
    let handle = Handle::current();
    let place = Location::caller();
    ConnectHost::begin(handle, ResolveAddress::of_text(handle, text, place), options, place)
}

/// The future of [`connect_host`] and of [`connect_to`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConnectHost {
    handle: Handle,
    options: FallbackOptions,
    step: Step,
    place: &'static Location<'static>,
}

enum Step {
    Resolving(ResolveAddress),
    Connecting(ConnectAny),
    Failed,
}

impl ConnectHost {
    fn begin(
        handle: Handle,
        resolving: ResolveAddress,
        options: &FallbackOptions,
        place: &'static Location<'static>,
    ) -> ConnectHost {
        ConnectHost { handle, options: options.clone(), step: Step::Resolving(resolving), place }
    }
}

impl Future for ConnectHost {
    type Output = Result<StreamTransport, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Step::Resolving(resolving) = &mut self.step {
            match ready!(Pin::new(resolving).poll(context)) {
                Ok(addresses) => {
                    let connecting = ConnectAny::begin(self.handle, &addresses, &self.options, self.place);
                    self.step = Step::Connecting(connecting);
                }
                Err(error) => {
                    self.step = Step::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        match &mut self.step {
            Step::Connecting(connecting) => Pin::new(connecting).poll(context),
            Step::Resolving(_) | Step::Failed => panic!("a connect was polled again after it was ready"),
        }
    }
}

impl fmt::Debug for ConnectHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConnectHost");
        match &self.step {
            Step::Resolving(resolving) => debug.field("resolving", resolving),
            Step::Connecting(connecting) => debug.field("connecting", connecting),
            Step::Failed => &mut debug,
        };
        debug.finish_non_exhaustive()
    }
}
