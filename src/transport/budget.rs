//! How much one direction of one transport may do before everything else has its turn (R107).

use crate::dispatcher::Core;

/// Bytes or datagrams that one direction may move, or connections that one listener may accept, within a turn. Who has
/// spent it ends the turn's further batches: the driver, and with it timers and other sources, are asked first.
///
/// Every stream has two, so they are small. One that sleeps for exactly 2³² turns gives way once too often.
#[derive(Default)]
pub(super) struct Budget {
    turn: u32,
    spent: u32,
}

/// A peer that sends as fast as we read can hold up a turn for this many bytes, some 50 µs of copying.
pub(super) const BYTES_A_TURN: usize = 256 * 1024;
/// What the kernel may send of a file in one call. Nothing is copied, so that it takes no longer than the bytes above;
/// with less, a fast receiver drains the socket's buffer before the next turn comes.
pub(super) const FILE_BYTES_A_CALL: usize = 1024 * 1024;
/// What an operation costs at least: so many small ones hold up a turn as long as a few large ones.
const OPERATION_MIN: usize = 1024;
/// A burst of connections can hold up a turn for this many of them.
pub(super) const ACCEPTS_A_TURN: usize = 64;
/// As many datagrams may be received, and as many sent.
pub(super) const DATAGRAMS_A_TURN: usize = 32;

impl Budget {
    /// Whether `limit` is not yet spent in the current turn of `core`.
    pub(super) fn allows(&mut self, core: &Core, limit: usize) -> bool {
        let turn = core.turns.get() as u32;
        if self.turn != turn {
            *self = Budget { turn, spent: 0 };
        }
        let allowed = (self.spent as usize) < limit;
        core.budget_spent.set(core.budget_spent.get() || !allowed);
        allowed
    }

    /// One operation has moved so many bytes.
    pub(super) fn spend_bytes(&mut self, count: usize) {
        let spent = u32::try_from(count.max(OPERATION_MIN)).unwrap_or(u32::MAX);
        self.spent = self.spent.saturating_add(spent);
    }

    pub(super) fn spend_one(&mut self) {
        self.spend(1);
    }

    pub(super) fn spend(&mut self, count: usize) {
        self.spent = self.spent.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
}
