//! What programs ask of their dispatcher, by its handle: callbacks, timers, watchers, tasks, and what is pending.
//! Nothing runs in here; the calls on descriptors are in `io.rs`.

use std::future::Future;
use std::panic::Location;
use std::time::SystemTime;

use super::sources::Interest;
use super::{Handle, Installed, Waiter, WatchError};
use crate::Moment;
use crate::callback::{AsyncCallback, CallbackKind};
use crate::driver::Fd;
use crate::observe::Observer;
use crate::table::Key;
use crate::task::JoinHandle;

impl Handle {
    /// The loop's time: read from the driver twice a turn, the same for everything in a batch.
    pub fn now(&self) -> Moment {
        self.core().now.get()
    }

    /// The date and the time of day, asked of the driver at each call. It may go back: see
    /// [`wall_time`](crate::wall_time()).
    pub fn wall_time(&self) -> SystemTime {
        self.core().driver.borrow_mut().wall_now()
    }

    /// How much is pending.
    pub fn pending(&self) -> Pending {
        let core = self.core();
        let (sources, objects) = (core.sources.borrow(), core.objects.borrow().len());
        Pending {
            callbacks: core.ready.borrow().len(),
            tasks: core.tasks.borrow().len(),
            timers: core.timers.borrow().len(),
            watchers: sources.places().count(),
            descriptors: sources.len(),
            waits: core.waits.borrow().len(),
            objects,
        }
    }

    /// What is pending, one line each: what it is, and the place in the source where it was asked for.
    ///
    /// A line begins with `soon` for a queued callback, with `task`, `timer`, `reader` or `writer`, or with what a wait
    /// inside the program is for, such as `idle` or `lock`; the task that waits follows, and the one that holds the
    /// lock. Where tasks wait for each other in a circle, by locks and by awaiting each other's ends, the first line is
    /// that `circle`.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    ///
    /// let _nap = twinloop::sleep(Duration::from_secs(1));
    /// assert!(twinloop::Handle::current().dump().contains("timer "));
    /// # Ok(()) });
    /// ```
    pub fn dump(&self) -> String {
        self.core().dump()
    }

    /// Queues `callback` behind all that are queued. It runs in the next turn (R5, R6).
    #[track_caller]
    pub fn call_soon(&self, callback: AsyncCallback) {
        self.core().push_ready(callback, CallbackKind::Soon, Location::caller());
    }

    /// Queues `callback` for a turn in which the driver has no event to tell. Such a turn runs one of them, the first
    /// that was queued (R9); a descriptor that is ready all the time leaves no such turn (R10).
    #[track_caller]
    pub fn call_idle(&self, callback: AsyncCallback) {
        let core = self.core();
        core.idle.begin_callback(&core, callback, "idle", Location::caller());
    }

    /// Runs `callback` once, in the first turn at or after `deadline` (R23, R28). Equal deadlines run in the order of
    /// adding (R27). A deadline that has passed is due in the next turn.
    #[track_caller]
    pub fn add_timer(&self, deadline: Moment, callback: AsyncCallback) -> TimerId {
        let waiter = Waiter::Call(callback, Location::caller());
        let key = self.core().timers.borrow_mut().add(deadline, waiter, Location::caller());
        TimerId { handle: *self, key }
    }

    /// Removes a timer, also one that is due and waits for its turn in the current batch (R30). Says whether its
    /// callback will not run because of this; false if it ran or was removed before (R29).
    ///
    /// # Panics
    ///
    /// If another dispatcher has the timer.
    #[track_caller]
    pub fn remove_timer(&self, timer: TimerId) -> bool {
        assert!(
            timer.handle == *self,
            "a timer of another dispatcher: remove it by the handle that added it"
        );
        self.core().timers.borrow_mut().remove(timer.key).is_some()
    }

    /// Calls `callback` once a turn for as long as `fd` is readable, until it is removed (R70).
    ///
    /// # Errors
    ///
    /// [`WatchError::Taken`] if there is a reader already: there is one, and it is never silently replaced (against R71).
    /// [`WatchError::Closed`] if `fd` is closed. [`WatchError::Driver`] if it is adopted and the system will not watch it.
    #[track_caller]
    pub fn add_reader(&self, fd: Fd, callback: AsyncCallback) -> Result<(), WatchError> {
        self.core().watch(fd, Interest::Read, callback, Location::caller())
    }

    /// As [`Handle::add_reader`] for the direction of writing.
    #[track_caller]
    pub fn add_writer(&self, fd: Fd, callback: AsyncCallback) -> Result<(), WatchError> {
        self.core().watch(fd, Interest::Write, callback, Location::caller())
    }

    /// Removes the reader of `fd`; its callback never runs after this, also if it was queued (R75). Says whether there
    /// was one.
    pub fn remove_reader(&self, fd: Fd) -> bool {
        self.core().unwatch(fd, Interest::Read)
    }

    /// As [`Handle::remove_reader`] for the direction of writing.
    pub fn remove_writer(&self, fd: Fd) -> bool {
        self.core().unwatch(fd, Interest::Write)
    }

    /// Runs `future` as a task of this dispatcher, first polled in the next turn.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_at(Location::caller(), future)
    }

    /// As [`Handle::spawn`]; observers and [`Handle::dump`] know the task by `place` and not by that of this call.
    pub fn spawn_at<F>(&self, place: &'static Location<'static>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        JoinHandle::new(*self, self.core().spawn(future, place))
    }

    /// Has `observer` see what the dispatcher does, from its next turn until it closes. It is told after those that were
    /// installed before it.
    pub fn observe(&self, observer: Box<dyn Observer>) {
        let core = self.core();
        let wants_notes = observer.wants_notes();
        core.explained.set(core.explained.get() || observer.wants_reasons());
        core.observers.borrow_mut().push(Installed { observer, wants_notes });
        core.observed.set(true);
        core.noted.set(core.noted.get() || wants_notes);
    }

    /// Tells observers what `text` gives. With none that wants notes, `text` is not even called.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let core = self.core();
        if !core.noted.get() {
            return;
        }
        let text = text();
        for installed in core.observers.borrow_mut().iter_mut().filter(|installed| installed.wants_notes) {
            installed.observer.note(core.now.get(), &text);
        }
    }
}

/// A timer that was added, for its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "without its id the timer can not be removed"]
pub struct TimerId {
    handle: Handle,
    key: Key,
}

/// How much is pending at a dispatcher: what a test of a program that has ended looks at, since nothing should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// Callbacks that are queued.
    pub callbacks: usize,
    /// Tasks that have not ended, or whose outcome is kept for a `JoinHandle`.
    pub tasks: usize,
    /// Timers that have not fired.
    pub timers: usize,
    /// Readers and writers of descriptors.
    pub watchers: usize,
    /// Descriptors that are open.
    pub descriptors: usize,
    /// Who waits inside the program, idle callbacks included.
    pub waits: usize,
    /// Transports, locks, queues and whatever else has its state in the dispatcher.
    pub objects: usize,
}
