//! Events for everybody: each subscriber sees every event that comes after its subscription, at its own pace. It knows
//! nothing of threads.

mod subscriber;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::dispatcher::{Core, WaitQueue};
use crate::shared::Shared;
use crate::table::Table;

pub use subscriber::{Lagged, Next, Subscriber, Take};

/// A queue whose every event goes to all who subscribed before it (R182). Clones are the same queue.
///
/// Whoever emits never waits. An event is kept once, for as long as a subscriber has not read it, and each subscriber
/// but the last to read it gets a clone. A subscriber that lags behind by the queue's limit is cut off and told so
/// ([`Lagged`], R183): it delays nobody, and nothing is kept for it any more.
///
/// The queue closes when the last `BroadcastQueue` is dropped, or by [`close`](Self::close).
///
/// # Panics
///
/// Methods panic on another thread, and once the dispatcher is closed.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{BroadcastQueue, spawn};
///
/// let weather = BroadcastQueue::unbounded();
/// let mut subscriber = weather.subscribe();
/// let reader = spawn(async move {
///     let mut days = Vec::new();
///     while let Some(day) = subscriber.next().await? {
///         days.push(day);
///     }
///     Ok::<_, twinloop::sync::Lagged>(days)
/// });
/// weather.emit("rain");
/// weather.emit("sun");
/// drop(weather);
/// assert_eq!(reader.await??, ["rain", "sun"]);
/// # Ok(()) });
/// ```
pub struct BroadcastQueue<T: 'static> {
    shared: Shared<State<T>>,
}

struct State<T> {
    limit: Option<usize>,
    backlogs: RefCell<Table<Backlog<T>>>,
    /// Subscribers that wait for events. All of them are told of every event, and each sees whether it has enough.
    waiting: WaitQueue,
    closed: Cell<bool>,
    /// How many `BroadcastQueue`s there are.
    emitters: Cell<usize>,
}

/// What one subscriber has not read yet. An event that all have read is in no backlog, and is gone.
enum Backlog<T> {
    Unread(VecDeque<Rc<T>>),
    /// It was cut off, for ever.
    Lagged,
}

impl<T: 'static> BroadcastQueue<T> {
    /// A queue whose subscribers may have at most `limit` events unread. One that has `limit` of them unread when a
    /// further event is emitted is cut off.
    ///
    /// # Panics
    ///
    /// If `limit` is 0, and outside of a dispatcher's scope.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{BroadcastQueue, sync::Lagged};
    ///
    /// let queue = BroadcastQueue::bounded(1);
    /// let (mut fast, mut slow) = (queue.subscribe(), queue.subscribe());
    /// queue.emit(1);
    /// assert_eq!(fast.next().await, Ok(Some(1)));
    /// queue.emit(2);
    /// assert_eq!(fast.next().await, Ok(Some(2)));
    /// assert_eq!(slow.next().await, Err(Lagged));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn bounded(limit: usize) -> BroadcastQueue<T> {
        assert!(limit > 0, "subscribers that may have nothing unread get nothing: give a limit of 1 or more");
        BroadcastQueue::new(Some(limit))
    }

    /// A queue that keeps events for as long as it takes. A subscriber that is kept and never reads makes it grow.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    pub fn unbounded() -> BroadcastQueue<T> {
        BroadcastQueue::new(None)
    }

    #[track_caller]
    fn new(limit: Option<usize>) -> BroadcastQueue<T> {
        let shared = Shared::new(State {
            limit,
            backlogs: RefCell::default(),
            waiting: WaitQueue::default(),
            closed: Cell::new(false),
            emitters: Cell::new(1),
        });
        BroadcastQueue { shared }
    }

    /// Begins a subscription: it gets what is emitted from now on. Of a closed queue it is at its end.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// queue.emit("missed");
    /// let mut subscriber = queue.subscribe();
    /// queue.emit("seen");
    /// assert_eq!(subscriber.next().await, Ok(Some("seen")));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn subscribe(&self) -> Subscriber<T> {
        let shared = self.shared.clone();
        let (_, state) = shared.resolve();
        let backlog = state.backlogs.borrow_mut().insert(Backlog::Unread(VecDeque::new()));
        Subscriber { shared, backlog }
    }

    /// Gives `value` to all subscribers, and says how many got it: not those that lag too far behind, and nobody once
    /// the queue is closed. What nobody gets is dropped.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// assert_eq!(queue.emit(1), 0);
    /// let _subscriber = queue.subscribe();
    /// assert_eq!(queue.emit(2), 1);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn emit(&self, value: T) -> usize {
        let (core, state) = self.shared.resolve();
        if state.closed.get() {
            return 0;
        }
        // What nobody keeps is dropped last, with no borrow alive: its destructor is anyone's code.
        let event = Rc::new(value);
        let (reached, _cut_off) = state.distribute(&event);
        state.waiting.grant_all(&core);
        reached
    }

    /// Ends the stream of events. Subscribers read what they have, and then find the end; those that wait for more get
    /// less (R182). Closing again changes nothing.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::unbounded();
    /// let mut subscriber = queue.subscribe();
    /// queue.emit(1);
    /// queue.close();
    /// assert_eq!(queue.emit(2), 0);
    /// assert_eq!(subscriber.take(10).await?, [1]);
    /// assert_eq!(subscriber.next().await?, None);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn close(&self) {
        let (core, state) = self.shared.resolve();
        state.close(&core);
    }

    /// Whether the queue was closed, by [`close`](Self::close).
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.shared.resolve().1.closed.get()
    }

    /// How many subscribers there are, with those that were cut off.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let queue = twinloop::BroadcastQueue::<u32>::unbounded();
    /// let subscriber = queue.subscribe();
    /// assert_eq!(queue.subscribers(), 1);
    /// drop(subscriber);
    /// assert_eq!(queue.subscribers(), 0);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn subscribers(&self) -> usize {
        self.shared.resolve().1.backlogs.borrow().len()
    }
}

impl<T> Clone for BroadcastQueue<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        let (_, state) = self.shared.resolve();
        state.emitters.set(state.emitters.get() + 1);
        BroadcastQueue { shared: self.shared.clone() }
    }
}

impl<T> Drop for BroadcastQueue<T> {
    fn drop(&mut self) {
        let Some((core, state)) = self.shared.try_resolve() else { return };
        let emitters = state.emitters.get() - 1;
        state.emitters.set(emitters);
        if emitters == 0 {
            state.close(&core);
        }
    }
}

/// Shows numbers and not the events, also where the queue can not be used.
impl<T> fmt::Debug for BroadcastQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("BroadcastQueue");
        if let Some((_, state)) = self.shared.try_resolve() {
            text.field("subscribers", &state.backlogs.borrow().len())
                .field("limit", &state.limit)
                .field("closed", &state.closed.get());
        }
        text.finish_non_exhaustive()
    }
}

impl<T> State<T> {
    /// Says how many got the event, and gives what is nobody's any more.
    fn distribute(&self, event: &Rc<T>) -> (usize, Vec<Backlog<T>>) {
        let (mut reached, mut cut_off) = (0, Vec::new());
        for backlog in self.backlogs.borrow_mut().values_mut() {
            let Backlog::Unread(unread) = backlog else { continue };
            if self.limit.is_some_and(|limit| unread.len() >= limit) {
                cut_off.push(std::mem::replace(backlog, Backlog::Lagged));
            } else {
                unread.push_back(Rc::clone(event));
                reached += 1;
            }
        }
        (reached, cut_off)
    }

    fn close(&self, core: &Core) {
        self.closed.set(true);
        self.waiting.grant_all(core);
    }
}
