//! Adding to a queue: the value is the future's own until it is offered, and the queue's once there is room.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Full;
use super::state::{End, State};
use crate::dispatcher::Ended;
use crate::shared::Shared;
use crate::table::Key;

/// The future of [`push_back`](super::AsyncQueue::push_back) and [`push_front`](super::AsyncQueue::push_front).
#[must_use = "futures do nothing unless awaited"]
pub struct Push<T: 'static> {
    shared: Shared<State<T>>,
    end: End,
    progress: Progress<T>,
    place: &'static Location<'static>,
}

enum Progress<T> {
    Begun(T),
    /// The value is offered, beside this wait.
    Waiting(Key),
    Done,
}

impl<T> Push<T> {
    #[track_caller]
    pub(super) fn new(shared: Shared<State<T>>, end: End, value: T) -> Push<T> {
        Push { shared, end, progress: Progress::Begun(value), place: Location::caller() }
    }
}

/// The value is moved, never pinned.
impl<T> Unpin for Push<T> {}

impl<T> Future for Push<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (core, state) = self.shared.resolve();
        let wait = match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::Begun(value) => match state.try_push(&core, self.end, value) {
                Ok(()) => return Poll::Ready(()),
                Err(Full(value)) => state.offer(&core, self.end, value, self.place),
            },
            Progress::Waiting(wait) => wait,
            Progress::Done => panic!("a push was polled again after it was done: await it once"),
        };
        self.progress = Progress::Waiting(wait);
        if !core.poll_wait(wait, context) {
            return Poll::Pending;
        }
        self.progress = Progress::Done;
        let _granted = state.putters.end(&core, wait);
        Poll::Ready(())
    }
}

impl<T> Drop for Push<T> {
    fn drop(&mut self) {
        let Progress::Waiting(wait) = self.progress else { return };
        let Some((core, state)) = self.shared.try_resolve() else { return };
        // The offer goes before its wait: the wait's waker is anyone's code, and may make room.
        let withdrawn = state.withdraw(wait);
        let ended = state.putters.end(&core, wait);
        assert_eq!(
            withdrawn.is_none(),
            ended == Ended::Granted,
            "a value is taken in when its putter is woken"
        );
    }
}

impl<T> fmt::Debug for Push<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("end", &self.end).finish_non_exhaustive()
    }
}
