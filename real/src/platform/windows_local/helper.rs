//! Calls that wait, one at a time, each on a thread of its own; and who is told when one has ended. It does not know what the
//! calls do.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use twinloop::driver::{Fd, Readiness};

use crate::edges::Edges;
use crate::platform::thread_error;

/// How far the calls of one stream are.
pub(super) enum Progress {
    /// Nothing is known, and nothing is under way.
    Idle,
    /// So much input is there to be taken; none is its end.
    Found(usize),
}

enum Calls {
    Ended(io::Result<Progress>),
    UnderWay,
}

/// What is known of one stream, by all threads of the process.
pub(super) struct Helper {
    state: Mutex<State>,
    has_ended: Condvar,
}

pub(super) struct State {
    calls: Calls,
    listeners: Vec<Listener>,
}

/// Who is told of the end of a call: one descriptor of one driver.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) edges: Arc<Edges>,
    pub(super) fd: Fd,
}

impl Helper {
    pub(super) const fn new() -> Helper {
        let state = State { calls: Calls::Ended(Ok(Progress::Idle)), listeners: Vec::new() };
        Helper { state: Mutex::new(state), has_ended: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread make `call`. None may be under way.
    pub(super) fn begin(
        &'static self,
        state: &mut State,
        call: impl FnOnce() -> io::Result<Progress> + Send + 'static,
    ) -> io::Result<()> {
        assert!(matches!(state.calls, Calls::Ended(_)), "one call is made at a time");
        let thread = thread::Builder::new().name("standard stream".to_owned());
        let begun = thread.spawn(move || self.end(call()));
        begun.map_err(|error| io::Error::from(thread_error(error)))?;
        state.calls = Calls::UnderWay;
        Ok(())
    }

    fn end(&self, outcome: io::Result<Progress>) {
        let mut state = self.lock();
        state.calls = Calls::Ended(outcome);
        let listeners = std::mem::take(&mut state.listeners);
        drop(state);
        self.has_ended.notify_all();
        for listener in listeners {
            listener.tell(Readiness::READABLE | Readiness::WRITABLE);
        }
    }

    /// The descriptor is closed.
    pub(super) fn forget(&self, listener: &Listener) {
        self.lock().listeners.retain(|other| !other.is(listener));
    }

    pub(super) fn wait_until_idle(&self) {
        let is_under_way = |state: &mut State| matches!(state.calls, Calls::UnderWay);
        let waited = self.has_ended.wait_while(self.lock(), is_under_way);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    /// What the last call has found or failed with, told once. While one is under way, `listener` is to hear of its end.
    pub(super) fn take(&mut self, listener: &Listener) -> io::Result<Progress> {
        match std::mem::replace(&mut self.calls, Calls::Ended(Ok(Progress::Idle))) {
            Calls::Ended(outcome) => outcome,
            Calls::UnderWay => {
                self.calls = Calls::UnderWay;
                self.listen(listener);
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }

    pub(super) fn listen(&mut self, listener: &Listener) {
        if !self.listeners.iter().any(|other| other.is(listener)) {
            self.listeners.push(listener.clone());
        }
    }

    /// So much of what was found is still there.
    pub(super) fn leave(&mut self, there: usize) {
        if there > 0 {
            self.calls = Calls::Ended(Ok(Progress::Found(there)));
        }
    }
}

impl Listener {
    pub(super) fn tell(&self, readiness: Readiness) {
        self.edges.tell(self.fd, readiness);
    }

    fn is(&self, other: &Listener) -> bool {
        self.fd == other.fd && Arc::ptr_eq(&self.edges, &other.edges)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use twinloop::driver::{Event, Unpark};
    use twinloop::table::Key;

    use super::*;
    use crate::poller::Poller;

    fn would_block(state: &mut State, listener: &Listener) -> bool {
        state.take(listener).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// R16: who asked while a call was under way is told of its end once, and finds what it found.
    #[test]
    fn the_end_of_a_call_is_told_to_whoever_asked() {
        static HELPER: Helper = Helper::new();
        let mut poller = Poller::new().expect("a selector");
        let fd = |index| Fd::from_key(Key::new(index, 0));
        let listener = |index| Listener { edges: Arc::clone(poller.edges()), fd: fd(index) };
        let (asks, asks_twice, closed) = (listener(1), listener(2), listener(3));
        let (let_go, wait) = mpsc::channel();
        let mut state = HELPER.lock();
        let begun = HELPER.begin(&mut state, move || wait.recv().map_err(io::Error::other));
        begun.expect("a thread");
        for listener in [&asks, &asks_twice, &asks_twice, &closed] {
            assert!(would_block(&mut state, listener));
        }
        drop(state);
        HELPER.forget(&closed);
        let_go.send(Progress::Found(7)).expect("the thread waits");
        HELPER.wait_until_idle();
        poller.wait(None).expect("a wait");
        let mut told: Vec<Event> = Vec::new();
        while told.len() < 2 {
            told.extend(poller.events());
        }
        let readiness = Readiness::READABLE | Readiness::WRITABLE;
        assert_eq!(told, [fd(1), fd(2)].map(|fd| Event { fd, readiness }));
        assert!(matches!(HELPER.lock().take(&asks), Ok(Progress::Found(7))));
        assert!(matches!(HELPER.lock().take(&asks), Ok(Progress::Idle)));
        poller.unparker().unpark();
    }
}
