//! The plain data that crosses the seam. No socket type of std or mio, nothing that could carry behaviour.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use crate::table::Key;

/// A descriptor of one driver: an index and a generation, both given by the driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fd(Key);

impl Fd {
    /// The descriptor whose entry in the driver's table has `key`.
    pub const fn from_key(key: Key) -> Fd {
        Fd(key)
    }

    /// The key in the driver's table.
    pub const fn key(self) -> Key {
        self.0
    }
}

impl fmt::Debug for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fd{:?}", self.0)
    }
}

/// What an [`Event`] says of a descriptor: a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const EMPTY: Readiness = Readiness(0);
    /// A `recv` or `accept` may succeed.
    pub const READABLE: Readiness = Readiness(1);
    /// A `send` may succeed, or a connect has ended.
    pub const WRITABLE: Readiness = Readiness(2);
    /// The peer will send no more. Wakes readers only (R76).
    pub const READ_CLOSED: Readiness = Readiness(4);
    /// The stream can carry nothing more in either direction. Wakes both.
    pub const WRITE_CLOSED: Readiness = Readiness(8);
    /// The socket has an error to tell. Wakes both.
    pub const ERROR: Readiness = Readiness(16);

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits as a number, for records and hashes.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for Readiness {
    type Output = Readiness;
    fn bitor(self, rhs: Readiness) -> Readiness {
        Readiness(self.0 | rhs.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, rhs: Readiness) {
        *self = *self | rhs;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Readiness, &str); 5] = [
            (Readiness::READABLE, "readable"),
            (Readiness::WRITABLE, "writable"),
            (Readiness::READ_CLOSED, "read-closed"),
            (Readiness::WRITE_CLOSED, "write-closed"),
            (Readiness::ERROR, "error"),
        ];
        let set: Vec<&str> =
            NAMES.iter().filter(|(bit, _)| self.intersects(*bit)).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "nothing" } else { "" })?;
        f.write_str(&set.join("+"))
    }
}

/// An edge: a direction of `fd` may have become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The descriptor.
    pub fd: Fd,
    /// What may have become ready.
    pub readiness: Readiness,
}

/// Facts about a driver that the core acts on, so that it never asks which system it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A `recv` that gave fewer bytes than asked for has emptied the kernel's buffer: the next edge will be told
    /// without a `WOULD_BLOCK` in between. True of streams on epoll and kqueue.
    pub short_read_drains: bool,
    /// A `send` that took fewer bytes than offered has filled the kernel's buffer. True of streams on epoll and kqueue.
    pub short_write_fills: bool,
    /// A `send_file` that answered `WOULD_BLOCK` has begun, and goes on by itself: what it sends is counted by the call
    /// that follows the next edge. True of Windows.
    pub file_sends_go_on: bool,
    /// The grain of [`Driver::poll`](crate::driver::Driver::poll)'s timeout. The dispatcher rounds up to it.
    pub poll_grain: Duration,
    /// This driver plays a thread of its own, whatever thread its dispatcher shares with others. Within the scope of
    /// another dispatcher, handles and wakers of this one behave as they do on another thread.
    pub own_thread: bool,
}

/// The cautious answers: a short count proves nothing, and the grain is a nanosecond.
impl Default for Capabilities {
    fn default() -> Self {
        Capabilities {
            short_read_drains: false,
            short_write_fills: false,
            file_sends_go_on: false,
            poll_grain: Duration::from_nanos(1),
            own_thread: false,
        }
    }
}

/// What a new thread runs.
pub struct ThreadMain {
    /// The thread's name.
    pub name: String,
    /// Where in the source the thread was asked for: the name of its main task.
    pub place: &'static Location<'static>,
    /// Called in the scope of the thread's dispatcher; gives the future that the thread runs to its end.
    pub begin: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>,
}

impl fmt::Debug for ThreadMain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadMain").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Ends the wait of a driver from another thread.
pub trait Unpark: Send + Sync {
    /// Makes the current or the next `poll` return. Calls before that `poll` merge into one.
    fn unpark(&self);
}

/// A direction of a stream, seen from its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// What we receive.
    Read,
    /// What we send.
    Write,
    /// Both directions.
    Both,
}

/// What the system said instead of an answer: a kind to match on, and the number it gave.
///
/// It is `Copy`, so that an error can be told to everyone whom it concerns, again and again. The simulator gives the
/// numbers of Linux, and shows them in Linux' words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OsError {
    kind: io::ErrorKind,
    code: Option<Code>,
}

/// The system's number, and how its words are found.
#[derive(Clone, Copy)]
struct Code {
    number: i32,
    /// Called when somebody reads them: most errors are matched on, and never shown.
    text: Option<fn(i32) -> String>,
}

impl OsError {
    /// The call would have to wait.
    pub const WOULD_BLOCK: OsError = OsError::without_code(io::ErrorKind::WouldBlock);
    /// The descriptor is closed, or was never given.
    pub const BAD_DESCRIPTOR: OsError = OsError::new(io::ErrorKind::Other, 9);

    /// The error of `kind` that the system told as `code`.
    pub const fn new(kind: io::ErrorKind, code: i32) -> OsError {
        OsError { kind, code: Some(Code { number: code, text: None }) }
    }

    /// An error that has no number.
    pub const fn without_code(kind: io::ErrorKind) -> OsError {
        OsError { kind, code: None }
    }

    /// This error, shown as `text` says that the system calls its number. That is for drivers, which know the system; two
    /// errors are the same whatever they are called.
    ///
    /// ```
    /// use std::io;
    /// use twinloop::driver::OsError;
    ///
    /// let refused = OsError::new(io::ErrorKind::ConnectionRefused, 111);
    /// let named = refused.with_text(|code| format!("Connection refused (os error {code})"));
    /// assert_eq!(named.to_string(), "Connection refused (os error 111)");
    /// assert_eq!((named, refused.to_string().as_str()), (refused, "connection refused (os error 111)"));
    /// ```
    #[must_use]
    pub const fn with_text(self, text: fn(i32) -> String) -> OsError {
        match self.code {
            Some(Code { number, .. }) => {
                OsError { kind: self.kind, code: Some(Code { number, text: Some(text) }) }
            }
            None => self,
        }
    }

    /// What to match on.
    pub const fn kind(self) -> io::ErrorKind {
        self.kind
    }

    /// The system's number (`errno`, `WSAGetLastError`).
    pub const fn code(self) -> Option<i32> {
        match self.code {
            Some(code) => Some(code.number),
            None => None,
        }
    }

    /// Whether the call would have to wait.
    pub fn is_would_block(self) -> bool {
        self.kind == io::ErrorKind::WouldBlock
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> Self {
        let kind = nameable(error.kind());
        error.raw_os_error().map_or(OsError::without_code(kind), |code| OsError::new(kind, code))
    }
}

/// What std has no public name for is `Other`: on every driver the same, and one can match on it.
fn nameable(kind: io::ErrorKind) -> io::ErrorKind {
    // No system gives this number, so that std can not know it.
    let nameless = io::Error::from_raw_os_error(i32::MAX).kind();
    if kind == nameless { io::ErrorKind::Other } else { kind }
}

impl From<OsError> for io::Error {
    fn from(error: OsError) -> Self {
        io::Error::new(error.kind, error)
    }
}

impl std::error::Error for OsError {}

impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.number == other.number
    }
}

impl Eq for Code {}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(Code { number, text: Some(text) }) => f.write_str(&text(number)),
            Some(Code { number, .. }) if *self == OsError::BAD_DESCRIPTOR => {
                write!(f, "Bad file descriptor (os error {number})")
            }
            Some(Code { number, .. }) => write!(f, "{} (os error {number})", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl fmt::Debug for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
