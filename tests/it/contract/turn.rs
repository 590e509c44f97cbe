//! The order of a turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::run;
use super::support::{Gate, Log, calling, close_all, leave_readable, poll_once, raw_pair, turns, until};
use twinloop::{AsyncCallback, Handle, idle, spawn, yield_now};

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

/// R2, R4, section 5 `phase_order`: what is due at once goes in the order of asking, a timer follows, and an idle callback
/// comes when nothing else does.
#[test]
fn what_is_due_goes_first_then_timers_then_idle_callbacks() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.call_idle(log.adding("idle"));
        let _timer = handle.add_timer(handle.now(), log.adding("timer"));
        handle.call_soon(log.adding("soon"));
        let inner = log.clone();
        handle.add_reader(
            fd,
            calling(move |handle| {
                inner.add("reader");
                assert!(handle.remove_reader(fd));
            }),
        )?;
        yield_now().await;
        log.add("yielded");
        until(|| log.count("idle") == 1).await;
        assert_eq!(log.text(), "soon reader yielded timer idle");
        close_all([fd, peer]);
        Ok(())
    });
}

/// R9, R10, section 5 `idle_only_when_quiet`: a descriptor that is readable all the time leaves no turn for an idle
/// callback; once it is let alone, there is one.
#[test]
fn an_idle_callback_waits_until_no_descriptor_is_ready() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let (fd, peer) = raw_pair().await?;
        leave_readable(fd, peer, b"xyz").await?;
        handle.add_reader(fd, AsyncCallback::new(|_, _| {}, 0))?;
        handle.call_idle(log.adding("idle"));
        turns(200).await;
        assert_eq!(log.text(), "");
        assert!(handle.remove_reader(fd));
        until(|| log.count("idle") == 1).await;
        close_all([fd, peer]);
        Ok(())
    });
}

/// R9, R10: those who wait in `idle` and idle callbacks share one queue; each quiet turn lets the first one go on.
#[test]
fn those_who_wait_for_a_quiet_turn_go_on_in_their_order() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let waits = |name: &'static str| {
            let log = log.clone();
            spawn(async move {
                idle().await;
                log.add(name);
            })
        };
        let first = waits("first");
        turns(1).await;
        handle.call_idle(log.adding("second"));
        let third = waits("third");
        first.await?;
        third.await?;
        assert_eq!(log.text(), "first second third");
        Ok(())
    });
}

/// R10: who gives up waiting for a quiet turn is passed over.
#[test]
fn an_idle_wait_that_is_given_up_is_passed_over() {
    run(|| async {
        let log = Log::default();
        let given_up = spawn(idle());
        turns(1).await;
        Handle::current().call_idle(log.adding("idle"));
        let ended = given_up.cancel().await;
        assert!(ended.is_ok() || log.text().is_empty(), "it was the first");
        until(|| log.count("idle") == 1).await;
        Ok(())
    });
}

/// R11: to yield n times takes n turns, neither more nor fewer, and each time all that was queued goes first.
#[test]
fn yielding_goes_behind_all_that_is_queued_once_a_turn() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        for step in 0..4 {
            handle.call_soon(log.adding(format!("queued{step}")));
            yield_now().await;
            log.add(format!("yielded{step}"));
        }
        assert_eq!(log.text(), "queued0 yielded0 queued1 yielded1 queued2 yielded2 queued3 yielded3");
        Ok(())
    });
}

/// Against R18: a wake reaches through all levels of await at once.
#[test]
fn a_wake_reaches_through_all_levels_of_await_in_one_turn() {
    async fn level(depth: usize, gate: Gate) -> usize {
        match depth {
            0 => {
                gate.wait().await;
                0
            }
            _ => Box::pin(level(depth - 1, gate)).await + 1,
        }
    }
    run(|| async {
        let gate = Gate::default();
        let task = spawn(level(100, gate.clone()));
        turns(2).await;
        gate.open();
        turns(1).await;
        assert!(task.is_finished(), "one turn is enough for a hundred levels");
        assert_eq!(task.await?, 100);
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

/// Against R19: a spawned task never starts inside of `spawn`: the spawner's own code up to its next await comes first.
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
