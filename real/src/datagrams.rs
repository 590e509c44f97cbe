//! Datagram sockets of IP: how they are made, what goes in and out of them, and the groups that they hear. Knows no selector
//! and no table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use socket2::{Domain, SockRef};
use twinloop::Address;
use twinloop::driver::{DatagramOptions, Interface, Membership, Outgoing, Received};

use crate::sockets::{canonical, ip, reachable};
use crate::{options, platform};

/// A datagram socket. Never blocks.
#[derive(Debug)]
pub(crate) struct DatagramSocket {
    socket: UdpSocket,
    /// It speaks IPv6, and writes IPv4 addresses in its own way (`::ffff:a.b.c.d`).
    is_v6: bool,
}

/// Whether a datagram that was received is taken, or stays to be received again.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Taking {
    One,
    Nothing,
}

impl DatagramSocket {
    /// A socket that is bound, and connected if the options name a peer.
    pub(crate) fn bind(local: &Address, options: &DatagramOptions) -> io::Result<DatagramSocket> {
        let local = ip(local)?;
        let socket = platform::datagram_socket(Domain::for_address(local))?;
        options::prepare_datagrams(&socket, local.is_ipv6(), options)?;
        platform::hear_joined_groups_only(&socket, local.is_ipv6())?;
        socket.bind(&local.into())?;
        let bound = DatagramSocket { socket: UdpSocket::from_std(socket.into()), is_v6: local.is_ipv6() };
        if let Some(remote) = &options.remote {
            bound.socket.connect(bound.target(remote)?)?;
        }
        Ok(bound)
    }

    /// The next datagram, as much of it as fits.
    pub(crate) fn receive(&self, buffer: &mut [u8], taking: Taking) -> io::Result<Received> {
        let (length, truncated, source) =
            self.socket.try_io(|| platform::receive_datagram(&self.socket, buffer, taking))?;
        Ok(Received { source: canonical(source).into(), length, truncated })
    }

    /// Several datagrams that are there, as many as one call gives.
    pub(crate) fn receive_many(
        &self,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> io::Result<()> {
        let slots = buffer.chunks_exact_mut(slot);
        self.socket.try_io(|| {
            platform::receive_datagrams(&self.socket, slots, |length, truncated, source| {
                received.push(Received { source: canonical(source).into(), length, truncated });
            })
        })
    }

    /// Sends one datagram, to its only peer unless another one is named.
    pub(crate) fn send(&self, bytes: &[u8], remote: Option<&Address>) -> io::Result<()> {
        let sent = match remote {
            None => self.socket.send(bytes)?,
            Some(remote) => self.socket.send_to(bytes, self.target(remote)?)?,
        };
        assert_eq!(sent, bytes.len(), "the kernel takes a datagram whole or not at all");
        Ok(())
    }

    /// Sends several datagrams, as many as one call takes, and says how many.
    pub(crate) fn send_many(&self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let mut batch = Vec::with_capacity(datagrams.len());
        for datagram in datagrams {
            match datagram.remote.map(|remote| self.target(&remote)).transpose() {
                Ok(remote) => batch.push((datagram.bytes, remote)),
                Err(error) if batch.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        self.socket.try_io(|| platform::send_datagrams(&self.socket, &batch))
    }

    pub(crate) fn join(&self, membership: &Membership) -> io::Result<()> {
        let socket = self.as_sock_ref();
        match (membership.group, membership.interface) {
            (IpAddr::V4(group), Interface::Any) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            (IpAddr::V4(group), Interface::Address(own)) => socket.join_multicast_v4(&group, &own),
            (IpAddr::V4(group), Interface::Index(index)) => platform::join_at_index(&socket, group, index),
            (IpAddr::V6(group), Interface::Any) => socket.join_multicast_v6(&group, 0),
            (IpAddr::V6(group), Interface::Index(index)) => socket.join_multicast_v6(&group, index),
            (IpAddr::V6(_), Interface::Address(_)) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(crate) fn leave(&self, membership: &Membership) -> io::Result<()> {
        let socket = self.as_sock_ref();
        match (membership.group, membership.interface) {
            (IpAddr::V4(group), Interface::Any) => socket.leave_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            (IpAddr::V4(group), Interface::Address(own)) => socket.leave_multicast_v4(&group, &own),
            (IpAddr::V4(group), Interface::Index(index)) => platform::leave_at_index(&socket, group, index),
            (IpAddr::V6(group), Interface::Any) => socket.leave_multicast_v6(&group, 0),
            (IpAddr::V6(group), Interface::Index(index)) => socket.leave_multicast_v6(&group, index),
            (IpAddr::V6(_), Interface::Address(_)) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(crate) fn as_sock_ref(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr().map(canonical)
    }

    pub(crate) fn remote_address(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr().map(canonical)
    }

    pub(crate) fn as_source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// `remote` as this socket has to write it (R161).
    fn target(&self, remote: &Address) -> io::Result<SocketAddr> {
        let remote = reachable(ip(remote)?);
        Ok(match remote.ip() {
            IpAddr::V4(ip) if self.is_v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port()),
            IpAddr::V6(ip) if !self.is_v6 => SocketAddr::new(ip.to_canonical(), remote.port()),
            IpAddr::V4(_) | IpAddr::V6(_) => remote,
        })
    }
}
