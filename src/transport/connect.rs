//! Making a connection: a stream transport that is born when the kernel says so.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::stream::StreamTransport;
use crate::dispatcher::{Core, Interest, Waiter};
use crate::driver::{ConnectOptions, Fd, OsError};
use crate::table::Key;
use crate::{Address, AsyncCallback, Handle, Operation, TransportError};

/// Connects to `remote`. There is no built-in limit of time (R131): compose with [`timeout`](crate::timeout).
///
/// The attempt begins with the call. Dropping the future ends it and leaks nothing (R130).
///
/// # Errors
///
/// The system's: refused, unreachable, timed out (R128). Where the backlog of a Unix socket is full, `WouldBlock` at
/// once, with its number (R132): the system does not tell when there is room again.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, ErrorKind, connect};
///
/// let nobody = connect(Address::loopback(9)).await;
/// assert_eq!(nobody.unwrap_err().kind(), ErrorKind::Os(std::io::ErrorKind::ConnectionRefused));
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect(remote: impl Into<Address>) -> Connect {
    connect_with(remote, &ConnectOptions::default())
}

/// As [`connect`], with options.
#[track_caller]
pub fn connect_with(remote: impl Into<Address>, options: &ConnectOptions) -> Connect {
    Connect::begin(Handle::current(), remote.into(), options, Location::caller())
}

/// The future of [`connect`].
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    handle: Handle,
    remote: Address,
    state: State,
    /// The call that connects, by which the writer callback is known.
    place: &'static Location<'static>,
}

enum State {
    Connecting { fd: Fd, key: Key },
    Refused(OsError),
    Over,
}

struct Attempt {
    fd: Fd,
    /// The descriptor was told writable since we last looked.
    told: Cell<bool>,
    waiter: RefCell<Waiter>,
}

/// Has `connect_ready` run when the outcome may be there.
fn watch(core: &Core, fd: Fd, key: Key, place: &'static Location<'static>) {
    let callback = AsyncCallback::new(connect_ready, key.into_word());
    let watched = core.watch(fd, Interest::Write, callback, place);
    watched.expect("an attempt's descriptor is watched by the attempt alone, and once at a time");
}

/// The outcome may be there: the future is to look. It watches again if this was a spurious event.
fn connect_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(attempt) = core.object::<Attempt>(Key::from_word(word)) else { return };
    handle.remove_writer(attempt.fd);
    attempt.told.set(true);
    let mut waiter = attempt.waiter.take();
    waiter.wake(&core);
}

impl Future for Connect {
    type Output = Result<StreamTransport, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let error = match self.state {
            State::Over => panic!("a connect was polled again after it was ready"),
            State::Refused(error) => error,
            State::Connecting { fd, key } => match self.poll_attempt(fd, key, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {
                    self.handle.core().remove_object(key);
                    self.state = State::Over;
                    return Poll::Ready(Ok(StreamTransport::new(self.handle, fd, self.remote)));
                }
                Poll::Ready(Err(error)) => {
                    self.abandon();
                    error
                }
            },
        };
        self.state = State::Over;
        Poll::Ready(Err(TransportError::from_os(Operation::Connect, Some(self.remote), error)))
    }
}

impl Connect {
    pub(super) fn begin(
        handle: Handle,
        remote: Address,
        options: &ConnectOptions,
        place: &'static Location<'static>,
    ) -> Connect {
        let state = match handle.connect(&remote, options) {
            Err(error) => State::Refused(error),
            Ok(fd) => {
                let attempt = Rc::new(Attempt { fd, told: Cell::new(false), waiter: RefCell::default() });
                let core = handle.core();
                let key = core.insert_object(attempt);
                watch(&core, fd, key, place);
                State::Connecting { fd, key }
            }
        };
        Connect { handle, remote, state, place }
    }

    fn poll_attempt(&self, fd: Fd, key: Key, context: &Context<'_>) -> Poll<Result<(), OsError>> {
        let core = self.handle.core();
        let Some(attempt) = core.object::<Attempt>(key) else {
            return Poll::Ready(Err(OsError::BAD_DESCRIPTOR));
        };
        if attempt.told.replace(false) {
            if let Some(error) = self.handle.take_error(fd)? {
                return Poll::Ready(Err(error));
            }
            match self.handle.remote_address(fd) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                    // The event was spurious. The latch is cleared, so that the next edge is awaited and not assumed.
                    core.forget_readiness(fd);
                    watch(&core, fd, key, self.place);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let mut waiter = attempt.waiter.take();
        waiter.note(&core, context);
        attempt.waiter.replace(waiter);
        Poll::Pending
    }

    fn abandon(&mut self) {
        if let (State::Connecting { fd, key }, Some(core)) = (&self.state, self.handle.try_core()) {
            self.handle.remove_writer(*fd);
            core.remove_object(*key);
            core.close_fd(*fd);
        }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("remote", &self.remote).finish_non_exhaustive()
    }
}
