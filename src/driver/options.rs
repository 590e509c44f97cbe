//! How sockets, pipes and files are made, and what can be set on them: plain data, as the seam speaks it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::OsError;
use crate::Address;

/// How a listening socket is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    /// How many established connections may wait to be accepted. The system may lower it. Default 1024.
    pub backlog: u32,
    /// `SO_REUSEADDR`: bind although old connections of the address linger. Default true.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`: several sockets may listen at one port, and the system spreads connections over them (R149).
    /// Default false.
    pub reuse_port: bool,
    /// `IPV6_V6ONLY`: whether a socket at `[::]` takes IPv6 alone. `None`: IPv4 as well, unless
    /// this system can not (OpenBSD), or is set up not to.
    pub only_v6: Option<bool>,
    /// `TCP_NODELAY` of the streams that it accepts. Default true.
    pub no_delay: bool,
    /// `SO_RCVBUF` in bytes, which accepted streams inherit.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF` in bytes, which accepted streams inherit.
    pub send_buffer: Option<u32>,
    /// `SO_BINDTODEVICE`: only what comes in at the network device of this name.
    pub device: Option<String>,
    /// `TCP_FASTOPEN`: how many connections may be under way that sent data with their first packet (RFC 7413).
    pub fast_open: Option<u32>,
    /// Removes a socket that stands at a path and that nobody listens at (R147). A live one stays, and is an error.
    pub replace_stale: bool,
}

impl ListenOptions {
    /// These options with `backlog`.
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// These options with [`reuse_address`](ListenOptions::reuse_address).
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// These options with [`reuse_port`](ListenOptions::reuse_port).
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// These options with [`only_v6`](ListenOptions::only_v6).
    #[must_use]
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// These options with [`no_delay`](ListenOptions::no_delay).
    #[must_use]
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// These options with [`receive_buffer`](ListenOptions::receive_buffer).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// These options with [`send_buffer`](ListenOptions::send_buffer).
    #[must_use]
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// These options with [`device`](ListenOptions::device).
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// These options with [`fast_open`](ListenOptions::fast_open).
    #[must_use]
    pub fn fast_open(mut self, queue: u32) -> Self {
        self.fast_open = Some(queue);
        self
    }

    /// These options with [`replace_stale`](ListenOptions::replace_stale).
    #[must_use]
    pub fn replace_stale(mut self, on: bool) -> Self {
        self.replace_stale = on;
        self
    }
}

impl ListenOptions {
    /// Whether something is asked for that only IP sockets have: a Unix one is refused with it.
    pub fn asks_for_ip(&self) -> bool {
        self.reuse_port || self.only_v6.is_some() || self.device.is_some() || self.fast_open.is_some()
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions {
            backlog: 1024,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
            no_delay: true,
            receive_buffer: None,
            send_buffer: None,
            device: None,
            fast_open: None,
            replace_stale: false,
        }
    }
}

/// How a connecting socket is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Bind here before connecting. Port 0 picks a free one.
    pub local: Option<Address>,
    /// `SO_REUSEADDR` for the local address. Default false.
    pub reuse_address: bool,
    /// `SO_REUSEPORT` for the local address. Default false.
    pub reuse_port: bool,
    /// `TCP_NODELAY`. Default true.
    pub no_delay: bool,
    /// `SO_RCVBUF` in bytes.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF` in bytes.
    pub send_buffer: Option<u32>,
    /// `SO_BINDTODEVICE`: over the network device of this name alone.
    pub device: Option<String>,
    /// `TCP_FASTOPEN_CONNECT`: the first bytes travel with the first packet, where the peer is known to take them (RFC 7413).
    /// The connect then succeeds at once, and nothing is sent before the first write: only for protocols in which this side
    /// speaks first.
    pub fast_open: bool,
}

impl ConnectOptions {
    /// These options with the local address to bind first.
    #[must_use]
    pub fn local(mut self, local: Address) -> Self {
        self.local = Some(local);
        self
    }

    /// These options with [`reuse_address`](ConnectOptions::reuse_address).
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// These options with [`reuse_port`](ConnectOptions::reuse_port).
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// These options with [`no_delay`](ConnectOptions::no_delay).
    #[must_use]
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// These options with [`receive_buffer`](ConnectOptions::receive_buffer).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// These options with [`send_buffer`](ConnectOptions::send_buffer).
    #[must_use]
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// These options with [`device`](ConnectOptions::device).
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// These options with [`fast_open`](ConnectOptions::fast_open).
    #[must_use]
    pub fn fast_open(mut self, on: bool) -> Self {
        self.fast_open = on;
        self
    }
}

impl ConnectOptions {
    /// As [`ListenOptions::asks_for_ip`].
    pub fn asks_for_ip(&self) -> bool {
        self.reuse_port || self.device.is_some() || self.fast_open
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            local: None,
            reuse_address: false,
            reuse_port: false,
            no_delay: true,
            receive_buffer: None,
            send_buffer: None,
            device: None,
            fast_open: false,
        }
    }
}

/// How a datagram socket is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramOptions {
    /// The only peer: what others send is not received, and errors that it answers with are told (R159).
    pub remote: Option<Address>,
    /// `SO_REUSEADDR`: several sockets may bind one address, as multicast needs it.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// `IPV6_V6ONLY`: whether a socket at `[::]` takes IPv6 alone. `None`: IPv4 as well, unless
    /// this system can not (OpenBSD), or is set up not to.
    pub only_v6: Option<bool>,
    /// `SO_BROADCAST`: sending to broadcast addresses is allowed.
    pub broadcast: bool,
    /// `SO_RCVBUF` in bytes.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF` in bytes.
    pub send_buffer: Option<u32>,
    /// `SO_BINDTODEVICE`: over the network device of this name alone.
    pub device: Option<String>,
    /// Removes a socket that stands at a path and that nobody has bound (R147). A live one stays, and is an error.
    pub replace_stale: bool,
}

impl DatagramOptions {
    /// As [`ListenOptions::asks_for_ip`].
    pub fn asks_for_ip(&self) -> bool {
        self.reuse_port || self.only_v6.is_some() || self.broadcast || self.device.is_some()
    }

    /// These options with the only peer.
    #[must_use]
    pub fn remote(mut self, remote: Address) -> Self {
        self.remote = Some(remote);
        self
    }

    /// These options with [`reuse_address`](DatagramOptions::reuse_address).
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// These options with [`reuse_port`](DatagramOptions::reuse_port).
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// These options with [`only_v6`](DatagramOptions::only_v6).
    #[must_use]
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// These options with [`broadcast`](DatagramOptions::broadcast).
    #[must_use]
    pub fn broadcast(mut self, on: bool) -> Self {
        self.broadcast = on;
        self
    }

    /// These options with [`receive_buffer`](DatagramOptions::receive_buffer).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// These options with [`send_buffer`](DatagramOptions::send_buffer).
    #[must_use]
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// These options with [`device`](DatagramOptions::device).
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// These options with [`replace_stale`](DatagramOptions::replace_stale).
    #[must_use]
    pub fn replace_stale(mut self, on: bool) -> Self {
        self.replace_stale = on;
        self
    }
}

/// An option of a socket that is open, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// `TCP_NODELAY`: send small segments at once.
    NoDelay(bool),
    /// `SO_KEEPALIVE` and its times; `None`: off.
    KeepAlive(Option<KeepAlive>),
    /// `SO_LINGER`: zero resets the connection when it is closed. `None`: what was taken is sent, for as long as the system
    /// tries. Any other time is refused: the system would make the close wait for it, and the whole loop with it.
    Linger(Option<Duration>),
    /// `SO_REUSEADDR`.
    ReuseAddress(bool),
    /// `SO_REUSEPORT`.
    ReusePort(bool),
    /// `IPV6_V6ONLY`. Most systems refuse it once the socket is bound.
    OnlyV6(bool),
    /// `SO_RCVBUF` in bytes. Linux answers twice of what was set, since it counts its own overhead.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF` in bytes. Linux answers twice of what was set.
    SendBuffer(u32),
    /// `IP_TTL` or `IPV6_UNICAST_HOPS`: how many routers a packet may pass.
    TimeToLive(u8),
    /// `IP_TOS` or `IPV6_TCLASS`: the class of service.
    TypeOfService(u8),
    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged, in milliseconds, rounded up; `None`: the system's
    /// way. Zero is refused: to the system it means the same as `None`.
    UserTimeout(Option<Duration>),
    /// `SO_BROADCAST`: sending to broadcast addresses is allowed.
    Broadcast(bool),
    /// `IP_MULTICAST_TTL` or `IPV6_MULTICAST_HOPS`: how many routers a multicast packet may pass.
    MulticastTimeToLive(u8),
    /// `IP_MULTICAST_LOOP` or `IPV6_MULTICAST_LOOP`: whether members on this machine hear what this socket sends.
    MulticastLoopback(bool),
    /// `IP_MULTICAST_IF` or `IPV6_MULTICAST_IF`: over which device multicast packets leave.
    MulticastInterface(Interface),
}

impl SocketOption {
    /// This option as a driver is given it: times rounded up to what systems count in, and nothing that a system would
    /// take for another thing.
    pub(crate) fn checked(self) -> Result<SocketOption, OsError> {
        match self {
            SocketOption::Linger(Some(time)) if !time.is_zero() => Err(REFUSED),
            SocketOption::UserTimeout(Some(time)) if time.is_zero() => Err(REFUSED),
            SocketOption::UserTimeout(Some(time)) => {
                Ok(SocketOption::UserTimeout(Some(rounded_up(time, MILLISECOND))))
            }
            SocketOption::KeepAlive(Some(KeepAlive { idle, interval, count })) => {
                let is_zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
                if is_zero(idle) || is_zero(interval) || count == Some(0) {
                    return Err(REFUSED);
                }
                let [idle, interval] =
                    [idle, interval].map(|time| time.map(|time| rounded_up(time, Duration::from_secs(1))));
                Ok(SocketOption::KeepAlive(Some(KeepAlive { idle, interval, count })))
            }
            other => Ok(other),
        }
    }
}

const REFUSED: OsError = OsError::without_code(ErrorKind::InvalidInput);
const MILLISECOND: Duration = Duration::from_millis(1);

/// `time` in whole units; a time that no system could count comes out as some such time.
fn rounded_up(time: Duration, unit: Duration) -> Duration {
    let units = time.as_nanos().div_ceil(unit.as_nanos());
    unit.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX))
}

/// Which option is asked for: a [`SocketOption`] without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is told at the variant of SocketOption of its name")]
pub enum OptionName {
    NoDelay,
    KeepAlive,
    Linger,
    ReuseAddress,
    ReusePort,
    OnlyV6,
    ReceiveBuffer,
    SendBuffer,
    TimeToLive,
    TypeOfService,
    UserTimeout,
    Broadcast,
    MulticastTimeToLive,
    MulticastLoopback,
    MulticastInterface,
}

/// How a connection with nothing to say is kept alive, or found dead. `None` leaves a value as the system has it; zero is
/// refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// `TCP_KEEPIDLE`: silence before the first probe, in whole seconds, rounded up.
    pub idle: Option<Duration>,
    /// `TCP_KEEPINTVL`: between two probes, in whole seconds, rounded up.
    pub interval: Option<Duration>,
    /// `TCP_KEEPCNT`: unanswered probes after which the connection is dead.
    pub count: Option<u32>,
}

impl KeepAlive {
    /// With the silence before the first probe.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// With the time between two probes.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// With the number of unanswered probes.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }
}

/// A network device of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// The one that the system chooses.
    #[default]
    Any,
    /// The one with this address; for IPv4 alone.
    Address(Ipv4Addr),
    /// The one with this index; for IPv6, and for IPv4 where the system takes it.
    Index(u32),
}

/// A multicast group, and the device at which it is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's address.
    pub group: IpAddr,
    /// The device.
    pub interface: Interface,
}

/// Who is at the other end of a Unix stream, as the system knew it when the connection was made (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The number of the user.
    pub user: u32,
    /// The number of the user's group.
    pub group: u32,
    /// The number of the process. It may have ended since, and another one have its number.
    pub process: u32,
}

/// A stream that every process begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileOptions {
    /// It may be read. Default true.
    pub read: bool,
    /// It may be written.
    pub write: bool,
    /// It is made if there is none.
    pub create: bool,
    /// It must not be there yet.
    pub create_new: bool,
    /// What is in it is removed.
    pub truncate: bool,
}

impl FileOptions {
    /// To write to a file that is made, or emptied.
    pub fn create() -> FileOptions {
        FileOptions { write: true, create: true, truncate: true, ..FileOptions::default() }
    }

    /// These options with [`read`](FileOptions::read).
    #[must_use]
    pub fn read(mut self, on: bool) -> Self {
        self.read = on;
        self
    }

    /// These options with [`write`](FileOptions::write).
    #[must_use]
    pub fn write(mut self, on: bool) -> Self {
        self.write = on;
        self
    }

    /// These options with [`create_new`](FileOptions::create_new).
    #[must_use]
    pub fn create_new(mut self, on: bool) -> Self {
        self.create_new = on;
        self
    }

    /// These options with [`truncate`](FileOptions::truncate).
    #[must_use]
    pub fn truncate(mut self, on: bool) -> Self {
        self.truncate = on;
        self
    }
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { read: true, write: false, create: false, create_new: false, truncate: false }
    }
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub source: Address,
    /// How many bytes of it are in the buffer.
    pub length: usize,
    /// Whether it had more, which are lost (R153).
    pub truncated: bool,
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What it carries.
    pub bytes: &'a [u8],
    /// To whom; `None`: to the only peer of a connected socket.
    pub remote: Option<Address>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_to_what_systems_count_in() {
        let odd = KeepAlive::default().idle(Duration::from_millis(1)).interval(Duration::from_millis(1_001));
        let even = KeepAlive::default().idle(Duration::from_secs(1)).interval(Duration::from_secs(2));
        assert_eq!(SocketOption::KeepAlive(Some(odd)).checked(), Ok(SocketOption::KeepAlive(Some(even))));
        let user_timeout = |time| SocketOption::UserTimeout(Some(time));
        assert_eq!(user_timeout(Duration::from_nanos(1)).checked(), Ok(user_timeout(MILLISECOND)));
        let longest = user_timeout(MILLISECOND * u32::MAX);
        assert_eq!(user_timeout(Duration::MAX).checked(), Ok(longest));
    }

    #[test]
    fn what_a_system_would_take_for_another_thing_is_refused() {
        assert_eq!(SocketOption::UserTimeout(Some(Duration::ZERO)).checked(), Err(REFUSED));
        assert_eq!(SocketOption::Linger(Some(Duration::from_secs(1))).checked(), Err(REFUSED));
        for zero in [
            KeepAlive::default().idle(Duration::ZERO),
            KeepAlive::default().interval(Duration::ZERO),
            KeepAlive::default().count(0),
        ] {
            assert_eq!(SocketOption::KeepAlive(Some(zero)).checked(), Err(REFUSED));
        }
        for taken in [
            SocketOption::KeepAlive(None),
            SocketOption::Linger(Some(Duration::ZERO)),
            SocketOption::Linger(None),
        ] {
            assert_eq!(taken.checked(), Ok(taken));
        }
    }
}
