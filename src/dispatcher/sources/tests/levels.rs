//! Foreign sources on a naive kernel that knows levels: what is called must be what a level-triggered selector would tell.

use std::panic::Location;

use proptest::prelude::*;

use super::{INTERESTS, callback, event, interests, set_of};
use crate::dispatcher::Interest;
use crate::dispatcher::sources::{Due, Sources};
use crate::driver::{Fd, Readiness};
use crate::table::Key;

/// How many sources there are.
const SOURCES: usize = 3;

/// What a called watcher does.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    Nothing,
    /// It takes all there is.
    Drain,
    Leave,
    /// It removes the watchers of both directions.
    LeaveBoth,
    /// Another watcher takes its place.
    Replace,
}

#[derive(Clone, Debug)]
enum Step {
    Ready(usize, Interest, bool),
    Watch(usize, Interest),
    Unwatch(usize, Interest),
    /// One turn, with the reactions of those who are called, in their order.
    Turn(Vec<Reaction>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Reaction::{Drain, Leave, LeaveBoth, Nothing, Replace};
    let reactions = proptest::sample::select(vec![Nothing, Nothing, Drain, Leave, LeaveBoth, Replace]);
    let which = || 0..SOURCES;
    let readiness = (which(), interests(), any::<bool>());
    let step = prop_oneof![
        4 => readiness.prop_map(|(which, interest, ready)| Step::Ready(which, interest, ready)),
        4 => (which(), interests()).prop_map(|(which, interest)| Step::Watch(which, interest)),
        1 => (which(), interests()).prop_map(|(which, interest)| Step::Unwatch(which, interest)),
        3 => proptest::collection::vec(reactions, 2 * SOURCES).prop_map(Step::Turn),
    ];
    proptest::collection::vec(step, 0..100)
}

/// As epoll is: an edge for what becomes ready while it is watched, and for what is ready when it is watched anew.
#[derive(Default)]
struct Kernel {
    ready: [[bool; 2]; SOURCES],
    watched: [Readiness; SOURCES],
    edges: [bool; SOURCES],
}

impl Kernel {
    fn set_ready(&mut self, which: usize, interest: Interest, ready: bool) {
        let was_ready = std::mem::replace(&mut self.ready[which][interest as usize], ready);
        self.edges[which] |= ready && !was_ready && self.would_tell(which, interest);
    }

    fn rewatch(&mut self, fd: Fd, interest: Readiness) {
        let which = fd.key().index();
        self.watched[which] = interest;
        self.edges[which] = INTERESTS.into_iter().any(|interest| self.would_tell(which, interest));
    }

    fn would_tell(&self, which: usize, interest: Interest) -> bool {
        self.ready[which][interest as usize] && self.watched[which].intersects(interest.readiness())
    }

    /// The next edge, with all that is ready then.
    fn next_edge(&mut self) -> Option<(usize, Readiness)> {
        let which = self.edges.iter().position(|edge| *edge)?;
        self.edges[which] = false;
        let told = INTERESTS.into_iter().filter(|interest| self.would_tell(which, *interest));
        Some((which, set_of(told.map(Interest::readiness))))
    }
}

/// The latch on its kernel, as the dispatcher puts them together.
struct Loop {
    sources: Sources,
    kernel: Kernel,
}

fn fd(which: usize) -> Fd {
    Fd::from_key(Key::new(which, 0))
}

impl Loop {
    fn new() -> Loop {
        let mut sources = Sources::default();
        (0..SOURCES).for_each(|which| sources.open_foreign(fd(which)));
        Loop { sources, kernel: Kernel::default() }
    }

    fn watch(&mut self, which: usize, interest: Interest) {
        if let Ok(due) = self.sources.watch(fd(which), interest, callback(0), Location::caller()) {
            let Due::Asked(watched) = due else { panic!("a foreign source is never due unasked: {due:?}") };
            self.kernel.rewatch(fd(which), watched);
        }
    }

    /// What a level-triggered selector would tell: what is ready and has a watcher.
    fn levels(&self) -> Vec<(usize, Interest)> {
        let all = (0..SOURCES).flat_map(|which| INTERESTS.map(|interest| (which, interest)));
        let is_level = |(which, interest): &(usize, Interest)| {
            let source = self.sources.get(fd(*which)).expect("it is open");
            self.kernel.ready[*which][*interest as usize] && source.watched().intersects(interest.readiness())
        };
        all.filter(is_level).collect()
    }

    /// Asks about what is stale, then polls: what is queued.
    fn poll(&mut self) -> Vec<(usize, Interest)> {
        while let Some((fd, watched)) = self.sources.take_stale() {
            self.kernel.rewatch(fd, watched);
        }
        let mut queue = Vec::new();
        while let Some((which, told)) = self.kernel.next_edge() {
            let due = self.sources.note(event(fd(which), told));
            let due = INTERESTS.into_iter().zip(due).filter(|(_, due)| due.is_some());
            queue.extend(due.map(|(interest, _)| (which, interest)));
        }
        queue
    }

    fn react(&mut self, which: usize, interest: Interest, reaction: Reaction) {
        match reaction {
            Reaction::Nothing => {}
            Reaction::Drain => self.kernel.set_ready(which, interest, false),
            Reaction::Leave => _ = self.sources.unwatch(fd(which), interest),
            Reaction::LeaveBoth => {
                for interest in INTERESTS {
                    self.sources.unwatch(fd(which), interest);
                }
            }
            Reaction::Replace => {
                self.sources.unwatch(fd(which), interest);
                self.watch(which, interest);
            }
        }
    }

    fn turn(&mut self, reactions: Vec<Reaction>) -> Result<(), TestCaseError> {
        let mut expected = self.levels();
        let mut called = Vec::new();
        let mut reactions = reactions.into_iter();
        for (which, interest) in self.poll() {
            if self.sources.take_turn(fd(which), interest).is_none() {
                continue;
            }
            called.push((which, interest));
            let reaction = reactions.next().expect("there is one for each direction");
            self.react(which, interest, reaction);
            prop_assert!(self.sources.still_due(fd(which), interest).is_none());
            if matches!((interest, reaction), (Interest::Read, Reaction::LeaveBoth)) {
                expected.retain(|direction| *direction != (which, Interest::Write));
            }
        }
        prop_assert_eq!(called, expected);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// R70, R75: in each turn those directions are called that are ready and watched, once each, but for those whose watcher
    /// was removed by one before.
    #[test]
    fn a_foreign_source_is_called_once_a_turn_while_it_is_ready(steps in steps()) {
        let mut turning = Loop::new();
        for step in steps {
            match step {
                Step::Ready(which, interest, ready) => turning.kernel.set_ready(which, interest, ready),
                Step::Watch(which, interest) => turning.watch(which, interest),
                Step::Unwatch(which, interest) => _ = turning.sources.unwatch(fd(which), interest),
                Step::Turn(reactions) => turning.turn(reactions)?,
            }
        }
    }
}
