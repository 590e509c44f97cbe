//! Edges that no selector tells: of what is always ready, and of what other threads do on behalf of a descriptor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use twinloop::driver::{Event, Fd, Readiness, Unpark};

use crate::unparker::Unparker;

/// What is to be told by the next poll, which does not wait then.
#[derive(Debug)]
pub(crate) struct Edges {
    told: Mutex<Vec<Event>>,
    /// There may be some: a poll without any takes no lock.
    any: AtomicBool,
    unparker: Arc<Unparker>,
}

impl Edges {
    pub(crate) fn new(unparker: Arc<Unparker>) -> Edges {
        Edges { told: Mutex::default(), any: AtomicBool::new(false), unparker }
    }

    /// Any thread. `fd` may be closed by then: whoever takes the edge drops it.
    pub(crate) fn tell(&self, fd: Fd, readiness: Readiness) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(Event { fd, readiness });
        self.any.store(true, Ordering::Release);
        drop(told);
        self.unparker.unpark();
    }

    /// What was told since the last call, in order.
    pub(crate) fn take(&self) -> Vec<Event> {
        if !self.any.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use twinloop::table::Key;

    use super::*;

    /// R16: an edge of another thread ends the wait, or forbids the next one, and is told once.
    #[test]
    fn what_is_told_is_taken_once_and_lets_nobody_wait() {
        let poll = mio::Poll::new().expect("a selector");
        let unparker = Arc::new(Unparker::new(poll.registry(), mio::Token(0)).expect("a waker"));
        let edges = Edges::new(Arc::clone(&unparker));
        let fd = Fd::from_key(Key::new(3, 1));
        std::thread::scope(|scope| {
            scope.spawn(|| edges.tell(fd, Readiness::READABLE));
        });
        assert!(!unparker.begin_wait());
        unparker.end_wait();
        assert_eq!(edges.take(), [Event { fd, readiness: Readiness::READABLE }]);
        assert_eq!(edges.take(), []);
    }
}
