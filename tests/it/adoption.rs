//! What the dispatcher asks of its driver about adopted descriptors, and how often. The driver does what the test says.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use twinloop::driver::{Capabilities, Event, Fd, OsError, Readiness};
use twinloop::{AsyncCallback, Dispatcher, PollError, WatchError};

use crate::scripted::{Poll, Script, scripted};

thread_local! {
    /// What the callbacks of a test have seen, in order.
    static SEEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A callback that writes `word` down.
fn seeing(word: usize) -> AsyncCallback {
    AsyncCallback::new(|_, word| SEEN.with_borrow_mut(|seen| seen.push(word)), word)
}

fn both() -> Readiness {
    Readiness::READABLE | Readiness::WRITABLE
}

/// A dispatcher, what its driver is told, and an adopted descriptor.
fn adopted() -> (Dispatcher, Rc<RefCell<Script>>, Fd) {
    let (dispatcher, _, script) = scripted(Capabilities::default());
    let fd = dispatcher.handle().adopt(&mut ()).expect("this driver adopts everything");
    (dispatcher, script, fd)
}

/// A turn in which the driver tells that `fd` is ready.
fn turn(dispatcher: &Dispatcher, script: &RefCell<Script>, fd: Fd, readiness: Readiness) -> Vec<usize> {
    let events = vec![Event { fd, readiness }];
    script.borrow_mut().polls.push_back(Poll { events, ..Poll::default() });
    dispatcher.poll().expect("the descriptor is watched");
    SEEN.take()
}

fn asked(script: &RefCell<Script>) -> Vec<Readiness> {
    std::mem::take(&mut script.borrow_mut().rewatched).into_iter().map(|(_, interest)| interest).collect()
}

/// R69: it enters the selector with its first watcher and leaves it with its last.
#[test]
fn a_descriptor_is_in_the_selector_while_it_is_watched() {
    let (dispatcher, script, fd) = adopted();
    let handle = dispatcher.handle();
    assert_eq!(asked(&script), [], "nobody watches");
    handle.add_reader(fd, seeing(1)).expect("it has no reader");
    handle.add_writer(fd, seeing(2)).expect("it has no writer");
    assert_eq!(asked(&script), [Readiness::READABLE, both()]);
    assert!(handle.remove_reader(fd));
    assert!(!handle.remove_reader(fd));
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::EMPTY), [] as [usize; 0]);
    assert_eq!(asked(&script), [Readiness::WRITABLE]);
    assert!(handle.remove_writer(fd));
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    assert_eq!(asked(&script), [Readiness::EMPTY]);
}

/// R70, R73: after its callbacks have run the kernel is asked anew, once for both directions; what it does not tell again is
/// not called.
#[test]
fn a_turn_asks_once_about_a_descriptor_that_was_called() {
    let (dispatcher, script, fd) = adopted();
    dispatcher.handle().add_writer(fd, seeing(2)).expect("it has no writer");
    dispatcher.handle().add_reader(fd, seeing(1)).expect("it has no reader");
    asked(&script);
    assert_eq!(turn(&dispatcher, &script, fd, both()), [1, 2]);
    assert_eq!(asked(&script), []);
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::WRITABLE), [2]);
    assert_eq!(asked(&script), [both()]);
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::EMPTY), [] as [usize; 0]);
    assert_eq!(asked(&script), [both()]);
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::EMPTY), [] as [usize; 0]);
    assert_eq!(asked(&script), [], "nothing was called since");
}

/// A watcher that leaves when it is called, and comes back before the next wait, costs one question and not three.
#[test]
fn a_watcher_that_comes_back_costs_one_question() {
    let (dispatcher, script, fd) = adopted();
    let handle = dispatcher.handle();
    let reading = dispatcher.handle().spawn(async move {
        for _ in 0..3 {
            handle.readable(fd).await.expect("nobody else reads");
        }
    });
    // In the first turn the task begins to wait.
    script.borrow_mut().polls.push_back(Poll::default());
    for _ in 0..3 {
        script.borrow_mut().polls.push_back(Poll {
            events: vec![Event { fd, readiness: Readiness::READABLE }],
            ..Poll::default()
        });
    }
    dispatcher.block_on(reading).expect("three events come").expect("nobody cancels it");
    assert_eq!(asked(&script), [Readiness::READABLE; 3]);
}

/// The driver's descriptors are asked about never: what is theirs alone costs them nothing.
#[test]
fn nothing_is_asked_about_the_drivers_own_descriptors() {
    let (dispatcher, script, _) = adopted();
    let handle = dispatcher.handle();
    let listening = handle.listen(&twinloop::Address::loopback(0), &Default::default());
    let fd = listening.expect("this driver refuses nothing");
    handle.add_reader(fd, seeing(1)).expect("it has no reader");
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::READABLE), [1]);
    assert!(handle.remove_reader(fd));
    assert_eq!(dispatcher.poll(), Ok(()), "the callback was queued when it was removed");
    assert_eq!(asked(&script), []);
}

/// What the kernel refuses when a watcher is added is told to who adds it, and the place stays free.
#[test]
fn a_refusal_to_watch_is_told_and_leaves_the_place_free() {
    let (dispatcher, script, fd) = adopted();
    let handle = dispatcher.handle();
    let no_room = OsError::new(io::ErrorKind::StorageFull, 28);
    script.borrow_mut().rewatch_fails = Some(no_room);
    for _ in 0..2 {
        assert_eq!(handle.add_reader(fd, seeing(1)), Err(WatchError::Driver(no_room)));
    }
    let refusal = handle.add_writer(fd, seeing(2)).expect_err("the kernel refuses").to_string();
    assert_eq!(refusal, "the descriptor can not be watched: no storage space (os error 28)");
    assert_eq!(handle.pending().watchers, 0);
    script.borrow_mut().rewatch_fails = None;
    assert_eq!(handle.add_reader(fd, seeing(3)), Ok(()));
    assert_eq!(turn(&dispatcher, &script, fd, both()), [3]);
}

/// What it refuses later, its watchers learn from their own calls: they are called, as for any error (R74), in every turn.
#[test]
fn a_refusal_to_go_on_watching_calls_the_watchers() {
    let (dispatcher, script, fd) = adopted();
    dispatcher.handle().add_reader(fd, seeing(1)).expect("it has no reader");
    dispatcher.handle().add_writer(fd, seeing(2)).expect("it has no writer");
    assert_eq!(turn(&dispatcher, &script, fd, Readiness::READABLE), [1]);
    script.borrow_mut().rewatch_fails = Some(OsError::BAD_DESCRIPTOR);
    for _ in 0..3 {
        dispatcher.poll().expect("the descriptor is watched");
        assert_eq!(SEEN.take(), [1, 2]);
    }
}
