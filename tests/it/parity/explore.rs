//! Trying many programs of a family, and finding the smallest one that two kernels answer differently. It knows no call.
//!
//! Programs come in rounds, each of which has a seed of its own: a long search prints what repeats the round that failed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use twinloop::driver::Driver;
use twinloop_real::RealDriver;

use super::program::{Op, Program};
use super::report::table;
use super::run::{Outcome, Subject, differ};

/// So many programs of each family in a run of `cargo test`; a longer search goes on in rounds of as many.
const ROUND: u32 = 500;

/// How far a search goes.
enum Extent {
    /// The same programs each time.
    Usual,
    Programs(u64),
    Time(Duration),
}

/// What came of a search that found nothing.
#[derive(Default)]
pub(super) struct Tally {
    programs: Cell<u64>,
    calls: Cell<u64>,
    /// How often something was passed over, by its entry of PARITY.md.
    tolerated: RefCell<BTreeMap<&'static str, u64>>,
}

impl Tally {
    fn note(&self, program: &[Op], outcome: &Outcome) {
        self.programs.set(self.programs.get() + 1);
        self.calls.set(self.calls.get() + program.len() as u64);
        for entry in &outcome.tolerated {
            *self.tolerated.borrow_mut().entry(entry).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} programs of {} calls compared", self.programs.get(), self.calls.get())?;
        self.tolerated.borrow().iter().try_for_each(|(entry, times)| write!(f, "\n  {times:6} times {entry}"))
    }
}

/// Compares programs of `family` on Linux and on the simulated kernel, as far as the environment asks for.
pub(super) fn explore(family: impl Strategy<Value = Program>) {
    let tally = Tally::default();
    let extent = extent();
    let first = if let Extent::Usual = extent { None } else { Some(seed()) };
    let mut clock = RealDriver::new().expect("a driver");
    let begun = clock.now();
    let goes_on = |round: u64, now| match extent {
        Extent::Usual => round == 0,
        Extent::Programs(count) => round * u64::from(ROUND) < count,
        Extent::Time(time) => now - begun < time,
    };
    for round in 0.. {
        if !goes_on(round, clock.now()) {
            break;
        }
        let seed = first.map(|first| first.wrapping_add(round));
        if let Some(found) = search(&family, seed, &Subject::Simulated, &tally) {
            let again = seed.map_or_else(String::new, |seed| {
                format!("\nagain: TWINLOOP_PARITY_SEED={seed} TWINLOOP_PARITY_CASES={ROUND}")
            });
            panic!("the kernels answer this program differently:\n{found}{again}");
        }
    }
    println!("{tally}");
}

/// One round: the smallest program that is answered differently, as a table of both answers.
pub(super) fn search(
    family: &impl Strategy<Value = Program>,
    seed: Option<u64>,
    subject: &Subject,
    tally: &Tally,
) -> Option<String> {
    let config =
        Config { cases: ROUND, failure_persistence: None, max_shrink_iters: 3000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng(seed));
    // The last one that was seen is that of the smallest program.
    let mismatch = RefCell::new(None);
    let result = runner.run(family, |program| {
        let outcome = differ(&program, subject);
        tally.note(&program, &outcome);
        if outcome.mismatch.is_none() {
            return Ok(());
        }
        *mismatch.borrow_mut() = outcome.mismatch;
        Err(TestCaseError::fail("they differ"))
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(_, program)) => {
            let mismatch = mismatch.take().expect("a program has failed");
            Some(table(&program, &mismatch))
        }
        Err(TestError::Abort(reason)) => panic!("a family has programs: {reason}"),
    }
}

fn extent() -> Extent {
    match (asked("TWINLOOP_PARITY_TIME"), asked("TWINLOOP_PARITY_CASES")) {
        (Some(seconds), _) => Extent::Time(Duration::from_secs(seconds)),
        (None, Some(count)) => Extent::Programs(count),
        (None, None) => Extent::Usual,
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the search says here how far it goes")]
fn asked(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// That of the first round.
fn seed() -> u64 {
    asked("TWINLOOP_PARITY_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 8];
        let mut driver = RealDriver::new().expect("a driver");
        driver.entropy(&mut bytes).expect("the system has entropy");
        u64::from_le_bytes(bytes)
    })
}

fn rng(seed: Option<u64>) -> TestRng {
    let Some(seed) = seed else { return TestRng::deterministic_rng(RngAlgorithm::ChaCha) };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
