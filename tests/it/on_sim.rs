//! The contract on the simulated driver: once in a kind world, then in worlds that use every freedom the seam grants.
//!
//! Every world is run twice, with other things before it in the process and the thread, and must be the same run.

use std::error::Error;
use std::future::Future;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use twinloop::{panic_text, yield_now};
use twinloop_sim::HostFaults;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

use crate::leaks::nothing_is_left;

/// Worlds besides the kind one.
const SEEDS: u64 = 30;

type Outcome = Result<(), Box<dyn Error>>;

/// Runs a case in each world, and again on another thread; when it has ended, nothing of it may be left.
#[track_caller]
pub(crate) fn run<F>(case: impl Fn() -> F + Clone + Send + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    let case = move || {
        let case = case();
        async move {
            case.await?;
            nothing_is_left().await
        }
    };
    let here = explore(&case, worlds());
    let elsewhere = thread::scope(|scope| {
        let backwards = scope.spawn(move || explore(&case, worlds().rev()));
        backwards.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    assert_same(here, elsewhere);
}

/// As [`run`], for a case about what is still pending when its dispatcher closes. It may look at that afterwards, and so
/// stays on its thread.
#[track_caller]
pub(crate) fn run_leaving<F>(case: impl Fn() -> F + Clone + 'static)
where
    F: Future<Output = Outcome> + 'static,
{
    assert_same(explore(&case, worlds()), explore(&case, worlds().rev()));
}

fn worlds() -> impl DoubleEndedIterator<Item = Choices> {
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    [kind].into_iter().chain((0..SEEDS).map(Choices::Seeded))
}

/// Runs a case in each of `worlds`, and gives the hashes of the runs.
fn explore<F>(case: &(impl Fn() -> F + Clone + 'static), worlds: impl Iterator<Item = Choices>) -> Vec<u128>
where
    F: Future<Output = Outcome> + 'static,
{
    let mut hashes = Vec::new();
    for choices in worlds {
        let report = twinloop_sim::run_world(&choices, Telling::Events, |sim| {
            freedoms(sim.faults());
            sim.client("host", case.clone());
            // The folder in which cases make their files, wherever it is.
            sim.file("host", std::env::temp_dir().join("twinloop"), b"");
        });
        let story = report.story.expect("a story was asked for");
        assert!(report.verdict.is_passed(), "{choices:?}: {}\n{}", report.verdict, story.tail(30));
        hashes.push(report.hash);
    }
    hashes
}

#[track_caller]
fn assert_same(forwards: Vec<u128>, mut backwards: Vec<u128>) {
    backwards.reverse();
    let other = worlds().zip(forwards.iter().zip(&backwards)).find(|(_, (first, second))| first != second);
    assert!(other.is_none(), "one world, two runs: {other:x?}");
}

/// Everything that a driver may do by its contract, often.
fn freedoms(faults: &mut HostFaults) {
    faults
        .short_read(0.2)
        .short_write(0.2)
        .spurious(0.1)
        .late_event(0.1)
        .event_order(0.3)
        .late_timer(0.1)
        .late_wake(0.1)
        .interrupted(0.1);
}

/// The check itself: a case that knows what ran before it is told.
#[test]
fn a_case_that_is_another_one_each_time_is_told() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let told = catch_unwind(|| {
        run(|| async {
            for _ in 0..RUNS.fetch_add(1, Ordering::Relaxed) {
                yield_now().await;
            }
            Ok(())
        });
    });
    let told = told.expect_err("no two runs are alike");
    assert!(panic_text(&*told).contains("one world, two runs"), "{}", panic_text(&*told));
}

#[path = "contract/mod.rs"]
mod contract;

#[path = "kv_cases.rs"]
mod kv_cases;
