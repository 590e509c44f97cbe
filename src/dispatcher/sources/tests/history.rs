//! The latch against a model that remembers all that ever happened, and derives everything from it.

use std::collections::VecDeque;
use std::panic::Location;

use proptest::prelude::*;

use super::{INTERESTS, callback, event, interests, set_of};
use crate::dispatcher::Interest;
use crate::dispatcher::sources::{Due, Refusal, Sources};
use crate::driver::{Fd, Readiness};
use crate::table::Table;

fn readinesses() -> impl Strategy<Value = Readiness> {
    let bits = [
        Readiness::READABLE,
        Readiness::WRITABLE,
        Readiness::READ_CLOSED,
        Readiness::WRITE_CLOSED,
        Readiness::ERROR,
    ];
    proptest::sample::subsequence(bits.to_vec(), 0..=2).prop_map(set_of)
}

/// What happens. Sources are named by the order in which they were opened; some are closed by then.
#[derive(Clone, Debug)]
enum Step {
    Open {
        foreign: bool,
    },
    Event(usize, Readiness),
    Watch(usize, Interest),
    Unwatch(usize, Interest),
    /// The callback that was queued first has its turn, and may find the direction drained.
    RunFirst {
        drains: bool,
    },
    Drained(usize, Interest),
    DrainedByShortCount(usize, Interest),
    AssumeReady(usize, Interest),
    AskAboutStale,
    Close(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = || 0..8_usize;
    let step = prop_oneof![
        2 => any::<bool>().prop_map(|foreign| Step::Open { foreign }),
        6 => (which(), readinesses()).prop_map(|(which, told)| Step::Event(which, told)),
        6 => (which(), interests()).prop_map(|(which, interest)| Step::Watch(which, interest)),
        3 => (which(), interests()).prop_map(|(which, interest)| Step::Unwatch(which, interest)),
        6 => any::<bool>().prop_map(|drains| Step::RunFirst { drains }),
        2 => (which(), interests()).prop_map(|(which, interest)| Step::Drained(which, interest)),
        2 => (which(), interests()).prop_map(|(which, interest)| Step::DrainedByShortCount(which, interest)),
        1 => (which(), interests()).prop_map(|(which, interest)| Step::AssumeReady(which, interest)),
        2 => Just(Step::AskAboutStale),
        1 => which().prop_map(Step::Close),
    ];
    proptest::collection::vec(step, 0..150)
}

/// All that happened to a direction, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fact {
    Told,
    Drained,
    /// Of a foreign source: whatever was told before does not count any more.
    Spent,
}

#[derive(Debug)]
struct ModelSource {
    fd: Fd,
    open: bool,
    foreign: bool,
    ended: bool,
    stale: bool,
    /// Reading, writing.
    facts: [Vec<Fact>; 2],
    watchers: [Option<usize>; 2],
}

impl ModelSource {
    fn is_latched(&self, interest: Interest) -> bool {
        self.facts[interest as usize].last() == Some(&Fact::Told)
    }

    fn is_untried(&self, interest: Interest) -> bool {
        !self.facts[interest as usize].contains(&Fact::Drained)
    }

    fn is_due(&self, interest: Interest) -> bool {
        self.open && self.is_latched(interest) && self.watchers[interest as usize].is_some()
    }

    fn add(&mut self, interest: Interest, fact: Fact) {
        self.facts[interest as usize].push(fact);
    }

    fn tell(&mut self, told: Readiness) {
        let both = told.intersects(Readiness::WRITE_CLOSED | Readiness::ERROR);
        if both || told.intersects(Readiness::READABLE | Readiness::READ_CLOSED) {
            self.add(Interest::Read, Fact::Told);
        }
        if both || told.intersects(Readiness::WRITABLE) {
            self.add(Interest::Write, Fact::Told);
        }
        self.ended |= both || told.intersects(Readiness::READ_CLOSED);
    }

    fn watched(&self) -> Readiness {
        let watched = INTERESTS.into_iter().filter(|interest| self.watchers[*interest as usize].is_some());
        set_of(watched.map(Interest::readiness))
    }
}

/// The latch, the model, and a ready queue for both.
#[derive(Default)]
struct Pair {
    sources: Sources,
    model: Vec<ModelSource>,
    keys: Table<()>,
    queue: VecDeque<(Fd, Interest)>,
    watchers_made: usize,
}

impl Pair {
    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let mut queued = Vec::new();
        let mut queue = |fd: Fd, interest, due: Option<_>| queued.extend(due.map(|_| (fd, interest)));
        let fds: Vec<Fd> = self.model.iter().map(|source| source.fd).collect();
        match step {
            Step::Open { foreign } => self.open(foreign),
            Step::Event(which, told) if which < fds.len() => {
                let [reader, writer] = self.sources.note(event(fds[which], told));
                queue(fds[which], Interest::Read, reader);
                queue(fds[which], Interest::Write, writer);
                if self.model[which].open {
                    self.model[which].tell(told);
                }
            }
            Step::Watch(which, interest) if which < fds.len() => {
                let due = self.watch(which, interest)?;
                queue(fds[which], interest, due.then_some(Location::caller()));
            }
            Step::Unwatch(which, interest) if which < fds.len() => {
                let removed = self.unwatch(which, interest);
                prop_assert_eq!(self.sources.unwatch(fds[which], interest), removed);
            }
            Step::RunFirst { drains } => {
                if let Some((fd, interest)) = self.queue.pop_front() {
                    let still_due = self.run(fd, interest, drains)?;
                    queue(fd, interest, still_due);
                }
            }
            Step::Drained(which, interest) if which < fds.len() => {
                self.sources.drained(fds[which], interest);
                self.model[which].add(interest, Fact::Drained);
            }
            Step::DrainedByShortCount(which, interest) if which < fds.len() => {
                self.sources.drained_by_short_count(fds[which], interest);
                if !self.model[which].ended {
                    self.model[which].add(interest, Fact::Drained);
                }
            }
            Step::AssumeReady(which, interest) if which < fds.len() => {
                queue(fds[which], interest, self.sources.assume_ready(fds[which], interest));
                if self.model[which].is_untried(interest) {
                    self.model[which].add(interest, Fact::Told);
                }
            }
            Step::AskAboutStale => self.ask_about_stale()?,
            Step::Close(which) if which < fds.len() => self.close(which)?,
            _ => {}
        }
        self.check(queued)
    }

    fn open(&mut self, foreign: bool) {
        let fd = Fd::from_key(self.keys.insert(()));
        if foreign {
            self.sources.open_foreign(fd)
        } else {
            self.sources.open(fd)
        }
        let (facts, watchers) = (Default::default(), Default::default());
        self.model.push(ModelSource { fd, open: true, foreign, ended: false, stale: false, facts, watchers });
    }

    fn close(&mut self, which: usize) -> Result<(), TestCaseError> {
        let source = &mut self.model[which];
        let told = self.sources.close(source.fd).into_iter().map(|(callback, _)| callback.udata);
        let watchers = if source.open { std::mem::take(&mut source.watchers) } else { [None, None] };
        prop_assert_eq!(told.collect::<Vec<_>>(), watchers.into_iter().flatten().collect::<Vec<_>>());
        source.open = false;
        self.keys.remove(source.fd.key());
        Ok(())
    }

    /// Says whether the new watcher is due at once.
    fn watch(&mut self, which: usize, interest: Interest) -> Result<bool, TestCaseError> {
        let source = &mut self.model[which];
        self.watchers_made += 1;
        let answer =
            self.sources.watch(source.fd, interest, callback(self.watchers_made), Location::caller());
        if !source.open {
            prop_assert!(matches!(answer, Err(Refusal::Closed)));
            return Ok(false);
        }
        if source.watchers[interest as usize].is_some() {
            prop_assert!(matches!(answer, Err(Refusal::Taken(_))));
            return Ok(false);
        }
        source.watchers[interest as usize] = Some(self.watchers_made);
        let due = answer.expect("the place is free");
        if source.foreign {
            source.add(interest, Fact::Spent);
            source.stale = false;
            prop_assert_eq!(&due, &Due::Asked(source.watched()));
        }
        Ok(due == Due::Now)
    }

    /// Says whether there was a watcher.
    fn unwatch(&mut self, which: usize, interest: Interest) -> bool {
        let source = &mut self.model[which];
        let removed = source.watchers[interest as usize].take().is_some();
        source.stale |= removed && source.foreign;
        removed
    }

    fn run(
        &mut self,
        fd: Fd,
        interest: Interest,
        drains: bool,
    ) -> Result<Option<&'static Location<'static>>, TestCaseError> {
        let source = self.model.iter_mut().find(|source| source.fd == fd).expect("what is queued was opened");
        let expected = source.watchers[interest as usize].filter(|_| source.is_due(interest));
        let called = self.sources.take_turn(fd, interest).map(|callback| callback.udata);
        prop_assert_eq!(called, expected);
        if called.is_none() {
            return Ok(None);
        }
        if source.foreign {
            source.add(interest, Fact::Spent);
            source.stale = true;
        } else if drains {
            self.sources.drained(fd, interest);
            source.add(interest, Fact::Drained);
        }
        Ok(self.sources.still_due(fd, interest))
    }

    fn ask_about_stale(&mut self) -> Result<(), TestCaseError> {
        let mut asked: Vec<_> = std::iter::from_fn(|| self.sources.take_stale()).collect();
        let mut expected = Vec::new();
        for source in self.model.iter_mut().filter(|source| source.open && source.stale) {
            source.stale = false;
            expected.push((source.fd, source.watched()));
        }
        asked.sort_by_key(|(fd, _)| *fd);
        expected.sort_by_key(|(fd, _)| *fd);
        prop_assert_eq!(asked, expected);
        Ok(())
    }

    /// Exactly what has become due is `queued`, once; and every question has the answer of the model.
    fn check(&mut self, queued: Vec<(Fd, Interest)>) -> Result<(), TestCaseError> {
        let mut due = Vec::new();
        for source in self.model.iter().filter(|source| source.open) {
            for interest in INTERESTS.into_iter().filter(|interest| source.is_due(*interest)) {
                due.push((source.fd, interest));
            }
        }
        let unqueued: Vec<_> =
            due.iter().filter(|direction| !self.queue.contains(direction)).copied().collect();
        prop_assert_eq!(&queued, &unqueued);
        self.queue.extend(queued);

        for source in &self.model {
            prop_assert_eq!(self.sources.is_open(source.fd), source.open);
            for interest in INTERESTS {
                let may_try = !source.open || source.is_latched(interest) || source.is_untried(interest);
                prop_assert_eq!(self.sources.may_try(source.fd, interest), may_try);
                prop_assert_eq!(self.sources.is_due(source.fd, interest), source.is_due(interest));
            }
        }
        let watchers: usize = self.model.iter().map(|source| source.watchers.iter().flatten().count()).sum();
        prop_assert_eq!(self.sources.places().count(), watchers);
        prop_assert_eq!(self.sources.is_watched(), watchers > 0);
        prop_assert_eq!(self.sources.len(), self.model.iter().filter(|source| source.open).count());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is due is queued once and what is not is not called, whatever happened before and in whatever order; a closed
    /// source answers like one that never was.
    #[test]
    fn the_latch_is_the_sum_of_what_happened(steps in steps()) {
        let mut pair = Pair::default();
        for step in steps {
            pair.take(step)?;
        }
    }
}
