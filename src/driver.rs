//! The seam: what a dispatcher asks of the world, as one trait.
//!
//! No implementation lives here. `twinloop-real` puts the kernel behind the trait, `twinloop-sim` a simulated world.

mod address;
mod types;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::Moment;

pub use address::{Address, AddressError};
pub use types::{
    Capabilities, ConnectOptions, Event, Fd, Half, ListenOptions, OsError, Readiness, SocketOption,
    ThreadMain, Unpark,
};

/// A tiny kernel: a clock, a readiness queue, a table of descriptors and non-blocking calls on them.
///
/// # The contract
///
/// **Waiting.** Only [`poll`](Driver::poll) waits, and no longer than it is told to. It may return early and with
/// nothing to tell. Every other call answers at once; what would have to wait says [`OsError::WOULD_BLOCK`].
///
/// **Events are edges.** Each descriptor is watched for both directions from the moment it exists until it is closed,
/// once; nobody registers, re-arms or deregisters. An event says that a direction *may* have become ready. Events may be
/// spurious, late, merged, split or reordered within one `poll`, and a poll may keep some of them for the next one. What
/// a driver may not do is lose the last one: after a call said `WOULD_BLOCK`, an event follows once that call could do
/// something else.
///
/// **Counts may be short.** `recv` and `send` may move fewer bytes than there are. Whether a short count means that the
/// kernel has no more for now is a fact of the driver: [`Capabilities::short_read_drains`] and
/// [`Capabilities::short_write_fills`]. Where it says no, only `WOULD_BLOCK` re-arms the edge. In no case does a short
/// count prove anything after an event with [`Readiness::READ_CLOSED`] or [`Readiness::ERROR`]: data and end of stream
/// may share one edge, and no second one comes.
///
/// **Foreign descriptors** are the exception. The program has made them, makes its own system calls on them, and lends
/// them to the driver by [`adopt`](Driver::adopt). Nobody sees what those calls find, so each is watched only while
/// [`rewatch`](Driver::rewatch) says so, and that call alone re-arms its edge.
///
/// **Descriptors are numbers** with a generation, given by the driver, never re-used with the same generation. A call on
/// a closed one answers [`OsError::BAD_DESCRIPTOR`]; an event for a closed one is never delivered by a later `poll`.
///
/// **Closing** never fails, never waits and never panics, since it runs in destructors. Bytes that the kernel has
/// accepted are still delivered.
///
/// **Nothing else leaks in.** The dispatcher and everything on it learn the time, chance and the network through these
/// calls alone, so a driver that answers from a seed, or from a log, makes the whole program repeat itself.
///
/// The trait stays usable as an object: no generics, no `async`, no associated types. A dispatcher owns its driver and
/// calls it from one thread; only the [`Unpark`] leaves that thread.
pub trait Driver {
    /// The facts that the core must know about this driver. They do not change while it lives.
    fn capabilities(&self) -> Capabilities;

    /// The time. Never goes back.
    fn now(&mut self) -> Moment;

    /// Waits until there is an event, `timeout` has passed (`None`: no limit), or an [`Unpark`] was used since the last
    /// poll; appends what happened to `events`. The caller hands the vector over empty.
    ///
    /// An interrupted wait (`EINTR`) is not an error; it returns early.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> Result<(), OsError>;

    /// What other threads use to end this driver's wait.
    fn unparker(&self) -> Arc<dyn Unpark>;

    /// Starts a thread of this machine, with a driver and a dispatcher of its own, which runs `main`'s future to its end and
    /// is then dropped. Nobody waits for the thread: what is to be known of its end, that future tells.
    ///
    /// A driver that has no threads answers [`Unsupported`](std::io::ErrorKind::Unsupported), as this one does.
    fn start_thread(&mut self, main: ThreadMain) -> Result<(), OsError> {
        drop(main);
        Err(OsError::without_code(std::io::ErrorKind::Unsupported))
    }

    /// Fills `buffer` with unpredictable bytes; in a simulation, with bytes drawn from the seed.
    fn entropy(&mut self, buffer: &mut [u8]) -> Result<(), OsError>;

    /// A listening stream socket, bound to `address`. Port 0 picks a free one.
    fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError>;

    /// The next established connection of a listener and its peer's address.
    ///
    /// No descriptor left (`EMFILE`, `ENFILE`) is told as [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded), no memory
    /// left (`ENOBUFS`, `ENOMEM`) as [`OutOfMemory`](std::io::ErrorKind::OutOfMemory): std has no kind for most of them,
    /// and their numbers differ between systems.
    fn accept(&mut self, listener: Fd) -> Result<(Fd, Address), OsError>;

    /// A stream socket that begins to connect. The outcome is known once the descriptor was told writable:
    /// [`take_error`](Driver::take_error) then answers, and [`remote_address`](Driver::remote_address) succeeds.
    fn connect(&mut self, remote: &Address, options: &ConnectOptions) -> Result<Fd, OsError>;

    /// The pending error of a socket, which is cleared by asking (`SO_ERROR`).
    fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError>;

    /// Moves received bytes into `buffer`. 0 for a non-empty `buffer` is the end of the stream.
    fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError>;

    /// Hands bytes to the kernel; says how many it took, at least one for a non-empty `buffer`.
    fn send(&mut self, fd: Fd, buffer: &[u8]) -> Result<usize, OsError>;

    /// As [`send`](Driver::send) for several buffers, in order.
    fn send_vectored(&mut self, fd: Fd, buffers: &[std::io::IoSlice<'_>]) -> Result<usize, OsError>;

    /// Ends one or both directions of a stream.
    fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), OsError>;

    /// Sets an option of a socket.
    fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError>;

    /// The address that a socket is bound to.
    fn local_address(&mut self, fd: Fd) -> Result<Address, OsError>;

    /// The address that a stream is connected to; `ENOTCONN` while it is not.
    fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError>;

    /// Takes in a descriptor that the program has made, and that nobody watches yet. What that is depends on the system,
    /// so it crosses the seam as it is; a driver takes out of it what it keeps, and leaves the rest to the caller.
    ///
    /// Its owner closes it, but not before it was given back by [`close`](Driver::close), which only ends the watch.
    ///
    /// A driver answers [`Unsupported`](std::io::ErrorKind::Unsupported) to what it does not know. This one knows nothing,
    /// and a simulated kernel must not know anything: what happens to such a descriptor comes from outside.
    fn adopt(&mut self, foreign: &mut dyn Any) -> Result<Fd, OsError> {
        let _ = foreign;
        Err(OsError::without_code(std::io::ErrorKind::Unsupported))
    }

    /// Watches an adopted descriptor in the directions of `interest`, a set of [`Readiness::READABLE`] and
    /// [`Readiness::WRITABLE`], and in no other. An event follows for each of them that is ready at this moment, and one
    /// for the next edge. With no direction, no event follows for anything, not even for a hangup (R69).
    fn rewatch(&mut self, fd: Fd, interest: Readiness) -> Result<(), OsError> {
        let _ = (fd, interest);
        Err(OsError::without_code(std::io::ErrorKind::Unsupported))
    }

    /// Gives the descriptor back. A stale `fd` is ignored.
    fn close(&mut self, fd: Fd);
}
