//! Threads: work for the dispatcher of another thread, and threads with dispatchers of their own.
//!
//! Only what crosses from thread to thread lives here. It makes no thread itself: the driver does, and on the simulator a
//! thread is a further dispatcher of its host.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::dispatcher::{Inbox, Message};
use crate::driver::{OsError, ThreadMain};
use crate::table::Key;
use crate::{AsyncCallback, Handle, JoinError};

/// Reaches a dispatcher from any thread, its own included.
///
/// While one is alive, its dispatcher has something to wait for: [`poll`](crate::Dispatcher::poll) then waits where it
/// would otherwise say that nothing is pending. What a thread sends arrives in the order of sending.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{Handle, spawn_thread};
///
/// let home = Handle::current().remote();
/// let worker = spawn_thread("worker", move || async move {
///     // On the worker's thread; the answer comes from the first one.
///     home.spawn(|| async { 6 * 7 }).await
/// })?;
/// assert_eq!(worker.await??, 42);
/// # Ok(()) });
/// ```
pub struct Remote {
    inbox: Arc<Inbox<Message>>,
}

impl Handle {
    /// What other threads reach this dispatcher by.
    pub fn remote(&self) -> Remote {
        Remote::new(Arc::clone(&self.core().inbox))
    }
}

impl Remote {
    fn new(inbox: Arc<Inbox<Message>>) -> Remote {
        inbox.add_sender();
        Remote { inbox }
    }

    /// Queues `callback` on the dispatcher, and ends its wait. A dispatcher that closes before its next turn drops it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the dispatcher is; `callback` then never runs.
    #[track_caller]
    pub fn call_soon(&self, callback: AsyncCallback) -> Result<(), Closed> {
        self.inbox.push(Message::Call(callback, Location::caller())).map_err(|_| Closed)
    }

    /// Has the dispatcher run the future that `make` gives. `make` travels to the thread, so it is `Send`; the future never
    /// leaves that thread, and need not be.
    ///
    /// A dispatcher that is closed, or closes before the future is done, ends it as cancelled.
    #[track_caller]
    pub fn spawn<F>(&self, make: impl FnOnce() -> F + Send + 'static) -> RemoteJoin<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let place = Location::caller();
        let (reporter, join) = report();
        let spawn = move |handle: &Handle| {
            handle.spawn_at(place, run(make, reporter)).detach();
        };
        // A closed dispatcher gives the closure back, and its end is reported as it is dropped.
        let _closed = self.inbox.push(Message::Spawn(Box::new(spawn)));
        join
    }
}

impl Clone for Remote {
    fn clone(&self) -> Self {
        Remote::new(Arc::clone(&self.inbox))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.inbox.remove_sender();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// The dispatcher that a [`Remote`] reaches is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl Error for Closed {}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dispatcher is closed")
    }
}

/// Starts a thread called `name`, with a dispatcher of its own that runs the future of `make` to its end and then closes.
///
/// On the real driver it is a thread of the system. On the simulator it is a further dispatcher of the same host, on the
/// same kernel, and the seed chooses in which order the host's threads turn. There, as all turns are made by one thread,
/// code that blocks until another thread has done something blocks for ever: await instead.
///
/// The thread may outlive the dispatcher that started it, as a system's thread does; await the [`RemoteJoin`] to wait for
/// it.
///
/// # Errors
///
/// [`ThreadError`] if the system refuses a thread, or the descriptors for its selector.
///
/// # Panics
///
/// Outside of a dispatcher's scope, and if there is a NUL in `name`.
#[track_caller]
pub fn spawn_thread<F>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<RemoteJoin<F::Output>, ThreadError>
where
    F: Future + 'static,
    F::Output: Send + 'static,
{
    assert!(!name.contains('\0'), "a thread's name has no NUL: the system takes it for the end");
    let place = Location::caller();
    let (reporter, join) = report();
    // Kept here too: a driver that refuses the thread is in use while it drops what it was given, and this is anyone's code.
    let kept = Arc::new(Mutex::new(Some((make, reporter))));
    let taken = Arc::clone(&kept);
    let begin = move || -> Pin<Box<dyn Future<Output = ()>>> {
        let given = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (make, reporter) = given.expect("a driver begins a thread once");
        // A task of its own can be cancelled, and the thread's main future goes on to its end.
        let task = Handle::current().spawn_at(place, run(make, reporter));
        Box::pin(async move {
            if let Err(JoinError::Panicked(payload)) = task.await {
                resume_unwind(payload);
            }
        })
    };
    let main = ThreadMain { name: name.to_owned(), place, begin: Box::new(begin) };
    let started = Handle::current().core().driver.borrow_mut().start_thread(main);
    started.map_err(|error| ThreadError { name: name.to_owned(), error })?;
    Ok(join)
}

/// A thread did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadError {
    name: String,
    error: OsError,
}

impl ThreadError {
    /// Why the system refused.
    pub fn os_error(&self) -> OsError {
        self.error
    }
}

impl Error for ThreadError {}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start thread {}: {}", self.name, self.error)
    }
}

/// A future that runs on the dispatcher of another thread, seen from any thread. Awaiting it gives its output.
///
/// It may be awaited on any dispatcher, or by any executor. Dropping it lets the future run on by itself; if that then
/// panics, the panic goes on from a turn of its own dispatcher. If it had panicked before, the panic goes on from a
/// turn of the dispatcher in whose scope this is dropped, and is lost where there is none.
#[must_use = "dropping a RemoteJoin detaches the future: await it, or say detach()"]
pub struct RemoteJoin<T> {
    report: Arc<Report<T>>,
}

impl<T> RemoteJoin<T> {
    /// Whether the future has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        !matches!(self.report.lock().progress, Progress::NotBegun | Progress::Running(_))
    }

    /// Asks the future to end and gives this back, to be awaited: it then answers once the future is really gone. What has
    /// ended keeps its outcome (R49), as with [`JoinHandle::cancel`](crate::JoinHandle::cancel).
    pub fn cancel(self) -> RemoteJoin<T> {
        let mut state = self.report.lock();
        state.cancelled = true;
        let running = match &state.progress {
            Progress::Running(Some((remote, task))) => Some((remote.clone(), *task)),
            _ => None,
        };
        drop(state);
        if let Some((remote, task)) = running {
            // A dispatcher that closes cancels its tasks itself.
            let _closed = remote.call_soon(AsyncCallback::new(cancel_task, task.into_word()));
        }
        self
    }

    /// Lets the future run on by itself, as dropping this does.
    pub fn detach(self) {}
}

fn cancel_task(handle: &Handle, word: usize) {
    handle.core().cancel_task(Key::from_word(word));
}

impl<T> Future for RemoteJoin<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock is taken, and the one before dropped after: both are anyone's code.
        let waker = context.waker().clone();
        let mut state = self.report.lock();
        if let Progress::NotBegun | Progress::Running(_) = state.progress {
            let _before = state.waiter.replace(waker);
            drop(state);
            return Poll::Pending;
        }
        match std::mem::replace(&mut state.progress, Progress::Told) {
            Progress::Ended(outcome) => Poll::Ready(outcome),
            _ => panic!("a RemoteJoin was polled again after it gave its outcome"),
        }
    }
}

impl<T> Drop for RemoteJoin<T> {
    fn drop(&mut self) {
        let mut state = self.report.lock();
        state.detached = true;
        let _waiter = state.waiter.take();
        // Nobody can cancel it any more: a dispatcher that has nothing else to wait for may say so.
        let before = match &mut state.progress {
            Progress::Running(canceller) => Progress::Running(canceller.take()),
            Progress::Ended(_) => std::mem::replace(&mut state.progress, Progress::Told),
            Progress::NotBegun | Progress::Told => Progress::Told,
        };
        drop(state);
        if let (Progress::Ended(Err(JoinError::Panicked(payload))), Some(handle)) =
            (before, Handle::try_current())
        {
            handle.core().surface(payload);
        }
    }
}

impl<T> fmt::Debug for RemoteJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoin").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// What the two sides of a future on another thread share.
struct Report<T> {
    state: Mutex<ReportState<T>>,
}

struct ReportState<T> {
    progress: Progress<T>,
    waiter: Option<Waker>,
    /// The future is to end before it begins.
    cancelled: bool,
    /// Nobody will ask for the outcome.
    detached: bool,
}

/// ```text
///   NotBegun ───▶ Running ───▶ Ended ───▶ Told
///       └── cancelled, closed ──▲
/// ```
enum Progress<T> {
    NotBegun,
    /// With what it takes to cancel it, as long as somebody may want to.
    Running(Option<(Remote, Key)>),
    Ended(Result<T, JoinError>),
    Told,
}

fn report<T>() -> (Reporter<T>, RemoteJoin<T>) {
    let state = ReportState { progress: Progress::NotBegun, waiter: None, cancelled: false, detached: false };
    let report = Arc::new(Report { state: Mutex::new(state) });
    (Reporter { report: Arc::clone(&report) }, RemoteJoin { report })
}

impl<T> Report<T> {
    fn lock(&self) -> MutexGuard<'_, ReportState<T>> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side that runs. Dropped before the end, it reports that the future was cancelled.
struct Reporter<T> {
    report: Arc<Report<T>>,
}

/// Runs the future of `make`, and reports its end. To be polled by a task that is its own.
///
/// `make` stands before `reporter`, here and in whatever holds both: if it is dropped before it begins, they go in this
/// order, and the end is reported when all is gone.
async fn run<T, F: Future<Output = T>>(make: impl FnOnce() -> F, reporter: Reporter<T>) {
    if !reporter.begin() {
        drop(make);
        return;
    }
    // It goes before `reporter` does: a cancel is answered when the future is really gone.
    let mut future = pin!(async move { make().await });
    let outcome = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(JoinError::Panicked(payload))),
        }
    });
    if let Err(payload) = reporter.end(outcome.await) {
        resume_unwind(payload);
    }
}

impl<T> Reporter<T> {
    /// Says that the task that is polled now runs the future. False if it is not to run.
    fn begin(&self) -> bool {
        let handle = Handle::current();
        let mut state = self.report.lock();
        if state.cancelled {
            return false;
        }
        let canceller = || (handle.remote(), handle.core().polled_task());
        state.progress = Progress::Running((!state.detached).then(canceller));
        true
    }

    /// Reports how it ended. A panic that nobody will ask for comes back: no panic is silent.
    fn end(&self, outcome: Result<T, JoinError>) -> Result<(), Box<dyn Any + Send>> {
        let mut state = self.report.lock();
        let outcome = match outcome {
            Err(JoinError::Panicked(payload)) if state.detached => return Err(payload),
            outcome => outcome,
        };
        let _before = std::mem::replace(&mut state.progress, Progress::Ended(outcome));
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        Ok(())
    }
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        let is_over = matches!(self.report.lock().progress, Progress::Ended(_) | Progress::Told);
        if !is_over {
            self.end(Err(JoinError::Cancelled)).expect("a cancel is no panic");
        }
    }
}
