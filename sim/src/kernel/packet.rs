//! What kernels send to each other. Nobody here knows how it travels.

use std::fmt;
use std::net::SocketAddr;

use super::tcp::RECEIVE_BUFFER;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// Which of the connections that these two addresses ever had. On a wire, sequence numbers chosen by chance do this;
    /// here a number does, and a packet of an old connection is never taken for one of the new.
    pub(crate) connection: u64,
    pub(crate) segment: Segment,
}

/// What a packet says. Sequence numbers count the bytes of a direction from 0, and its FIN as one more.
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

impl Packet {
    /// The packet that answers this one with a reset.
    pub(super) fn refusal(&self) -> Packet {
        Packet {
            source: self.destination,
            destination: self.source,
            connection: self.connection,
            segment: Segment::Rst,
        }
    }

    /// A reset for each end, as a middlebox forges them: first for the receiver, then for the sender.
    pub(crate) fn resets(&self) -> [Packet; 2] {
        let onward = Packet { segment: Segment::Rst, ..self.clone() };
        [onward, self.refusal()]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match &self.segment {
            Segment::Data { payload, .. } => payload,
            _ => &[],
        }
    }

    pub(crate) fn has_data(&self) -> bool {
        !self.payload().is_empty()
    }

    /// What is said besides the payload, as numbers for the run's hash.
    pub(crate) fn numbers(&self) -> [u64; 6] {
        let ports = u64::from(self.source.port()) << 16 | u64::from(self.destination.port());
        match &self.segment {
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
        match &self.segment {
            Segment::Syn { window } | Segment::SynAck { window } => {
                let is_answer = matches!(self.segment, Segment::SynAck { .. });
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

/// How far a first window is from that of a socket whose buffer nobody has set; almost always not at all.
fn unusual(window: usize) -> u64 {
    RECEIVE_BUFFER.abs_diff(window) as u64
}
