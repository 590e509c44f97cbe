//! `StreamServer`: a listening socket whose connections are accepted in the order in which they were asked for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::budget::{ACCEPTS_A_TURN, Budget};
use super::stream::{Close, StreamTransport};
use crate::dispatcher::{Core, Interest, WaitQueue};
use crate::driver::{Fd, ListenOptions, OsError};
use crate::table::Key;
use crate::task::yield_now;
use crate::{Address, AsyncCallback, ErrorKind, Handle, Operation, TransportError};

/// A listening stream socket.
///
/// Dropping it closes it. Accepted transports live on by themselves (R145).
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, StreamServer, connect, spawn};
///
/// let server = StreamServer::listen(Address::loopback(0))?;
/// let address = server.local_address();
/// let client = spawn(async move { connect(address).await?.write(b"hi").await });
/// let stream = server.accept().await?;
/// assert_eq!(stream.read_to_end(10).await?, b"hi");
/// client.await??;
/// # Ok(()) });
/// ```
pub struct StreamServer {
    handle: Handle,
    key: Key,
    local: Address,
}

struct Server {
    fd: Fd,
    local: Address,
    closed: Cell<bool>,
    /// Those who accept, in the order of their first polls; the first one is served first (against R141). It is woken to
    /// look, and granted nothing: what it is woken for may be gone again.
    accepts: WaitQueue,
    accepting: RefCell<Accepting>,
}

#[derive(Default)]
struct Accepting {
    watching: bool,
    budget: Budget,
}

impl StreamServer {
    /// Binds and listens (R135). Port 0 picks a free port.
    ///
    /// The path of a Unix socket is removed when the server closes, unless it is another one's by then. One that is
    /// there already is an error, also if nobody listens at it any more: see [`ListenOptions::replace_stale`] (R147).
    ///
    /// # Errors
    ///
    /// The system's: the address is in use, not ours, not permitted.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    pub fn listen(address: impl Into<Address>) -> Result<StreamServer, TransportError> {
        StreamServer::listen_with(address, &ListenOptions::default())
    }

    /// As [`StreamServer::listen`], with options.
    ///
    /// # Errors
    ///
    /// As [`StreamServer::listen`].
    pub fn listen_with(
        address: impl Into<Address>,
        options: &ListenOptions,
    ) -> Result<StreamServer, TransportError> {
        let handle = Handle::current();
        let address = address.into();
        let failed = |error| TransportError::from_os(Operation::Listen, Some(address), error);
        let fd = handle.listen(&address, options).map_err(failed)?;
        let local = handle.local_address(fd).map_err(|error| {
            handle.close(fd);
            failed(error)
        })?;
        let server = Server {
            fd,
            local,
            closed: Cell::new(false),
            accepts: WaitQueue::default(),
            accepting: RefCell::default(),
        };
        let key = handle.core().insert_object(Rc::new(server));
        Ok(StreamServer { handle, key, local })
    }

    /// Where it listens, with the port that was picked.
    pub fn local_address(&self) -> Address {
        self.local
    }

    /// The next connection. Several callers are served in the order of their first polls; dropping the future gives its
    /// place up and loses no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyOpen`] when descriptors or memory run out: the server still listens, try again later (R139).
    /// [`ErrorKind::Closed`] once the server is closed (R140). A connection that the peer has given up meanwhile is
    /// passed over.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        Accept { server: self, wait: None, place: Location::caller() }
    }

    /// Stops listening at once and frees the address; who waits in [`accept`](Self::accept) is told (R140, R143). The
    /// future is ready once they have been.
    pub fn close(&self) -> Close {
        let (core, server) = self.resolve();
        server.close(&core);
        Close { told: yield_now() }
    }

    /// The descriptor, unless it is closed.
    pub(super) fn open_fd(&self, operation: Operation) -> Result<(Handle, Fd), TransportError> {
        let server = self.resolve().1;
        if server.closed.get() {
            return Err(TransportError::new(operation, Some(self.local), ErrorKind::Closed));
        }
        Ok((self.handle, server.fd))
    }

    /// As [`close`](Self::close), also from destructors: a dispatcher that closes may have taken the server already.
    pub(super) fn close_if_there(&self) {
        let Some(core) = self.handle.try_core() else { return };
        let Some(server) = core.object::<Server>(self.key) else { return };
        server.close(&core);
    }

    fn resolve(&self) -> (Rc<Core>, Rc<Server>) {
        let core = self.handle.core();
        let server = core.object(self.key).expect("a server is kept for as long as its owner lives");
        (core, server)
    }
}

impl Drop for StreamServer {
    fn drop(&mut self) {
        self.close_if_there();
        if let Some(core) = self.handle.try_core() {
            core.remove_object(self.key);
        }
    }
}

impl fmt::Debug for StreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServer").field("local", &self.local).finish_non_exhaustive()
    }
}

impl Server {
    fn close(&self, core: &Core) {
        if self.closed.replace(true) {
            return;
        }
        self.accepts.grant_all(core);
        core.unwatch(self.fd, Interest::Read);
        core.close_fd(self.fd);
    }

    /// One accept, if the budget allows; connections that were given up meanwhile are passed over.
    fn try_accept(&self, core: &Core) -> Result<(Fd, Address), OsError> {
        loop {
            if !self.accepting.borrow_mut().budget.allows(core, ACCEPTS_A_TURN) {
                return Err(OsError::WOULD_BLOCK);
            }
            self.accepting.borrow_mut().budget.spend_one();
            match core.handle.accept(self.fd) {
                Err(error) if is_of_one_connection(error) => {}
                other => return other,
            }
        }
    }

    fn is_closed(&self) -> TransportError {
        TransportError::new(Operation::Accept, Some(self.local), ErrorKind::Closed)
    }

    fn error(&self, error: OsError) -> TransportError {
        TransportError::from_os(Operation::Accept, Some(self.local), error)
    }

    /// Has `accept_ready` run when there may be a connection, if someone waits for one.
    fn watch(&self, core: &Core, key: Key, place: &'static Location<'static>) {
        let mut accepting = self.accepting.borrow_mut();
        if accepting.watching || self.accepts.is_empty() {
            return;
        }
        accepting.watching = true;
        drop(accepting);
        let callback = AsyncCallback::new(accept_ready, key.into_word());
        let watched = core.watch(self.fd, Interest::Read, callback, place);
        watched.expect("a server's descriptor is read through the server alone");
    }
}

/// Whether an error is that of a connection which ended before it was accepted (accept(2)): the next one may be well.
fn is_of_one_connection(error: OsError) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
    )
}

/// There may be a connection: wakes the first who waits. Each accept that succeeds passes the wake on.
fn accept_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(server) = core.object::<Server>(Key::from_word(word)) else { return };
    core.unwatch(server.fd, Interest::Read);
    server.accepting.borrow_mut().watching = false;
    server.accepts.wake_first(&core);
}

/// The future of [`StreamServer::accept`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Accept<'a> {
    server: &'a StreamServer,
    /// The place among those who accept, once the first attempt found nothing or others wait already.
    wait: Option<Key>,
    /// The call that accepts, by which the reader callback is known.
    place: &'static Location<'static>,
}

impl Future for Accept<'_> {
    type Output = Result<StreamTransport, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (core, server) = self.server.resolve();
        if server.closed.get() {
            self.leave(&core, &server);
            return Poll::Ready(Err(server.is_closed()));
        }
        let first = server.accepts.first();
        if first.is_some() && first != self.wait {
            return self.wait(&core, &server, context);
        }
        let outcome = match server.try_accept(&core) {
            Err(error) if error.is_would_block() => return self.wait(&core, &server, context),
            Err(error) => Err(server.error(error)),
            Ok((fd, remote)) => Ok(StreamTransport::new(core.handle, fd, remote)),
        };
        self.leave(&core, &server);
        Poll::Ready(outcome)
    }
}

impl Accept<'_> {
    fn wait<T>(
        &mut self,
        core: &Core,
        server: &Server,
        context: &Context<'_>,
    ) -> Poll<Result<T, TransportError>> {
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| server.accepts.begin(core, "accept", 1, place));
        if core.poll_wait(wait, context) {
            // Noting the waker, which is anyone's code, has closed it.
            assert!(server.closed.get(), "only a server that closes grants an accept, to tell it so");
            self.leave(core, server);
            return Poll::Ready(Err(server.is_closed()));
        }
        server.watch(core, self.server.key, self.place);
        Poll::Pending
    }

    /// Gives the place in the queue up, and has the next one look.
    fn leave(&mut self, core: &Core, server: &Server) {
        let Some(wait) = self.wait.take() else { return };
        let was_first = server.accepts.first() == Some(wait);
        let _ended = server.accepts.end(core, wait);
        if was_first {
            server.accepts.wake_first(core);
        }
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        if self.wait.is_some() && self.server.handle.is_here() {
            let (core, server) = self.server.resolve();
            self.leave(&core, &server);
        }
    }
}
