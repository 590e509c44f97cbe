//! Who waits inside the program: for a lock, an item, a permit, an event. FIFO queues of waits, each with the place where
//! it was asked for. It does not know what is waited for.
//!
//! All waits of a dispatcher live in one table, and a queue is a list through it. So a wait is added, granted and given
//! up without a search, and without an allocation once the table has grown; and [`dump`](crate::Dispatcher::dump) sees
//! every one of them.

use std::cell::Cell;
use std::panic::Location;
use std::task::Context;

use super::{Core, Waiter};
use crate::AsyncCallback;
use crate::table::{Key, Table};

#[derive(Default)]
pub(super) struct Waits {
    table: Table<Wait>,
    /// Numbers waits in the order of their beginning.
    sequence: u64,
}

struct Wait {
    sequence: u64,
    state: State,
    waiter: Waiter,
    /// How much is waited for, where that is a number.
    amount: usize,
    what: &'static str,
    place: &'static Location<'static>,
    /// The task that asked last whether it was granted.
    task: Option<Key>,
    /// What is waited for, if one task at a time has it.
    held: Option<OneHolder>,
}

/// What one task at a time has: an object of the dispatcher's, and how it is asked who has it. Only a dump asks, so that
/// whoever takes and gives back pays nothing for it.
#[derive(Clone, Copy)]
pub(crate) struct OneHolder {
    pub(crate) object: Key,
    pub(crate) ask: fn(&Core, Key) -> Option<Holder>,
}

/// Who has it.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    /// The task that took it, if a task did.
    pub(crate) task: Option<Key>,
    /// Where it was taken.
    pub(crate) place: &'static Location<'static>,
}

/// ```text
///           grant             end
///   Queued ───────▶ Granted ───────▶ gone
///      └──────────── end ──────────────▲
/// ```
///
/// A granted wait is a reservation (R179): what was waited for belongs to it until its owner takes it, or gives it up by
/// ending the wait. A callback owns no wait: it is queued when it is granted, and the wait is gone.
#[derive(Clone, Copy)]
enum State {
    Queued { before: Option<Key>, after: Option<Key> },
    Granted,
}

/// The waits for one thing, in the order in which they began. It lives in the state of that thing.
#[derive(Default)]
pub(crate) struct WaitQueue {
    /// The first and the last.
    ends: Cell<Option<(Key, Key)>>,
}

impl WaitQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.get().is_none()
    }

    /// The wait that is granted next.
    pub(crate) fn first(&self) -> Option<Key> {
        self.ends.get().map(|(first, _)| first)
    }

    /// How much the first waits for.
    pub(crate) fn first_amount(&self, core: &Core) -> Option<usize> {
        let waits = core.waits.borrow();
        self.first().map(|first| waits.get(first).amount)
    }

    /// Begins a wait behind all others. `what` and `place` are what a dump shows of it.
    pub(crate) fn begin(
        &self,
        core: &Core,
        what: &'static str,
        amount: usize,
        place: &'static Location<'static>,
    ) -> Key {
        self.push(core, Waiter::Nobody, what, amount, place)
    }

    /// Has `callback` queued when its turn to be granted has come.
    pub(crate) fn begin_callback(
        &self,
        core: &Core,
        callback: AsyncCallback,
        what: &'static str,
        place: &'static Location<'static>,
    ) {
        self.push(core, Waiter::Call(callback, place), what, 1, place);
    }

    fn push(
        &self,
        core: &Core,
        waiter: Waiter,
        what: &'static str,
        amount: usize,
        place: &'static Location<'static>,
    ) -> Key {
        let mut waits = core.waits.borrow_mut();
        let before = self.ends.get().map(|(_, last)| last);
        let sequence = waits.sequence;
        waits.sequence += 1;
        let state = State::Queued { before, after: None };
        let key =
            waits.table.insert(Wait { sequence, state, waiter, amount, what, place, task: None, held: None });
        if let Some(before) = before {
            *waits.links_mut(before).1 = Some(key);
        }
        let first = self.first().unwrap_or(key);
        self.ends.set(Some((first, key)));
        key
    }

    /// Grants the first wait what it waits for, and wakes who waits. `None` if nobody does.
    ///
    /// No borrow of the caller's may be alive: a waker is anyone's code.
    pub(crate) fn grant_first(&self, core: &Core) -> Option<Key> {
        let (first, mut waiter) = self.take_first(core)?;
        waiter.wake(core);
        Some(first)
    }

    /// Wakes who waits first, to look again. It keeps its place, and is granted nothing.
    pub(crate) fn wake_first(&self, core: &Core) {
        let Some(first) = self.first() else { return };
        let mut waiter = std::mem::take(&mut core.waits.borrow_mut().get_mut(first).waiter);
        waiter.wake(core);
    }

    /// Grants all that wait at this moment. As [`WaitQueue::grant_first`] in everything else.
    pub(crate) fn grant_all(&self, core: &Core) {
        let begun_before = core.waits.borrow().sequence;
        let is_old = |first: Key| core.waits.borrow().get(first).sequence < begun_before;
        while self.first().is_some_and(is_old) {
            self.grant_first(core);
        }
    }

    /// Takes the first wait out of the queue as granted, with who is to be woken for it.
    pub(super) fn take_first(&self, core: &Core) -> Option<(Key, Waiter)> {
        let first = self.first()?;
        let mut waits = core.waits.borrow_mut();
        self.unlink(&mut waits, first);
        let wait = waits.get_mut(first);
        let waiter = std::mem::take(&mut wait.waiter);
        wait.state = State::Granted;
        if matches!(waiter, Waiter::Call(..)) {
            waits.table.remove(first);
        }
        Some((first, waiter))
    }

    /// Ends a wait, granted or not, and says which. No borrow of the caller's may be alive: a waker may go with the wait. If
    /// that panics, the panic surfaces after the batch, and the caller can still pass on what the wait had.
    pub(crate) fn end(&self, core: &Core, wait: Key) -> Ended {
        let (ended, waiter) = self.take_out(core, wait);
        if let Waiter::Other(waker) = waiter {
            core.drop_contained(waker);
        }
        ended
    }

    /// As [`WaitQueue::end`], with who is no longer to be woken: a waker's destructor is anyone's code, and runs after the
    /// caller's borrows have ended.
    pub(super) fn take_out(&self, core: &Core, wait: Key) -> (Ended, Waiter) {
        let mut waits = core.waits.borrow_mut();
        if core.closing.get() && waits.table.get(wait).is_none() {
            // The closing dispatcher has ended all waits before.
            return (Ended::GivenUp, Waiter::Nobody);
        }
        let was_queued = matches!(waits.get(wait).state, State::Queued { .. });
        if was_queued {
            self.unlink(&mut waits, wait);
        }
        let waiter = waits.table.remove(wait).map(|wait| wait.waiter).unwrap_or_default();
        (if was_queued { Ended::GivenUp } else { Ended::Granted }, waiter)
    }

    /// Removes each wait that is exactly this callback (R41), and says how many there were.
    pub(crate) fn remove_callback(&self, core: &Core, callback: AsyncCallback) -> usize {
        let mut waits = core.waits.borrow_mut();
        let (mut next, mut removed) = (self.first(), 0);
        while let Some(wait) = next {
            next = *waits.links_mut(wait).1;
            if matches!(waits.get(wait).waiter, Waiter::Call(other, _) if other.is_same(&callback)) {
                self.unlink(&mut waits, wait);
                waits.table.remove(wait);
                removed += 1;
            }
        }
        removed
    }

    fn unlink(&self, waits: &mut Waits, wait: Key) {
        let State::Queued { before, after } = waits.get(wait).state else {
            unreachable!("a wait is unlinked while it is queued")
        };
        if let Some(before) = before {
            *waits.links_mut(before).1 = after;
        }
        if let Some(after) = after {
            *waits.links_mut(after).0 = before;
        }
        let (first, last) = self.ends.get().expect("a queue with a wait in it has ends");
        assert!(before.is_some() || first == wait, "a wait is ended through the queue that it is in");
        assert!(after.is_some() || last == wait, "a wait is ended through the queue that it is in");
        let first = if first == wait { after } else { Some(first) };
        let last = if last == wait { before } else { Some(last) };
        self.ends.set(first.zip(last));
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a wait that was granted has something to take, or to pass on"]
pub(crate) enum Ended {
    /// It had been granted what it waited for.
    Granted,
    /// It was still queued.
    GivenUp,
}

impl Core {
    /// Whether the wait was granted. If not, `context`'s task is woken once it is.
    pub(crate) fn poll_wait(&self, wait: Key, context: &Context<'_>) -> bool {
        let Some(mut waiter) = self.take_waiter(wait) else { return true };
        // Cloning and dropping wakers is anyone's code: no borrow is alive, and the wait may be granted meanwhile.
        waiter.note(self, context);
        let task = self.polled();
        let mut waits = self.waits.borrow_mut();
        let entry = waits.get_mut(wait);
        if matches!(entry.state, State::Granted) {
            drop(waits);
            return true;
        }
        entry.waiter = waiter;
        entry.task = task;
        false
    }

    /// What is waited for is in one task's hands at a time.
    pub(crate) fn note_held(&self, wait: Key, held: OneHolder) {
        self.waits.borrow_mut().get_mut(wait).held = Some(held);
    }

    /// Who was noted for a wait, or `None` if it was granted.
    fn take_waiter(&self, wait: Key) -> Option<Waiter> {
        let mut waits = self.waits.borrow_mut();
        let entry = waits.get_mut(wait);
        if matches!(entry.state, State::Granted) { None } else { Some(std::mem::take(&mut entry.waiter)) }
    }
}

/// A wait, as a dump sees it.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) what: &'static str,
    pub(super) place: &'static Location<'static>,
    pub(super) task: Option<Key>,
    pub(super) held: Option<OneHolder>,
}

impl Waits {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// All waits, in the order of their keys.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Waiting> {
        self.table.iter().map(|(_, wait)| {
            let &Wait { what, place, task, held, .. } = wait;
            Waiting { what, place, task, held }
        })
    }

    fn get(&self, wait: Key) -> &Wait {
        self.table.get(wait).expect("a wait is kept until its owner ends it")
    }

    fn get_mut(&mut self, wait: Key) -> &mut Wait {
        self.table.get_mut(wait).expect("a wait is kept until its owner ends it")
    }

    /// The neighbours of a queued wait: before, after.
    fn links_mut(&mut self, wait: Key) -> (&mut Option<Key>, &mut Option<Key>) {
        match &mut self.get_mut(wait).state {
            State::Queued { before, after } => (before, after),
            State::Granted => unreachable!("a granted wait is in no queue"),
        }
    }
}
