//! What only the owner of a dispatcher sees: turns one by one, closing, refusals. Its driver does what the test says.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use twinloop::driver::{Capabilities, ConnectOptions, Event, Fd, ListenOptions, OsError, Readiness};
use twinloop::observe::{ObservedCallback, Observer};
use twinloop::{
    Address, AsyncCallback, AsyncLock, Closed, Dispatcher, ErrorKind, File, Handle, JoinError, Moment,
    NextWork, PollError, StreamServer, completion, idle, panic_text, sleep, spawn, spawn_thread, yield_now,
};
use twinloop_real::RealDriver;

use crate::scripted::{Poll, dispatcher, scripted};

const MS: Duration = Duration::from_millis(1);

fn nothing(_: &Handle, _: usize) {}

thread_local! {
    /// What the callbacks of a test have seen, in order.
    static SEEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A callback that writes `word` down.
fn seeing(word: usize) -> AsyncCallback {
    AsyncCallback::new(|_, word| SEEN.with_borrow_mut(|seen| seen.push(word)), word)
}

fn seen() -> Vec<usize> {
    SEEN.take()
}

/// A descriptor of `dispatcher`, whatever kind it is.
fn descriptor(dispatcher: &Dispatcher) -> Fd {
    let listener = dispatcher.handle().listen(&Address::loopback(0), &ListenOptions::default());
    listener.expect("the driver refuses no listener")
}

/// R2, R4, section 5 `phase_order`: what was queued, timers due before the wait, sources, timers due after it; an idle
/// callback only in a turn without events, and what is queued meanwhile in the next.
#[test]
fn a_turn_has_its_phases_in_order() {
    let (dispatcher, waits, script) = scripted(Capabilities::default());
    let (handle, fd) = (dispatcher.handle(), descriptor(&dispatcher));
    let _during = handle.add_timer(Moment::ORIGIN + MS, seeing(5));
    let _due = handle.add_timer(Moment::ORIGIN, seeing(2));
    handle.add_writer(fd, seeing(4)).expect("it has no writer");
    handle.add_reader(fd, seeing(3)).expect("it has no reader");
    handle.call_idle(seeing(6));
    handle.call_soon(seeing(1));
    let events = vec![Event { fd, readiness: Readiness::WRITABLE | Readiness::READABLE }];
    script.borrow_mut().polls.push_back(Poll { events, takes: MS, ..Poll::default() });

    dispatcher.poll().expect("callbacks are pending");
    assert_eq!(seen(), [1, 2, 3, 4, 5]);
    assert!(handle.remove_reader(fd) && handle.remove_writer(fd));
    dispatcher.poll().expect("an idle callback is pending");
    assert_eq!(seen(), [6]);
    assert_eq!(*waits.borrow(), [Some(Duration::ZERO); 2]);
}

/// R73: one event for both directions calls the reader before the writer, whichever was added first.
#[test]
fn the_reader_of_a_source_goes_before_its_writer() {
    let (dispatcher, _, script) = scripted(Capabilities::default());
    let (handle, fd) = (dispatcher.handle(), descriptor(&dispatcher));
    handle.add_writer(fd, seeing(2)).expect("it has no writer");
    handle.add_reader(fd, seeing(1)).expect("it has no reader");
    let events = vec![Event { fd, readiness: Readiness::WRITABLE | Readiness::READABLE }];
    script.borrow_mut().polls.push_back(Poll { events, ..Poll::default() });
    for turn in 1..=3 {
        dispatcher.poll().expect("the descriptor is watched");
        assert_eq!(seen(), [1, 2], "turn {turn}");
    }
}

/// R74, against R76: an error and a full end call both watchers, the peer's half-close only the reader.
#[test]
fn each_readiness_calls_those_whom_it_concerns() {
    for (readiness, called) in [
        (Readiness::READABLE, &[1][..]),
        (Readiness::READ_CLOSED, &[1]),
        (Readiness::WRITABLE, &[2]),
        (Readiness::WRITE_CLOSED, &[1, 2]),
        (Readiness::ERROR, &[1, 2]),
    ] {
        let (dispatcher, _, script) = scripted(Capabilities::default());
        let (handle, fd) = (dispatcher.handle(), descriptor(&dispatcher));
        handle.add_reader(fd, seeing(1)).expect("it has no reader");
        handle.add_writer(fd, seeing(2)).expect("it has no writer");
        script
            .borrow_mut()
            .polls
            .push_back(Poll { events: vec![Event { fd, readiness }], ..Poll::default() });
        dispatcher.poll().expect("the descriptor is watched");
        assert_eq!(seen(), called, "{readiness:?}");
    }
}

/// R9: idle callbacks run one a turn, in their order, and a turn that has one does not wait.
#[test]
fn idle_callbacks_run_one_a_turn_in_their_order() {
    let (dispatcher, waits, _) = scripted(Capabilities::default());
    (1..=3).for_each(|word| dispatcher.handle().call_idle(seeing(word)));
    for word in 1..=3 {
        assert_eq!(dispatcher.next_work(), NextWork::Now);
        dispatcher.poll().expect("an idle callback is pending");
        assert_eq!(seen(), [word]);
    }
    assert_eq!(*waits.borrow(), [Some(Duration::ZERO); 3]);
    assert_eq!(dispatcher.next_work(), NextWork::OnEvent);
}

/// R9, R10, section 5 `idle_only_when_quiet`: a source that stays ready leaves no quiet turn, although its edge was told
/// only once.
#[test]
fn a_source_that_stays_ready_starves_idle_callbacks() {
    let (dispatcher, _, script) = scripted(Capabilities::default());
    let (handle, fd) = (dispatcher.handle(), descriptor(&dispatcher));
    handle.add_reader(fd, seeing(1)).expect("it has no reader");
    handle.call_idle(seeing(2));
    let events = vec![Event { fd, readiness: Readiness::READABLE }];
    script.borrow_mut().polls.push_back(Poll { events, ..Poll::default() });
    for turn in 1..=5 {
        dispatcher.poll().expect("the descriptor is watched");
        assert_eq!(seen(), [1], "turn {turn}");
    }
    assert!(handle.remove_reader(fd));
    dispatcher.poll().expect("an idle callback is pending");
    assert_eq!(seen(), [2]);
}

/// R7, Nim #7192: what is queued before the first turn runs in it.
#[test]
fn a_callback_queued_before_the_first_turn_runs_in_it() {
    let (dispatcher, _) = dispatcher();
    (1..=16).for_each(|word| dispatcher.handle().call_soon(seeing(word)));
    dispatcher.poll().expect("callbacks are pending");
    assert_eq!(seen(), (1..=16).collect::<Vec<_>>());
}

/// R3, R24: the wait is rounded up to what the driver can wait, the deadline is not: no timer fires early.
#[test]
fn a_wait_is_rounded_up_to_the_drivers_grain() {
    let mut capabilities = Capabilities::default();
    capabilities.poll_grain = MS;
    let (dispatcher, waits, _) = scripted(capabilities);
    let _timer = dispatcher.handle().add_timer(Moment::ORIGIN + MS / 1000, seeing(1));
    let _later = dispatcher.handle().add_timer(Moment::ORIGIN + MS + MS / 1000, seeing(2));
    dispatcher.poll().expect("a timer is pending");
    assert_eq!(seen(), [1]);
    dispatcher.poll().expect("a timer is pending");
    assert_eq!(seen(), [2]);
    assert_eq!(*waits.borrow(), [Some(MS); 2]);
}

/// R3, and #7758: one wait until the timer, and nothing in between.
#[test]
fn a_turn_waits_for_the_earliest_timer_and_for_nothing_else() {
    let (dispatcher, waits) = dispatcher();
    let deadline = Moment::ORIGIN + Duration::from_millis(200);
    let _timer = dispatcher.handle().add_timer(deadline, AsyncCallback::new(nothing, 0));
    assert_eq!(dispatcher.next_work(), NextWork::At(deadline));
    dispatcher.poll().expect("a timer is pending");
    assert_eq!(*waits.borrow(), [Some(Duration::from_millis(200))]);
    assert_eq!(dispatcher.handle().now(), deadline);
    assert_eq!(dispatcher.next_work(), NextWork::OnEvent);
}

/// R12: queued work forbids waiting.
#[test]
fn a_turn_with_work_does_not_wait() {
    let (dispatcher, waits) = dispatcher();
    dispatcher.handle().call_soon(AsyncCallback::new(nothing, 0));
    assert_eq!(dispatcher.next_work(), NextWork::Now);
    dispatcher.poll().expect("a callback is pending");
    assert_eq!(*waits.borrow(), [Some(Duration::ZERO)]);
}

/// R12: who yields is queued work too, and does not wait for a timer far away.
#[test]
fn yielding_beside_a_long_timer_does_not_wait() {
    let (dispatcher, waits) = dispatcher();
    let program = async {
        let _long = sleep(700 * MS);
        for _ in 0..100 {
            yield_now().await;
        }
    };
    dispatcher.block_on(program).expect("it only yields");
    assert!(waits.borrow().iter().all(|wait| *wait == Some(Duration::ZERO)), "{:?}", waits.borrow());
}

/// Against R8: it does not wait for ever.
#[test]
fn a_turn_with_nothing_pending_says_so() {
    let (dispatcher, waits) = dispatcher();
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    let stuck = dispatcher.block_on(std::future::pending::<()>());
    assert_eq!(stuck, Err(PollError::NothingPending));
    assert!(waits.borrow().iter().all(|wait| *wait == Some(Duration::ZERO)));
    assert_eq!(dispatcher.dump(), "", "the program that can not go on was cancelled");
}

/// A waker that someone keeps may be used at any time, from anywhere: that is something pending.
#[test]
fn a_waker_that_is_kept_elsewhere_is_something_pending() {
    let (dispatcher, _) = dispatcher();
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let task = dispatcher.handle().spawn(std::future::poll_fn(move |context| {
        keep.replace(Some(context.waker().clone()));
        std::task::Poll::<()>::Pending
    }));
    dispatcher.poll().expect("the task is to be polled");
    assert_eq!(dispatcher.poll(), Ok(()));
    kept.take();
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    task.detach();
}

/// Against R13: refused, and the turn goes on unharmed.
#[test]
fn a_turn_inside_a_turn_is_refused() {
    let (dispatcher, _) = dispatcher();
    let dispatcher = Rc::new(dispatcher);
    let inner = Rc::clone(&dispatcher);
    let outcome = dispatcher.block_on(async move {
        for attempt in [true, false] {
            let refused = catch_unwind(AssertUnwindSafe(|| match attempt {
                true => inner.poll(),
                false => inner.block_on(async {}),
            }));
            let payload = refused.expect_err("it is refused");
            assert!(panic_text(&*payload).contains("await the future, or spawn() it"));
        }
        yield_now().await;
        7
    });
    assert_eq!(outcome, Ok(7));
}

/// Against R15: a driver that can not wait is an error, not the end of the process; what is pending stays so.
#[test]
fn a_driver_that_fails_is_an_error_of_the_turn() {
    let (dispatcher, _, script) = scripted(Capabilities::default());
    let failure = OsError::new(io::ErrorKind::Other, 5);
    script.borrow_mut().polls.push_back(Poll { fails: Some(failure), ..Poll::default() });
    dispatcher.handle().call_soon(seeing(1));
    assert_eq!(dispatcher.poll(), Err(PollError::Driver(failure)));
    assert_eq!(seen(), [] as [usize; 0]);
    dispatcher.poll().expect("the driver is well again");
    assert_eq!(seen(), [1]);
}

/// R17: `block_on` for what is there already waits for nothing, and what was queued before it has run when it answers.
#[test]
fn block_on_for_what_is_there_waits_for_nothing() {
    let (dispatcher, waits) = dispatcher();
    let finished = dispatcher.handle().spawn(async { 7 });
    dispatcher.poll().expect("the task is to be polled");
    dispatcher.handle().call_soon(seeing(1));
    let answer = dispatcher.block_on(finished).expect("it is there");
    assert_eq!((answer.expect("it did not panic"), seen()), (7, vec![1]));
    assert_eq!(*waits.borrow(), [Some(Duration::ZERO); 2]);
}

/// R69: a descriptor that nobody watches wakes nobody, also when its peer has hung up.
#[test]
fn a_descriptor_that_nobody_watches_does_not_spin() {
    let driver = RealDriver::new().expect("the system gives a driver");
    let dispatcher = Dispatcher::new(Box::new(driver));
    let (handle, listener) = (dispatcher.handle(), descriptor(&dispatcher));
    let address = handle.local_address(listener).expect("a listener is bound");
    let fd = handle.connect(&address, &ConnectOptions::default()).expect("a connect begins");
    handle.close(listener);
    let timer = handle.add_timer(handle.now() + 30 * MS, seeing(1));
    let mut turns = 0;
    while seen().is_empty() {
        dispatcher.poll().expect("a timer is pending");
        turns += 1;
    }
    assert!(turns < 10, "{turns} turns for a reset and a timer");
    assert!(!handle.remove_timer(timer), "it has fired");
    handle.close(fd);
}

/// Against R138, R139: a server that is out of descriptors says so and goes on; a connection given up meanwhile is
/// passed over.
#[test]
fn a_server_out_of_descriptors_says_so_and_goes_on() {
    let (dispatcher, _, script) = scripted(Capabilities::default());
    script.borrow_mut().accepts.extend([
        Err(OsError::new(io::ErrorKind::QuotaExceeded, 24)),
        Err(OsError::new(io::ErrorKind::OutOfMemory, 12)),
        Err(OsError::new(io::ErrorKind::ConnectionAborted, 103)),
        Ok(()),
    ]);
    let accepted = dispatcher.block_on(async {
        let server = StreamServer::listen(Address::loopback(0)).expect("the driver refuses no listener");
        for code in [24, 12] {
            let error = server.accept().await.expect_err("nothing is left for one more");
            assert_eq!((error.kind(), error.code()), (ErrorKind::TooManyOpen, Some(code)));
        }
        server.accept().await.map(|stream| stream.remote_address())
    });
    assert_eq!(accepted, Ok(Ok(Address::loopback(2))));
}

/// Against R14: a panic leaves `poll`, but not before the rest of the batch has run.
#[test]
fn a_panic_loses_nothing_of_its_batch_and_goes_on_from_poll() {
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let ran = Rc::new(Cell::new(0));
    let count = |ran: &Rc<Cell<u32>>| {
        let ran = Rc::clone(ran);
        handle.spawn(async move { ran.set(ran.get() + 1) }).detach();
    };
    count(&ran);
    handle.call_soon(AsyncCallback::new(|_, _| panic!("first"), 0));
    handle.spawn(async { panic!("second") }).detach();
    count(&ran);
    let payload = catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).expect_err("the panic goes on");
    assert_eq!(panic_text(&*payload), "first");
    assert_eq!(ran.get(), 2);
    count(&ran);
    dispatcher.poll().expect("the dispatcher goes on too");
    assert_eq!(ran.get(), 3);
}

/// Against R20: what is pending ends as cancelled, in order, and handles are stale afterwards.
#[test]
fn a_closed_dispatcher_leaves_nothing() {
    struct Tells(Rc<RefCell<Vec<u32>>>, u32);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
            // What is spawned now is cancelled at once.
            spawn(async {}).detach();
        }
    }
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let told = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let tells = Tells(Rc::clone(&told), number);
        let wait = async move {
            let _tells = tells;
            sleep(Duration::from_secs(1)).await;
        };
        handle.spawn(wait).detach();
    }
    dispatcher.poll().expect("the tasks are to be polled");
    drop(dispatcher);
    assert_eq!(*told.borrow(), [0, 1, 2]);
    assert!(!handle.is_here());
    let payload = catch_unwind(|| handle.now()).expect_err("the handle is stale");
    assert!(panic_text(&*payload).contains("closed or lives on another thread"));
}

/// Against R20: a task of a closed dispatcher has ended as cancelled, and its handle says so, to a task of another one too.
#[test]
fn a_handle_that_outlives_its_dispatcher_answers_that_its_task_was_cancelled() {
    let (first, _) = dispatcher();
    let (second, _) = dispatcher();
    let task = first.handle().spawn(std::future::pending::<()>());
    let end = task.join();
    drop(first);
    assert!(task.is_finished());
    let outcome = second.block_on(async move {
        end.await;
        task.cancel().await
    });
    assert!(matches!(outcome, Ok(Err(JoinError::Cancelled))));
}

/// The same of a task that is waited for while its dispatcher closes.
#[test]
fn who_waits_for_a_task_is_woken_when_its_dispatcher_closes() {
    let (first, _) = dispatcher();
    let (second, _) = dispatcher();
    let task = first.handle().spawn(std::future::pending::<()>());
    let end = second.handle().spawn(task.join());
    let outcome = second.handle().spawn(task);
    second.poll().expect("the tasks are to be polled");
    assert!(!end.is_finished() && !outcome.is_finished());
    drop(first);
    second.poll().expect("the tasks were woken");
    assert!(end.is_finished());
    let outcome = second.block_on(outcome).expect("it has ended");
    assert!(matches!(outcome, Ok(Err(JoinError::Cancelled))));
}

/// A task of another thread is not taken for one that has ended.
#[test]
fn a_task_handle_is_of_no_use_on_another_thread() {
    let (dispatcher, _) = dispatcher();
    let task = dispatcher.handle().spawn(std::future::pending::<()>());
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| catch_unwind(AssertUnwindSafe(|| task.is_finished()))).join()
    });
    let payload = refused.expect("the thread ends").expect_err("it is refused");
    assert!(panic_text(&*payload).contains("lives on another thread"));
    assert!(!task.is_finished());
    task.detach();
}

/// Against R1: several dispatchers share a thread; each handle reaches its own, and scopes nest.
#[test]
fn dispatchers_on_one_thread_do_not_mix() {
    let (first, _) = dispatcher();
    let (second, _) = dispatcher();
    let outer = first.handle().enter();
    assert_eq!(Handle::current(), first.handle());
    let inner = second.handle().enter();
    assert_eq!(Handle::current(), second.handle());
    drop(inner);
    assert_eq!(Handle::current(), first.handle());
    drop(outer);
    assert_eq!(Handle::try_current(), None);

    // A task of one may wait for a task of the other: the wake finds its way.
    let task = first.handle().spawn(async { 1 });
    let waits = second.handle().spawn(task);
    second.poll().expect("the waiting task is to be polled");
    assert!(!waits.is_finished());
    first.poll().expect("the awaited task is to be polled");
    second.poll().expect("the waiting task was woken");
    assert!(waits.is_finished());
    waits.detach();
}

/// A handle on another thread reaches nothing, and says what to do.
#[test]
fn a_handle_is_of_no_use_on_another_thread() {
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let elsewhere = std::thread::scope(|scope| {
        scope.spawn(move || (handle.is_here(), catch_unwind(|| handle.now()).is_err())).join()
    });
    assert_eq!(elsewhere.expect("the thread ends"), (false, true));
    assert!(handle.is_here());
}

/// Section 1: the handle for other threads counts as pending while one is alive, and its going is noticed.
#[test]
fn a_remote_that_is_alive_is_something_pending() {
    let (dispatcher, _) = dispatcher();
    let remote = dispatcher.handle().remote();
    let second = remote.clone();
    assert_eq!(dispatcher.poll(), Ok(()));
    drop(remote);
    assert_eq!(dispatcher.poll(), Ok(()));
    drop(second);
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
}

/// Against R20: what was sent to a dispatcher and had no turn yet ends with it, and later senders are told.
#[test]
fn a_closed_dispatcher_ends_what_was_sent_to_it() {
    let (dispatcher, _) = dispatcher();
    let remote = dispatcher.handle().remote();
    let sent = remote.spawn(|| async { 7 });
    drop(dispatcher);
    assert!(sent.is_finished());
    assert_eq!(remote.call_soon(AsyncCallback::new(nothing, 0)), Err(Closed));
    assert!(remote.spawn(|| async { 7 }).is_finished());
}

/// A driver without threads says so, and what was to run there is gone.
#[test]
fn a_driver_without_threads_refuses_one() {
    let (dispatcher, _) = dispatcher();
    let _scope = dispatcher.handle().enter();
    let refused = spawn_thread("worker", || async {}).expect_err("this driver has no threads");
    assert_eq!(refused.os_error().kind(), std::io::ErrorKind::Unsupported);
    assert!(refused.to_string().starts_with("start thread worker: "), "{refused}");
}

/// R9: a turn without events runs one idle callback, the first, and does not wait.
#[test]
fn a_quiet_turn_runs_one_idle_callback() {
    let (dispatcher, waits) = dispatcher();
    let ran = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let ran = Rc::clone(&ran);
        let idles = async move {
            idle().await;
            ran.borrow_mut().push(number);
        };
        dispatcher.handle().spawn(idles).detach();
    }
    // In the first turn they begin to wait.
    for turn in 1..=4 {
        assert_eq!(dispatcher.next_work(), NextWork::Now);
        dispatcher.poll().expect("idle waits are pending");
        assert_eq!(*ran.borrow(), (0..turn - 1).collect::<Vec<_>>());
    }
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    assert!(waits.borrow().iter().all(|wait| *wait == Some(Duration::ZERO)));
}

/// What an observer was told, one letter each; a callback's kind in full.
#[derive(Clone, Default)]
struct Tells(Rc<RefCell<String>>);

impl Tells {
    fn add(&self, text: &str) {
        self.0.borrow_mut().push_str(text);
    }
}

impl Observer for Tells {
    fn turn_begin(&mut self, now: Moment) {
        self.add(&format!("{}ms[", now.as_nanos() / 1_000_000));
    }

    fn callback_begin(&mut self, callback: &ObservedCallback) {
        self.add(&format!("{}(", callback.kind.name()));
    }

    fn callback_end(&mut self) {
        self.add(")");
    }

    fn turn_end(&mut self) {
        self.add("]");
    }
}

/// An observer sees each turn and callback begin and end, with the loop's time; also a callback that panics, and a turn in
/// which nothing could happen.
#[test]
fn an_observer_sees_turns_and_callbacks_begin_and_end() {
    let (dispatcher, _) = dispatcher();
    let (first, second) = (Tells::default(), Tells::default());
    let handle = dispatcher.handle();
    handle.observe(Box::new(first.clone()));
    handle.observe(Box::new(second.clone()));
    handle.call_soon(AsyncCallback::new(|_, _| panic!("the test's own panic"), 0));
    handle.call_soon(AsyncCallback::new(nothing, 0));
    let due = Moment::ORIGIN + Duration::from_millis(5);
    let _timer = handle.add_timer(due, AsyncCallback::new(nothing, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).is_err());
    dispatcher.poll().expect("a timer is pending");
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    assert_eq!(*first.0.borrow(), "0ms[soon()soon()]0ms[timer()]5ms[]");
    assert_eq!(*second.0.borrow(), *first.0.borrow());
}

/// The observer learns where in the source a callback was asked for.
#[test]
fn an_observer_learns_where_a_callback_was_asked_for() {
    struct Places(Rc<RefCell<Vec<u32>>>);
    impl Observer for Places {
        fn callback_begin(&mut self, callback: &ObservedCallback) {
            assert!(callback.place.file().ends_with("dispatcher.rs"));
            self.0.borrow_mut().push(callback.place.line());
        }
    }
    let (dispatcher, _) = dispatcher();
    let places = Rc::default();
    dispatcher.handle().observe(Box::new(Places(Rc::clone(&places))));
    let first_line = line!() + 1;
    dispatcher.handle().call_soon(AsyncCallback::new(nothing, 0));
    dispatcher.handle().spawn(async {}).detach();
    let _timer = dispatcher.handle().add_timer(Moment::ORIGIN, AsyncCallback::new(nothing, 0));
    dispatcher.poll().expect("all are due");
    assert_eq!(*places.borrow(), [first_line, first_line + 1, first_line + 2]);
}

/// A task that waits for what it holds itself waits for ever: the turn says so, and the dump says where and for what.
#[test]
fn a_wait_that_can_never_end_is_told_with_its_place() {
    let (dispatcher, _) = dispatcher();
    let task = dispatcher.handle().spawn(async {
        let lock = AsyncLock::new(());
        let _guard = lock.acquire().await;
        let _again = lock.acquire().await;
    });
    dispatcher.poll().expect("the task is to be polled");
    assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    let dump = dispatcher.dump();
    assert!(dump.lines().any(|line| line.starts_with("lock it/dispatcher.rs:")), "{dump}");
    task.detach();
}

/// A task goes on only while its dispatcher turns, and in the next `block_on` where the last one left it.
#[test]
fn a_task_goes_on_in_the_next_block_on() {
    let (dispatcher, _) = dispatcher();
    let scope = dispatcher.handle().enter();
    let (completer, completion) = completion();
    drop(scope);
    let begun = Rc::new(Cell::new(false));
    let inner = Rc::clone(&begun);
    let task = dispatcher.handle().spawn(async move {
        inner.set(true);
        completion.await
    });
    assert!(!begun.get(), "nothing turns");
    dispatcher.block_on(async {}).expect("it is ready");
    assert!(begun.get() && !task.is_finished());
    assert_eq!(completer.complete(7), Ok(()));
    assert!(!task.is_finished(), "nothing turns");
    let outcome = dispatcher.block_on(task).expect("its value is there");
    assert_eq!(outcome.expect("it only waits"), Ok(7));
}

/// R115, R117: where the kernel goes on with a file by itself, as on Windows, the file has begun with the first call: giving
/// it up takes nothing back, and what is behind it waits until the kernel has told its count.
#[test]
fn a_file_that_the_kernel_goes_on_with_is_not_withdrawn() {
    let mut capabilities = Capabilities::default();
    capabilities.file_sends_go_on = true;
    let (dispatcher, _, script) = scripted(capabilities);
    script.borrow_mut().accepts.push_back(Ok(()));
    let outcome = dispatcher.block_on(async move {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = server.accept().await?;
        let (given_up, awaited) = (File::open("first").await?, File::open("second").await?);
        drop(stream.write_file(&given_up, 0, Some(5)));
        let mut awaited = stream.write_file(&awaited, 10, Some(7));
        yield_now().await;
        let fd = script.borrow().file_parts[0].0;
        assert_eq!(script.borrow().file_parts, [(fd, 0, 5)]);

        script.borrow_mut().file_sends.extend([Ok(5), Err(OsError::WOULD_BLOCK), Ok(7)]);
        for sent in [0, 7] {
            assert_eq!(awaited.sent(), 0);
            let events = vec![Event { fd, readiness: Readiness::WRITABLE }];
            script.borrow_mut().polls.push_back(Poll { events, ..Poll::default() });
            sleep(MS).await;
            assert_eq!(awaited.sent(), sent);
        }
        assert_eq!(script.borrow().file_parts, [(fd, 0, 5), (fd, 0, 5), (fd, 10, 7), (fd, 10, 7)]);
        (&mut awaited).await
    });
    assert_eq!(outcome, Ok(Ok(7)));
}
