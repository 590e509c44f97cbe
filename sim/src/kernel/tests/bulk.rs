//! A megabyte each way over wires of all kinds, between programs that act on edges alone: whatever is lost, duplicated or
//! forgotten, either a byte is wrong or the exchange does not end.

use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::{Fd, Half, Readiness, SocketOption};

use super::pair::{A, B, Fate, Pair};

/// A small generator (Knuth's MMIX constants): these tests need variety, not quality.
#[derive(Clone)]
pub(super) struct Lcg(pub(super) u64);

impl Lcg {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// A program at one end: it writes a pattern, checks the other one's, and ends its direction when it has written all.
struct Program {
    host: usize,
    fd: Fd,
    length: usize,
    written: usize,
    read: usize,
    is_readable: bool,
    is_writable: bool,
    /// The other direction has ended.
    at_end: bool,
    /// Reads nothing before, so that windows close.
    reads_at: Moment,
    /// Sets its buffers to another size now and then.
    resizes: bool,
}

impl Program {
    fn new(host: usize, fd: Fd, length: usize) -> Program {
        Program {
            host,
            fd,
            length,
            written: 0,
            read: 0,
            is_readable: true,
            is_writable: true,
            at_end: false,
            reads_at: Moment::ORIGIN,
            resizes: false,
        }
    }

    fn is_done(&self) -> bool {
        self.at_end && self.written == self.length
    }

    fn can_act(&self, now: Moment) -> bool {
        let can_write = self.is_writable && self.written < self.length;
        let can_read = self.is_readable && !self.at_end && self.reads_at <= now;
        can_write || can_read
    }

    fn act(&mut self, pair: &mut Pair, chance: &mut Lcg) {
        let edges = pair.take_edges(self.host, self.fd);
        self.is_readable |= edges.intersects(Readiness::READABLE | Readiness::READ_CLOSED);
        self.is_writable |= edges.intersects(Readiness::WRITABLE);
        assert!(!edges.intersects(Readiness::ERROR), "the connection broke");
        if self.resizes && chance.below(16) == 0 {
            self.resize(pair, chance);
        }
        if self.is_writable && self.written < self.length {
            self.write(pair, chance);
        }
        if self.is_readable && !self.at_end && self.reads_at <= pair.now {
            self.read(pair, chance);
        }
    }

    fn write(&mut self, pair: &mut Pair, chance: &mut Lcg) {
        let count = (1 + chance.below(20_000) as usize).min(self.length - self.written);
        let bytes: Vec<u8> =
            (self.written..self.written + count).map(|place| pattern(self.host, place)).collect();
        match pair.send(self.host, self.fd, &bytes) {
            Ok(taken) => {
                self.written += taken;
                self.is_writable = taken == count;
            }
            Err(error) => {
                assert!(error.is_would_block(), "{error}");
                self.is_writable = false;
            }
        }
        if self.written == self.length {
            pair.shutdown(self.host, self.fd, Half::Write).expect("the connection is open");
        }
    }

    fn resize(&mut self, pair: &mut Pair, chance: &mut Lcg) {
        let bytes = 1 << (6 + chance.below(12));
        for option in [SocketOption::ReceiveBuffer(bytes), SocketOption::SendBuffer(bytes)] {
            assert_eq!(pair.set_option(self.host, self.fd, option), Ok(()));
        }
    }

    fn read(&mut self, pair: &mut Pair, chance: &mut Lcg) {
        let wanted = 1 + chance.below(30_000) as usize;
        match pair.recv(self.host, self.fd, wanted) {
            Ok(bytes) => {
                for (place, byte) in (self.read..).zip(&bytes) {
                    assert_eq!(*byte, pattern(1 - self.host, place), "byte {place} to host {}", self.host);
                }
                self.read += bytes.len();
                self.at_end = bytes.is_empty();
            }
            Err(error) => {
                assert!(error.is_would_block(), "{error}");
                self.is_readable = false;
            }
        }
        if chance.below(16) == 0 {
            self.reads_at = pair.now + Duration::from_millis(chance.below(3_000));
        }
    }
}

/// The byte that a host sends at a place; neighbours in any distance up to a window differ mostly.
fn pattern(host: usize, place: usize) -> u8 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    mixed as u8 ^ (host as u8 * 0x55)
}

/// Moves `length` bytes each way, and compares every one.
pub(super) fn exchange(pair: &mut Pair, [a, b]: [Fd; 2], length: usize, chance: Lcg) {
    run(pair, [Program::new(A, a, length), Program::new(B, b, length)], chance);
}

fn run(pair: &mut Pair, mut programs: [Program; 2], mut chance: Lcg) {
    // Waits double up to two minutes, and a few of them may follow one another.
    let end = pair.now + Duration::from_secs(24 * 3600);
    loop {
        for program in &mut programs {
            program.act(pair, &mut chance);
        }
        if programs.iter().all(Program::is_done) {
            break;
        }
        // The programs are faster than the wire now and then.
        if chance.below(4) > 0 {
            pass_time(pair, &programs, end);
        }
        assert!(pair.now < end, "the exchange does not end");
    }
    let lengths = [programs[1].length, programs[0].length];
    assert_eq!(programs.map(|program| program.read), lengths);
}

/// Lets one thing happen; if it is far away, a program wakes before.
fn pass_time(pair: &mut Pair, programs: &[Program], end: Moment) {
    let wake = programs.iter().map(|program| program.reads_at).filter(|at| *at > pair.now).min();
    if !pair.step(wake.unwrap_or(end)) && !programs.iter().any(|program| program.can_act(pair.now)) {
        let progress: Vec<_> = programs.iter().map(|program| (program.written, program.read)).collect();
        pair.now = wake.unwrap_or_else(|| panic!("nothing will ever happen: {progress:?}"));
    }
}

#[test]
fn a_megabyte_each_way_survives_the_loss_of_every_kth_packet() {
    for k in 2..20 {
        let (mut pair, _, a, b) = Pair::connected();
        let mut count = 0;
        pair.on_wire(move |_, _| {
            count += 1;
            if count % k == 0 { Fate::Drop } else { Fate::Pass }
        });
        exchange(&mut pair, [a, b], 1 << 20, Lcg(k));
    }
}

#[test]
fn bytes_survive_any_mixture_of_losses_and_duplicates() {
    for seed in 0..200 {
        let (mut pair, _, a, b) = Pair::connected();
        let mut chance = Lcg(seed);
        let (loss, duplication) = (chance.below(40), chance.below(20));
        let program_chance = chance.clone();
        pair.on_wire(move |_, _| match chance.below(100) {
            roll if roll < loss => Fate::Drop,
            roll if roll < loss + duplication => Fate::Twice,
            _ => Fate::Pass,
        });
        exchange(&mut pair, [a, b], 200_000, program_chance);
    }
}

#[test]
fn bytes_survive_buffers_of_any_size_at_any_time() {
    for seed in 0..100 {
        let (mut pair, _, a, b) = Pair::connected();
        let mut chance = Lcg(seed);
        let loss = chance.below(10);
        let program_chance = chance.clone();
        pair.on_wire(move |_, _| if chance.below(100) < loss { Fate::Drop } else { Fate::Pass });
        let mut programs = [Program::new(A, a, 100_000), Program::new(B, b, 100_000)];
        programs.iter_mut().for_each(|program| program.resizes = true);
        run(&mut pair, programs, program_chance);
    }
}

/// The peer's silence is long, but shorter than what the retries span.
#[test]
fn bytes_survive_a_partition_in_either_way() {
    for cut in [[true, true], [true, false], [false, true]] {
        let (mut pair, _, a, b) = Pair::connected();
        let mut count = 0;
        pair.on_wire(move |from, _| {
            count += 1;
            if cut[from] && (40..50).contains(&count) { Fate::Drop } else { Fate::Pass }
        });
        exchange(&mut pair, [a, b], 1 << 19, Lcg(7));
    }
}

#[test]
fn a_wire_without_faults_carries_each_byte_once() {
    let (mut pair, _, a, b) = Pair::connected();
    let before = pair.packets;
    exchange(&mut pair, [a, b], 1 << 20, Lcg(1));
    pair.settle();
    // A segment and an acknowledgement for each 1,460 bytes of each direction; what is written in pieces, and windows
    // that close, make some more.
    for host in [A, B] {
        let sent = pair.packets[host] - before[host];
        assert!(sent < 2 * (1 << 20) / 1460 + 800, "{sent} packets from host {host}");
    }
}
