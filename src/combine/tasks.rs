//! What is done with whole tasks: ending several, and keeping one from being ended.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use crate::{JoinError, JoinHandle, spawn};

/// Runs `future` to its end as a task of its own, and gives its output to whoever awaits the `Shield` (R54).
///
/// Dropping the `Shield` does not cancel `future`: it runs on, and its output is dropped. So
/// [`timeout`](crate::timeout)`(duration, shield(future))` gives up waiting and lets the work go on (R63).
///
/// # Panics
///
/// Outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use twinloop::{shield, sleep, timeout};
///
/// let saved = Rc::new(Cell::new(false));
/// let work = {
///     let saved = Rc::clone(&saved);
///     async move {
///         sleep(Duration::from_secs(5)).await;
///         saved.set(true);
///     }
/// };
/// assert!(timeout(Duration::from_secs(1), shield(work)).await.is_err());
/// sleep(Duration::from_secs(9)).await;
/// assert!(saved.get());
/// # Ok(()) });
/// ```
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Shield { task: spawn(future) }
}

/// The future of [`shield`].
#[must_use = "dropping a Shield lets its future run on by itself: await it, or spawn() the future"]
pub struct Shield<T> {
    task: JoinHandle<T>,
}

impl<T: 'static> Future for Shield<T> {
    type Output = T;

    /// # Panics
    ///
    /// With the panic of the shielded future, which surfaces from the turn if nobody awaits it; if the dispatcher was
    /// closed before that future ended; or if the output was given before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.task).poll(context).map(|outcome| match outcome {
            Ok(output) => output,
            Err(JoinError::Panicked(payload)) => resume_unwind(payload),
            Err(JoinError::Cancelled) => {
                panic!("the dispatcher of a shielded future was closed before its end: await it on that dispatcher")
            }
        })
    }
}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shield").field(&self.task).finish()
    }
}

/// Asks all tasks to end, at once, and then waits until every one of them is really gone (R52). Gives their outcomes in the
/// order of the handles; those that had ended keep theirs (R49). Without any it is ready at once.
///
/// Dropping the future takes nothing back: the tasks end by themselves.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{JoinError, cancel_and_wait, sleep, spawn};
///
/// let tasks = [spawn(async {}), spawn(sleep(Duration::from_secs(3600)))];
/// tasks[0].join().await;
/// let outcomes = cancel_and_wait(tasks).await;
/// assert!(matches!(outcomes[..], [Ok(()), Err(JoinError::Cancelled)]));
/// # Ok(()) });
/// ```
pub fn cancel_and_wait<T: 'static>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> CancelAndWait<T> {
    let cancelled: Vec<_> = tasks.into_iter().map(JoinHandle::cancel).collect();
    CancelAndWait {
        outcomes: Vec::with_capacity(cancelled.len()),
        waiting: cancelled.into_iter(),
        next: None,
    }
}

/// The future of [`cancel_and_wait`].
#[must_use = "the tasks are gone only once this was awaited"]
pub struct CancelAndWait<T> {
    outcomes: Vec<Result<T, JoinError>>,
    /// The task that is awaited at the moment: all end by themselves, so one after the other will do.
    next: Option<JoinHandle<T>>,
    waiting: vec::IntoIter<JoinHandle<T>>,
}

/// Outcomes are never pinned.
impl<T> Unpin for CancelAndWait<T> {}

impl<T: 'static> Future for CancelAndWait<T> {
    type Output = Vec<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let CancelAndWait { outcomes, next, waiting } = &mut *self;
        loop {
            if next.is_none() {
                *next = waiting.next();
            }
            let Some(task) = next else { return Poll::Ready(std::mem::take(outcomes)) };
            let Poll::Ready(outcome) = Pin::new(task).poll(context) else { return Poll::Pending };
            *next = None;
            outcomes.push(outcome);
        }
    }
}

impl<T> fmt::Debug for CancelAndWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelAndWait").field("ended", &self.outcomes.len()).finish_non_exhaustive()
    }
}
