//! Options of datagram sockets, by typed setters and getters, and the groups that they hear. What one means on a system is
//! the driver's business.

use std::net::IpAddr;

use super::{DatagramTransport, Socket};
use crate::driver::{Interface, Membership, OptionName, OsError, SocketOption};
use crate::transport::options::answered;
use crate::{Address, Operation, TransportError};

/// # Multicast
impl DatagramTransport {
    /// Joins a multicast group: from now on, what is sent to it at this socket's port is received, wherever it comes in at
    /// `interface`. Bind to the wildcard address to hear a group; of several sockets at one port
    /// ([`reuse_address`](crate::driver::DatagramOptions::reuse_address)) each one that has joined hears all of it.
    ///
    /// A group is left with the close of the socket at the latest.
    ///
    /// # Errors
    ///
    /// The system's: no group's address, no such device, joined already. [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::net::Ipv4Addr;
    /// use twinloop::driver::Interface;
    /// use twinloop::{Address, DatagramTransport};
    ///
    /// let group = Ipv4Addr::new(239, 1, 2, 3);
    /// let member = DatagramTransport::bind(Address::any(5000))?;
    /// member.join(group, Interface::Any)?;
    ///
    /// let speaker = DatagramTransport::bind(Address::any(0))?;
    /// speaker.set_multicast_time_to_live(0)?;
    /// speaker.send_to(b"to this host alone", (group, 5000)).await?;
    /// assert_eq!(member.recv_from(&mut [0; 64]).await?.length, 18);
    /// member.leave(group, Interface::Any)?;
    /// # Ok(()) });
    /// ```
    pub fn join(&self, group: impl Into<IpAddr>, interface: Interface) -> Result<(), TransportError> {
        let membership = Membership { group: group.into(), interface };
        let (core, socket) = self.resolve();
        socket.refuse_closed(Operation::Multicast, address_of(&membership))?;
        let joined = core.join_multicast(socket.fd, &membership);
        joined.map_err(|error| multicast_error(&membership, error))
    }

    /// Leaves a multicast group that was joined at `interface`.
    ///
    /// # Errors
    ///
    /// The system's: it was not joined there. [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn leave(&self, group: impl Into<IpAddr>, interface: Interface) -> Result<(), TransportError> {
        let membership = Membership { group: group.into(), interface };
        let (core, socket) = self.resolve();
        socket.refuse_closed(Operation::Multicast, address_of(&membership))?;
        let left = core.leave_multicast(socket.fd, &membership);
        left.map_err(|error| multicast_error(&membership, error))
    }

    /// How many routers what is sent to a group may pass (`IP_MULTICAST_TTL`, `IPV6_MULTICAST_HOPS`). 1, as by default,
    /// is the local network, 0 this machine alone.
    pub fn set_multicast_time_to_live(&self, routers: u8) -> Result<(), TransportError> {
        self.set(SocketOption::MulticastTimeToLive(routers))
    }

    /// What [`set_multicast_time_to_live`](Self::set_multicast_time_to_live) sets.
    pub fn multicast_time_to_live(&self) -> Result<u8, TransportError> {
        self.get(OptionName::MulticastTimeToLive, |option| match option {
            SocketOption::MulticastTimeToLive(routers) => Some(routers),
            _ => None,
        })
    }

    /// Whether members on this machine hear what this socket sends to a group, as they do by default (`IP_MULTICAST_LOOP`,
    /// `IPV6_MULTICAST_LOOP`). Windows asks the receiving socket instead.
    pub fn set_multicast_loopback(&self, on: bool) -> Result<(), TransportError> {
        self.set(SocketOption::MulticastLoopback(on))
    }

    /// What [`set_multicast_loopback`](Self::set_multicast_loopback) sets.
    pub fn multicast_loopback(&self) -> Result<bool, TransportError> {
        self.get(OptionName::MulticastLoopback, |option| match option {
            SocketOption::MulticastLoopback(on) => Some(on),
            _ => None,
        })
    }

    /// Over which device what is sent to a group leaves (`IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`).
    pub fn set_multicast_interface(&self, interface: Interface) -> Result<(), TransportError> {
        self.set(SocketOption::MulticastInterface(interface))
    }

    /// What [`set_multicast_interface`](Self::set_multicast_interface) sets.
    pub fn multicast_interface(&self) -> Result<Interface, TransportError> {
        self.get(OptionName::MulticastInterface, |option| match option {
            SocketOption::MulticastInterface(interface) => Some(interface),
            _ => None,
        })
    }
}

/// # Options
///
/// All of these methods answer alike: [`Unsupported`](std::io::ErrorKind::Unsupported) where the system has no such
/// option, the system's error for a value that it does not take, [`ErrorKind::Closed`](crate::ErrorKind::Closed) once
/// the transport is closed.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Address, DatagramTransport};
///
/// let transport = DatagramTransport::bind(Address::any(0))?;
/// transport.set_time_to_live(8)?;
/// assert_eq!((transport.time_to_live()?, transport.multicast_time_to_live()?), (8, 1));
/// assert!(!transport.broadcast()?, "a broadcast is an error unless it was allowed");
/// # Ok(()) });
/// ```
impl DatagramTransport {
    /// Allows sending to broadcast addresses (`SO_BROADCAST`). Off by default: it is then refused (R159).
    pub fn set_broadcast(&self, on: bool) -> Result<(), TransportError> {
        self.set(SocketOption::Broadcast(on))
    }

    /// What [`set_broadcast`](Self::set_broadcast) sets.
    pub fn broadcast(&self) -> Result<bool, TransportError> {
        self.get(OptionName::Broadcast, |option| match option {
            SocketOption::Broadcast(on) => Some(on),
            _ => None,
        })
    }

    /// How many routers a datagram to a single host may pass (`IP_TTL`, `IPV6_UNICAST_HOPS`, R159).
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

    /// The class of service that datagrams ask routers for (`IP_TOS`, `IPV6_TCLASS`).
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

    /// How many bytes the kernel holds for us to receive (`SO_RCVBUF`). What comes while it is full is lost.
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

    /// How many bytes the kernel takes before they have left (`SO_SNDBUF`).
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

    /// Whether a socket at an IPv6 address takes IPv6 alone (`IPV6_V6ONLY`).
    pub fn only_v6(&self) -> Result<bool, TransportError> {
        self.get(OptionName::OnlyV6, |option| match option {
            SocketOption::OnlyV6(on) => Some(on),
            _ => None,
        })
    }

    fn set(&self, option: SocketOption) -> Result<(), TransportError> {
        let socket = self.resolve().1;
        socket.refuse_closed(Operation::Option, socket.local)?;
        self.handle.set_option(socket.fd, option).map_err(|error| socket.option_error(error))
    }

    fn get<T>(
        &self,
        name: OptionName,
        value: impl FnOnce(SocketOption) -> Option<T>,
    ) -> Result<T, TransportError> {
        let socket = self.resolve().1;
        socket.refuse_closed(Operation::Option, socket.local)?;
        let option = self.handle.option(socket.fd, name).map_err(|error| socket.option_error(error))?;
        Ok(answered(name, value(option)))
    }
}

impl Socket {
    fn option_error(&self, error: OsError) -> TransportError {
        TransportError::from_os(Operation::Option, Some(self.local), error)
    }
}

fn multicast_error(membership: &Membership, error: OsError) -> TransportError {
    TransportError::from_os(Operation::Multicast, Some(address_of(membership)), error)
}

/// A group as an error names it.
fn address_of(membership: &Membership) -> Address {
    Address::from((membership.group, 0))
}
