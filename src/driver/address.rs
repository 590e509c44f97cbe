//! Where a transport can be bound or connected: text in, text out (R186). Knows no resolver.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The address of a transport.
///
/// ```
/// use twinloop::Address;
///
/// let address: Address = "127.0.0.1:6379".parse()?;
/// assert_eq!(address.port(), Some(6379));
/// assert_eq!(address.to_string(), "127.0.0.1:6379");
/// assert!("127.0.0.1:65536".parse::<Address>().is_err());
/// # Ok::<(), twinloop::driver::AddressError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port: `a.b.c.d:port` or `[v6]:port`. Port 0 means "pick one".
    Ip(SocketAddr),
}

impl Address {
    /// `port` on the IPv4 loopback.
    pub const fn loopback(port: u16) -> Address {
        Address::Ip(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The port, where the address has one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
        }
    }

    /// The IP address and port, where the address is one.
    pub const fn as_ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Ip(address)
    }
}

impl From<(Ipv4Addr, u16)> for Address {
    fn from(address: (Ipv4Addr, u16)) -> Self {
        Address::Ip(address.into())
    }
}

impl From<(Ipv6Addr, u16)> for Address {
    fn from(address: (Ipv6Addr, u16)) -> Self {
        Address::Ip(address.into())
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Address::Ip).map_err(|_| AddressError { text: text.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// A text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
}

impl std::error::Error for AddressError {}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address: write a.b.c.d:port or [v6]:port", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R186: IPv4 and IPv6 with a port are addresses, 0 is a port, and what is none is refused with the text.
    #[test]
    fn what_is_an_address_comes_out_as_it_went_in() {
        for text in ["127.0.0.1:0", "10.1.2.3:65535", "[::1]:80", "[2001:db8::7]:1"] {
            assert_eq!(text.parse().map(|address: Address| address.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "127.0.0.1", "127.0.0.1:65536", "127.0.0:1", "::1:80", "localhost:80"] {
            let refused = text.parse::<Address>().expect_err("it is no address");
            assert!(refused.to_string().starts_with(&format!("{text:?}")), "{refused}");
        }
    }
}
