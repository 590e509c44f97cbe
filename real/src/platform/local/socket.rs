//! Unix sockets: listeners, streams and datagram sockets.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;

use mio::Interest;
use mio::net::{UnixDatagram, UnixListener, UnixStream};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendFlags};
use socket2::{Domain, SockRef, Socket, Type};
use twinloop::Address;
use twinloop::driver::{
    ConnectOptions, Credentials, DatagramOptions, Fd, Half, ListenOptions, Received, UnixAddress,
};

use super::name::{self, BoundPath};
use super::system;
use crate::poller::Poller;

/// Sending to nobody is an error and no signal. Apple's systems have it set on the socket, by socket2.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

/// `IOV_MAX`: more buffers are refused, while a short count is always allowed.
const BUFFERS_MAX: usize = 1024;

/// A new socket that never blocks and that child processes do not inherit.
fn new_socket(kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn set_buffers(socket: &Socket, receive: Option<u32>, send: Option<u32>) -> io::Result<()> {
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = send {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    Ok(())
}

fn refuse_ip(asks_for_ip: bool) -> io::Result<()> {
    if asks_for_ip { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

fn unix(address: &Address) -> io::Result<&UnixAddress> {
    address.as_unix().ok_or_else(|| system(libc::EINVAL))
}

#[derive(Debug)]
pub(crate) struct Listener {
    // The order of these is that of their destructors.
    _path: Option<BoundPath>,
    socket: UnixListener,
}

impl Listener {
    pub(super) fn listen(address: &UnixAddress, options: &ListenOptions) -> io::Result<Listener> {
        refuse_ip(options.asks_for_ip())?;
        let socket = new_socket(Type::STREAM)?;
        set_buffers(&socket, options.receive_buffer, options.send_buffer)?;
        let path = name::bind(&socket, address, options.replace_stale)?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Ok(Listener { _path: path, socket: UnixListener::from_std(socket.into()) })
    }

    pub(super) fn accept(&self) -> io::Result<(Stream, UnixAddress)> {
        let (socket, peer) = self.socket.accept()?;
        let stream = Stream { _path: None, socket };
        // Few who connect have a name, but mio takes an abstract one for none.
        let is_unnamed = peer.is_unnamed() && !name::MAY_BE_ABSTRACT;
        let peer = if is_unnamed { UnixAddress::UNNAMED } else { stream.remote_address()? };
        Ok((stream, peer))
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        poller.watch(&mut self.socket, Interest::READABLE, fd)
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    pub(super) fn local_address(&self) -> io::Result<UnixAddress> {
        own_address(&self.socket)
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    _path: Option<BoundPath>,
    socket: UnixStream,
}

impl Stream {
    /// Connected when it returns, or refused. A full backlog is `EAGAIN` on Linux, which is an error here: no event tells
    /// that it has room again (R132).
    pub(super) fn connect(remote: &UnixAddress, options: &ConnectOptions) -> io::Result<Stream> {
        refuse_ip(options.asks_for_ip())?;
        let socket = new_socket(Type::STREAM)?;
        set_buffers(&socket, options.receive_buffer, options.send_buffer)?;
        let path = match &options.local {
            Some(local) => name::bind(&socket, unix(local)?, false)?,
            None => None,
        };
        match rustix::net::connect(&socket, &name::to_system(remote)?) {
            // Some of the BSDs let it go on.
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Stream { _path: path, socket: UnixStream::from_std(socket.into()) })
    }

    pub(super) fn pair() -> io::Result<(Stream, Stream)> {
        let (first, second) = UnixStream::pair()?;
        Ok((Stream { _path: None, socket: first }, Stream { _path: None, socket: second }))
    }

    /// A peer that sends descriptors along ends a read early, although there is more: [`short_read_drains`] would be wrong
    /// of it. So what is behind them is read too. Nobody here takes the descriptors, and the kernel closes them.
    ///
    /// [`short_read_drains`]: twinloop::driver::Capabilities::short_read_drains
    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            let (count, was_cut) = self.recv_part(&mut buffer[filled..])?;
            filled += count;
            // There is more if it says so, and then no error or end stands before that.
            if !was_cut || filled == buffer.len() || rustix::io::ioctl_fionread(&self.socket)? == 0 {
                return Ok(filled);
            }
        }
    }

    /// One receive; and whether descriptors came along.
    fn recv_part(&self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        self.socket.try_io(|| {
            let mut no_descriptors = RecvAncillaryBuffer::default();
            let parts = &mut [IoSliceMut::new(buffer)];
            let received =
                rustix::net::recvmsg(&self.socket, parts, &mut no_descriptors, RecvFlags::empty())?;
            Ok((received.bytes, received.flags.contains(ReturnFlags::CTRUNC)))
        })
    }

    pub(super) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.try_io(|| SockRef::from(&self.socket).send_with_flags(buffer, NO_SIGNAL))
    }

    pub(super) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers = &buffers[..buffers.len().min(BUFFERS_MAX)];
        self.socket.try_io(|| SockRef::from(&self.socket).send_vectored_with_flags(buffers, NO_SIGNAL))
    }

    pub(super) fn shutdown(&self, half: Half) -> io::Result<()> {
        self.socket.shutdown(match half {
            Half::Read => Shutdown::Read,
            Half::Write => Shutdown::Write,
            Half::Both => Shutdown::Both,
        })
    }

    #[cfg(any(target_os = "android", target_os = "linux"))]
    pub(super) fn peer_credentials(&self) -> io::Result<Credentials> {
        let peer = rustix::net::sockopt::socket_peercred(&self.socket)?;
        let process = u32::try_from(peer.pid.as_raw_nonzero().get());
        Ok(Credentials {
            user: peer.uid.as_raw(),
            group: peer.gid.as_raw(),
            process: process.expect("the number of a process is above 0"),
        })
    }

    /// The others have calls that tell less, each its own.
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    pub(super) fn peer_credentials(&self) -> io::Result<Credentials> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        poller.watch(&mut self.socket, Interest::READABLE | Interest::WRITABLE, fd)
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    pub(super) fn local_address(&self) -> io::Result<UnixAddress> {
        own_address(&self.socket)
    }

    pub(super) fn remote_address(&self) -> io::Result<UnixAddress> {
        peer_address(&self.socket)
    }
}

#[derive(Debug)]
pub(crate) struct Datagrams {
    _path: Option<BoundPath>,
    socket: UnixDatagram,
}

impl Datagrams {
    pub(super) fn bind(local: &UnixAddress, options: &DatagramOptions) -> io::Result<Datagrams> {
        refuse_ip(options.asks_for_ip())?;
        let socket = new_socket(Type::DGRAM)?;
        set_buffers(&socket, options.receive_buffer, options.send_buffer)?;
        let path = if local.is_unnamed() { None } else { name::bind(&socket, local, options.replace_stale)? };
        if let Some(remote) = &options.remote {
            rustix::net::connect(&socket, &name::to_system(unix(remote)?)?)?;
        }
        Ok(Datagrams { _path: path, socket: UnixDatagram::from_std(socket.into()) })
    }

    pub(super) fn pair() -> io::Result<(Datagrams, Datagrams)> {
        let (first, second) = UnixDatagram::pair()?;
        Ok((Datagrams { _path: None, socket: first }, Datagrams { _path: None, socket: second }))
    }

    pub(super) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.receive(buffer, RecvFlags::empty())
    }

    pub(super) fn peek_from(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.receive(buffer, RecvFlags::PEEK)
    }

    fn receive(&self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
        self.socket.try_io(|| {
            let room = buffer.len();
            let mut no_descriptors = RecvAncillaryBuffer::default();
            let parts = &mut [IoSliceMut::new(buffer)];
            let received = rustix::net::recvmsg(&self.socket, parts, &mut no_descriptors, flags)?;
            Ok(Received {
                source: Address::Unix(received.address.map_or(UnixAddress::UNNAMED, name::from_system)),
                length: received.bytes.min(room),
                truncated: received.flags.contains(ReturnFlags::TRUNC),
            })
        })
    }

    pub(super) fn send_to(&self, bytes: &[u8], remote: Option<&UnixAddress>) -> io::Result<()> {
        let flags = SendFlags::from_bits_retain(NO_SIGNAL as u32);
        let remote = remote.map(name::to_system).transpose()?;
        self.socket.try_io(|| {
            match &remote {
                Some(remote) => rustix::net::sendto(&self.socket, bytes, flags, remote)?,
                None => rustix::net::send(&self.socket, bytes, flags)?,
            };
            Ok(())
        })
    }

    pub(super) fn watch(&mut self, poller: &Poller, fd: Fd) -> io::Result<()> {
        poller.watch(&mut self.socket, Interest::READABLE | Interest::WRITABLE, fd)
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    pub(super) fn local_address(&self) -> io::Result<UnixAddress> {
        own_address(&self.socket)
    }

    pub(super) fn remote_address(&self) -> io::Result<UnixAddress> {
        peer_address(&self.socket)
    }
}

fn own_address(socket: impl AsFd) -> io::Result<UnixAddress> {
    Ok(name::from_system(rustix::net::getsockname(socket)?))
}

fn peer_address(socket: impl AsFd) -> io::Result<UnixAddress> {
    let peer = rustix::net::getpeername(socket)?;
    Ok(peer.map_or(UnixAddress::UNNAMED, name::from_system))
}
