//! Other ways to look for a failure than seed after seed: all runs with few faults, and runs that go on from where
//! something new happened. They know runs as a function from choices to reports.
//!
//! Both decide on several runs at a time, which any number of threads make, and look at them in the order in which
//! they decided: what they find does not depend on the threads.

pub(crate) mod exhaustive;
pub(crate) mod guided;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::campaign::Run;
use crate::choice::Choices;
use crate::story::Telling;
use crate::verdict::Report;

pub use exhaustive::{Bounds, LeftOut, exhaust};
pub use guided::guide;

/// What a search came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Searched {
    /// How many runs it made. With a failure, those before it and its own.
    pub runs: u64,
    /// The first failure, with the seed that its picks belong to; it is shrunk as that of a seed.
    pub failure: Option<(u64, Report)>,
    /// Whether there is nothing left to try.
    pub is_complete: bool,
    /// What the bounds of an exhaustive search have kept it from.
    pub left_out: LeftOut,
}

/// The runs of a search: how they are made, and who is told how many there are and may end it.
#[derive(Clone, Copy)]
pub(crate) struct Runs<'a> {
    pub(crate) run: Run<'a>,
    /// How many threads make them.
    pub(crate) jobs: NonZeroUsize,
    pub(crate) progress: &'a dyn Fn(u64) -> ControlFlow<()>,
}

impl Runs<'_> {
    /// On as many threads as the machine runs at once, watched by nobody.
    pub(crate) fn of(run: Run<'_>) -> Runs<'_> {
        let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Runs { run, jobs, progress: &|_| ControlFlow::Continue(()) }
    }

    /// A probed run for each of `choices`, in their order.
    fn make(&self, choices: &[Choices]) -> Vec<Report> {
        let next = AtomicUsize::new(0);
        let made = Mutex::new(Vec::with_capacity(choices.len()));
        let work = || {
            while let Some((at, choices)) = take(&next, choices) {
                let report = (self.run)(choices, Telling::Probed);
                made.lock().expect("nothing panics while it puts down").push((at, report));
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs.get().min(choices.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut made = made.into_inner().expect("nothing panics while it puts down");
        made.sort_unstable_by_key(|(at, _)| *at);
        made.into_iter().map(|(_, report)| report).collect()
    }
}

fn take<'a>(next: &AtomicUsize, choices: &'a [Choices]) -> Option<(usize, &'a Choices)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, choices.get(at)?))
}
