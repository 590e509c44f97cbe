//! Waiting for signals of the process. It does not know who sends them, nor what is done about them.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::dispatcher::Interest;
use crate::driver::{Fd, OsError, Signal};
use crate::readiness::UntilReady;
use crate::{Handle, WatchError};

/// Listens to signals of the process, from its making on until it is dropped.
///
/// While anybody in the process listens to a signal, it does not what it does by default, but tells everybody who
/// listens (R81): any number of these, of any thread. One signal may stand for several of its kind that came one after
/// the other. Once nobody listens any more, it does again what it did before (R83). What the program has installed by
/// other means is left in place and called all the time; and if that was done after the first of these, it does not
/// count as listening.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Signals, driver::Signal, raise};
///
/// let mut signals = Signals::new(&[Signal::Terminate, Signal::Interrupt])?;
/// raise(Signal::Terminate)?;
/// assert_eq!(signals.recv().await, Signal::Terminate);
/// // ... and the program ends in good order.
/// # Ok(()) });
/// ```
pub struct Signals {
    handle: Handle,
    fd: Fd,
}

impl Signals {
    /// Begins to listen to `signals`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) if the system has not all of them: see [`Signal`]. The
    /// system's, if it has no descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    pub fn new(signals: &[Signal]) -> Result<Signals, OsError> {
        let handle = Handle::current();
        Ok(Signals { handle, fd: handle.signals(signals)? })
    }

    /// Waits for a signal: one that has come since the last one was received, or the next one (R80, R82).
    ///
    /// Dropping the future ends the wait and loses no signal.
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_> {
        let ready = UntilReady::new(self.handle, self.fd, Interest::Read, Location::caller());
        Recv { signals: self, ready, place: Location::caller() }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close(self.fd);
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// The future of [`Signals::recv`].
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a> {
    signals: &'a mut Signals,
    ready: UntilReady,
    place: &'static Location<'static>,
}

impl Future for Recv<'_> {
    type Output = Signal;

    /// Asks the driver again after each event: one may come with nothing behind it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Signal> {
        let this = &mut *self;
        let Signals { handle, fd } = *this.signals;
        loop {
            match handle.next_signal(fd) {
                Ok(signal) => return Poll::Ready(signal),
                Err(error) if error.is_would_block() => {}
                Err(error) => panic!("what listens to signals is open until it is dropped: {error}"),
            }
            match ready!(Pin::new(&mut this.ready).poll(context)) {
                Ok(()) => this.ready = UntilReady::new(handle, fd, Interest::Read, this.place),
                Err(WatchError::Closed) => {
                    panic!("Handle::close() was called with a descriptor of others: {fd:?}")
                }
                Err(error) => panic!("what listens to signals is watched by itself alone: {error}"),
            }
        }
    }
}

impl fmt::Debug for Recv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("signals", &self.signals).finish_non_exhaustive()
    }
}

/// Sends this process a signal (raise(3)): to those who listen to it, or else it does what it does by default, which ends the
/// process for most of them.
///
/// A program that has ended its work after [`Signal::Terminate`] may drop its [`Signals`] and raise the signal again:
/// then its parent learns what it ended of.
///
/// # Errors
///
/// [`Unsupported`](std::io::ErrorKind::Unsupported) on Windows, if nobody in the process listens to the signal.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{driver::Signal, raise};
///
/// raise(Signal::WindowChange)?; // Nobody listens, and it ends no process.
/// # Ok(()) });
/// ```
pub fn raise(signal: Signal) -> Result<(), OsError> {
    Handle::current().raise(signal)
}
