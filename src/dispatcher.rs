//! The dispatcher: one event loop on one thread, and the order of its turn. It knows no socket and no transport.
//!
//! ```text
//!  poll()  ─▶ inbox ─▶ clock ─▶ timers due ─▶ driver.poll(timeout) ─▶ inbox ─▶ sources ready
//!                                                                               │
//!          batch, its length fixed here  ◀── timers due meanwhile ◀── clock ◀───┘
//! ```
//!
//! No borrow of the state below is alive while a callback, a future, a waker or a destructor of user code runs.

mod current;
mod dump;
mod errors;
mod handle;
mod inbox;
mod io;
mod ready;
mod sources;
mod tasks;
mod timers;
mod waits;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::callback::{AsyncCallback, CallbackKind};
use crate::driver::{Capabilities, Driver, Event, Fd, Readiness};
use crate::observe::{ObservedCallback, Observer, Progress, Reason};
use crate::table::{Key, Table};
use crate::task::JoinError;
use crate::{Moment, time};

pub use current::{Handle, Scope};
pub use errors::{PollError, WatchError};
pub use handle::{Pending, TimerId};
pub(crate) use inbox::Inbox;
use ready::{Entry, Ready};
pub(crate) use sources::Interest;
use sources::{Due, Refusal, Sources};
use tasks::{LocalFuture, Payload, Tasks};
pub(crate) use tasks::{Outcome, Waiter};
use timers::{Expired, Timers};
use waits::Waits;
pub(crate) use waits::{Ended, Holder, OneHolder, WaitQueue};

/// How many callbacks `block_on` runs before it asks the kernel again, while callbacks keep scheduling callbacks.
///
/// One batch follows the other without a system call until then: a hop costs some ten nanoseconds instead of two
/// hundred, and timers and sources wait for 64 callbacks at the most.
const CALLBACKS_BETWEEN_POLLS: usize = 64;

/// The types by which threads meet, under one name, so that a model checker can put its own in their place.
mod meeting {
    pub(super) use std::sync::Mutex;
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
}

/// What another thread leaves for a dispatcher.
pub(crate) enum Message {
    /// To be queued.
    Call(AsyncCallback, &'static Location<'static>),
    /// To be filed as a task, by a function that runs none of the sender's code.
    Spawn(Box<dyn FnOnce(&Handle) + Send>),
}

/// The owner of one event loop on one thread.
///
/// Entry points of the drivers (`twinloop_real::run`, the simulator's hosts) make one and drive it; a program inside
/// reaches it through its [`Handle`]. Dropping a dispatcher closes it: tasks end as cancelled, descriptors close.
pub struct Dispatcher {
    core: Rc<Core>,
}

/// The state of a dispatcher, in cells that are borrowed one at a time and briefly.
pub(crate) struct Core {
    pub(crate) handle: Handle,
    pub(crate) driver: RefCell<Box<dyn Driver>>,
    pub(crate) capabilities: Capabilities,
    /// The loop's time, read twice a turn.
    now: Cell<Moment>,
    ready: RefCell<Ready>,
    pub(crate) timers: RefCell<Timers>,
    pub(crate) sources: RefCell<Sources>,
    pub(crate) tasks: RefCell<Tasks>,
    waits: RefCell<Waits>,
    /// Who waits for a turn without events (R9).
    pub(crate) idle: WaitQueue,
    /// What the layers above keep here under a key: it lives as long as the dispatcher, which knows nothing about it.
    objects: RefCell<Table<Rc<dyn Any>>>,
    /// Receive buffers that no stream needs at the moment: an idle stream has none of its own.
    pub(crate) spare_buffers: RefCell<Vec<Vec<u8>>>,
    pub(crate) inbox: Arc<Inbox<Message>>,
    /// Messages on their way from the inbox; kept for its allocation.
    arrived: RefCell<Vec<Message>>,
    events: RefCell<Vec<Event>>,
    observers: RefCell<Vec<Installed>>,
    /// Whether there are observers: what an unobserved turn looks at.
    observed: Cell<bool>,
    /// Whether one of them wants to know why callbacks run.
    explained: Cell<bool>,
    /// Whether one of them wants the programs' notes.
    noted: Cell<bool>,
    turning: Cell<bool>,
    /// Counts batches, so that who yields can tell that everything else had its turn.
    pub(crate) batches: Cell<u64>,
    /// Counts turns, so that a transport can tell when its budget is due to be renewed.
    pub(crate) turns: Cell<u64>,
    /// A transport has spent its budget: what it has to do is due after the driver was asked again, in the next turn.
    pub(crate) budget_spent: Cell<bool>,
    closing: Cell<bool>,
    /// Futures of cancelled tasks that wait for their destructors.
    doomed: RefCell<VecDeque<(Key, LocalFuture)>>,
    /// Such a destructor runs.
    dropping: Cell<bool>,
    /// The first panic of this turn that nobody else will see. It goes on once the batch is done.
    panic: RefCell<Option<Payload>>,
}

struct Installed {
    observer: Box<dyn Observer>,
    /// Asked once.
    wants_notes: bool,
}

impl Dispatcher {
    /// A dispatcher on `driver`, entered into this thread's table.
    pub fn new(mut driver: Box<dyn Driver>) -> Dispatcher {
        let capabilities = driver.capabilities();
        let core = current::register(capabilities.own_thread, |handle| {
            Rc::new(Core {
                handle,
                capabilities,
                now: Cell::new(driver.now()),
                inbox: Arc::new(Inbox::new(driver.unparker())),
                driver: RefCell::new(driver),
                ready: RefCell::default(),
                timers: RefCell::default(),
                sources: RefCell::default(),
                tasks: RefCell::default(),
                waits: RefCell::default(),
                idle: WaitQueue::default(),
                objects: RefCell::default(),
                spare_buffers: RefCell::default(),
                arrived: RefCell::default(),
                events: RefCell::default(),
                observers: RefCell::default(),
                observed: Cell::new(false),
                explained: Cell::new(false),
                noted: Cell::new(false),
                turning: Cell::new(false),
                batches: Cell::new(0),
                turns: Cell::new(0),
                budget_spent: Cell::new(false),
                closing: Cell::new(false),
                doomed: RefCell::default(),
                dropping: Cell::new(false),
                panic: RefCell::default(),
            })
        });
        Dispatcher { core }
    }

    /// The key that reaches this dispatcher.
    pub fn handle(&self) -> Handle {
        self.core.handle
    }

    /// As [`Handle::enter`], from anywhere: who owns a dispatcher is on its thread.
    ///
    /// ```
    /// let dispatcher = twinloop::Dispatcher::new(Box::new(twinloop_real::RealDriver::new()?));
    /// let scope = dispatcher.enter();
    /// let task = twinloop::spawn(async { 7 });
    /// drop(scope);
    /// assert_eq!(dispatcher.block_on(task)??, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn enter(&self) -> Scope {
        Scope::begin(self.core.handle)
    }

    /// Makes one turn: waits until something is due (not at all if something is), then runs the callbacks that are.
    ///
    /// It has no timeout parameter and no default timeout (seed, point 4): it waits for as long as nothing is due. A
    /// callback that is scheduled while the batch runs waits for the next turn (R5), so a turn always ends.
    ///
    /// # Errors
    ///
    /// [`PollError::NothingPending`] if there is nothing at all that could ever happen (against R8: it does not block for
    /// ever); [`PollError::Driver`] if the driver could not wait.
    ///
    /// # Panics
    ///
    /// When called from inside a turn (R13), which is left unharmed. A panic of a callback, or of a task that nobody
    /// joins, goes on from here after the rest of the batch has run.
    #[track_caller]
    pub fn poll(&self) -> Result<(), PollError> {
        self.core.turn(0)
    }

    /// Runs `future` as a task, and turns until it is done.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::poll`]; `future` is then cancelled.
    ///
    /// # Panics
    ///
    /// When called from inside a turn. A panic of `future` goes on from here.
    #[track_caller]
    pub fn block_on<F>(&self, future: F) -> Result<F::Output, PollError>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core.refuse_reentry();
        let mut task = self.handle().spawn(future);
        let abandoned = DropTask(&self.core, task.key());
        while !task.is_finished() {
            self.core.turn(CALLBACKS_BETWEEN_POLLS)?;
        }
        std::mem::forget(abandoned);
        match task.take_outcome().expect("the task was seen finished") {
            Ok(output) => Ok(output),
            Err(JoinError::Panicked(payload)) => resume_unwind(payload),
            Err(JoinError::Cancelled) => unreachable!("nobody else has the handle that cancels this task"),
        }
    }

    /// When this dispatcher next has work of its own accord: now, at a deadline, or only when an event or a wake comes.
    pub fn next_work(&self) -> NextWork {
        if self.core.has_work() {
            return NextWork::Now;
        }
        match self.core.timers.borrow().next_deadline() {
            Some(deadline) => NextWork::At(deadline),
            None => NextWork::OnEvent,
        }
    }

    /// What is pending, as [`Handle::dump`] tells it.
    pub fn dump(&self) -> String {
        self.core.dump()
    }
}

/// Closing: tasks end as cancelled, in the order of their keys; then whatever layers above keep; then descriptors.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        let core = &self.core;
        let scope = self.enter();
        core.closing.set(true);
        let tasks = core.tasks.borrow().keys();
        for task in tasks {
            core.drop_task(task);
        }
        // Outputs that nobody took are user code too: they go while the dispatcher is still there.
        let finished = core.tasks.borrow().keys();
        for task in finished {
            core.forget_task(task);
        }
        // One by one, and out of the same table: a key of one that is gone must not meet one that a destructor makes.
        let objects = core.objects.borrow().keys();
        for object in objects {
            let object = core.objects.borrow_mut().remove(object);
            core.drop_contained(object);
        }
        core.drop_contained(core.objects.take());
        core.drop_contained(core.waits.take());
        let fds = core.sources.borrow().fds();
        for fd in fds {
            core.close_fd(fd);
        }
        core.ready.borrow_mut().clear();
        core.drop_contained(core.timers.take());
        core.drop_contained(core.inbox.close());
        core.drop_contained(core.observers.take());
        drop(scope);
        current::unregister(core.handle);
        // A destructor's panic must not start a second one.
        if let Some(payload) = core.panic.take() {
            if !std::thread::panicking() {
                resume_unwind(payload);
            }
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("next_work", &self.next_work()).finish_non_exhaustive()
    }
}

/// When a dispatcher next has work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextWork {
    /// Callbacks are due.
    Now,
    /// The earliest timer is due then.
    At(Moment),
    /// Only an event of the driver, or a wake from another thread, can bring work.
    OnEvent,
}

impl Core {
    #[track_caller]
    fn refuse_reentry(&self) {
        assert!(
            !self.turning.get(),
            "poll() and block_on() can not be called from inside a callback or a task of the same dispatcher: \
             await the future, or spawn() it"
        );
    }

    /// One pass. After the first batch further ones follow, without asking the driver, until `more` callbacks have run.
    #[track_caller]
    fn turn(&self, more: usize) -> Result<(), PollError> {
        self.refuse_reentry();
        let _scope = Scope::begin(self.handle);
        let _turn = Turn::begin(&self.turning);
        self.turns.set(self.turns.get() + 1);
        self.budget_spent.set(false);
        // The one look at whether anybody observes: everything below is compiled twice.
        if self.observed.get() {
            self.run_turn::<true>(more)?
        } else {
            self.run_turn::<false>(more)?
        }
        match self.panic.take() {
            Some(payload) => resume_unwind(payload),
            None => Ok(()),
        }
    }

    fn run_turn<const OBSERVED: bool>(&self, more: usize) -> Result<(), PollError> {
        self.tell_progress::<OBSERVED>(Reason::Outside);
        let gathered = self.gather::<OBSERVED>();
        if gathered.is_ok() {
            let mut ran = self.run_batch::<OBSERVED>();
            while ran < more && !self.budget_spent.get() && !self.ready.borrow().is_empty() {
                ran += self.run_batch::<OBSERVED>();
            }
        }
        if OBSERVED {
            self.observing(|observer| observer.turn_end());
        }
        gathered
    }

    /// Queues all that is due, after waiting for it if nothing is (R2, R4).
    fn gather<const OBSERVED: bool>(&self) -> Result<(), PollError> {
        self.take_inbox();
        self.tell_progress::<OBSERVED>(Reason::Message);
        self.read_clock();
        self.expire_timers::<OBSERVED>();
        if OBSERVED {
            self.observing(|observer| observer.turn_begin(self.now.get()));
        }
        self.ask_about_stale_sources();
        // That nothing is pending is believed only after a look at the driver: a wake may have come, and its waker gone,
        // between the looks at the inbox and at the wakers; and edges that nobody waits for are to be taken all the same.
        let timeout = self.timeout();
        self.poll_driver(timeout.unwrap_or(Some(Duration::ZERO)))?;
        self.take_inbox();
        self.tell_progress::<OBSERVED>(Reason::Message);
        let quiet = self.events.borrow().is_empty();
        self.note_events::<OBSERVED>();
        self.read_clock();
        self.expire_timers::<OBSERVED>();
        if quiet {
            self.queue_one_idle();
            self.tell_progress::<OBSERVED>(Reason::Idle);
        }
        if self.ready.borrow().is_empty() {
            timeout?;
        }
        Ok(())
    }

    fn poll_driver(&self, timeout: Option<Duration>) -> Result<(), PollError> {
        let polled = self.driver.borrow_mut().poll(timeout, &mut self.events.borrow_mut());
        polled.map_err(PollError::Driver)
    }

    /// Whether a turn has something to do without waiting.
    fn has_work(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.idle.is_empty()
    }

    /// How long the driver may wait (R3, R12).
    fn timeout(&self) -> Result<Option<Duration>, PollError> {
        if self.has_work() {
            return Ok(Some(Duration::ZERO));
        }
        if let Some(deadline) = self.timers.borrow().next_deadline() {
            return Ok(Some(time::round_up(deadline - self.now.get(), self.capabilities.poll_grain)));
        }
        if self.sources.borrow().is_watched() || self.inbox.has_senders() || self.has_wakers_elsewhere() {
            return Ok(None);
        }
        Err(PollError::NothingPending)
    }

    /// The driver's time at this very moment, where that of the batch is too old to count from.
    pub(crate) fn clock(&self) -> Moment {
        self.driver.borrow_mut().now()
    }

    fn read_clock(&self) {
        let now = self.driver.borrow_mut().now();
        assert!(now >= self.now.get(), "the driver's clock went back");
        self.now.set(now);
    }

    fn take_inbox(&self) {
        if !self.inbox.is_pending() {
            return;
        }
        let mut arrived = self.arrived.take();
        self.inbox.take(&mut arrived);
        for message in arrived.drain(..) {
            match message {
                Message::Call(callback, place) => self.push_ready(callback, CallbackKind::Soon, place),
                Message::Spawn(spawn) => spawn(&self.handle),
            }
        }
        self.arrived.replace(arrived);
    }

    fn expire_timers<const OBSERVED: bool>(&self) {
        let expire = || self.timers.borrow_mut().expire(self.now.get());
        while let Some(Expired { key, place, number }) = expire() {
            self.push_ready(AsyncCallback::new(fire_timer, key.into_word()), CallbackKind::Timer, place);
            self.tell_progress::<OBSERVED>(Reason::Timer(number));
        }
    }

    /// One at a time, so that an idle callback never delays an event that comes meanwhile (R9). A source that stays ready
    /// is an event in every turn (R10), although the driver told it once.
    fn queue_one_idle(&self) {
        if self.idle.is_empty() || self.has_source_due() {
            return;
        }
        match self.idle.take_first(self) {
            None => {}
            Some((_, Waiter::Call(callback, place))) => self.push_ready(callback, CallbackKind::Idle, place),
            Some((_, mut waiter)) => waiter.wake(self),
        }
    }

    fn has_source_due(&self) -> bool {
        let sources = self.sources.borrow();
        self.ready.borrow().iter().any(|entry| {
            let fd = || Fd::from_key(Key::from_word(entry.callback.udata));
            match entry.kind {
                CallbackKind::Reader => sources.is_due(fd(), Interest::Read),
                CallbackKind::Writer => sources.is_due(fd(), Interest::Write),
                _ => false,
            }
        })
    }

    /// Latches the driver's events.
    fn note_events<const OBSERVED: bool>(&self) {
        let mut events = self.events.borrow_mut();
        let mut sources = self.sources.borrow_mut();
        for event in events.drain(..) {
            self.note_event(&mut sources, event);
            self.tell_progress::<OBSERVED>(Reason::Event(event.fd));
        }
    }

    /// The reader of a source goes before its writer (R73).
    fn note_event(&self, sources: &mut Sources, event: Event) {
        let [reader, writer] = sources.note(event);
        if let Some(place) = reader {
            self.push_source(event.fd, Interest::Read, place);
        }
        if let Some(place) = writer {
            self.push_source(event.fd, Interest::Write, place);
        }
    }

    /// Whether foreign sources that were called are still ready, the kernel says in the poll that follows.
    fn ask_about_stale_sources(&self) {
        let mut sources = self.sources.borrow_mut();
        while let Some((fd, watched)) = sources.take_stale() {
            if self.driver.borrow_mut().rewatch(fd, watched).is_err() {
                // As for every other error of a descriptor: who watches it is called, and learns from its own call what
                // is wrong.
                self.note_event(&mut sources, Event { fd, readiness: Readiness::ERROR });
            }
        }
    }

    fn push_source(&self, fd: Fd, interest: Interest, place: &'static Location<'static>) {
        let word = fd.key().into_word();
        match interest {
            Interest::Read => {
                self.push_ready(AsyncCallback::new(run_reader, word), CallbackKind::Reader, place)
            }
            Interest::Write => {
                self.push_ready(AsyncCallback::new(run_writer, word), CallbackKind::Writer, place)
            }
        }
    }

    pub(crate) fn push_ready(
        &self,
        callback: AsyncCallback,
        kind: CallbackKind,
        place: &'static Location<'static>,
    ) {
        self.ready.borrow_mut().push(Entry { callback, kind, place });
    }

    /// Runs what is queued now; what these callbacks queue stays (R5). Says how many ran.
    fn run_batch<const OBSERVED: bool>(&self) -> usize {
        let length = self.ready.borrow().len();
        self.batches.set(self.batches.get() + 1);
        for _ in 0..length {
            let entry = self.ready.borrow_mut().pop().expect("only a batch takes from the ready queue");
            if OBSERVED {
                let observed = ObservedCallback { now: self.now.get(), kind: entry.kind, place: entry.place };
                self.observing(|observer| observer.callback_begin(&observed));
            }
            self.run_callback(entry);
            if OBSERVED {
                self.observing(|observer| observer.callback_end());
            }
            self.tell_progress::<OBSERVED>(Reason::Callback);
        }
        length
    }

    /// A panic does not lose the rest of the batch.
    fn run_callback(&self, entry: Entry) {
        let AsyncCallback { function, udata } = entry.callback;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| function(&self.handle, udata))) {
            self.surface(payload);
        }
    }

    /// A panic that nobody else will see: the turn that is under way ends with it. Only the first one can.
    pub(crate) fn surface(&self, payload: Payload) {
        self.panic.borrow_mut().get_or_insert(payload);
    }

    /// Tells who wants to know why callbacks were queued and timers set.
    #[inline]
    fn tell_progress<const OBSERVED: bool>(&self, reason: Reason) {
        if OBSERVED && self.explained.get() {
            self.explain_progress(reason);
        }
    }

    #[cold]
    fn explain_progress(&self, reason: Reason) {
        let progress = Progress { queued: self.ready.borrow().len(), timers: self.timers.borrow().added() };
        self.observing(|observer| observer.progress(progress, reason));
    }

    fn observing(&self, mut tell: impl FnMut(&mut dyn Observer)) {
        for installed in self.observers.borrow_mut().iter_mut() {
            tell(&mut *installed.observer);
        }
    }

    pub(crate) fn watch(
        &self,
        fd: Fd,
        interest: Interest,
        callback: AsyncCallback,
        place: &'static Location<'static>,
    ) -> Result<(), WatchError> {
        let due =
            self.sources.borrow_mut().watch(fd, interest, callback, place).map_err(
                |refusal| match refusal {
                    Refusal::Closed => WatchError::Closed,
                    Refusal::Taken(first) => WatchError::Taken(first),
                },
            )?;
        match due {
            Due::OnEvent => Ok(()),
            Due::Now => {
                self.push_source(fd, interest, place);
                Ok(())
            }
            Due::Asked(watched) => {
                let asked = self.driver.borrow_mut().rewatch(fd, watched);
                asked.map_err(|error| {
                    self.sources.borrow_mut().unwatch(fd, interest);
                    WatchError::Driver(error)
                })
            }
        }
    }

    /// Says whether there was a watcher.
    pub(crate) fn unwatch(&self, fd: Fd, interest: Interest) -> bool {
        self.sources.borrow_mut().unwatch(fd, interest)
    }

    pub(crate) fn is_open(&self, fd: Fd) -> bool {
        self.sources.borrow().is_open(fd)
    }

    /// A queued reader or writer has its turn. It goes on being due for as long as it stays and its latch is set.
    fn run_watcher(&self, fd: Fd, interest: Interest) {
        let Some(callback) = self.sources.borrow_mut().take_turn(fd, interest) else { return };
        // A callback that panics stays installed, so that it goes on being due like every other.
        let called = catch_unwind(AssertUnwindSafe(|| (callback.function)(&self.handle, callback.udata)));
        if let Err(payload) = called {
            self.surface(payload);
        }
        let still_due = self.sources.borrow_mut().still_due(fd, interest);
        if let Some(place) = still_due {
            self.push_source(fd, interest, place);
        }
    }

    fn fire_timer(&self, key: Key) {
        let waiter = self.timers.borrow_mut().fire(key);
        match waiter {
            None => {}
            Some(Waiter::Call(callback, _)) => (callback.function)(&self.handle, callback.udata),
            Some(mut waiter) => waiter.wake(self),
        }
    }

    /// Keeps an initialised buffer for the next stream that receives, unless enough are kept.
    pub(crate) fn keep_spare_buffer(&self, buffer: Vec<u8>) {
        const KEPT_MAX: usize = 64;
        let mut spare = self.spare_buffers.borrow_mut();
        if spare.len() < KEPT_MAX {
            spare.push(buffer);
        }
    }

    pub(crate) fn insert_object(&self, object: Rc<dyn Any>) -> Key {
        self.objects.borrow_mut().insert(object)
    }

    /// The object under `key`, if it is still there.
    ///
    /// # Panics
    ///
    /// If it is not a `T`: a key belongs to the layer that made it.
    pub(crate) fn object<T: 'static>(&self, key: Key) -> Option<Rc<T>> {
        let object = Rc::clone(self.objects.borrow().get(key)?);
        Some(object.downcast().expect("a key of an object is used by the layer that made it"))
    }

    pub(crate) fn remove_object(&self, key: Key) {
        let object = self.objects.borrow_mut().remove(key);
        drop(object);
    }
}

fn fire_timer(handle: &Handle, word: usize) {
    handle.core().fire_timer(Key::from_word(word));
}

fn run_reader(handle: &Handle, word: usize) {
    handle.core().run_watcher(Fd::from_key(Key::from_word(word)), Interest::Read);
}

fn run_writer(handle: &Handle, word: usize) {
    handle.core().run_watcher(Fd::from_key(Key::from_word(word)), Interest::Write);
}

/// Drops a task that is left by an error, or by the panic of another one.
struct DropTask<'a>(&'a Core, Key);

impl Drop for DropTask<'_> {
    fn drop(&mut self) {
        self.0.drop_task(self.1);
    }
}

/// Marks a turn as under way, also when it ends by a panic.
struct Turn<'a>(&'a Cell<bool>);

impl<'a> Turn<'a> {
    fn begin(turning: &'a Cell<bool>) -> Turn<'a> {
        turning.set(true);
        Turn(turning)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
