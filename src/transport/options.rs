//! Options of open transports, by typed setters and getters. What one means on a system is the driver's business.

use std::time::Duration;

use super::server::StreamServer;
use super::stream::StreamTransport;
use crate::driver::{KeepAlive, OptionName, OsError, SocketOption};
use crate::{Operation, TransportError};

/// Options of the connection.
///
/// # Errors
///
/// All of these methods answer alike: [`Unsupported`](std::io::ErrorKind::Unsupported) where the system has no such option,
/// the system's error for a value that it does not take and for what this kind of stream does not have,
/// [`ErrorKind::Closed`](crate::ErrorKind::Closed) once the transport is closed.
///
/// ```
/// # twinloop_sim::run_pair(|stream, _peer| async move {
/// use std::time::Duration;
/// use twinloop::driver::KeepAlive;
///
/// assert!(stream.no_delay()?, "small writes go out at once unless told otherwise");
/// stream.set_keep_alive(Some(KeepAlive::default().idle(Duration::from_secs(30)).count(3)))?;
/// assert_eq!(stream.keep_alive()?.and_then(|alive| alive.idle), Some(Duration::from_secs(30)));
/// assert!(stream.set_time_to_live(0).is_err(), "no packet would leave");
/// # Ok(()) });
/// ```
impl StreamTransport {
    /// Whether small writes go out at once (`TCP_NODELAY`, R146). On by default.
    pub fn set_no_delay(&self, on: bool) -> Result<(), TransportError> {
        self.set(SocketOption::NoDelay(on))
    }

    /// What [`set_no_delay`](Self::set_no_delay) sets.
    pub fn no_delay(&self) -> Result<bool, TransportError> {
        self.get(OptionName::NoDelay, |option| match option {
            SocketOption::NoDelay(on) => Some(on),
            _ => None,
        })
    }

    /// Probes a peer that is silent, and ends the connection if it does not answer (`SO_KEEPALIVE`). What is `None` in a
    /// [`KeepAlive`] stays as the system has it; `None` instead of one turns the probes off, as they are by default.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) -> Result<(), TransportError> {
        self.set(SocketOption::KeepAlive(keep_alive))
    }

    /// What [`set_keep_alive`](Self::set_keep_alive) sets, with the times that are in force.
    pub fn keep_alive(&self) -> Result<Option<KeepAlive>, TransportError> {
        self.get(OptionName::KeepAlive, |option| match option {
            SocketOption::KeepAlive(keep_alive) => Some(keep_alive),
            _ => None,
        })
    }

    /// With `Some(Duration::ZERO)`, closing resets the connection: what was not sent is thrown away and the peer is
    /// told by an error (`SO_LINGER`). With `None`, as by default, what the kernel has taken is still delivered (R127).
    ///
    /// Any other time is refused with [`InvalidInput`](std::io::ErrorKind::InvalidInput): the system would make the
    /// close wait for so long, and the loop with it. To know that all was sent, [`shutdown`](Self::shutdown) and read
    /// to the end.
    pub fn set_linger(&self, linger: Option<Duration>) -> Result<(), TransportError> {
        self.set(SocketOption::Linger(linger))
    }

    /// What [`set_linger`](Self::set_linger) sets.
    pub fn linger(&self) -> Result<Option<Duration>, TransportError> {
        self.get(OptionName::Linger, |option| match option {
            SocketOption::Linger(linger) => Some(linger),
            _ => None,
        })
    }

    /// How many routers a packet may pass (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    pub fn set_time_to_live(&self, routers: u8) -> Result<(), TransportError> {
        self.set(SocketOption::TimeToLive(routers))
    }

    /// What [`set_time_to_live`](Self::set_time_to_live) sets.
    pub fn time_to_live(&self) -> Result<u8, TransportError> {
        self.get(OptionName::TimeToLive, |option| match option {
            SocketOption::TimeToLive(routers) => Some(routers),
            _ => None,
        })
    }

    /// The class of service that packets ask routers for (`IP_TOS`, `IPV6_TCLASS`). Of the two lowest bits, which tell of
    /// congestion, a system may keep its own.
    pub fn set_type_of_service(&self, class: u8) -> Result<(), TransportError> {
        self.set(SocketOption::TypeOfService(class))
    }

    /// What [`set_type_of_service`](Self::set_type_of_service) sets.
    pub fn type_of_service(&self) -> Result<u8, TransportError> {
        self.get(OptionName::TypeOfService, |option| match option {
            SocketOption::TypeOfService(class) => Some(class),
            _ => None,
        })
    }

    /// How many bytes the kernel holds for this side to read (`SO_RCVBUF`). The system keeps it within bounds of its own. To
    /// be told to the peer with the first packet, it has to be set before: by
    /// [`ConnectOptions`](crate::driver::ConnectOptions) or [`ListenOptions`](crate::driver::ListenOptions).
    pub fn set_receive_buffer(&self, bytes: u32) -> Result<(), TransportError> {
        self.set(SocketOption::ReceiveBuffer(bytes))
    }

    /// How large the buffer is. Linux answers twice of what was set: it counts its own overhead.
    pub fn receive_buffer(&self) -> Result<u32, TransportError> {
        self.get(OptionName::ReceiveBuffer, |option| match option {
            SocketOption::ReceiveBuffer(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// How many bytes the kernel takes before the peer has acknowledged them (`SO_SNDBUF`). The system keeps it within bounds
    /// of its own.
    pub fn set_send_buffer(&self, bytes: u32) -> Result<(), TransportError> {
        self.set(SocketOption::SendBuffer(bytes))
    }

    /// How large the buffer is. Linux answers twice of what was set: it counts its own overhead.
    pub fn send_buffer(&self) -> Result<u32, TransportError> {
        self.get(OptionName::SendBuffer, |option| match option {
            SocketOption::SendBuffer(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// How long sent bytes may stay unacknowledged before the connection ends with
    /// [`TimedOut`](std::io::ErrorKind::TimedOut) (`TCP_USER_TIMEOUT`, RFC 5482); in milliseconds, rounded up. `None`: as
    /// long as the system tries, on Linux some fifteen minutes. Zero is refused with
    /// [`InvalidInput`](std::io::ErrorKind::InvalidInput). Linux, Android and Fuchsia have it.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> Result<(), TransportError> {
        self.set(SocketOption::UserTimeout(timeout))
    }

    /// What [`set_user_timeout`](Self::set_user_timeout) sets.
    pub fn user_timeout(&self) -> Result<Option<Duration>, TransportError> {
        self.get(OptionName::UserTimeout, |option| match option {
            SocketOption::UserTimeout(timeout) => Some(timeout),
            _ => None,
        })
    }

    fn set(&self, option: SocketOption) -> Result<(), TransportError> {
        let stream = self.resolve().1;
        stream.refuse_closed(Operation::Option)?;
        let set = self.handle().set_option(stream.fd, option);
        set.map_err(|error| stream.os_error(Operation::Option, error))
    }

    fn get<T>(
        &self,
        name: OptionName,
        value: impl FnOnce(SocketOption) -> Option<T>,
    ) -> Result<T, TransportError> {
        let stream = self.resolve().1;
        stream.refuse_closed(Operation::Option)?;
        let option = self.handle().option(stream.fd, name);
        option
            .map(|option| answered(name, value(option)))
            .map_err(|error| stream.os_error(Operation::Option, error))
    }
}

/// Options of the listening socket. They are set when it is made, by [`ListenOptions`](crate::driver::ListenOptions).
///
/// # Errors
///
/// As those of a [`StreamTransport`].
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::driver::ListenOptions;
/// use twinloop::{Address, StreamServer};
///
/// let both = StreamServer::listen("[::]:80".parse::<Address>()?)?;
/// assert!(!both.only_v6()?, "it takes IPv4 too");
///
/// let options = ListenOptions::default().only_v6(true);
/// let one = StreamServer::listen_with("[::]:81".parse::<Address>()?, &options)?;
/// assert!(one.only_v6()?);
/// # Ok(()) });
/// ```
impl StreamServer {
    /// Whether a server at an IPv6 address takes IPv6 alone (`IPV6_V6ONLY`).
    pub fn only_v6(&self) -> Result<bool, TransportError> {
        self.get(OptionName::OnlyV6, |option| match option {
            SocketOption::OnlyV6(on) => Some(on),
            _ => None,
        })
    }

    /// Whether other sockets may listen at the same port, if they say so too (`SO_REUSEPORT`, R149).
    pub fn reuse_port(&self) -> Result<bool, TransportError> {
        self.get(OptionName::ReusePort, |option| match option {
            SocketOption::ReusePort(on) => Some(on),
            _ => None,
        })
    }

    /// As [`StreamTransport::receive_buffer`], of the streams that it will accept.
    pub fn receive_buffer(&self) -> Result<u32, TransportError> {
        self.get(OptionName::ReceiveBuffer, |option| match option {
            SocketOption::ReceiveBuffer(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// As [`StreamTransport::send_buffer`], of the streams that it will accept.
    pub fn send_buffer(&self) -> Result<u32, TransportError> {
        self.get(OptionName::SendBuffer, |option| match option {
            SocketOption::SendBuffer(bytes) => Some(bytes),
            _ => None,
        })
    }

    fn get<T>(
        &self,
        name: OptionName,
        value: impl FnOnce(SocketOption) -> Option<T>,
    ) -> Result<T, TransportError> {
        let failed =
            |error: OsError| TransportError::from_os(Operation::Option, Some(self.local_address()), error);
        let option = self.open_fd(Operation::Option).map(|(handle, fd)| handle.option(fd, name))?;
        option.map(|option| answered(name, value(option))).map_err(failed)
    }
}

/// `value`, which a driver has answered to the question for `name`.
pub(super) fn answered<T>(name: OptionName, value: Option<T>) -> T {
    value.unwrap_or_else(|| panic!("a driver answers {name:?} when it is asked for it"))
}
