//! How often the dispatcher asks for memory: not at all once it has grown, but for what a task is made of. And how much of it
//! an idle connection has.
//!
//! A binary of its own, because it counts in the allocator. Counts are kept by thread, so that tests may run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::{Future, poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use twinloop::driver::ListenOptions;
use twinloop::{
    Address, AsyncCallback, AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, Dispatcher, Handle,
    JoinHandle, PollError, StreamServer, StreamTransport, TransportError, cancel_and_wait, completion,
    connect, idle, interval, now, sleep, spawn, timeout, yield_now,
};
use twinloop_real::RealDriver;
use twinloop_sim::choice::Choices;
use twinloop_sim::run_world;
use twinloop_sim::story::Telling;

/// Rounds that are counted, after as many that are not.
const ROUNDS: usize = 100;
/// Things done in one round.
const TIMES: usize = 10;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// How often this thread asked for memory. It has no destructor, so that it can be asked at any time.
    static ASKED: Cell<usize> = const { Cell::new(0) };
    /// How many bytes this thread has asked for and not given back.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came; counting touches nothing that allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: `memory` came from the system allocator, as all of ours does.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: `memory` came from the system allocator, as all of ours does.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Memory of `size` bytes is asked for, in place of `before` ones.
fn count(size: usize, before: usize) {
    ASKED.with(|asked| asked.set(asked.get() + 1));
    LIVE.with(|live| live.set(live.get() + size as isize));
    give_back(before);
}

fn give_back(size: usize) {
    LIVE.with(|live| live.set(live.get() - size as isize));
}

fn live() -> isize {
    LIVE.with(Cell::get)
}

fn asked() -> usize {
    ASKED.with(Cell::get)
}

type Outcome = Result<(), Box<dyn Error>>;

/// Runs `case` on the real driver, then in a silent simulation in which nothing unusual happens.
#[track_caller]
fn run<F: Future<Output = Outcome> + 'static>(case: impl Fn() -> F + Clone + 'static) {
    twinloop_real::run(case()).expect("the real driver runs it").expect("the case passes");
    let kind = Choices::Replayed { seed: 0, picks: Vec::new() };
    let report = run_world(&kind, Telling::Silent, |sim| sim.client("host", case));
    assert!(report.verdict.is_passed(), "{}", report.verdict);
}

/// How often `round` asks for memory in all its rounds, once everything has grown.
async fn steady(mut round: impl AsyncFnMut()) -> usize {
    for _ in 0..ROUNDS {
        round().await;
    }
    let before = asked();
    for _ in 0..ROUNDS {
        round().await;
    }
    asked() - before
}

fn nothing(_: &Handle, _: usize) {}

const NOTHING: AsyncCallback = AsyncCallback::new(nothing, 0);

#[test]
fn an_allocation_is_counted() {
    let before = asked();
    drop(Box::new(7));
    let mut grown = Vec::with_capacity(1);
    grown.extend([1, 2, 3]);
    assert_eq!(asked() - before, 3, "one for the box, one for the vector, one for its growth");
}

#[test]
fn queueing_and_running_callbacks_takes_none() {
    run(|| async {
        let handle = Handle::current();
        let taken = steady(async || {
            (0..TIMES).for_each(|_| handle.call_soon(NOTHING));
            yield_now().await;
        });
        assert_eq!(taken.await, 0);
        Ok(())
    });
}

#[test]
fn yielding_takes_none() {
    run(|| async {
        assert_eq!(steady(async || yield_now().await).await, 0);
        Ok(())
    });
}

#[test]
fn adding_and_removing_timers_takes_none() {
    run(|| async {
        let handle = Handle::current();
        let taken = steady(async || {
            let far = now() + Duration::from_secs(1);
            let timers = [(); TIMES].map(|()| handle.add_timer(far, NOTHING));
            assert!(timers.iter().all(|timer| handle.remove_timer(*timer)));
        });
        assert_eq!(taken.await, 0);
        Ok(())
    });
}

#[test]
fn timers_that_fire_take_none() {
    run(|| async {
        let handle = Handle::current();
        let taken = steady(async || {
            let _timers = [(); TIMES].map(|()| handle.add_timer(now(), NOTHING));
            sleep(Duration::from_micros(10)).await;
        });
        assert_eq!(taken.await, 0);
        Ok(())
    });
}

#[test]
fn a_timeout_that_is_not_needed_takes_none() {
    run(|| async {
        let taken = steady(async || {
            for _ in 0..TIMES {
                timeout(Duration::from_secs(1), ready(())).await.expect("it is ready");
            }
        });
        assert_eq!(taken.await, 0);
        Ok(())
    });
}

#[test]
fn waking_a_task_takes_none() {
    run(|| async {
        let (waker, polls): (Rc<RefCell<Option<Waker>>>, Rc<Cell<usize>>) = Default::default();
        let (kept, counted) = (Rc::clone(&waker), Rc::clone(&polls));
        let task = spawn(poll_fn(move |context| -> Poll<()> {
            counted.set(counted.get() + 1);
            kept.replace(Some(context.waker().clone()));
            Poll::Pending
        }));
        yield_now().await;
        let taken = steady(async || {
            waker.take().expect("the task was polled").wake();
            yield_now().await;
        });
        assert_eq!(taken.await, 0);
        assert_eq!(polls.get(), 2 * ROUNDS + 1, "each wake made a poll");
        task.cancel().await.expect_err("it never ends by itself");
        Ok(())
    });
}

#[test]
fn waiting_for_a_quiet_turn_takes_none() {
    run(|| async {
        let handle = Handle::current();
        let taken = steady(async || {
            handle.call_idle(NOTHING);
            idle().await;
        });
        assert_eq!(taken.await, 0);
        Ok(())
    });
}

#[test]
fn adding_and_removing_watchers_takes_none() {
    run(|| async {
        let handle = Handle::current();
        let listener = handle.listen(&Address::loopback(0), &ListenOptions::default())?;
        let taken = steady(async || {
            for _ in 0..TIMES {
                handle.add_reader(listener, NOTHING).expect("it has no reader");
                handle.add_writer(listener, NOTHING).expect("it has no writer");
                assert!(handle.remove_reader(listener) && handle.remove_writer(listener));
            }
        });
        assert_eq!(taken.await, 0);
        handle.close(listener);
        Ok(())
    });
}

/// The future, and what its wakers share.
#[test]
fn a_task_takes_two_allocations() {
    run(|| async {
        let taken = steady(async || {
            for _ in 0..TIMES {
                spawn(yield_now()).await.expect("it is not cancelled");
            }
        });
        assert_eq!(taken.await, 2 * TIMES * ROUNDS);
        Ok(())
    });
}

/// Its output waits in a box until it is asked for.
#[test]
fn a_task_with_an_output_takes_three_allocations() {
    run(|| async {
        let taken = steady(async || {
            for number in 0..TIMES {
                assert_eq!(spawn(async move { number }).await.expect("it is not cancelled"), number);
            }
        });
        assert_eq!(taken.await, 3 * TIMES * ROUNDS);
        Ok(())
    });
}

#[test]
fn a_turn_with_nothing_takes_none() {
    let driver = RealDriver::new().expect("the system gives a driver");
    let dispatcher = Dispatcher::new(Box::new(driver));
    let turn = || assert_eq!(dispatcher.poll(), Err(PollError::NothingPending));
    (0..ROUNDS).for_each(|_| turn());
    let before = asked();
    (0..ROUNDS).for_each(|_| turn());
    assert_eq!(asked() - before, 0);
}

/// On the real driver: the simulated network has packets of its own to make.
#[test]
fn a_word_there_and_back_takes_none() {
    async fn echo() -> Outcome {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        let echo = spawn(async move {
            let mut word = [0; 5];
            while peer.read_exactly(&mut word).await.is_ok() {
                peer.write(&word).await.expect("the peer reads");
            }
        });
        let taken = steady(async || {
            let mut word = [0; 5];
            stream.write(b"hello").await.expect("the peer reads");
            stream.read_exactly(&mut word).await.expect("the peer answers");
        });
        assert_eq!(taken.await, 0);
        stream.close().await;
        echo.await?;
        Ok(())
    }
    twinloop_real::run(echo()).expect("the real driver runs it").expect("the case passes");
}

/// Lines that come and go on the real driver, by each form that promises it.
#[test]
fn lines_onto_a_vector_and_messages_in_place_take_none() {
    async fn case() -> Outcome {
        let server = StreamServer::listen(Address::loopback(0))?;
        let stream = connect(server.local_address()).await?;
        let peer = server.accept().await?;
        let mut line = Vec::new();
        let lines = steady(async || {
            peer.write(b"a line\n").await.expect("the stream is open");
            line.clear();
            stream.read_line_into(80, &mut line).await.expect("a line was sent");
        });
        assert_eq!(lines.await, 0);
        let messages = steady(async || {
            peer.write(b"12345").await.expect("the stream is open");
            let five = |bytes: &[u8], _| Some((5, bytes.get(..5)?.len()));
            stream.read_with(80, five).await.expect("a message was sent");
        });
        assert_eq!(messages.await, 0);
        let skips = steady(async || {
            peer.write(b"12345").await.expect("the stream is open");
            stream.skip(5).await.expect("so many bytes were sent");
        });
        assert_eq!(skips.await, 0);
        Ok(())
    }
    twinloop_real::run(case()).expect("the real driver runs it").expect("the case passes");
}

/// A lock that nobody holds, and one that goes from hand to hand among three tasks.
#[test]
fn a_lock_takes_none_free_or_handed_over() {
    run(|| async {
        let lock = AsyncLock::new(0);
        let free = steady(async || {
            *lock.acquire().await += 1;
            drop(lock.try_acquire());
        });
        assert_eq!(free.await, 0);
        let others = [(); 2].map(|()| {
            let lock = lock.clone();
            spawn(async move {
                loop {
                    let _held = lock.acquire().await;
                    yield_now().await;
                }
            })
        });
        let handed_over = steady(async || {
            let _held = lock.acquire().await;
            yield_now().await;
        });
        assert_eq!(handed_over.await, 0);
        cancel_and_wait(others).await;
        Ok(())
    });
}

/// A ball between two tasks through two queues, each of which makes the other wait.
#[test]
fn a_round_through_two_queues_takes_none() {
    run(|| async {
        let (there, back) = (AsyncQueue::bounded(1), AsyncQueue::bounded(1));
        let (ball, returned) = (there.clone(), back.clone());
        let partner: JoinHandle<()> = spawn(async move {
            loop {
                returned.push_back(ball.pop_front().await).await;
            }
        });
        let taken = steady(async || {
            there.push_back(7).await;
            back.pop_front().await;
        });
        assert_eq!(taken.await, 0);
        cancel_and_wait([partner]).await;
        Ok(())
    });
}

/// Permits and events that make a second task wait.
#[test]
fn semaphores_and_events_take_none() {
    run(|| async {
        let (semaphore, event) = (AsyncSemaphore::new(1), AsyncEvent::new());
        let (shared, awaited) = (semaphore.clone(), event.clone());
        let other: JoinHandle<()> = spawn(async move {
            loop {
                awaited.wait().await;
                awaited.clear();
                let _permit = shared.acquire().await;
            }
        });
        let taken = steady(async || {
            let permit = semaphore.acquire().await;
            event.fire();
            yield_now().await;
            drop(permit);
            yield_now().await;
        });
        assert_eq!(taken.await, 0);
        cancel_and_wait([other]).await;
        Ok(())
    });
}

/// Callbacks of a completion, and the ticks of an interval.
#[test]
fn callbacks_of_completions_and_ticks_take_none() {
    run(|| async {
        let (completer, completion) = completion::<()>();
        let callback = AsyncCallback::new(nothing, 0);
        let callbacks = steady(async || {
            (0..TIMES).for_each(|_| completion.add_callback(callback));
            assert_eq!(completion.remove_callback(callback), TIMES);
        });
        assert_eq!(callbacks.await, 0);
        drop(completer);
        let mut interval = interval(Duration::from_micros(10));
        let ticks = steady(async || {
            interval.tick().await;
        });
        assert_eq!(ticks.await, 0);
        Ok(())
    });
}

/// What a connection costs on the real driver while nothing happens, beside what the kernel has: its state, its entries
/// in the tables of the dispatcher and of the driver, and no buffer. With the room that the tables have left.
#[test]
fn an_idle_connection_has_a_few_hundred_bytes_at_each_end() {
    const CONNECTIONS: usize = 100;
    const BYTES_MAX: isize = 600;

    /// A word there and back, so that each end has read and written.
    async fn exchange(stream: &StreamTransport, peer: &StreamTransport) -> Result<(), TransportError> {
        for (from, to) in [(stream, peer), (peer, stream)] {
            from.write(b"hello\n").await?;
            to.read_line(10).await?;
        }
        Ok(())
    }

    async fn case() -> Outcome {
        let server = StreamServer::listen(Address::loopback(0))?;
        let (mut streams, mut peers) = (Vec::with_capacity(CONNECTIONS), Vec::with_capacity(CONNECTIONS));
        // The first connection has the dispatcher make what all of them share.
        let first = (connect(server.local_address()).await?, server.accept().await?);
        exchange(&first.0, &first.1).await?;

        let before = live();
        for _ in 0..CONNECTIONS {
            streams.push(connect(server.local_address()).await?);
        }
        let connected = live();
        for _ in 0..CONNECTIONS {
            peers.push(server.accept().await?);
        }
        let accepted = live();
        for (stream, peer) in streams.iter().zip(&peers) {
            exchange(stream, peer).await?;
        }
        let exchanged = live();
        let each = |bytes: isize| bytes / CONNECTIONS as isize;
        let costs = [each(connected - before), each(accepted - connected), each(exchanged - accepted)];
        println!("bytes a connection: connecting {}, accepted {}, used {}", costs[0], costs[1], costs[2]);
        assert!(costs[0] <= BYTES_MAX && costs[1] <= BYTES_MAX, "{costs:?} bytes");
        assert_eq!(costs[2], 0, "a connection that was used has kept something");
        Ok(())
    }
    twinloop_real::run(case()).expect("the real driver runs it").expect("the case passes");
}
