//! The sockets and pipes of a host as `ss -an` shows them, for asserts and for people. It only looks.

use std::fmt;

use twinloop::driver::Fd;
use twinloop::{Address, Moment};

/// The sockets of one host at one moment, from [`Controls::netstat`](crate::Controls::netstat): TCP, UDP, Unix sockets and
/// the ends of pipes. Its text is a table.
///
/// First come those that programs have open, by their descriptors, then connections that the kernel alone has: the ones that
/// wait to be accepted, and those that are closed and have not ended yet.
///
/// ```
/// use twinloop::{StreamServer, connect, sleep};
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{SocketState, Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     let address = sim.host("server", 7, |address| async move {
///         let server = StreamServer::listen(address)?;
///         let stream = server.accept().await?;
///         stream.read_to_end(100).await?;
///         sleep(1.s()).await;
///         Ok(())
///     });
///     let controls = sim.controls();
///     sim.client("client", move || {
///         let controls = controls.clone();
///         async move {
///             let stream = connect(address).await?;
///             stream.write(b"hello").await?;
///             assert_eq!(controls.netstat("client").in_state(SocketState::Established).count(), 1);
///             stream.shutdown().await?;
///             sleep(10.ms()).await;
///             assert_eq!(controls.netstat("client").in_state(SocketState::FinWait2).count(), 1);
///             assert_eq!(controls.netstat("server").in_state(SocketState::CloseWait).count(), 1);
///             Ok(())
///         }
///     });
/// });
/// assert!(report.verdict.is_passed(), "{}", report.verdict);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Netstat {
    /// The host's name.
    pub host: String,
    /// When it was looked at, on the world's clock.
    pub at: Moment,
    /// One entry for each socket and connection.
    pub sockets: Vec<Socket>,
}

/// One socket, or a connection that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socket {
    /// What it speaks.
    pub protocol: Protocol,
    /// How far it is.
    pub state: SocketState,
    /// Bytes that have come and that no program has read. Of one that listens: connections that wait to be accepted.
    pub receive_queue: usize,
    /// Bytes that programs have written and the peer has not acknowledged; inside of a host, not read. Of one that listens:
    /// how many may wait.
    pub send_queue: usize,
    /// Its own end. Of a pipe: where it stands in the file system, if it does.
    pub local: Address,
    /// The other end, if it has one. Pipes have none with an address.
    pub remote: Option<Address>,
    /// Who has it.
    pub owner: SocketOwner,
    /// When its kernel does something by itself: sends again, asks whether the peer is there, forgets it.
    pub timer: Option<Moment>,
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// A Unix socket with streams.
    UnixStream,
    /// A Unix socket with datagrams.
    UnixDatagram,
    /// One end of a pipe or FIFO.
    Pipe,
}

/// How far a connection is, by the names of RFC 9293, section 3.3.2. Streams inside of a host have those that fit: they are
/// established at once, and what an end does its peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketState {
    /// It listens.
    Listen,
    /// It has asked, and nobody has answered.
    SynSent,
    /// It was asked and has answered, and the peer has not said that this arrived.
    SynReceived,
    /// Both directions carry.
    Established,
    /// Our direction is over, and the peer has not said that our end arrived.
    FinWait1,
    /// Our direction is over, the peer knows, and its own one still carries.
    FinWait2,
    /// The peer's direction is over, and ours still carries.
    CloseWait,
    /// Both are over; the peer has not said that our end, the second one, arrived.
    LastAck,
    /// Both are over at once; the peer has not said that our end arrived.
    Closing,
    /// Both are over. What is late is waited for.
    TimeWait,
    /// It carries nothing any more, and its program has not closed it.
    Closed,
    /// Datagrams know no state.
    Unconnected,
}

/// Who has a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOwner {
    /// A program, by this descriptor.
    Program(Fd),
    /// It waits in a backlog, or its handshake is not done.
    Backlog,
    /// Its program has closed it; the kernel brings it to its end.
    Kernel,
}

impl Netstat {
    /// The sockets that are in `state`.
    pub fn in_state(&self, state: SocketState) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().filter(move |socket| socket.state == state)
    }

    /// The sockets that have something in a queue: bytes that nobody reads, or that do not arrive.
    pub fn queued(&self) -> impl Iterator<Item = &Socket> {
        let listens = |socket: &Socket| socket.state == SocketState::Listen;
        let is_queued =
            move |socket: &&Socket| socket.receive_queue > 0 || (socket.send_queue > 0 && !listens(socket));
        self.sockets.iter().filter(is_queued)
    }
}

impl Protocol {
    /// As `ss` calls it, which knows no pipes.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::UnixStream => "u_str",
            Protocol::UnixDatagram => "u_dgr",
            Protocol::Pipe => "pipe",
        }
    }
}

impl SocketState {
    /// As `ss` calls it.
    pub fn name(self) -> &'static str {
        match self {
            SocketState::Listen => "LISTEN",
            SocketState::SynSent => "SYN-SENT",
            SocketState::SynReceived => "SYN-RECV",
            SocketState::Established => "ESTAB",
            SocketState::FinWait1 => "FIN-WAIT-1",
            SocketState::FinWait2 => "FIN-WAIT-2",
            SocketState::CloseWait => "CLOSE-WAIT",
            SocketState::LastAck => "LAST-ACK",
            SocketState::Closing => "CLOSING",
            SocketState::TimeWait => "TIME-WAIT",
            SocketState::Closed => "CLOSED",
            SocketState::Unconnected => "UNCONN",
        }
    }
}

impl fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketOwner::Program(fd) => write!(f, "{fd:?}"),
            SocketOwner::Backlog => f.write_str("backlog"),
            SocketOwner::Kernel => f.write_str("kernel"),
        }
    }
}

/// As a table shows one end of a socket; one without a name, as one that is not there, is a star.
fn end(address: Option<&Address>) -> String {
    let named = address.filter(|address| !matches!(address, Address::Unix(name) if name.is_unnamed()));
    named.map_or_else(|| "*".to_owned(), Address::to_string)
}

/// A table with a line for each socket, and a heading.
impl fmt::Display for Netstat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = |socket: &Socket| end(Some(&socket.local));
        let remote = |socket: &Socket| end(socket.remote.as_ref());
        let width = |text: &dyn Fn(&Socket) -> String, least: usize| {
            self.sockets.iter().map(|socket| text(socket).chars().count()).fold(least, usize::max)
        };
        let (local_width, remote_width) = (width(&local, "Local".len()), width(&remote, "Peer".len()));
        writeln!(
            f,
            "Netid State      Recv-Q Send-Q {:local_width$} {:remote_width$} Owner   Timer",
            "Local", "Peer"
        )?;
        for socket in &self.sockets {
            let line = format!(
                "{:5} {:10} {:>6} {:>6} {:local_width$} {:remote_width$} {:7} {}",
                socket.protocol.name(),
                socket.state.name(),
                socket.receive_queue,
                socket.send_queue,
                local(socket),
                remote(socket),
                socket.owner.to_string(),
                socket.timer.map(|at| format!("in {:?}", at - self.at)).unwrap_or_default(),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
