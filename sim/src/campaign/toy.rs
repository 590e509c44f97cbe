//! A run without a world, for the tests of the harness: some draws, and a verdict on what they gave.

use std::time::Duration;

use twinloop::Moment;
use xxhash_rust::xxh3::xxh3_128;

use crate::choice::{Choices, Chooser};
use crate::isolation::Isolation;
use crate::reached::Reached;
use crate::story::{Line, LineKind, Story, Telling};
use crate::verdict::{Probe, Report, Verdict};

/// What `play` leaves behind. Its story has one line for each unusual pick, and one for a failure.
pub(crate) fn run(choices: &Choices, telling: Telling, play: impl FnOnce(&mut Chooser) -> Verdict) -> Report {
    let mut chooser = Chooser::new(choices);
    chooser.list_draws();
    let verdict = play(&mut chooser);
    let unusual = chooser.unusual();
    let line = |number: usize, kind, text| {
        let at = Moment::from_nanos(number as u64 * 1_000_000_000);
        Line { number, ..Line::new(at, "toy", kind, text) }
    };
    let mut lines: Vec<Line> =
        (1..).zip(&unusual).map(|(n, pick)| line(n, LineKind::Fault, pick.to_string())).collect();
    if !verdict.is_passed() {
        let mut failure = line(lines.len() + 1, LineKind::Failure, verdict.to_string());
        failure.causes = (1..failure.number).collect();
        lines.push(failure);
    }
    Report {
        hash: xxh3_128(format!("{} {verdict} {unusual:?}", choices.seed()).as_bytes()),
        virtual_time: Duration::from_secs(2),
        turns: 10,
        callbacks: 100,
        stale: chooser.stale(),
        story: (telling != Telling::Silent).then_some(Story { lines }),
        unusual,
        reached: Reached::default(),
        isolation: Isolation::SameThread,
        system_calls: Vec::new(),
        verdict,
        probe: Some(Box::new(Probe { draws: chooser.take_draws(), features: Vec::new() })),
    }
}

/// A run of 100 requests and their latencies, of which the server forgets some; two forgotten ones are a failure.
/// About one seed in twenty-five fails.
pub(crate) fn forgetful(choices: &Choices, telling: Telling) -> Report {
    run(choices, telling, |chooser| {
        let latency = chooser.site("client > server: latency");
        let forgets = chooser.site("server: forgets");
        let mut forgotten = Vec::new();
        for request in 0..100 {
            chooser.pick(latency, 1000);
            if chooser.chance(forgets, 0.003) {
                forgotten.push(request);
            }
        }
        match forgotten.as_slice() {
            [first, second, ..] => failed(&format!("requests {first} and {second} are forgotten")),
            _ => Verdict::Passed,
        }
    })
}

pub(crate) fn failed(message: &str) -> Verdict {
    Verdict::Failed { subject: "check".to_owned(), message: message.to_owned() }
}
