//! One program on both kernels: on the simulated one first; then on Linux, over loopback, where each step waits until it has
//! been told what the simulated kernel told.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::{Driver, OsError};
use twinloop_real::RealDriver;

use super::compare::{Comparison, Mismatch, Step, Verdict};
use super::execute::{Answer, Executor, Ground, Told};
use super::program::Op;
use super::strategy;

// PARITY: When something happens
/// How long the real kernel may take to tell what the simulated one told. A bound against a hang, and on what a
/// mismatch costs.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a program has to be answered differently: another process may have come in the way.
const ATTEMPTS: usize = 3;
/// How often a program may meet others at its ports. After a long search connections linger at a third of all ports.
const MEETINGS: usize = 1000;
/// What passes before each call where an answer is in doubt. Linux tells a new connection from one that lingers between the same
/// ends by their time stamps, which count milliseconds, and asks first if these are the same.
const PACE: Duration = Duration::from_millis(2);
/// Nothing that happens at once takes longer in the simulated world.
const QUIET: Duration = Duration::from_millis(4);

/// What is compared with Linux.
pub(super) enum Subject {
    Simulated,
    /// A kernel that gives other answers than the simulated one: what this makes of a call, of those before it, and of
    /// the answer.
    Bent(fn(&[Op], &Op, Answer) -> Answer),
}

impl Subject {
    fn answer(&self, before: &[Op], op: &Op, simulated: Answer) -> Answer {
        match self {
            Subject::Simulated => simulated,
            Subject::Bent(bend) => bend(before, op, simulated),
        }
    }
}

/// What came of comparing one program.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) mismatch: Option<Mismatch>,
    /// The entries of PARITY.md that had to be looked at.
    pub(super) tolerated: Vec<&'static str>,
}

/// Where the two kernels part each time.
pub(super) fn differ(program: &[Op], subject: &Subject) -> Outcome {
    let (mut attempts, mut meetings) = (0, 0);
    // Nobody is looked for before an answer is in doubt: that takes longer than most programs.
    let mut others = None;
    loop {
        let ground = new_ground();
        let simulated = simulate(program, subject, &ground);
        let pace = if attempts + meetings > 0 { PACE } else { Duration::ZERO };
        let (outcome, ports) = try_on_real(program, &ground, &simulated, pace);
        let Some(mismatch) = &outcome.mismatch else { return outcome };
        let is_in_use =
            mismatch.real().answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        let is_decisive = !is_in_use || others.as_ref().is_some_and(|others| ports.is_disjoint(others));
        if is_decisive {
            attempts += 1;
        } else {
            meetings += 1;
            assert!(meetings < MEETINGS, "a port that nobody else is at is found in {MEETINGS} attempts");
        }
        if attempts == ATTEMPTS {
            return outcome;
        }
        others = is_in_use.then(ports_in_use);
    }
}

/// All ports that have a socket, or a connection that lingers.
fn ports_in_use() -> BTreeSet<u16> {
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|table| {
        let path = format!("/proc/net/{table}");
        // Without IPv6 there are two of them.
        std::fs::read_to_string(path).unwrap_or_default()
    });
    let sockets = tables.iter().flat_map(|table| table.lines().skip(1));
    sockets.map(|socket| local_port(socket).expect("a line as proc_pid_net(5) has it")).collect()
}

/// Of `sl local_address:port remote_address:port ...`, in hexadecimal.
fn local_port(socket: &str) -> Option<u16> {
    let (_, port) = socket.split_whitespace().nth(1)?.rsplit_once(':')?;
    u16::from_str_radix(port, 16).ok()
}

/// An address and names that no other program uses, in no other process.
fn new_ground() -> Ground {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = process::id();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = (number % 65_000).to_be_bytes();
    Ground {
        ip: [127, 64 + (process % 128) as u8, high, low].into(),
        prefix: format!("twinloop-parity-{process}-{number}"),
    }
}

/// A step on the simulated kernel.
struct Simulated {
    /// What was told before that was closed which the call has displaced.
    at_once: Told,
    step: Step,
}

fn simulate(program: &[Op], subject: &Subject, ground: &Ground) -> Vec<Simulated> {
    let mut executor = Executor::new(twinloop_sim::lone_driver(), ground);
    let mut steps = Vec::new();
    for (number, op) in program.iter().enumerate() {
        let answer = subject.answer(&program[..number], op, executor.perform(number, op));
        while executor.gather(QUIET) {}
        let at_once = executor.told.clone();
        executor.close_displaced();
        while executor.gather(QUIET) {}
        let step = Step { answer, told: std::mem::take(&mut executor.told) };
        steps.push(Simulated { at_once, step });
    }
    steps
}

/// Up to the first step that the real kernel answers differently. Says which ports the program has had, too.
fn try_on_real(
    program: &[Op],
    ground: &Ground,
    simulated: &[Simulated],
    pace: Duration,
) -> (Outcome, BTreeSet<u16>) {
    let mut executor = Executor::new(RealDriver::new().expect("a driver"), ground);
    let mut comparison = Comparison::default();
    let mut steps = Vec::new();
    let mut verdict = Verdict::Alike;
    for (number, (op, simulated)) in program.iter().zip(simulated).enumerate() {
        let due = executor.driver.now() + pace;
        while executor.driver.now() < due && wait(&mut executor, due) {}
        let answer;
        (answer, verdict) = real_step(&mut executor, &mut comparison, number, op, simulated);
        let real = Step { answer, told: std::mem::take(&mut executor.told) };
        steps.push((simulated.step.clone(), real));
        if verdict != Verdict::Alike {
            break;
        }
    }
    executor.leave_nothing();
    for name in 0..strategy::NAMES {
        // Most programs make none of them.
        let _ = std::fs::remove_file(ground.path(name));
    }
    let mismatch = (verdict == Verdict::Different).then_some(Mismatch { steps });
    (Outcome { mismatch, tolerated: comparison.tolerated().collect() }, executor.ports())
}

/// Makes the call; then waits until all has been told that the simulated kernel told.
fn real_step(
    executor: &mut Executor<RealDriver>,
    comparison: &mut Comparison,
    number: usize,
    op: &Op,
    simulated: &Simulated,
) -> (Answer, Verdict) {
    let Simulated { at_once, step: simulated } = simulated;
    let deadline = executor.driver.now() + PATIENCE;
    let mut answer = executor.perform(number, op);
    let mut verdict = comparison.compare(op, &simulated.answer, &answer);
    while is_late(verdict, &answer) && wait(executor, deadline) {
        answer = executor.perform(number, op);
        verdict = comparison.compare(op, &simulated.answer, &answer);
    }
    if verdict != Verdict::Alike {
        return (answer, verdict);
    }
    let is_told = wait_for(executor, comparison, op, at_once);
    executor.close_displaced();
    if !is_told || !wait_for(executor, comparison, op, &simulated.told) {
        return (answer, comparison.told_otherwise());
    }
    if comparison.ends_agree(op, simulated, &executor.told) {
        (answer, Verdict::Alike)
    } else {
        (answer, comparison.told_otherwise())
    }
}

/// Whether the answer may be another one in a moment.
fn is_late(verdict: Verdict, answer: &Answer) -> bool {
    // The two ends of a connection are free once its FIN is acknowledged, which Linux puts off for 40 ms (`TCP_DELACK_MIN`).
    let may_change = |error: &OsError| error.is_would_block() || error.kind() == ErrorKind::AddrNotAvailable;
    verdict == Verdict::Different && answer.as_ref().is_err_and(may_change)
}

/// Waits until all of `told` has been told. False once the time is up.
fn wait_for(executor: &mut Executor<RealDriver>, comparison: &mut Comparison, op: &Op, told: &Told) -> bool {
    let deadline = executor.driver.now() + PATIENCE;
    while executor.gather(Duration::ZERO) {}
    while !comparison.missing(op, told, &executor.told).is_empty() {
        if !wait(executor, deadline) {
            return false;
        }
    }
    true
}

/// Waits for something to be told. False once the time is up.
fn wait(executor: &mut Executor<RealDriver>, deadline: Moment) -> bool {
    let now = executor.driver.now();
    let left = if deadline > now { deadline - now } else { Duration::ZERO };
    executor.gather(left) || !left.is_zero()
}
