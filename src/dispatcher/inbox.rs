//! Where other threads leave callbacks for a dispatcher: its only corner that is shared between threads.
//!
//! Only plain callbacks (a function and a key) pass through; no work, no future, no closure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::AsyncCallback;
use crate::driver::Unpark;

pub(crate) struct Inbox {
    queue: Mutex<Vec<AsyncCallback>>,
    /// There may be something in the queue.
    pending: AtomicBool,
    /// The dispatcher waits in its driver, or is about to.
    parked: AtomicBool,
    unpark: Arc<dyn Unpark>,
}

impl Inbox {
    pub(super) fn new(unpark: Arc<dyn Unpark>) -> Inbox {
        Inbox {
            queue: Mutex::new(Vec::new()),
            pending: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            unpark,
        }
    }

    /// Any thread: leaves `callback`, and ends the dispatcher's wait if it is in one.
    ///
    /// `pending` is set before `parked` is read, and [`Inbox::park`] sets `parked` before it reads `pending`; both are
    /// sequentially consistent, so at least one side sees the other, and no wake is lost. Only the first of several
    /// pushes finds `parked` set and pays for the system call.
    pub(super) fn push(&self, callback: AsyncCallback) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
        self.pending.store(true, Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst) {
            self.unpark.unpark();
        }
    }

    /// The dispatcher: says that it is about to wait. False: do not, something came.
    pub(super) fn park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        !self.pending.load(Ordering::SeqCst)
    }

    /// The dispatcher: the wait is over.
    pub(super) fn unparked(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// The dispatcher: takes what there is, in the order of arrival.
    pub(super) fn take(&self) -> Vec<AsyncCallback> {
        if !self.pending.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
