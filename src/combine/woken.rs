//! Which of many children were woken: each has a waker of its own, so that a wake leads to one poll and not to as many as
//! there are children. It does not know what a child is but by its number.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The children's wakers, and who was woken since the last look.
pub(super) struct Woken {
    wakers: Vec<Waker>,
    state: Arc<Shared>,
    /// Those of the last look who were not polled yet, highest number first.
    seen: Vec<usize>,
}

/// What wakers share. They may be used from any thread.
struct Shared(Mutex<State>);

struct State {
    /// Each at most once.
    woken: Vec<usize>,
    is_woken: Vec<bool>,
    /// Who polls the children, until the first wake.
    parent: Option<Waker>,
}

impl Woken {
    /// `count` children, none of which was polled yet: all count as woken.
    pub(super) fn all(count: usize) -> Woken {
        let state = State { woken: (0..count).collect(), is_woken: vec![true; count], parent: None };
        let state = Arc::new(Shared(Mutex::new(state)));
        let child = |number| Waker::from(Arc::new(Child { number, state: Arc::clone(&state) }));
        Woken { wakers: (0..count).map(child).collect(), state, seen: Vec::with_capacity(count) }
    }

    /// Notes who was woken since the last look, for [`Woken::next`]. From now on a wake of a child wakes `context`'s task.
    pub(super) fn look(&mut self, context: &Context<'_>) {
        self.seen.clear();
        // Cloning and dropping a waker is anyone's code: no lock is held.
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        let before = state.parent.replace(waker);
        mem::swap(&mut state.woken, &mut self.seen);
        for &child in &self.seen {
            state.is_woken[child] = false;
        }
        drop(state);
        drop(before);
        self.seen.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The next of those who were woken, lowest number first, and the waker to poll it with.
    pub(super) fn next(&mut self) -> Option<(usize, &Waker)> {
        let child = self.seen.pop()?;
        Some((child, &self.wakers[child]))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a child is polled with.
struct Child {
    number: usize,
    state: Arc<Shared>,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if mem::replace(&mut state.is_woken[self.number], true) {
            return;
        }
        state.woken.push(self.number);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A parent that counts how often it is woken.
    #[derive(Default)]
    struct Parent(AtomicUsize);

    impl Wake for Parent {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn look(woken: &mut Woken, parent: &Arc<Parent>) -> Vec<usize> {
        woken.look(&Context::from_waker(&Arc::clone(parent).into()));
        iter::from_fn(|| woken.next().map(|(child, _)| child)).collect()
    }

    #[test]
    fn wakes_of_any_thread_merge_until_the_next_look() {
        let (mut woken, parent) = (Woken::all(8), Arc::new(Parent::default()));
        assert_eq!(look(&mut woken, &parent), [0, 1, 2, 3, 4, 5, 6, 7], "none was polled yet");
        for round in 1..=2 {
            std::thread::scope(|scope| {
                let wakers = &woken.wakers;
                for _ in 0..2 {
                    scope.spawn(move || {
                        [6, 1, 3, 1].iter().for_each(|&child: &usize| wakers[child].wake_by_ref())
                    });
                }
            });
            assert_eq!(parent.0.load(Ordering::Relaxed), round, "the first wake tells the parent");
            assert_eq!(look(&mut woken, &parent), [1, 3, 6]);
        }
        assert_eq!(look(&mut woken, &parent), []);
    }
}
