//! What the two sides of a completion share: its phase, its value, and the queue of those who wait for the end.
//!
//! The value is user code too: it is moved, copied and dropped with no borrow alive.

use std::cell::Cell;
use std::panic::Location;
use std::task::Context;

use super::Cancelled;
use crate::AsyncCallback;
use crate::callback::CallbackKind;
use crate::dispatcher::{Core, WaitQueue};
use crate::table::Key;

pub(super) struct State<T> {
    phase: Cell<Phase>,
    value: Cell<Option<T>>,
    /// How the value is copied, once there is a second [`Completion`](super::Completion) that will want it.
    copy_with: Cell<Option<CopyWith<T>>>,
    /// How many may still ask for the value.
    takers: Cell<usize>,
    /// Callbacks and tasks that wait for the end.
    ended: WaitQueue,
}

/// The `clone` of a value's type: only those who make a second taker need to know that it has one.
type CopyWith<T> = fn(&T) -> T;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Completed,
    Cancelled,
}

/// Pending, and wanted by one.
impl<T> Default for State<T> {
    fn default() -> State<T> {
        State {
            phase: Cell::new(Phase::Pending),
            value: Cell::new(None),
            copy_with: Cell::new(None),
            takers: Cell::new(1),
            ended: WaitQueue::default(),
        }
    }
}

impl<T> State<T> {
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn complete(&self, core: &Core, value: T) {
        self.value.set(Some(value));
        self.end(core, Phase::Completed);
    }

    /// Whether this is what ended it.
    pub(super) fn cancel(&self, core: &Core) -> bool {
        let was_pending = self.phase.get() == Phase::Pending;
        if was_pending {
            self.end(core, Phase::Cancelled);
        }
        was_pending
    }

    fn end(&self, core: &Core, phase: Phase) {
        assert_eq!(self.phase.replace(phase), Phase::Pending, "a completion ends once");
        self.ended.grant_all(core);
    }

    /// Whether it has ended. If not, `wait` is begun if it is not, and `context`'s task is woken at the end.
    pub(super) fn poll_end(
        &self,
        core: &Core,
        wait: &mut Option<Key>,
        place: &'static Location<'static>,
        context: &Context<'_>,
    ) -> bool {
        if self.phase.get() == Phase::Pending {
            let wait = *wait.get_or_insert_with(|| self.ended.begin(core, "completion", 1, place));
            if !core.poll_wait(wait, context) {
                return false;
            }
        }
        self.leave(core, wait);
        true
    }

    /// Ends a wait, if there is one. An end is for all: there is nothing to pass on.
    pub(super) fn leave(&self, core: &Core, wait: &mut Option<Key>) {
        if let Some(wait) = wait.take() {
            let _ended = self.ended.end(core, wait);
        }
    }

    pub(super) fn add_callback(
        &self,
        core: &Core,
        callback: AsyncCallback,
        place: &'static Location<'static>,
    ) {
        if self.phase.get() == Phase::Pending {
            self.ended.begin_callback(core, callback, "completion", place);
        } else {
            core.push_ready(callback, CallbackKind::Soon, place);
        }
    }

    pub(super) fn remove_callback(&self, core: &Core, callback: AsyncCallback) -> usize {
        self.ended.remove_callback(core, callback)
    }

    pub(super) fn add_taker(&self, copy_with: CopyWith<T>) {
        self.takers.set(self.takers.get() + 1);
        self.copy_with.set(Some(copy_with));
    }

    /// One who will not ask for the value. After the last one nobody can, and the value goes.
    pub(super) fn remove_taker(&self, core: &Core) {
        if self.count_taker_out() == 0 {
            self.cancel(core);
            drop(self.value.take());
        }
    }

    /// The outcome for one who asks for it: the last one gets the value itself.
    pub(super) fn give(&self) -> Result<T, Cancelled> {
        let takers_left = self.count_taker_out();
        match self.phase.get() {
            Phase::Pending => unreachable!("an outcome is given after the end"),
            Phase::Cancelled => Err(Cancelled),
            Phase::Completed if takers_left == 0 => {
                Ok(self.value.take().expect("the value stays until its last taker has it"))
            }
            Phase::Completed => {
                Ok(self.copy(self.copy_with.get().expect("a second taker came with a way to copy")))
            }
        }
    }

    fn count_taker_out(&self) -> usize {
        let takers_left = self.takers.get() - 1;
        self.takers.set(takers_left);
        takers_left
    }

    /// A copy of the value, which is out of its place while user code makes the copy.
    ///
    /// # Panics
    ///
    /// If that code asks for the value in its turn.
    pub(super) fn copy(&self, copy_with: CopyWith<T>) -> T {
        let value =
            self.value.take().expect("the clone() of a value can not use the completion that it is in");
        let lent = Lent { state: self, value: Some(value) };
        copy_with(lent.value.as_ref().expect("it is there until it goes back"))
    }
}

/// Puts a value back into its place, also when user code panics over it, but not for nobody: the last taker may have gone
/// meanwhile.
struct Lent<'a, T> {
    state: &'a State<T>,
    value: Option<T>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        if self.state.takers.get() > 0 {
            self.state.value.set(self.value.take());
        }
    }
}
