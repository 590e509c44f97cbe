//! Ending a wait from another thread at the price of one system call, or of none when nobody waits.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use twinloop::driver::Unpark;

/// The driver's thread is not in `poll`: it will look at the state before it waits.
const AWAKE: u8 = 0;
/// The driver's thread waits, or is about to.
const WAITING: u8 = 1;
/// Somebody called `unpark` since the last `poll` returned.
const NOTIFIED: u8 = 2;

/// The selector's waker, used only when there is somebody to wake.
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
pub(crate) struct Unparker {
    state: AtomicU8,
    waker: mio::Waker,
}

impl Unparker {
    pub(crate) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Unparker> {
        Ok(Unparker { state: AtomicU8::new(AWAKE), waker: mio::Waker::new(registry, token)? })
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
}

impl Unpark for Unparker {
    /// # Panics
    ///
    /// If the system can not signal the selector, which it documents for want of memory only. To go on would be to
    /// sleep through the notification.
    fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == WAITING {
            self.waker.wake().expect("a waker that was made can be signalled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpark_forbids_the_next_wait_and_no_other() {
        let poll = mio::Poll::new().expect("a selector");
        let unparker = Unparker::new(poll.registry(), mio::Token(0)).expect("a waker");
        unparker.unpark();
        unparker.unpark();
        assert!(!unparker.begin_wait());
        unparker.end_wait();
        assert!(unparker.begin_wait());
        unparker.unpark();
        unparker.end_wait();
        assert!(unparker.begin_wait(), "an unpark during a wait is answered by that wait");
    }
}
