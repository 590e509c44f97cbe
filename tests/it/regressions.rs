//! Faults that the core once had, each as the promise it broke: wakers, panics, wakes from other threads, chains of tasks
//! that end each other. What both drivers must show in any case is in `contract/`.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use twinloop::driver::{ConnectOptions, Driver, ListenOptions};
use twinloop::observe::{ObservedCallback, Observer};
use twinloop::{
    Address, AsyncCallback, AsyncEvent, AsyncSemaphore, Closed, Completion, Dispatcher, Handle, JoinHandle,
    Moment, PollError, RemoteJoin, StreamServer, completion, connect, panic_text, sleep, spawn, yield_now,
};
use twinloop_real::RealDriver;

use crate::scripted::dispatcher;
use crate::{on_real, on_sim};

fn real_dispatcher() -> Dispatcher {
    Dispatcher::new(Box::new(RealDriver::new().expect("the system gives a driver")))
}

/// Runs a piece of code when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Cancels a task when it is dropped.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel().detach();
        }
    }
}

/// A waker that wakes nobody and runs a piece of code when its last clone is dropped.
struct Acting(Mutex<Box<dyn FnMut() + Send>>);

impl Acting {
    fn waker(act: impl FnMut() + Send + 'static) -> Waker {
        Arc::new(Acting(Mutex::new(Box::new(act)))).into()
    }
}

impl Wake for Acting {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Acting {
    fn drop(&mut self) {
        (self.0.get_mut().expect("nobody panics with the lock"))();
    }
}

fn poll_with<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

// Wakers

/// Against R20: dropping a noted waker is anyone's code, and may use the dispatcher.
#[test]
fn a_waker_replaced_in_a_sleep_may_spawn_as_it_goes() {
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let _scope = handle.enter();
    let mut nap = pin!(sleep(Duration::from_secs(9)));
    let waker = Acting::waker(move || handle.spawn(async {}).detach());
    assert!(poll_with(nap.as_mut(), &waker).is_pending());
    drop(waker);
    assert_eq!(dispatcher.dump().matches("task").count(), 0);
    assert!(poll_with(nap.as_mut(), Waker::noop()).is_pending());
    assert_eq!(dispatcher.dump().matches("task").count(), 1, "the waker has gone and spawned");
}

/// The joiner's waker that a detached task leaves behind goes with the task, and may use the dispatcher as well.
#[test]
fn a_waker_left_with_a_detached_task_may_spawn_as_it_goes() {
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let mut task = handle.spawn(yield_now());
    let ran = Arc::new(AtomicBool::new(false));
    let run = Arc::clone(&ran);
    let waker = Acting::waker(move || {
        let run = Arc::clone(&run);
        handle.spawn(async move { run.store(true, Ordering::Relaxed) }).detach();
    });
    assert!(poll_with(Pin::new(&mut task), &waker).is_pending());
    drop((waker, task));
    while dispatcher.poll().is_ok() {}
    assert!(ran.load(Ordering::Relaxed));
}

/// A combinator may lend functions of its own to the task's waker: wakes then go through them.
#[test]
fn a_waker_with_the_tasks_data_and_other_functions_is_another_waker() {
    static WAKES: AtomicUsize = AtomicUsize::new(0);
    static COUNTING: RawWakerVTable =
        RawWakerVTable::new(|lent| RawWaker::new(lent, &COUNTING), |_| count(), |_| count(), |_| {});
    fn count() {
        WAKES.fetch_add(1, Ordering::Relaxed);
    }
    let (dispatcher, _) = dispatcher();
    let program = async {
        let mut nap = pin!(sleep(Duration::from_millis(1)));
        poll_fn(|context| {
            // SAFETY: the functions are plain counters on a static: none reads, owns or frees what the data points to.
            let lent = unsafe { Waker::new(context.waker().data(), &COUNTING) };
            assert!(poll_with(nap.as_mut(), &lent).is_pending());
            Poll::Ready(())
        })
        .await;
        sleep(Duration::from_millis(5)).await;
    };
    dispatcher.block_on(program).expect("a timer is pending");
    assert_eq!(WAKES.load(Ordering::Relaxed), 1);
}

/// A waker that panics surfaces like any panic, and those who wait behind it are told all the same.
#[test]
fn a_waker_that_panics_keeps_nobody_else_waiting() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let dispatcher = real_dispatcher();
    let _scope = dispatcher.handle().enter();
    let server = Rc::new(StreamServer::listen(Address::loopback(0)).expect("loopback has a free port"));
    let mut first = pin!(server.accept());
    assert!(poll_with(first.as_mut(), &Arc::new(Panics).into()).is_pending());
    let second = spawn({
        let server = Rc::clone(&server);
        async move { server.accept().await.map(drop) }
    });
    dispatcher.handle().call_soon(AsyncCallback::new(|_, _| {}, 0));
    dispatcher.poll().expect("a task is to be polled");
    drop(server.close());
    let mut panics = 0;
    for _ in 0..10 {
        dispatcher.handle().call_soon(AsyncCallback::new(|_, _| {}, 0));
        panics += usize::from(catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).is_err());
    }
    assert!(second.is_finished(), "the second acceptor was not told");
    assert_eq!(panics, 1, "the panic is told, and once");
}

/// Those who wait behind one that is given up are served, also if the waker that goes with it panics.
#[test]
fn a_waker_that_panics_as_it_goes_keeps_nobody_else_waiting() {
    let (dispatcher, _) = dispatcher();
    let _scope = dispatcher.handle().enter();
    let permits = AsyncSemaphore::new(1);
    let mut many = Box::pin(permits.acquire_many(5));
    let panics = Acting::waker(|| panic!("a waker"));
    assert!(poll_with(many.as_mut(), &panics).is_pending());
    drop(panics);
    let mut one = pin!(permits.acquire());
    assert!(poll_with(one.as_mut(), Waker::noop()).is_pending());
    let given_up = catch_unwind(AssertUnwindSafe(|| drop(many)));
    assert!(poll_with(one.as_mut(), Waker::noop()).is_ready(), "the second in the queue was not served");
    assert!(given_up.is_ok());
    dispatcher.handle().call_soon(AsyncCallback::new(|_, _| {}, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| dispatcher.poll())).is_err(), "the panic is told");
}

// Panics

/// A program that `block_on` leaves by another task's panic is cancelled: nobody is there to take its output.
#[test]
fn block_on_left_by_a_panic_cancels_its_program() {
    let (dispatcher, _) = dispatcher();
    let gone = Rc::new(Cell::new(false));
    let tells = OnDrop({
        let gone = Rc::clone(&gone);
        move || gone.set(true)
    });
    let left = catch_unwind(AssertUnwindSafe(|| {
        dispatcher.block_on(async move {
            let _tells = tells;
            spawn(async { panic!("another task") }).detach();
            sleep(Duration::from_millis(50)).await;
        })
    }));
    assert_eq!(panic_text(&*left.expect_err("the panic goes on")), "another task");
    assert!(gone.get(), "{}", dispatcher.dump());
}

/// Level semantics survive a panic: what is still readable calls its reader again.
#[test]
fn a_reader_that_panics_is_called_again() {
    thread_local! { static CALLS: Cell<usize> = const { Cell::new(0) }; }
    fn panics_once(_: &twinloop::Handle, _: usize) {
        CALLS.set(CALLS.get() + 1);
        assert!(CALLS.get() > 1, "once");
    }
    let dispatcher = real_dispatcher();
    let handle = dispatcher.handle();
    let listener =
        handle.listen(&Address::loopback(0), &ListenOptions::default()).expect("loopback has a free port");
    let address = handle.local_address(listener).expect("the listener is bound");
    handle.connect(&address, &ConnectOptions::default()).expect("a connect begins");
    handle.add_reader(listener, AsyncCallback::new(panics_once, 0)).expect("nobody watches it yet");
    let bound = handle.now() + Duration::from_secs(1);
    let _timer = handle.add_timer(bound, AsyncCallback::new(|_, _| {}, 0));
    while CALLS.get() < 2 && handle.now() < bound {
        let turn = catch_unwind(AssertUnwindSafe(|| dispatcher.poll()));
        assert_eq!(turn.is_err(), CALLS.get() == 1);
    }
    assert_eq!(CALLS.get(), 2);
}

// Wakes from other threads

/// At the beginning of a turn, lets another thread use the waker in the slot, and waits until that thread is gone.
struct WakesFromAfar(Rc<RefCell<Option<Waker>>>);

impl Observer for WakesFromAfar {
    fn turn_begin(&mut self, _: Moment) {
        if let Some(waker) = self.0.take() {
            std::thread::scope(|scope| {
                scope.spawn(move || waker.wake());
            });
        }
    }
}

/// The wake comes behind a turn's first look at the inbox, and its waker is gone before the look at the wakers.
#[test]
fn a_wake_whose_waker_is_gone_is_still_something_pending() {
    let (dispatcher, _) = dispatcher();
    let slot: Rc<RefCell<Option<Waker>>> = Rc::default();
    dispatcher.handle().observe(Box::new(WakesFromAfar(Rc::clone(&slot))));
    let mut polls = 0;
    let ended = dispatcher.block_on(poll_fn(move |context| {
        polls += 1;
        slot.replace((polls == 1).then(|| context.waker().clone()));
        if polls == 1 { Poll::Pending } else { Poll::Ready(polls) }
    }));
    assert_eq!(ended, Ok(2));
}

/// The same at every moment that chance finds: no wake is lost, and none is taken for a deadlock.
#[test]
fn wakes_from_another_thread_all_arrive() {
    let dispatcher = real_dispatcher();
    let (send, wakers) = std::sync::mpsc::channel::<Waker>();
    let wrong: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(move || wakers.into_iter().for_each(Waker::wake));
        let round = |_| {
            let mut to_send = Some(send.clone());
            dispatcher.block_on(poll_fn(move |context| match to_send.take() {
                None => Poll::Ready(()),
                Some(send) => {
                    send.send(context.waker().clone()).expect("the other thread lives as long as we send");
                    Poll::Pending
                }
            }))
        };
        let wrong = (0..2000).map(round).filter(Result::is_err).collect();
        drop(send);
        wrong
    });
    assert_eq!(wrong, [] as [Result<(), PollError>; 0]);
}

/// Counts the callbacks of a dispatcher.
struct Counts(Rc<Cell<usize>>);

impl Observer for Counts {
    fn callback_begin(&mut self, _: &ObservedCallback) {
        self.0.set(self.0.get() + 1);
    }
}

/// A busy dispatcher must not pile up what another thread tells it again and again.
#[test]
fn wakes_from_another_thread_merge_until_they_are_taken() {
    let (dispatcher, _) = dispatcher();
    let callbacks = Rc::new(Cell::new(0));
    dispatcher.handle().observe(Box::new(Counts(Rc::clone(&callbacks))));
    let (kept, polls): (Rc<RefCell<Option<Waker>>>, Rc<Cell<usize>>) = Default::default();
    let (keep, count) = (Rc::clone(&kept), Rc::clone(&polls));
    let task = dispatcher.handle().spawn(poll_fn(move |context| {
        keep.replace(Some(context.waker().clone()));
        count.set(count.get() + 1);
        Poll::<()>::Pending
    }));
    dispatcher.poll().expect("the task is to be polled");
    for round in 1..=2 {
        let waker = kept.take().expect("the task was polled");
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|_| waker.wake_by_ref()));
        });
        callbacks.set(0);
        for _ in 0..3 {
            dispatcher.handle().call_soon(AsyncCallback::new(|_, _| {}, 0));
            dispatcher.poll().expect("a callback is pending");
        }
        assert_eq!(polls.get(), 1 + round);
        assert_eq!(callbacks.get() - 3, 2, "the wake and the poll it brings");
    }
    task.detach();
}

// Ending

/// Each task of the chain ends the next one in its destructor: the stack does not grow with the chain.
#[test]
fn a_long_chain_of_tasks_that_abort_each_other_ends() {
    let (dispatcher, _) = dispatcher();
    let handle = dispatcher.handle();
    let mut chain = AbortOnDrop(None);
    for _ in 0..20_000 {
        let next = chain;
        chain = AbortOnDrop(Some(handle.spawn(async move {
            let _next = next;
            pending().await
        })));
    }
    dispatcher.poll().expect("the tasks are to be polled");
    drop(chain);
    assert_eq!(dispatcher.dump(), "");
}

/// Two tasks of which each ends the other are no riddle to a dispatcher that closes.
#[test]
fn tasks_that_abort_each_other_end_with_their_dispatcher() {
    let (dispatcher, _) = dispatcher();
    let gone = Rc::new(Cell::new(0));
    let slots: [Rc<RefCell<AbortOnDrop>>; 2] =
        std::array::from_fn(|_| Rc::new(RefCell::new(AbortOnDrop(None))));
    for (own, other) in [(0, 1), (1, 0)] {
        let (slot, gone) = (Rc::clone(&slots[other]), Rc::clone(&gone));
        let aborts = OnDrop(move || {
            gone.set(gone.get() + 1);
            drop(slot.replace(AbortOnDrop(None)));
        });
        let task = dispatcher.handle().spawn(async move {
            let _aborts = aborts;
            pending().await
        });
        slots[own].replace(AbortOnDrop(Some(task)));
    }
    dispatcher.poll().expect("the tasks are to be polled");
    drop(dispatcher);
    assert_eq!(gone.get(), 2);
}

/// A program that can not go on is cancelled in the scope of its dispatcher: its destructors find it.
#[test]
fn a_program_that_can_not_go_on_ends_in_the_scope_of_its_dispatcher() {
    let (dispatcher, _) = dispatcher();
    let gone = Rc::new(Cell::new(false));
    let tells = Rc::clone(&gone);
    let ended = dispatcher.block_on(async move {
        let _spawns = OnDrop(move || {
            spawn(async {}).detach();
            tells.set(true);
        });
        pending::<()>().await
    });
    assert_eq!(ended, Err(PollError::NothingPending));
    assert!(gone.get());
    dispatcher.poll().expect("the destructor has spawned a task");
}

/// A task that another dispatcher's ends goes in the scope of its own.
#[test]
fn a_cancelled_future_goes_in_the_scope_of_its_own_dispatcher() {
    let ((first, _), (second, _)) = (dispatcher(), dispatcher());
    let current = Rc::new(Cell::new(None));
    let tells = Rc::clone(&current);
    let goes = OnDrop(move || tells.set(Some(Handle::current())));
    let task = first.handle().spawn(async move {
        let _goes = goes;
        pending::<()>().await
    });
    first.poll().expect("the task is to be polled");
    second.block_on(async move { task.cancel().detach() }).expect("nothing is awaited");
    assert_eq!(current.get(), Some(first.handle()));
}

/// What a refused thread was to run is user code: it goes when the driver is no longer in use.
#[test]
fn what_a_refused_thread_leaves_may_use_the_dispatcher_as_it_goes() {
    struct Naps(Arc<AtomicBool>);
    impl Drop for Naps {
        fn drop(&mut self) {
            drop(sleep(Duration::from_secs(1)));
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (dispatcher, _) = dispatcher();
    let _scope = dispatcher.handle().enter();
    let gone = Arc::new(AtomicBool::new(false));
    let naps = Naps(Arc::clone(&gone));
    let refused = twinloop::spawn_thread("worker", move || async move { drop(naps) });
    assert!(refused.is_err(), "this driver has no threads");
    assert!(gone.load(Ordering::Relaxed));
}

/// Runs a piece of code when it is dropped, on whatever thread.
struct SendOnDrop(Box<dyn FnMut() + Send>);

impl Drop for SendOnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What was sent to a dispatcher that closes is gone before its end is reported.
#[test]
fn what_never_began_is_gone_before_its_end_is_reported() {
    let (dispatcher, _) = dispatcher();
    let kept: Arc<Mutex<Option<RemoteJoin<()>>>> = Arc::default();
    let reported = Arc::new(AtomicUsize::new(0));
    let (seen, count) = (Arc::clone(&kept), Arc::clone(&reported));
    let captured = SendOnDrop(Box::new(move || {
        let kept = seen.lock().expect("nobody panics with the lock");
        count.store(1 + usize::from(kept.as_ref().is_some_and(RemoteJoin::is_finished)), Ordering::Relaxed);
    }));
    let sent = dispatcher.handle().remote().spawn(move || async move { drop(captured) });
    kept.lock().expect("nobody panics with the lock").replace(sent);
    drop(dispatcher);
    assert_eq!(reported.load(Ordering::Relaxed), 1, "it was still there when its end was reported");
}

/// Outputs that nobody took are user code too: their destructors find the dispatcher as it was.
#[test]
fn an_output_that_nobody_took_may_spawn_as_it_goes() {
    let (dispatcher, _) = dispatcher();
    let gone = Rc::new(Cell::new(false));
    let tells = Rc::clone(&gone);
    let task = dispatcher.handle().spawn(async move {
        OnDrop(move || {
            spawn(async {}).detach();
            tells.set(true);
        })
    });
    dispatcher.poll().expect("the task is to be polled");
    // The handle would take the output with it.
    std::mem::forget(task);
    drop(dispatcher);
    assert!(gone.get());
}

// Reading

/// Bytes can not be taken from under a read that is looking at them.
#[test]
fn consuming_under_a_pending_read_is_refused() {
    async fn case() -> Result<(), Box<dyn std::error::Error>> {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        peer.write(b"0123456789").await?;
        stream.fill().await?;
        let mut line = pin!(stream.read_line(100));
        let pending = poll_fn(|context| Poll::Ready(line.as_mut().poll(context).is_pending())).await;
        assert!(pending, "the line has no end yet");
        let refused = catch_unwind(AssertUnwindSafe(|| stream.consume(1)));
        let payload = refused.expect_err("a read is pending");
        assert!(panic_text(&*payload).contains("a read that is pending"));
        peer.write(b"ab\n").await?;
        assert_eq!(line.await?.as_deref(), Some(&b"0123456789ab"[..]));
        Ok(())
    }
    on_real::run(case);
    on_sim::run(case);
}

/// Nothing to read needs no right to read.
#[test]
fn reading_exactly_nothing_ends_at_once_beside_a_pending_read() {
    async fn case() -> Result<(), Box<dyn std::error::Error>> {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let _peer = server.accept().await?;
        let mut byte = [0];
        let mut read = pin!(stream.read(&mut byte));
        assert!(poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
        stream.read_exactly(&mut []).await?;
        Ok(())
    }
    on_real::run(case);
    on_sim::run(case);
}

/// R90: a read that has its outcome is no longer pending, although its future lives on.
#[test]
fn a_read_that_is_done_gives_the_right_to_read_back() {
    async fn case() -> Result<(), Box<dyn std::error::Error>> {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        peer.write(b"hello").await?;
        let (mut first, mut rest) = ([0; 1], [0; 4]);
        let mut done = pin!(stream.read(&mut first));
        assert_eq!(done.as_mut().await?, 1);
        stream.read_exactly(&mut rest).await?;
        assert_eq!(&rest, b"ello");
        Ok(())
    }
    on_real::run(case);
    on_sim::run(case);
}

// A waker whose clone brings what is waited for

/// Its clone runs a closure, once, before it answers.
pub(crate) fn brings(bring: impl FnOnce() + 'static) -> Waker {
    thread_local! {
        static BRING: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }
    static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(
        |data| {
            if let Some(bring) = BRING.take() {
                bring();
            }
            RawWaker::new(data, &FUNCTIONS)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    BRING.replace(Some(Box::new(bring)));
    // SAFETY: the functions look at no data; what they share is local to the thread that the test is on.
    unsafe { Waker::new(std::ptr::null(), &FUNCTIONS) }
}

/// Cloning a waker is anyone's code: what it brings is there when the poll ends, and no wake for it comes later.
#[test]
fn what_comes_while_a_waker_is_cloned_is_seen_by_that_poll() {
    let (dispatcher, _) = dispatcher();
    let _scope = dispatcher.handle().enter();
    let event = AsyncEvent::new();
    let mut wait = pin!(event.wait());
    let fired = event.clone();
    assert!(poll_with(wait.as_mut(), &brings(move || fired.fire())).is_ready());
}

// What is over

/// The value of a completion goes with the last who could ask for it, also if that one goes while the value is copied.
#[test]
fn a_value_goes_with_its_last_taker_also_while_it_is_copied() {
    thread_local! {
        static LAST_TAKER: RefCell<Option<Completion<Value>>> = const { RefCell::new(None) };
        static GONE: Cell<usize> = const { Cell::new(0) };
    }
    struct Value;
    impl Clone for Value {
        fn clone(&self) -> Value {
            LAST_TAKER.take();
            Value
        }
    }
    impl Drop for Value {
        fn drop(&mut self) {
            GONE.set(GONE.get() + 1);
        }
    }
    let (dispatcher, _) = dispatcher();
    let _scope = dispatcher.handle().enter();
    let (completer, mut first) = completion::<Value>();
    let _end = first.join();
    LAST_TAKER.replace(Some(first.clone()));
    assert!(completer.complete(Value).is_ok());
    drop(first.take().expect("it has ended"));
    assert_eq!(GONE.get(), 2, "the copy and the value");
}

/// A `Remote` that is kept keeps nothing of a driver that is gone: no descriptor, on a real one.
#[test]
fn a_remote_keeps_no_unparker_of_a_closed_dispatcher() {
    let driver = RealDriver::new().expect("the system gives a driver");
    let unparker = Arc::downgrade(&driver.unparker());
    let dispatcher = Dispatcher::new(Box::new(driver));
    let remote = dispatcher.handle().remote();
    drop(dispatcher);
    assert!(unparker.upgrade().is_none());
    assert_eq!(remote.call_soon(AsyncCallback::new(|_, _| {}, 0)), Err(Closed));
}

/// A timer is removed by the dispatcher that has it: in another one its number may be that of another timer.
#[test]
fn a_timer_of_one_dispatcher_is_not_removed_by_another() {
    let ((first, _), (second, _)) = (dispatcher(), dispatcher());
    let add = |dispatcher: &Dispatcher| {
        dispatcher.handle().add_timer(Moment::ORIGIN, AsyncCallback::new(|_, _| {}, 0))
    };
    let (timer, other) = (add(&first), add(&second));
    let refused = catch_unwind(AssertUnwindSafe(|| second.handle().remove_timer(timer)));
    let payload = refused.expect_err("it is another's timer");
    assert!(panic_text(&*payload).contains("the handle that added it"));
    assert!(first.handle().remove_timer(timer) && second.handle().remove_timer(other));
}
