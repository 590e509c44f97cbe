//! Sockets: how they are made, and what each kind of them can be asked. Knows no selector and no table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::Interest;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, SockRef};
use twinloop::Address;
use twinloop::driver::{ConnectOptions, ListenOptions, OsError};

use crate::platform;

/// A socket of the driver. Never blocks; a stream sends small segments at once (`TCP_NODELAY`).
///
/// Dropping it closes it and ends its watch: on Unix the kernel forgets a closed descriptor, on Windows mio's type sees
/// to it. Deregistering first would be a system call for nothing.
#[derive(Debug)]
pub(crate) enum Socket {
    Listener(TcpListener),
    Stream(TcpStream),
}

impl Socket {
    /// A listener that is bound and listens.
    ///
    /// Whether one on `::` takes IPv4 too is left as the system has it.
    pub(crate) fn listen(address: &Address, options: &ListenOptions) -> io::Result<Socket> {
        let address = ip(address)?;
        let socket = platform::stream_socket(Domain::for_address(address))?;
        if options.reuse_address && platform::REUSE_ADDRESS_IS_SAFE {
            socket.set_reuse_address(true)?;
        }
        if platform::NO_DELAY_IS_INHERITED {
            socket.set_tcp_nodelay(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Ok(Socket::Listener(TcpListener::from_std(socket.into())))
    }

    /// A stream that is connected, or on its way.
    pub(crate) fn connect(remote: &Address, options: &ConnectOptions) -> io::Result<Socket> {
        let remote = reachable(ip(remote)?);
        let socket = platform::stream_socket(Domain::for_address(remote))?;
        if let Some(local) = &options.local {
            socket.bind(&ip(local)?.into())?;
        }
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&remote.into()) {
            Err(error) if !platform::connect_goes_on(&error) => Err(error),
            _ => Ok(Socket::Stream(TcpStream::from_std(socket.into()))),
        }
    }

    /// The next connection. A socket that does not listen answers `EINVAL`'s kind, as Linux does.
    pub(crate) fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let Socket::Listener(listener) = self else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (stream, peer) = listener.accept()?;
        if !platform::NO_DELAY_IS_INHERITED {
            // macOS refuses this on a connection that its peer has reset already. That is no fault of the listener, and
            // the first `recv` will tell it.
            let _ = stream.set_nodelay(true);
        }
        Ok((Socket::Stream(stream), peer))
    }

    /// The stream. A listener is not connected to anything, and says so.
    pub(crate) fn as_stream(&self) -> Result<&TcpStream, OsError> {
        match self {
            Socket::Stream(stream) => Ok(stream),
            Socket::Listener(_) => Err(OsError::without_code(io::ErrorKind::NotConnected)),
        }
    }

    pub(crate) fn as_sock_ref(&self) -> SockRef<'_> {
        match self {
            Socket::Listener(listener) => SockRef::from(listener),
            Socket::Stream(stream) => SockRef::from(stream),
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Socket::Listener(listener) => listener.local_addr(),
            Socket::Stream(stream) => stream.local_addr(),
        }
    }

    /// What to watch, and in which directions it can become ready.
    pub(crate) fn as_source(&mut self) -> (&mut dyn Source, Interest) {
        match self {
            Socket::Listener(listener) => (listener, Interest::READABLE),
            Socket::Stream(stream) => (stream, Interest::READABLE | Interest::WRITABLE),
        }
    }
}

fn ip(address: &Address) -> io::Result<SocketAddr> {
    address.as_ip().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// `remote`, or the loopback where it says "any address" and this system can not connect to that (R131).
fn reachable(remote: SocketAddr) -> SocketAddr {
    if !platform::WILDCARD_IS_NO_TARGET || !remote.ip().is_unspecified() {
        return remote;
    }
    let loopback = match remote.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(loopback, remote.port())
}
