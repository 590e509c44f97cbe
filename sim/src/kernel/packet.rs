//! What kernels send to each other. Nobody here knows how it travels.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};

use super::options::Device;
use super::tcp::RECEIVE_BUFFER;
use crate::message::MessageKind;
use crate::story::Stamp;

/// One packet. It is handed on many times before it arrives, so what it says stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) content: Content,
    /// What had led to it, where a story is told. Kernels carry it and never look at it.
    pub(crate) stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// `connection`: which of those that these two addresses ever had. On a wire, sequence numbers chosen by chance do this;
    /// here a number does, and a packet of an old connection is never taken for one of the new.
    Tcp {
        connection: u64,
        segment: Segment,
    },
    Udp(Datagram),
    /// Nobody hears datagrams there (ICMP, RFC 792: port unreachable).
    Unreachable,
    /// No way leads to the host that a segment of this connection was sent to (ICMP, RFC 792: host unreachable).
    HostUnreachable {
        connection: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Over which device it was sent.
    pub(super) device: Device,
    /// It is a copy for the programs of the host that sends it.
    pub(super) stays: bool,
    pub(super) payload: Vec<u8>,
}

/// What a packet of TCP says. Sequence numbers count the bytes of a direction from 0, and its FIN as one more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `window`: how many bytes the sender of this takes.
    Syn {
        window: usize,
    },
    SynAck {
        window: usize,
    },
    /// Data, an acknowledgement, or both. `fin`: the direction ends behind `payload`.
    Data {
        seq: u64,
        ack: u64,
        window: usize,
        fin: bool,
        payload: Vec<u8>,
    },
    /// Asks whether the peer is there. On a wire, an acknowledgement with an old sequence number does it.
    Probe,
    Rst,
}

/// Where a packet goes.
pub(crate) enum Route {
    /// To the host that sends it.
    Back,
    /// To the host that has this address.
    To(IpAddr),
    /// To all other hosts.
    Others,
}

impl Deref for Packet {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl Packet {
    pub(super) fn new(source: SocketAddr, destination: SocketAddr, content: Content) -> Packet {
        Packet(Box::new(Parts { source, destination, content, stamp: Stamp::default() }))
    }

    pub(super) fn into_parts(self) -> Parts {
        *self.0
    }

    pub(crate) fn route(&self) -> Route {
        let ip = self.destination.ip();
        match &self.content {
            Content::Udp(datagram) if datagram.stays => Route::Back,
            _ if ip.is_loopback() => Route::Back,
            Content::Udp(_) if is_for_many(ip) => Route::Others,
            _ => Route::To(ip),
        }
    }

    /// The packet that resets a connection for the end at `destination`.
    pub(super) fn reset(source: SocketAddr, destination: SocketAddr, connection: u64) -> Packet {
        Packet::new(source, destination, Content::Tcp { connection, segment: Segment::Rst })
    }

    /// Whether a middlebox may send resets instead of it. A datagram belongs to no connection: there is nothing to reset.
    pub(crate) fn can_be_reset(&self) -> bool {
        matches!(self.content, Content::Tcp { .. }) && !self.payload().is_empty()
    }

    /// A reset for each end, as a middlebox forges them: first for the receiver, then for the sender.
    pub(crate) fn resets(&self) -> [Packet; 2] {
        let Content::Tcp { connection, .. } = self.content else {
            unreachable!("only a connection can be reset")
        };
        let (source, destination) = (self.source, self.destination);
        [Packet::reset(source, destination, connection), Packet::reset(destination, source, connection)]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match &self.content {
            Content::Tcp { segment: Segment::Data { payload, .. }, .. } => payload,
            Content::Udp(datagram) => &datagram.payload,
            Content::Tcp { .. } | Content::Unreachable | Content::HostUnreachable { .. } => &[],
        }
    }

    /// What a router says to the sender of a segment if it knows no way for it. Of datagrams nobody would hear it.
    pub(crate) fn host_unreachable(&self) -> Option<Packet> {
        let Content::Tcp { connection, .. } = self.content else { return None };
        let content = Content::HostUnreachable { connection };
        Some(Packet::new(self.destination, self.source, content))
    }

    /// How many bytes it has on a wire, headers of IPv4 included.
    pub(crate) fn size(&self) -> usize {
        self.payload().len()
            + match self.content {
                Content::Tcp { .. } => 40,
                Content::Udp(_) => 28,
                Content::Unreachable | Content::HostUnreachable { .. } => 56,
            }
    }

    /// Turns one bit of the payload, counted from its first.
    pub(crate) fn turn_bit(&mut self, bit: usize) {
        let payload = match &mut self.content {
            Content::Tcp { segment: Segment::Data { payload, .. }, .. } => payload,
            Content::Udp(datagram) => &mut datagram.payload,
            _ => unreachable!("only a payload has bits that are turned"),
        };
        payload[bit / 8] ^= 1 << (bit % 8);
    }

    pub(crate) fn kind(&self) -> MessageKind {
        match &self.content {
            Content::Udp(_) => MessageKind::Datagram,
            Content::Unreachable | Content::HostUnreachable { .. } => MessageKind::Unreachable,
            Content::Tcp { segment, .. } => match segment {
                Segment::Syn { .. } => MessageKind::Syn,
                Segment::SynAck { .. } => MessageKind::SynAck,
                Segment::Rst => MessageKind::Reset,
                Segment::Probe => MessageKind::Probe,
                Segment::Data { payload, .. } if !payload.is_empty() => MessageKind::Data,
                Segment::Data { fin, .. } => {
                    if *fin {
                        MessageKind::Fin
                    } else {
                        MessageKind::Ack
                    }
                }
            },
        }
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.content, Content::Tcp { segment: Segment::Data { fin: true, .. }, .. })
    }

    /// What is said besides the payload, as numbers for the run's hash.
    pub(crate) fn numbers(&self) -> [u64; 6] {
        let ports = u64::from(self.source.port()) << 16 | u64::from(self.destination.port());
        match &self.content {
            Content::Tcp { segment, .. } => segment.numbers(ports),
            Content::Udp(Datagram { device, stays, payload }) => {
                [ports, 7, *device as u64, u64::from(*stays), 0, payload.len() as u64]
            }
            Content::Unreachable => [ports, 8, 0, 0, 0, 0],
            Content::HostUnreachable { .. } => [ports, 9, 0, 0, 0, 0],
        }
    }
}

impl Segment {
    fn numbers(&self, ports: u64) -> [u64; 6] {
        match self {
            Segment::Syn { window } => [ports, 1, unusual(*window), 0, 0, 0],
            Segment::SynAck { window } => [ports, 2, unusual(*window), 0, 0, 0],
            Segment::Rst => [ports, 3, 0, 0, 0, 0],
            Segment::Probe => [ports, 6, 0, 0, 0, 0],
            Segment::Data { seq, ack, window, fin, payload } => {
                [ports, 4 + u64::from(*fin), *seq, *ack, *window as u64, payload.len() as u64]
            }
        }
    }
}

/// As a line of a story: the ports, then what it says.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} ", self.source.port(), self.destination.port())?;
        match &self.content {
            Content::Tcp { segment, .. } => fmt::Display::fmt(segment, f),
            Content::Udp(datagram) => write!(f, "UDP {}", datagram.payload.len()),
            Content::Unreachable => f.write_str("PORT UNREACHABLE"),
            Content::HostUnreachable { .. } => f.write_str("HOST UNREACHABLE"),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Syn { window } | Segment::SynAck { window } => {
                let is_answer = matches!(self, Segment::SynAck { .. });
                f.write_str(if is_answer { "SYN+ACK" } else { "SYN" })?;
                if unusual(*window) == 0 { Ok(()) } else { write!(f, " WIN {window}") }
            }
            Segment::Rst => f.write_str("RST"),
            Segment::Probe => f.write_str("PROBE"),
            Segment::Data { seq, ack, window, fin, payload } => {
                if !payload.is_empty() {
                    write!(f, "DATA {seq}..{} ", seq + payload.len() as u64)?;
                }
                if *fin {
                    write!(f, "FIN {} ", seq + payload.len() as u64)?;
                }
                write!(f, "ACK {ack} WIN {window}")
            }
        }
    }
}

/// Whether an address is that of a group, or of all hosts of a network.
pub(super) fn is_for_many(ip: IpAddr) -> bool {
    /// Those of the whole network, of the one that all hosts are in, and of the loopback.
    const BROADCAST: [Ipv4Addr; 3] =
        [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 255, 255, 255), Ipv4Addr::new(127, 255, 255, 255)];
    ip.is_multicast() || BROADCAST.iter().any(|broadcast| ip == *broadcast)
}

/// How far a first window is from that of a socket whose buffer nobody has set; almost always not at all.
fn unusual(window: usize) -> u64 {
    RECEIVE_BUFFER.abs_diff(window) as u64
}
