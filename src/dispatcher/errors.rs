//! What a dispatcher answers when it can not do what it is asked. Misuse is a panic, not one of these.

use std::fmt;
use std::panic::Location;

use crate::driver::OsError;
use crate::observe::Place;

/// Why a turn did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollError {
    /// No callback, timer or watched source is pending, no [`Remote`](crate::Remote) is alive, and no task's waker is kept
    /// outside: nothing can ever happen.
    NothingPending,
    /// The driver failed to wait.
    Driver(OsError),
}

impl std::error::Error for PollError {}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PollError::NothingPending => f.write_str("nothing is pending: no event could ever end this wait"),
            PollError::Driver(error) => write!(f, "the driver could not wait for events: {error}"),
        }
    }
}

/// Why a source can not be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The direction has its one watcher already, added at this place.
    Taken(&'static Location<'static>),
    /// The descriptor is closed.
    Closed,
    /// The driver refused to watch an adopted descriptor.
    Driver(OsError),
}

impl std::error::Error for WatchError {}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::Taken(place) => write!(
                f,
                "the descriptor is already watched in this direction, since {}: remove that watcher first",
                Place(place)
            ),
            WatchError::Closed => f.write_str("the descriptor is closed"),
            WatchError::Driver(error) => write!(f, "the descriptor can not be watched: {error}"),
        }
    }
}

impl From<WatchError> for std::io::Error {
    fn from(error: WatchError) -> Self {
        let kind = match error {
            WatchError::Taken(_) => std::io::ErrorKind::ResourceBusy,
            WatchError::Closed => std::io::ErrorKind::NotConnected,
            WatchError::Driver(error) => error.kind(),
        };
        std::io::Error::new(kind, error)
    }
}
