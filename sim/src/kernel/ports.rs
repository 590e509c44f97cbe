//! Which addresses and ports a socket of a host may have (bind(2), ip(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use twinloop::Address;
use twinloop::driver::OsError;

use super::errno::{EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENETUNREACH};
use super::{Entry, Kernel};

/// Ports that the kernel picks from (`ip_local_port_range`).
pub(super) const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

impl Kernel {
    /// Where a socket that asks for `address` is bound (bind(2)).
    pub(super) fn bind(&mut self, address: &Address, reuse: bool) -> Result<SocketAddr, OsError> {
        let address = ip_of(address)?;
        if !self.is_own(address.ip()) && !address.ip().is_unspecified() {
            return Err(EADDRNOTAVAIL);
        }
        if address.port() == 0 {
            let at = |port| SocketAddr::new(address.ip(), port);
            let port = self.pick_port(|kernel, port| !kernel.is_in_use(at(port), false));
            return port.map(at).ok_or(EADDRINUSE);
        }
        if self.is_in_use(address, reuse) { Err(EADDRINUSE) } else { Ok(address) }
    }

    /// Whether a socket may not be bound to `address` because of another one (`inet_csk_bind_conflict`).
    fn is_in_use(&self, address: SocketAddr, reuse: bool) -> bool {
        let collides = |other: SocketAddr| {
            let (ip, other_ip) = (address.ip(), other.ip());
            address.port() == other.port()
                && (ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified())
        };
        let is_in_way = |entry: &Entry| collides(entry.ends.0) && !(reuse && entry.reuse);
        self.listeners.keys().any(|listener| collides(*listener))
            || self.connections.iter().any(|(_, entry)| is_in_way(entry))
    }

    /// Where a connection to `address` goes. Nowhere in particular means this host.
    pub(super) fn reachable(&self, address: &Address) -> Result<SocketAddr, OsError> {
        let address = ip_of(address)?;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()))
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                Ok(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()))
            }
            IpAddr::V6(ip) if !ip.is_loopback() => Err(ENETUNREACH),
            _ => Ok(address),
        }
    }

    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        ip == self.ip || ip.is_loopback()
    }

    /// A port for a connection from `ip` to `remote`. It may be shared with connections to other ends.
    pub(super) fn pick_connecting_port(&mut self, ip: IpAddr, remote: SocketAddr) -> Result<u16, OsError> {
        let picked = self.pick_port(|kernel, port| {
            let local = SocketAddr::new(ip, port);
            local != remote && kernel.listener_at(local).is_none() && !kernel.is_pair_used(local, remote)
        });
        picked.ok_or(EADDRNOTAVAIL)
    }

    /// The next free ephemeral port.
    fn pick_port(&mut self, is_free: impl Fn(&Kernel, u16) -> bool) -> Option<u16> {
        for _ in EPHEMERAL {
            let port = self.next_port;
            self.next_port = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if is_free(self, port) {
                return Some(port);
            }
        }
        None
    }

    fn is_pair_used(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.by_ends.range((local, remote, 0)..=(local, remote, u64::MAX)).next().is_some()
    }
}

fn ip_of(address: &Address) -> Result<SocketAddr, OsError> {
    address.as_ip().ok_or(EINVAL)
}
