//! Connecting to one of several addresses: "happy eyeballs" (RFC 8305). It does not know where the addresses come from.
//!
//! Of RFC 8305 this is sections 4 and 5: the order, and the attempts. Section 3, which begins to connect while one family's
//! answer is still awaited, has no place here: a driver's resolver gives both families at once, already sorted (RFC 6724).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::connect::Connect;
use super::stream::StreamTransport;
use crate::driver::{ConnectOptions, OsError};
use crate::{Address, Handle, Operation, Sleep, TransportError};

/// "Recommended to be 250 milliseconds" (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// "The absolute minimum" (the same place).
const ATTEMPT_DELAY_MIN: Duration = Duration::from_millis(10);

/// Connects to the one of `addresses` that answers first, with a head start for those that stand first.
///
/// The families take turns, beginning with that of the first address; within a family the order is kept. An attempt is
/// given 250 ms before the next one begins beside it; when one fails, the next begins at once. The first connection that
/// is there wins; all others are closed, and so is everything when the future is dropped.
///
/// The first attempt begins with the call. There is no limit of time for all of them: compose with
/// [`timeout`](crate::timeout).
///
/// # Errors
///
/// When all have failed: the error of the address that was tried first, since that is the one which the caller, or the
/// system, prefers. [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no address at all.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, StreamServer, connect_any};
///
/// let server = StreamServer::listen(Address::loopback(80))?;
/// let stream = connect_any(&["[::1]:80".parse()?, Address::loopback(80)]).await?;
/// assert_eq!(stream.remote_address(), Address::loopback(80), "nobody listens at the other one");
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_any(addresses: &[Address]) -> ConnectAny {
    connect_any_with(addresses, &FallbackOptions::default())
}

/// As [`connect_any`], with options.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::transport::{FallbackOptions, connect_any_with};
/// use twinloop::{Address, StreamServer};
///
/// let server = StreamServer::listen(Address::loopback(80))?;
/// let options = FallbackOptions::default().attempt_delay(Duration::from_millis(100));
/// connect_any_with(&[Address::loopback(80)], &options).await?;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn connect_any_with(addresses: &[Address], options: &FallbackOptions) -> ConnectAny {
    ConnectAny::begin(Handle::current(), addresses, options, Location::caller())
}

/// How one of several addresses is connected to.
///
/// ```
/// use std::time::Duration;
/// use twinloop::driver::ConnectOptions;
/// use twinloop::transport::FallbackOptions;
///
/// let options = FallbackOptions::default()
///     .attempt_delay(Duration::from_millis(100))
///     .connect(ConnectOptions::default().no_delay(false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackOptions {
    /// How long an attempt is given before the next one begins beside it. Default 250 ms; less than 10 ms counts as 10 ms
    /// (RFC 8305, section 8).
    pub attempt_delay: Duration,
    /// How each of the sockets is made. A local address must be of the family of the remote one, so it suits addresses of
    /// one family only.
    pub connect: ConnectOptions,
}

impl FallbackOptions {
    /// These options with [`attempt_delay`](FallbackOptions::attempt_delay).
    #[must_use]
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// These options with [`connect`](FallbackOptions::connect).
    #[must_use]
    pub fn connect(mut self, connect: ConnectOptions) -> Self {
        self.connect = connect;
        self
    }
}

impl Default for FallbackOptions {
    fn default() -> Self {
        FallbackOptions { attempt_delay: ATTEMPT_DELAY, connect: ConnectOptions::default() }
    }
}

/// The future of [`connect_any`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConnectAny {
    handle: Handle,
    options: FallbackOptions,
    /// Not tried yet, in the order of trying.
    waiting: VecDeque<Address>,
    /// In the order in which they began; `None` for one that has failed.
    attempts: Vec<Option<Connect>>,
    /// Until the next attempt begins.
    delay: Option<Sleep>,
    /// Why the first attempt failed, once it has. It is told if no other succeeds.
    first_error: Option<TransportError>,
    place: &'static Location<'static>,
}

impl ConnectAny {
    pub(super) fn begin(
        handle: Handle,
        addresses: &[Address],
        options: &FallbackOptions,
        place: &'static Location<'static>,
    ) -> ConnectAny {
        let no_address = || TransportError::from_os(Operation::Connect, None, NO_ADDRESS);
        let mut connecting = ConnectAny {
            handle,
            options: options.clone(),
            waiting: interleaved(addresses),
            attempts: Vec::new(),
            delay: None,
            first_error: addresses.is_empty().then(no_address),
            place,
        };
        connecting.begin_next();
        connecting
    }

    /// Begins the next attempt, if there is an address left, and the wait for the one after it.
    fn begin_next(&mut self) {
        let Some(address) = self.waiting.pop_front() else { return };
        self.attempts.push(Some(Connect::begin(self.handle, address, &self.options.connect, self.place)));
        self.delay = (!self.waiting.is_empty()).then(|| {
            let delay = self.options.attempt_delay.max(ATTEMPT_DELAY_MIN);
            Sleep::new(self.handle, self.handle.core().clock() + delay, self.place)
        });
    }

    /// Looks at each attempt: `Ready` with the first that has succeeded, or with `None` if one has failed.
    fn poll_attempts(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamTransport>> {
        for (number, attempt) in self.attempts.iter_mut().enumerate() {
            let Some(connect) = attempt else { continue };
            match Pin::new(connect).poll(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(stream)) => return Poll::Ready(Some(stream)),
                Poll::Ready(Err(error)) => {
                    *attempt = None;
                    if number == 0 {
                        self.first_error = Some(error);
                    }
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Pending
    }

    fn poll_delay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.delay.as_mut().map_or(Poll::Pending, |delay| Pin::new(delay).poll(context))
    }

    /// Closes whatever is under way.
    fn end(&mut self) -> Option<TransportError> {
        self.waiting.clear();
        self.attempts.clear();
        self.delay = None;
        self.first_error.take()
    }
}

impl Future for ConnectAny {
    type Output = Result<StreamTransport, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Ends since each round either returns or takes an attempt or an address away.
        loop {
            if self.waiting.is_empty() && self.attempts.iter().all(Option::is_none) {
                let error = self.end().expect("a connect was polled again after it was ready");
                return Poll::Ready(Err(error));
            }
            match self.poll_attempts(context) {
                Poll::Ready(Some(stream)) => {
                    self.end();
                    return Poll::Ready(Ok(stream));
                }
                // What has failed needs no head start any more.
                Poll::Ready(None) => self.begin_next(),
                Poll::Pending if self.poll_delay(context).is_ready() => self.begin_next(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl fmt::Debug for ConnectAny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConnectAny");
        debug.field("attempts", &self.attempts).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

const NO_ADDRESS: OsError = OsError::without_code(io::ErrorKind::InvalidInput);

/// `addresses` with the families taking turns, the first one's first (RFC 8305, section 4, with a First Address Family Count
/// of 1).
fn interleaved(addresses: &[Address]) -> VecDeque<Address> {
    let family = |address: &Address| address.as_ip().map(|ip| ip.is_ipv6());
    let first = addresses.first().map(family);
    let (same, other): (Vec<Address>, Vec<Address>) =
        addresses.iter().partition(|address| Some(family(address)) == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut taking_turns = VecDeque::with_capacity(addresses.len());
    while taking_turns.len() < addresses.len() {
        taking_turns.extend(same.next());
        taking_turns.extend(other.next());
    }
    taking_turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let addresses = |text: &str| -> Vec<Address> {
            text.split_whitespace().map(|ip| format!("{ip}:80").parse().expect("an address")).collect()
        };
        for (given, tried) in [
            ("", ""),
            ("1.0.0.1", "1.0.0.1"),
            ("[::1] [::2] [::3] 1.0.0.1 1.0.0.2", "[::1] 1.0.0.1 [::2] 1.0.0.2 [::3]"),
            ("1.0.0.1 [::1] [::2] [::3]", "1.0.0.1 [::1] [::2] [::3]"),
            ("1.0.0.1 1.0.0.2 1.0.0.3 [::1]", "1.0.0.1 [::1] 1.0.0.2 1.0.0.3"),
        ] {
            assert_eq!(interleaved(&addresses(given)), addresses(tried));
        }
    }
}
