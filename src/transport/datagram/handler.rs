//! The callback form of receiving: a closure that gets each datagram as its own slice (R151, R152).

use std::mem::ManuallyDrop;
use std::panic::Location;

use super::{DatagramTransport, Socket};
use crate::dispatcher::{Core, Interest};
use crate::driver::Received;
use crate::table::Key;
use crate::{Address, AsyncCallback, ErrorKind, Handle, Operation, TransportError};

/// What an IP datagram may carry at most, and a little more.
const BUFFER: usize = 64 * 1024;

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What it carries, this datagram alone.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub source: Address,
    /// Whether it carried more, which is lost (R153).
    pub truncated: bool,
}

impl Datagram<'_> {
    /// The datagram that `received` tells of, at the front of `buffer`.
    pub(super) fn at(buffer: &[u8], received: Received) -> Datagram<'_> {
        let Received { source, length, truncated } = received;
        Datagram { bytes: &buffer[..length], source, truncated }
    }
}

/// A handler and the buffer that it is shown.
pub(super) struct Handler {
    function: Box<Function>,
    buffer: Vec<u8>,
}

type Function = dyn FnMut(&DatagramTransport, Result<Datagram<'_>, TransportError>);

/// That there is a handler. It is elsewhere while it runs.
pub(super) struct Installed {
    /// No two handlers of a socket have the same number: one that runs sees by it whether it was removed meanwhile.
    number: u64,
    pub(super) handler: Option<Handler>,
}

/// # Receiving by a handler
impl DatagramTransport {
    /// Calls `handler` with each datagram, in the order of their arrival, until it is
    /// [removed](Self::remove_handler) or the transport closes; it may do both itself (R151, R160). Each call has a slice of
    /// its own datagram, which is good for the call alone (R152); up to 64 KiB, the most that an IP datagram can carry.
    ///
    /// Errors are told like datagrams, once, and the next datagrams follow (R154). A burst is spread over several turns, so
    /// that everything else has its turn as well. A handler that panics stays installed.
    ///
    /// The handler is given the transport, to answer with; if it owned one, neither would ever be dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] while there is another handler or somebody receives, [`ErrorKind::Closed`].
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let echo = DatagramTransport::bind(Address::loopback(0))?;
    /// echo.on_datagram(|echo, datagram| {
    ///     let Ok(datagram) = datagram else { return };
    ///     echo.send_to(datagram.bytes, datagram.source).detach();
    /// })?;
    ///
    /// let client = DatagramTransport::connect(echo.local_address())?;
    /// client.send(b"hello").await?;
    /// let mut buffer = [0; 16];
    /// let heard = client.recv(&mut buffer).await?;
    /// assert_eq!(&buffer[..heard.length], b"hello");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn on_datagram(
        &self,
        handler: impl FnMut(&DatagramTransport, Result<Datagram<'_>, TransportError>) + 'static,
    ) -> Result<(), TransportError> {
        let (core, socket) = self.resolve();
        socket.refuse_closed(Operation::Receive, socket.local)?;
        let mut side = socket.receive.borrow_mut();
        if side.handler.is_some() || !socket.receivers.is_empty() {
            return Err(TransportError::new(Operation::Receive, Some(socket.local), ErrorKind::Busy));
        }
        let number = side.next_handler;
        side.next_handler += 1;
        let handler = Handler { function: Box::new(handler), buffer: vec![0; BUFFER] };
        side.handler = Some(Installed { number, handler: Some(handler) });
        // Somebody who received and gave up may have left it installed.
        if std::mem::take(&mut side.watching) {
            core.handle.remove_reader(socket.fd);
        }
        drop(side);
        self.watch_for_handler(&core, &socket, Location::caller());
        Ok(())
    }

    /// Removes the handler, which is not called again, and says whether there was one. What has come and was not handed
    /// over stays to be received.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let transport = DatagramTransport::bind(Address::loopback(0))?;
    /// transport.on_datagram(|transport, _first| assert!(transport.remove_handler()))?;
    /// let to = transport.local_address();
    /// transport.send_to(b"for the handler", to).await?;
    /// while transport.has_handler() {
    ///     twinloop::sleep(std::time::Duration::from_millis(1)).await;
    /// }
    /// transport.send_to(b"for us", to).await?;
    /// assert_eq!(transport.recv_from(&mut [0; 16]).await?.length, 6);
    /// # Ok(()) });
    /// ```
    pub fn remove_handler(&self) -> bool {
        let (core, socket) = self.resolve();
        if !self.has_handler() {
            return false;
        }
        core.handle.remove_reader(socket.fd);
        let handler = socket.receive.borrow_mut().uninstall();
        drop(handler);
        true
    }

    /// Whether a handler is installed.
    pub fn has_handler(&self) -> bool {
        self.resolve().1.receive.borrow().handler.is_some()
    }

    fn watch_for_handler(&self, core: &Core, socket: &Socket, place: &'static Location<'static>) {
        let callback = AsyncCallback::new(handler_ready, self.key.into_word());
        let watched = core.watch(socket.fd, Interest::Read, callback, place);
        watched.expect("a socket is read through its transport alone");
    }
}

/// There may be datagrams: the handler is called with each, as far as the budget allows. Then it is due again.
fn handler_ready(handle: &Handle, word: usize) {
    let (core, key) = (handle.core(), Key::from_word(word));
    let Some(socket) = core.object::<Socket>(key) else { return };
    let Some(mut call) = Call::begin(&core, &socket, key) else { return };
    while call.is_wanted() && socket.may_receive(&core) {
        let Handler { function, buffer } = call.handler();
        let datagram = match core.recv_from(socket.fd, buffer) {
            Err(error) if error.is_would_block() => break,
            Err(error) => Err(socket.receive_error(error)),
            Ok(received) => Ok(Datagram::at(buffer, received)),
        };
        socket.has_received(1);
        let transport = ManuallyDrop::new(DatagramTransport { handle: *handle, key });
        function(&transport, datagram);
    }
}

/// A handler that runs: out of the socket's state, so that no borrow of that is alive. It is put back at the end, also by a
/// panic, unless it was removed meanwhile.
struct Call<'a> {
    core: &'a Core,
    socket: &'a Socket,
    key: Key,
    number: u64,
    handler: Option<Handler>,
}

impl<'a> Call<'a> {
    fn begin(core: &'a Core, socket: &'a Socket, key: Key) -> Option<Call<'a>> {
        let mut side = socket.receive.borrow_mut();
        let installed = side.handler.as_mut()?;
        let handler = installed.handler.take();
        assert!(handler.is_some(), "a handler is called by one turn at a time");
        // The owner of the transport may drop it in the handler, which has it at hand still.
        socket.hold();
        Some(Call { core, socket, key, number: installed.number, handler })
    }

    fn handler(&mut self) -> &mut Handler {
        self.handler.as_mut().expect("it is kept until it is put back")
    }

    /// Whether it was not removed, and the socket not closed.
    fn is_wanted(&self) -> bool {
        self.socket.receive.borrow().handler.as_ref().is_some_and(|installed| installed.number == self.number)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(installed) = self.socket.receive.borrow_mut().handler.as_mut() {
            if installed.number == self.number {
                installed.handler = self.handler.take();
            }
        }
        // One that was removed is dropped here: that is anyone's code, and no borrow is alive.
        self.handler = None;
        Socket::release(self.core, self.key);
    }
}
