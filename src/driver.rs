//! The seam: what a dispatcher asks of the world, as one trait.
//!
//! No implementation lives here. `twinloop-real` puts the kernel behind the trait, `twinloop-sim` a simulated world.

mod address;
mod files;
mod options;
mod signal;
mod types;

use std::any::Any;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Moment;
use crate::catalogue::{Assertion, Item};

pub use address::{Address, AddressError, UnixAddress};
pub use files::{DirectoryEntry, FileKind, FileOperation, FileOutcome, Metadata};
pub use options::{
    ConnectOptions, Credentials, DatagramOptions, FileOptions, Interface, KeepAlive, ListenOptions,
    Membership, OptionName, Outgoing, Received, SocketOption, Standard,
};
pub use signal::Signal;
pub use types::{Capabilities, Event, Fd, Half, OsError, Readiness, ThreadMain, Unpark};

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
/// **Whatever is waited for is a descriptor**: a socket, the end of a pipe, a file, a name that is being looked up,
/// signals. What
/// takes time begins with the call that gives the descriptor, and is told by an event of it.
///
/// **Parts that a driver may lack** are the methods with a body here. It answers
/// [`Unsupported`](std::io::ErrorKind::Unsupported).
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

    /// What this machine takes for the date and the time of day. It may be wrong, and may be set at any time, also back:
    /// nothing in here waits by it.
    fn wall_now(&mut self) -> SystemTime;

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
        Err(OsError::without_code(ErrorKind::Unsupported))
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
    ///
    /// A system that has no such option answers [`Unsupported`](std::io::ErrorKind::Unsupported), and what the socket's kind
    /// does not have is its own error.
    fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError>;

    /// What an option of a socket is set to. Errors as [`set_option`](Driver::set_option).
    fn option(&mut self, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
        let _ = (fd, name);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// The address that a socket is bound to.
    fn local_address(&mut self, fd: Fd) -> Result<Address, OsError>;

    /// The address that a stream is connected to; `ENOTCONN` while it is not.
    fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError>;

    /// Two streams that are connected to each other and to nobody else (socketpair(2)).
    fn stream_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Two datagram sockets that are connected to each other and to nobody else (socketpair(2)).
    fn datagram_pair(&mut self) -> Result<(Fd, Fd), OsError> {
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Who is at the other end of a Unix stream.
    fn peer_credentials(&mut self, fd: Fd) -> Result<Credentials, OsError> {
        let _ = fd;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// A datagram socket, bound to `local` and connected to the peer of the options, if they have one.
    ///
    /// For IP, port 0 picks a free one. For Unix sockets, [`Address::UNNAMED`] binds nothing.
    fn bind_datagram(&mut self, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        let _ = (local, options);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// The next datagram, as much of it as fits. An error that a datagram sent before has caused is told here, or by the
    /// next send, once (R154).
    fn recv_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        let _ = (fd, buffer);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// As [`recv_from`](Driver::recv_from), but the datagram stays where it is, to be received.
    fn peek_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        let _ = (fd, buffer);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// As [`recv_from`](Driver::recv_from) for several datagrams that are there, as many as one call gives and `buffer` has
    /// slots of `slot` bytes: the n-th goes to the n-th slot. Appends to `received`, which the caller hands over empty, at
    /// least one. A driver without such a call gives one.
    ///
    /// An error behind the first datagram is told by the next call.
    fn recv_many(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> Result<(), OsError> {
        received.push(self.recv_from(fd, &mut buffer[..slot])?);
        Ok(())
    }

    /// Sends one datagram, whole or not at all. `remote` must be `None` on a connected socket, and nowhere else.
    fn send_to(&mut self, fd: Fd, bytes: &[u8], remote: Option<&Address>) -> Result<(), OsError> {
        let _ = (fd, bytes, remote);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// As [`send_to`](Driver::send_to) for several datagrams, in order; says how many were sent. An error is that of the
    /// first one; one behind it only ends the count.
    fn send_many(&mut self, fd: Fd, datagrams: &[Outgoing<'_>]) -> Result<usize, OsError> {
        for (sent, datagram) in datagrams.iter().enumerate() {
            match self.send_to(fd, datagram.bytes, datagram.remote.as_ref()) {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(datagrams.len())
    }

    /// Joins a multicast group.
    fn join_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        let _ = (fd, membership);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Leaves a multicast group.
    fn leave_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        let _ = (fd, membership);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// The two ends of a new pipe: the one that is read from, by [`recv`](Driver::recv), and the one that is written to, by
    /// [`send`](Driver::send). A [`shutdown`](Driver::shutdown) of the end that is written to lets the other one see the end.
    fn pipe(&mut self) -> Result<(Fd, Fd), OsError> {
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// One end of the pipe that has a name in the file system (fifo(7)): [`Half::Read`] or [`Half::Write`], and
    /// [`Half::Both`] for one that is its own peer. With `create`, it is made if there is none. On Windows, a named
    /// pipe, whose `Both` is both directions of one peer.
    ///
    /// Writing while nobody reads is refused (`ENXIO`).
    fn open_fifo(&mut self, path: &Path, end: Half, create: bool) -> Result<Fd, OsError> {
        let _ = (path, end, create);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// A stream that the process began with. Closing it leaves it open for the rest of the process.
    ///
    /// Other processes share it, so it may be moved in small parts: its short counts prove nothing.
    fn standard(&mut self, stream: Standard) -> Result<Fd, OsError> {
        let _ = stream;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Begins an operation on files. The descriptor that it gives is the operation's: it is readable once
    /// [`file_outcome`](Driver::file_outcome) can answer.
    ///
    /// Operations of which none waited for the other may be done in any order, and at once. Closing the descriptor earlier
    /// gives up the answer: whether the operation is done after all, nobody says. A file that is closed meanwhile is open
    /// for the operations on it that were begun.
    fn begin_file(&mut self, operation: FileOperation) -> Result<Fd, OsError> {
        drop(operation);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// How an operation has ended, once; [`WOULD_BLOCK`](OsError::WOULD_BLOCK) while it has not. What went wrong with the
    /// files is [`FileOutcome::Failed`].
    fn file_outcome(&mut self, operation: Fd) -> Result<FileOutcome, OsError> {
        let _ = operation;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Reads from `offset` on, at once, as long as the disk may take; 0 for a non-empty `buffer` is the end. What has no
    /// offsets, such as a pipe, is read where it stands, and may answer [`WOULD_BLOCK`](OsError::WOULD_BLOCK).
    ///
    /// It is for what [`send_file`](Driver::send_file) refuses, and waits for no longer than that does.
    fn read_file_at(&mut self, file: Fd, offset: u64, buffer: &mut [u8]) -> Result<usize, OsError> {
        let _ = (file, offset, buffer);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Sends up to `count` bytes of `file`, from `offset` on, over a stream, inside the kernel (sendfile(2)).
    /// Says how many the stream took; 0 is the end of the file. [`WOULD_BLOCK`](OsError::WOULD_BLOCK) speaks of the stream.
    ///
    /// Where [`Capabilities::file_sends_go_on`], the stream is written in no other way between that and an answer to the same
    /// call for no fewer bytes.
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported): not this file over this stream, or something is wrong with the
    /// file. It is for the caller to read and send. Every other error is the stream's.
    fn send_file(&mut self, fd: Fd, file: Fd, offset: u64, count: usize) -> Result<usize, OsError> {
        let _ = (fd, file, offset, count);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Begins to look up the IP addresses of a name. The descriptor is readable once [`resolved`](Driver::resolved) can
    /// answer; closing it earlier gives the answer up.
    fn resolve(&mut self, name: &str) -> Result<Fd, OsError> {
        let _ = name;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// The addresses of a name, in the system's order of preference (RFC 6724), each once.
    fn resolved(&mut self, fd: Fd) -> Result<Vec<IpAddr>, OsError> {
        let _ = fd;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Listens to `signals` of this process, from now on until the descriptor is closed. It is readable once
    /// [`next_signal`](Driver::next_signal) can answer.
    ///
    /// While anybody in the process listens to a signal, it does nothing but tell all of them, each once.
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported): the system has not all of them.
    fn signals(&mut self, signals: &[Signal]) -> Result<Fd, OsError> {
        let _ = signals;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// A signal that has come since this was told last. One that comes several times meanwhile is told once; several are
    /// told in any order.
    fn next_signal(&mut self, fd: Fd) -> Result<Signal, OsError> {
        let _ = fd;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Sends this process a signal (raise(3)). If nobody listens to it, what it does by default is done, which may end the
    /// process.
    fn raise(&mut self, signal: Signal) -> Result<(), OsError> {
        let _ = signal;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Takes in a descriptor that the program has made, and that nobody watches yet. What that is depends on the system,
    /// so it crosses the seam as it is; a driver takes out of it what it keeps, and leaves the rest to the caller.
    ///
    /// Its owner closes it, but not before it was given back by [`close`](Driver::close), which only ends the watch.
    ///
    /// A driver answers [`Unsupported`](std::io::ErrorKind::Unsupported) to what it does not know. This one knows nothing,
    /// and a simulated kernel must not know anything: what happens to such a descriptor comes from outside.
    fn adopt(&mut self, foreign: &mut dyn Any) -> Result<Fd, OsError> {
        let _ = foreign;
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Watches an adopted descriptor in the directions of `interest`, a set of [`Readiness::READABLE`] and
    /// [`Readiness::WRITABLE`], and in no other. An event follows for each of them that is ready at this moment, and one
    /// for the next edge. With no direction, no event follows for anything, not even for a hangup (R69).
    fn rewatch(&mut self, fd: Fd, interest: Readiness) -> Result<(), OsError> {
        let _ = (fd, interest);
        Err(OsError::without_code(ErrorKind::Unsupported))
    }

    /// Whether something unusual is to be done at a [`buggify!`](crate::buggify) site. Only a simulation says so, by
    /// its oracle.
    ///
    /// It is not asked before the process has called [`catalogue::watch`](crate::catalogue::watch).
    fn buggify(&mut self, site: &'static Item, probability: f64) -> bool {
        let _ = (site, probability);
        false
    }

    /// Hears that the program came by an assertion of its [catalogue](crate::catalogue). Answers whether it deals with
    /// it: if not, that is the program's own affair.
    ///
    /// As [`buggify`](Driver::buggify), this is not called unless somebody may listen.
    fn assertion(&mut self, assertion: &Assertion<'_>) -> bool {
        let _ = assertion;
        false
    }

    /// Gives the descriptor back. A stale `fd` is ignored.
    fn close(&mut self, fd: Fd);
}
