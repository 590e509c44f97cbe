//! The order of a turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::run;
use super::support::{Log, calling, poll_once, turns, until};
use twinloop::{Handle, spawn, yield_now};

/// R5, R6: tasks run in the order of spawning, and one that goes on waits for the next turn.
#[test]
fn spawned_tasks_run_in_order_once_a_turn() {
    run(|| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Rc::clone(&order);
                spawn(async move {
                    order.borrow_mut().push(number);
                    yield_now().await;
                    order.borrow_mut().push(number + 10);
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 10, 11, 12]);
        Ok(())
    });
}

/// R6: all that is queued before a turn runs in that one turn, first in, first out.
#[test]
fn callbacks_queued_before_a_turn_all_run_in_it_in_order() {
    run(|| async {
        let log = Log::default();
        for number in 0..16 {
            Handle::current().call_soon(log.adding(number));
        }
        assert_eq!(log.text(), "", "nothing runs inside of the call that queues it");
        yield_now().await;
        assert_eq!(log.text(), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
        Ok(())
    });
}

/// R5, Nim #7193: a callback that queues itself runs exactly once a turn.
#[test]
fn a_callback_that_queues_itself_runs_once_a_turn() {
    run(|| async {
        const TURNS: usize = 300;
        let ran = Rc::new(Cell::new(0));
        queue_again(&Handle::current(), Rc::clone(&ran), TURNS);
        for turn in 1..=TURNS {
            yield_now().await;
            assert_eq!(ran.get(), turn);
        }
        Ok(())
    });
}

fn queue_again(handle: &Handle, ran: Rc<Cell<usize>>, left: usize) {
    handle.call_soon(calling(move |handle| {
        ran.set(ran.get() + 1);
        if left > 1 {
            queue_again(handle, Rc::clone(&ran), left - 1);
        }
    }));
}

/// R5: what a batch queues waits for the next one, behind all of this one.
#[test]
fn a_callback_queued_by_a_callback_runs_behind_the_whole_batch() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let inner = log.adding("inner");
        let outer = log.clone();
        handle.call_soon(calling(move |handle| {
            outer.add("first");
            handle.call_soon(inner);
        }));
        handle.call_soon(log.adding("second"));
        turns(2).await;
        assert_eq!(log.text(), "first second inner");
        Ok(())
    });
}

/// R4: what was queued before the turn runs before a timer that is due.
#[test]
fn queued_callbacks_run_before_a_timer_that_is_due() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let _timer = handle.add_timer(handle.now(), log.adding("timer"));
        handle.call_soon(log.adding("soon"));
        until(|| log.count("timer") == 1).await;
        assert_eq!(log.text(), "soon timer");
        Ok(())
    });
}

/// R19, Nim #6846: awaiting what is there already takes no turn.
#[test]
fn awaiting_a_finished_task_takes_no_turn() {
    run(|| async {
        let task = spawn(async { 7 });
        turns(2).await;
        let log = Log::default();
        Handle::current().call_soon(log.adding("a turn went by"));
        assert_eq!(task.await?, 7);
        assert_eq!(log.text(), "");
        Ok(())
    });
}

/// A spawned task never starts inside of `spawn`: the spawner's own code up to its next await comes first.
#[test]
fn a_task_starts_after_its_spawner_waits() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move { inner.add("task") });
        log.add("spawner");
        task.await?;
        assert_eq!(log.text(), "spawner task");
        Ok(())
    });
}

/// Yielding takes a turn, however often it is polled meanwhile: combinators poll when they like.
#[test]
fn yielding_takes_a_turn_however_often_it_is_polled() {
    run(|| async {
        let log = Log::default();
        Handle::current().call_soon(log.adding("a turn went by"));
        let mut yielding = yield_now();
        for _ in 0..3 {
            assert!(poll_once(&mut yielding).await.is_pending());
        }
        yielding.await;
        assert_eq!(log.text(), "a turn went by");
        Ok(())
    });
}
