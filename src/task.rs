//! Tasks as programs see them: spawning, joining, cancelling, yielding. Makes no driver call.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Handle;
use crate::dispatcher::{Core, Outcome, Waiter};
use crate::table::Key;

/// Runs `future` as a task of the current dispatcher, first polled in the next turn.
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// let answer = twinloop::spawn(async { 6 * 7 }).await?;
/// assert_eq!(answer, 42);
/// # Ok(()) });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Handle::current().spawn(future)
}

/// A spawned task, seen from outside. Awaiting it gives the task's output.
///
/// Dropping it detaches the task, which then runs on by itself. If a detached task panics, the panic goes on from the
/// turn in which it happened: no panic is silent.
///
/// A dispatcher that closes cancels its tasks: a handle that outlives it answers [`JoinError::Cancelled`].
#[must_use = "dropping a JoinHandle detaches the task: await it, or say detach()"]
pub struct JoinHandle<T> {
    handle: Handle,
    task: Option<Key>,
    output: PhantomData<fn() -> T>,
}

impl<T: 'static> JoinHandle<T> {
    pub(crate) fn new(handle: Handle, task: Key) -> JoinHandle<T> {
        JoinHandle { handle, task: Some(task), output: PhantomData }
    }

    /// Whether the task has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        match (self.task, self.handle.core_unless_closed()) {
            (Some(task), Some(core)) => core.is_task_finished(task),
            _ => true,
        }
    }

    /// Waits for the end of the task, in whatever way it comes, and takes nothing (R55): who awaits the handle still gets
    /// the outcome. Any number of tasks may wait for one.
    ///
    /// Dropping the future leaves the task alone. It may outlive the handle, and a task that was detached.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let task = twinloop::spawn(async { 7 });
    /// task.join().await;
    /// assert!(task.is_finished());
    /// assert_eq!(task.await?, 7);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn join(&self) -> Joined {
        Joined { handle: self.handle, task: self.task, wait: None, place: Location::caller() }
    }

    /// Asks the task to end and gives the handle back, to be awaited: it then answers once the task is really gone.
    ///
    /// The task's future is dropped at its current await, which cancels what it waits for. A task that has ended
    /// already keeps its outcome (R49, R53): completing wins. If a destructor of the future panics, the outcome is that
    /// panic.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::{JoinError, sleep, spawn};
    ///
    /// let task = spawn(sleep(Duration::from_secs(3600)));
    /// assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
    /// # Ok(()) });
    /// ```
    pub fn cancel(self) -> JoinHandle<T> {
        if let (Some(task), Some(core)) = (self.task, self.handle.core_unless_closed()) {
            core.cancel_task(task);
        }
        self
    }

    /// Lets the task run on by itself, as dropping the handle does.
    pub fn detach(self) {}

    pub(crate) fn key(&self) -> Key {
        self.task.expect("the outcome was not taken yet")
    }

    /// The outcome, if the task has ended.
    pub(crate) fn take_outcome(&mut self) -> Option<Result<T, JoinError>> {
        match Pin::new(self).poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task.expect("a JoinHandle was polled again after it gave its outcome");
        let outcome = match self.handle.core_unless_closed() {
            Some(core) => core.poll_join(task, context),
            None => Some(Outcome::Cancelled),
        };
        let Some(outcome) = outcome else { return Poll::Pending };
        self.task = None;
        Poll::Ready(match outcome {
            Outcome::Finished(output) => {
                Ok(*output.downcast().expect("the task was spawned with this handle's output type"))
            }
            Outcome::Panicked(payload) => Err(JoinError::Panicked(payload)),
            Outcome::Cancelled => Err(JoinError::Cancelled),
        })
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let (Some(task), Some(core)) = (self.task, self.handle.try_core()) {
            core.detach_task(task);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &self.task).finish_non_exhaustive()
    }
}

/// The future of [`JoinHandle::join`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Joined {
    handle: Handle,
    /// `None` if its outcome was taken, and so it had ended, before.
    task: Option<Key>,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl Future for Joined {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (Some(task), Some(core)) = (self.task, self.handle.core_unless_closed()) else {
            return Poll::Ready(());
        };
        if core.is_task_finished(task) {
            return Poll::Ready(());
        }
        let place = self.place;
        let wait = *self.wait.get_or_insert_with(|| core.begin_join(task, place));
        if core.poll_wait(wait, context) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let (Some(task), Some(wait), Some(core)) = (self.task, self.wait, self.handle.try_core()) {
            core.end_join(task, wait);
        }
    }
}

/// Why a task has no output.
#[non_exhaustive]
pub enum JoinError {
    /// It was cancelled.
    Cancelled,
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

impl std::error::Error for JoinError {}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("the task was cancelled"),
            JoinError::Panicked(payload) => write!(f, "the task panicked: {}", panic_text(&**payload)),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text of a panic, where its payload is one.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "(a payload that is not text)",
    }
}

/// Lets everything else that is due run, then goes on in the next turn.
///
/// ```
/// # twinloop_sim::run(async {
/// twinloop::yield_now().await;
/// # Ok(()) });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { asked_in: None }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    /// The batch in which it was first polled; it is ready in any later one.
    asked_in: Option<u64>,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let core = Handle::current().core();
        let batch = core.batches.get();
        if self.asked_in.is_some_and(|asked_in| asked_in < batch) {
            return Poll::Ready(());
        }
        self.asked_in = Some(batch);
        yield_once(&core, context);
        Poll::Pending
    }
}

/// Has whoever polls with `context` polled again in the next batch.
pub(crate) fn yield_once(core: &Core, context: &Context<'_>) {
    let mut waiter = Waiter::Nobody;
    waiter.note(core, context);
    waiter.wake(core);
}

/// Waits for a turn in which the driver has no event to tell (R10): for work that should disturb nobody.
///
/// Each such turn lets one waiter go on, the first. A descriptor that is ready all the time leaves no such turn; put a
/// [`timeout`](crate::timeout) around what must be done all the same.
///
/// # Panics
///
/// When polled outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// twinloop::idle().await;
/// # Ok(()) });
/// ```
#[track_caller]
pub fn idle() -> Idle {
    Idle { wait: None, place: Location::caller() }
}

/// The future of [`idle`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Idle {
    wait: Option<(Handle, Key)>,
    place: &'static Location<'static>,
}

impl Future for Idle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let place = self.place;
        let (handle, wait) = *self.wait.get_or_insert_with(|| {
            let handle = Handle::current();
            let core = handle.core();
            (handle, core.idle.begin(&core, "idle", 1, place))
        });
        let core = handle.core();
        if !core.poll_wait(wait, context) {
            return Poll::Pending;
        }
        self.wait = None;
        let _granted = core.idle.end(&core, wait);
        Poll::Ready(())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let Some((handle, wait)) = self.wait else { return };
        let Some(core) = handle.try_core() else { return };
        // A quiet turn that was granted in vain is not passed on: the next one is for the next who waits.
        let _ended = core.idle.end(&core, wait);
    }
}
