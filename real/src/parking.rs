//! Whether the driver's thread waits, and whether somebody wants it not to: one word that threads exchange. It knows no
//! selector. `tests/it/interleavings.rs` compiles this very file against a model checker's types and tries every
//! interleaving.

use super::meeting::{AtomicU8, Ordering};

/// The driver's thread is not in `poll`: it will look at the state before it waits.
const AWAKE: u8 = 0;
/// The driver's thread waits, or is about to.
const WAITING: u8 = 1;
/// Somebody called `unpark` since the last `poll` returned.
const NOTIFIED: u8 = 2;

/// The state of one driver's waits.
///
/// ```text
///             begin_wait               unpark: signals
///      +--------------------> WAITING -----------------+
///      |                         |                     v
///    AWAKE <-- end_wait ---------+                  NOTIFIED, where begin_wait forbids to wait
///      | ^                                           ^   |
///      | +---- end_wait -----------------------------|---+
///      +------ unpark -------------------------------+
/// ```
///
/// Why no wake is lost: every step is one atomic exchange on one word, so all steps have one order. An `unpark` is
/// ordered either
///
/// - before `begin_wait`, which then finds NOTIFIED and does not wait at all; or
/// - between `begin_wait` and `end_wait`. The first such `unpark` finds WAITING and signals the selector, which keeps
///   the signal until a wait returns, so it matters not whether the thread sleeps already. The others find NOTIFIED
///   and may rely on that signal: it is sent right after its exchange, and this very wait ends by it if by nothing else.
///
/// A wait that ends by something else while the signal is on its way leaves the signal to the next wait, which returns
/// early for nothing. The contract of `poll` allows that, and the exchanges (`AcqRel`) make all that a thread wrote before
/// its `unpark` visible after the `end_wait` that takes the notification back.
#[derive(Debug)]
pub(crate) struct Parking {
    state: AtomicU8,
}

impl Parking {
    pub(crate) fn new() -> Parking {
        Parking { state: AtomicU8::new(AWAKE) }
    }

    /// Announces a wait. `false`: there was an `unpark`, so look at the selector but do not wait.
    pub(crate) fn begin_wait(&self) -> bool {
        let exchange = self.state.compare_exchange(AWAKE, WAITING, Ordering::AcqRel, Ordering::Acquire);
        assert_ne!(exchange, Err(WAITING), "a driver polls from one thread, once at a time");
        exchange.is_ok()
    }

    /// The wait is over, and with it every `unpark` so far is answered.
    pub(crate) fn end_wait(&self) {
        let before = self.state.swap(AWAKE, Ordering::AcqRel);
        assert_ne!(before, AWAKE, "only begin_wait comes before end_wait");
    }

    /// Any thread. `true`: the thread waits, or is about to, and the caller is the one to signal its selector.
    #[must_use = "whoever is told to signal and does not lets the thread sleep on"]
    pub(crate) fn unpark(&self) -> bool {
        self.state.swap(NOTIFIED, Ordering::AcqRel) == WAITING
    }
}
