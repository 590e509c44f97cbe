//! One host's kernel: descriptors, ports and connections, answering as Linux does. It has no clock, routes nothing and draws
//! no chance: time is an argument, packets are handed over, and faults happen outside.
//!
//! Each method stands for the system call of its name.
//!
//! Known differences from Linux; PARITY.md has their reasons:
//! - PARITY: One address for each host
//! - PARITY: A connect over the wrong device
//! - PARITY: Ports that a kernel picks
//! - PARITY: Options that change nothing
//! - PARITY: The backlog of a listener
//! - PARITY: A listener that is shut down
//! - PARITY: A stream that meets itself by chance
//! - PARITY: Interrupted calls

mod errno;
mod files;
mod local;
mod lookup;
mod netstat;
mod options;
mod packet;
mod ports;
mod signals;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::rc::Rc;

use twinloop::driver::{
    ConnectOptions, DatagramOptions, Event, Fd, Half, ListenOptions, OsError, Readiness, Received,
};
use twinloop::table::{Key, Table};
use twinloop::{Address, Moment};

pub(crate) use errno::linux;
use errno::{EADDRNOTAVAIL, EINVAL, ENETUNREACH, ENOTCONN, EOPNOTSUPP, UNSUPPORTED};
pub(crate) use files::{Access, DiskFault, Doubtful, Left, SECTOR, sectors};
use files::{Files, OpenFile, Operation};
use local::{Local, Locals};
use lookup::Lookup;
use options::Options;
use packet::{Content, Parts, Segment, is_for_many};
pub(crate) use packet::{Packet, Route};
use signals::Listening;
use tcp::{Connection, Out, State};
use udp::Udp;

/// What the system allows a backlog to be (`somaxconn`).
const BACKLOG_MAX: usize = 4096;

pub(crate) struct Kernel {
    ip: IpAddr,
    sockets: Table<Socket>,
    files: Files,
    /// Descriptors of operations on files that hold none of the program's.
    hollow: usize,
    locals: Locals,
    connections: Table<Entry>,
    /// Connections by their ends and number.
    by_ends: BTreeMap<Ends, Key>,
    /// What was found there last: packets come in rows.
    last_ends: Option<(Ends, Key)>,
    /// Listening sockets by where they listen, in the order in which they began. Several share a place if they agree to
    /// (`SO_REUSEPORT`), or are bound to different devices.
    listeners: BTreeMap<SocketAddr, Vec<Key>>,
    /// Datagram sockets by their ports, in the order in which they were bound.
    datagrams: BTreeMap<u16, Vec<Key>>,
    /// Timers of connections, the earliest first.
    timers: BTreeSet<(Moment, Key)>,
    /// One for each thread of the host that has descriptors, by the thread's index.
    pollers: Vec<Poller>,
    /// The thread that makes the call under way: what it opens is told to its poller.
    caller: ThreadIndex,
    /// Which poller a descriptor's events go to, by the descriptor's index.
    watched_by: Vec<ThreadIndex>,
    packets: Vec<Packet>,
    /// The connection that owes an acknowledgement for the packet that came last.
    owing: Option<Key>,
    /// What it picks ports from.
    ephemeral: RangeInclusive<u16>,
    next_port: u16,
    /// Numbers the connections that begin here, over all lives of the host.
    next_connection: u64,
    /// Connections that others have begun and that were open, by their peer and number, over all lives of the host: a SYN of
    /// one of them is an old duplicate. On a wire, it begins one that the peer has never asked for, and that it resets.
    opened: BTreeSet<(IpAddr, u64)>,
    /// Segments of the call under way; kept for its allocation.
    out: Out,
    /// Descriptors whose edges were raised and that nobody has asked for, where a story is told.
    raised: Option<Vec<Fd>>,
}

/// A thread of a host; 0 is the one that the host's program begins on.
pub(crate) type ThreadIndex = usize;

/// What belongs to a thread's poll.
#[derive(Default)]
struct Poller {
    /// What it has not told yet; one entry for each descriptor, in the order in which it became ready.
    edges: VecDeque<Event>,
    /// How many descriptors it watches.
    watched: usize,
}

/// What a descriptor refers to.
enum Socket {
    Listener(Listener),
    Stream(Key),
    Datagram(Box<Udp>),
    File(Rc<OpenFile>),
    Operation(Operation),
    Lookup(Lookup),
    Local(Local),
    Signals(Listening),
}

/// Local end, remote end, number.
type Ends = (SocketAddr, SocketAddr, u64);

struct Listener {
    address: SocketAddr,
    /// Its connections inherit them.
    options: Options,
    backlog: usize,
    /// Established and not accepted yet, in the order in which they were.
    queue: VecDeque<Key>,
}

/// A connection and where it belongs.
struct Entry {
    ends: Ends,
    connection: Connection,
    owner: Owner,
    options: Options,
    /// What the program has bound it to before it connected.
    bound: Option<SocketAddr>,
    /// Its entry in `timers`.
    timer: Option<Moment>,
}

impl Entry {
    /// Whether its port is its own still. One that the program has named it keeps also when it is dead
    /// (`SOCK_BINDPORT_LOCK`).
    fn has_port(&self) -> bool {
        self.bound.is_some_and(|bound| bound.port() != 0) || !self.connection.is_closed()
    }

    /// Where it is bound, as far as it still is (`inet_reset_saddr`).
    fn address(&self) -> SocketAddr {
        let (own, _, _) = self.ends;
        let is_named = self.bound.is_some_and(|bound| !bound.ip().is_unspecified());
        if is_named || !self.connection.has_given_up() {
            return own;
        }
        let any: IpAddr =
            if own.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        SocketAddr::new(any, own.port())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Owner {
    /// The handshake is under way; then it will wait at this listening socket.
    Embryo(Key),
    /// It waits to be accepted at this one.
    Queued(Key),
    Fd(Fd),
    /// Closed by its program; the kernel brings it to its end.
    Nobody,
}

impl Kernel {
    pub(crate) fn new(ip: IpAddr) -> Kernel {
        Kernel {
            ip,
            sockets: Table::new(),
            files: Files::new(),
            hollow: 0,
            locals: Locals::default(),
            connections: Table::new(),
            by_ends: BTreeMap::new(),
            last_ends: None,
            listeners: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            timers: BTreeSet::new(),
            pollers: Vec::new(),
            caller: 0,
            watched_by: Vec::new(),
            packets: Vec::new(),
            owing: None,
            ephemeral: ports::EPHEMERAL,
            next_port: *ports::EPHEMERAL.start(),
            next_connection: 0,
            opened: BTreeSet::new(),
            out: Out::new(),
            raised: None,
        }
    }

    /// From now on it keeps which descriptors' edges it raises.
    pub(crate) fn keep_raised(&mut self) {
        self.raised.get_or_insert_default();
    }

    /// The descriptors whose edges were raised since the last time.
    pub(crate) fn take_raised(&mut self) -> Vec<Fd> {
        self.raised.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Says which thread makes the calls that follow.
    pub(crate) fn enter(&mut self, thread: ThreadIndex) {
        self.caller = thread;
    }

    // ---- system calls ----

    pub(crate) fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        if let Address::Unix(address) = address {
            return self.listen_unix(address, options);
        }
        let asked = ports::ip_of(address)?;
        let socket = Options::of_listener(options, asked.ip())?;
        let address = self.bind(asked, &socket)?;
        let listener = Listener {
            address,
            options: socket,
            backlog: (options.backlog as usize).min(BACKLOG_MAX),
            queue: VecDeque::new(),
        };
        let fd = self.open(Socket::Listener(listener));
        self.listeners.entry(address).or_default().push(fd.key());
        Ok(fd)
    }

    pub(crate) fn accept(&mut self, fd: Fd) -> Result<(Fd, Address), OsError> {
        let listener = match self.socket_mut(fd)? {
            Socket::Listener(listener) => listener,
            Socket::Stream(_) => return Err(EINVAL),
            Socket::Local(_) => return self.accept_unix(fd),
            Socket::Datagram(_) => return Err(EOPNOTSUPP),
            Socket::File(_) | Socket::Operation(_) | Socket::Lookup(_) | Socket::Signals(_) => {
                return Err(UNSUPPORTED);
            }
        };
        let key = listener.queue.pop_front().ok_or(OsError::WOULD_BLOCK)?;
        let stream = self.open(Socket::Stream(key));
        let entry = self.entry_mut(key);
        entry.owner = Owner::Fd(stream);
        let (readiness, peer) = (entry.connection.readiness(), entry.ends.1);
        self.raise(stream, readiness);
        Ok((stream, Address::Ip(peer)))
    }

    pub(crate) fn connect(
        &mut self,
        now: Moment,
        remote: &Address,
        options: &ConnectOptions,
    ) -> Result<Fd, OsError> {
        if let Address::Unix(remote) = remote {
            return self.connect_unix(remote, options);
        }
        let bound = options.local.as_ref().map(ports::ip_of).transpose()?;
        let remote = self.reachable(remote, bound.map(|bound| bound.ip()))?;
        if is_for_many(remote.ip()) {
            return Err(ENETUNREACH);
        }
        let own = self.source_for(remote.ip());
        let socket = Options::of_stream(options, remote.ip(), bound.map(|bound| bound.ip()))?;
        if !socket.is_on_the_way_to(own) {
            return Err(ENETUNREACH);
        }
        let local = match bound {
            Some(bound) => self.bind(ports::of_family(bound, remote)?, &socket)?,
            None => SocketAddr::new(own, self.pick_connecting_port(own, remote)?),
        };
        let local = if local.ip().is_unspecified() { SocketAddr::new(own, local.port()) } else { local };
        if local.ip().is_loopback() && !self.is_own(remote.ip()) {
            // No other host could answer.
            return Err(EINVAL);
        }
        if bound.is_some() && self.is_pair_taken(local, remote) {
            return Err(EADDRNOTAVAIL);
        }
        self.end_lingering(local, remote);
        self.next_connection += 1;
        let ends = (local, remote, self.next_connection);
        let connection = Connection::connecting(now, socket.settings(), &mut self.out);
        let key = self.file(ends, connection, Owner::Nobody, socket);
        let fd = self.open(Socket::Stream(key));
        let entry = self.entry_mut(key);
        entry.owner = Owner::Fd(fd);
        entry.bound = bound;
        Ok(fd)
    }

    pub(crate) fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        match self.socket_mut(fd)? {
            Socket::Listener(_) => Ok(None),
            Socket::Datagram(udp) => Ok(udp.take_error()),
            Socket::Stream(key) => {
                let key = *key;
                Ok(self.entry_mut(key).connection.take_error())
            }
            Socket::File(_) | Socket::Operation(_) | Socket::Lookup(_) | Socket::Signals(_) => {
                Err(UNSUPPORTED)
            }
            Socket::Local(_) => self.take_local_error(fd),
        }
    }

    pub(crate) fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        if let Socket::Local(_) = self.socket(fd)? {
            return self.recv_local(fd, buffer);
        }
        let key = self.stream(fd)?;
        self.with(key, |connection, out| connection.read(buffer, out))
    }

    pub(crate) fn send_vectored(
        &mut self,
        now: Moment,
        fd: Fd,
        buffers: &[IoSlice<'_>],
    ) -> Result<usize, OsError> {
        if let Socket::Local(_) = self.socket(fd)? {
            return self.send_local(fd, buffers);
        }
        let key = self.stream(fd)?;
        self.with(key, |connection, out| connection.write(now, buffers, out))
    }

    pub(crate) fn shutdown(&mut self, now: Moment, fd: Fd, half: Half) -> Result<(), OsError> {
        if let Socket::Local(_) = self.socket(fd)? {
            return self.shutdown_local(fd, half);
        }
        let key = self.stream(fd)?;
        let told = self.with(key, |connection, out| connection.shutdown(now, half, out))?;
        self.raise(fd, told);
        Ok(())
    }

    pub(crate) fn bind_datagram(
        &mut self,
        local: &Address,
        options: &DatagramOptions,
    ) -> Result<Fd, OsError> {
        match local {
            Address::Unix(local) => self.bind_unix_datagram(local, options),
            local => self.bind_udp(local, options),
        }
    }

    pub(crate) fn recv_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        match self.socket(fd)? {
            Socket::Local(_) => self.recv_unix_from(fd, buffer),
            _ => self.recv_udp_from(fd, buffer),
        }
    }

    pub(crate) fn peek_from(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<Received, OsError> {
        match self.socket(fd)? {
            Socket::Local(_) => self.peek_unix_from(fd, buffer),
            _ => self.peek_udp_from(fd, buffer),
        }
    }

    pub(crate) fn recv_many(
        &mut self,
        fd: Fd,
        buffer: &mut [u8],
        slot: usize,
        received: &mut Vec<Received>,
    ) -> Result<(), OsError> {
        let mut slots = buffer.chunks_exact_mut(slot);
        let first = slots.next().expect("the caller has room for one datagram");
        received.push(self.recv_from(fd, first)?);
        if let Socket::Datagram(udp) = self.socket_mut(fd)? {
            received.extend(slots.map_while(|slot| udp.take(slot)));
        }
        Ok(())
    }

    pub(crate) fn send_to(&mut self, fd: Fd, bytes: &[u8], remote: Option<&Address>) -> Result<(), OsError> {
        match self.socket(fd)? {
            Socket::Local(_) => self.send_unix_to(fd, bytes, remote),
            _ => self.send_udp_to(fd, bytes, remote),
        }
    }

    pub(crate) fn local_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        match self.socket_mut(fd)? {
            Socket::Listener(listener) => Ok(Address::Ip(listener.address)),
            Socket::Datagram(udp) => Ok(Address::Ip(udp.local)),
            Socket::Stream(key) => {
                let key = *key;
                Ok(Address::Ip(self.entry(key).address()))
            }
            Socket::File(_) | Socket::Operation(_) | Socket::Lookup(_) | Socket::Signals(_) => {
                Err(UNSUPPORTED)
            }
            Socket::Local(_) => self.local_address_of_local(fd),
        }
    }

    pub(crate) fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        if let Socket::Local(_) = self.socket(fd)? {
            return self.remote_address_of_local(fd);
        }
        if let Socket::Datagram(udp) = self.socket(fd)? {
            // A peer without a port is none that could be named (`inet_getname`).
            return udp.peer.filter(|peer| peer.port() != 0).map(Address::Ip).ok_or(ENOTCONN);
        }
        let entry = self.stream(fd).map(|key| self.entry(key))?;
        match entry.connection.state() {
            State::SynReceived | State::Open => Ok(Address::Ip(entry.ends.1)),
            State::SynSent | State::Ended | State::Dead => Err(ENOTCONN),
        }
    }

    pub(crate) fn close(&mut self, now: Moment, fd: Fd) {
        if self.socket(fd).is_err() {
            return;
        }
        match self.take_out(fd) {
            Socket::Stream(key) => {
                let entry = self.entry_mut(key);
                entry.owner = Owner::Nobody;
                let resets = entry.options.resets_at_close();
                self.with(key, |connection, out| connection.close(now, resets, out));
            }
            Socket::Listener(listener) => {
                let there =
                    self.listeners.get_mut(&listener.address).expect("a listener is filed until it closes");
                there.retain(|other| *other != fd.key());
                if there.is_empty() {
                    self.listeners.remove(&listener.address);
                }
                self.refuse_waiting(fd.key());
            }
            Socket::Local(local) => self.close_local(fd, local),
            Socket::Datagram(udp) => self.leave_datagram_place(fd.key(), &udp),
            Socket::Operation(operation) => self.close_operation(&operation),
            Socket::File(_) | Socket::Lookup(_) | Socket::Signals(_) => {}
        }
    }

    // ---- what comes from outside ----

    /// A packet has arrived.
    pub(crate) fn deliver(&mut self, now: Moment, packet: Packet) {
        let Parts { source, destination, content, .. } = packet.into_parts();
        match content {
            Content::Tcp { connection, segment } => {
                self.deliver_segment(now, (destination, source, connection), segment);
            }
            Content::Udp(datagram) => self.deliver_datagram(source, destination, &datagram),
            Content::Unreachable => self.deliver_unreachable(source, destination),
            Content::HostUnreachable { connection } => {
                self.deliver_host_unreachable((destination, source, connection));
            }
        }
    }

    fn find_by_ends(&mut self, ends: &Ends) -> Option<Key> {
        if let Some((last, key)) = &self.last_ends {
            if last == ends {
                return Some(*key);
            }
        }
        let key = *self.by_ends.get(ends)?;
        self.last_ends = Some((*ends, key));
        Some(key)
    }

    /// A router knows no way to the peer of a connection.
    fn deliver_host_unreachable(&mut self, ends: Ends) {
        let Some(key) = self.find_by_ends(&ends) else { return };
        let was = self.entry(key).connection.state();
        let told = self.with(key, |connection, _| connection.take_unreachable());
        self.tell(key, was, told);
    }

    /// A segment has arrived for the connection with these ends.
    fn deliver_segment(&mut self, now: Moment, ends: Ends, segment: Segment) {
        let found = self.find_by_ends(&ends).or_else(|| self.meet(ends, &segment));
        let Some(key) = found else { return self.deliver_to_nobody(now, ends, &segment) };
        let entry = self.entry(key);
        let was = entry.connection.state();
        if let (Owner::Embryo(listener), Segment::Data { .. }) = (entry.owner, &segment) {
            if self.listener(listener).is_full() {
                // Dropped: the peer, or our own timer, will try again.
                return;
            }
        }
        let (told, owes_ack) = self.with(key, |connection, out| {
            let told = connection.arrive(now, segment, out);
            (told, connection.owes_ack())
        });
        self.owing = owes_ack.then_some(key);
        self.tell(key, was, told);
    }

    /// The connection that a segment of another number is for, since both ends have begun it, each by a number of its own. The
    /// greater one holds (RFC 9293, section 3.5: simultaneous open).
    fn meet(&mut self, ends: Ends, segment: &Segment) -> Option<Key> {
        let (own, peer, number) = ends;
        let key = self.connecting(own, peer)?;
        let before = self.entry(key).ends;
        let is_meeting = match segment {
            Segment::Syn { .. } => !self.opened.contains(&(peer.ip(), number)),
            // A smaller number is that of an earlier connection: the peer knows of this one.
            Segment::SynAck { .. } => number > before.2,
            Segment::Data { .. } | Segment::Probe | Segment::Rst => false,
        };
        if is_meeting && number > before.2 {
            self.entry_mut(key).ends = ends;
            self.by_ends.remove(&before);
            let taken = self.by_ends.insert(ends, key);
            assert!(taken.is_none(), "each end counts up: all others between these two have smaller numbers");
            self.last_ends = None;
        }
        is_meeting.then_some(key)
    }

    /// The connection that owes an acknowledgement for the packet that was delivered last: it is to be sent before time goes
    /// on, unless what the program answers until then has it.
    pub(crate) fn take_owing(&mut self) -> Option<Key> {
        self.owing.take()
    }

    /// Sends the acknowledgement that a connection owes, if it owes one still.
    pub(crate) fn acknowledge(&mut self, key: Key) {
        if self.connections.get(key).is_some_and(|entry| entry.connection.owes_ack()) {
            self.with(key, |connection, out| connection.acknowledge(out));
        }
    }

    /// Kernel timers are due.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some(&(at, key)) = self.timers.first() {
            if at > now {
                break;
            }
            let was = self.entry(key).connection.state();
            let told = self.with(key, |connection, out| connection.expire(now, out));
            self.tell(key, was, told);
        }
    }

    /// When the next kernel timer is due.
    pub(crate) fn next_timer(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether anything is to be sent.
    pub(crate) fn has_packets(&self) -> bool {
        !self.packets.is_empty()
    }

    /// Takes what is to be sent, in the order of sending.
    pub(crate) fn take_packets(&mut self, packets: &mut Vec<Packet>) {
        packets.append(&mut self.packets);
    }

    /// The edges that a thread was not told yet, to be told from the front.
    pub(crate) fn edges_mut(&mut self, thread: ThreadIndex) -> &mut VecDeque<Event> {
        &mut self.poller(thread).edges
    }

    /// Whether there are such edges.
    pub(crate) fn has_edges(&self, thread: ThreadIndex) -> bool {
        self.pollers.get(thread).is_some_and(|poller| !poller.edges.is_empty())
    }

    /// Raises an edge of an open descriptor.
    pub(crate) fn raise(&mut self, fd: Fd, readiness: Readiness) {
        if readiness.is_empty() || self.sockets.get(fd.key()).is_none() {
            return;
        }
        if let Some(raised) = &mut self.raised {
            raised.push(fd);
        }
        let edges = &mut self.poller_of(fd).edges;
        match edges.iter_mut().find(|event| event.fd == fd) {
            Some(event) => event.readiness |= readiness,
            None => edges.push_back(Event { fd, readiness }),
        }
    }

    /// How many descriptors the host's programs have open.
    pub(crate) fn open_count(&self) -> usize {
        self.sockets.len() - self.hollow
    }

    /// How many descriptors a thread has open.
    pub(crate) fn fd_count(&self, thread: ThreadIndex) -> usize {
        self.pollers.get(thread).map_or(0, |poller| poller.watched)
    }

    /// One of them, in the order of their indexes.
    pub(crate) fn nth_fd(&self, thread: ThreadIndex, which: usize) -> Fd {
        let keys = self.sockets.iter().map(|(key, _)| key);
        let mut watched = keys.filter(|key| self.watched_by[key.index()] == thread);
        Fd::from_key(watched.nth(which).expect("the thread has so many descriptors"))
    }

    /// How many bytes a receive would find.
    pub(crate) fn receivable(&self, fd: Fd) -> usize {
        match self.sockets.get(fd.key()) {
            Some(Socket::Stream(key)) => self.entry(*key).connection.receivable(),
            Some(Socket::Local(local)) => self.receivable_of_local(local),
            _ => 0,
        }
    }

    /// Whether an accept would give a connection of TCP.
    pub(crate) fn has_to_accept(&self, fd: Fd) -> bool {
        matches!(self.socket(fd), Ok(Socket::Listener(listener)) if !listener.queue.is_empty())
    }

    /// The connection that an accept would give is gone: both ends see a reset.
    pub(crate) fn abort_next(&mut self, fd: Fd) {
        let Ok(Socket::Listener(listener)) = self.socket_mut(fd) else {
            unreachable!("it was seen to have a connection")
        };
        let key = listener.queue.pop_front().expect("it was seen to have a connection");
        self.entry_mut(key).owner = Owner::Nobody;
        self.with(key, |connection, out| connection.abandon(out));
    }

    /// Resets every connection: both ends see it.
    pub(crate) fn reset_all(&mut self) {
        for key in self.connections.keys() {
            let was = self.entry(key).connection.state();
            let told = self.with(key, |connection, out| connection.reset(out));
            self.tell(key, was, told);
        }
    }

    /// The process has ended: everything that it had open is closed, as if by itself. What the kernel has taken is
    /// still sent.
    pub(crate) fn end_process(&mut self, now: Moment) {
        for key in self.sockets.keys() {
            // Closing one may take others along.
            if self.sockets.get(key).is_some() {
                self.caller = self.watched_by[key.index()];
                self.close(now, Fd::from_key(key));
            }
        }
    }

    /// Power is gone: nothing is said to anyone. Numbers go on, so that nothing old is taken for new.
    pub(crate) fn crash(&mut self) {
        let (next_port, next_connection) = (self.next_port, self.next_connection);
        let ephemeral = self.ephemeral.clone();
        let opened = std::mem::take(&mut self.opened);
        let mut sockets = std::mem::take(&mut self.sockets);
        for key in sockets.keys() {
            // The table stays, so that descriptors of this life are stale in the next one.
            sockets.remove(key);
        }
        let watched_by = std::mem::take(&mut self.watched_by);
        let files = std::mem::replace(&mut self.files, Files::new()).after_crash();
        let locals = std::mem::take(&mut self.locals).after_crash();
        let raised = self.raised.take();
        let new = Kernel::new(self.ip);
        let kept = Kernel { next_port, next_connection, opened, sockets, watched_by, files, locals, ..new };
        *self = Kernel { ephemeral, raised, ..kept };
    }

    // ---- below the calls ----

    /// Gives `socket` a descriptor, watched by the poller of the thread that calls.
    fn open(&mut self, socket: Socket) -> Fd {
        let key = self.sockets.insert(socket);
        if self.watched_by.len() <= key.index() {
            self.watched_by.resize(key.index() + 1, 0);
        }
        self.watched_by[key.index()] = self.caller;
        self.poller(self.caller).watched += 1;
        Fd::from_key(key)
    }

    /// What follows is done on behalf of the thread that has opened `fd`.
    fn enter_as_owner(&mut self, fd: Fd) {
        self.caller = self.watched_by[fd.key().index()];
    }

    /// Takes the descriptor back, with the edges that it has.
    fn take_out(&mut self, fd: Fd) -> Socket {
        let socket = self.sockets.remove(fd.key()).expect("an open descriptor is given back once");
        let poller = self.poller_of(fd);
        poller.edges.retain(|event| event.fd != fd);
        poller.watched -= 1;
        socket
    }

    fn poller(&mut self, thread: ThreadIndex) -> &mut Poller {
        if self.pollers.len() <= thread {
            self.pollers.resize_with(thread + 1, Poller::default);
        }
        &mut self.pollers[thread]
    }

    fn poller_of(&mut self, fd: Fd) -> &mut Poller {
        self.poller(self.watched_by[fd.key().index()])
    }

    /// A segment for no connection: a SYN may begin one; everything else is refused.
    fn deliver_to_nobody(&mut self, now: Moment, ends: Ends, segment: &Segment) {
        let (own, peer, connection) = ends;
        match segment {
            Segment::Rst => {}
            Segment::Syn { .. } if self.opened.contains(&(peer.ip(), connection)) => {}
            Segment::Syn { window } => self.deliver_syn(now, ends, *window),
            Segment::SynAck { .. } | Segment::Data { .. } | Segment::Probe => {
                self.packets.push(Packet::reset(own, peer, connection));
                if let Some(key) = self.connecting(own, peer) {
                    self.with(key, |connection, _| connection.hurry(now));
                }
            }
        }
    }

    /// The first segment of a connection: it begins one, or is refused. What lingers between the same ends has no more
    /// to wait for: this shows that the peer knows of its end. One that is under way is asked about: a peer that knows nothing
    /// of it any more answers by a reset, and its SYN comes again (RFC 5961, section 4).
    fn deliver_syn(&mut self, now: Moment, ends: Ends, window: usize) {
        let (own, peer, connection) = ends;
        if let Some(key) = self.synchronized(own, peer) {
            self.with(key, |connection, out| connection.show(out));
            return;
        }
        self.end_lingering(own, peer);
        match self.listener_for(own, peer) {
            // Dropped: the peer will try again.
            Some((_, listener)) if listener.is_full() => {}
            Some((key, listener)) => {
                let options = listener.options.of_accepted();
                let connection = Connection::answering(now, options.settings(), window, &mut self.out);
                self.file(ends, connection, Owner::Embryo(key), options);
            }
            None => self.packets.push(Packet::reset(own, peer, connection)),
        }
    }

    /// Tells whoever owns the connection what has become of it, which was in state `was`.
    fn tell(&mut self, key: Key, was: State, told: Readiness) {
        let Some(entry) = self.connections.get_mut(key) else { return };
        match entry.owner {
            Owner::Fd(fd) => self.raise(fd, told),
            Owner::Embryo(listener)
                if was == State::SynReceived && entry.connection.state() == State::Open =>
            {
                entry.owner = Owner::Queued(listener);
                self.opened.insert((entry.ends.1.ip(), entry.ends.2));
                let Some(Socket::Listener(waiting)) = self.sockets.get_mut(listener) else {
                    unreachable!("a listener that closes refuses its embryos")
                };
                waiting.queue.push_back(key);
                self.raise(Fd::from_key(listener), Readiness::READABLE);
            }
            // A connection that was reset while it waits is accepted all the same, and tells then (accept(2)).
            Owner::Queued(_) | Owner::Nobody => {}
            Owner::Embryo(_) => {
                if entry.connection.state() == State::Dead {
                    self.forget(key);
                }
            }
        }
    }

    /// Makes a call into a connection; then sends what it wants to send, notes its timer, and forgets it if it is over.
    fn with<R>(&mut self, key: Key, call: impl FnOnce(&mut Connection, &mut Out) -> R) -> R {
        let entry = self.connections.get_mut(key).expect("a key of a connection is used while it is kept");
        let result = call(&mut entry.connection, &mut self.out);
        let is_over = entry.connection.is_over();
        self.flush(key);
        if is_over {
            self.forget(key);
        }
        result
    }

    /// Sends what the call under way has produced for a connection, and files its timer anew.
    fn flush(&mut self, key: Key) {
        let entry = self.connections.get_mut(key).expect("a key of a connection is used while it is kept");
        let (source, destination, connection) = entry.ends;
        let address = |segment| {
            let content = Content::Tcp { connection, segment };
            Packet::new(source, destination, content)
        };
        if !self.out.is_empty() {
            self.packets.extend(self.out.drain(..).map(address));
        }
        let timer = entry.connection.next_timer();
        if entry.timer != timer {
            let before = std::mem::replace(&mut entry.timer, timer);
            if let Some(at) = before {
                self.timers.remove(&(at, key));
            }
            self.timers.extend(timer.map(|at| (at, key)));
        }
    }

    fn file(&mut self, ends: Ends, connection: Connection, owner: Owner, options: Options) -> Key {
        let key =
            self.connections.insert(Entry { ends, connection, owner, options, bound: None, timer: None });
        let before = self.by_ends.insert(ends, key);
        assert!(before.is_none(), "a connection's number is used once");
        self.flush(key);
        key
    }

    fn forget(&mut self, key: Key) {
        let entry = self.connections.remove(key).expect("a connection is forgotten once");
        self.by_ends.remove(&entry.ends);
        self.last_ends = None;
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, key));
        }
    }

    /// A listener has closed: what waited there is reset (RFC 9293, section 3.10.4).
    fn refuse_waiting(&mut self, listener: Key) {
        for key in self.connections.keys() {
            let owner = self.entry(key).owner;
            if owner == Owner::Embryo(listener) || owner == Owner::Queued(listener) {
                self.entry_mut(key).owner = Owner::Nobody;
                self.with(key, |connection, out| connection.abandon(out));
            }
        }
    }

    fn listener(&self, key: Key) -> &Listener {
        match self.sockets.get(key) {
            Some(Socket::Listener(listener)) => listener,
            _ => unreachable!("a listener that closes takes what refers to it along"),
        }
    }

    /// The socket of a descriptor, for the thread that opened it. To another one it is none: each thread has a driver of its
    /// own, and a real one numbers its descriptors in a table of its own.
    fn socket(&self, fd: Fd) -> Result<&Socket, OsError> {
        let socket = self.sockets.get(fd.key()).ok_or(OsError::BAD_DESCRIPTOR)?;
        if self.watched_by[fd.key().index()] == self.caller {
            Ok(socket)
        } else {
            Err(OsError::BAD_DESCRIPTOR)
        }
    }

    fn socket_mut(&mut self, fd: Fd) -> Result<&mut Socket, OsError> {
        self.socket(fd)?;
        Ok(self.sockets.get_mut(fd.key()).expect("it was found above"))
    }

    /// The connection of a stream's descriptor.
    fn stream(&self, fd: Fd) -> Result<Key, OsError> {
        match self.socket(fd)? {
            Socket::Stream(key) => Ok(*key),
            Socket::Listener(_) => Err(ENOTCONN),
            Socket::Datagram(_) => Err(EOPNOTSUPP),
            Socket::File(_)
            | Socket::Operation(_)
            | Socket::Lookup(_)
            | Socket::Local(_)
            | Socket::Signals(_) => Err(UNSUPPORTED),
        }
    }

    fn entry(&self, key: Key) -> &Entry {
        self.connections.get(key).expect("a key of a connection is used while it is kept")
    }

    fn entry_mut(&mut self, key: Key) -> &mut Entry {
        self.connections.get_mut(key).expect("a key of a connection is used while it is kept")
    }
}

impl Listener {
    fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }
}
