//! The contract on the simulated driver: once in a kind world, then in worlds that use every freedom the seam grants.

use std::error::Error;
use std::future::Future;
use std::rc::Rc;

use twinloop_sim::HostFaults;
use twinloop_sim::choice::Choices;
use twinloop_sim::story::Telling;

/// Worlds besides the kind one.
const SEEDS: u64 = 30;

/// Runs a case in each world.
#[track_caller]
pub(crate) fn run<F>(case: impl Fn() -> F + 'static)
where
    F: Future<Output = Result<(), Box<dyn Error>>> + 'static,
{
    let case = Rc::new(case);
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    for choices in [kind].into_iter().chain((0..SEEDS).map(Choices::Seeded)) {
        let report = twinloop_sim::run_world(&choices, Telling::Events, |sim| {
            sim.faults(freedoms());
            let case = Rc::clone(&case);
            sim.client("host", move || case());
        });
        let story = report.story.expect("a story was asked for");
        assert!(report.verdict.is_passed(), "{choices:?}: {}\n{}", report.verdict, story.tail(30));
    }
}

/// Everything that a driver may do by its contract, often.
fn freedoms() -> HostFaults {
    HostFaults::default()
        .short_read(0.2)
        .short_write(0.2)
        .spurious(0.1)
        .late_event(0.1)
        .event_order(0.3)
        .late_timer(0.1)
        .late_wake(0.1)
}

#[path = "contract/mod.rs"]
mod contract;

#[path = "kv_cases.rs"]
mod kv_cases;
