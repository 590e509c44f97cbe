//! Tasks: joining, detaching, panicking, waking. Wakers on other threads belong to the real driver's tests.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{Gate, Log, LogsDrop, pair, poll_once, turns, with_foreign_wakers};
use super::{run, run_leaving};
use twinloop::{
    Address, AsyncLock, Handle, JoinError, StreamServer, completion, connect, panic_text, sleep, spawn,
    yield_now,
};

/// A task gives its output to whoever joins it, during its life or after.
#[test]
fn joining_gives_the_output_early_or_late() {
    run(|| async {
        let early = spawn(async {
            turns(3).await;
            "early"
        });
        let late = spawn(async { "late" });
        assert_eq!(early.await?, "early");
        assert!(late.is_finished());
        assert_eq!(late.await?, "late");
        Ok(())
    });
}

/// `is_finished` tells the end of a task, not before and in whatever way it ends.
#[test]
fn is_finished_tells_the_end_of_a_task() {
    run(|| async {
        let (finished, cancelled) = (spawn(turns(2)), spawn(pending::<()>()));
        turns(1).await;
        assert!(!finished.is_finished() && !cancelled.is_finished());
        turns(3).await;
        assert!(finished.is_finished() && !cancelled.is_finished());
        assert!(cancelled.cancel().is_finished());
        finished.await?;
        Ok(())
    });
}

/// R55: any number of tasks wait for the end of one, in whatever way it comes; they take nothing, and go on in their order.
#[test]
fn several_wait_for_the_end_of_one_task_and_take_nothing() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let inner = gate.clone();
        let task = spawn(async move {
            inner.wait().await;
            7
        });
        let joiners: Vec<_> = (0..3)
            .map(|number| {
                let (log, end) = (log.clone(), task.join());
                spawn(async move {
                    end.await;
                    log.add(number);
                })
            })
            .collect();
        turns(2).await;
        gate.open();
        for joiner in joiners {
            joiner.await?;
        }
        assert_eq!(log.text(), "0 1 2");
        task.join().await;
        assert_eq!(task.await?, 7);
        Ok(())
    });
}

/// R55: a cancel and a panic are ends too, and the outcome stays with the handle.
#[test]
fn a_cancel_and_a_panic_are_ends_to_wait_for() {
    run(|| async {
        let panicking = spawn(async { panic!("the case's own panic") });
        panicking.join().await;
        assert!(matches!(panicking.await, Err(JoinError::Panicked(_))));
        let waiting = spawn(pending::<()>());
        let end = waiting.join();
        let cancelled = waiting.cancel();
        end.await;
        assert!(matches!(cancelled.await, Err(JoinError::Cancelled)));
        Ok(())
    });
}

/// R55: a wait for the end can be given up, which leaves the task and the others who wait for it alone.
#[test]
fn giving_up_a_wait_for_the_end_leaves_task_and_others_alone() {
    run(|| async {
        let task = spawn(turns(4));
        let [mut first, mut second, mut third] = [task.join(), task.join(), task.join()];
        for join in [&mut first, &mut second, &mut third] {
            assert!(poll_once(join).await.is_pending());
        }
        drop(second);
        drop(first);
        third.await;
        task.await?;
        Ok(())
    });
}

/// R55: who waits for the end may outlive the handle, of a detached task and of one whose outcome was taken.
#[test]
fn a_wait_for_the_end_outlives_the_handle() {
    run(|| async {
        let task = spawn(turns(3));
        let end = task.join();
        task.detach();
        end.await;

        let task = spawn(turns(1));
        let (early, mut late) = (task.join(), task.join());
        assert!(poll_once(&mut late).await.is_pending());
        task.await?;
        early.await;
        late.await;
        assert_eq!(Handle::current().pending().waits, 0);
        Ok(())
    });
}

/// A detached task runs on, whether it is let go with `detach` or by dropping its handle.
#[test]
fn detached_tasks_run_to_their_end() {
    run(|| async {
        let log = Log::default();
        let task = |name: &'static str| {
            let log = log.clone();
            spawn(async move {
                turns(3).await;
                log.add(name);
            })
        };
        task("detached").detach();
        drop(task("dropped"));
        turns(6).await;
        assert_eq!(log.text(), "detached dropped");
        Ok(())
    });
}

/// R47 as twinloop has it: a task's panic comes to its joiner, and the rest of the batch is not lost.
#[test]
fn a_panic_is_told_to_the_joiner_and_the_batch_goes_on() {
    run(|| async {
        let log = Log::default();
        let other = |name: &'static str| {
            let log = log.clone();
            spawn(async move { log.add(name) })
        };
        let (before, panicking, after) =
            (other("before"), spawn(async { panic!("the case's own panic: {}", 7) }), other("after"));
        match panicking.await {
            Err(JoinError::Panicked(payload)) => assert_eq!(panic_text(&*payload), "the case's own panic: 7"),
            other => panic!("not a panic: {other:?}"),
        }
        before.await?;
        after.await?;
        assert_eq!(log.text(), "before after");
        Ok(())
    });
}

/// The locals of a task that panics are dropped before its joiner is told.
#[test]
fn a_panicking_task_is_gone_when_its_joiner_is_told() {
    run(|| async {
        let log = Log::default();
        let local = LogsDrop(log.clone(), "dropped");
        let task = spawn(async move {
            let _local = local;
            yield_now().await;
            panic!("the case's own panic");
        });
        assert!(matches!(task.await, Err(JoinError::Panicked(_))));
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}

/// A task may be woken in its own poll, before it says that it waits: the wake is not lost.
#[test]
fn a_wake_during_the_own_poll_is_not_lost() {
    run(|| async {
        let polls = Rc::new(Cell::new(0));
        let inner = Rc::clone(&polls);
        let task = spawn(poll_fn(move |context| {
            inner.set(inner.get() + 1);
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
            if inner.get() < 5 { Poll::Pending } else { Poll::Ready(()) }
        }));
        task.await?;
        turns(2).await;
        assert_eq!(polls.get(), 5, "two wakes in one poll make one more");
        Ok(())
    });
}

/// A waker that outlives its task, or is used again and again, does no harm, and never reaches a task that came later.
#[test]
fn a_waker_that_outlives_its_task_wakes_nobody() {
    run(|| async {
        let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
        let inner = Rc::clone(&kept);
        let first = spawn(poll_fn(move |context| {
            inner.replace(Some(context.waker().clone()));
            Poll::Ready(())
        }));
        first.await?;
        let polls = Rc::new(Cell::new(0));
        let inner = Rc::clone(&polls);
        let second = spawn(poll_fn(move |_| -> Poll<()> {
            inner.set(inner.get() + 1);
            Poll::Pending
        }));
        turns(1).await;
        let waker = kept.take().expect("the first task left its waker");
        for _ in 0..3 {
            waker.wake_by_ref();
            turns(2).await;
        }
        assert_eq!(polls.get(), 1, "the second task was polled for the first one's wake");
        assert!(matches!(second.cancel().await, Err(JoinError::Cancelled)));
        Ok(())
    });
}

/// Several wakes before a task's turn make one poll.
#[test]
fn many_wakes_before_a_turn_make_one_poll() {
    run(|| async {
        let (kept, polls): (Rc<RefCell<Option<Waker>>>, Rc<Cell<usize>>) = Default::default();
        let (inner_kept, inner_polls) = (Rc::clone(&kept), Rc::clone(&polls));
        let task = spawn(poll_fn(move |context| -> Poll<()> {
            inner_kept.replace(Some(context.waker().clone()));
            inner_polls.set(inner_polls.get() + 1);
            Poll::Pending
        }));
        turns(1).await;
        let waker = kept.borrow().clone().expect("the task was polled");
        for _ in 0..10 {
            waker.wake_by_ref();
        }
        turns(3).await;
        assert_eq!(polls.get(), 2);
        task.cancel().await.expect_err("it never ends by itself");
        Ok(())
    });
}

/// A future may move from one task to another between polls; the one that polled last is woken.
#[test]
fn a_pending_future_may_move_to_another_task() {
    run(|| async {
        let target = spawn(turns(6));
        let mut nap = sleep(Duration::from_millis(2));
        let mut target = Box::pin(target);
        assert!(poll_once(&mut target).await.is_pending());
        assert!(poll_once(&mut nap).await.is_pending());
        let elsewhere = spawn(async move {
            nap.await;
            target.await
        });
        elsewhere.await??;
        Ok(())
    });
}

/// A combinator that polls with wakers of its own works as well as a task that awaits.
#[test]
fn leaf_futures_wake_through_foreign_wakers() {
    run(|| async {
        let task = spawn(sleep(Duration::from_millis(2)));
        let nap = sleep(Duration::from_millis(1));
        with_foreign_wakers(async move {
            nap.await;
            task.await
        })
        .await?;
        Ok(())
    });
}

/// Several tasks that wait for one thing go on in the order in which they came.
#[test]
fn tasks_that_wait_for_one_gate_go_on_in_their_order() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let tasks: Vec<_> = (0..5)
            .map(|number| {
                let (log, gate) = (log.clone(), gate.clone());
                spawn(async move {
                    gate.wait().await;
                    log.add(number);
                })
            })
            .collect();
        turns(2).await;
        gate.open();
        for task in tasks {
            task.await?;
        }
        assert_eq!(log.text(), "0 1 2 3 4");
        Ok(())
    });
}

/// A destructor may spawn; the new task runs.
#[test]
fn a_destructor_may_spawn() {
    struct Spawns(Log);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let log = self.0.clone();
            spawn(async move { log.add("spawned") }).detach();
        }
    }
    run(|| async {
        let log = Log::default();
        let spawns = Spawns(log.clone());
        let task = spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        });
        turns(1).await;
        task.cancel().await.expect_err("it never ends by itself");
        turns(2).await;
        assert_eq!(log.text(), "spawned");
        Ok(())
    });
}

/// Against R20: whatever is still pending when a dispatcher closes is dropped, and nothing of it is left.
#[test]
fn closing_the_dispatcher_drops_what_is_pending() {
    let log = Log::default();
    let inside = log.clone();
    run_leaving(move || {
        let log = inside.clone();
        async move {
            let local = LogsDrop(log.clone(), "dropped");
            spawn(async move {
                let _local = local;
                sleep(Duration::from_secs(3600)).await;
                unreachable!("the program ends long before");
            })
            .detach();
            turns(2).await;
            log.add("ends");
            Ok(())
        }
    });
    assert!(log.count("ends") >= 1);
    assert_eq!(log.count("dropped"), log.count("ends"), "each run's task went with its dispatcher");
}

/// Section 1, handles are keys: what outlives its dispatcher is dropped in peace.
#[test]
fn what_outlives_its_dispatcher_is_dropped_in_peace() {
    let kept: Rc<RefCell<Vec<Box<dyn Any>>>> = Rc::default();
    let inside = Rc::clone(&kept);
    run_leaving(move || {
        let kept = Rc::clone(&inside);
        async move {
            let (stream, peer) = pair().await?;
            let write = stream.write(b"hello");
            let server = StreamServer::listen(Address::loopback(0))?;
            let connect = connect(server.local_address());
            let mut nap = sleep(Duration::from_secs(60));
            assert!(poll_once(&mut nap).await.is_pending());
            let task = spawn(pending::<()>());
            let things: [Box<dyn Any>; 7] = [
                Box::new(stream),
                Box::new(peer),
                Box::new(write),
                Box::new(server),
                Box::new(connect),
                Box::new(nap),
                Box::new(task),
            ];
            kept.borrow_mut().extend(things);
            Ok(())
        }
    });
    assert!(kept.borrow().len() >= 7);
    kept.take().clear();
}

/// R47: a destructor that panics while its task is cancelled is a panic of that task: it comes to the joiner, and nobody
/// else notices.
#[test]
fn a_panic_of_a_cancelled_tasks_destructor_is_told_to_the_joiner() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("the case's own panic");
        }
    }
    run(|| async {
        let task = spawn(async {
            let _panics = Panics;
            pending::<()>().await;
        });
        let bystander = spawn(turns(3));
        turns(1).await;
        match task.cancel().await {
            Err(JoinError::Panicked(payload)) => assert_eq!(panic_text(&*payload), "the case's own panic"),
            other => panic!("not a panic: {other:?}"),
        }
        bystander.await?;
        Ok(())
    });
}

/// A join error says in words what became of the task, with the panic's text.
#[test]
fn a_join_error_says_what_became_of_the_task() {
    run(|| async {
        let cancelled = spawn(pending::<()>()).cancel().await.expect_err("it never ends by itself");
        assert_eq!(cancelled.to_string(), "the task was cancelled");
        let panicked = spawn(async { panic!("number {}", 7) }).await.expect_err("it panics");
        assert_eq!(panicked.to_string(), "the task panicked: number 7");
        Ok(())
    });
}

/// Tasks that wake each other from their destructors, while all of them go, end with their dispatcher, and none goes on.
#[test]
fn tasks_that_wake_each_other_as_they_go_end_with_their_dispatcher() {
    let log = Log::default();
    let inside = log.clone();
    run_leaving(move || {
        let log = inside.clone();
        async move {
            let (first, second) = (completion::<()>(), completion::<()>());
            let lock = AsyncLock::new(());
            for (wakes, waits) in [(first.0, second.1), (second.0, first.1)] {
                let (local, lock) = (LogsDrop(log.clone(), "dropped"), lock.clone());
                spawn(async move {
                    let _local = local;
                    let _wakes = wakes;
                    let _guard = lock.acquire().await;
                    let _woken = waits.await;
                    unreachable!("it waits until its dispatcher closes");
                })
                .detach();
            }
            turns(2).await;
            log.add("ends");
            Ok(())
        }
    });
    assert!(log.count("ends") >= 1);
    assert_eq!(log.count("dropped"), 2 * log.count("ends"), "each run's tasks went with its dispatcher");
}
