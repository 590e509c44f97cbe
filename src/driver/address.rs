//! Where a transport can be bound or connected: text in, text out (R186). Knows no resolver and no file system.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

/// The address of a transport.
///
/// As text: `a.b.c.d:port`, `[v6]:port`, a path that begins with `/` or `.`, or `@name` for an abstract name of Linux.
///
/// ```
/// use twinloop::Address;
///
/// let address: Address = "127.0.0.1:6379".parse()?;
/// assert_eq!(address.port(), Some(6379));
/// assert_eq!(address.to_string(), "127.0.0.1:6379");
/// assert_eq!("/run/service.sock".parse(), Address::unix("/run/service.sock"));
/// assert!("127.0.0.1:65536".parse::<Address>().is_err());
/// # Ok::<(), twinloop::driver::AddressError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port: `a.b.c.d:port` or `[v6]:port`. Port 0 means "pick one".
    Ip(SocketAddr),
    /// The name of a socket or pipe of this machine, or that it has none.
    Unix(UnixAddress),
}

impl Address {
    /// The end of a pipe, of a socket that was not bound, or of a pair: it has no name.
    pub const UNNAMED: Address = Address::Unix(UnixAddress::UNNAMED);

    /// `port` on the IPv4 loopback.
    pub const fn loopback(port: u16) -> Address {
        Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// `port` on every IPv4 address of this machine.
    pub const fn any(port: u16) -> Address {
        Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
    }

    /// A path in the file system.
    ///
    /// # Errors
    ///
    /// If the path is empty, has a NUL byte, or is longer than [`UnixAddress::LENGTH_MAX`].
    pub fn unix(path: impl AsRef<Path>) -> Result<Address, AddressError> {
        UnixAddress::from_path(path.as_ref()).map(Address::Unix)
    }

    /// An abstract name of Linux: it is in no file system, and gone with its last socket.
    ///
    /// # Errors
    ///
    /// If the name is longer than [`UnixAddress::LENGTH_MAX`].
    pub fn abstract_name(name: impl AsRef<[u8]>) -> Result<Address, AddressError> {
        UnixAddress::from_abstract_name(name.as_ref()).map(Address::Unix)
    }

    /// The port, where the address has one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
            Address::Unix(_) => None,
        }
    }

    /// The IP address and port, where the address is one.
    pub const fn as_ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The name of a socket of this machine, where the address is one.
    pub const fn as_unix(&self) -> Option<&UnixAddress> {
        match self {
            Address::Ip(_) => None,
            Address::Unix(address) => Some(address),
        }
    }
}

/// The name of a Unix socket (unix(7)): a path, an abstract name, or none.
///
/// It is kept in place, as the system's own structure keeps it, so that an address stays a plain value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixAddress {
    /// As `sun_path` has it: an abstract name has a NUL byte in front; behind the name there are NUL bytes.
    bytes: [u8; UnixAddress::LENGTH_MAX + 1],
    length: u8,
}

impl UnixAddress {
    /// How many bytes a path or an abstract name may have. What Linux allows; macOS and the BSDs have four less, and
    /// refuse what is longer when it is used.
    pub const LENGTH_MAX: usize = 107;

    /// No name.
    pub const UNNAMED: UnixAddress = UnixAddress { bytes: [0; UnixAddress::LENGTH_MAX + 1], length: 0 };

    /// The socket at `path`.
    ///
    /// # Errors
    ///
    /// If the path is empty, has a NUL byte, or is longer than [`UnixAddress::LENGTH_MAX`].
    pub fn from_path(path: &Path) -> Result<UnixAddress, AddressError> {
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&0) || bytes.len() > UnixAddress::LENGTH_MAX {
            return Err(AddressError { text: path.to_string_lossy().into_owned() });
        }
        Ok(UnixAddress::holding(&[], bytes))
    }

    /// The socket of an abstract name.
    ///
    /// # Errors
    ///
    /// If the name is longer than [`UnixAddress::LENGTH_MAX`].
    pub fn from_abstract_name(name: &[u8]) -> Result<UnixAddress, AddressError> {
        if name.len() > UnixAddress::LENGTH_MAX {
            return Err(AddressError { text: format!("@{}", name.escape_ascii()) });
        }
        Ok(UnixAddress::holding(&[0], name))
    }

    fn holding(prefix: &[u8], name: &[u8]) -> UnixAddress {
        let mut address = UnixAddress::UNNAMED;
        let length = prefix.len() + name.len();
        address.bytes[prefix.len()..length].copy_from_slice(name);
        address.length = u8::try_from(length).expect("LENGTH_MAX fits");
        address
    }

    /// Whether it has no name.
    pub const fn is_unnamed(&self) -> bool {
        self.length == 0
    }

    /// The path's bytes, if the socket has a path.
    pub fn path_bytes(&self) -> Option<&[u8]> {
        let name = &self.bytes[..usize::from(self.length)];
        name.first().filter(|first| **first != 0).map(|_| name)
    }

    /// The path, if the socket has one and it is text.
    pub fn path(&self) -> Option<&Path> {
        self.path_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Path::new)
    }

    /// The abstract name, if the socket has one.
    pub fn abstract_name(&self) -> Option<&[u8]> {
        self.bytes[..usize::from(self.length)].strip_prefix(&[0])
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path_bytes(), self.abstract_name()) {
            (Some(path), _) => f.write_str(&String::from_utf8_lossy(path)),
            (_, Some(name)) => write!(f, "@{}", String::from_utf8_lossy(name)),
            (None, None) => f.write_str("(unnamed)"),
        }
    }
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Ip(address)
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Self {
        Address::Unix(address)
    }
}

impl From<(IpAddr, u16)> for Address {
    fn from(address: (IpAddr, u16)) -> Self {
        Address::Ip(address.into())
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
        match text.as_bytes().first() {
            Some(b'/' | b'.') => Address::unix(text),
            Some(b'@') => Address::abstract_name(&text[1..]),
            _ => text.parse().map(Address::Ip).map_err(|_| AddressError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => fmt::Display::fmt(address, f),
            Address::Unix(address) => fmt::Display::fmt(address, f),
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
        write!(
            f,
            "{:?} is not an address: write a.b.c.d:port, [v6]:port, or a path or @name of at most {} bytes",
            self.text,
            UnixAddress::LENGTH_MAX
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R186: what is an address comes out as it went in, and what is none is refused with the text.
    #[test]
    fn what_is_an_address_comes_out_as_it_went_in() {
        let longest = format!("/{}", "x".repeat(UnixAddress::LENGTH_MAX - 1));
        for text in
            ["127.0.0.1:0", "10.1.2.3:65535", "[::1]:80", "[2001:db8::7]:1", "/a b", "./a", "@a", &longest]
        {
            assert_eq!(text.parse().map(|address: Address| address.to_string()), Ok(text.to_owned()));
        }
        let too_long = format!("{longest}x");
        let no_addresses =
            ["", "127.0.0.1", "127.0.0.1:65536", "127.0.0:1", "::1:80", "localhost:80", "/a\0b", &too_long];
        for text in no_addresses {
            let refused = text.parse::<Address>().expect_err("it is no address");
            assert!(refused.to_string().starts_with(&format!("{text:?}")), "{refused}");
        }
    }

    #[test]
    fn a_socket_of_this_machine_has_a_path_or_an_abstract_name_or_none() {
        let parts = |address: Address| {
            let unix = *address.as_unix().expect("it is one");
            (unix.path().map(Path::to_owned), unix.abstract_name().map(<[u8]>::to_owned), unix.is_unnamed())
        };
        assert_eq!(parts(Address::unix("/a").expect("it is short")), (Some("/a".into()), None, false));
        let name = Address::abstract_name(b"\0a").expect("any byte may stand in a name");
        assert_eq!(parts(name), (None, Some(b"\0a".to_vec()), false));
        assert_eq!(parts(Address::UNNAMED), (None, None, true));
        let empty = Address::abstract_name(b"").expect("the empty name is one");
        assert_ne!(empty, Address::UNNAMED);
    }
}
