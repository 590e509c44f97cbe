//! Two kernels and the wire between them, driven by hand. Whatever a story does, the pair checks two promises: an edge
//! follows after `WOULD_BLOCK` once the call could do something else, and nothing is left when everything is closed.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use twinloop::driver::{ConnectOptions, Fd, Half, ListenOptions, OsError, Readiness, SocketOption};
use twinloop::{Address, Moment};

use super::super::{Kernel, Packet, Poller, Route};

/// The two hosts, as indexes.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;
/// What the wire takes.
const LATENCY: Duration = Duration::from_millis(1);

pub(super) fn ip(host: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host as u8 + 1).into()
}

pub(super) fn at(host: usize, port: u16) -> Address {
    Address::Ip(SocketAddr::new(ip(host), port))
}

/// Decides on a packet from a host.
type Rule = dyn FnMut(usize, &Packet) -> Fate;

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Pass,
    Drop,
    Twice,
    /// Kept until the story releases it.
    Hold,
    /// It takes so much longer, and others overtake it.
    Late(Duration),
    /// It arrives in its turn, and once more so much later.
    TwiceLate(Duration),
    /// A router knows no way for it.
    TurnBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Read,
    Write,
    Accept,
}

pub(super) struct Pair {
    pub(super) now: Moment,
    pub(super) kernels: [Kernel; 2],
    /// Packets on their way: when they arrive, and where.
    wire: VecDeque<(Moment, usize, Packet)>,
    pub(super) held: Vec<(usize, Packet)>,
    fate: Box<Rule>,
    /// How many packets were sent, by host.
    pub(super) packets: [usize; 2],
    /// Calls that said `WOULD_BLOCK` last, and whether an edge was raised since.
    blocked: BTreeMap<(usize, Fd, Call), bool>,
    /// Edges that the story has not asked for.
    edges: BTreeMap<(usize, Fd), Readiness>,
}

impl Pair {
    pub(super) fn new() -> Pair {
        Pair {
            now: Moment::ORIGIN,
            kernels: [Kernel::new(ip(A)), Kernel::new(ip(B))],
            wire: VecDeque::new(),
            held: Vec::new(),
            fate: Box::new(|_, _| Fate::Pass),
            packets: [0, 0],
            blocked: BTreeMap::new(),
            edges: BTreeMap::new(),
        }
    }

    /// A pair with a connection from A to B's port 80: the listener, A's end, B's end.
    pub(super) fn connected() -> (Pair, Fd, Fd, Fd) {
        let mut pair = Pair::new();
        let listener = pair.listen(B, 80);
        let a = pair.connect(A, &at(B, 80));
        pair.settle();
        let b = pair.accept(B, listener).expect("the handshake is done");
        pair.settle();
        (pair, listener, a, b)
    }

    /// From now on, `fate` decides on each packet from the host it is given.
    pub(super) fn on_wire(&mut self, fate: impl FnMut(usize, &Packet) -> Fate + 'static) {
        self.fate = Box::new(fate);
    }

    pub(super) fn heal(&mut self) {
        self.on_wire(|_, _| Fate::Pass);
    }

    /// What was held goes on its way.
    pub(super) fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        for (to, packet) in held {
            self.put_on_wire(LATENCY, to, packet);
        }
    }

    // ---- system calls ----

    pub(super) fn listen(&mut self, host: usize, port: u16) -> Fd {
        self.kernels[host].listen(&at(host, port), &ListenOptions::default()).expect("the port is free")
    }

    pub(super) fn connect(&mut self, host: usize, to: &Address) -> Fd {
        self.connect_with(host, to, &ConnectOptions::default())
    }

    pub(super) fn connect_with(&mut self, host: usize, to: &Address, options: &ConnectOptions) -> Fd {
        let fd = self.kernels[host].connect(self.now, to, options);
        self.collect();
        fd.expect("a port is free")
    }

    pub(super) fn accept(&mut self, host: usize, listener: Fd) -> Result<Fd, OsError> {
        let accepted = self.kernels[host].accept(listener);
        self.note(host, listener, Call::Accept, accepted.is_err_and(OsError::is_would_block));
        self.collect();
        accepted.map(|(fd, _)| fd)
    }

    pub(super) fn recv(&mut self, host: usize, fd: Fd, length: usize) -> Result<Vec<u8>, OsError> {
        let mut buffer = vec![0; length];
        let received = self.kernels[host].recv(fd, &mut buffer);
        self.note(host, fd, Call::Read, received.is_err_and(OsError::is_would_block));
        self.collect();
        received.map(|count| buffer[..count].to_vec())
    }

    pub(super) fn send(&mut self, host: usize, fd: Fd, bytes: &[u8]) -> Result<usize, OsError> {
        let sent = self.kernels[host].send_vectored(self.now, fd, &[IoSlice::new(bytes)]);
        // A short count fills the buffer, so it arms the edge too (`Capabilities::short_write_fills`).
        let is_short = sent.is_ok_and(|count| count < bytes.len());
        self.note(host, fd, Call::Write, is_short || sent.is_err_and(OsError::is_would_block));
        self.collect();
        sent
    }

    pub(super) fn shutdown(&mut self, host: usize, fd: Fd, half: Half) -> Result<(), OsError> {
        let done = self.kernels[host].shutdown(self.now, fd, half);
        self.collect();
        done
    }

    pub(super) fn set_option(&mut self, host: usize, fd: Fd, option: SocketOption) -> Result<(), OsError> {
        let set = self.kernels[host].set_option(fd, option);
        self.collect();
        set
    }

    pub(super) fn close(&mut self, host: usize, fd: Fd) {
        self.kernels[host].close(self.now, fd);
        self.forget(|blocked_host, blocked_fd| blocked_host == host && blocked_fd == fd);
        self.collect();
    }

    pub(super) fn crash(&mut self, host: usize) {
        self.kernels[host].crash();
        self.forget(|blocked_host, _| blocked_host == host);
    }

    pub(super) fn take_error(&mut self, host: usize, fd: Fd) -> Option<OsError> {
        self.kernels[host].take_error(fd).expect("the descriptor is open")
    }

    /// What was raised for a descriptor since it was asked for last.
    pub(super) fn take_edges(&mut self, host: usize, fd: Fd) -> Readiness {
        self.edges.remove(&(host, fd)).unwrap_or_default()
    }

    // ---- time and the wire ----

    /// Lets packets travel until none is on its way. No kernel timer runs meanwhile.
    pub(super) fn settle(&mut self) {
        self.collect();
        while let Some((at, to, packet)) = self.wire.pop_front() {
            self.now = self.now.max(at);
            self.arrive(to, packet);
        }
        self.check_edges();
    }

    /// Lets `length` pass.
    pub(super) fn run(&mut self, length: Duration) {
        let end = self.now + length;
        self.collect();
        while self.step(end) {}
        self.now = end;
        if self.wire.is_empty() {
            self.check_edges();
        }
    }

    /// Lets the next thing happen that happens until `end`. False if there is none.
    pub(super) fn step(&mut self, end: Moment) -> bool {
        let arrival = self.wire.front().map(|(at, ..)| *at);
        let timer = self.kernels.iter().filter_map(Kernel::next_timer).min();
        let Some(next) = arrival.into_iter().chain(timer).min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, to, packet) = self.wire.pop_front().expect("it was seen above");
            self.arrive(to, packet);
        } else {
            for kernel in &mut self.kernels {
                kernel.expire(self.now);
            }
            self.collect();
        }
        true
    }

    fn arrive(&mut self, to: usize, packet: Packet) {
        self.kernels[to].deliver(self.now, packet);
        if let Some(key) = self.kernels[to].take_owing() {
            self.kernels[to].acknowledge(key);
        }
        self.collect();
    }

    /// Behind all that arrive until then.
    fn put_on_wire(&mut self, latency: Duration, to: usize, packet: Packet) {
        let at = self.now + latency;
        let place = self.wire.partition_point(|(other, ..)| *other <= at);
        self.wire.insert(place, (at, to, packet));
    }

    /// Puts what the kernels want to send on the wire, and notes their edges.
    fn collect(&mut self) {
        let mut packets = Vec::new();
        for host in [A, B] {
            self.kernels[host].take_packets(&mut packets);
            self.packets[host] += packets.len();
            for packet in packets.drain(..) {
                let to = match packet.route() {
                    Route::Back => host,
                    Route::To(to) if to == ip(host) => host,
                    Route::To(_) | Route::Others => 1 - host,
                };
                let late: &[Duration] = match (self.fate)(host, &packet) {
                    Fate::Pass => &[Duration::ZERO],
                    Fate::Twice => &[Duration::ZERO; 2],
                    Fate::Late(late) => &[late],
                    Fate::TwiceLate(late) => &[Duration::ZERO, late],
                    Fate::Drop => &[],
                    Fate::Hold => {
                        self.held.push((to, packet));
                        continue;
                    }
                    Fate::TurnBack => {
                        let told = packet.host_unreachable().expect("a segment of TCP");
                        self.put_on_wire(LATENCY, host, told);
                        continue;
                    }
                };
                for late in late {
                    self.put_on_wire(LATENCY + *late, to, packet.clone());
                }
            }
            for event in self.kernels[host].edges_mut(0).drain(..) {
                *self.edges.entry((host, event.fd)).or_default() |= event.readiness;
                for (&(blocked_host, fd, call), is_told) in &mut self.blocked {
                    let concerns = (blocked_host, fd) == (host, event.fd);
                    *is_told |= concerns && call.is_woken_by(event.readiness);
                }
            }
        }
    }

    // ---- the promises ----

    fn note(&mut self, host: usize, fd: Fd, call: Call, would_block: bool) {
        if would_block {
            self.blocked.insert((host, fd, call), false);
        } else {
            self.blocked.remove(&(host, fd, call));
        }
    }

    fn forget(&mut self, is_gone: impl Fn(usize, Fd) -> bool) {
        self.blocked.retain(|&(host, fd, _), _| !is_gone(host, fd));
        self.edges.retain(|&(host, fd), _| !is_gone(host, fd));
    }

    /// A call that said `WOULD_BLOCK`, and of which no edge was raised since, says so still.
    fn check_edges(&mut self) {
        let is_drained = self
            .kernels
            .iter()
            .all(|kernel| kernel.sockets.iter().all(|(key, _)| kernel.receivable(Fd::from_key(key)) == 0));
        let untold: Vec<_> = self.blocked.iter().filter(|(_, told)| !**told).map(|(key, _)| *key).collect();
        for (host, fd, call) in untold {
            let kernel = &mut self.kernels[host];
            let says_so = match call {
                Call::Read => kernel.recv(fd, &mut [0]).is_err_and(OsError::is_would_block),
                Call::Accept => kernel.accept(fd).is_err_and(OsError::is_would_block),
                // While the peer's buffer is full there may be room for less than what is worth an edge.
                Call::Write if !is_drained => true,
                Call::Write => {
                    let sent = kernel.send_vectored(self.now, fd, &[IoSlice::new(&[0])]);
                    sent.is_err_and(OsError::is_would_block)
                }
            };
            assert!(says_so, "no edge was raised for the {call:?} of {fd:?} at host {host}");
        }
    }

    /// Closes what is open, waits, and looks whether anything is left.
    fn check_leaks(&mut self) {
        self.heal();
        self.release();
        for host in [A, B] {
            for key in self.kernels[host].sockets.keys() {
                self.close(host, Fd::from_key(key));
            }
        }
        self.run(Duration::from_secs(200));
        for kernel in &self.kernels {
            assert_eq!(kernel.connections.len(), 0, "connections are left");
            assert!(kernel.by_ends.is_empty(), "ends are left");
            assert!(kernel.listeners.is_empty(), "listeners are left");
            assert!(kernel.datagrams.is_empty(), "datagram sockets are left");
            assert!(kernel.timers.is_empty(), "timers are left");
            let is_idle = |poller: &Poller| poller.edges.is_empty() && poller.watched == 0;
            assert!(kernel.pollers.iter().all(is_idle), "edges of closed descriptors are left");
        }
        assert!(self.wire.is_empty(), "packets are sent for ever");
    }
}

/// The end of every story.
impl Drop for Pair {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_leaks();
        }
    }
}

impl Call {
    fn is_woken_by(self, readiness: Readiness) -> bool {
        let both = Readiness::WRITE_CLOSED | Readiness::ERROR;
        readiness.intersects(match self {
            Call::Read | Call::Accept => Readiness::READABLE | Readiness::READ_CLOSED | both,
            Call::Write => Readiness::WRITABLE | both,
        })
    }
}
