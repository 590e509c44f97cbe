//! Many seeds of one scenario on several threads, with findings that do not depend on how the threads ran. It keeps
//! failures and does not shrink them; it knows no terminal.

pub(crate) mod ledger;
mod schedulers;
mod shard;
#[cfg(test)]
pub(crate) mod toy;

pub use crate::determinism::Nondeterminism;
pub(crate) use schedulers::{Detected, detect};
pub use shard::Shard;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::choice::Choices;
use crate::determinism::{compare, run_twice};
use crate::reached::Reached;
use crate::scenario::Scenario;
use crate::story::Telling;
use crate::verdict::Report;

/// A scenario as the campaign knows it: a function from choices to a report, for any thread.
pub(crate) type Run<'a> = &'a (dyn Fn(&Choices, Telling) -> Report + Sync);

/// Which seeds to run, and how.
///
/// Seeds are taken in order, and counted in order too: the findings are those of one thread that runs seed after seed,
/// however many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many threads run them.
    pub jobs: NonZeroUsize,
    /// Whether every seed is run twice to see that both runs are the same. Without it, only the first seed and those
    /// that fail are.
    pub check: bool,
    /// Whether the campaign ends at the first seed that fails, or whose two runs differ.
    pub stop_at_first: bool,
    /// Whether threads that are due at one moment have [priorities](Choices::Prioritised), and how often these change.
    pub priorities: Option<u32>,
    /// How long, in wall time, seeds are begun. What a campaign finds then depends on the machine; each finding does
    /// not.
    pub time: Option<Duration>,
}

/// What a campaign found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// How many seeds passed.
    pub passed: u64,
    /// How many seeds failed.
    pub failed: u64,
    /// The failures, one for each [signature](crate::Verdict::signature), by seed.
    pub failures: Vec<Failure>,
    /// The lowest seed whose two runs were not the same.
    pub nondeterminism: Option<Nondeterminism>,
    /// Virtual time that passed in all runs. This and what follows counts a seed once, though it ran twice.
    pub virtual_time: Duration,
    /// Turns of all dispatchers in all runs.
    pub turns: u64,
    /// Callbacks of all runs.
    pub callbacks: u64,
    /// How often what the program says of itself came about, in all runs together.
    pub reached: Reached,
}

/// One way in which seeds failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The lowest seed that failed so.
    pub seed: u64,
    /// What its run left behind.
    pub report: Report,
    /// How many seeds failed so.
    pub seeds: u64,
}

impl Campaign {
    /// The campaign over `seeds` that ends at the first failure, on as many threads as the machine runs at once.
    pub fn new(seeds: Range<u64>) -> Campaign {
        let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Campaign { seeds, jobs, check: false, stop_at_first: true, priorities: None, time: None }
    }

    /// Runs the seeds of `scenario`.
    pub fn explore(&self, scenario: &Scenario) -> Findings {
        self.explore_with(&|choices, telling| scenario.run(choices, telling), &unwatched)
    }

    /// Runs the seeds by `run`. `progress` is told of each, in the order of the seeds; it holds up all threads. If it
    /// breaks off, that seed is the last one that is counted.
    pub(crate) fn explore_with(&self, run: Run<'_>, progress: Watch<'_>) -> Findings {
        let desk = Mutex::new(Desk {
            campaign: self,
            to_run: self.seeds.clone(),
            next_counted: self.seeds.start,
            ended_by: None,
            waiting: BTreeMap::new(),
            ends_at: self.time.and_then(|time| wall_clock().checked_add(time)),
            findings: Findings::default(),
        });
        let desk_of = || desk.lock().expect("nothing panics at the desk");
        let run_next = || {
            let seed = desk_of().take()?;
            let ran = self.run_seed(seed, run);
            desk_of().deliver(seed, ran, progress);
            Some(())
        };
        // Alone: what the first run leaves behind in the process would be lost among the runs of other threads.
        run_next();
        let work = || while run_next().is_some() {};
        thread::scope(|scope| {
            for _ in 1..self.jobs.get() {
                scope.spawn(work);
            }
            work();
        });
        desk.into_inner().expect("nothing panics at the desk").findings
    }

    fn run_seed(&self, seed: u64, run: Run<'_>) -> Ran {
        let choices = match self.priorities {
            None => Choices::Seeded(seed),
            Some(changes) => Choices::Prioritised { seed, changes },
        };
        // What the first run of all leaves behind in the process can be seen in that run alone: it is watched.
        let (mut report, nondeterminism) = if seed == self.seeds.start {
            run_twice(run, &choices)
        } else {
            let report = run(&choices, Telling::Silent);
            let twice = self.check || !report.verdict.is_passed();
            let found = if twice { compare(run, &choices, &report) } else { None };
            (report, found)
        };
        if report.verdict.is_passed() {
            // Thousands of picks which nobody will ask for, while the seed waits for slower ones before it.
            report.unusual = Vec::new();
        }
        Ran { report, nondeterminism }
    }
}

/// The campaign's own clock, for its budget: no run sees it.
#[expect(clippy::disallowed_methods, reason = "a budget of wall time")]
fn wall_clock() -> Instant {
    Instant::now()
}

/// Who is told of each seed, and may break the campaign off.
pub(crate) type Watch<'a> = &'a (dyn Fn(&Counted<'_>) -> ControlFlow<()> + Sync);

/// Watches a campaign that nobody looks at.
pub(crate) fn unwatched(_: &Counted<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A seed that was counted.
pub(crate) struct Counted<'a> {
    pub(crate) seed: u64,
    pub(crate) report: &'a Report,
    pub(crate) nondeterminism: Option<&'a Nondeterminism>,
    /// With this seed in them.
    pub(crate) findings: &'a Findings,
}

/// One seed's run.
struct Ran {
    report: Report,
    nondeterminism: Option<Nondeterminism>,
}

impl Ran {
    fn is_remarkable(&self) -> bool {
        self.nondeterminism.is_some() || !self.report.verdict.is_passed()
    }
}

/// Where threads take seeds and bring runs. What it counts, it counts in the order of the seeds.
struct Desk<'a> {
    campaign: &'a Campaign,
    to_run: Range<u64>,
    next_counted: u64,
    /// The lowest seed known to end the campaign. Lower ones may still be running.
    ended_by: Option<u64>,
    /// Runs of seeds that are not counted yet, because a lower one is not.
    waiting: BTreeMap<u64, Ran>,
    /// When no further seed is begun.
    ends_at: Option<Instant>,
    findings: Findings,
}

impl Desk<'_> {
    fn take(&mut self) -> Option<u64> {
        // Seeds are handed out in order, so every seed below the one that ends the campaign has been.
        let is_over = self.ended_by.is_some() || self.ends_at.is_some_and(|at| wall_clock() >= at);
        if is_over { None } else { self.to_run.next() }
    }

    fn deliver(&mut self, seed: u64, ran: Ran, progress: Watch<'_>) {
        if self.campaign.stop_at_first && ran.is_remarkable() {
            self.ended_by = Some(self.ended_by.map_or(seed, |lowest| lowest.min(seed)));
        }
        self.waiting.insert(seed, ran);
        while self.ended_by.is_none_or(|last| self.next_counted <= last) {
            let Some(ran) = self.waiting.remove(&self.next_counted) else { return };
            let seed = self.next_counted;
            self.next_counted += 1;
            self.findings.count(seed, &ran);
            let Ran { report, nondeterminism } = &ran;
            let nondeterminism = nondeterminism.as_ref();
            if progress(&Counted { seed, report, nondeterminism, findings: &self.findings }).is_break() {
                self.ended_by = Some(seed);
            }
        }
    }
}

impl Findings {
    /// These and the findings of later seeds.
    pub(crate) fn and(mut self, later: Findings) -> Findings {
        self.passed += later.passed;
        self.failed += later.failed;
        self.nondeterminism = self.nondeterminism.or(later.nondeterminism);
        self.virtual_time += later.virtual_time;
        self.turns += later.turns;
        self.callbacks += later.callbacks;
        self.reached.and(&later.reached);
        for failure in later.failures {
            let signature = failure.report.verdict.signature();
            match self.failures.iter_mut().find(|known| known.report.verdict.signature() == signature) {
                Some(known) => known.seeds += failure.seeds,
                None => self.failures.push(failure),
            }
        }
        self
    }

    /// How many seeds were run.
    pub fn seeds(&self) -> u64 {
        self.passed + self.failed
    }

    fn count(&mut self, seed: u64, ran: &Ran) {
        let Ran { report, nondeterminism } = ran;
        self.virtual_time += report.virtual_time;
        self.turns += report.turns;
        self.callbacks += report.callbacks;
        self.reached.and(&report.reached);
        self.nondeterminism = self.nondeterminism.take().or_else(|| nondeterminism.clone());
        if report.verdict.is_passed() {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.count_failure(seed, report);
        }
    }

    fn count_failure(&mut self, seed: u64, report: &Report) {
        let signature = report.verdict.signature();
        match self.failures.iter_mut().find(|failure| failure.report.verdict.signature() == signature) {
            Some(failure) => failure.seeds += 1,
            None => self.failures.push(Failure { seed, report: report.clone(), seeds: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::verdict::Verdict;

    fn campaign(seeds: Range<u64>, jobs: usize) -> Campaign {
        Campaign { jobs: NonZeroUsize::new(jobs).expect("at least one job"), ..Campaign::new(seeds) }
    }

    /// Fails at the seeds for which `fails` is true, after a while that differs from seed to seed.
    fn failing_at(fails: impl Fn(u64) -> bool + Sync) -> impl Fn(&Choices, Telling) -> Report + Sync {
        move |choices, telling| {
            let seed = choices.seed();
            // The lower the seed, the longer it takes, so that threads overtake each other.
            for _ in 0..200_u64.saturating_sub(seed) {
                thread::yield_now();
            }
            let verdict =
                if fails(seed) { toy::failed(&format!("seed {seed} fails")) } else { Verdict::Passed };
            toy::run(choices, telling, |_| verdict)
        }
    }

    #[test]
    fn the_lowest_failure_is_found_whatever_the_threads_do() {
        let run = failing_at(|seed| seed % 10 == 7 && seed > 120);
        for jobs in [1, 2, 3, 8] {
            let findings = campaign(100..1000, jobs).explore_with(&run, &unwatched);
            assert_eq!((findings.passed, findings.failed, findings.seeds()), (27, 1, 28), "with {jobs} jobs");
            assert_eq!(findings.failures[0].seed, 127);
            assert_eq!(findings.virtual_time, Duration::from_secs(28 * 2));
            assert_eq!((findings.turns, findings.callbacks), (28 * 10, 28 * 100));
            assert_eq!(findings.nondeterminism, None);
        }
    }

    #[test]
    fn all_seeds_are_run_if_asked_and_failures_are_told_once_a_kind() {
        let run = |choices: &Choices, telling: Telling| {
            let seed = choices.seed();
            let verdict = match seed {
                20.. => toy::failed("too high"),
                _ if seed % 5 == 3 => toy::failed(&format!("{seed} is 3 more than a multiple of 5")),
                _ => Verdict::Passed,
            };
            toy::run(choices, telling, |_| verdict)
        };
        for jobs in [1, 4] {
            let all = Campaign { stop_at_first: false, ..campaign(0..30, jobs) };
            let findings = all.explore_with(&run, &unwatched);
            assert_eq!((findings.passed, findings.failed), (16, 14));
            let kinds: Vec<_> =
                findings.failures.iter().map(|failure| (failure.seed, failure.seeds)).collect();
            assert_eq!(kinds, [(3, 4), (20, 10)]);
        }
    }

    #[test]
    fn progress_counts_seeds_in_order() {
        let last = AtomicU64::new(0);
        let progress = |counted: &Counted<'_>| {
            let before = last.fetch_add(1, Ordering::Relaxed);
            assert_eq!((counted.seed, counted.findings.seeds()), (before, before + 1));
            ControlFlow::Continue(())
        };
        let findings = campaign(0..300, 4).explore_with(&failing_at(|_| false), &progress);
        assert_eq!((findings.passed, last.into_inner()), (300, 300));
    }

    #[test]
    fn the_first_seed_and_failures_run_twice_and_with_check_all_do() {
        let runs = AtomicU64::new(0);
        let counted = |choices: &Choices, telling: Telling| {
            runs.fetch_add(1, Ordering::Relaxed);
            failing_at(|seed| seed == 204)(choices, telling)
        };
        campaign(200..300, 1).explore_with(&counted, &unwatched);
        assert_eq!(runs.swap(0, Ordering::Relaxed), 5 + 2);

        Campaign { check: true, ..campaign(200..204, 1) }.explore_with(&counted, &unwatched);
        assert_eq!(runs.into_inner(), 8);
    }

    #[test]
    fn a_seed_whose_runs_differ_ends_the_campaign() {
        let runs = AtomicU64::new(0);
        let leaky = |choices: &Choices, telling: Telling| {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            let mut report = toy::run(choices, telling, |_| Verdict::Passed);
            if choices.seed() >= 5 {
                report.hash = u128::from(run);
            }
            report
        };
        let findings = Campaign { check: true, ..campaign(0..100, 1) }.explore_with(&leaky, &unwatched);
        let found = findings.nondeterminism.as_ref().expect("seed 5 is run twice");
        let outcomes = [("passed".to_owned(), 10), ("passed".to_owned(), 11)];
        assert_eq!((found.seed, [&found.first, &found.second]), (5, outcomes.each_ref()));
        assert_eq!((findings.seeds(), findings.failures.len()), (6, 0));
    }

    #[test]
    fn who_is_told_of_seeds_can_break_off() {
        for jobs in [1, 4] {
            let until_40 = |counted: &Counted<'_>| match counted.seed {
                40 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            let findings = campaign(0..300, jobs).explore_with(&failing_at(|_| false), &until_40);
            assert_eq!(findings.seeds(), 41, "with {jobs} jobs");
        }
    }

    #[test]
    fn no_seeds_is_no_findings() {
        let findings = campaign(5..5, 2).explore_with(&failing_at(|_| true), &unwatched);
        assert_eq!(findings.seeds(), 0);
    }
}
