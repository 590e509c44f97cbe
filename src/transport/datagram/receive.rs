//! Receiving one datagram at a time: who receives, and in which order.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::handler::{Handler, Installed};
use super::{DatagramTransport, Socket};
use crate::dispatcher::{Core, Interest};
use crate::driver::{Fd, OsError, Received};
use crate::table::Key;
use crate::transport::budget::{Budget, DATAGRAMS_A_TURN};
use crate::{AsyncCallback, ErrorKind, Handle, Operation, TransportError};

#[derive(Default)]
pub(super) struct ReceiveSide {
    /// The reader callback is installed, on behalf of those who wait.
    pub(super) watching: bool,
    budget: Budget,
    pub(super) handler: Option<Installed>,
    pub(super) next_handler: u64,
}

/// # Receiving
impl DatagramTransport {
    /// The next datagram: it is put at the front of `buffer`, with its length and its source. What does not fit is lost, and
    /// that is told (R153). An empty datagram is one like any other.
    ///
    /// Several callers are served in the order of their first polls. Dropping the future gives its place up, and loses no
    /// datagram.
    ///
    /// # Errors
    ///
    /// What an earlier datagram has caused is told once, here or by a send, and the transport goes on (R154).
    /// [`ErrorKind::Closed`], and [`ErrorKind::Busy`] while a handler is installed.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let receiver = DatagramTransport::bind(Address::loopback(0))?;
    /// let sender = DatagramTransport::bind(Address::loopback(0))?;
    /// sender.send_to(b"too long", receiver.local_address()).await?;
    ///
    /// let mut buffer = [0; 3];
    /// let received = receiver.recv_from(&mut buffer).await?;
    /// assert_eq!((&buffer, received.truncated), (b"too", true));
    /// assert_eq!(received.source, sender.local_address());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn recv_from<'a>(&'a self, buffer: &'a mut [u8]) -> Receive<'a> {
        Receive { turn: Turn::new(self), buffer, from_peer: false, peeks: false }
    }

    /// As [`recv_from`](Self::recv_from), for a connected transport: the source is its peer.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from), and [`NotConnected`](io::ErrorKind::NotConnected) without a peer.
    #[track_caller]
    pub fn recv<'a>(&'a self, buffer: &'a mut [u8]) -> Receive<'a> {
        Receive { turn: Turn::new(self), buffer, from_peer: true, peeks: false }
    }

    /// As [`recv_from`](Self::recv_from), but the datagram stays: whoever receives next, or looks again, finds it.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let receiver = DatagramTransport::bind(Address::loopback(0))?;
    /// let sender = DatagramTransport::bind(Address::loopback(0))?;
    /// sender.send_to(b"hello", receiver.local_address()).await?;
    ///
    /// let mut first = [0];
    /// assert!(receiver.peek_from(&mut first).await?.truncated);
    /// assert_eq!((&first, receiver.recv_from(&mut [0; 8]).await?.length), (b"h", 5));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn peek_from<'a>(&'a self, buffer: &'a mut [u8]) -> Receive<'a> {
        Receive { turn: Turn::new(self), buffer, from_peer: false, peeks: true }
    }
}

/// The future of [`DatagramTransport::recv_from`], [`DatagramTransport::recv`] and [`DatagramTransport::peek_from`].
#[must_use = "futures do nothing unless awaited"]
pub struct Receive<'a> {
    turn: Turn<'a>,
    buffer: &'a mut [u8],
    from_peer: bool,
    /// The datagram stays.
    peeks: bool,
}

impl Future for Receive<'_> {
    type Output = Result<Received, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Receive { turn, buffer, from_peer, peeks } = &mut *self;
        if *from_peer {
            let (_, socket) = turn.transport.resolve();
            if socket.peer.is_none() {
                return Poll::Ready(Err(socket.receive_error(NOT_CONNECTED)));
            }
        }
        let receive = if *peeks { Core::peek_from } else { Core::recv_from };
        turn.poll(context, |core, fd| receive(core, fd, buffer), |_| 1)
    }
}

const NOT_CONNECTED: OsError = OsError::without_code(io::ErrorKind::NotConnected);

impl fmt::Debug for Receive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("transport", self.turn.transport).finish_non_exhaustive()
    }
}

/// A turn among those who receive.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) transport: &'a DatagramTransport,
    /// The place in the queue, once the first attempt found nothing or others wait already.
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl<'a> Turn<'a> {
    #[track_caller]
    pub(super) fn new(transport: &'a DatagramTransport) -> Turn<'a> {
        Turn { transport, wait: None, place: Location::caller() }
    }

    /// What `receive` gives, once it is this turn and there is something. `count`: how many datagrams that is.
    pub(super) fn poll<T>(
        &mut self,
        context: &Context<'_>,
        receive: impl FnOnce(&Core, Fd) -> Result<T, OsError>,
        count: impl FnOnce(&T) -> usize,
    ) -> Poll<Result<T, TransportError>> {
        let (core, socket) = self.transport.resolve();
        if let Err(refused) = socket.refuse_receiver() {
            self.leave(&core, &socket);
            return Poll::Ready(Err(refused));
        }
        let first = socket.receivers.first();
        if first.is_some() && first != self.wait || !socket.may_receive(&core) {
            return self.wait(&core, &socket, context);
        }
        let outcome = match receive(&core, socket.fd) {
            Err(error) if error.is_would_block() => return self.wait(&core, &socket, context),
            Err(error) => Err(socket.receive_error(error)),
            Ok(received) => {
                socket.has_received(count(&received));
                Ok(received)
            }
        };
        self.leave(&core, &socket);
        Poll::Ready(outcome)
    }

    fn wait<T>(
        &mut self,
        core: &Core,
        socket: &Socket,
        context: &Context<'_>,
    ) -> Poll<Result<T, TransportError>> {
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| socket.receivers.begin(core, "receive", 1, place));
        if core.poll_wait(wait, context) {
            // Noting the waker, which is anyone's code, has closed it.
            self.leave(core, socket);
            let refused = socket.refuse_receiver().expect_err("only a socket that closes grants a receive");
            return Poll::Ready(Err(refused));
        }
        socket.watch(core, self.transport.key, place);
        Poll::Pending
    }

    /// Gives the place in the queue up, and has the next one look.
    fn leave(&mut self, core: &Core, socket: &Socket) {
        let Some(wait) = self.wait.take() else { return };
        let was_first = socket.receivers.first() == Some(wait);
        let _ended = socket.receivers.end(core, wait);
        if was_first {
            socket.receivers.wake_first(core);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.wait.is_some() && self.transport.handle.is_here() {
            let (core, socket) = self.transport.resolve();
            self.leave(&core, &socket);
        }
    }
}

impl Socket {
    fn refuse_receiver(&self) -> Result<(), TransportError> {
        self.refuse_closed(Operation::Receive, self.local)?;
        match self.receive.borrow().handler {
            Some(_) => Err(TransportError::new(Operation::Receive, Some(self.local), ErrorKind::Busy)),
            None => Ok(()),
        }
    }

    pub(super) fn receive_error(&self, error: OsError) -> TransportError {
        TransportError::from_os(Operation::Receive, Some(self.local), error)
    }

    /// Whether the budget of this turn allows one more.
    pub(super) fn may_receive(&self, core: &Core) -> bool {
        self.receive.borrow_mut().budget.allows(core, DATAGRAMS_A_TURN)
    }

    pub(super) fn has_received(&self, count: usize) {
        self.receive.borrow_mut().budget.spend(count);
    }

    /// Has `receive_ready` run when there may be a datagram, if someone waits for one.
    fn watch(&self, core: &Core, key: Key, place: &'static Location<'static>) {
        let was_watching = std::mem::replace(&mut self.receive.borrow_mut().watching, true);
        if !was_watching {
            let callback = AsyncCallback::new(receive_ready, key.into_word());
            let watched = core.watch(self.fd, Interest::Read, callback, place);
            watched.expect("a socket is read through its transport alone");
        }
    }
}

impl ReceiveSide {
    /// Takes the handler away. It is for the caller to drop, or to call once more, with no borrow alive.
    pub(super) fn uninstall(&mut self) -> Option<Handler> {
        self.handler.take().and_then(|installed| installed.handler)
    }
}

/// There may be a datagram: wakes the first who waits. Each one who receives passes the wake on.
fn receive_ready(handle: &Handle, word: usize) {
    let core = handle.core();
    let Some(socket) = core.object::<Socket>(Key::from_word(word)) else { return };
    core.unwatch(socket.fd, Interest::Read);
    socket.receive.borrow_mut().watching = false;
    socket.receivers.wake_first(&core);
}
