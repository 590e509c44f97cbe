//! An event between threads: any thread fires it, and one who waits goes on, be it a task or a whole thread. It belongs to no
//! dispatcher and knows none; a task's waker finds its own.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::Handle;

/// An event that any thread can fire, for the tasks and threads that wait for it. Clones are the same event.
///
/// One fire lets one waiter go on, the one that has waited longest (R86), be it a task of this or of another thread's
/// dispatcher, or a plain thread. Fired while nobody waits, it remembers that for the next wait; fired several times, it
/// still remembers one (R85). Any number may wait, also on one thread (against R88).
///
/// It counts nothing and carries nothing: let it say that there is something to look at elsewhere.
///
/// ```
/// # twinloop_sim::run(async {
/// use twinloop::{ThreadEvent, spawn};
///
/// let event = ThreadEvent::new();
/// let waiter = spawn(event.wait());
/// event.fire();
/// waiter.await?;
/// # Ok(()) });
/// ```
///
/// Between threads:
///
/// ```
/// use std::time::Duration;
/// use twinloop::ThreadEvent;
///
/// let event = ThreadEvent::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| event.fire());
///     assert!(event.wait_blocking(Duration::from_secs(10)));
/// });
/// ```
#[derive(Clone, Default)]
pub struct ThreadEvent {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// It was fired while nobody waited.
    fired: bool,
    /// Who waits, by ticket. A ticket that was given out and is not here any more was granted the event.
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl ThreadEvent {
    /// An event that was not fired yet. It needs no dispatcher.
    pub fn new() -> ThreadEvent {
        ThreadEvent::default()
    }

    /// Lets the one who has waited longest go on, or else the next who waits. Any thread may call it, with or without a
    /// dispatcher; it never blocks for longer than it takes to look at the list of those who wait.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use twinloop::{ThreadEvent, spawn, yield_now};
    ///
    /// let event = ThreadEvent::new();
    /// let (first, second) = (spawn(event.wait()), spawn(event.wait()));
    /// yield_now().await;
    /// event.fire();
    /// first.await?;
    /// assert!(!second.is_finished());
    /// # Ok(()) });
    /// ```
    pub fn fire(&self) {
        let mut state = self.lock();
        let first = state.waiting.pop_front();
        state.fired |= first.is_none();
        drop(state);
        // A waker is anyone's code, and may use this event.
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    /// Waits until the event is fired, or takes a fire that was remembered.
    ///
    /// The wait begins with the first poll. Dropping the future loses no fire: one that it was granted goes to the next
    /// who waits.
    ///
    /// In a simulated world no other thread can fire it in time: let tasks do that.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// let event = twinloop::ThreadEvent::new();
    /// event.fire();
    /// event.wait().await;
    /// # Ok(()) });
    /// ```
    pub fn wait(&self) -> ThreadEventWait {
        ThreadEventWait { event: self.clone(), progress: Progress::Begun }
    }

    /// Blocks this thread until the event is fired, for at most `timeout` (R87). Says whether it was fired. Needs no
    /// dispatcher.
    ///
    /// # Panics
    ///
    /// In a dispatcher's scope, where it would stop the loop: await [`wait`](Self::wait) there.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let event = twinloop::ThreadEvent::new();
    /// event.fire();
    /// event.fire();
    /// assert!(event.wait_blocking(Duration::ZERO));
    /// assert!(!event.wait_blocking(Duration::ZERO));
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self, timeout: Duration) -> bool {
        assert!(
            Handle::try_current().is_none(),
            "wait_blocking() in a dispatcher's scope would stop the loop: await wait() instead"
        );
        let sleeper = Arc::new(Sleeper::default());
        let waker = Waker::from(Arc::clone(&sleeper));
        let mut context = Context::from_waker(&waker);
        let mut wait = pin!(self.wait());
        if wait.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        sleeper.sleep(timeout);
        // A fire that came at the very end counts.
        wait.poll(&mut context).is_ready()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody else's code runs while it is locked, so it is never left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ThreadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fired, waiting) = {
            let state = self.lock();
            (state.fired, state.waiting.len())
        };
        f.debug_struct("ThreadEvent").field("fired", &fired).field("waiting", &waiting).finish()
    }
}

/// The future of [`ThreadEvent::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct ThreadEventWait {
    event: ThreadEvent,
    progress: Progress,
}

enum Progress {
    Begun,
    /// In the line, or granted if the ticket is not there.
    Waiting(u64),
    Done,
}

impl Future for ThreadEventWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Wakers are anyone's code: this one is cloned, and what it replaces dropped, while nothing is locked.
        let waker = context.waker().clone();
        let not_kept = match self.progress {
            Progress::Begun => self.begin(waker),
            Progress::Waiting(ticket) => self.keep_waiting(ticket, waker),
            Progress::Done => panic!("a wait was polled again after it was done: await it once"),
        };
        drop(not_kept);
        match self.progress {
            Progress::Done => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl ThreadEventWait {
    /// Takes the remembered fire, or stands at the end of the line. Gives the waker that is not needed any more.
    fn begin(&mut self, waker: Waker) -> Option<Waker> {
        let mut state = self.event.lock();
        if std::mem::take(&mut state.fired) {
            self.progress = Progress::Done;
            return Some(waker);
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back((ticket, waker));
        self.progress = Progress::Waiting(ticket);
        None
    }

    /// Takes the fire that was granted, or stays in the line with another waker. Gives the one that is not needed any more.
    fn keep_waiting(&mut self, ticket: u64, waker: Waker) -> Option<Waker> {
        let mut state = self.event.lock();
        match state.place_of(ticket) {
            Some(place) => Some(std::mem::replace(&mut state.waiting[place].1, waker)),
            None => {
                self.progress = Progress::Done;
                Some(waker)
            }
        }
    }
}

impl Drop for ThreadEventWait {
    fn drop(&mut self) {
        let Progress::Waiting(ticket) = self.progress else { return };
        let left = {
            let mut state = self.event.lock();
            state.place_of(ticket).and_then(|place| state.waiting.remove(place))
        };
        // What was granted in vain is for the next (R179). A waker is dropped while nothing is locked.
        if left.is_none() {
            self.event.fire();
        }
    }
}

impl State {
    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }
}

impl fmt::Debug for ThreadEventWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadEventWait").field("event", &self.event).finish_non_exhaustive()
    }
}

/// A thread that waits in [`ThreadEvent::wait_blocking`].
#[derive(Default)]
struct Sleeper {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Sleeper {
    /// Until it is woken, for at most `timeout`; time is deducted when the system wakes it for nothing (R87).
    fn sleep(&self, timeout: Duration) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = self.changed.wait_timeout_while(woken, timeout, |woken| !*woken);
        drop(slept);
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
