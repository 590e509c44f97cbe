//! The table of tasks: their futures, states, wakers and outputs. It makes no driver call and knows no transport.

use std::any::Any;
use std::future::Future;
use std::iter;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use super::inbox::Inbox;
use super::{Core, Handle, Message, Scope, WaitQueue};
use crate::AsyncCallback;
use crate::callback::CallbackKind;
use crate::table::{Key, Table};

pub(crate) type Payload = Box<dyn Any + Send>;
pub(super) type LocalFuture = Pin<Box<dyn Future<Output = Box<dyn Any>>>>;

#[derive(Default)]
pub(crate) struct Tasks {
    pub(super) table: Table<Task>,
    /// The task whose future is being polled, and its waker's address, by which a leaf future knows that it is awaited
    /// by the task itself and not through a combinator's own waker.
    polled: Option<Polled>,
}

/// Data and functions together are a waker: a combinator may lend its own functions to the task's data.
#[derive(Clone, Copy)]
struct Polled {
    task: Key,
    waker: *const (),
    functions: &'static RawWakerVTable,
}

pub(super) struct Task {
    /// Out of the table while it is polled, and gone once the task is done.
    future: Option<LocalFuture>,
    state: State,
    /// It was polled before.
    begun: bool,
    /// Lent to the context while the task is polled: a reference count less to touch.
    waker: Waker,
    /// The same waker, to count who else keeps one.
    references: Arc<TaskWaker>,
    pub(super) place: &'static Location<'static>,
    /// Who awaits its outcome.
    joiner: Waiter,
    /// Who waits for its end, in whatever way it comes. Few tasks have such a queue, and all pay for the size of an entry.
    joins: Option<Box<WaitQueue>>,
    /// Nobody will ask for the outcome: the entry goes with the task.
    detached: bool,
}

/// ```text
///            wake               polled            ready, panic
///   Idle ───────────▶ Queued ───────────▶ Polling ─────────────▶ Done
///    ▲ └───────────────┴───── cancel ───────┼──── cancelled ──────▲
///    └────── pending, not woken ────────────┤
///                      ▲── pending, woken ──┘
/// ```
///
/// Cancelling a task that was woken, and one that is being polled, takes effect after the poll: what it waited for may
/// have come, and then completing wins (R53). A task that was never polled has nothing to complete and ends at once.
enum State {
    Idle,
    Queued { cancelled: bool },
    Polling { woken: bool, cancelled: bool },
    Done(Outcome),
}

/// How a task ended.
pub(crate) enum Outcome {
    Finished(Box<dyn Any>),
    Panicked(Payload),
    Cancelled,
}

/// Who is to be told when something that a future waits for has happened.
///
/// A task that awaits directly is noted by its key: waking it costs one entry in the ready queue, no reference count,
/// and a dispatcher can tell a wait inside itself from one whose waker went elsewhere.
#[derive(Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    Task(Key),
    Other(Waker),
    /// Not a future at all: a callback, and where it was asked for.
    Call(AsyncCallback, &'static Location<'static>),
}

impl Waiter {
    /// Notes who polls with `context` on `core`.
    pub(crate) fn note(&mut self, core: &Core, context: &Context<'_>) {
        let waker = context.waker();
        // The borrow ends here: cloning and dropping a waker is anyone's code.
        let polled = core.tasks.borrow().polled;
        match (polled, &*self) {
            (Some(polled), _)
                if polled.waker == waker.data() && std::ptr::eq(polled.functions, waker.vtable()) =>
            {
                *self = Waiter::Task(polled.task);
            }
            (_, Waiter::Other(noted)) if noted.will_wake(waker) => {}
            _ => *self = Waiter::Other(waker.clone()),
        }
    }

    /// Wakes whoever is noted, and notes nobody. No borrow of `core` may be alive.
    pub(crate) fn wake(&mut self, core: &Core) {
        match std::mem::take(self) {
            Waiter::Nobody => {}
            Waiter::Task(key) => core.wake_task(key),
            // A waker is anyone's code, and must not keep others from being woken.
            Waiter::Other(waker) => core.contained(|| waker.wake()),
            Waiter::Call(callback, place) => core.push_ready(callback, CallbackKind::Soon, place),
        }
    }
}

/// The waker of one task. Holds keys only; from another thread it goes through the inbox.
struct TaskWaker {
    handle: Handle,
    task: Key,
    place: &'static Location<'static>,
    inbox: Arc<Inbox<Message>>,
    /// A wake is in the inbox: further ones merge with it. Of a closed dispatcher it stays there.
    told: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.handle.try_core() {
            Some(core) => core.wake_task(self.task),
            None if self.told.swap(true, Ordering::AcqRel) => {}
            None => {
                let callback = AsyncCallback::new(wake_from_afar, self.task.into_word());
                // Of a closed dispatcher there is no task left to wake.
                let _closed = self.inbox.push(Message::Call(callback, self.place));
            }
        }
    }
}

fn wake_from_afar(handle: &Handle, word: usize) {
    let (core, key) = (handle.core(), Key::from_word(word));
    // Before the poll that this wake brings: a wake that comes during it counts again.
    if let Some(task) = core.tasks.borrow().table.get(key) {
        task.references.told.swap(false, Ordering::AcqRel);
    }
    core.wake_task(key);
}

impl Core {
    /// Files a task and queues its first poll.
    pub(crate) fn spawn<F>(&self, future: F, place: &'static Location<'static>) -> Key
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let future = Box::pin(async move { Box::new(future.await) as Box<dyn Any> });
        let key = self.tasks.borrow_mut().table.insert_with(|task| {
            let references = Arc::new(TaskWaker {
                handle: self.handle,
                task,
                place,
                inbox: Arc::clone(&self.inbox),
                told: AtomicBool::new(false),
            });
            Task {
                future: Some(future),
                state: State::Idle,
                begun: false,
                waker: Arc::clone(&references).into(),
                references,
                place,
                joiner: Waiter::Nobody,
                joins: None,
                detached: false,
            }
        });
        if self.closing.get() {
            self.cancel_task(key);
        } else {
            self.wake_task(key);
        }
        key
    }

    /// Queues a poll of the task, unless one is queued or the task is done.
    pub(crate) fn wake_task(&self, key: Key) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else { return };
        match &mut task.state {
            State::Idle => {
                task.state = State::Queued { cancelled: false };
                self.push_ready(
                    AsyncCallback::new(poll_task, key.into_word()),
                    CallbackKind::Task,
                    task.place,
                );
            }
            State::Polling { woken, .. } => *woken = true,
            State::Queued { .. } | State::Done(_) => {}
        }
    }

    /// Ends the task as cancelled: its future is dropped, at once or after the poll that is under way or due. A task that
    /// is done stays as it is (R49).
    pub(crate) fn cancel_task(&self, key: Key) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else { return };
        match &mut task.state {
            State::Done(_) => return,
            State::Polling { cancelled, .. } => return *cancelled = true,
            State::Queued { cancelled } if task.begun => return *cancelled = true,
            State::Idle | State::Queued { .. } => {}
        }
        drop(tasks);
        self.drop_task(key);
    }

    /// Ends a task that is not being polled, whatever was due.
    pub(super) fn drop_task(&self, key: Key) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else { return };
        let Some(future) = task.future.take() else { return };
        drop(tasks);
        self.doomed.borrow_mut().push_back((key, future));
        self.drop_doomed();
    }

    /// Runs the destructors of cancelled futures one after the other. One that cancels a further task does not run that
    /// one's inside itself: a chain of tasks that end each other may be longer than the stack is deep.
    ///
    /// Who cancels may do so from the scope of another dispatcher, or from none.
    fn drop_doomed(&self) {
        if self.dropping.replace(true) {
            return;
        }
        let _scope = Scope::begin(self.handle);
        loop {
            let next = self.doomed.borrow_mut().pop_front();
            let Some((key, future)) = next else { break };
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
            // A destructor's panic is the task's own, and comes to who joins it (R47).
            self.end_task(key, dropped.map_or_else(Outcome::Panicked, |()| Outcome::Cancelled));
        }
        self.dropping.set(false);
    }

    /// As [`Core::detach_task`], for an outcome whose handle outlives the dispatcher.
    pub(super) fn forget_task(&self, key: Key) {
        self.contained(|| self.detach_task(key));
    }

    /// How the task ended, or `None` while it has not; `context`'s task is then told of the end.
    pub(crate) fn poll_join(&self, key: Key, context: &Context<'_>) -> Option<Outcome> {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else {
            // Its handle, which asks, keeps every task but those that a closing dispatcher has ended.
            return Some(Outcome::Cancelled);
        };
        if matches!(task.state, State::Done(_)) {
            let done = tasks.table.remove(key).map(|task| task.state);
            let Some(State::Done(outcome)) = done else { unreachable!("the state was seen above") };
            return Some(outcome);
        }
        let mut joiner = std::mem::take(&mut task.joiner);
        drop(tasks);
        joiner.note(self, context);
        let mut tasks = self.tasks.borrow_mut();
        match tasks.table.get_mut(key) {
            Some(task) if !matches!(task.state, State::Done(_)) => {
                task.joiner = joiner;
                None
            }
            // Cloning the waker has ended the very task.
            _ => {
                drop(tasks);
                self.poll_join(key, context)
            }
        }
    }

    /// Begins a wait for the end of a task that has not ended.
    pub(crate) fn begin_join(&self, key: Key, place: &'static Location<'static>) -> Key {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.table.get_mut(key).expect("a task is kept until it has ended");
        task.joins.get_or_insert_default().begin(self, "join", 1, place)
    }

    /// Ends such a wait.
    pub(crate) fn end_join(&self, key: Key, wait: Key) {
        let tasks = self.tasks.borrow();
        // The waits for a task that is gone were all granted, and are in no queue.
        let none = WaitQueue::default();
        let joins = tasks.table.get(key).and_then(|task| task.joins.as_deref()).unwrap_or(&none);
        let ended = joins.take_out(self, wait);
        drop(tasks);
        // A waker may be in it.
        drop(ended);
    }

    pub(crate) fn is_task_finished(&self, key: Key) -> bool {
        self.tasks.borrow().table.get(key).is_none_or(|task| matches!(task.state, State::Done(_)))
    }

    /// Nobody will join the task any more. If it has panicked, the panic surfaces from the current turn instead.
    pub(crate) fn detach_task(&self, key: Key) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else { return };
        task.detached = true;
        if matches!(task.state, State::Done(_)) {
            let done = tasks.table.remove(key);
            drop(tasks);
            if let Some(Task { state: State::Done(Outcome::Panicked(payload)), .. }) = done {
                self.surface(payload);
            }
        }
    }

    /// The task whose future is being polled, if one is.
    pub(crate) fn polled(&self) -> Option<Key> {
        self.tasks.borrow().polled.map(|polled| polled.task)
    }

    /// The task whose future is being polled.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn polled_task(&self) -> Key {
        self.polled().expect("only a task's future asks which task it is")
    }

    pub(super) fn poll_task(&self, key: Key) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.table.get_mut(key) else { return };
        let State::Queued { cancelled } = task.state else { return };
        let mut future = task.future.take().expect("a queued task has its future");
        let waker = std::mem::replace(&mut task.waker, Waker::noop().clone());
        task.state = State::Polling { woken: false, cancelled };
        task.begun = true;
        let polled = Polled { task: key, waker: waker.data(), functions: waker.vtable() };
        let outer = tasks.polled.replace(polled);
        drop(tasks);

        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));

        let mut tasks = self.tasks.borrow_mut();
        tasks.polled = outer;
        tasks.table.get_mut(key).expect("only its own poll ends a polled task").waker = waker;
        drop(tasks);
        match polled {
            Ok(Poll::Pending) => self.put_back(key, future),
            Ok(Poll::Ready(output)) => {
                self.drop_contained(future);
                self.end_task(key, Outcome::Finished(output));
            }
            Err(payload) => {
                self.drop_contained(future);
                self.end_task(key, Outcome::Panicked(payload));
            }
        }
    }

    /// After a poll that ended as pending.
    fn put_back(&self, key: Key, future: LocalFuture) {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.table.get_mut(key).expect("only its own poll ends a polled task");
        let State::Polling { woken, cancelled } = task.state else {
            unreachable!("a polled task is in state Polling")
        };
        task.state = State::Idle;
        task.future = Some(future);
        drop(tasks);
        if cancelled {
            self.cancel_task(key);
        } else if woken {
            self.wake_task(key);
        }
    }

    fn end_task(&self, key: Key, outcome: Outcome) {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.table.get_mut(key).expect("a task ends once");
        assert!(task.future.is_none(), "the future goes before its task ends");
        // All are granted before the first is woken: a waker may take the outcome, and the task's entry goes with it.
        let joins = self.grant_joins(task);
        if task.detached {
            let ended = tasks.table.remove(key);
            drop(tasks);
            // Its joiner may be a waker, which is anyone's code.
            self.drop_contained(ended);
            if let Outcome::Panicked(payload) = outcome {
                self.surface(payload);
            }
        } else {
            task.state = State::Done(outcome);
            let mut joiner = std::mem::take(&mut task.joiner);
            drop(tasks);
            joiner.wake(self);
        }
        for mut join in joins {
            join.wake(self);
        }
    }

    /// Grants all waits for the end of `task`, and says who is to be woken.
    fn grant_joins(&self, task: &Task) -> Vec<Waiter> {
        let Some(joins) = &task.joins else { return Vec::new() };
        iter::from_fn(|| joins.take_first(self)).map(|(_, waiter)| waiter).collect()
    }

    /// Drops user code; if that panics, the panic surfaces after the batch, and the batch goes on.
    pub(super) fn drop_contained<T>(&self, value: T) {
        self.contained(|| drop(value));
    }

    /// Runs user code; a panic surfaces after the batch.
    fn contained(&self, run: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            self.surface(payload);
        }
    }

    /// Whether a clone of some unfinished task's waker is kept outside of this dispatcher, so that a wake may come.
    pub(super) fn has_wakers_elsewhere(&self) -> bool {
        let own_references = 2;
        let elsewhere = self.tasks.borrow().table.iter().any(|(_, task)| {
            !matches!(task.state, State::Done(_)) && Arc::strong_count(&task.references) > own_references
        });
        // A waker that is gone has left its wake in the inbox; the count alone does not make it visible.
        fence(Ordering::Acquire);
        elsewhere
    }
}

fn poll_task(handle: &Handle, word: usize) {
    handle.core().poll_task(Key::from_word(word));
}

impl Tasks {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.table.keys()
    }

    /// The tasks that are not done, where they were spawned, and the task that awaits each.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (Key, &'static Location<'static>, Option<Key>)> {
        let joiner = |task: &Task| match task.joiner {
            Waiter::Task(joiner) => Some(joiner),
            _ => None,
        };
        self.table
            .iter()
            .filter(|(_, task)| !matches!(task.state, State::Done(_)))
            .map(move |(key, task)| (key, task.place, joiner(task)))
    }
}
