//! Is a history of concurrent operations linearizable: could each have taken effect at one moment between its call and
//! its answer?
//!
//! The search is that of Wing and Gong, with Lowe's memory of configurations that lead nowhere ("Testing for
//! linearizability", 2017). It knows neither programs nor drivers: a [`Model`] says what the operations mean, and
//! times are numbers that somebody wrote down.
//!
//! ```
//! use twinloop_sim::linearize::{Model, Operation, check};
//!
//! /// A register: `Some(value)` writes, `None` reads.
//! struct Register;
//!
//! impl Model for Register {
//!     type State = u32;
//!     type Call = Option<u32>;
//!     type Answer = u32;
//!
//!     fn initial(&self) -> u32 {
//!         0
//!     }
//!
//!     fn accepts(&self, state: &u32, call: &Option<u32>, answer: Option<&u32>) -> Option<u32> {
//!         let next = call.unwrap_or(*state);
//!         answer.is_none_or(|answer| *answer == next).then_some(next)
//!     }
//! }
//!
//! let write = Operation { process: 1, called_at: 0, answered: Some((9, 7)), call: Some(7) };
//! let read = |called_at, value| {
//!     let answered = Some((called_at + 1, value));
//!     Operation { process: 2, called_at, answered, call: None }
//! };
//!
//! // The write may take effect at any time from 0 to 9, but only once.
//! assert!(check(&Register, &[write.clone(), read(2, 0), read(4, 7)]).is_ok());
//! assert!(check(&Register, &[write, read(2, 7), read(4, 0)]).is_err());
//! ```

mod events;
mod search;
#[cfg(test)]
mod tests;

use std::fmt;

use search::Search;

/// How often [`check`] asks the model before it gives up: some twenty milliseconds.
pub const STEPS_MAX: u64 = 200_000;

/// The meaning of operations, one after the other.
pub trait Model {
    /// What the operations work on. Equal states must behave alike: the search visits each only once.
    type State: Clone + Ord;
    /// What is asked.
    type Call;
    /// What is answered.
    type Answer;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `call` in `state` if that can answer `answer`, or `None` if it cannot.
    ///
    /// `answer` is `None` if nobody knows it: the call took effect and its answer was lost.
    fn accepts(
        &self,
        state: &Self::State,
        call: &Self::Call,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// Who called; for the explanation only.
    pub process: u64,
    /// When. In whatever unit, but operations that share a point in time count as concurrent: a recorder that knows
    /// the order of its events should number them.
    pub called_at: u64,
    /// When it was answered and what. `None` if it never was: it may have taken effect at any time after the call, or
    /// never.
    pub answered: Option<(u64, A)>,
    /// What was asked.
    pub call: C,
}

/// Why a history did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlinearizable<S> {
    /// No order of the operations explains the answers.
    Violation(Violation<S>),
    /// The search gave up: too many operations are concurrent, or too many were never answered.
    Undecided {
        /// How often the model was asked.
        steps: u64,
    },
}

/// The order that explains most answers, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation<S> {
    /// Operations in an order that explains them, as indexes into the history.
    pub prefix: Vec<usize>,
    /// The state after them.
    pub state: S,
    /// The operations that were called before the next answer was given, the one it was given to first. No order of
    /// them explains that answer.
    pub stuck: Vec<usize>,
}

/// Whether some order of the operations explains their answers and agrees with their times.
///
/// The order of `history` does not matter, except that the explanation prefers it.
///
/// # Errors
///
/// There is no such order, or it was not found in [`STEPS_MAX`] steps.
///
/// # Panics
///
/// If an operation was answered before it was called.
pub fn check<M: Model>(
    model: &M,
    history: &[Operation<M::Call, M::Answer>],
) -> Result<(), Unlinearizable<M::State>> {
    check_within(model, history, STEPS_MAX)
}

/// [`check`] with another bound on how often the model is asked.
///
/// # Errors
///
/// As [`check`].
///
/// # Panics
///
/// As [`check`].
pub fn check_within<M: Model>(
    model: &M,
    history: &[Operation<M::Call, M::Answer>],
    steps_max: u64,
) -> Result<(), Unlinearizable<M::State>> {
    Search::new(model, history).run(steps_max)
}

impl<S: fmt::Debug> Violation<S> {
    /// The explanation for a person: the operations that fit, in order, and those that do not.
    pub fn explain<C: fmt::Debug, A: fmt::Debug>(&self, history: &[Operation<C, A>]) -> String {
        let list = |indexes: &[usize]| -> String {
            indexes.iter().map(|&index| format!("  {}\n", history[index])).collect()
        };
        format!(
            "no order explains all answers; {} operations fit in this order:\n{}then the state is {:?}, and no order of \
             these explains the next answer:\n{}",
            self.prefix.len(),
            list(&self.prefix),
            self.state,
            list(&self.stuck),
        )
    }
}

impl<C: fmt::Debug, A: fmt::Debug> fmt::Display for Operation<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { process, called_at, call, .. } = self;
        match &self.answered {
            Some((at, answer)) => write!(f, "{called_at}..{at} process {process}: {call:?} -> {answer:?}"),
            None => write!(f, "{called_at}.. process {process}: {call:?}, never answered"),
        }
    }
}
