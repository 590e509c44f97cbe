//! Threads that make the calls which block, so that the loop does not. It knows neither what they do nor a selector, only
//! whom to unpark.
//!
//! A thread is started when there is work for it, and ends when there was none for a while. A call that hangs keeps its
//! thread for as long as the system takes. Nobody can end it earlier, and nobody waits for it: not who has asked, who gives
//! it up, nor a driver that is dropped. While all threads hang, further work stays queued.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use twinloop::driver::{Fd, OsError, Unpark};

use crate::platform::thread_error;

/// Something that blocks.
pub(crate) trait Job: Send + 'static {
    /// What comes of it.
    type Answer: Send + 'static;

    /// What the threads for it are called.
    const NAME: &'static str;
    /// How many of them a driver has at most; further jobs wait for one of them to end.
    const THREADS_MAX: usize;
    /// For how long a thread waits for more work, which costs less than to start another one.
    const LINGER: Duration;

    fn run(self) -> Self::Answer;
}

/// The jobs of one kind of one driver. Dropping it gives up all of them.
pub(crate) struct Helpers<J: Job> {
    shared: Arc<Shared<J>>,
    /// Jobs that were begun and whose answers were not taken: while there are none, a poll need not look for any.
    open: usize,
}

struct Shared<J: Job> {
    state: Mutex<State<J>>,
    /// Told when there is work, or no more to come.
    work: Condvar,
}

struct State<J: Job> {
    queue: VecDeque<(Fd, J)>,
    threads: usize,
    /// Threads that wait for work. Each takes one job when it wakes, for whatever reason it does.
    idle: usize,
    answers: Vec<(Fd, J::Answer)>,
    /// Whom to tell of answers. `None`: the driver is gone, and nobody wants to hear of anything any more. A thread
    /// that hangs is not to keep what the driver had open.
    unparker: Option<Arc<dyn Unpark>>,
}

impl<J: Job> Helpers<J> {
    pub(crate) fn new(unparker: Arc<dyn Unpark>) -> Helpers<J> {
        let state = State {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
            answers: Vec::new(),
            unparker: Some(unparker),
        };
        Helpers { shared: Arc::new(Shared { state: Mutex::new(state), work: Condvar::new() }), open: 0 }
    }

    /// Begins `job` on behalf of `fd`. Its answer will be among [`Helpers::take_answers`].
    ///
    /// # Errors
    ///
    /// If the system has no thread left, and none is at work that would come to it.
    pub(crate) fn begin(&mut self, fd: Fd, job: J) -> Result<(), OsError> {
        let mut state = self.shared.lock();
        state.queue.push_back((fd, job));
        if state.idle >= state.queue.len() {
            self.shared.work.notify_one();
        } else if state.threads < J::THREADS_MAX {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name(J::NAME.to_owned()).spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                // One of those that run will come to it.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    state.queue.pop_back();
                    return Err(thread_error(error));
                }
            }
        }
        drop(state);
        self.open += 1;
        Ok(())
    }

    /// Nobody waits for the answer any more. If the job was not begun it never will be.
    pub(crate) fn give_up(&mut self, fd: Fd) {
        let queue = &mut self.shared.lock().queue;
        let before = queue.len();
        queue.retain(|(queued, _)| *queued != fd);
        self.open -= before - queue.len();
    }

    /// What has been found out since the last call, also of jobs that were given up meanwhile.
    pub(crate) fn take_answers(&mut self) -> Vec<(Fd, J::Answer)> {
        if self.open == 0 {
            return Vec::new();
        }
        let answers = std::mem::take(&mut self.shared.lock().answers);
        self.open -= answers.len();
        answers
    }
}

impl<J: Job> Drop for Helpers<J> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.unparker = None;
        state.queue.clear();
        self.shared.work.notify_all();
    }
}

impl<J: Job> fmt::Debug for Helpers<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helpers").field("name", &J::NAME).field("open", &self.open).finish_non_exhaustive()
    }
}

impl<J: Job> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a helper thread does, until there is nothing left to do.
    fn work(&self) {
        while let Some((fd, job)) = self.next() {
            let answer = job.run();
            let mut state = self.lock();
            state.answers.push((fd, answer));
            // Who is told of the first one takes all. It is told under the lock, so that no thread holds what the driver had
            // open once that is gone.
            if let (1, Some(unparker)) = (state.answers.len(), &state.unparker) {
                unparker.unpark();
            }
        }
    }

    /// The next job. `None` ends the thread, which is not counted from then on.
    fn next(&self) -> Option<(Fd, J)> {
        let mut state = self.lock();
        let mut is_tired = J::LINGER.is_zero();
        loop {
            if let Some(next) = state.queue.pop_front() {
                return Some(next);
            }
            if state.unparker.is_none() || is_tired {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, J::LINGER);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            (state, is_tired) = (woken, timeout.timed_out());
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
