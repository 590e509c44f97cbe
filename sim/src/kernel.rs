//! One host's kernel: descriptors, ports and connections, answering as Linux does. It has no clock, routes nothing and draws
//! no chance: time is an argument, packets are handed over, and faults happen outside.
//!
//! Each method stands for the system call of its name. Known differences from Linux, besides those of
//! [`tcp`]: every host has one address; a bound port stays in nobody's way once its socket is closed (no `TIME_WAIT` for
//! binding); `SO_REUSEADDR` and `TCP_NODELAY` are accepted and change nothing; an embryonic connection costs no backlog.

mod errno;
mod packet;
mod tcp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use twinloop::driver::{ConnectOptions, Event, Fd, Half, ListenOptions, OsError, Readiness, SocketOption};
use twinloop::table::{Key, Table};
use twinloop::{Address, Moment};

use errno::{EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOTCONN};
pub(crate) use packet::Packet;
use packet::Segment;
use tcp::{Connection, Out, State};

/// Ports that the kernel picks from (`ip_local_port_range`).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32768..=60999;
/// What the system allows a backlog to be (`somaxconn`).
const BACKLOG_MAX: usize = 4096;

pub(crate) struct Kernel {
    ip: IpAddr,
    sockets: Table<Socket>,
    connections: Table<Entry>,
    /// Connections by their ends and number.
    by_ends: BTreeMap<Ends, Key>,
    /// Listening sockets by port.
    listeners: BTreeMap<u16, Key>,
    /// Timers of connections, the earliest first.
    timers: BTreeSet<(Moment, Key)>,
    /// What poll has not told yet; one entry for each descriptor, in the order in which it became ready.
    edges: VecDeque<Event>,
    packets: Vec<Packet>,
    next_port: u16,
    /// Numbers the connections that begin here, over all lives of the host.
    next_connection: u64,
    /// Segments of the call under way; kept for its allocation.
    out: Out,
}

/// What a descriptor refers to.
enum Socket {
    Listener(Listener),
    Stream(Key),
}

/// Local end, remote end, number.
type Ends = (SocketAddr, SocketAddr, u64);

struct Listener {
    address: SocketAddr,
    backlog: usize,
    /// Established and not accepted yet, in the order in which they were.
    queue: VecDeque<Key>,
}

/// A connection and where it belongs.
struct Entry {
    ends: Ends,
    connection: Connection,
    owner: Owner,
    /// Its entry in `timers`.
    timer: Option<Moment>,
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
            connections: Table::new(),
            by_ends: BTreeMap::new(),
            listeners: BTreeMap::new(),
            timers: BTreeSet::new(),
            edges: VecDeque::new(),
            packets: Vec::new(),
            next_port: *EPHEMERAL_PORTS.start(),
            next_connection: 0,
            out: Out::new(),
        }
    }

    // ---- system calls ----

    pub(crate) fn listen(&mut self, address: &Address, options: &ListenOptions) -> Result<Fd, OsError> {
        let address = self.bindable(address)?;
        let port = match address.port() {
            0 => self.pick_port(|kernel, port| !kernel.is_port_used(port))?,
            port if self.listeners.contains_key(&port) => return Err(EADDRINUSE),
            port => port,
        };
        let listener = Listener {
            address: SocketAddr::new(address.ip(), port),
            backlog: (options.backlog as usize).min(BACKLOG_MAX),
            queue: VecDeque::new(),
        };
        let key = self.sockets.insert(Socket::Listener(listener));
        self.listeners.insert(port, key);
        Ok(Fd::from_key(key))
    }

    pub(crate) fn accept(&mut self, fd: Fd) -> Result<(Fd, Address), OsError> {
        let listener = match self.socket_mut(fd)? {
            Socket::Listener(listener) => listener,
            Socket::Stream(_) => return Err(EINVAL),
        };
        let key = listener.queue.pop_front().ok_or(OsError::WOULD_BLOCK)?;
        let stream = Fd::from_key(self.sockets.insert(Socket::Stream(key)));
        let entry = self.connections.get_mut(key).expect("what is queued is kept");
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
        let remote = ip_of(remote)?;
        let own = if remote.ip().is_loopback() { remote.ip() } else { self.ip };
        let asked = match &options.local {
            Some(local) => self.bindable(local)?,
            None => SocketAddr::new(own, 0),
        };
        let ip = if asked.ip().is_unspecified() { own } else { asked.ip() };
        let port = match asked.port() {
            0 => self.pick_port(|kernel, port| {
                !kernel.listeners.contains_key(&port)
                    && !kernel.is_pair_used(SocketAddr::new(ip, port), remote)
            })?,
            port if self.is_pair_used(SocketAddr::new(ip, port), remote) => return Err(EADDRNOTAVAIL),
            port => port,
        };
        self.next_connection += 1;
        let ends = (SocketAddr::new(ip, port), remote, self.next_connection);
        let connection = Connection::connecting(now, &mut self.out);
        let key = self.file(ends, connection, Owner::Nobody);
        let fd = Fd::from_key(self.sockets.insert(Socket::Stream(key)));
        self.connections.get_mut(key).expect("it was filed above").owner = Owner::Fd(fd);
        Ok(fd)
    }

    pub(crate) fn take_error(&mut self, fd: Fd) -> Result<Option<OsError>, OsError> {
        match self.socket_mut(fd)? {
            Socket::Listener(_) => Ok(None),
            Socket::Stream(key) => {
                let key = *key;
                Ok(self.connections.get_mut(key).and_then(|entry| entry.connection.error.take()))
            }
        }
    }

    pub(crate) fn recv(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize, OsError> {
        let key = self.stream(fd)?;
        self.with(key, |connection, out| connection.read(buffer, out))
    }

    pub(crate) fn send_vectored(
        &mut self,
        now: Moment,
        fd: Fd,
        buffers: &[IoSlice<'_>],
    ) -> Result<usize, OsError> {
        let key = self.stream(fd)?;
        self.with(key, |connection, out| connection.write(now, buffers, out))
    }

    pub(crate) fn shutdown(&mut self, now: Moment, fd: Fd, half: Half) -> Result<(), OsError> {
        let key = self.stream(fd)?;
        self.with(key, |connection, out| {
            if connection.state != State::Open {
                return Err(ENOTCONN);
            }
            if half != Half::Write {
                connection.end_reading();
            }
            if half != Half::Read {
                connection.end_writing(now, out);
            }
            Ok(())
        })
    }

    pub(crate) fn set_option(&mut self, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        self.socket_mut(fd)?;
        match option {
            // Small segments are always sent at once.
            SocketOption::NoDelay(_) => Ok(()),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn local_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        match self.socket_mut(fd)? {
            Socket::Listener(listener) => Ok(Address::Ip(listener.address)),
            Socket::Stream(key) => {
                let key = *key;
                Ok(Address::Ip(self.entry(key).ends.0))
            }
        }
    }

    pub(crate) fn remote_address(&mut self, fd: Fd) -> Result<Address, OsError> {
        let entry = self.stream(fd).map(|key| self.entry(key))?;
        match entry.connection.state {
            State::Open => Ok(Address::Ip(entry.ends.1)),
            State::SynSent | State::SynReceived | State::Dead => Err(ENOTCONN),
        }
    }

    pub(crate) fn close(&mut self, now: Moment, fd: Fd) {
        let Some(socket) = self.sockets.remove(fd.key()) else { return };
        self.edges.retain(|event| event.fd != fd);
        match socket {
            Socket::Stream(key) => {
                self.connections.get_mut(key).expect("a descriptor's connection is kept").owner =
                    Owner::Nobody;
                self.with(key, |connection, out| connection.close(now, out));
            }
            Socket::Listener(listener) => {
                self.listeners.remove(&listener.address.port());
                self.refuse_waiting(fd.key());
            }
        }
    }

    // ---- what comes from outside ----

    /// A packet has arrived.
    pub(crate) fn deliver(&mut self, now: Moment, packet: Packet) {
        let ends = (packet.destination, packet.source, packet.connection);
        let Some(&key) = self.by_ends.get(&ends) else { return self.deliver_to_nobody(now, packet) };
        let entry = self.entry(key);
        let was = entry.connection.state;
        if let (Owner::Embryo(listener), Segment::Data { .. }) = (entry.owner, &packet.segment) {
            if self.is_full(listener) {
                // Dropped: the peer, or our own timer, will try again.
                return;
            }
        }
        let told = self.with(key, |connection, out| connection.arrive(now, packet.segment, out));
        self.tell(key, was, told);
    }

    /// Kernel timers are due.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some(&(at, key)) = self.timers.first() {
            if at > now {
                break;
            }
            let was = self.entry(key).connection.state;
            let told = self.with(key, |connection, out| connection.expire(now, out));
            self.tell(key, was, told);
        }
    }

    /// When the next kernel timer is due.
    pub(crate) fn next_timer(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes what is to be sent, in the order of sending.
    pub(crate) fn take_packets(&mut self, packets: &mut Vec<Packet>) {
        packets.append(&mut self.packets);
    }

    /// The edges that were not told yet, to be told from the front.
    pub(crate) fn edges_mut(&mut self) -> &mut VecDeque<Event> {
        &mut self.edges
    }

    /// Raises an edge of an open descriptor.
    pub(crate) fn raise(&mut self, fd: Fd, readiness: Readiness) {
        if readiness.is_empty() || self.sockets.get(fd.key()).is_none() {
            return;
        }
        match self.edges.iter_mut().find(|event| event.fd == fd) {
            Some(event) => event.readiness |= readiness,
            None => self.edges.push_back(Event { fd, readiness }),
        }
    }

    /// How many descriptors are open.
    pub(crate) fn fd_count(&self) -> usize {
        self.sockets.len()
    }

    /// One of them, in the order of their indexes.
    pub(crate) fn nth_fd(&self, which: usize) -> Fd {
        let (key, _) = self.sockets.iter().nth(which).expect("there are so many descriptors");
        Fd::from_key(key)
    }

    /// How many bytes a receive would find.
    pub(crate) fn receivable(&self, fd: Fd) -> usize {
        match self.sockets.get(fd.key()) {
            Some(Socket::Stream(key)) => self.entry(*key).connection.receivable(),
            _ => 0,
        }
    }

    /// Resets every connection: both ends see it.
    pub(crate) fn reset_all(&mut self) {
        for key in self.connections.keys() {
            let was = self.entry(key).connection.state;
            let told = self.with(key, |connection, out| connection.reset(out));
            self.tell(key, was, told);
        }
    }

    /// Power is gone: nothing is said to anyone. Numbers go on, so that nothing old is taken for new.
    pub(crate) fn crash(&mut self) {
        let (next_port, next_connection) = (self.next_port, self.next_connection);
        let mut sockets = std::mem::take(&mut self.sockets);
        for key in sockets.keys() {
            // The table stays, so that descriptors of this life are stale in the next one.
            sockets.remove(key);
        }
        *self = Kernel { next_port, next_connection, sockets, ..Kernel::new(self.ip) };
    }

    // ---- below the calls ----

    /// A packet for no connection: a SYN may begin one; everything else is refused.
    fn deliver_to_nobody(&mut self, now: Moment, packet: Packet) {
        let listener = self.listeners.get(&packet.destination.port()).copied();
        match (&packet.segment, listener) {
            (Segment::Rst, _) => {}
            (Segment::Syn, Some(listener)) if self.is_for(listener, packet.destination.ip()) => {
                if !self.is_full(listener) {
                    let connection = Connection::answering(now, &mut self.out);
                    let ends = (packet.destination, packet.source, packet.connection);
                    self.file(ends, connection, Owner::Embryo(listener));
                }
            }
            _ => self.packets.push(packet.refusal()),
        }
    }

    /// Tells whoever owns the connection what has become of it, which was in state `was`.
    fn tell(&mut self, key: Key, was: State, told: Readiness) {
        let Some(entry) = self.connections.get_mut(key) else { return };
        match entry.owner {
            Owner::Fd(fd) => self.raise(fd, told),
            Owner::Embryo(listener) if was == State::SynReceived && entry.connection.state == State::Open => {
                entry.owner = Owner::Queued(listener);
                let Some(Socket::Listener(waiting)) = self.sockets.get_mut(listener) else {
                    unreachable!("a listener that closes refuses its embryos")
                };
                waiting.queue.push_back(key);
                self.raise(Fd::from_key(listener), Readiness::READABLE);
            }
            // A connection that was reset while it waits is accepted all the same, and tells then (accept(2)).
            Owner::Queued(_) | Owner::Nobody => {}
            Owner::Embryo(_) => {
                if entry.connection.state == State::Dead {
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
        let address = |segment| Packet { source, destination, connection, segment };
        self.packets.extend(self.out.drain(..).map(address));
        let timer = entry.connection.next_timer();
        if entry.timer != timer {
            let before = std::mem::replace(&mut entry.timer, timer);
            if let Some(at) = before {
                self.timers.remove(&(at, key));
            }
            self.timers.extend(timer.map(|at| (at, key)));
        }
    }

    fn file(&mut self, ends: Ends, connection: Connection, owner: Owner) -> Key {
        let key = self.connections.insert(Entry { ends, connection, owner, timer: None });
        let before = self.by_ends.insert(ends, key);
        assert!(before.is_none(), "a connection's number is used once");
        self.flush(key);
        key
    }

    fn forget(&mut self, key: Key) {
        let entry = self.connections.remove(key).expect("a connection is forgotten once");
        self.by_ends.remove(&entry.ends);
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, key));
        }
    }

    /// A listener has closed: what waited there is reset (RFC 9293, section 3.10.4).
    fn refuse_waiting(&mut self, listener: Key) {
        for key in self.connections.keys() {
            let owner = self.entry(key).owner;
            if owner == Owner::Embryo(listener) || owner == Owner::Queued(listener) {
                let entry = self.connections.get_mut(key).expect("its key was listed");
                entry.owner = Owner::Nobody;
                entry.connection.orphan = true;
                self.with(key, |connection, out| connection.reset(out));
            }
        }
    }

    fn is_full(&self, listener: Key) -> bool {
        match self.sockets.get(listener) {
            Some(Socket::Listener(listener)) => listener.queue.len() > listener.backlog,
            _ => true,
        }
    }

    /// Whether a listener takes what is sent to `ip`, which is one of ours.
    fn is_for(&self, listener: Key, ip: IpAddr) -> bool {
        match self.sockets.get(listener) {
            Some(Socket::Listener(Listener { address, .. })) => {
                address.ip().is_unspecified() || address.ip() == ip
            }
            _ => false,
        }
    }

    fn socket_mut(&mut self, fd: Fd) -> Result<&mut Socket, OsError> {
        self.sockets.get_mut(fd.key()).ok_or(OsError::BAD_DESCRIPTOR)
    }

    /// The connection of a stream's descriptor.
    fn stream(&self, fd: Fd) -> Result<Key, OsError> {
        match self.sockets.get(fd.key()).ok_or(OsError::BAD_DESCRIPTOR)? {
            Socket::Stream(key) => Ok(*key),
            Socket::Listener(_) => Err(ENOTCONN),
        }
    }

    fn entry(&self, key: Key) -> &Entry {
        self.connections.get(key).expect("a key of a connection is used while it is kept")
    }

    /// An address that a socket may be bound to: one of ours, or any.
    fn bindable(&self, address: &Address) -> Result<SocketAddr, OsError> {
        let address = ip_of(address)?;
        let ip = address.ip();
        let is_ours = ip == self.ip || ip.is_loopback() || ip.is_unspecified();
        if is_ours { Ok(address) } else { Err(EADDRNOTAVAIL) }
    }

    /// The next free ephemeral port.
    fn pick_port(&mut self, is_free: impl Fn(&Kernel, u16) -> bool) -> Result<u16, OsError> {
        for _ in EPHEMERAL_PORTS {
            let port = self.next_port;
            self.next_port = if port == *EPHEMERAL_PORTS.end() { *EPHEMERAL_PORTS.start() } else { port + 1 };
            if is_free(self, port) {
                return Ok(port);
            }
        }
        Err(EADDRNOTAVAIL)
    }

    fn is_port_used(&self, port: u16) -> bool {
        self.listeners.contains_key(&port) || self.by_ends.keys().any(|(local, ..)| local.port() == port)
    }

    fn is_pair_used(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.by_ends.range((local, remote, 0)..=(local, remote, u64::MAX)).next().is_some()
    }
}

fn ip_of(address: &Address) -> Result<SocketAddr, OsError> {
    address.as_ip().ok_or(EINVAL)
}
