//! What predicates, and tests that hold messages back, see of a packet on its way. It changes nothing.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use twinloop::Moment;

use crate::kernel::Packet;

/// A packet that a host sends over a link: a segment of a stream, a datagram, or what a kernel says about them.
///
/// ```
/// use twinloop::{StreamServer, connect};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{MessageKind, Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("server", 7, |address| async move {
///         StreamServer::listen(address)?.accept().await?.write(b"no secret").await?;
///         Ok(())
///     });
///     sim.client("client", move || async move {
///         assert_eq!(connect(address).await?.read_to_end(100).await?, b"no secret");
///         assert!(twinloop::now() - twinloop::Moment::ORIGIN > 3.s(), "it was sent again and again");
///         Ok(())
///     });
///     sim.drop_where("server", "client", |message| {
///         let has_secret = message.payload().windows(6).any(|bytes| bytes == b"secret");
///         message.kind() == MessageKind::Data && has_secret && message.at() < twinloop::Moment::ORIGIN + 3.s()
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone)]
pub struct Message {
    at: Moment,
    from: String,
    to: String,
    pub(crate) packet: Packet,
}

/// What a [`Message`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MessageKind {
    /// Asks for a connection.
    Syn,
    /// The answer to that.
    SynAck,
    /// Bytes of a stream; perhaps the last ones, see [`Message::ends_stream`].
    Data,
    /// The end of a direction, without bytes.
    Fin,
    /// Nothing but how much has arrived, and how much there is room for.
    Ack,
    /// Asks whether the peer is still there.
    Probe,
    /// The connection is gone.
    Reset,
    /// A datagram.
    Datagram,
    /// A packet could not be delivered (ICMP).
    Unreachable,
}

impl Message {
    pub(crate) fn new(at: Moment, from: &str, to: &str, packet: Packet) -> Message {
        Message { at, from: from.to_owned(), to: to.to_owned(), packet }
    }

    /// When it was sent, on the world's clock.
    pub fn at(&self) -> Moment {
        self.at
    }

    /// The name of the host that sends it.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The name of the host that it is sent to.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The address and port that it comes from.
    pub fn source(&self) -> SocketAddr {
        self.packet.source
    }

    /// The address and port that it goes to.
    pub fn destination(&self) -> SocketAddr {
        self.packet.destination
    }

    /// What it is.
    pub fn kind(&self) -> MessageKind {
        self.packet.kind()
    }

    /// The bytes of the stream or of the datagram that it carries; none for what kernels say among themselves.
    pub fn payload(&self) -> &[u8] {
        self.packet.payload()
    }

    /// Whether nothing follows its bytes in this direction of the stream.
    pub fn ends_stream(&self) -> bool {
        self.packet.ends_stream()
    }
}

/// As a line of the story has it: the ports, then what it says.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.packet, f)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} > {}: {})", self.from, self.to, self.packet)
    }
}
