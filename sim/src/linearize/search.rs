//! The search for an order. It prefers that of the history, and remembers where orders lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{Bits, Events};
use super::{Model, Operation, Unlinearizable, Violation};

/// A depth-first search for an order. Each level has chosen one more operation.
pub(super) struct Search<'a, M: Model> {
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
    pub(super) fn new(model: &'a M, history: &'a [Operation<M::Call, M::Answer>]) -> Self {
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
    pub(super) fn run(mut self, steps_max: u64) -> Result<(), Unlinearizable<M::State>> {
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
