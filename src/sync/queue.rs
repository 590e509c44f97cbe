//! A double-ended queue between tasks: whoever takes waits for items, whoever adds waits for room. It knows nothing of
//! threads.

mod pop;
mod push;
mod state;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use crate::shared::Shared;
pub use pop::Pop;
pub use push::Push;
use state::{End, State};

/// A queue of items between the tasks of one dispatcher, open at both ends. Clones are the same queue.
///
/// Items leave in the order of the queue, and those who wait go on in the order in which they began to wait: those who
/// take as well as those who add (R176, R177). An item wakes one waiter and belongs to it from then on (R179): nobody
/// else gets it, and if the waiter is cancelled before its next poll, the item goes to the next one or back to its place
/// in the line. Such an item still counts: it keeps its room in the queue until it is picked up.
///
/// Nobody overtakes those who wait: while somebody waits to add, [`try_push_back`](Self::try_push_back) finds the queue
/// full, and while somebody waits to take, [`try_pop_front`](Self::try_pop_front) finds nothing.
///
/// # Panics
///
/// Methods panic on another thread, and once the dispatcher is closed.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{AsyncQueue, spawn};
///
/// let numbers = AsyncQueue::bounded(10);
/// let source = numbers.clone();
/// let producer = spawn(async move {
///     for number in 0..1000 {
///         source.push_back(number).await;
///     }
/// });
/// for number in 0..1000 {
///     assert_eq!(numbers.pop_front().await, number);
/// }
/// producer.await?;
/// # Ok(()) });
/// ```
pub struct AsyncQueue<T: 'static> {
    shared: Shared<State<T>>,
}

impl<T: 'static> AsyncQueue<T> {
    /// A queue with room for `capacity` items.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0, and outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::AsyncQueue::bounded(1);
    /// queue.push_back("first").await;
    /// assert!(queue.try_push_back("second").is_err());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn bounded(capacity: usize) -> AsyncQueue<T> {
        assert!(capacity > 0, "a queue without room passes nothing on: give it a capacity of 1 or more");
        AsyncQueue { shared: Shared::new(State::new(Some(capacity))) }
    }

    /// A queue that always has room. Adding to it never waits.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::AsyncQueue::unbounded();
    /// queue.push_back(2).await;
    /// queue.push_front(1).await;
    /// assert_eq!((queue.pop_front().await, queue.pop_front().await), (1, 2));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn unbounded() -> AsyncQueue<T> {
        AsyncQueue { shared: Shared::new(State::new(None)) }
    }

    /// Adds `value` at the back, as soon as there is room and nobody else waits for it.
    ///
    /// Nothing happens before the first poll. When the future is dropped, `value` is in the queue or is dropped with it;
    /// it is in the queue from the moment at which room was made for it (R53: completing wins).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::{AsyncQueue, timeout};
    ///
    /// let queue = AsyncQueue::bounded(1);
    /// queue.push_back("first").await;
    /// assert!(timeout(Duration::from_secs(1), queue.push_back("second")).await.is_err());
    /// assert_eq!(queue.pop_front().await, "first");
    /// assert!(queue.is_empty());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn push_back(&self, value: T) -> Push<T> {
        Push::new(self.shared.clone(), End::Back, value)
    }

    /// Adds `value` at the front, where it is the next to be taken. As [`push_back`](Self::push_back) in everything else.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::AsyncQueue::unbounded();
    /// queue.push_back("later").await;
    /// queue.push_front("urgent").await;
    /// assert_eq!(queue.pop_front().await, "urgent");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn push_front(&self, value: T) -> Push<T> {
        Push::new(self.shared.clone(), End::Front, value)
    }

    /// Takes the item at the front, as soon as there is one and nobody else waits for it.
    ///
    /// Nothing happens before the first poll. Dropping the future loses no item: one that was handed to it already goes
    /// to the next who waits, or back to its place in the line (R178).
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{AsyncQueue, spawn};
    ///
    /// let queue = AsyncQueue::unbounded();
    /// let getter = spawn(queue.pop_front());
    /// queue.push_back(7).await;
    /// assert_eq!(getter.await?, 7);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn pop_front(&self) -> Pop<T> {
        Pop::new(self.shared.clone(), End::Front)
    }

    /// Takes the item at the back. As [`pop_front`](Self::pop_front) in everything else.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let stack = twinloop::AsyncQueue::unbounded();
    /// stack.push_back("below").await;
    /// stack.push_back("on top").await;
    /// assert_eq!(stack.pop_back().await, "on top");
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn pop_back(&self) -> Pop<T> {
        Pop::new(self.shared.clone(), End::Back)
    }

    /// Adds `value` at the back, now or not at all.
    ///
    /// # Errors
    ///
    /// [`Full`], with `value` in it, if there is no room or others wait for it.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{AsyncQueue, sync::Full};
    ///
    /// let queue = AsyncQueue::bounded(1);
    /// assert_eq!(queue.try_push_back(1), Ok(()));
    /// assert_eq!(queue.try_push_back(2), Err(Full(2)));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn try_push_back(&self, value: T) -> Result<(), Full<T>> {
        let (core, state) = self.shared.resolve();
        state.try_push(&core, End::Back, value)
    }

    /// Adds `value` at the front, now or not at all. As [`try_push_back`](Self::try_push_back) in everything else.
    #[track_caller]
    pub fn try_push_front(&self, value: T) -> Result<(), Full<T>> {
        let (core, state) = self.shared.resolve();
        state.try_push(&core, End::Front, value)
    }

    /// Takes the item at the front. `None` if there is none, or others wait for one.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::AsyncQueue::unbounded();
    /// queue.push_back(1).await;
    /// assert_eq!(queue.try_pop_front(), Some(1));
    /// assert_eq!(queue.try_pop_front(), None);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn try_pop_front(&self) -> Option<T> {
        let (core, state) = self.shared.resolve();
        state.try_pop(&core, End::Front)
    }

    /// Takes the item at the back. As [`try_pop_front`](Self::try_pop_front) in everything else.
    #[track_caller]
    pub fn try_pop_back(&self) -> Option<T> {
        let (core, state) = self.shared.resolve();
        state.try_pop(&core, End::Back)
    }

    /// Takes all items that are nobody's yet, in their order. Those who wait to add then have room (against R180), so
    /// the queue need not be empty afterwards. What was handed to a waiter that was woken stays with it.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::AsyncQueue::unbounded();
    /// queue.push_back(1).await;
    /// queue.push_back(2).await;
    /// assert_eq!(queue.clear(), [1, 2]);
    /// assert!(queue.is_empty());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn clear(&self) -> VecDeque<T> {
        let (core, state) = self.shared.resolve();
        state.clear(&core)
    }

    /// How many items there are, with those that were handed to somebody who has not picked them up yet.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{AsyncQueue, spawn, yield_now};
    ///
    /// let queue = AsyncQueue::bounded(1);
    /// let getter = spawn(queue.pop_front());
    /// yield_now().await;
    /// queue.push_back(7).await;
    /// assert_eq!((queue.len(), queue.is_full(), queue.try_pop_front()), (1, true, None));
    /// getter.await?;
    /// assert!(queue.is_empty());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn len(&self) -> usize {
        self.shared.resolve().1.len()
    }

    /// Whether there is no item.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room. Never, if the queue is unbounded.
    #[track_caller]
    pub fn is_full(&self) -> bool {
        !self.shared.resolve().1.has_room()
    }

    /// How many items there is room for. `None` if the queue is unbounded.
    #[track_caller]
    pub fn capacity(&self) -> Option<usize> {
        self.shared.resolve().1.capacity()
    }
}

impl<T> Clone for AsyncQueue<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        AsyncQueue { shared: self.shared.clone() }
    }
}

/// Shows the lengths and not the items, also where the queue can not be used.
impl<T> fmt::Debug for AsyncQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("AsyncQueue");
        if let Some((_, state)) = self.shared.try_resolve() {
            text.field("len", &state.len()).field("capacity", &state.capacity());
        }
        text.finish_non_exhaustive()
    }
}

/// There was no room for this value, or others wait for it.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::sync::Full;
///
/// let queue = twinloop::AsyncQueue::bounded(1);
/// queue.push_back("first").await;
/// let Err(Full(second)) = queue.try_push_back("second") else { panic!("there is no room") };
/// assert_eq!(second, "second");
/// # Ok(()) });
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> Error for Full<T> {}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}
