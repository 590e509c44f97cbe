//! Where other threads leave messages for a dispatcher: its only corner that is shared between threads.
//!
//! It runs nothing and wakes nobody by itself: who leaves something calls the driver's [`Unpark`], whose promise is
//! that the current or the next `poll` returns. So the inbox needs no notion of a dispatcher that sleeps.
//! `tests/it/interleavings.rs` compiles this very file against a model checker's types and tries every interleaving.

use std::sync::Arc;

use super::meeting::{AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::driver::Unpark;

pub(crate) struct Inbox<M> {
    queue: Mutex<Queue<M>>,
    /// There may be something in the queue. A turn looks at this alone while nothing comes.
    pending: AtomicBool,
    /// How many hold the inbox as a promise of messages to come.
    senders: AtomicUsize,
}

struct Queue<M> {
    messages: Vec<M>,
    /// What ends the dispatcher's wait; `None` once it is closed. A sender that is kept must not keep what belongs to the
    /// driver.
    unpark: Option<Arc<dyn Unpark>>,
}

impl<M> Inbox<M> {
    pub(crate) fn new(unpark: Arc<dyn Unpark>) -> Inbox<M> {
        Inbox {
            queue: Mutex::new(Queue { messages: Vec::new(), unpark: Some(unpark) }),
            pending: AtomicBool::new(false),
            senders: AtomicUsize::new(0),
        }
    }

    /// Any thread: leaves `message`, and ends the dispatcher's wait. A closed inbox gives it back.
    ///
    /// The message is there before `pending` says so, and `pending` is set before the wait ends: whoever wakes by this
    /// finds it.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        let mut queue = self.lock();
        let Some(unpark) = queue.unpark.clone() else { return Err(message) };
        queue.messages.push(message);
        drop(queue);
        self.call(&*unpark);
        Ok(())
    }

    /// Any thread: one more who may push.
    pub(crate) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// Any thread: one less. When the last goes, the dispatcher looks whether anything is left to wait for.
    pub(crate) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let unpark = self.lock().unpark.clone();
            if let Some(unpark) = unpark {
                self.call(&*unpark);
            }
        }
    }

    /// An exchange and not a store: a store of one thread would hide what another released by its own just before, and the
    /// dispatcher that takes the flag back could miss the other's message.
    fn call(&self, unpark: &dyn Unpark) {
        self.pending.swap(true, Ordering::AcqRel);
        unpark.unpark();
    }

    /// The dispatcher: whether somebody may still push.
    pub(crate) fn has_senders(&self) -> bool {
        self.senders.load(Ordering::Acquire) > 0
    }

    /// The dispatcher: whether it is worth to take what has come.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// The dispatcher: moves what has come behind `messages`, in the order of arrival.
    pub(crate) fn take(&self, messages: &mut Vec<M>) {
        if self.pending.swap(false, Ordering::AcqRel) {
            messages.append(&mut self.lock().messages);
        }
    }

    /// The dispatcher is closing: nothing is taken any more. What was left is the caller's to drop.
    pub(crate) fn close(&self) -> Vec<M> {
        let mut queue = self.lock();
        queue.unpark = None;
        std::mem::take(&mut queue.messages)
    }

    /// Nothing in here panics while it is locked, and a list of messages has no state that a panic could leave half done.
    fn lock(&self) -> impl std::ops::DerefMut<Target = Queue<M>> + '_ {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
