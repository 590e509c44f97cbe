//! `DatagramTransport`: the state of one datagram socket and its life. Receiving, sending, handlers, batches and options are
//! told in their own files.

mod batch;
mod handler;
mod options;
mod receive;
mod send;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use super::stream::Close;
use crate::dispatcher::{Core, WaitQueue};
use crate::driver::{DatagramOptions, Fd, OsError};
use crate::table::Key;
use crate::task::yield_now;
use crate::{Address, ErrorKind, Handle, Operation, TransportError};

pub use batch::{DatagramBatch, ReceiveMany, SendMany};
pub use handler::Datagram;
pub use receive::Receive;
pub use send::SendDatagram;

use receive::ReceiveSide;
use send::SendSide;

/// A datagram socket.
///
/// Datagrams are received one by one, each with its source, by [`recv_from`](Self::recv_from); by a handler that is called
/// for each of them, [`on_datagram`](Self::on_datagram); or many at a time, [`recv_many`](Self::recv_many). They may be sent
/// by several tasks and leave in the order of the calls (R156). Every operation may be cancelled by dropping its future: a
/// datagram is sent whole or not at all, and none that has come is lost by it.
///
/// A datagram that is lost, doubled or overtaken on its way is nobody's error. An error that one has caused, such as a
/// refusal by the peer's host, is told once by the next operation, and the transport goes on (R154).
///
/// Dropping the transport closes it.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, DatagramTransport};
///
/// let server = DatagramTransport::bind(Address::loopback(0))?;
/// let client = DatagramTransport::connect(server.local_address())?;
/// client.send(b"ping").await?;
///
/// let mut buffer = [0; 1500];
/// let ping = server.recv_from(&mut buffer).await?;
/// assert_eq!(&buffer[..ping.length], b"ping");
/// server.send_to(b"pong", ping.source).await?;
/// assert_eq!(client.recv(&mut buffer).await?.length, 4);
/// # Ok(()) });
/// ```
pub struct DatagramTransport {
    handle: Handle,
    key: Key,
}

/// What the dispatcher keeps of a datagram socket.
struct Socket {
    fd: Fd,
    local: Address,
    /// The only peer of a connected socket.
    peer: Option<Address>,
    closed: Cell<bool>,
    /// The transport, the sends that wait and a handler that runs: whoever is the last to go takes the state along.
    holders: Cell<u32>,
    receive: RefCell<ReceiveSide>,
    /// Those who receive, in the order of their first polls. The first one is woken to look, and granted nothing but the
    /// end: what it is woken for may be gone again.
    receivers: WaitQueue,
    send: RefCell<SendSide>,
}

impl DatagramTransport {
    /// A socket that is bound to `local`; port 0 picks a free one. A socket at `[::]` sends to and hears IPv4 peers too,
    /// by their IPv4 addresses (R161).
    ///
    /// # Errors
    ///
    /// The system's: the address is in use, not ours, not permitted.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let both = DatagramTransport::bind("[::]:0".parse::<Address>()?)?;
    /// let port = both.local_address().port().expect("an IP address has one");
    /// let client = DatagramTransport::connect(Address::loopback(port))?;
    /// client.send(b"from IPv4").await?;
    /// assert_eq!(both.recv_from(&mut [0; 16]).await?.source, client.local_address());
    /// # Ok(()) });
    /// ```
    pub fn bind(local: impl Into<Address>) -> Result<DatagramTransport, TransportError> {
        DatagramTransport::bind_with(local, &DatagramOptions::default())
    }

    /// As [`bind`](Self::bind), with options. With a [`remote`](DatagramOptions::remote) it is connected as well.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), and [`Unsupported`](std::io::ErrorKind::Unsupported) for an option that the system lacks.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::driver::DatagramOptions;
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let options = DatagramOptions::default().reuse_address(true);
    /// let first = DatagramTransport::bind_with(Address::any(5353), &options)?;
    /// let second = DatagramTransport::bind_with(Address::any(5353), &options)?;
    /// assert_eq!(first.local_address(), second.local_address());
    /// # Ok(()) });
    /// ```
    pub fn bind_with(
        local: impl Into<Address>,
        options: &DatagramOptions,
    ) -> Result<DatagramTransport, TransportError> {
        let local = local.into();
        DatagramTransport::open(&local, options)
            .map_err(|error| TransportError::from_os(Operation::Bind, Some(local), error))
    }

    /// A socket with a port of its own and one peer: what others send is not received, and a refusal by the peer's host is
    /// told (R154, R159). Nothing is sent by connecting, so that it does not show whether the peer is there.
    ///
    /// # Errors
    ///
    /// The system's: there is no way to `remote`.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::io::ErrorKind::ConnectionRefused;
    /// use twinloop::{Address, DatagramTransport, ErrorKind};
    ///
    /// let client = DatagramTransport::connect(Address::loopback(9))?;
    /// client.send(b"is anybody there?").await?;
    /// let refused = client.recv(&mut [0; 16]).await.unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Os(ConnectionRefused));
    /// # Ok(()) });
    /// ```
    pub fn connect(remote: impl Into<Address>) -> Result<DatagramTransport, TransportError> {
        DatagramTransport::connect_with(remote, &DatagramOptions::default())
    }

    /// As [`connect`](Self::connect), with options, of which [`remote`](DatagramOptions::remote) is replaced.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        remote: impl Into<Address>,
        options: &DatagramOptions,
    ) -> Result<DatagramTransport, TransportError> {
        let remote = remote.into();
        DatagramTransport::open(&unbound(&remote), &options.clone().remote(remote))
            .map_err(|error| TransportError::from_os(Operation::Connect, Some(remote), error))
    }

    /// Two sockets that are connected to each other and to nobody else (socketpair(2)). Neither has a name:
    /// [`Address::UNNAMED`]. Nothing is lost between them: who sends to a full queue waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyOpen`], or what else the system says; Windows has none:
    /// [`Unsupported`](std::io::ErrorKind::Unsupported).
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::DatagramTransport;
    ///
    /// let (near, far) = DatagramTransport::pair()?;
    /// near.send(b"ping").await?;
    /// assert_eq!(far.recv(&mut [0; 16]).await?.length, 4);
    /// # Ok(()) });
    /// ```
    pub fn pair() -> Result<(DatagramTransport, DatagramTransport), TransportError> {
        let handle = Handle::current();
        let pair = handle.core().datagram_pair();
        let (near, far) = pair.map_err(|error| TransportError::of_name(Operation::Open, "a pair", error))?;
        let transport = |fd| DatagramTransport::of(handle, fd, Address::UNNAMED, Some(Address::UNNAMED));
        Ok((transport(near), transport(far)))
    }

    fn open(local: &Address, options: &DatagramOptions) -> Result<DatagramTransport, OsError> {
        let handle = Handle::current();
        let core = handle.core();
        let fd = core.bind_datagram(local, options)?;
        let addresses = handle.local_address(fd).and_then(|local| {
            let peer = options.remote.map(|_| handle.remote_address(fd)).transpose()?;
            Ok((local, peer))
        });
        let (local, peer) = addresses.inspect_err(|_| core.close_fd(fd))?;
        Ok(DatagramTransport::of(handle, fd, local, peer))
    }

    /// The transport of a bound descriptor, which it owns from now on.
    fn of(handle: Handle, fd: Fd, local: Address, peer: Option<Address>) -> DatagramTransport {
        let socket = Socket {
            fd,
            local,
            peer,
            closed: Cell::new(false),
            holders: Cell::new(1),
            receive: RefCell::default(),
            receivers: WaitQueue::default(),
            send: RefCell::default(),
        };
        DatagramTransport { handle, key: handle.core().insert_object(Rc::new(socket)) }
    }

    /// The dispatcher that the transport lives on.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// Where it is bound, with the port that was picked.
    pub fn local_address(&self) -> Address {
        self.resolve().1.local
    }

    /// The only peer, if it is connected.
    pub fn remote_address(&self) -> Option<Address> {
        self.resolve().1.peer
    }

    /// Whether the transport was closed.
    pub fn is_closed(&self) -> bool {
        self.resolve().1.closed.get()
    }

    /// Closes the socket at once and frees its address: whoever receives, and every send that waits, ends with
    /// [`ErrorKind::Closed`] (R158), and a handler is dropped. It may be called from inside of one (R160).
    ///
    /// The socket is closed by the call, awaited or not. The future is ready once everyone who waited has been told, for
    /// each caller. Closing twice does no harm.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{Address, DatagramTransport, ErrorKind};
    ///
    /// let transport = DatagramTransport::bind(Address::loopback(7000))?;
    /// transport.close().await;
    /// assert_eq!(transport.recv_from(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::Closed);
    /// assert!(DatagramTransport::bind(Address::loopback(7000)).is_ok());
    /// # Ok(()) });
    /// ```
    pub fn close(&self) -> Close {
        let (core, socket) = self.resolve();
        socket.close(&core);
        Close { told: yield_now() }
    }

    /// The dispatcher's state and the socket's.
    fn resolve(&self) -> (Rc<Core>, Rc<Socket>) {
        let core = self.handle.core();
        let socket = core.object(self.key).expect("a socket is kept for as long as its transport lives");
        (core, socket)
    }
}

impl Drop for DatagramTransport {
    fn drop(&mut self) {
        let Some(core) = self.handle.try_core() else { return };
        // A closing dispatcher has dropped its objects, and closes all descriptors itself.
        let Some(socket) = core.object::<Socket>(self.key) else { return };
        socket.close(&core);
        Socket::release(&core, self.key);
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DatagramTransport");
        if let Some(socket) = self.handle.try_core().and_then(|core| core.object::<Socket>(self.key)) {
            debug.field("local", &socket.local);
            debug.field("remote", &socket.peer).field("closed", &socket.closed.get());
        }
        debug.finish_non_exhaustive()
    }
}

impl Socket {
    fn hold(&self) {
        self.holders.set(self.holders.get() + 1);
    }

    /// One holder less. A closing dispatcher has dropped the state itself.
    fn release(core: &Core, key: Key) {
        let Some(socket) = core.object::<Socket>(key) else { return };
        socket.holders.set(socket.holders.get() - 1);
        if socket.holders.get() == 0 {
            core.remove_object(key);
        }
    }

    /// Tells senders, then receivers, and drops the handler; then closes the descriptor.
    fn close(&self, core: &Core) {
        if self.closed.replace(true) {
            return;
        }
        core.handle.remove_writer(self.fd);
        core.handle.remove_reader(self.fd);
        core.close_fd(self.fd);
        let abandoned = self.send.borrow_mut().abandon();
        send::tell(core, abandoned);
        self.receivers.grant_all(core);
        let handler = self.receive.borrow_mut().uninstall();
        drop(handler);
    }

    fn refuse_closed(&self, operation: Operation, address: Address) -> Result<(), TransportError> {
        if self.closed.get() {
            return Err(TransportError::new(operation, Some(address), ErrorKind::Closed));
        }
        Ok(())
    }
}

/// The address that binds a socket to nothing in particular, of the family of `remote`.
fn unbound(remote: &Address) -> Address {
    match remote {
        Address::Ip(address) if address.is_ipv4() => Address::any(0),
        Address::Ip(_) => Address::from((IpAddr::from(Ipv6Addr::UNSPECIFIED), 0)),
        Address::Unix(_) => Address::UNNAMED,
    }
}
