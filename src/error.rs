//! What transports answer when the world does not go along. Misuse by the caller is a panic, not one of these.

use std::fmt;
use std::io;

use crate::Address;
use crate::driver::OsError;

/// A transport's operation did not succeed: what was done, to which address, and why.
///
/// An error is sticky: everyone whom it concerns is told, again and again if they ask again (R103). It is one word wide, so
/// that results cost what their values cost.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportError(Box<Failure>);

#[derive(Clone, PartialEq, Eq)]
struct Failure {
    operation: Operation,
    address: Option<Address>,
    /// A name that was looked up or opened, where there is no address.
    name: Option<Box<str>>,
    kind: ErrorKind,
    /// What the system said, where it did.
    system: Option<OsError>,
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
    /// Sending a file over a stream.
    SendFile,
    /// Ending the direction of writing.
    Shutdown,
    /// Binding a datagram socket.
    Bind,
    /// Receiving a datagram.
    Receive,
    /// Sending a datagram.
    Send,
    /// Joining or leaving a multicast group.
    Multicast,
    /// Setting an option, or asking for one.
    Option,
    /// Looking up a name.
    Resolve,
    /// Opening a file, a pipe, a pair of streams, or a standard stream.
    Open,
    /// Working on a file.
    File,
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
    /// Another read is pending on the same stream, or a handler receives the datagrams of this socket.
    Busy,
    /// The process or the system has no descriptor, or no memory, for one more. Trying later may succeed.
    TooManyOpen,
}

impl TransportError {
    pub(crate) fn new(operation: Operation, address: Option<Address>, kind: ErrorKind) -> TransportError {
        TransportError(Box::new(Failure { operation, address, name: None, kind, system: None }))
    }

    /// What the system said; exhaustion has a kind of its own.
    pub(crate) fn from_os(operation: Operation, address: Option<Address>, error: OsError) -> TransportError {
        let kind = match error.kind() {
            io::ErrorKind::QuotaExceeded | io::ErrorKind::OutOfMemory => ErrorKind::TooManyOpen,
            kind => ErrorKind::Os(kind),
        };
        TransportError(Box::new(Failure { operation, address, name: None, kind, system: Some(error) }))
    }

    /// What the system said of something that has a name and no address.
    pub(crate) fn of_name(operation: Operation, name: &str, error: OsError) -> TransportError {
        let mut failed = TransportError::from_os(operation, None, error);
        failed.0.name = Some(name.into());
        failed
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The peer's address, or the one that was bound or to be bound.
    pub fn address(&self) -> Option<Address> {
        self.0.address
    }

    /// The name that was looked up, or the path that was opened.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Why it did not succeed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The system's number, where the system said why.
    pub fn code(&self) -> Option<i32> {
        self.0.system.and_then(OsError::code)
    }
}

impl std::error::Error for TransportError {}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, preposition) = match self.operation() {
            Operation::Listen => ("listen", "at"),
            Operation::Accept => ("accept", "at"),
            Operation::Connect => ("connect", "to"),
            Operation::Read => ("read", "from"),
            Operation::Write => ("write", "to"),
            Operation::SendFile => ("send a file", "to"),
            Operation::Shutdown => ("shut down", "the stream to"),
            Operation::Bind => ("bind", "to"),
            Operation::Receive => ("receive", "at"),
            Operation::Send => ("send", "to"),
            Operation::Multicast => ("join or leave", "the group"),
            Operation::Option => ("use an option", "of the socket of"),
            Operation::Resolve => ("look up", ""),
            Operation::Open => ("open", ""),
            Operation::File => ("use the file", ""),
        };
        f.write_str(operation)?;
        match (self.0.address, self.name()) {
            (Some(address), _) => write!(f, " {preposition} {address}")?,
            (None, Some(name)) => write!(f, " {name}")?,
            (None, None) => {}
        }
        if let Some(error) = self.0.system {
            return write!(f, ": {error}");
        }
        match self.kind() {
            ErrorKind::Os(kind) => write!(f, ": {kind}"),
            ErrorKind::Incomplete => f.write_str(": the stream ended first"),
            ErrorKind::Limit => f.write_str(": the limit was reached first"),
            ErrorKind::Closed => f.write_str(": the transport is closed"),
            ErrorKind::ShutDown => f.write_str(": writing was shut down before"),
            ErrorKind::Busy => f.write_str(": another read is pending"),
            ErrorKind::TooManyOpen => f.write_str(": no descriptor or memory is left for one more"),
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
        let kind = match error.kind() {
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
