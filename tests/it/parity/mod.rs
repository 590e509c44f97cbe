//! The simulated kernel against Linux: random programs of socket calls, performed on both, must be answered alike.
//!
//! A program is a list of calls. It runs on the simulated kernel first; then on the real one, over loopback, where each step
//! waits until it has been told what the simulated kernel told, for a bounded time. Where the two part, proptest finds the
//! smallest program that shows it. What is known to differ stands in PARITY.md.
//!
//! `cargo test` tries the same programs each time. `TWINLOOP_PARITY_CASES=100000` tries so many of each family, from a seed
//! that is printed, or from the one in `TWINLOOP_PARITY_SEED`.

mod compare;
mod execute;
mod program;
mod strategy;

use std::cell::RefCell;
use std::env;
use std::io::ErrorKind;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use twinloop::Moment;
use twinloop::driver::{ConnectOptions, DatagramOptions, Driver, ListenOptions};
use twinloop_real::RealDriver;

use compare::{Comparison, Mismatch, Step, Verdict};
use execute::{Answer, Executor, Ground};
use program::{Ip, Op, Place, Port, Program};

/// So many programs of each family in a run of `cargo test`.
const CASES: u32 = 500;
/// How long the real kernel may take to tell what the simulated one told. A bound against a hang, and on what a mismatch costs.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a program has to be answered differently: another process may have come in the way. That it has is likely where
/// the real kernel says that a port is in use: connections of earlier programs linger there.
const ATTEMPTS: usize = 3;
const ATTEMPTS_AT_PORTS: usize = 20;
/// Nothing that happens at once takes longer in the simulated world.
const QUIET: Duration = Duration::from_millis(2);

/// Tries programs of a family.
fn explore(family: impl Strategy<Value = Program>) {
    let asked =
        env::var("TWINLOOP_PARITY_CASES").ok().map(|cases| cases.parse().expect("a number of programs"));
    let config = Config {
        cases: asked.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(asked.is_some()));
    // The last one that was seen is that of the smallest program.
    let mismatch = RefCell::new(None);
    let found = runner.run(&family, |program| match differ(&program) {
        None => Ok(()),
        Some(found) => {
            *mismatch.borrow_mut() = Some(found);
            Err(TestCaseError::fail("they differ"))
        }
    });
    if let (Err(TestError::Fail(_, program)), Some(mismatch)) = (&found, mismatch.take()) {
        panic!("the kernels answer this program differently:\n{}\n{mismatch}", listing(program));
    }
    found.expect("a family has programs");
}

fn rng(is_random: bool) -> TestRng {
    if !is_random {
        return TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    }
    let seed = env::var("TWINLOOP_PARITY_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed: u64 = seed.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        let mut driver = RealDriver::new().expect("a driver");
        driver.entropy(&mut bytes).expect("the system has entropy");
        u64::from_le_bytes(bytes)
    });
    println!("TWINLOOP_PARITY_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Fails unless both kernels answer a program alike.
#[track_caller]
fn agree(program: Program) {
    if let Some(mismatch) = differ(&program) {
        panic!("the kernels differ:\n{}\n{mismatch}", listing(&program));
    }
}

fn listing(program: &[Op]) -> String {
    let usual = [
        format!("{:?}", ListenOptions::default()),
        format!("{:?}", ConnectOptions::default()),
        format!("{:?}", DatagramOptions::default()),
    ];
    let line = |(number, op)| {
        let text = format!("{number:4} {op:?}");
        usual.iter().fold(text, |text, usual| text.replace(usual, "default"))
    };
    program.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Where the two kernels part each time.
fn differ(program: &[Op]) -> Option<Mismatch> {
    let mut attempts = 0;
    loop {
        let ground = new_ground();
        let simulated = simulate(program, &ground);
        let mismatch = try_on_real(program, &ground, &simulated)?;
        attempts += 1;
        let is_in_use =
            mismatch.real.answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        if attempts >= if is_in_use { ATTEMPTS_AT_PORTS } else { ATTEMPTS } {
            return Some(mismatch);
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

fn simulate(program: &[Op], ground: &Ground) -> Vec<Step> {
    let mut executor = Executor::new(twinloop_sim::lone_driver(), ground);
    let mut steps = Vec::new();
    for (number, op) in program.iter().enumerate() {
        let answer = executor.perform(number, op);
        while executor.gather(QUIET) {}
        executor.close_displaced();
        while executor.gather(QUIET) {}
        steps.push(Step { answer, told: std::mem::take(&mut executor.told) });
    }
    steps
}

/// The first step that the real kernel answers differently.
fn try_on_real(program: &[Op], ground: &Ground, simulated: &[Step]) -> Option<Mismatch> {
    let mut executor = Executor::new(RealDriver::new().expect("a driver"), ground);
    let mut comparison = Comparison::default();
    let mut found = None;
    for (number, (op, simulated)) in program.iter().zip(simulated).enumerate() {
        let (answer, verdict) = real_step(&mut executor, &mut comparison, number, op, simulated);
        let told = std::mem::take(&mut executor.told);
        match verdict {
            Verdict::Alike => {}
            Verdict::Known(_) => break,
            Verdict::Different => {
                let real = Step { answer, told };
                found = Some(Mismatch { number, op: op.clone(), simulated: simulated.clone(), real });
                break;
            }
        }
    }
    executor.leave_nothing();
    for name in 0..strategy::NAMES {
        // Most programs make none of them.
        let _ = std::fs::remove_file(ground.path(name));
    }
    found
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
            return (answer, Verdict::Different);
        }
    }
    let ends_agree = comparison.ends_agree(op, simulated, &executor.told);
    (answer, if ends_agree { Verdict::Alike } else { Verdict::Different })
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

#[test]
fn streams() {
    explore(strategy::streams());
}

#[test]
fn openings() {
    explore(strategy::openings());
}

#[test]
fn bindings() {
    explore(strategy::bindings());
}

#[test]
fn clogged_streams() {
    explore(strategy::clogged());
}

#[test]
fn datagrams() {
    explore(strategy::datagrams());
}

#[test]
fn groups() {
    explore(strategy::groups());
}

#[test]
fn unix_streams() {
    explore(strategy::unix_streams());
}

#[test]
fn unix_datagrams() {
    explore(strategy::unix_datagrams());
}

#[test]
fn pipes() {
    explore(strategy::pipes());
}

#[test]
fn kinds() {
    explore(strategy::kinds());
}

#[test]
fn options() {
    explore(strategy::options());
}

#[test]
fn sent_files() {
    explore(strategy::sent_files());
}

/// Nothing of it leaves the machine, so that no family has it.
#[test]
fn broadcasts() {
    let to_all = Place::Ip(Ip::Broadcast, Port::Of(0));
    agree(vec![
        Op::Datagram {
            into: 0,
            at: Place::Ip(Ip::Own, Port::Zero),
            to: None,
            options: DatagramOptions::default(),
        },
        Op::SendTo { slot: 0, to: Some(to_all), length: 1 },
        Op::Datagram { into: 1, at: to_all, to: None, options: DatagramOptions::default() },
        Op::SendTo { slot: 0, to: Some(Place::Ip(Ip::Own, Port::Of(0))), length: 1 },
        Op::RecvFrom { slot: 0, room: 8 },
    ]);
}
