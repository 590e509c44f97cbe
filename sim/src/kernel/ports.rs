//! Which addresses and ports a socket of a host may have (bind(2), ip(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use twinloop::Address;
use twinloop::driver::OsError;
use twinloop::table::Key;
use xxhash_rust::xxh3::xxh3_64;

use super::errno::{EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH, UNSUPPORTED};
use super::options::Options;
use super::packet::is_for_many;
use super::tcp::{Connection, State};
use super::{Kernel, Listener};

/// Ports that the kernel picks from, unless a host is given others (`ip_local_port_range`).
pub(crate) const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

impl Kernel {
    /// Where a socket that asks for `address` is bound (bind(2)).
    pub(super) fn bind(&mut self, address: SocketAddr, options: &Options) -> Result<SocketAddr, OsError> {
        let ip = address.ip();
        if needs_scope(ip) || ip.is_ipv6() && ip.is_multicast() {
            return Err(EINVAL);
        }
        // IPv4 has streams bound to groups too, although none ever gets there (`inet_bind`).
        if !self.is_own(ip) && !ip.is_unspecified() && !is_for_many(ip) {
            return Err(EADDRNOTAVAIL);
        }
        if address.port() == 0 {
            let at = |port| SocketAddr::new(address.ip(), port);
            // Ports that others hold are not offered, whatever both would agree to.
            let alone = options.sharing_nothing();
            let port = self.pick_port(|kernel, port| !kernel.is_in_use(at(port), &alone));
            return port.map(at).ok_or(EADDRINUSE);
        }
        if self.is_in_use(address, options) { Err(EADDRINUSE) } else { Ok(address) }
    }

    /// Whether a socket may not be bound to `address` because of another one (`inet_csk_bind_conflict`).
    fn is_in_use(&self, address: SocketAddr, options: &Options) -> bool {
        let is_in_way = |other: SocketAddr, of_other: &Options| {
            address.port() == other.port()
                && overlap((address.ip(), options.only_v6), (other.ip(), of_other.only_v6))
                && !options.is_apart_from(of_other)
                && !(options.reuse_port && of_other.reuse_port)
        };
        let mut listeners = self.listeners.values().flatten().map(|key| self.listener(*key));
        let connections = self.connections.iter().map(|(_, entry)| entry);
        let mut connections = connections.filter(|entry| entry.has_port());
        listeners.any(|listener| is_in_way(listener.address, &listener.options))
            || connections.any(|entry| {
                // A socket that listens is in the way all the same.
                let both_reuse = options.reuse_address && entry.options.reuse_address;
                !both_reuse && is_in_way(entry.ends.0, &entry.options)
            })
    }

    /// Who listens for a connection from `remote` to `address`, which is one of ours: at the address itself, else at any of
    /// its family, else at any at all. Several at one place have shares of the remote ends (`inet_lookup_reuseport`).
    pub(super) fn listener_for(&self, address: SocketAddr, remote: SocketAddr) -> Option<(Key, &Listener)> {
        let any_v4: IpAddr = Ipv4Addr::UNSPECIFIED.into();
        let any_v6: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let places = [Some(address.ip()), address.is_ipv4().then_some(any_v4), Some(any_v6)];
        places.into_iter().flatten().find_map(|ip| {
            let there = self.listeners.get(&SocketAddr::new(ip, address.port()))?;
            let hears = |listener: &Listener| {
                listener.options.is_on_the_way_to(address.ip())
                    && (address.is_ipv6() || !listener.options.only_v6)
            };
            let hearing = || {
                there.iter().map(|key| (*key, self.listener(*key))).filter(|(_, listener)| hears(listener))
            };
            match hearing().count() {
                0 | 1 => hearing().next(),
                several => hearing().nth((hash_of(address, remote) % several as u64) as usize),
            }
        })
    }

    /// Where what is sent to `address` goes. Nowhere in particular means this host: at the address that the socket is bound
    /// to, else at the loopback (`ip_route_output_key_hash_rcu`).
    pub(super) fn reachable(&self, address: &Address, bound: Option<IpAddr>) -> Result<SocketAddr, OsError> {
        let address = ip_of(address)?;
        let bound = bound.filter(|bound| !bound.is_unspecified() && bound.is_ipv4() == address.is_ipv4());
        let here = |loopback: IpAddr| SocketAddr::new(bound.unwrap_or(loopback), address.port());
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ok(here(Ipv4Addr::LOCALHOST.into())),
            IpAddr::V6(ip) if ip.is_unspecified() => Ok(here(Ipv6Addr::LOCALHOST.into())),
            IpAddr::V6(ip) if !ip.is_loopback() => Err(ENETUNREACH),
            _ => Ok(address),
        }
    }

    /// Which address of this host speaks to `remote` if the program names none.
    pub(super) fn source_for(&self, remote: IpAddr) -> IpAddr {
        match remote {
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(_) => self.ip,
        }
    }

    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        ip == self.ip || ip.is_loopback()
    }

    /// A port for a connection from `ip` to `remote`. It may be shared with connections to other ends.
    pub(super) fn pick_connecting_port(&mut self, ip: IpAddr, remote: SocketAddr) -> Result<u16, OsError> {
        let picked = self.pick_port(|kernel, port| {
            let local = SocketAddr::new(ip, port);
            local != remote
                && kernel.listener_for(local, remote).is_none()
                && !kernel.is_pair_used(local, remote)
        });
        picked.ok_or(EADDRNOTAVAIL)
    }

    /// From now on ports are picked from these.
    pub(crate) fn pick_ports_from(&mut self, ports: RangeInclusive<u16>) {
        if !ports.contains(&self.next_port) {
            self.next_port = *ports.start();
        }
        self.ephemeral = ports;
    }

    /// The next free ephemeral port.
    pub(super) fn pick_port(&mut self, is_free: impl Fn(&Kernel, u16) -> bool) -> Option<u16> {
        for _ in self.ephemeral.clone() {
            let port = self.next_port;
            self.next_port = if port == *self.ephemeral.end() { *self.ephemeral.start() } else { port + 1 };
            if is_free(self, port) {
                return Some(port);
            }
        }
        None
    }

    /// Whether a connection between these ends is there, or only lingers.
    fn is_pair_used(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.between(local, remote).any(|connection| !connection.is_closed())
    }

    /// Whether a program that names its port may not connect from there. One that lingers makes way: timestamps tell the two
    /// apart (`tcp_twsk_unique`).
    pub(super) fn is_pair_taken(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.between(local, remote).any(|connection| !connection.is_closed() && !connection.lingers())
    }

    /// A new connection between these ends begins: one that only lingers there is gone (`TCP_TW_SYN`,
    /// `__inet_check_established`).
    pub(super) fn end_lingering(&mut self, local: SocketAddr, remote: SocketAddr) {
        let lingering = self.keys_between(local, remote).filter(|key| self.entry(*key).connection.lingers());
        for key in lingering.collect::<Vec<_>>() {
            self.with(key, |connection, _| connection.linger_no_more());
        }
    }

    /// The connection between these ends that has not heard of its peer yet.
    pub(super) fn connecting(&self, local: SocketAddr, remote: SocketAddr) -> Option<Key> {
        self.keys_between(local, remote).find(|key| self.entry(*key).connection.state() == State::SynSent)
    }

    /// The connection between these ends that is under way.
    pub(super) fn synchronized(&self, local: SocketAddr, remote: SocketAddr) -> Option<Key> {
        self.keys_between(local, remote).find(|key| self.entry(*key).connection.is_synchronized())
    }

    fn between(&self, local: SocketAddr, remote: SocketAddr) -> impl Iterator<Item = &Connection> {
        self.keys_between(local, remote).map(|key| &self.entry(key).connection)
    }

    fn keys_between(&self, local: SocketAddr, remote: SocketAddr) -> impl Iterator<Item = Key> {
        self.by_ends.range((local, remote, 0)..=(local, remote, u64::MAX)).map(|(_, key)| *key)
    }
}

/// An IP address, and an IPv4 one that is written as IPv6 (`::ffff:a.b.c.d`) as what it is.
pub(super) fn ip_of(address: &Address) -> Result<SocketAddr, OsError> {
    let address = address.as_ip().ok_or(UNSUPPORTED)?;
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// `local`, if a socket that is to connect to `remote` can be bound to it.
pub(super) fn of_family(local: SocketAddr, remote: SocketAddr) -> Result<SocketAddr, OsError> {
    match (local, remote) {
        (SocketAddr::V6(_), SocketAddr::V4(_)) => Err(EAFNOSUPPORT),
        // An IPv4 address is too short for such a socket.
        (SocketAddr::V4(_), SocketAddr::V6(_)) => Err(EINVAL),
        _ => Ok(local),
    }
}

/// Whether an address says nothing without a device: an address here names none (`__ipv6_addr_needs_scope_id`).
pub(super) fn needs_scope(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V6(ip) if ip.is_multicast() => matches!(ip.octets()[1] & 0xf, 1 | 2),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Whether two sockets at one port would hear the same peers. Each is given with whether it takes IPv6 alone.
pub(super) fn overlap((ip, only_v6): (IpAddr, bool), (other, other_only_v6): (IpAddr, bool)) -> bool {
    let speaks_both = |ip: IpAddr, only_v6: bool| ip.is_ipv6() && !only_v6;
    if ip.is_ipv4() != other.is_ipv4() {
        // One that has spoken to a peer of IPv6 still is in the way of all of IPv4 (`ipv4_rcv_saddr_equal`).
        let is_any = ip.is_unspecified() || other.is_unspecified();
        return is_any && (speaks_both(ip, only_v6) || speaks_both(other, other_only_v6));
    }
    ip == other || ip.is_unspecified() || other.is_unspecified()
}

/// A number for a pair of ends that is the same on every machine.
pub(super) fn hash_of(local: SocketAddr, remote: SocketAddr) -> u64 {
    xxh3_64(format!("{local} {remote}").as_bytes())
}
