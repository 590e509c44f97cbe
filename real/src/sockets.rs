//! Sockets: how they are made, and what each kind of them can be asked. Knows no selector and no table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::Interest;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, SockRef};
use twinloop::Address;
use twinloop::driver::{ConnectOptions, ListenOptions, OsError};

use crate::datagrams::DatagramSocket;
use crate::streams::Stream;
use crate::{options, platform};

/// A socket of the driver. Never blocks.
///
/// Dropping it closes it and ends its watch: on Unix the kernel forgets a closed descriptor, on Windows mio's type sees
/// to it. Deregistering first would be a system call for nothing.
#[derive(Debug)]
pub(crate) enum Socket {
    Listener(TcpListener),
    Stream(Stream),
    Datagram(DatagramSocket),
}

impl Socket {
    /// A listener that is bound and listens.
    pub(crate) fn listen(address: &Address, options: &ListenOptions) -> io::Result<Socket> {
        let address = ip(address)?;
        let socket = platform::stream_socket(Domain::for_address(address))?;
        options::prepare_listener(&socket, address.is_ipv6(), options)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Ok(Socket::Listener(TcpListener::from_std(socket.into())))
    }

    /// A stream that is connected, or on its way; and whether it says that it is connected and is not, as with fast open: the
    /// kernel puts the handshake off until the first write, and until then knows of no peer.
    pub(crate) fn connect(remote: &Address, options: &ConnectOptions) -> io::Result<(Socket, bool)> {
        let remote = reachable(ip(remote)?);
        let socket = platform::stream_socket(Domain::for_address(remote))?;
        options::prepare_stream(&socket, options)?;
        if let Some(local) = &options.local {
            socket.bind(&ip(local)?.into())?;
        }
        let is_put_off = match socket.connect(&remote.into()) {
            Ok(()) => options.fast_open && socket.peer_addr().is_err(),
            Err(error) if platform::connect_goes_on(&error) => false,
            Err(error) => return Err(error),
        };
        Ok((Socket::Stream(Stream::new(TcpStream::from_std(socket.into()))), is_put_off))
    }

    /// The next connection. A socket that does not listen answers the kinds of `EINVAL` and `EOPNOTSUPP`, as Linux does.
    pub(crate) fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let listener = match self {
            Socket::Listener(listener) => listener,
            Socket::Stream(_) => return Err(io::ErrorKind::InvalidInput.into()),
            Socket::Datagram(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let (stream, peer) = listener.accept()?;
        if !platform::NO_DELAY_IS_INHERITED && listener_has_no_delay(listener) {
            // macOS refuses this on a connection that its peer has reset already. That is no fault of the listener, and
            // the first `recv` will tell it.
            let _ = stream.set_nodelay(true);
        }
        Ok((Socket::Stream(Stream::new(stream)), canonical(peer)))
    }

    pub(crate) fn as_stream(&self) -> Result<&TcpStream, OsError> {
        Ok(&self.as_whole_stream()?.socket)
    }

    /// The stream. A listener is not connected to anything, and says so.
    pub(crate) fn as_whole_stream(&self) -> Result<&Stream, OsError> {
        match self {
            Socket::Stream(stream) => Ok(stream),
            Socket::Listener(_) => Err(OsError::without_code(io::ErrorKind::NotConnected)),
            Socket::Datagram(_) => Err(OsError::without_code(io::ErrorKind::Unsupported)),
        }
    }

    pub(crate) fn as_datagram(&self) -> Result<&DatagramSocket, OsError> {
        match self {
            Socket::Datagram(socket) => Ok(socket),
            Socket::Listener(_) | Socket::Stream(_) => Err(OsError::without_code(io::ErrorKind::Unsupported)),
        }
    }

    pub(crate) fn as_sock_ref(&self) -> SockRef<'_> {
        match self {
            Socket::Listener(listener) => SockRef::from(listener),
            Socket::Stream(stream) => SockRef::from(&stream.socket),
            Socket::Datagram(socket) => socket.as_sock_ref(),
        }
    }

    /// The pending error, which is cleared by asking.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Socket::Stream(stream) => stream.take_error(),
            Socket::Listener(_) | Socket::Datagram(_) => self.as_sock_ref().take_error(),
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        let address = match self {
            Socket::Listener(listener) => listener.local_addr(),
            Socket::Stream(stream) => stream.socket.local_addr(),
            Socket::Datagram(socket) => socket.local_address(),
        };
        address.map(canonical)
    }

    pub(crate) fn remote_address(&self) -> io::Result<SocketAddr> {
        match self {
            Socket::Datagram(socket) => socket.remote_address(),
            Socket::Listener(_) | Socket::Stream(_) => self.as_stream()?.peer_addr().map(canonical),
        }
    }

    /// What to watch, and in which directions it can become ready.
    pub(crate) fn as_source(&mut self) -> (&mut dyn Source, Interest) {
        match self {
            Socket::Listener(listener) => (listener, Interest::READABLE),
            Socket::Stream(stream) => (&mut stream.socket, Interest::READABLE | Interest::WRITABLE),
            Socket::Datagram(socket) => (socket.as_source(), Interest::READABLE | Interest::WRITABLE),
        }
    }
}

pub(crate) fn ip(address: &Address) -> io::Result<SocketAddr> {
    address.as_ip().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

fn listener_has_no_delay(listener: &TcpListener) -> bool {
    SockRef::from(listener).tcp_nodelay().unwrap_or(true)
}

/// An IPv4 address that an IPv6 socket shows in its own clothes (`::ffff:a.b.c.d`), as what it is (R146).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => SocketAddr::new(ip.to_canonical(), address.port()),
        _ => address,
    }
}

/// `remote`, or the loopback where it says "any address" and this system can not connect to that (R131).
pub(crate) fn reachable(remote: SocketAddr) -> SocketAddr {
    if !platform::WILDCARD_IS_NO_TARGET || !remote.ip().is_unspecified() {
        return remote;
    }
    let loopback = match remote.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, remote.port())
}
