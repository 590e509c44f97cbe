//! A smaller run that fails in the same way: fewer picks first, then smaller ones, then smaller inputs of the
//! scenario, then an earlier failure. It knows runs only as a function from choices to reports; the seed stays as it
//! is.
//!
//! The picks are grouped, first coarsely and then finely: by kind of site, by site, one by one. At each grain groups
//! are dropped in runs of neighbours, from half of them down to a single one, until no single group can go: the
//! minimising delta debugging of Zeller and Hildebrandt ("Simplifying and isolating failure-inducing input", 2002)
//! with its complements only, since with two halves to start from they are the subsets too.
//!
//! What is found so may be a local minimum: a pick that is left out shifts all that comes after it, so that delays
//! which mean nothing have to stay. Then other seeds are tried with one kind of site less, and what fails there is
//! made small in turn.

mod redraw;
mod search;
mod size;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;

use search::Search;

use crate::choice::{Choices, Pick};
use crate::verdict::Report;

/// What a search may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many runs it may take; the first replay is made whatever this says.
    pub runs: usize,
    /// Whether a smaller run may fail in any way. If not, it keeps the failure's
    /// [signature](crate::verdict::Verdict::signature), so that it does not slip to another bug.
    pub any_failure: bool,
}

impl Limits {
    /// So many runs, for the same failure.
    pub fn runs(runs: usize) -> Limits {
        Limits { runs, any_failure: false }
    }
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Runs so far.
    pub runs: usize,
    /// Runs that may be spent.
    pub budget_runs: usize,
    /// Picks of the smallest failure known.
    pub picks: usize,
    /// The seed and the report of the run just made, if it is the smallest failure now. Who keeps them loses nothing
    /// by an interruption.
    pub smaller: Option<(u64, &'a Report)>,
}

/// The smallest failure that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shrunk {
    /// Its seed: another one than that of the failure, where another one fails in the same way with less.
    pub seed: u64,
    /// Its picks that are not 0, in the order in which they are drawn.
    pub picks: Vec<Pick>,
    /// What its run left behind.
    pub report: Report,
    /// How many runs the search took.
    pub runs: usize,
}

/// The picks of a failure, replayed, do not fail in the same way: something else than the picks decides the run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReproduced {
    /// The verdict and the hash of the failure.
    pub wanted: (String, u128),
    /// The verdict and the hash of its replay.
    pub found: (String, u128),
}

impl fmt::Display for NotReproduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((wanted, wanted_hash), (found, found_hash)) = (&self.wanted, &self.found);
        writeln!(f, "its picks, replayed, do not give the run that they were taken from")?;
        writeln!(f, "  as found: {wanted} (hash {wanted_hash:032x})")?;
        write!(f, "  replayed: {found} (hash {found_hash:032x})")
    }
}

impl std::error::Error for NotReproduced {}

/// Searches for a smaller run that fails as `failing` did, the report of a run under `seed`.
///
/// It first replays the picks of `failing`, then tries smaller ones until nothing can go or the limit is reached.
/// `progress` is called after every run; once it breaks, the search ends with what it has. Equal arguments and a
/// deterministic `run` give an equal answer. With runs left over, no single pick of the answer can be left out, and
/// none can be lower by one or one draw earlier. Where that leaves many, or half of the runs did not suffice for it, other
/// seeds are looked at for a failure with fewer.
///
/// # Errors
///
/// [`NotReproduced`] if the replay of the picks does not fail as `failing` did.
///
/// # Panics
///
/// If `failing` passed.
pub fn shrink(
    run: &mut dyn FnMut(&Choices) -> Report,
    failing: &Report,
    seed: u64,
    limits: Limits,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Shrunk, NotReproduced> {
    assert!(!failing.verdict.is_passed(), "only a failing run can be shrunk");
    let mut search = Search::new(run, failing, seed, limits, progress);
    search.confirm()?;
    search.minimise_within(limits.runs / 2);
    search.redraw();
    search.minimise();
    let Search { seed, picks, report, runs, .. } = search;
    Ok(Shrunk { seed, picks, report, runs })
}
