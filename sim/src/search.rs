//! Other ways to look for a failure than seed after seed: all runs with few faults, and runs that go on from where something new
//! happened. They know runs as a function from choices to reports, and make one after the other.

pub(crate) mod exhaustive;
pub(crate) mod guided;

use crate::choice::Choices;
use crate::story::Telling;
use crate::verdict::Report;

pub use exhaustive::{Bounds, exhaust};
pub use guided::guide;

/// A scenario as a search knows it.
pub(crate) type ProbedRun<'a> = &'a mut dyn FnMut(&Choices, Telling) -> Report;

/// What a search came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Searched {
    /// How many runs it made.
    pub runs: u64,
    /// The first failure, with the seed that its picks belong to; it is shrunk as that of a seed.
    pub failure: Option<(u64, Report)>,
    /// Whether there is nothing left to try.
    pub is_complete: bool,
}
