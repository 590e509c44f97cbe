//! The entry point: a program on the real driver, in one call.

use std::fmt;
use std::future::Future;
use std::io;

use twinloop::{Dispatcher, PollError};

use crate::RealDriver;

/// Runs `program` on this thread, on a dispatcher of its own over the real kernel, until it is done.
///
/// Tasks that it spawned and that are not done then are cancelled.
///
/// # Errors
///
/// [`RunError`] if the kernel refuses a selector, or if `program` waits for something that can never happen.
///
/// # Panics
///
/// A panic of `program`, or of a task that nobody joins, goes on from here. It panics too when called from inside
/// another dispatcher's turn on this thread, which would stand still meanwhile: spawn a task there instead.
///
/// ```
/// use twinloop::{Address, StreamServer, connect};
///
/// let greeting = twinloop_real::run(async {
///     let server = StreamServer::listen(Address::loopback(0))?;
///     let client = connect(server.local_address()).await?;
///     server.accept().await?.write(b"hello").await?;
///     client.read_to_end(100).await
/// })?;
/// assert_eq!(greeting?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn run<F>(program: F) -> Result<F::Output, RunError>
where
    F: Future + 'static,
    F::Output: 'static,
{
    assert!(
        twinloop::Handle::try_current().is_none(),
        "run() inside a running dispatcher would block it: spawn() the future there, or run it on another thread"
    );
    let driver = RealDriver::new().map_err(RunError::Driver)?;
    Dispatcher::new(Box::new(driver)).block_on(program).map_err(RunError::Poll)
}

/// Why a program could not be run to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The kernel refused what a driver needs.
    Driver(io::Error),
    /// The dispatcher could not go on.
    Poll(PollError),
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::Driver(error) => Some(error),
            RunError::Poll(error) => Some(error),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Driver(error) => write!(f, "the real driver could not start: {error}"),
            RunError::Poll(error) => write!(f, "the program could not go on: {error}"),
        }
    }
}
