//! A rate limit: tokens that come with time, and tasks that consume them. How many come when is told by `refill`.

mod refill;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ticket::Ticket;
use crate::callback::AsyncCallback;
use crate::dispatcher::{Core, Ended, WaitQueue, Waiter};
use crate::shared::{Owned, Shared};
use crate::table::Key;
use crate::{Handle, Moment};
use refill::Inflow;
pub use refill::Refill;

/// A bucket that holds so many tokens at most, is full at first, and is refilled as time passes (R184).
///
/// What comes goes to the oldest who waits, who collects it until there is enough; only what nobody waits for stays in
/// the bucket, and what does not fit is lost. So the capacity bounds a burst after a quiet time, and not a request: one
/// for more just takes longer. Nobody is overtaken, not by smaller requests nor by
/// [`try_consume`](TokenBucket::try_consume).
///
/// The time is the dispatcher's, in whole nanoseconds, and nothing is rounded away: after any time exactly as many
/// tokens have come as the rate says. A timer runs only while someone waits.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::sync::Refill;
/// use twinloop::{TokenBucket, now};
///
/// let start = now();
/// let ten_a_second = Refill::Continuous { tokens: 10, period: Duration::from_secs(1) };
/// let bucket = TokenBucket::new(5, ten_a_second);
/// for _request in 0..25 {
///     bucket.consume(1).await;
/// }
/// // Five at once, and then one each tenth of a second.
/// assert_eq!(now() - start, Duration::from_secs(2));
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct TokenBucket {
    bucket: Shared<State>,
}

struct State {
    capacity: u128,
    /// While someone waits: what the first of them has collected, less than it asks for. Else what is in the bucket, no
    /// more than the capacity.
    tokens: Cell<u128>,
    /// `None` if only [`TokenBucket::replenish`] brings tokens.
    inflow: Cell<Option<Inflow>>,
    waits: WaitQueue,
    /// Due when the first who waits will have enough; there is none while nobody waits.
    timer: Cell<Option<(Moment, Key)>>,
    /// The key of this state, for the timer's callback.
    key: OnceCell<Key>,
    place: &'static Location<'static>,
}

impl TokenBucket {
    /// A bucket with `capacity` tokens in it, in the current dispatcher, refilled from now on. With a capacity of zero
    /// tokens come only to those who wait.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    pub fn new(capacity: usize, refill: Refill) -> TokenBucket {
        let state = State {
            capacity: capacity as u128,
            tokens: Cell::new(capacity as u128),
            inflow: Cell::new(Inflow::new(refill, Handle::current().core().clock())),
            waits: WaitQueue::default(),
            timer: Cell::new(None),
            key: OnceCell::new(),
            place: Location::caller(),
        };
        let bucket = Shared::new(state);
        bucket.resolve().1.key.set(bucket.key()).expect("it was empty until here");
        TokenBucket { bucket }
    }

    /// Takes `tokens` if they are there and nobody waits for any, and says whether it did.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::TokenBucket;
    /// use twinloop::sync::Refill;
    ///
    /// let bucket = TokenBucket::new(5, Refill::Manual);
    /// assert!(bucket.try_consume(3) && !bucket.try_consume(3) && bucket.try_consume(2));
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn try_consume(&self, tokens: usize) -> bool {
        let (core, state) = self.bucket.resolve();
        state.try_consume(&core, tokens)
    }

    /// Waits for `tokens`, as many as one likes, and takes them; ready at its first poll if they are there and nobody
    /// waits for any.
    ///
    /// Dropping the future gives back what it has collected, or all that it asked for if that had been granted already:
    /// to the next who waits, or else to the bucket, as much as fits. The others keep their order.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::sync::Refill;
    /// use twinloop::{TokenBucket, now};
    ///
    /// let start = now();
    /// let bucket = TokenBucket::new(10, Refill::Discrete { tokens: 4, period: Duration::from_secs(1) });
    /// bucket.consume(15).await;
    /// assert_eq!(now() - start, Duration::from_secs(2));
    /// assert_eq!(bucket.available_tokens(), 3);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn consume(&self, tokens: usize) -> Consume {
        let ticket = Ticket::new("tokens", tokens, Location::caller());
        Consume { bucket: Some(self.bucket.clone()), ticket }
    }

    /// Adds `tokens` besides those that come with time: for those who wait, or for the bucket, as much as fits.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::sync::Refill;
    /// use twinloop::{TokenBucket, spawn};
    ///
    /// let bucket = TokenBucket::new(2, Refill::Manual);
    /// let waiter = spawn(bucket.consume(7));
    /// twinloop::yield_now().await;
    /// bucket.replenish(9);
    /// waiter.await?;
    /// assert_eq!(bucket.available_tokens(), 2);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn replenish(&self, tokens: usize) {
        let (core, state) = self.bucket.resolve();
        state.give(&core, tokens);
    }

    /// How many tokens [`try_consume`](TokenBucket::try_consume) could take: those in the bucket, none while someone
    /// waits.
    #[track_caller]
    pub fn available_tokens(&self) -> usize {
        let (core, state) = self.bucket.resolve();
        state.settle(&core);
        if !state.waits.is_empty() {
            return 0;
        }
        usize::try_from(state.tokens.get()).expect("the bucket has no more than its capacity")
    }
}

impl fmt::Debug for TokenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.bucket.try_resolve().map(|(_, state)| state.capacity);
        f.debug_struct("TokenBucket").field("capacity", &capacity).finish_non_exhaustive()
    }
}

impl State {
    /// Takes the tokens from the bucket, but from nobody who waits.
    fn try_consume(&self, core: &Core, tokens: usize) -> bool {
        self.settle(core);
        if !self.waits.is_empty() {
            return false;
        }
        let Some(left) = self.tokens.get().checked_sub(tokens as u128) else { return false };
        self.tokens.set(left);
        true
    }

    /// Brings the bucket up to the present.
    fn settle(&self, core: &Core) {
        if let Some(mut inflow) = self.inflow.get() {
            let come = inflow.take(core.clock());
            self.inflow.set(Some(inflow));
            self.tokens.set(self.tokens.get() + come);
        }
        self.serve(core);
    }

    fn give(&self, core: &Core, tokens: usize) {
        // With what came until now it may be enough for who waits, who is not to wait for the timer then.
        self.settle(core);
        self.tokens.set(self.tokens.get() + tokens as u128);
        self.serve(core);
    }

    /// Grants as many waits as there are tokens for, from the head of the queue; the bucket keeps what it can of the rest.
    fn serve(&self, core: &Core) {
        while let Some(tokens) = self.waits.first_amount(core) {
            let Some(left) = self.tokens.get().checked_sub(tokens as u128) else { break };
            // Before the wake, which may run anyone's code.
            self.tokens.set(left);
            self.waits.grant_first(core);
        }
        if self.waits.is_empty() && self.tokens.get() >= self.capacity {
            self.tokens.set(self.capacity);
            self.inflow.set(self.inflow.get().map(Inflow::into_full_bucket));
        }
        self.arm(core);
    }

    /// Sets the timer to when the first who waits will have enough, and removes it if there is no such moment.
    fn arm(&self, core: &Core) {
        let deadline = self.next_grant(core);
        if self.timer.get().map(|(armed, _)| armed) == deadline {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            core.timers.borrow_mut().remove(timer);
        }
        let Some(deadline) = deadline else { return };
        let key = *self.key.get().expect("a bucket has its key before it is used");
        let callback = AsyncCallback::new(tokens_due, key.into_word());
        let waiter = Waiter::Call(callback, self.place);
        let timer = core.timers.borrow_mut().add(deadline, waiter, self.place);
        self.timer.set(Some((deadline, timer)));
    }

    /// `None` if nobody waits, or if time alone will never bring enough.
    fn next_grant(&self, core: &Core) -> Option<Moment> {
        let wanted = self.waits.first_amount(core)? as u128;
        let missing = wanted.checked_sub(self.tokens.get()).expect("who has enough does not wait");
        self.inflow.get()?.moment_of(missing)
    }
}

/// The timer's callback. Who waits keeps the bucket, and the last who goes removes the timer.
fn tokens_due(handle: &Handle, word: usize) {
    let core = handle.core();
    let state =
        core.object::<Owned<State>>(Key::from_word(word)).expect("a bucket with a timer is waited for");
    state.timer.set(None);
    state.settle(&core);
}

/// The future of [`TokenBucket::consume`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Consume {
    /// Let go at the end, so that nothing is consumed twice.
    bucket: Option<Shared<State>>,
    ticket: Ticket,
}

impl Future for Consume {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Consume { bucket, ticket } = self.get_mut();
        let (core, state) = bucket.as_ref().expect("a Consume was polled again after it was ready").resolve();
        let consumed = !ticket.is_drawn() && state.try_consume(&core, ticket.amount());
        if consumed || ticket.poll(&state.waits, &core, context) {
            *bucket = None;
            return Poll::Ready(());
        }
        // It may be the first who waits.
        state.arm(&core);
        Poll::Pending
    }
}

impl Drop for Consume {
    fn drop(&mut self) {
        let Some((core, state)) = self.bucket.as_ref().and_then(Shared::try_resolve) else { return };
        match self.ticket.give_up(&state.waits, &core) {
            Some(Ended::Granted) => state.give(&core, self.ticket.amount()),
            // What it has collected stays, and is the next one's now.
            Some(Ended::GivenUp) => state.settle(&core),
            None => {}
        }
    }
}
