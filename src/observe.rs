//! What a dispatcher tells about itself while it runs: turns, callbacks, and the programs' own notes.
//!
//! It knows no logging framework and keeps nothing. With no observer installed a turn pays one predictable branch.

use std::fmt;
use std::panic::Location;

use crate::Moment;
use crate::callback::CallbackKind;
use crate::driver::Fd;

/// Sees what a dispatcher does, as it does it. Installed with [`Handle::observe`](crate::Handle::observe).
///
/// An observer is called while the dispatcher works. It must not call back into it.
pub trait Observer {
    /// A turn begins; the loop's time is `now`.
    fn turn_begin(&mut self, now: Moment) {
        let _ = now;
    }

    /// The turn that began last has ended, with all its callbacks.
    fn turn_end(&mut self) {}

    /// A callback is about to run.
    fn callback_begin(&mut self, callback: &ObservedCallback) {
        let _ = callback;
    }

    /// The callback that began last has ended.
    fn callback_end(&mut self) {}

    /// Whether [`note`](Observer::note) is to be called at all; asked once, when the observer is installed.
    fn wants_notes(&self) -> bool {
        true
    }

    /// A program noted something.
    fn note(&mut self, now: Moment, text: &str) {
        let _ = (now, text);
    }

    /// Whether [`progress`](Observer::progress) is to be called at all; asked once, when the observer is installed.
    fn wants_reasons(&self) -> bool {
        false
    }

    /// The dispatcher has come so far, and what is new has this reason.
    ///
    /// Callbacks run in the order in which they were queued. So an observer that keeps a queue of reasons, makes it as
    /// long as `progress` says each time, and takes the first one when a callback begins, knows why each callback runs.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use twinloop::observe::{Observer, Progress, Reason};
    /// use twinloop::{Handle, sleep};
    ///
    /// #[derive(Default)]
    /// struct Timers {
    ///     queued: usize,
    ///     fired: Rc<RefCell<Vec<u64>>>,
    /// }
    ///
    /// impl Observer for Timers {
    ///     fn wants_reasons(&self) -> bool {
    ///         true
    ///     }
    ///
    ///     fn progress(&mut self, progress: Progress, reason: Reason) {
    ///         if let (true, Reason::Timer(number)) = (progress.queued > self.queued, reason) {
    ///             self.fired.borrow_mut().push(number);
    ///         }
    ///         self.queued = progress.queued;
    ///     }
    /// }
    ///
    /// # twinloop_sim::run(async {
    /// let timers = Timers::default();
    /// let fired = Rc::clone(&timers.fired);
    /// Handle::current().observe(Box::new(timers));
    /// for _ in 0..3 {
    ///     sleep(Duration::from_millis(1)).await;
    /// }
    /// assert_eq!(fired.borrow().len(), 3);
    /// # Ok(()) });
    /// ```
    fn progress(&mut self, progress: Progress, reason: Reason) {
        let _ = (progress, reason);
    }
}

/// How far a dispatcher has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many callbacks are queued now.
    pub queued: usize,
    /// How many timers were set so far.
    pub timers: u64,
}

/// Why callbacks were queued, or timers set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something between turns: the program that runs the dispatcher.
    Outside,
    /// The callback that ended last.
    Callback,
    /// A message or a wake from elsewhere, most often from another thread.
    Message,
    /// A timer that is due: the how-manieth that was set, from 0.
    Timer(u64),
    /// The driver's event for a descriptor.
    Event(Fd),
    /// Nothing else was to be done.
    Idle,
}

/// One callback, as an observer sees it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ObservedCallback {
    /// The loop's time.
    pub now: Moment,
    /// Why it runs.
    pub kind: CallbackKind,
    /// Where in the source it was asked for: the call of `spawn`, `call_soon`, `add_timer`, `add_reader`, and so on.
    pub place: &'static Location<'static>,
}

impl fmt::Debug for ObservedCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.now, self.kind.name(), Place(self.place))
    }
}

/// A place in the source as `file:line`, with the last two parts of the path: the same on every machine.
#[derive(Clone, Copy)]
pub struct Place(pub &'static Location<'static>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.file();
        let is_separator = |c: char| c == '/' || c == '\\';
        let short = path.rmatch_indices(is_separator).nth(1).map_or(path, |(at, _)| &path[at + 1..]);
        write!(f, "{}:{}", short.replace('\\', "/"), self.0.line())
    }
}
