//! Multicast groups of datagram sockets (ip(7)), and the options that concern them.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

use twinloop::driver::{Fd, Interface, Membership, OptionName, OsError, SocketOption};

use super::Udp;
use crate::kernel::Kernel;
use crate::kernel::errno::{EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP};
use crate::kernel::options::Device;

impl Kernel {
    pub(crate) fn join_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.udp(fd)?.check_family(membership)?;
        let group = self.group_of(membership)?;
        if self.udp_mut(fd)?.groups.insert(group) { Ok(()) } else { Err(EADDRINUSE) }
    }

    pub(crate) fn leave_multicast(&mut self, fd: Fd, membership: &Membership) -> Result<(), OsError> {
        self.udp(fd)?.check_family(membership)?;
        // What can not be joined was not joined (`ip_mc_leave_group`).
        let group = self.group_of(membership).map_err(|_| EADDRNOTAVAIL)?;
        if self.udp_mut(fd)?.groups.remove(&group) { Ok(()) } else { Err(EADDRNOTAVAIL) }
    }

    fn group_of(&self, membership: &Membership) -> Result<(Ipv4Addr, Device), OsError> {
        match membership.group {
            IpAddr::V4(group) if group.is_multicast() => Ok((group, self.device_of(membership.interface)?)),
            IpAddr::V6(group) if group.is_multicast() => Err(ENODEV),
            _ => Err(EINVAL),
        }
    }

    /// Every host has two devices, `lo` and `eth0`.
    pub(super) fn device_of(&self, interface: Interface) -> Result<Device, OsError> {
        match interface {
            Interface::Any | Interface::Index(0 | 2) => Ok(Device::Ethernet),
            Interface::Index(1) => Ok(Device::Loopback),
            Interface::Address(ip) if IpAddr::V4(ip) == self.ip => Ok(Device::Ethernet),
            Interface::Address(ip) if ip.is_loopback() => Ok(Device::Loopback),
            Interface::Address(_) | Interface::Index(_) => Err(ENODEV),
        }
    }

    pub(in crate::kernel) fn set_datagram_option(
        &mut self,
        fd: Fd,
        option: SocketOption,
    ) -> Result<(), OsError> {
        if let SocketOption::MulticastInterface(interface) = option {
            if self.udp(fd)?.local.is_ipv6() && matches!(interface, Interface::Address(_)) {
                return Err(EINVAL);
            }
            self.device_of(interface).map_err(|_| EADDRNOTAVAIL)?;
        }
        let udp = self.udp_mut(fd)?;
        match option {
            SocketOption::MulticastTimeToLive(routers) => udp.options.multicast.time_to_live = routers,
            SocketOption::MulticastInterface(interface) => udp.options.multicast.interface = interface,
            SocketOption::NoDelay(_) | SocketOption::KeepAlive(Some(_)) | SocketOption::UserTimeout(_) => {
                return Err(ENOPROTOOPT);
            }
            SocketOption::TypeOfService(class) => udp.options.set_class(class),
            other => return udp.options.set(other, udp.local),
        }
        Ok(())
    }

    pub(in crate::kernel) fn datagram_option(
        &self,
        fd: Fd,
        name: OptionName,
    ) -> Result<SocketOption, OsError> {
        let udp = self.udp(fd)?;
        match name {
            OptionName::NoDelay | OptionName::UserTimeout => {
                // IPv4 has another error for getting them than for setting them.
                Err(if udp.local.is_ipv6() { ENOPROTOOPT } else { EOPNOTSUPP })
            }
            other => udp.options.get(other),
        }
    }
}

impl Udp {
    /// A group of IPv6 is joined by a device's number, and by a socket of its family.
    fn check_family(&self, membership: &Membership) -> Result<(), OsError> {
        match (membership.group, membership.interface) {
            (IpAddr::V6(_), Interface::Address(_)) => Err(OsError::without_code(ErrorKind::InvalidInput)),
            (IpAddr::V6(_), _) if self.local.is_ipv4() => Err(ENOPROTOOPT),
            _ => Ok(()),
        }
    }

    /// Whether it hears what is sent over `device` to `ip`: a group that it has joined, or all.
    pub(super) fn is_in(&self, ip: IpAddr, device: Device) -> bool {
        match ip {
            IpAddr::V4(ip) if ip.is_multicast() => self.groups.contains(&(ip, device)),
            _ => true,
        }
    }
}
