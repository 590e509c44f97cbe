//! `StreamTransport`: the state of one stream and its life. Reading and writing are told in their own files.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::peer::Peer;
use super::read::ReadSide;
use super::write::{WriteSide, tell};
use crate::dispatcher::{Core, Interest, WaitQueue};
use crate::driver::{Credentials, Fd, Half, OsError};
use crate::table::Key;
use crate::task::{YieldNow, yield_now};
use crate::{Address, ErrorKind, Handle, Operation, TransportError};

/// A connected byte stream.
///
/// Reads are buffered and exclusive: one at a time (R90). Writes may come from several tasks and leave in the order of
/// the calls (R109). Every operation may be cancelled by dropping its future, and no byte is lost by it (R105, R115).
///
/// Dropping the transport closes it.
///
/// # Memory
///
/// A stream of which nothing is unread has no receive buffer; a receive borrows one of 16 KiB that all streams of the
/// dispatcher share. A read that looks for something keeps what has come until it is whole, in at most four times that
/// plus 64 KiB: its limit is what bounds the memory that a peer can make it take. What is consumed is given back. Without a
/// buffer, a stream has some 500 bytes beside what the kernel keeps of it.
pub struct StreamTransport {
    handle: Handle,
    key: Key,
}

/// What the dispatcher keeps of a stream.
pub(super) struct Stream {
    pub(super) fd: Fd,
    peer: Peer,
    pub(super) closed: Cell<bool>,
    /// The transport, the writes that were queued and who shuts down: whoever is the last to go takes the state along,
    /// so that a write that was done can say so after its transport is gone.
    holders: Cell<u32>,
    pub(super) read: RefCell<ReadSide>,
    pub(super) write: RefCell<WriteSide>,
    /// Who waits for the end of the direction of writing.
    pub(super) shutdowns: WaitQueue,
    /// Who waits for the queue of writes to fall to its low-water mark.
    pub(super) writables: WaitQueue,
}

impl StreamTransport {
    /// The transport of a connected descriptor, which it owns from now on.
    pub(super) fn new(handle: Handle, fd: Fd, remote: Address) -> StreamTransport {
        let stream = Rc::new(Stream {
            fd,
            peer: remote.into(),
            closed: Cell::new(false),
            holders: Cell::new(1),
            read: RefCell::default(),
            write: RefCell::default(),
            shutdowns: WaitQueue::default(),
            writables: WaitQueue::default(),
        });
        StreamTransport { handle, key: handle.core().insert_object(stream) }
    }

    /// The transport of one end of a pipe, or of both. The direction that it is not for has failed from the beginning, with
    /// what the system would say.
    pub(super) fn one_way(handle: Handle, fd: Fd, end: Half) -> StreamTransport {
        let transport = StreamTransport::new(handle, fd, Address::UNNAMED);
        let (_, stream) = transport.resolve();
        match end {
            Half::Read => stream.write.borrow_mut().refuse(OsError::BAD_DESCRIPTOR),
            Half::Write => stream.read.borrow_mut().refuse(OsError::BAD_DESCRIPTOR),
            Half::Both => {}
        }
        transport
    }

    /// The dispatcher that the transport lives on.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The descriptor, for options and observation. Reading, writing or closing it past the transport breaks both.
    pub fn fd(&self) -> Fd {
        self.resolve().1.fd
    }

    /// The peer's address.
    pub fn remote_address(&self) -> Address {
        self.resolve().1.remote()
    }

    /// Our own address.
    ///
    /// # Errors
    ///
    /// If the transport is closed.
    pub fn local_address(&self) -> Result<Address, TransportError> {
        let (core, stream) = self.resolve();
        let address = core.driver.borrow_mut().local_address(stream.fd);
        address.map_err(|error| stream.os_error(Operation::Option, error))
    }

    /// Who is at the other end of a Unix stream: the user and the process that connected, or listened.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) where the system does not tell, which only Linux does, or if
    /// the stream is of another kind. [`ErrorKind::Closed`].
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let (near, far) = twinloop::StreamTransport::pair()?;
    /// assert_eq!(near.peer_credentials()?, far.peer_credentials()?, "both are this process");
    /// # Ok(()) });
    /// ```
    pub fn peer_credentials(&self) -> Result<Credentials, TransportError> {
        let (core, stream) = self.resolve();
        let credentials = core.driver.borrow_mut().peer_credentials(stream.fd);
        credentials.map_err(|error| stream.os_error(Operation::Option, error))
    }

    /// Whether the transport was closed.
    pub fn is_closed(&self) -> bool {
        self.resolve().1.closed.get()
    }

    /// Closes the stream at once: what is pending ends with [`ErrorKind::Closed`], queued writes included (R114). What
    /// the kernel has taken is still delivered (R127). To have the queue sent first, [`shutdown`](Self::shutdown) first.
    ///
    /// The stream is closed by the call, awaited or not. The future is ready once everyone who waited has been told,
    /// for each caller (against R124). Closing twice does no harm.
    pub fn close(&self) -> Close {
        let (core, stream) = self.resolve();
        stream.close(&core);
        Close { told: yield_now() }
    }

    /// The dispatcher's state and the stream's.
    pub(super) fn resolve(&self) -> (Rc<Core>, Rc<Stream>) {
        let core = self.handle.core();
        let stream = core.object(self.key).expect("a stream is kept for as long as its transport lives");
        (core, stream)
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }
}

impl Drop for StreamTransport {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        // A closing dispatcher has dropped its objects, and closes all descriptors itself.
        let Some(stream) = core.object::<Stream>(self.key) else { return };
        stream.close(&core);
        Stream::release(&core, self.key);
    }
}

impl fmt::Debug for StreamTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StreamTransport");
        if let Some(stream) = self.handle.try_core().and_then(|core| core.object::<Stream>(self.key)) {
            debug.field("remote", &stream.remote()).field("closed", &stream.closed.get());
        }
        debug.finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn hold(&self) {
        self.holders.set(self.holders.get() + 1);
    }

    pub(super) fn remote(&self) -> Address {
        self.peer.address()
    }

    /// One holder less. A closing dispatcher has dropped the state itself.
    pub(super) fn release(core: &Core, key: Key) {
        let Some(stream) = core.object::<Stream>(key) else { return };
        stream.holders.set(stream.holders.get() - 1);
        if stream.holders.get() == 0 {
            core.remove_object(key);
        }
    }

    /// Tells writers, then the reader, then closes the descriptor (R123).
    fn close(&self, core: &Core) {
        if self.closed.replace(true) {
            return;
        }
        let mut side = self.write.borrow_mut();
        let writers = side.abandon(self);
        let mut poller = side.take_poller();
        drop(side);
        tell(core, writers);
        poller.wake(core);
        self.writables.grant_all(core);
        self.shutdowns.grant_all(core);
        let mut reader = self.read.borrow_mut().abandon();
        reader.wake(core);
        core.unwatch(self.fd, Interest::Write);
        core.unwatch(self.fd, Interest::Read);
        core.close_fd(self.fd);
    }

    pub(super) fn refuse_closed(&self, operation: Operation) -> Result<(), TransportError> {
        if self.closed.get() { Err(self.error(operation, ErrorKind::Closed)) } else { Ok(()) }
    }

    pub(super) fn error(&self, operation: Operation, kind: ErrorKind) -> TransportError {
        TransportError::new(operation, Some(self.remote()), kind)
    }

    pub(super) fn os_error(&self, operation: Operation, error: OsError) -> TransportError {
        match self.refuse_closed(operation) {
            Err(closed) => closed,
            Ok(()) => TransportError::from_os(operation, Some(self.remote()), error),
        }
    }
}

/// The future of [`StreamTransport::close`] and of [`StreamServer::close`](crate::StreamServer::close).
#[derive(Debug)]
#[must_use = "closing has begun; await this to know that everyone who waited has been told"]
pub struct Close {
    /// Those who are told were queued before; one turn later they have run.
    pub(super) told: YieldNow,
}

impl Future for Close {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.told).poll(context)
    }
}
