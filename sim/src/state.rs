//! Everything simulated that drivers reach: the clock, the hosts' kernels, the fabric, the oracle and the record.
//!
//! It runs no program. The world (`world.rs`) turns the dispatchers and decides when time jumps.

mod acts;
mod catalogue;
mod filters;
mod hosts;
mod link;
mod network;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use twinloop::driver::{Event, Fd, Standard, ThreadMain};
use twinloop::table::Key;
use twinloop::{Address, Moment};

use crate::choice::{Chooser, Site};
use crate::condition::Condition;
use crate::console::Output;
use crate::disk::Copies;
use crate::fabric::{Due, Fabric, HostIndex};
use crate::fault::{BuggifyRule, DiskFaults, DiskRule, HostFaults, HostRule, ZoneRule};
use crate::isolation::Interposer;
use crate::kernel::{Kernel, Packet};
use crate::message::MessageKind;
use crate::names::{Answer, NameFailure, Names};
use crate::reached::Reached;
use crate::record::{Record, fd_number, item};
use crate::script::Act;
use crate::story::{LineKind, Passage, Stamp};
use crate::verdict::Verdict;

pub(crate) use filters::{FilterKey, FilterKind, Predicate};
pub(crate) use link::Link;

/// What a packet takes from a host to itself.
const LOOPBACK_LATENCY: Duration = Duration::from_micros(20);

pub(crate) struct State {
    pub(crate) now: Moment,
    pub(crate) machines: Vec<Machine>,
    /// `links[from][to]`.
    pub(crate) links: Vec<Vec<Link>>,
    /// Hosts that fail together, where any do.
    pub(crate) zones: Vec<ZoneRule>,
    pub(crate) fabric: Fabric,
    names: Names,
    /// Which hosts keep copies of the same.
    pub(crate) copies: Vec<Copies>,
    /// Which sites of the programs misbehave.
    pub(crate) buggify: BuggifyRule,
    pub(crate) reached: Reached,
    /// The first assertion of the programs' that did not hold.
    pub(crate) violated: Option<Verdict>,
    pub(crate) chooser: Chooser,
    pub(crate) record: Record,
    /// Threads that were asked for and have not begun.
    pub(crate) starting: Vec<(HostIndex, ThreadMain)>,
    /// Hosts whose process has ended itself in the turn that is under way.
    pub(crate) ended: Vec<HostIndex>,
    /// Some thread was woken by another one since this was looked at last.
    pub(crate) some_woken: Arc<AtomicBool>,
    /// A program has reached in since this was looked at last: any host may have changed, not its own alone.
    pub(crate) reached_into: bool,
    packets: Vec<Packet>,
    /// Connections that owe an acknowledgement, and what each one is due to: it is sent before time goes on.
    owing: Vec<(HostIndex, Key, Stamp)>,
    next_filter: u64,
    /// What programs have asked for in the turn that is under way.
    pub(crate) asked: Vec<Act>,
}

/// A host's hardware and kernel.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) kernel: Kernel,
    pub(crate) rule: HostRule,
    pub(crate) disk: DiskRule,
    /// Named when a program asks for entropy first: most never do.
    pub(crate) entropy: Option<Site>,
    /// Descriptors whose event was held back before: it is told by the next poll.
    pub(crate) overdue: Vec<Fd>,
    pub(crate) up: bool,
    pub(crate) condition: Condition,
    pub(crate) output: Output,
    /// Counts starts and ends of its process: what belongs to an earlier life must not touch this one.
    pub(crate) life: u64,
}

impl Machine {
    /// Has the kernel pick from the ports that the host's rule names.
    pub(crate) fn supply_ports(&mut self) {
        if let Some(ports) = self.rule.ephemeral_ports() {
            self.kernel.pick_ports_from(ports);
        }
    }

    /// When the next timer of its kernel is due.
    #[inline]
    pub(crate) fn next_timer(&self) -> Option<Moment> {
        if self.has_kernel_time() { self.kernel.next_timer() } else { None }
    }

    /// Whether its kernel goes on.
    pub(crate) fn has_kernel_time(&self) -> bool {
        self.up && !self.condition.is_suspended()
    }
}

impl State {
    pub(crate) fn new(
        chooser: Chooser,
        record: Record,
        machines: Vec<Machine>,
        links: Vec<Vec<Link>>,
        names: Names,
    ) -> State {
        let mut machines = machines;
        if record.tells() {
            machines.iter_mut().for_each(|machine| machine.kernel.keep_raised());
        }
        State {
            now: Moment::ORIGIN,
            machines,
            links,
            zones: Vec::new(),
            fabric: Fabric::default(),
            names,
            copies: Vec::new(),
            buggify: BuggifyRule::default(),
            reached: Reached::default(),
            violated: None,
            chooser,
            record,
            starting: Vec::new(),
            ended: Vec::new(),
            some_woken: Arc::default(),
            reached_into: false,
            packets: Vec::new(),
            owing: Vec::new(),
            next_filter: 0,
            asked: Vec::new(),
        }
    }

    /// Whether a host may have more to do than before by something that was not done to it alone, since this was asked last.
    pub(crate) fn take_interference(&mut self) -> bool {
        let woken = self.some_woken.load(Ordering::Acquire) && self.some_woken.swap(false, Ordering::Acquire);
        std::mem::take(&mut self.reached_into) || woken
    }

    /// Hands what a host's kernel wants to send to the links. Called after each call into a kernel.
    pub(crate) fn collect(&mut self, host: HostIndex) {
        self.explain_edges(host);
        if self.machines[host].kernel.has_packets() {
            let mut packets = std::mem::take(&mut self.packets);
            self.machines[host].kernel.take_packets(&mut packets);
            for packet in packets.drain(..) {
                self.send(host, packet);
            }
            self.packets = packets;
        }
        if self.machines[host].kernel.has_written() {
            for (stream, bytes) in self.machines[host].kernel.take_written() {
                self.hear(host, stream, &bytes);
            }
        }
    }

    /// Something will happen at a known time. It is due to what is done now.
    pub(crate) fn schedule(&mut self, at: Moment, due: Due) {
        let stamp = self.record.stamp();
        self.fabric.schedule(at, stamp, due);
    }

    /// What is done from now on is due to nothing but chance.
    pub(crate) fn begin_by_itself(&mut self) {
        if let Some(trail) = self.record.trail() {
            trail.begin(self.chooser.drawn());
        }
    }

    /// Something that was put off is done now.
    pub(crate) fn resume_trail(&mut self, stamp: Stamp) {
        if let Some(trail) = self.record.trail() {
            trail.resume(stamp, self.chooser.drawn());
        }
    }

    /// Does something that nothing which follows is due to.
    fn aside(&mut self, act: impl FnOnce(&mut State)) {
        let before = self.record.trail().map(|trail| trail.now().clone());
        act(self);
        if let (Some(trail), Some(before)) = (self.record.trail(), before) {
            trail.restore(before);
        }
    }

    /// The edges that a kernel has raised are due to what is done now.
    #[inline]
    pub(crate) fn explain_edges(&mut self, host: HostIndex) {
        if let Some(trail) = self.record.trail() {
            for fd in self.machines[host].kernel.take_raised() {
                trail.raised(host, fd);
            }
        }
    }

    /// A program has accepted a connection: what came over it before is what it reads first.
    pub(crate) fn explain_accepted(&mut self, host: HostIndex, fd: Fd, remote: &Address) {
        let Some(trail) = self.record.trail() else { return };
        if let (Ok(Address::Ip(local)), Address::Ip(remote)) =
            (self.machines[host].kernel.local_address(fd), remote)
        {
            trail.accepted(host, fd, local, *remote);
        }
    }

    /// A program has written to a standard stream.
    fn hear(&mut self, host: HostIndex, stream: Standard, bytes: &[u8]) {
        let machine = &self.machines[host];
        self.record.item(item::WRITTEN, self.now, host, &[u64::from(stream == Standard::Error)]);
        self.record.bytes(bytes);
        for line in machine.output.add(stream, bytes) {
            self.record.tell(self.now, &machine.name, LineKind::Note, || line);
        }
    }

    /// A packet has arrived at a host.
    pub(crate) fn deliver(&mut self, from: HostIndex, to: HostIndex, packet: Packet) {
        self.record.item(item::DELIVERED, self.now, to, &packet.numbers());
        self.record.bytes(packet.payload());
        let machine = &mut self.machines[to];
        if !machine.up {
            return;
        }
        if machine.condition.is_suspended() {
            return self.hold(from, to, packet);
        }
        if let Some(trail) = self.record.trail() {
            trail.merge(packet.stamp);
        }
        if from != to {
            let [sender, receiver] = [from, to].map(|host| self.machines[host].name.as_str());
            self.record.tell_passage(self.now, receiver, LineKind::Message, || {
                (Passage::new(sender, receiver, &packet, true), packet.to_string())
            });
        }
        // What a program reads is never in an acknowledgement alone.
        if let Some(trail) = self.record.trail().filter(|_| packet.kind() != MessageKind::Ack) {
            trail.note_arrival(packet.source, packet.destination);
        }
        let machine = &mut self.machines[to];
        machine.kernel.deliver(self.now, packet);
        if let Some(connection) = machine.kernel.take_owing() {
            let due_to = self.record.stamp();
            self.owing.push((to, connection, due_to));
        }
        self.collect(to);
    }

    /// Has the kernels send the acknowledgements that no answer of their programs has taken along. Says whether there were any.
    pub(crate) fn acknowledge(&mut self) -> bool {
        if self.owing.is_empty() {
            return false;
        }
        let mut owing = std::mem::take(&mut self.owing);
        for (host, connection, due_to) in owing.drain(..) {
            let machine = &self.machines[host];
            if machine.has_kernel_time() {
                self.resume_trail(due_to);
                self.machines[host].kernel.acknowledge(connection);
                self.collect(host);
            }
        }
        self.owing = owing;
        true
    }

    /// Kernel timers of a host are due.
    pub(crate) fn expire(&mut self, host: HostIndex) {
        self.machines[host].kernel.expire(self.now);
        self.collect(host);
    }

    /// An event that was held back is told now.
    pub(crate) fn raise(&mut self, host: HostIndex, life: u64, event: Event) {
        let machine = &mut self.machines[host];
        if machine.life == life {
            self.record.item(item::LATE, self.now, host, &[fd_number(event.fd)]);
            machine.kernel.raise(event.fd, event.readiness);
            machine.overdue.push(event.fd);
            self.explain_edges(host);
        }
    }

    /// A program of a host asks for the addresses of a name: begins the wait for the answer.
    pub(crate) fn resolve(&mut self, host: HostIndex, name: &str) -> Fd {
        let State { now, machines, chooser, .. } = self;
        let Machine { kernel, rule, life, .. } = &mut machines[host];
        let fd = kernel.begin_lookup();
        let (latency, failure) = rule.judge_lookup(chooser);
        let (at, life) = (*now + latency, *life);
        self.schedule(at, Due::Answer { host, life, fd, name: name.to_owned(), failure });
        fd
    }

    /// The answer to a lookup has come: what the table says now, unless it has failed on the way.
    pub(crate) fn answer(
        &mut self,
        host: HostIndex,
        life: u64,
        fd: Fd,
        name: &str,
        failure: Option<NameFailure>,
    ) {
        if self.machines[host].life != life {
            return;
        }
        let (answer, oddity) = match failure {
            Some(failure) => (Err(failure), Some("failed")),
            None => self.look_up(host, name),
        };
        let count = answer.as_ref().map_or(0, Vec::len) as u64;
        self.record.item(item::RESOLVED, self.now, host, &[fd_number(fd), count]);
        let kind = if oddity.is_some() { LineKind::Fault } else { LineKind::Note };
        let machine = &mut self.machines[host];
        self.record.tell(self.now, &machine.name, kind, || {
            let oddity = oddity.map_or_else(String::new, |oddity| format!(" ({oddity})"));
            format!("lookup of {name}: {}{oddity}", told(&answer))
        });
        machine.kernel.answer_lookup(fd, answer.map_err(NameFailure::error));
        self.explain_edges(host);
    }

    /// What a host is told of a name now, and what is wrong with it.
    fn look_up(&mut self, host: HostIndex, name: &str) -> (Answer, Option<&'static str>) {
        let State { now, machines, names, chooser, record, .. } = self;
        let answer = names.answer(name);
        match machines[host].rule.bend_answer(chooser, *now, &answer, names.before(name)) {
            None => (answer, None),
            Some((bent, oddity)) => {
                record.item(item::BENT, *now, host, &[]);
                (bent, Some(oddity))
            }
        }
    }

    /// From now on, lookups of a name are answered so.
    pub(crate) fn rename(&mut self, name: &str, answer: Answer) {
        self.record.item(item::NAMED, self.now, 0, &[answer.as_ref().map_or(0, Vec::len) as u64]);
        self.record.tell(self.now, "names", LineKind::Note, || format!("{name} is now: {}", told(&answer)));
        self.names.change(self.now, name, answer);
    }

    /// From now on the host behaves so.
    pub(crate) fn change_host(&mut self, host: HostIndex, faults: HostFaults) {
        let State { machines, chooser, .. } = self;
        let machine = &mut machines[host];
        let clocks_change = machine.rule.set(chooser, &machine.name, faults);
        machine.supply_ports();
        self.record.item(item::CHANGED, self.now, host, &[]);
        self.record.tell(self.now, &machine.name, LineKind::Fault, || "behaves otherwise".to_owned());
        if clocks_change && machine.up {
            self.set_clocks(host);
        }
    }

    pub(crate) fn change_disk(&mut self, host: HostIndex, faults: DiskFaults) {
        let machine = &mut self.machines[host];
        machine.disk.change(faults);
        // What it does is in the hash with each operation.
        self.record.tell(self.now, &machine.name, LineKind::Fault, || "disk behaves otherwise".to_owned());
    }

    /// The host is gone without a word: no FIN, no reset, nothing flushed.
    pub(crate) fn crash(&mut self, host: HostIndex, down_for: Option<Duration>) {
        self.lose_unsynced(host);
        let machine = &mut self.machines[host];
        machine.up = false;
        machine.life += 1;
        machine.kernel.crash();
        machine.overdue.clear();
        machine.condition.forget_process();
        // What had come to a machine that stood still is lost with it.
        machine.condition.go_on(self.now);
        self.record.item(item::CRASHED, self.now, host, &[]);
        self.record.tell(self.now, &machine.name, LineKind::Fault, || match down_for {
            Some(length) => format!("crashed, down for {length:?}"),
            None => "crashed".to_owned(),
        });
        self.record.claim_picks(self.chooser.drawn());
        if let Some(length) = down_for {
            let life = self.machines[host].life;
            self.schedule(self.now + length, Due::Restart { host, life });
        }
    }

    /// The machine runs; its programs are the world's to start.
    pub(crate) fn start(&mut self, host: HostIndex) {
        let machine = &mut self.machines[host];
        let boots = !std::mem::replace(&mut machine.up, true);
        machine.life += 1;
        self.record.item(item::STARTED, self.now, host, &[]);
        self.record.tell(self.now, &machine.name, LineKind::Note, || "started".to_owned());
        if boots {
            self.set_clocks(host);
        }
    }

    /// Has the system's clocks show what this host's do, as far as `interposer` can.
    #[cold]
    pub(crate) fn show_time(&self, host: HostIndex, interposer: &dyn Interposer) {
        let clock = &self.machines[host].condition.clock;
        interposer.set_time(clock.monotonic(self.now) - Moment::ORIGIN, clock.wall(self.now));
    }

    /// Resets every connection of a host, as an operator's tool or a middlebox may.
    pub(crate) fn reset_connections(&mut self, host: HostIndex) {
        let machine = &mut self.machines[host];
        self.record.item(item::RESET, self.now, host, &[]);
        self.record.tell(self.now, &machine.name, LineKind::Fault, || "all connections reset".to_owned());
        machine.kernel.reset_all();
        self.collect(host);
    }

    /// The earliest time at which something happens by itself, apart from what programs do.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.machines.iter().filter_map(Machine::next_timer).chain(self.fabric.next_at()).min()
    }
}

/// An answer in words.
fn told(answer: &Answer) -> String {
    match answer {
        Ok(ips) => ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Err(NameFailure::NotFound) => "no such name".to_owned(),
        Err(NameFailure::NoAnswer) => "no answer".to_owned(),
        Err(NameFailure::ServerFailure) => "server failure".to_owned(),
    }
}
