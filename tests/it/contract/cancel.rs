//! Cancelling tasks: what ends, in which order, and what has ended already.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Gate, Log, LogsDrop, poll_once, turns};
use twinloop::{JoinError, JoinHandle, cancel_and_wait, sleep, spawn, timeout, yield_now};

/// R48, R67, section 5 `cancel_pending_chain` and `cancel_order`: cancelling a chain of awaits runs none of the code behind
/// them, drops the innermost first, and then tells who waits for the task.
#[test]
fn cancelling_a_chain_drops_the_innermost_first_and_runs_no_later_code() {
    run(|| async {
        let log = Log::default();
        let task = spawn(outermost(log.clone()));
        turns(2).await;
        assert_eq!(log.text(), "waiting");
        let waiter = spawn({
            let (task, log) = (task.cancel(), log.clone());
            async move {
                assert!(matches!(task.await, Err(JoinError::Cancelled)));
                log.add("waiter");
            }
        });
        waiter.await?;
        assert_eq!(log.text(), "waiting innermost middle outermost waiter");
        Ok(())
    });
}

async fn outermost(log: Log) {
    let _local = LogsDrop(log.clone(), "outermost");
    middle(log.clone()).await;
    log.add("later code of outermost");
}

async fn middle(log: Log) {
    let _local = LogsDrop(log.clone(), "middle");
    innermost(log.clone()).await;
    log.add("later code of middle");
}

async fn innermost(log: Log) {
    let _local = LogsDrop(log.clone(), "innermost");
    log.add("waiting");
    sleep(Duration::from_secs(3600)).await;
    log.add("later code of innermost");
}

/// Section 1: `cancel().await` answers once the task is really gone, its locals included.
#[test]
fn a_cancelled_task_is_gone_when_the_cancel_is_answered() {
    run(|| async {
        let alive = Rc::new(());
        let held = Rc::clone(&alive);
        let task = spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        turns(1).await;
        assert_eq!(Rc::strong_count(&alive), 2);
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(Rc::strong_count(&alive), 1);
        Ok(())
    });
}

/// A task that is cancelled before its first turn never starts.
#[test]
fn a_task_cancelled_before_its_first_turn_never_starts() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move { inner.add("started") });
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        turns(2).await;
        assert_eq!(log.text(), "");
        Ok(())
    });
}

/// R49, section 5 `cancel_finished_noop`: a task that has ended keeps its outcome; cancelling it comes too late, also
/// among others that do end.
#[test]
fn cancelling_a_finished_task_changes_nothing() {
    run(|| async {
        let completed = spawn(async { 7 });
        let panicked: JoinHandle<i32> = spawn(async { panic!("the case's own panic") });
        let waiting: JoinHandle<i32> = spawn(pending());
        turns(2).await;
        let [completed, panicked, waiting] = [completed.cancel(), panicked.cancel(), waiting.cancel()];
        assert_eq!(completed.await?, 7);
        assert!(matches!(panicked.await, Err(JoinError::Panicked(_))));
        assert!(matches!(waiting.await, Err(JoinError::Cancelled)));
        Ok(())
    });
}

/// R52, section 5 `cancel_many`: all are asked to end, and gone when that is answered; those that had ended keep their
/// outcomes.
#[test]
fn cancelling_many_waits_until_all_are_gone() {
    run(|| async {
        let log = Log::default();
        let completed = spawn(async { 7 });
        let waiting = |name: &'static str| {
            let local = LogsDrop(log.clone(), name);
            spawn(async move {
                let _local = local;
                pending().await
            })
        };
        let tasks = [waiting("first"), completed, waiting("second")];
        turns(2).await;
        let cancelled = cancel_and_wait(tasks);
        assert_eq!(log.text(), "first second", "nothing is awaited for asking");
        let outcomes = cancelled.await;
        assert!(matches!(outcomes[..], [Err(JoinError::Cancelled), Ok(7), Err(JoinError::Cancelled)]));
        Ok(())
    });
}

/// R52: a task that can not end at once, since what it waits for has come, is waited for.
#[test]
fn cancelling_many_waits_for_one_that_completes() {
    run(|| async {
        let gate = Gate::default();
        let waiting = || {
            let gate = gate.clone();
            spawn(async move { gate.wait().await })
        };
        let tasks = [waiting(), waiting()];
        turns(2).await;
        gate.open();
        let outcomes = cancel_and_wait(tasks).await;
        assert!(outcomes.iter().all(Result::is_ok), "completing wins (R53)");
        Ok(())
    });
}

/// R52, section 5 `cancel_many`: nobody is gone at once.
#[test]
fn cancelling_none_is_ready_at_once() {
    run(|| async {
        let mut none = cancel_and_wait([] as [JoinHandle<()>; 0]);
        assert!(matches!(poll_once(&mut none).await, Poll::Ready(outcomes) if outcomes.is_empty()));
        Ok(())
    });
}

/// R53, section 5 `cancel_after_child_done`: what a task waits for has come, only its turn has not: completing wins.
#[test]
fn a_task_whose_awaited_value_has_come_completes_although_cancelled() {
    run(|| async {
        let gate = Gate::default();
        let inner = gate.clone();
        let child = spawn(async move {
            inner.wait().await;
            7
        });
        let parent = spawn(child);
        turns(2).await;
        gate.open();
        // In the next batch the child ends, then comes our turn, and the parent's is queued behind it.
        yield_now().await;
        match parent.cancel().await {
            Ok(value) => assert_eq!(value?, 7),
            Err(error) => panic!("the value was there: {error}"),
        }
        Ok(())
    });
}

/// R55, section 5 `join_cancel_free`: whoever waits for a task may give up; the task runs on.
#[test]
fn cancelling_a_joiner_leaves_the_task_running() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let target = spawn(async move {
            turns(5).await;
            inner.add("done");
        });
        let joiner = spawn(async move { target.await.is_ok() });
        turns(2).await;
        assert!(matches!(joiner.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(log.text(), "");
        turns(6).await;
        assert_eq!(log.text(), "done");
        Ok(())
    });
}

/// Against R50, section 5 `cancel_swallowed`: a cancelled task has nothing to catch and can not go on, wherever it waits.
#[test]
fn a_cancelled_task_can_not_go_on() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            loop {
                // Whatever comes of it, go on.
                let _ended = timeout(Duration::from_secs(3600), pending::<()>()).await;
                inner.add("went on");
            }
        });
        turns(2).await;
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        turns(3).await;
        assert_eq!(log.text(), "");
        Ok(())
    });
}

/// R51: a cancel sticks. A task that was woken first goes on with what has come, and ends at the next wait.
#[test]
fn a_cancel_that_comes_behind_a_wake_strikes_at_the_next_wait() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let (inner, inner_gate) = (log.clone(), gate.clone());
        let task = spawn(async move {
            inner_gate.wait().await;
            inner.add("took what had come");
            sleep(Duration::from_secs(3600)).await;
            inner.add("later code");
        });
        turns(2).await;
        gate.open();
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(log.text(), "took what had come");
        Ok(())
    });
}

/// R51: a task that cancels itself goes on to its next await and ends there.
#[test]
fn a_task_that_cancels_itself_ends_at_its_next_await() {
    run(|| async {
        let log = Log::default();
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (inner_log, inner_own) = (log.clone(), Rc::clone(&own));
        let task = spawn(async move {
            let _local = LogsDrop(inner_log.clone(), "dropped");
            let cancelled = inner_own.take().expect("the handle was put there").cancel();
            inner_own.replace(Some(cancelled));
            inner_log.add("still-running");
            yield_now().await;
            inner_log.add("later code");
        });
        own.replace(Some(task));
        turns(4).await;
        assert_eq!(log.text(), "still-running dropped");
        let task = own.take().expect("the task put its handle back");
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        Ok(())
    });
}

/// R49: a task that cancels itself and ends in the same turn has completed.
#[test]
fn a_task_that_cancels_itself_and_returns_has_completed() {
    run(|| async {
        let own: Rc<RefCell<Option<JoinHandle<i32>>>> = Rc::default();
        let inner_own = Rc::clone(&own);
        let task = spawn(async move {
            let cancelled = inner_own.take().expect("the handle was put there").cancel();
            inner_own.replace(Some(cancelled));
            7
        });
        own.replace(Some(task));
        turns(2).await;
        let task = own.take().expect("the task put its handle back");
        assert_eq!(task.await?, 7);
        Ok(())
    });
}
