//! The interleavings of the two places where threads meet: the inbox, and the word by which a driver's wait is ended. The
//! files are the product's own, compiled here against the types of the model checker loom. It tries every interleaving in
//! which a thread is interrupted up to three times.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use twinloop::driver::Unpark;

use inbox::Inbox;
use parking::Parking;

#[path = "../../src/dispatcher/inbox.rs"]
mod inbox;

#[path = "../../real/src/parking.rs"]
mod parking;

/// What the files take from the standard library otherwise.
mod meeting {
    pub(super) use loom::sync::Mutex;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
}

/// The selector's waker: a signal is kept until a wait returns.
#[derive(Default)]
struct Selector {
    signalled: Mutex<bool>,
    changed: Condvar,
}

impl Selector {
    fn signal(&self) {
        *self.signalled.lock().expect("nothing panics here") = true;
        self.changed.notify_one();
    }

    fn wait(&self, is_bounded: bool) {
        let mut signalled = self.signalled.lock().expect("nothing panics here");
        while !*signalled && !is_bounded {
            signalled = self.changed.wait(signalled).expect("nothing panics here");
        }
        *signalled = false;
    }
}

struct Driver {
    parking: Parking,
    selector: Selector,
}

impl Driver {
    fn new() -> Arc<Driver> {
        Arc::new(Driver { parking: Parking::new(), selector: Selector::default() })
    }

    /// As the real driver's `poll`, without a descriptor.
    fn poll(&self, timeout_is_zero: bool) {
        let may_wait = self.parking.begin_wait();
        self.selector.wait(timeout_is_zero || !may_wait);
        self.parking.end_wait();
    }
}

impl Unpark for Driver {
    fn unpark(&self) {
        if self.parking.unpark() {
            self.selector.signal();
        }
    }
}

/// Turns as the dispatcher does, until nothing is pending any more; gives what came.
fn turn_until_nothing_is_pending(inbox: &Inbox<u32>, driver: &Driver) -> Vec<u32> {
    let mut taken = Vec::new();
    loop {
        let before = taken.len();
        take(inbox, &mut taken);
        let may_come = inbox.has_senders();
        driver.poll(taken.len() > before || !may_come);
        take(inbox, &mut taken);
        if !may_come && taken.len() == before {
            return taken;
        }
    }
}

fn take(inbox: &Inbox<u32>, taken: &mut Vec<u32>) {
    if inbox.is_pending() {
        inbox.take(taken);
    }
}

/// Section 1: no message is lost, those of one thread keep their order, and the last sender's going ends the wait.
#[test]
fn no_message_and_no_last_word_is_lost() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let driver = Driver::new();
        let inbox = Arc::new(Inbox::new(Arc::clone(&driver) as Arc<dyn Unpark>));
        let senders: Vec<_> = [&[1, 2][..], &[3]]
            .into_iter()
            .map(|messages: &[u32]| {
                inbox.add_sender();
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    for message in messages {
                        inbox.push(*message).expect("the inbox is open");
                    }
                    inbox.remove_sender();
                })
            })
            .collect();
        let taken = turn_until_nothing_is_pending(&inbox, &driver);
        for sender in senders {
            sender.join().expect("a sender does not panic");
        }
        let orders = [[1, 2, 3], [1, 3, 2], [3, 1, 2]];
        assert!(orders.iter().any(|order| taken == order), "{taken:?}");
    });
}

/// Section 1, a dispatcher can be closed: a message is either among those that were left, or given back.
#[test]
fn a_message_to_a_closing_inbox_is_left_or_given_back() {
    loom::model(|| {
        let driver = Driver::new();
        let inbox = Arc::new(Inbox::new(Arc::clone(&driver) as Arc<dyn Unpark>));
        let sender = Arc::clone(&inbox);
        let sending = thread::spawn(move || [sender.push(1).is_ok(), sender.push(2).is_ok()]);
        let left = inbox.close();
        let accepted = sending.join().expect("a sender does not panic");
        let expected: &[u32] = match accepted {
            [true, true] => &[1, 2],
            [true, false] => &[1],
            [false, false] => &[],
            [false, true] => panic!("a closed inbox took a message"),
        };
        assert_eq!(left, expected);
    });
}

/// The checker would find a lost wake: a driver whose word is read and written in two steps loses one.
#[test]
#[should_panic(expected = "deadlock")]
fn a_word_that_is_not_exchanged_loses_a_wake() {
    use meeting::{AtomicBool, Ordering};

    loom::model(|| {
        let parts = Arc::new((AtomicBool::new(false), AtomicBool::new(false), Selector::default()));
        let (driver, sender) = (Arc::clone(&parts), parts);
        let sending = thread::spawn(move || {
            let (waits, message, selector) = &*sender;
            message.store(true, Ordering::Release);
            if waits.load(Ordering::Acquire) {
                selector.signal();
            }
        });
        let (waits, message, selector) = &*driver;
        if !message.load(Ordering::Acquire) {
            waits.store(true, Ordering::Release);
            selector.wait(false);
        }
        sending.join().expect("a sender does not panic");
    });
}
