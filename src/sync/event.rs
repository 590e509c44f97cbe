//! A flag that tasks wait for. It does not know what the flag stands for.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ticket::Ticket;
use crate::dispatcher::WaitQueue;
use crate::shared::Shared;

/// A flag that is set or not, and wakes all who wait when it is set (R175).
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{AsyncEvent, spawn};
///
/// let started = AsyncEvent::new();
/// let waiter = spawn(started.wait());
/// started.fire();
/// waiter.await?;
/// started.wait().await;
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct AsyncEvent {
    event: Shared<State>,
}

/// Nobody is queued while it is set.
#[derive(Default)]
struct State {
    set: Cell<bool>,
    waits: WaitQueue,
}

impl AsyncEvent {
    /// An event that is not set, in the current dispatcher.
    ///
    /// # Panics
    ///
    /// Outside of a dispatcher's scope.
    #[track_caller]
    #[expect(
        clippy::new_without_default,
        reason = "it needs a dispatcher's scope, and panics outside of one"
    )]
    pub fn new() -> AsyncEvent {
        AsyncEvent { event: Shared::new(State::default()) }
    }

    /// Sets the event, and wakes all who wait at this moment, in the order of waiting: one turn is enough for all. An
    /// event that is set stays as it is.
    ///
    /// Who is woken stays woken, although [`clear`](AsyncEvent::clear) follows at once: `fire(); clear();` lets all who
    /// wait go on and nobody else.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{AsyncEvent, spawn, yield_now};
    ///
    /// let tick = AsyncEvent::new();
    /// let waiter = spawn(tick.wait());
    /// yield_now().await;
    /// tick.fire();
    /// tick.clear();
    /// waiter.await?;
    /// assert!(!tick.is_set());
    /// # Ok(()) });
    /// ```
    #[track_caller]
    pub fn fire(&self) {
        let (core, state) = self.event.resolve();
        state.set.set(true);
        state.waits.grant_all(&core);
    }

    /// Clears the event: who comes from now on waits. Does nothing to an event that is not set.
    #[track_caller]
    pub fn clear(&self) {
        self.event.resolve().1.set.set(false);
    }

    /// Whether the event is set.
    #[track_caller]
    pub fn is_set(&self) -> bool {
        self.event.resolve().1.set.get()
    }

    /// Waits until the event is fired; ready at its first poll if it is set. The wait begins with that poll: what was fired
    /// and cleared before is missed. Dropping the future ends the wait and disturbs nobody else's.
    #[track_caller]
    pub fn wait(&self) -> EventWait {
        EventWait { event: self.event.clone(), ticket: Ticket::new("event", 1, Location::caller()) }
    }
}

impl fmt::Debug for AsyncEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.event.try_resolve().map(|(_, state)| state.set.get());
        f.debug_struct("AsyncEvent").field("set", &set).finish_non_exhaustive()
    }
}

/// The future of [`AsyncEvent::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct EventWait {
    event: Shared<State>,
    ticket: Ticket,
}

impl Future for EventWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let EventWait { event, ticket } = self.get_mut();
        let (core, state) = event.resolve();
        if !ticket.is_drawn() && state.set.get() {
            return Poll::Ready(());
        }
        if ticket.poll(&state.waits, &core, context) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for EventWait {
    fn drop(&mut self) {
        let Some((core, state)) = self.event.try_resolve() else { return };
        // Granted or not: all who waited were granted alike, so there is nothing to pass on.
        let _ended = self.ticket.give_up(&state.waits, &core);
    }
}
