//! The reading side of a broadcast: one event, so many events, or all there are.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::{Backlog, State};
use crate::shared::Shared;
use crate::table::Key;

/// One reader of a [`BroadcastQueue`](super::BroadcastQueue). Dropping it ends the subscription, and lets go of what only
/// it had not read.
///
/// It waits for one thing at a time, which its `&mut self` says.
///
/// # Panics
///
/// Methods panic on another thread, and once the dispatcher is closed.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::BroadcastQueue;
///
/// let queue = BroadcastQueue::unbounded();
/// let (mut one, mut other) = (queue.subscribe(), queue.subscribe());
/// queue.emit("for both");
/// assert_eq!(one.next().await?, Some("for both"));
/// assert_eq!(other.next().await?, Some("for both"));
/// # Ok(()) });
/// ```
pub struct Subscriber<T: 'static> {
    pub(super) shared: Shared<State<T>>,
    pub(super) backlog: Key,
}

impl<T: Clone + 'static> Subscriber<T> {
    /// The next event, as soon as there is one. `None` at the end: the queue is closed and everything is read.
    ///
    /// Dropping the future loses no event.
    ///
    /// # Errors
    ///
    /// [`Lagged`], for ever, once this subscriber was cut off (R183).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// let mut subscriber = queue.subscribe();
    /// queue.emit(1);
    /// drop(queue);
    /// assert_eq!(subscriber.next().await, Ok(Some(1)));
    /// assert_eq!(subscriber.next().await, Ok(None));
    /// # Ok(()) });
    /// ```
    #[expect(clippy::should_implement_trait, reason = "it is awaited, as the `next` of every stream")]
    #[track_caller]
    pub fn next(&mut self) -> Next<'_, T> {
        Next { reading: self.reading() }
    }

    /// The next `count` events, as soon as so many are there (R182). Fewer, or none, once the queue is closed.
    ///
    /// Nothing is taken before all are there, so dropping the future loses no event.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Panics
    ///
    /// If `count` is 0, or more than the queue's limit, so that it would never come.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// let mut subscriber = queue.subscribe();
    /// for event in 1..=3 {
    ///     queue.emit(event);
    /// }
    /// assert_eq!(subscriber.take(2).await?, [1, 2]);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Take<'_, T> {
        assert!(count > 0, "no events were asked for: take_all() gives what is there");
        let limit = self.shared.resolve().1.limit.unwrap_or(usize::MAX);
        assert!(
            count <= limit,
            "{count} events never come at once where {limit} may be unread: take fewer, or give the queue a larger limit"
        );
        Take { reading: self.reading(), least: count, most: count }
    }

    /// All events that are there, as soon as there is one (R182). None at the end.
    ///
    /// Dropping the future loses no event.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// let mut subscriber = queue.subscribe();
    /// for event in 1..=3 {
    ///     queue.emit(event);
    /// }
    /// assert_eq!(subscriber.take_all().await?, [1, 2, 3]);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn take_all(&mut self) -> Take<'_, T> {
        Take { reading: self.reading(), least: 1, most: usize::MAX }
    }

    #[track_caller]
    fn reading(&mut self) -> Reading<'_, T> {
        Reading { subscriber: self, wait: None, place: Location::caller() }
    }

    /// Takes up to `most` of the unread events. Cloning them is anyone's code: no borrow is alive then.
    fn read(&mut self, most: usize) -> Result<Vec<T>, Lagged> {
        let (_, state) = self.shared.resolve();
        let take = |unread: &mut VecDeque<Rc<T>>| unread.drain(..most.min(unread.len())).collect();
        let events: Vec<Rc<T>> = state.with_unread(self.backlog, take)?;
        Ok(events.into_iter().map(Rc::unwrap_or_clone).collect())
    }

    /// As [`Subscriber::read`], for one and without a vector.
    fn read_one(&mut self) -> Result<Option<T>, Lagged> {
        let (_, state) = self.shared.resolve();
        let event = state.with_unread(self.backlog, VecDeque::pop_front)?;
        Ok(event.map(Rc::unwrap_or_clone))
    }
}

impl<T: 'static> Subscriber<T> {
    /// How many events are unread. None are kept for a subscriber that was cut off.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// let mut subscriber = queue.subscribe();
    /// queue.emit(1);
    /// assert_eq!(subscriber.len(), 1);
    /// subscriber.next().await?;
    /// assert!(subscriber.is_empty());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn len(&self) -> usize {
        let (_, state) = self.shared.resolve();
        state.with_unread(self.backlog, |unread| unread.len()).unwrap_or(0)
    }

    /// Whether all events are read.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> State<T> {
    /// Runs `look` on the unread events, inside of a borrow.
    fn with_unread<R>(
        &self,
        backlog: Key,
        look: impl FnOnce(&mut VecDeque<Rc<T>>) -> R,
    ) -> Result<R, Lagged> {
        let mut backlogs = self.backlogs.borrow_mut();
        match backlogs.get_mut(backlog).expect("a backlog is kept until its subscriber is dropped") {
            Backlog::Unread(unread) => Ok(look(unread)),
            Backlog::Lagged => Err(Lagged),
        }
    }

    /// Whether who waits for `least` events need not wait any more.
    fn is_worth_reading(&self, backlog: Key, least: usize) -> bool {
        self.closed.get() || self.with_unread(backlog, |unread| unread.len() >= least).unwrap_or(true)
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        let Some((_, state)) = self.shared.try_resolve() else { return };
        let backlog = state.backlogs.borrow_mut().remove(self.backlog);
        // Destructors of events are anyone's code: they run after the borrow has ended.
        drop(backlog);
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("backlog", &self.backlog).finish_non_exhaustive()
    }
}

/// The future of [`Subscriber::next`].
#[must_use = "futures do nothing unless awaited"]
pub struct Next<'a, T: 'static> {
    reading: Reading<'a, T>,
}

impl<T: Clone> Future for Next<'_, T> {
    type Output = Result<Option<T>, Lagged>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.reading.poll_unread(1, context));
        Poll::Ready(self.reading.subscriber.read_one())
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// The future of [`Subscriber::take`] and [`Subscriber::take_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct Take<'a, T: 'static> {
    reading: Reading<'a, T>,
    least: usize,
    most: usize,
}

impl<T: Clone> Future for Take<'_, T> {
    type Output = Result<Vec<T>, Lagged>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (least, most) = (self.least, self.most);
        ready!(self.reading.poll_unread(least, context));
        Poll::Ready(self.reading.subscriber.read(most))
    }
}

impl<T> fmt::Debug for Take<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Take").field("least", &self.least).field("most", &self.most).finish_non_exhaustive()
    }
}

/// A wait for unread events, which takes none itself.
struct Reading<'a, T: 'static> {
    subscriber: &'a mut Subscriber<T>,
    wait: Option<Key>,
    place: &'static Location<'static>,
}

impl<T> Reading<'_, T> {
    /// A wait that was granted says that there is news, not that it is enough: then the next wait begins.
    fn poll_unread(&mut self, least: usize, context: &Context<'_>) -> Poll<()> {
        let (core, state) = self.subscriber.shared.resolve();
        loop {
            if let Some(wait) = self.wait {
                if !core.poll_wait(wait, context) {
                    return Poll::Pending;
                }
                self.wait = None;
                let _granted = state.waiting.end(&core, wait);
            }
            if state.is_worth_reading(self.subscriber.backlog, least) {
                return Poll::Ready(());
            }
            self.wait = Some(state.waiting.begin(&core, "broadcast", least, self.place));
        }
    }
}

impl<T> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        let Some(wait) = self.wait else { return };
        let Some((core, state)) = self.subscriber.shared.try_resolve() else { return };
        // News that was told in vain is nobody else's: all others were told too.
        let _ended = state.waiting.end(&core, wait);
    }
}

/// The subscriber lagged behind by the queue's limit and was cut off: it has missed events, and gets no more.
/// [`BroadcastQueue::subscribe`](super::BroadcastQueue::subscribe) begins anew.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{BroadcastQueue, sync::Lagged};
///
/// let queue = BroadcastQueue::bounded(1);
/// let mut subscriber = queue.subscribe();
/// queue.emit(1);
/// queue.emit(2);
/// assert_eq!(subscriber.next().await, Err(Lagged));
/// subscriber = queue.subscribe();
/// queue.emit(3);
/// assert_eq!(subscriber.next().await, Ok(Some(3)));
/// # Ok(()) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged;

impl Error for Lagged {}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the subscriber lagged too far behind and was cut off")
    }
}
