//! UDP (RFC 768, udp(7)): sockets, what they send, and who hears what arrives. It has no time, no clock and no faults.
//!
//! Known differences from Linux; PARITY.md has their reasons:
//! - PARITY: What a datagram costs
//! - PARITY: A datagram is taken at once
//! - PARITY: Groups of IPv6
//! - PARITY: Groups that others have joined
//! - PARITY: A datagram is one packet

mod groups;
mod places;

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use twinloop::Address;
use twinloop::driver::{DatagramOptions, Fd, OsError, Readiness, Received};
use twinloop::table::Key;

use super::errno::{
    EACCES, EAFNOSUPPORT, ECONNREFUSED, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, EOPNOTSUPP, UNSUPPORTED,
};
use super::options::{Device, Options};
use super::packet::{Content, Datagram, Packet, is_for_many};
use super::{Kernel, Socket, ports};

/// What a datagram costs of the receive buffer beside its bytes.
const OVERHEAD: usize = 768;
/// What a packet of IPv4, and of IPv6, has room for.
const LENGTH_MAX_V4: usize = 65_507;
const LENGTH_MAX_V6: usize = 65_527;

/// A datagram socket. It is bound for all its life.
pub(super) struct Udp {
    pub(super) local: SocketAddr,
    pub(super) peer: Option<SocketAddr>,
    options: Options,
    /// The groups that it has joined, each with the device at which it is heard.
    groups: BTreeSet<(Ipv4Addr, Device)>,
    /// What has arrived: from where, and what.
    queue: VecDeque<(SocketAddr, Vec<u8>)>,
    /// What the queue costs.
    queued: usize,
    /// What an earlier datagram has caused; told once.
    error: Option<OsError>,
    /// A fault had the last send wait: the next one must not.
    had_to_wait: bool,
}

/// What an address is named for.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Connect,
    Send,
}

impl Kernel {
    // ---- system calls ----

    pub(super) fn bind_udp(&mut self, local: &Address, options: &DatagramOptions) -> Result<Fd, OsError> {
        let asked = ports::ip_of(local)?;
        let made = Options::of_datagram(options, asked.ip())?;
        let mut udp = Udp {
            local: self.datagram_place(asked, &made)?,
            peer: None,
            options: made,
            groups: BTreeSet::new(),
            queue: VecDeque::new(),
            queued: 0,
            error: None,
            had_to_wait: false,
        };
        if let Some(remote) = &options.remote {
            let remote = self.target(&udp, ports::ip_of(remote)?, Use::Connect)?;
            let (source, _) = self.way(&udp, remote)?;
            (udp.local, udp.peer) = (source, Some(remote));
        }
        let port = udp.local.port();
        let fd = self.open(Socket::Datagram(Box::new(udp)));
        self.datagrams.entry(port).or_default().push(fd.key());
        self.raise(fd, Readiness::WRITABLE);
        Ok(fd)
    }

    pub(super) fn recv_udp_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        let udp = self.udp_mut(fd)?;
        match udp.error.take() {
            Some(error) => Err(error),
            None => udp.take(buffer).ok_or(OsError::WOULD_BLOCK),
        }
    }

    pub(super) fn peek_udp_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        let udp = self.udp_mut(fd)?;
        match udp.error.take() {
            Some(error) => Err(error),
            None => udp.peek(buffer).ok_or(OsError::WOULD_BLOCK),
        }
    }

    pub(super) fn send_udp_to(
        &mut self,
        fd: Fd,
        bytes: &[u8],
        remote: Option<&Address>,
    ) -> Result<(), OsError> {
        let udp = self.udp(fd)?;
        let is_to_v4 =
            remote.and_then(Address::as_ip).is_some_and(|remote| remote.ip().to_canonical().is_ipv4());
        let is_of_v4 = udp.local.is_ipv4() || is_to_v4 && !udp.options.only_v6;
        if is_of_v4 && bytes.len() > usize::from(u16::MAX) {
            // Looked at before anything else (`udp_sendmsg`).
            return Err(EMSGSIZE);
        }
        let destination = match remote {
            None => udp.peer.ok_or(EDESTADDRREQ)?,
            Some(remote) => self.target(udp, ports::ip_of(remote)?, Use::Send)?,
        };
        let (source, device) = self.way(udp, destination)?;
        let length_max = if destination.is_ipv4() { LENGTH_MAX_V4 } else { LENGTH_MAX_V6 };
        if bytes.len() > length_max {
            return Err(EMSGSIZE);
        }
        let copies = udp.copies(destination.ip(), device);
        if let Some(error) = self.udp_mut(fd)?.error.take() {
            return Err(error);
        }
        let packet = |stays| {
            let content = Content::Udp(Datagram { device, stays, payload: bytes.to_vec() });
            Packet::new(source, destination, content)
        };
        self.packets.extend(copies.into_iter().flatten().map(packet));
        Ok(())
    }

    /// A fault is about to have a send wait: says whether it may, which it may not twice in a row. The edge follows at once.
    pub(crate) fn may_wait_to_send(&mut self, fd: Fd) -> bool {
        let Ok(udp) = self.udp_mut(fd) else { return false };
        !std::mem::take(&mut udp.had_to_wait)
    }

    /// A fault has a send wait.
    pub(crate) fn wait_to_send(&mut self, fd: Fd) {
        if let Ok(udp) = self.udp_mut(fd) {
            udp.had_to_wait = true;
            self.raise(fd, Readiness::WRITABLE);
        }
    }

    // ---- what comes from outside ----

    /// A datagram has arrived.
    pub(super) fn deliver_datagram(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &Datagram,
    ) {
        let Datagram { device, payload, .. } = datagram;
        if is_for_many(destination.ip()) {
            for key in self.hearers(source, destination, *device) {
                self.take_in(key, source, payload);
            }
            return;
        }
        match self.hearer(source, destination, *device) {
            Some(key) => self.take_in(key, source, payload),
            None => self.packets.push(Packet::new(destination, source, Content::Unreachable)),
        }
    }

    /// The host of `source` says that nobody hears what was sent there. Only a connected socket is told: of several, the one
    /// that would hear an answer.
    pub(super) fn deliver_unreachable(&mut self, source: SocketAddr, destination: SocketAddr) {
        let device = if self.is_own(source.ip()) { Device::Loopback } else { Device::Ethernet };
        let Some(key) = self.hearer(source, destination, device) else { return };
        let udp = self.udp_at_mut(key);
        if udp.peer.is_some() {
            udp.error = Some(ECONNREFUSED);
            let told = Readiness::ERROR | Readiness::WRITABLE | Readiness::WRITE_CLOSED;
            self.raise(Fd::from_key(key), told);
        }
    }

    /// What does not fit is lost.
    fn take_in(&mut self, key: Key, source: SocketAddr, bytes: &[u8]) {
        let udp = self.udp_at_mut(key);
        if udp.queued > udp.options.datagram_room() {
            return;
        }
        udp.queued += bytes.len() + OVERHEAD;
        udp.queue.push_back((source, bytes.to_vec()));
        self.raise(Fd::from_key(key), Readiness::READABLE);
    }

    // ---- below the calls ----

    /// From where and over which device a datagram of `udp` to `remote` goes.
    fn way(&self, udp: &Udp, remote: SocketAddr) -> Result<(SocketAddr, Device), OsError> {
        let (own, to) = (udp.local.ip(), remote.ip());
        let device = if to.is_multicast() {
            self.device_of(udp.options.multicast.interface)?
        } else if self.is_own(to) {
            Device::Loopback
        } else {
            Device::Ethernet
        };
        let source = match (own.is_unspecified() || is_for_many(own), to) {
            (false, _) => own,
            (true, IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
            (true, IpAddr::V4(to)) if to.is_loopback() || device == Device::Loopback && to.is_multicast() => {
                Ipv4Addr::LOCALHOST.into()
            }
            (true, IpAddr::V4(_)) => self.ip,
        };
        if source.is_loopback() && device == Device::Ethernet {
            // No other host could answer.
            return Err(EINVAL);
        }
        if !udp.options.is_on_the_way_to(source) {
            return Err(ENETUNREACH);
        }
        Ok((SocketAddr::new(source, udp.local.port()), device))
    }

    /// Where `udp` can send to, of what it is asked to. Nowhere in particular means this host.
    fn target(&self, udp: &Udp, remote: SocketAddr, purpose: Use) -> Result<SocketAddr, OsError> {
        let local = udp.local.ip();
        let (is_v4, is_mapped) = (local.is_ipv4(), local.is_ipv6() && remote.is_ipv4());
        if is_v4 && remote.is_ipv6() {
            return Err(EAFNOSUPPORT);
        }
        if is_mapped && udp.options.only_v6 {
            return Err(ENETUNREACH);
        }
        // A peer may be of any port; a datagram may not.
        if purpose == Use::Send && remote.port() == 0 {
            return Err(EINVAL);
        }
        if is_mapped && !local.is_unspecified() {
            return Err(ENETUNREACH);
        }
        if is_for_many(remote.ip()) && !remote.ip().is_multicast() && !udp.options.broadcast {
            return Err(EACCES);
        }
        if purpose == Use::Connect && ports::needs_scope(remote.ip()) {
            return Err(EINVAL);
        }
        self.reachable(&Address::Ip(remote), Some(local).filter(|local| !is_for_many(*local)))
    }

    pub(super) fn udp(&self, fd: Fd) -> Result<&Udp, OsError> {
        match self.socket(fd)? {
            Socket::Datagram(udp) => Ok(udp),
            Socket::Listener(_) | Socket::Stream(_) => Err(EOPNOTSUPP),
            Socket::File(_)
            | Socket::Operation(_)
            | Socket::Lookup(_)
            | Socket::Local(_)
            | Socket::Signals(_) => Err(UNSUPPORTED),
        }
    }

    pub(super) fn udp_mut(&mut self, fd: Fd) -> Result<&mut Udp, OsError> {
        self.udp(fd)?;
        Ok(self.udp_at_mut(fd.key()))
    }
}

impl Udp {
    /// Bytes that have come and that nobody has received.
    pub(super) fn unread(&self) -> usize {
        self.queue.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// The next datagram, as much of it as fits.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let received = self.peek(buffer)?;
        let (_, bytes) = self.queue.pop_front().expect("it was seen there");
        self.queued -= bytes.len() + OVERHEAD;
        Some(received)
    }

    /// As [`take`](Udp::take), but it stays.
    fn peek(&self, buffer: &mut [u8]) -> Option<Received> {
        let (source, bytes) = self.queue.front()?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Some(Received { source: Address::Ip(*source), length, truncated: length < bytes.len() })
    }

    /// The packets that a datagram to `to` becomes: each with whether it stays on this host.
    fn copies(&self, to: IpAddr, device: Device) -> [Option<bool>; 2] {
        const HERE: Option<bool> = Some(true);
        const AWAY: Option<bool> = Some(false);
        match device {
            Device::Loopback => [HERE, None],
            Device::Ethernet if to.is_multicast() => [
                HERE.filter(|_| self.options.multicast.loopback),
                AWAY.filter(|_| self.options.multicast.time_to_live > 0),
            ],
            Device::Ethernet if is_for_many(to) => [HERE, AWAY],
            Device::Ethernet => [AWAY, None],
        }
    }

    pub(super) fn take_error(&mut self) -> Option<OsError> {
        self.error.take()
    }
}
