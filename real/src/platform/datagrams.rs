//! Datagrams, as far as systems differ: whether one was cut off, several in one call, and which groups a socket hears.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::datagrams::Taking;

#[cfg(any(target_os = "android", target_os = "linux"))]
mod many;
#[cfg(windows)]
mod windows;

#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) use many::{receive_datagrams, send_datagrams};
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(crate) use one_by_one::{receive_datagrams, send_datagrams};
#[cfg(windows)]
pub(crate) use windows::receive_datagram;

/// A UDP socket that never blocks and that child processes do not inherit.
pub(crate) fn datagram_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The next datagram: its length, whether more of it is lost, and who sent it.
///
/// `recvfrom` is the cheaper call, and on Linux it can tell the whole length.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) fn receive_datagram(
    socket: &UdpSocket,
    buffer: &mut [u8],
    taking: Taking,
) -> io::Result<(usize, bool, SocketAddr)> {
    use rustix::net::{RecvFlags, recvfrom};

    let room = buffer.len();
    let peek = if taking == Taking::Nothing { RecvFlags::PEEK } else { RecvFlags::empty() };
    let (_, length, source) = recvfrom(socket, buffer, RecvFlags::TRUNC | peek)?;
    let source = source.and_then(|source| SocketAddr::try_from(source).ok());
    Ok((length.min(room), length > room, source.ok_or(io::ErrorKind::InvalidData)?))
}

/// The next datagram: its length, whether more of it is lost, and who sent it.
#[cfg(all(unix, not(any(target_os = "android", target_os = "linux"))))]
pub(crate) fn receive_datagram(
    socket: &UdpSocket,
    buffer: &mut [u8],
    taking: Taking,
) -> io::Result<(usize, bool, SocketAddr)> {
    use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

    let mut buffers = [io::IoSliceMut::new(buffer)];
    let flags = if taking == Taking::Nothing { RecvFlags::PEEK } else { RecvFlags::empty() };
    let received = recvmsg(socket, &mut buffers, &mut RecvAncillaryBuffer::default(), flags)?;
    let source = received.address.and_then(|source| SocketAddr::try_from(source).ok());
    let source = source.ok_or(io::ErrorKind::InvalidData)?;
    Ok((received.bytes, received.flags.contains(ReturnFlags::TRUNC), source))
}

/// Systems with no call for several datagrams.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
mod one_by_one {
    use super::*;

    /// One: what comes behind it is told by the next call, errors included.
    pub(crate) fn receive_datagrams<'a>(
        socket: &UdpSocket,
        mut slots: impl Iterator<Item = &'a mut [u8]>,
        mut tell: impl FnMut(usize, bool, SocketAddr),
    ) -> io::Result<()> {
        let slot = slots.next().expect("the caller has room for one datagram");
        let (length, truncated, source) = super::receive_datagram(socket, slot, Taking::One)?;
        tell(length, truncated, source);
        Ok(())
    }

    pub(crate) fn send_datagrams(
        socket: &UdpSocket,
        datagrams: &[(&[u8], Option<SocketAddr>)],
    ) -> io::Result<usize> {
        for (sent, (bytes, remote)) in datagrams.iter().enumerate() {
            let outcome = match remote {
                Some(remote) => socket.send_to(bytes, *remote),
                None => socket.send(bytes),
            };
            match outcome {
                Ok(_) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(datagrams.len())
    }
}

/// Linux alone has sockets hear the groups that any other socket has joined, unless told otherwise (ip(7)).
#[cfg(target_os = "linux")]
pub(crate) fn hear_joined_groups_only(socket: &Socket, is_v6: bool) -> io::Result<()> {
    if is_v6 {
        // Since Linux 4.20. An older kernel has no such setting, and it is no reason to have no socket.
        let _ = socket.set_multicast_all_v6(false);
    }
    socket.set_multicast_all_v4(false)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn hear_joined_groups_only(_: &Socket, _: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) use by_index::{join_at_index, leave_at_index};

/// Systems that know a device by its number for IPv4 too.
#[cfg(not(any(target_os = "illumos", target_os = "netbsd", target_os = "openbsd", target_os = "solaris")))]
mod by_index {
    use super::*;
    use socket2::InterfaceIndexOrAddress;

    pub(crate) fn join_at_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
        socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
    }

    pub(crate) fn leave_at_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
        socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
    }
}

#[cfg(any(target_os = "illumos", target_os = "netbsd", target_os = "openbsd", target_os = "solaris"))]
mod by_index {
    use super::*;

    pub(crate) fn join_at_index(_: &Socket, _: Ipv4Addr, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn leave_at_index(_: &Socket, _: Ipv4Addr, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
