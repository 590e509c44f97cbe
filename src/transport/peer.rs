//! A peer's address as a stream keeps it for all its life: short, since most are IP addresses and most streams are idle.

use std::net::SocketAddr;

use crate::Address;

pub(super) enum Peer {
    Ip(SocketAddr),
    /// A name may be three times as long, and few streams have one.
    Other(Box<Address>),
}

impl Peer {
    pub(super) fn address(&self) -> Address {
        match self {
            Peer::Ip(address) => Address::Ip(*address),
            Peer::Other(address) => **address,
        }
    }
}

impl From<Address> for Peer {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(address) => Peer::Ip(address),
            other => Peer::Other(Box::new(other)),
        }
    }
}
