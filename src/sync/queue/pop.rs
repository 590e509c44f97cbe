//! Taking from a queue: an item that was handed over is picked up by the next poll, or given back.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::state::{End, State};
use crate::dispatcher::Ended;
use crate::shared::Shared;
use crate::table::Key;

/// The future of [`pop_front`](super::AsyncQueue::pop_front) and [`pop_back`](super::AsyncQueue::pop_back).
#[must_use = "futures do nothing unless awaited"]
pub struct Pop<T: 'static> {
    shared: Shared<State<T>>,
    end: End,
    progress: Progress,
    place: &'static Location<'static>,
}

enum Progress {
    Begun,
    Waiting(Key),
    Done,
}

impl<T> Pop<T> {
    #[track_caller]
    pub(super) fn new(shared: Shared<State<T>>, end: End) -> Pop<T> {
        Pop { shared, end, progress: Progress::Begun, place: Location::caller() }
    }
}

impl<T> Future for Pop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let (core, state) = self.shared.resolve();
        let wait = match self.progress {
            Progress::Begun => match state.try_pop(&core, self.end) {
                Some(value) => {
                    self.progress = Progress::Done;
                    return Poll::Ready(value);
                }
                None => state.getters.begin(&core, "queue item", 1, self.place),
            },
            Progress::Waiting(wait) => wait,
            Progress::Done => panic!("a pop was polled again after it gave its item: await it once"),
        };
        self.progress = Progress::Waiting(wait);
        if !core.poll_wait(wait, context) {
            return Poll::Pending;
        }
        self.progress = Progress::Done;
        let _granted = state.getters.end(&core, wait);
        Poll::Ready(state.pick_up(&core, wait))
    }
}

impl<T> Drop for Pop<T> {
    fn drop(&mut self) {
        let Progress::Waiting(wait) = self.progress else { return };
        let Some((core, state)) = self.shared.try_resolve() else { return };
        if state.getters.end(&core, wait) == Ended::Granted {
            state.give_back(&core, wait);
        }
    }
}

impl<T> fmt::Debug for Pop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pop").field("end", &self.end).finish_non_exhaustive()
    }
}
