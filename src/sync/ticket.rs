//! One future's place in a queue of waits, from its first poll to its end. It does not know what is waited for.

use std::panic::Location;
use std::task::Context;

use crate::dispatcher::{Core, Ended, OneHolder, WaitQueue};
use crate::table::Key;

/// Not drawn until the future finds that it has to wait.
#[derive(Debug)]
pub(super) struct Ticket {
    wait: Option<Key>,
    what: &'static str,
    amount: usize,
    place: &'static Location<'static>,
}

impl Ticket {
    /// A ticket for `amount` of something. `what` and `place` are what a dump shows of the wait.
    pub(super) fn new(what: &'static str, amount: usize, place: &'static Location<'static>) -> Ticket {
        Ticket { wait: None, what, amount, place }
    }

    pub(super) fn amount(&self) -> usize {
        self.amount
    }

    /// Whether the future waits, or has been granted what it waits for and not taken it.
    pub(super) fn is_drawn(&self) -> bool {
        self.wait.is_some()
    }

    /// Whether the wait was granted; it has ended then. The first call begins it, behind all others.
    pub(super) fn poll(&mut self, queue: &WaitQueue, core: &Core, context: &Context<'_>) -> bool {
        let begin = || queue.begin(core, self.what, self.amount, self.place);
        let wait = *self.wait.get_or_insert_with(begin);
        if !core.poll_wait(wait, context) {
            return false;
        }
        self.wait = None;
        let ended = queue.end(core, wait);
        assert!(ended == Ended::Granted, "a granted wait stays granted");
        true
    }

    /// As [`Ticket::poll`], for what one task at a time has.
    pub(super) fn poll_held(
        &mut self,
        queue: &WaitQueue,
        core: &Core,
        context: &Context<'_>,
        held: OneHolder,
    ) -> bool {
        let had_to_wait = self.is_drawn();
        let is_granted = self.poll(queue, core, context);
        if let Some(wait) = self.wait.filter(|_| !had_to_wait) {
            core.note_held(wait, held);
        }
        is_granted
    }

    /// Where it was asked for.
    pub(super) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// For destructors: ends the wait, if there is one, and says whether it had been granted what is now to be passed on.
    pub(super) fn give_up(&mut self, queue: &WaitQueue, core: &Core) -> Option<Ended> {
        self.wait.take().map(|wait| queue.end(core, wait))
    }
}
