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
//! let read = |called_at, value| Operation { process: 2, called_at, answered: Some((called_at + 1, value)), call: None };
//!
//! // The write may take effect at any time from 0 to 9, but only once.
//! assert!(check(&Register, &[write.clone(), read(2, 0), read(4, 7)]).is_ok());
//! assert!(check(&Register, &[write, read(2, 7), read(4, 0)]).is_err());
//! ```

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use events::{Bits, Events};

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

/// A depth-first search for an order. Each level has chosen one more operation.
struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Operation<M::Call, M::Answer>],
    /// Calls and answers of the answered operations that are not chosen yet.
    events: Events,
    /// The operations that were never answered, first called first.
    lost: Vec<usize>,
    state: M::State,
    chosen: Bits,
    /// The choices made, each with the state before it.
    path: Vec<(Candidate, M::State)>,
    /// Configurations that the search has left for good. A configuration on the path needs no entry, as choices only
    /// add up.
    dead: BTreeMap<M::State, BTreeSet<Box<[u64]>>>,
    best: Option<Best<M::State>>,
}

/// What may be tried next: first the answered operations, as something must explain them anyway; then the lost ones.
#[derive(Clone, Copy)]
enum Candidate {
    /// The operation whose call is this event; at an answer, there is none left.
    Event(usize),
    /// The operation at this place in [`Search::lost`].
    Lost(usize),
}

struct Best<S> {
    unexplained: usize,
    violation: Violation<S>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a [Operation<M::Call, M::Answer>]) -> Self {
        let mut lost: Vec<usize> =
            (0..history.len()).filter(|&index| history[index].answered.is_none()).collect();
        lost.sort_by_key(|&index| history[index].called_at);
        Search {
            model,
            history,
            events: Events::new(history),
            lost,
            state: model.initial(),
            chosen: Bits::new(history.len()),
            path: Vec::with_capacity(history.len()),
            dead: BTreeMap::new(),
            best: None,
        }
    }

    /// Ends because each round chooses an operation, of which there are finitely many, or rules one out for good.
    fn run(mut self, steps_max: u64) -> Result<(), Unlinearizable<M::State>> {
        let mut steps = 0;
        let mut candidate = self.first_candidate();
        // Once all answers are explained, nothing demands the operations that have none.
        while !self.events.is_empty() {
            if let Some((found, operation)) = self.find(candidate) {
                steps += 1;
                if steps > steps_max {
                    return Err(Unlinearizable::Undecided { steps: steps_max });
                }
                let chose = self.choose(found, operation);
                candidate = if chose { self.first_candidate() } else { self.after(found) };
            } else {
                match self.take_back() {
                    Some(failed) => candidate = self.after(failed),
                    None => return Err(Unlinearizable::Violation(self.violation())),
                }
            }
        }
        Ok(())
    }

    fn first_candidate(&self) -> Candidate {
        Candidate::Event(self.events.first())
    }

    fn after(&self, candidate: Candidate) -> Candidate {
        match candidate {
            Candidate::Event(event) => Candidate::Event(self.events.next(event)),
            Candidate::Lost(place) => Candidate::Lost(place + 1),
        }
    }

    /// The first operation from `candidate` on that was called before the next answer, and its place.
    fn find(&self, candidate: Candidate) -> Option<(Candidate, usize)> {
        let from = match candidate {
            Candidate::Event(event) => match Events::called_at(event) {
                Some(operation) => return Some((candidate, operation)),
                None => 0,
            },
            Candidate::Lost(place) => place,
        };
        let place = (from..self.lost.len()).find(|&place| !self.chosen.contains(self.lost[place]))?;
        let operation = self.lost[place];
        let in_time = self.history[operation].called_at <= self.next_answer_at();
        in_time.then_some((Candidate::Lost(place), operation))
    }

    fn next_answer_at(&self) -> u64 {
        let (answered_at, _) =
            self.history[self.events.next_answered()].answered.as_ref().expect("it has an answer event");
        *answered_at
    }

    /// Puts `operation` next, if its answer fits and the search has not been there before.
    fn choose(&mut self, candidate: Candidate, operation: usize) -> bool {
        let Operation { call, answered, .. } = &self.history[operation];
        let answer = answered.as_ref().map(|(_, answer)| answer);
        let Some(next) = self.model.accepts(&self.state, call, answer) else { return false };
        self.chosen.flip(operation);
        if self.dead.get(&next).is_some_and(|dead| dead.contains(self.chosen.words())) {
            self.chosen.flip(operation);
            return false;
        }
        self.path.push((candidate, std::mem::replace(&mut self.state, next)));
        if answer.is_some() {
            self.events.lift(operation);
        }
        true
    }

    /// Takes the last choice back for good; which it was, or `None` if there is none left.
    fn take_back(&mut self) -> Option<Candidate> {
        self.remember_if_best();
        let (candidate, before) = self.path.pop()?;
        let left = std::mem::replace(&mut self.state, before);
        self.dead.entry(left).or_default().insert(self.chosen.words().into());
        let operation = self.operation(candidate);
        self.chosen.flip(operation);
        if let Candidate::Event(_) = candidate {
            self.events.put_back(operation);
        }
        Some(candidate)
    }

    fn operation(&self, candidate: Candidate) -> usize {
        match candidate {
            Candidate::Event(event) => Events::called_at(event).expect("only calls are chosen"),
            Candidate::Lost(place) => self.lost[place],
        }
    }

    /// The best order explains the most answers, and needs the fewest operations that have none for it.
    fn remember_if_best(&mut self) {
        let unexplained = self.events.operations;
        let merit = (unexplained, self.path.len());
        if self.best.as_ref().is_some_and(|best| (best.unexplained, best.violation.prefix.len()) <= merit) {
            return;
        }
        let prefix = self.path.iter().map(|&(candidate, _)| self.operation(candidate)).collect();
        let violation = Violation { prefix, state: self.state.clone(), stuck: self.stuck() };
        self.best = Some(Best { unexplained, violation });
    }

    fn stuck(&self) -> Vec<usize> {
        let due = self.events.next_answered();
        let mut stuck = vec![due];
        let mut candidate = self.first_candidate();
        while let Some((found, operation)) = self.find(candidate) {
            if operation != due {
                stuck.push(operation);
            }
            candidate = self.after(found);
        }
        stuck
    }

    fn violation(self) -> Violation<M::State> {
        self.best.expect("every choice that is taken back was compared").violation
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A register with an addition that answers the sum.
    struct Counter;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Call {
        Write(i8),
        Add(i8),
        Read,
    }

    impl Model for Counter {
        type State = i8;
        type Call = Call;
        type Answer = i8;

        fn initial(&self) -> i8 {
            0
        }

        fn accepts(&self, state: &i8, call: &Call, answer: Option<&i8>) -> Option<i8> {
            let next = match call {
                Call::Write(value) => *value,
                Call::Add(delta) => state.wrapping_add(*delta),
                Call::Read => *state,
            };
            answer.is_none_or(|answer| *answer == next).then_some(next)
        }
    }

    type History = Vec<Operation<Call, i8>>;

    fn answered(process: u64, times: (u64, u64), call: Call, answer: i8) -> Operation<Call, i8> {
        Operation { process, called_at: times.0, answered: Some((times.1, answer)), call }
    }

    fn lost(process: u64, called_at: u64, call: Call) -> Operation<Call, i8> {
        Operation { process, called_at, answered: None, call }
    }

    fn violation(history: &History) -> Violation<i8> {
        match check(&Counter, history) {
            Err(Unlinearizable::Violation(violation)) => violation,
            other => panic!("expected a violation: {other:?}"),
        }
    }

    /// Tries every order, one choice after the other.
    fn brute_force(history: &History, state: i8, chosen: u32) -> bool {
        let open = || (0..history.len()).filter(|index| chosen & 1 << index == 0);
        let due = open().filter_map(|index| history[index].answered.map(|(at, _)| at)).min();
        let Some(due) = due else { return true };
        let mut candidates = open().filter(|&index| history[index].called_at <= due);
        candidates.any(|index| {
            let Operation { call, answered, .. } = &history[index];
            Counter
                .accepts(&state, call, answered.as_ref().map(|(_, answer)| answer))
                .is_some_and(|next| brute_force(history, next, chosen | 1 << index))
        })
    }

    fn any_operation() -> impl Strategy<Value = Operation<Call, i8>> {
        let call =
            prop_oneof![(0i8..3).prop_map(Call::Write), (1i8..3).prop_map(Call::Add), Just(Call::Read)];
        let answer = proptest::option::weighted(0.8, (0u64..6, 0i8..4));
        (call, 0u64..12, answer, 0u64..3).prop_map(|(call, called_at, answer, process)| {
            let answered = answer.map(|(wait, answer)| match call {
                Call::Write(value) => (called_at + wait, value),
                _ => (called_at + wait, answer),
            });
            Operation { process, called_at, answered, call }
        })
    }

    /// A history that some order explains: each operation takes effect at one point of its interval.
    fn linearizable_history() -> impl Strategy<Value = History> {
        let call =
            prop_oneof![any::<i8>().prop_map(Call::Write), any::<i8>().prop_map(Call::Add), Just(Call::Read)];
        proptest::collection::vec((call, 0u64..8, 0u64..8, 0u8..10), 0..40).prop_map(|calls| {
            let mut state = 0;
            let one_after_the_other =
                calls.into_iter().enumerate().map(|(index, (call, early, late, luck))| {
                    let effect_at = 10 + 2 * index as u64;
                    state = Counter.accepts(&state, &call, None).expect("without an answer all is accepted");
                    let answered = (luck > 0).then_some((effect_at + late, state));
                    Operation { process: index as u64, called_at: effect_at - early, answered, call }
                });
            let mut history: History = one_after_the_other.collect();
            history.reverse();
            history
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_trying_every_order(history in proptest::collection::vec(any_operation(), 0..8)) {
            let found = check(&Counter, &history);
            prop_assert_eq!(found.is_ok(), brute_force(&history, 0, 0));
            if let Err(Unlinearizable::Violation(violation)) = found {
                let mut state = 0;
                for &index in &violation.prefix {
                    let Operation { call, answered, .. } = &history[index];
                    let answer = answered.as_ref().map(|(_, answer)| answer);
                    state = Counter.accepts(&state, call, answer).expect("the prefix is explained");
                }
                prop_assert_eq!(state, violation.state);
                prop_assert!(violation.stuck.iter().all(|stuck| !violation.prefix.contains(stuck)));
            }
        }

        #[test]
        fn what_has_an_order_passes(history in linearizable_history()) {
            prop_assert_eq!(check(&Counter, &history), Ok(()));
        }
    }

    #[test]
    fn an_empty_history_passes() {
        assert_eq!(check(&Counter, &[]), Ok(()));
        assert_eq!(check(&Counter, &[lost(1, 0, Call::Write(1))]), Ok(()));
    }

    #[test]
    fn a_lost_call_may_take_effect_late_or_never_but_not_twice() {
        let read = |at, value| answered(2, (at, at), Call::Read, value);
        let add = lost(1, 0, Call::Add(1));
        assert_eq!(check(&Counter, &[add.clone(), read(5, 0), read(9, 0)]), Ok(()));
        assert_eq!(check(&Counter, &[add.clone(), read(5, 0), read(9, 1)]), Ok(()));
        assert_eq!(violation(&vec![add, read(5, 0), read(9, 2)]).stuck, [2, 0]);
    }

    #[test]
    fn the_explanation_shows_what_fits_and_what_does_not() {
        let history = vec![
            answered(1, (0, 3), Call::Add(2), 2),
            answered(2, (1, 4), Call::Add(2), 4),
            answered(1, (5, 6), Call::Read, 2),
            lost(3, 2, Call::Write(9)),
        ];
        let violation = violation(&history);
        assert_eq!(
            (&violation.prefix[..], violation.state, &violation.stuck[..]),
            (&[0, 1][..], 4, &[2, 3][..])
        );
        let expected = "no order explains all answers; 2 operations fit in this order:
  0..3 process 1: Add(2) -> 2
  1..4 process 2: Add(2) -> 4
then the state is 4, and no order of these explains the next answer:
  5..6 process 1: Read -> 2
  2.. process 3: Write(9), never answered
";
        assert_eq!(violation.explain(&history), expected);
    }

    #[test]
    fn a_hopeless_search_gives_up() {
        let mut history: History =
            (0..30).map(|process| lost(process, 0, Call::Add(1 << (process % 7)))).collect();
        history.push(answered(99, (50, 51), Call::Write(0), 1));
        let steps = 1000;
        assert_eq!(check_within(&Counter, &history, steps), Err(Unlinearizable::Undecided { steps }));
    }

    #[test]
    fn a_long_history_needs_no_deep_stack() {
        let history: History =
            (0..20_000).map(|at| answered(at % 3, (10 * at, 10 * at + 15), Call::Write(1), 1)).collect();
        assert_eq!(check(&Counter, &history), Ok(()));
    }

    #[test]
    #[should_panic(expected = "operation 0 was answered before it was called")]
    fn time_runs_forwards() {
        let _ = check(&Counter, &[answered(1, (2, 1), Call::Read, 0)]);
    }
}
