//! What transports answer when the world does not go along. Misuse by the caller is a panic, not one of these.

use std::fmt;
use std::io;

use crate::Address;
use crate::driver::OsError;

/// A transport's operation did not succeed: what was done, to which address, and why.
///
/// It is `Copy`: an error is sticky, and everyone whom it concerns is told, again and again if they ask again (R103).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TransportError {
    operation: Operation,
    address: Option<Address>,
    kind: ErrorKind,
    code: Option<i32>,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Listening at an address.
    Listen,
    /// Accepting a connection.
    Accept,
    /// Connecting to an address.
    Connect,
    /// Reading from a stream.
    Read,
    /// Writing to a stream.
    Write,
    /// Ending the direction of writing.
    Shutdown,
    /// Setting an option.
    SetOption,
}

/// Why it did not succeed: what to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The system said so; [`TransportError::code`] has its number.
    Os(io::ErrorKind),
    /// The stream ended before all that was asked for had come. What had come is still there to be read.
    Incomplete,
    /// The limit was reached before the separator, or the end, came. What had come is still there to be read.
    Limit,
    /// The transport was closed, by its owner or with its dispatcher.
    Closed,
    /// The direction of writing was shut down before.
    ShutDown,
    /// Another read is pending on the same stream.
    Busy,
    /// The process or the system has no descriptor, or no memory, for one more connection. Trying later may succeed.
    TooManyOpen,
}

impl TransportError {
    pub(crate) fn new(operation: Operation, address: Option<Address>, kind: ErrorKind) -> TransportError {
        TransportError { operation, address, kind, code: None }
    }

    pub(crate) fn from_os(operation: Operation, address: Option<Address>, error: OsError) -> TransportError {
        TransportError { operation, address, kind: ErrorKind::Os(error.kind()), code: error.code() }
    }

    pub(crate) fn too_many_open(address: Option<Address>, error: OsError) -> TransportError {
        TransportError {
            operation: Operation::Accept,
            address,
            kind: ErrorKind::TooManyOpen,
            code: error.code(),
        }
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The peer's address, or the listening one.
    pub fn address(&self) -> Option<Address> {
        self.address
    }

    /// Why it did not succeed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The system's number, where the system said why.
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

impl std::error::Error for TransportError {}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.operation {
            Operation::Listen => "listen",
            Operation::Accept => "accept",
            Operation::Connect => "connect",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Shutdown => "shut down",
            Operation::SetOption => "set option",
        })?;
        if let Some(address) = self.address {
            let preposition = match self.operation {
                Operation::Listen | Operation::Accept => "at",
                Operation::Connect | Operation::Write => "to",
                Operation::Read => "from",
                Operation::Shutdown | Operation::SetOption => "of the stream to",
            };
            write!(f, " {preposition} {address}")?;
        }
        match self.kind {
            ErrorKind::Os(kind) => write!(f, ": {kind}"),
            ErrorKind::Incomplete => f.write_str(": the stream ended first"),
            ErrorKind::Limit => f.write_str(": the limit was reached first"),
            ErrorKind::Closed => f.write_str(": the transport is closed"),
            ErrorKind::ShutDown => f.write_str(": writing was shut down before"),
            ErrorKind::Busy => f.write_str(": another read is pending"),
            ErrorKind::TooManyOpen => f.write_str(": no descriptor or memory is left for one more"),
        }?;
        match self.code {
            Some(code) => write!(f, " (os error {code})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        let kind = match error.kind {
            ErrorKind::Os(kind) => kind,
            ErrorKind::Incomplete => io::ErrorKind::UnexpectedEof,
            ErrorKind::Limit => io::ErrorKind::InvalidData,
            ErrorKind::Closed => io::ErrorKind::NotConnected,
            ErrorKind::ShutDown => io::ErrorKind::BrokenPipe,
            ErrorKind::Busy => io::ErrorKind::ResourceBusy,
            ErrorKind::TooManyOpen => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
