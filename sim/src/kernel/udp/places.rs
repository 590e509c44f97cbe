//! Who has which UDP port, and who hears what comes there. The ports of TCP are others.

use std::net::{IpAddr, SocketAddr};

use twinloop::driver::OsError;
use twinloop::table::Key;

use super::Udp;
use crate::kernel::errno::{EADDRINUSE, EADDRNOTAVAIL, EINVAL};
use crate::kernel::options::{Device, Options};
use crate::kernel::packet::is_for_many;
use crate::kernel::ports::{hash_of, needs_scope, overlap};
use crate::kernel::{Kernel, Socket};

impl Kernel {
    /// Where a datagram socket that asks for `address` is bound: at one of ours, at all of them, or at a group.
    pub(super) fn datagram_place(
        &mut self,
        address: SocketAddr,
        options: &Options,
    ) -> Result<SocketAddr, OsError> {
        let ip = address.ip();
        if needs_scope(ip) {
            return Err(EINVAL);
        }
        if !self.is_own(ip) && !ip.is_unspecified() && !is_for_many(ip) {
            return Err(EADDRNOTAVAIL);
        }
        if address.port() != 0 {
            let is_taken = self.is_datagram_place_taken(address, options);
            return if is_taken { Err(EADDRINUSE) } else { Ok(address) };
        }
        let at = |port| SocketAddr::new(ip, port);
        // Ports that others hold are not offered, whatever both would agree to.
        let alone = options.sharing_nothing();
        let port = self.pick_port(|kernel, port| !kernel.is_datagram_place_taken(at(port), &alone));
        port.map(at).ok_or(EADDRINUSE)
    }

    /// Whether a socket may not be bound to `address` because of another one (`inet_rcv_saddr_equal`). The last that
    /// was bound is asked first, and if it shares the port, no other one is (`udp_lib_lport_inuse`). Those of IPv6 that
    /// share come last (`sk_add_node_rcu`).
    fn is_datagram_place_taken(&self, address: SocketAddr, options: &Options) -> bool {
        let there = || self.datagram_sockets(address.port()).map(|(_, other)| other);
        let is_last = |other: &&Udp| other.local.is_ipv6() && other.options.reuse_port;
        let mut asked = there().rev().filter(|other| !is_last(other)).chain(there().filter(is_last));
        let in_way = asked.find(|other| {
            let may_share = options.reuse_address && other.options.reuse_address;
            let is_apart = may_share || options.is_apart_from(&other.options);
            !is_apart && overlap((address.ip(), options.only_v6), (other.local.ip(), other.options.only_v6))
        });
        in_way.is_some_and(|other| !(options.reuse_port && other.options.reuse_port))
    }

    /// Who hears a datagram to a single host: of those who may, the one that is bound most closely (`compute_score`).
    /// Several that are equal have shares of the remote ends if they agreed to that; else the last to be bound has it all.
    pub(super) fn hearer(&self, source: SocketAddr, destination: SocketAddr, device: Device) -> Option<Key> {
        let hearing = self.datagram_sockets(destination.port());
        let hearing = hearing.filter(|(_, udp)| udp.hears(source, destination.ip(), device));
        let scored: Vec<(usize, Key, &Udp)> = hearing.map(|(key, udp)| (udp.score(), key, udp)).collect();
        let best = scored.iter().map(|(score, ..)| *score).max()?;
        let closest: Vec<_> = scored.into_iter().filter(|(score, ..)| *score == best).collect();
        let (_, last, udp) = closest.last()?;
        if !udp.options.reuse_port {
            return Some(*last);
        }
        let share = hash_of(destination, source) % closest.len() as u64;
        Some(closest[share as usize].1)
    }

    /// Who hears a datagram to a group, or to all: everyone who may.
    pub(super) fn hearers(&self, source: SocketAddr, destination: SocketAddr, device: Device) -> Vec<Key> {
        let hearing = self.datagram_sockets(destination.port());
        let hearing = hearing.filter(|(_, udp)| {
            udp.hears(source, destination.ip(), device) && udp.is_in(destination.ip(), device)
        });
        hearing.map(|(key, _)| key).collect()
    }

    /// A datagram socket has closed: its port is free.
    pub(in crate::kernel) fn leave_datagram_place(&mut self, key: Key, udp: &Udp) {
        let port = udp.local.port();
        let there = self.datagrams.get_mut(&port).expect("a socket is filed until it closes");
        there.retain(|other| *other != key);
        if there.is_empty() {
            self.datagrams.remove(&port);
        }
    }

    /// The sockets at `port`, in the order in which they were bound.
    fn datagram_sockets(&self, port: u16) -> impl DoubleEndedIterator<Item = (Key, &Udp)> {
        let there = self.datagrams.get(&port).map_or(&[][..], Vec::as_slice);
        there.iter().map(|key| match self.sockets.get(*key) {
            Some(Socket::Datagram(udp)) => (*key, &**udp),
            _ => unreachable!("a socket that closes gives its port up"),
        })
    }

    pub(super) fn udp_at_mut(&mut self, key: Key) -> &mut Udp {
        match self.sockets.get_mut(key) {
            Some(Socket::Datagram(udp)) => udp,
            _ => unreachable!("a socket that closes gives its port up"),
        }
    }
}

impl Udp {
    /// Whether what comes from `source` to `ip`, over `device`, is for this socket.
    fn hears(&self, source: SocketAddr, ip: IpAddr, device: Device) -> bool {
        let own = self.local.ip();
        let is_there = own == ip
            || own.is_unspecified()
                && (own.is_ipv4() == ip.is_ipv4() || ip.is_ipv4() && !self.options.only_v6);
        is_there && self.listens_to(source) && self.options.takes_from(device)
    }

    /// A connect to port 0 leaves out whom: every port of that address is heard (`compute_score`).
    fn listens_to(&self, source: SocketAddr) -> bool {
        self.peer.is_none_or(|peer| peer == source || peer.port() == 0 && peer.ip() == source.ip())
    }

    /// How closely it is bound. At the same closeness, a socket of IPv4 comes before one of both.
    fn score(&self) -> usize {
        let is_specific = !self.local.ip().is_unspecified();
        let has_port = self.peer.is_some_and(|peer| peer.port() != 0);
        usize::from(self.local.is_ipv4())
            + 2 * [is_specific, self.peer.is_some(), has_port, self.options.is_bound_to_device()]
                .into_iter()
                .filter(|closer| *closer)
                .count()
    }
}
