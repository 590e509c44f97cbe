//! What befalls hosts: each fault, seen by its effect on programs.

mod calls;
mod clocks;
mod errors;
mod halts;
mod planted;
mod process;
mod shortages;
mod zones;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twinloop_sim::choice::Choices;
use twinloop_sim::story::{LineKind, Telling};
use twinloop_sim::{Report, Sim, run_world};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn run(seed: u64, build: impl FnOnce(&mut Sim)) -> Report {
    run_world(&Choices::Seeded(seed), Telling::Events, build)
}

#[track_caller]
fn pass(report: &Report) {
    let story = report.story.as_ref().expect("a story was asked for");
    assert!(report.verdict.is_passed(), "{}\n{}", report.verdict, story.tail(40));
}

fn faults_told(report: &Report) -> Vec<String> {
    let story = report.story.as_ref().expect("a story was asked for");
    let faults = story.lines.iter().filter(|line| line.kind == LineKind::Fault);
    faults.map(|line| format!("{} {}: {}", line.at, line.host, line.text)).collect()
}

/// What programs have seen, in order; clones write to the same list.
#[derive(Clone)]
struct Seen<T>(Rc<RefCell<Vec<T>>>);

impl<T: Clone> Seen<T> {
    fn nothing() -> Seen<T> {
        Seen(Rc::default())
    }

    fn add(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }
}

/// Runs the worlds of some seeds twice. Each must pass, be the same world again, and tell of a fault in one seed at least.
#[track_caller]
fn is_drawn(build: impl Fn(&mut Sim), what: &str) {
    let mut told = 0;
    for seed in 0..20 {
        let (report, again) = (run(seed, &build), run(seed, &build));
        pass(&report);
        assert_eq!(report.hash, again.hash, "seed {seed}: one world, two runs");
        told += faults_told(&report).iter().filter(|line| line.contains(what)).count();
    }
    assert!(told > 0, "{what:?} was never drawn");
}
