//! Ending a wait from another thread at the price of one system call, or of none when nobody waits.

use std::io;

use twinloop::driver::Unpark;

use crate::parking::Parking;

/// The selector's waker, used only when there is somebody to wake.
#[derive(Debug)]
pub(crate) struct Unparker {
    parking: Parking,
    waker: mio::Waker,
}

impl Unparker {
    pub(crate) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Unparker> {
        Ok(Unparker { parking: Parking::new(), waker: mio::Waker::new(registry, token)? })
    }

    /// As [`Parking::begin_wait`].
    pub(crate) fn begin_wait(&self) -> bool {
        self.parking.begin_wait()
    }

    /// As [`Parking::end_wait`].
    pub(crate) fn end_wait(&self) {
        self.parking.end_wait();
    }
}

impl Unpark for Unparker {
    /// # Panics
    ///
    /// If the system can not signal the selector, which it documents for want of memory only. To go on would be to
    /// sleep through the notification.
    fn unpark(&self) {
        if self.parking.unpark() {
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
