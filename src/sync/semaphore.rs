//! A number of permits that tasks take and give back. It does not know what they permit.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ticket::Ticket;
use crate::dispatcher::{Core, Ended, WaitQueue};
use crate::shared::Shared;

/// Bounds how much goes on at once: a number of permits, taken and given back (R181).
///
/// Whoever waits is served strictly in the order of waiting: a large request at the head of the queue is not overtaken
/// by small ones behind it, nor by `try_acquire`, although there would be permits enough for those.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{AsyncSemaphore, now, sleep, spawn};
///
/// let start = now();
/// let seats = AsyncSemaphore::new(2);
/// let guests: Vec<_> = (0..6)
///     .map(|_| {
///         let seats = seats.clone();
///         spawn(async move {
///             let _seat = seats.acquire().await;
///             sleep(Duration::from_secs(60)).await;
///         })
///     })
///     .collect();
/// for guest in guests {
///     guest.await?;
/// }
/// assert_eq!(now() - start, Duration::from_secs(3 * 60));
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct AsyncSemaphore {
    semaphore: Shared<State>,
}

struct State {
    /// Neither held nor granted.
    available: Cell<usize>,
    /// All there are: available, granted and held. That it is a `usize` keeps every sum of permits from overflowing.
    total: Cell<usize>,
    waits: WaitQueue,
}

impl AsyncSemaphore {
    /// A semaphore with `permits` permits, in the current dispatcher. There may be none at first, and
    /// [`add_permits`](AsyncSemaphore::add_permits) later.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    pub fn new(permits: usize) -> AsyncSemaphore {
        let state =
            State { available: Cell::new(permits), total: Cell::new(permits), waits: WaitQueue::default() };
        AsyncSemaphore { semaphore: Shared::new(state) }
    }

    /// As [`acquire_many`](AsyncSemaphore::acquire_many) of one.
    #[track_caller]
    pub fn acquire(&self) -> AcquirePermits {
        self.acquire_many(1)
    }

    /// Waits for `permits` permits, all at once; ready at its first poll if they are there and nobody waits for any.
    ///
    /// Dropping the future gives the place in the queue up; the others keep their order. If the permits had been granted
    /// to it already, they go on to those who wait (R179). Who asks for more permits than there are in all waits until
    /// some are added, and so do all behind.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let semaphore = twinloop::AsyncSemaphore::new(5);
    /// let permit = semaphore.acquire_many(3).await;
    /// assert_eq!(semaphore.available_permits(), 2);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 5);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> AcquirePermits {
        let ticket = Ticket::new("permit", permits, Location::caller());
        AcquirePermits { semaphore: Some(self.semaphore.clone()), ticket }
    }

    /// As [`try_acquire_many`](AsyncSemaphore::try_acquire_many) of one.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_acquire_many(1)
    }

    /// The permits if they are there and nobody waits for any.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let semaphore = twinloop::AsyncSemaphore::new(5);
    /// let permit = semaphore.try_acquire_many(3);
    /// assert!(permit.is_some() && semaphore.try_acquire_many(3).is_none());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn try_acquire_many(&self, permits: usize) -> Option<Permit> {
        let (_, state) = self.semaphore.resolve();
        let taken = state.try_take(permits);
        taken.then(|| Permit { semaphore: self.semaphore.clone(), permits })
    }

    /// How many permits are neither held nor granted. While someone waits for more, there may be some that nobody gets.
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        self.semaphore.resolve().1.available.get()
    }

    /// Makes `permits` new ones, which go to those who wait first.
    ///
    /// # Panics
    ///
    /// If there were more permits in all than a `usize` counts.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let semaphore = twinloop::AsyncSemaphore::new(0);
    /// assert!(semaphore.try_acquire().is_none());
    /// semaphore.add_permits(2);
    /// semaphore.acquire_many(2).await.forget();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        let (core, state) = self.semaphore.resolve();
        let total = state.total.get().checked_add(permits).expect(
            "a semaphore can not have more permits than a usize counts: \
             give permits back by dropping them, and add only new ones",
        );
        state.total.set(total);
        state.give_back(&core, permits);
    }
}

impl fmt::Debug for AsyncSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let available = self.semaphore.try_resolve().map(|(_, state)| state.available.get());
        f.debug_struct("AsyncSemaphore").field("available", &available).finish_non_exhaustive()
    }
}

impl State {
    /// Takes permits that are available, but from nobody who waits.
    fn try_take(&self, permits: usize) -> bool {
        if !self.waits.is_empty() {
            return false;
        }
        let Some(left) = self.available.get().checked_sub(permits) else { return false };
        self.available.set(left);
        true
    }

    fn give_back(&self, core: &Core, permits: usize) {
        let available = self.available.get() + permits;
        assert!(available <= self.total.get(), "no permit is given back twice");
        self.available.set(available);
        self.serve(core);
    }

    /// Grants as many waits as there are permits for, from the head of the queue. Needed too when a wait was given up:
    /// there may be enough for those behind it.
    fn serve(&self, core: &Core) {
        while let Some(permits) = self.waits.first_amount(core) {
            let Some(left) = self.available.get().checked_sub(permits) else { break };
            // Before the wake, which may run anyone's code.
            self.available.set(left);
            self.waits.grant_first(core);
        }
    }
}

/// The future of [`AsyncSemaphore::acquire`] and [`AsyncSemaphore::acquire_many`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct AcquirePermits {
    /// Given to the permit at the end.
    semaphore: Option<Shared<State>>,
    ticket: Ticket,
}

impl Future for AcquirePermits {
    type Output = Permit;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let AcquirePermits { semaphore, ticket } = self.get_mut();
        let shared = semaphore.as_ref().expect("an AcquirePermits was polled again after it gave its permit");
        let (core, state) = shared.resolve();
        let taken = !ticket.is_drawn() && state.try_take(ticket.amount());
        if !taken && !ticket.poll(&state.waits, &core, context) {
            return Poll::Pending;
        }
        let semaphore = semaphore.take().expect("it was resolved above");
        Poll::Ready(Permit { semaphore, permits: ticket.amount() })
    }
}

impl Drop for AcquirePermits {
    fn drop(&mut self) {
        let Some((core, state)) = self.semaphore.as_ref().and_then(Shared::try_resolve) else { return };
        match self.ticket.give_up(&state.waits, &core) {
            Some(Ended::Granted) => state.give_back(&core, self.ticket.amount()),
            Some(Ended::GivenUp) => state.serve(&core),
            None => {}
        }
    }
}

/// Permits of a semaphore, given back when this is dropped.
///
/// Only what was taken can be given back, once: the release beyond the bound that R181 makes an error can not be written.
/// Dropped after its dispatcher was closed, or on another thread, it does nothing; in the latter case its permits are
/// gone for ever.
#[must_use = "the permits are given back when this is dropped"]
pub struct Permit {
    semaphore: Shared<State>,
    permits: usize,
}

impl Permit {
    /// Lets the permits go for good: the semaphore has so many less.
    #[track_caller]
    pub fn forget(mut self) {
        let (_, state) = self.semaphore.resolve();
        let forgotten = std::mem::take(&mut self.permits);
        state.total.set(state.total.get() - forgotten);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((core, state)) = self.semaphore.try_resolve() {
            state.give_back(&core, self.permits);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
