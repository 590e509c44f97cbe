//! Those who wait for one thing, in the order in which they began to. It wakes nobody itself.

use std::collections::VecDeque;

use crate::dispatcher::Waiter;

/// A queue of waiters. Each keeps its place by a ticket, however often it is polled.
#[derive(Default)]
pub(super) struct Waiters {
    queue: VecDeque<(u64, Waiter)>,
    next_ticket: u64,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The ticket of who has waited longest.
    pub(super) fn first(&self) -> Option<u64> {
        self.queue.front().map(|(ticket, _)| *ticket)
    }

    /// Notes `waiter` at the place of `ticket`, or at the end with a new one. What was noted there before is for the
    /// caller to drop, once no borrow is alive.
    pub(super) fn note(&mut self, ticket: &mut Option<u64>, waiter: Waiter) -> Waiter {
        if let Some(place) = self.place(*ticket) {
            return std::mem::replace(&mut self.queue[place].1, waiter);
        }
        *ticket = Some(self.next_ticket);
        self.queue.push_back((self.next_ticket, waiter));
        self.next_ticket += 1;
        Waiter::Nobody
    }

    /// Gives up the place of `ticket`. Says whether it was the first, and gives what was noted there, for the caller to
    /// drop.
    pub(super) fn leave(&mut self, ticket: Option<u64>) -> (bool, Waiter) {
        match self.place(ticket).and_then(|place| Some((place, self.queue.remove(place)?))) {
            Some((place, (_, waiter))) => (place == 0, waiter),
            None => (false, Waiter::Nobody),
        }
    }

    /// Takes the first waiter's waker; it keeps its place.
    pub(super) fn take_first(&mut self) -> Waiter {
        self.queue.front_mut().map(|(_, waiter)| std::mem::take(waiter)).unwrap_or_default()
    }

    /// Takes all of them.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        std::mem::take(&mut self.queue).into_iter().map(|(_, waiter)| waiter)
    }

    fn place(&self, ticket: Option<u64>) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket?, |(ticket, _)| *ticket).ok()
    }
}
