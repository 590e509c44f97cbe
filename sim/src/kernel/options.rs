//! What is set on sockets, kept and answered as Linux does (socket(7), tcp(7), ip(7)). What of it acts, acts elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use twinloop::driver::{
    ConnectOptions, DatagramOptions, Fd, Interface, KeepAlive, ListenOptions, OptionName, OsError,
    SocketOption,
};

use super::errno::{EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP};
use super::tcp::{Probes, RECEIVE_BUFFER, SEND_BUFFER, Settings};
use super::{Kernel, Socket};

/// What a program may set a buffer to at most (`rmem_max`, `wmem_max`).
const BUFFER_MAX: u32 = 212_992;
/// What it is answered at least (`SOCK_MIN_RCVBUF`, `SOCK_MIN_SNDBUF`).
const RECEIVE_BUFFER_MIN: u32 = 2304;
const SEND_BUFFER_MIN: u32 = 4608;
/// Bounds of the times and the count of probes (`MAX_TCP_KEEPIDLE` and its like).
const PROBE_SECONDS_MAX: u64 = 32_767;
const PROBES_MAX: u32 = 127;
/// The bits of a class of service that a stream keeps for itself (`INET_ECN_MASK`).
const CONGESTION_BITS: u8 = 3;

/// The options of a listener, which the streams that it accepts inherit, or of a stream.
#[derive(Clone)]
pub(super) struct Options {
    no_delay: bool,
    keep_alive: bool,
    probes: Probes,
    linger: Option<Duration>,
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    /// It was made for IPv6, whichever packets it sends.
    is_v6: bool,
    pub(super) only_v6: bool,
    /// As they are answered: twice of what may be used.
    receive_buffer: u32,
    send_buffer: u32,
    time_to_live: u8,
    type_of_service: u8,
    user_timeout: Option<Duration>,
    device: Option<Device>,
    pub(super) broadcast: bool,
    pub(super) multicast: Multicast,
}

/// How datagrams to groups are sent. Streams keep it too, as far as Linux lets them.
#[derive(Clone)]
pub(super) struct Multicast {
    pub(super) time_to_live: u8,
    pub(super) loopback: bool,
    pub(super) interface: Interface,
}

/// What every host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Device {
    Loopback,
    Ethernet,
}

impl Default for Options {
    fn default() -> Self {
        let probes = Probes { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), count: 9 };
        Options {
            no_delay: false,
            keep_alive: false,
            probes,
            linger: None,
            reuse_address: false,
            reuse_port: false,
            is_v6: false,
            only_v6: false,
            receive_buffer: 2 * RECEIVE_BUFFER as u32,
            send_buffer: 2 * SEND_BUFFER as u32,
            time_to_live: 64,
            type_of_service: 0,
            user_timeout: None,
            device: None,
            broadcast: false,
            multicast: Multicast { time_to_live: 1, loopback: true, interface: Interface::Any },
        }
    }
}

impl Options {
    pub(super) fn of_listener(options: &ListenOptions, address: IpAddr) -> Result<Options, OsError> {
        if options.only_v6.is_some() && address.is_ipv4() {
            return Err(ENOPROTOOPT);
        }
        let mut made = Options {
            no_delay: options.no_delay,
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
            is_v6: address.is_ipv6(),
            only_v6: options.only_v6.unwrap_or(false) || is_one_of_v6(address),
            ..Options::default()
        };
        made.prepare(options.receive_buffer, options.send_buffer, options.device.as_deref())?;
        Ok(made)
    }

    /// `bound`: what it is to be bound to before it connects to `remote`.
    pub(super) fn of_stream(
        options: &ConnectOptions,
        remote: IpAddr,
        bound: Option<IpAddr>,
    ) -> Result<Options, OsError> {
        let mut made = Options {
            is_v6: remote.is_ipv6(),
            only_v6: bound.is_some_and(is_one_of_v6),
            no_delay: options.no_delay,
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
            ..Options::default()
        };
        made.prepare(options.receive_buffer, options.send_buffer, options.device.as_deref())?;
        Ok(made)
    }

    pub(super) fn of_datagram(options: &DatagramOptions, address: IpAddr) -> Result<Options, OsError> {
        if options.only_v6.is_some() && address.is_ipv4() {
            return Err(ENOPROTOOPT);
        }
        let mut made = Options {
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
            is_v6: address.is_ipv6(),
            only_v6: options.only_v6.unwrap_or(false) || is_one_of_v6(address),
            receive_buffer: BUFFER_MAX,
            send_buffer: BUFFER_MAX,
            broadcast: options.broadcast,
            ..Options::default()
        };
        made.prepare(options.receive_buffer, options.send_buffer, options.device.as_deref())?;
        Ok(made)
    }

    fn prepare(
        &mut self,
        receive_buffer: Option<u32>,
        send_buffer: Option<u32>,
        device: Option<&str>,
    ) -> Result<(), OsError> {
        self.receive_buffer = receive_buffer.map_or(self.receive_buffer, receive_buffer_of);
        self.send_buffer = send_buffer.map_or(self.send_buffer, send_buffer_of);
        self.device = match device {
            None => None,
            Some("lo") => Some(Device::Loopback),
            Some("eth0") => Some(Device::Ethernet),
            Some(_) => return Err(ENODEV),
        };
        Ok(())
    }

    /// These options, but that no address is shared.
    pub(super) fn sharing_nothing(&self) -> Options {
        Options { reuse_address: false, reuse_port: false, ..self.clone() }
    }

    /// What a stream inherits from this listener. For groups it has the time to live of the packet that it began with
    /// (`tcp_v4_syn_recv_sock`).
    pub(super) fn of_accepted(&self) -> Options {
        let time_to_live = Options::default().time_to_live;
        Options { multicast: Multicast { time_to_live, ..self.multicast.clone() }, ..self.clone() }
    }

    /// What a connection is to know. Of the buffers half of what is answered: Linux counts its own overhead.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            receive_buffer: self.receive_buffer as usize / 2,
            send_buffer: self.send_buffer as usize / 2,
            user_timeout: self.user_timeout,
            probes: self.keep_alive.then_some(self.probes),
        }
    }

    /// What may wait to be received, all that Linux counts of it.
    pub(super) fn datagram_room(&self) -> usize {
        self.receive_buffer as usize
    }

    /// Whether a close throws away what was not sent.
    pub(super) fn resets_at_close(&self) -> bool {
        self.linger == Some(Duration::ZERO)
    }

    /// Whether the device that the socket is bound to is the way to `own`, one of the host's addresses.
    pub(super) fn is_on_the_way_to(&self, own: IpAddr) -> bool {
        let way = if own.is_loopback() { Device::Loopback } else { Device::Ethernet };
        self.device.is_none_or(|device| device == way)
    }

    pub(super) fn is_bound_to_device(&self) -> bool {
        self.device.is_some()
    }

    /// Whether the socket hears what comes in at `device`.
    pub(super) fn takes_from(&self, device: Device) -> bool {
        self.device.is_none_or(|own| own == device)
    }

    /// All of a class of service, which datagrams have no use of their own for.
    pub(super) fn set_class(&mut self, class: u8) {
        self.type_of_service = class;
    }

    /// Whether one of the two hears nothing of what the other one does, as they are bound to different devices.
    pub(super) fn is_apart_from(&self, other: &Options) -> bool {
        self.device.zip(other.device).is_some_and(|(own, other)| own != other)
    }

    pub(super) fn set(&mut self, option: SocketOption, address: SocketAddr) -> Result<(), OsError> {
        match option {
            SocketOption::NoDelay(on) => self.no_delay = on,
            SocketOption::KeepAlive(None) => self.keep_alive = false,
            SocketOption::KeepAlive(Some(probes)) => {
                self.probes = checked(probes, self.probes)?;
                self.keep_alive = true;
            }
            SocketOption::Linger(linger) => self.linger = linger,
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::ReusePort(on) => self.reuse_port = on,
            // Only before it is bound, and every socket here is.
            SocketOption::OnlyV6(_) => return Err(if self.is_v6 { EINVAL } else { ENOPROTOOPT }),
            SocketOption::ReceiveBuffer(bytes) => self.receive_buffer = receive_buffer_of(bytes),
            SocketOption::SendBuffer(bytes) => self.send_buffer = send_buffer_of(bytes),
            SocketOption::TimeToLive(0) if address.is_ipv4() => return Err(EINVAL),
            SocketOption::TimeToLive(routers) => self.time_to_live = routers,
            SocketOption::TypeOfService(class) => self.type_of_service = class & !CONGESTION_BITS,
            SocketOption::UserTimeout(Some(time)) if time.as_millis() > i32::MAX as u128 => {
                return Err(EINVAL);
            }
            SocketOption::UserTimeout(time) => self.user_timeout = time,
            SocketOption::Broadcast(on) => self.broadcast = on,
            SocketOption::MulticastLoopback(on) => self.multicast.loopback = on,
            // No way to name a device of IPv6.
            SocketOption::MulticastInterface(Interface::Address(_)) if address.is_ipv6() => {
                return Err(EINVAL);
            }
            // A stream sends to no group.
            SocketOption::MulticastTimeToLive(_) | SocketOption::MulticastInterface(_) => {
                return Err(if address.is_ipv6() { ENOPROTOOPT } else { EINVAL });
            }
            _ => return Err(EOPNOTSUPP),
        }
        Ok(())
    }

    pub(super) fn get(&self, name: OptionName) -> Result<SocketOption, OsError> {
        Ok(match name {
            OptionName::NoDelay => SocketOption::NoDelay(self.no_delay),
            OptionName::KeepAlive => SocketOption::KeepAlive(self.keep_alive.then(|| told(self.probes))),
            OptionName::Linger => SocketOption::Linger(self.linger),
            OptionName::ReuseAddress => SocketOption::ReuseAddress(self.reuse_address),
            OptionName::ReusePort => SocketOption::ReusePort(self.reuse_port),
            OptionName::OnlyV6 if self.is_v6 => SocketOption::OnlyV6(self.only_v6),
            OptionName::ReceiveBuffer => SocketOption::ReceiveBuffer(self.receive_buffer),
            OptionName::SendBuffer => SocketOption::SendBuffer(self.send_buffer),
            OptionName::TimeToLive => SocketOption::TimeToLive(self.time_to_live),
            OptionName::TypeOfService => SocketOption::TypeOfService(self.type_of_service),
            OptionName::UserTimeout => SocketOption::UserTimeout(self.user_timeout),
            OptionName::Broadcast => SocketOption::Broadcast(self.broadcast),
            OptionName::MulticastTimeToLive => SocketOption::MulticastTimeToLive(self.multicast.time_to_live),
            OptionName::MulticastLoopback => SocketOption::MulticastLoopback(self.multicast.loopback),
            OptionName::MulticastInterface => SocketOption::MulticastInterface(self.multicast.interface),
            _ => return Err(EOPNOTSUPP),
        })
    }
}

impl Kernel {
    pub(crate) fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        let stream = match self.socket_mut(fd)? {
            Socket::Listener(listener) => return listener.options.set(option, listener.address),
            Socket::Local(_) => return Err(self.refusal_of_options(fd)),
            Socket::Datagram(_) => return self.set_datagram_option(fd, option),
            _ => self.stream(fd)?,
        };
        let entry = self.entry_mut(stream);
        entry.options.set(option, entry.ends.0)?;
        let settings = entry.options.settings();
        let told = self.with(stream, |connection, _| connection.configure(settings));
        self.raise(fd, told);
        Ok(())
    }

    pub(crate) fn option(&mut self, fd: Fd, name: OptionName) -> Result<SocketOption, OsError> {
        match self.socket(fd)? {
            Socket::Listener(listener) => return listener.options.get(name),
            Socket::Local(_) => return Err(self.refusal_of_options(fd)),
            Socket::Datagram(_) => return self.datagram_option(fd, name),
            _ => {}
        }
        let entry = self.entry(self.stream(fd)?);
        entry.options.get(name)
    }
}

/// A socket at such an address takes IPv6 alone, whatever was asked for (`__inet6_bind`).
fn is_one_of_v6(address: IpAddr) -> bool {
    address.is_ipv6() && !address.is_unspecified()
}

fn receive_buffer_of(bytes: u32) -> u32 {
    (2 * bytes.min(BUFFER_MAX)).max(RECEIVE_BUFFER_MIN)
}

fn send_buffer_of(bytes: u32) -> u32 {
    (2 * bytes.min(BUFFER_MAX)).max(SEND_BUFFER_MIN)
}

/// What is asked for, with what is in force for the rest.
fn checked(asked: KeepAlive, in_force: Probes) -> Result<Probes, OsError> {
    let probes = Probes {
        idle: asked.idle.unwrap_or(in_force.idle),
        interval: asked.interval.unwrap_or(in_force.interval),
        count: asked.count.unwrap_or(in_force.count),
    };
    let is_time = |time: Duration| (1..=PROBE_SECONDS_MAX).contains(&time.as_secs());
    let is_count = (1..=PROBES_MAX).contains(&probes.count);
    if is_time(probes.idle) && is_time(probes.interval) && is_count { Ok(probes) } else { Err(EINVAL) }
}

fn told(probes: Probes) -> KeepAlive {
    KeepAlive::default().idle(probes.idle).interval(probes.interval).count(probes.count)
}
