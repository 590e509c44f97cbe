//! One program on both kernels: on the simulated one first; then on Linux, over loopback, where each step waits until it has
//! been told what the simulated kernel told.

use std::io::ErrorKind;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use twinloop::Moment;
use twinloop::driver::Driver;
use twinloop_real::RealDriver;

use super::compare::{Comparison, Mismatch, Step, Verdict};
use super::execute::{Answer, Executor, Ground};
use super::program::Op;
use super::strategy;

// PARITY: When something happens
/// How long the real kernel may take to tell what the simulated one told. A bound against a hang, and on what a
/// mismatch costs.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a program has to be answered differently: another process may have come in the way. That it has is likely where
/// the real kernel says that a port is in use: connections of earlier programs linger there.
const ATTEMPTS: usize = 3;
const ATTEMPTS_AT_PORTS: usize = 20;
/// Nothing that happens at once takes longer in the simulated world.
const QUIET: Duration = Duration::from_millis(2);

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
    let mut attempts = 0;
    loop {
        let ground = new_ground();
        let simulated = simulate(program, subject, &ground);
        let outcome = try_on_real(program, &ground, &simulated);
        let Some(mismatch) = &outcome.mismatch else { return outcome };
        attempts += 1;
        let is_in_use =
            mismatch.real().answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        if attempts >= if is_in_use { ATTEMPTS_AT_PORTS } else { ATTEMPTS } {
            return outcome;
        }
    }
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

fn simulate(program: &[Op], subject: &Subject, ground: &Ground) -> Vec<Step> {
    let mut executor = Executor::new(twinloop_sim::lone_driver(), ground);
    let mut steps = Vec::new();
    for (number, op) in program.iter().enumerate() {
        let answer = subject.answer(&program[..number], op, executor.perform(number, op));
        while executor.gather(QUIET) {}
        executor.close_displaced();
        while executor.gather(QUIET) {}
        steps.push(Step { answer, told: std::mem::take(&mut executor.told) });
    }
    steps
}

/// Up to the first step that the real kernel answers differently.
fn try_on_real(program: &[Op], ground: &Ground, simulated: &[Step]) -> Outcome {
    let mut executor = Executor::new(RealDriver::new().expect("a driver"), ground);
    let mut comparison = Comparison::default();
    let mut steps = Vec::new();
    let mut verdict = Verdict::Alike;
    for (number, (op, simulated)) in program.iter().zip(simulated).enumerate() {
        let answer;
        (answer, verdict) = real_step(&mut executor, &mut comparison, number, op, simulated);
        let real = Step { answer, told: std::mem::take(&mut executor.told) };
        steps.push((simulated.clone(), real));
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
    Outcome { mismatch, tolerated: comparison.tolerated().collect() }
}

/// Makes the call; then waits until all has been told that the simulated kernel told.
fn real_step(
    executor: &mut Executor<RealDriver>,
    comparison: &mut Comparison,
    number: usize,
    op: &Op,
    simulated: &Step,
) -> (Answer, Verdict) {
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
    while executor.gather(Duration::ZERO) {}
    executor.close_displaced();
    while executor.gather(Duration::ZERO) {}
    while !comparison.missing(op, &simulated.told, &executor.told).is_empty() {
        if !wait(executor, deadline) {
            return (answer, comparison.told_otherwise());
        }
    }
    if comparison.ends_agree(op, simulated, &executor.told) {
        (answer, Verdict::Alike)
    } else {
        (answer, comparison.told_otherwise())
    }
}

/// Whether the answer may be another one in a moment.
fn is_late(verdict: Verdict, answer: &Answer) -> bool {
    verdict == Verdict::Different && answer.as_ref().is_err_and(|error| error.is_would_block())
}

/// Waits for something to be told. False once the time is up.
fn wait(executor: &mut Executor<RealDriver>, deadline: Moment) -> bool {
    let now = executor.driver.now();
    let left = if deadline > now { deadline - now } else { Duration::ZERO };
    executor.gather(left) || !left.is_zero()
}
