//! The phases of a turn, and what is queued meanwhile.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use twinloop::{Handle, idle, now, sleep, spawn, yield_now};

use super::{MS, doing, order, ready_pair, say, saying};

/// R4, R5, R6: what is queued before a turn runs in it, in order; what it queues runs in the next.
#[test]
fn phases_of_a_turn() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let due = now() + 5 * MS;
        for text in ["first timer", "second timer"] {
            let _timer = handle.add_timer(due, saying(text));
        }
        handle.call_soon(saying("soon, before the task"));
        let task = spawn(async {
            say("task, first turn");
            yield_now().await;
            say("task, second turn");
        });
        handle.call_soon(saying("soon, behind the task"));
        task.await?;
        sleep(5 * MS).await;
        Ok(())
    }));
}

/// R2, R4, R9, section 5 `phase_order`: one of each kind.
#[test]
fn one_of_each_kind() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let (fd, _peer) = ready_pair().await?;
        say("now");
        handle.call_idle(saying("idle"));
        let _timer = handle.add_timer(handle.now(), saying("timer"));
        let reading = doing(move |handle| {
            say("reader");
            assert!(handle.remove_reader(fd));
        });
        handle.add_reader(fd, reading)?;
        handle.call_soon(saying("soon"));
        yield_now().await;
        say("yielded");
        sleep(MS).await;
        Ok(())
    }));
}

/// R5, R6: each level of callbacks that queue callbacks is a batch of its own.
#[test]
fn callbacks_that_queue_callbacks() {
    insta::assert_snapshot!(order(|| async {
        for name in ["a", "b"] {
            let outer = doing(move |handle| {
                say(format!("{name}, first"));
                let inner = doing(move |handle| {
                    say(format!("{name}, second"));
                    let innermost = doing(move |_| say(format!("{name}, third")));
                    handle.call_soon(innermost);
                });
                handle.call_soon(inner);
            });
            Handle::current().call_soon(outer);
        }
        sleep(MS).await;
        Ok(())
    }));
}

/// R5, R19: tasks that callbacks spawn start behind the whole batch, in the order of spawning.
#[test]
fn callbacks_that_spawn() {
    insta::assert_snapshot!(order(|| async {
        for name in ["first", "second"] {
            let spawning = doing(move |handle| {
                say(format!("{name} callback"));
                handle.spawn(async move { say(format!("task of the {name}")) }).detach();
            });
            Handle::current().call_soon(spawning);
        }
        Handle::current().call_soon(saying("last callback"));
        sleep(MS).await;
        Ok(())
    }));
}

/// R11: each round of yields is a batch, in the same order.
#[test]
fn rounds_of_yields() {
    insta::assert_snapshot!(order(|| async {
        let rounds = |name: &'static str| async move {
            for round in 1..=3 {
                say(format!("{name}{round}"));
                yield_now().await;
            }
        };
        let a = spawn(rounds("a"));
        let b = spawn(rounds("b"));
        a.await?;
        b.await?;
        Ok(())
    }));
}

/// R5: a task that wakes itself lets the others run between two of its polls.
#[test]
fn a_task_that_wakes_itself() {
    insta::assert_snapshot!(order(|| async {
        let mut polls = 0;
        let busy = spawn(poll_fn(move |context| {
            polls += 1;
            say(format!("poll {polls}"));
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
            if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
        }));
        Handle::current().call_soon(doing(|handle| {
            say("callback");
            handle.call_soon(saying("its callback"));
        }));
        busy.await?;
        Ok(())
    }));
}

/// R9: idle callbacks, one a turn, beside a timer that is due meanwhile.
#[test]
fn idle_callbacks_and_a_timer() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        handle.call_idle(saying("first idle"));
        handle.call_idle(saying("second idle"));
        let _timer = handle.add_timer(now(), saying("timer"));
        handle.call_soon(saying("soon"));
        handle.call_idle(saying("third idle"));
        sleep(MS).await;
        Ok(())
    }));
}

/// R9, R10: callbacks and tasks wait for a quiet turn in one queue; who gives up leaves it.
#[test]
fn waits_for_a_quiet_turn() {
    insta::assert_snapshot!(order(|| async {
        let waits = |name: &'static str| async move {
            idle().await;
            say(name);
        };
        let first = spawn(waits("first"));
        let given_up = spawn(waits("given up"));
        let third = spawn(waits("third"));
        yield_now().await;
        let _cancelled = given_up.cancel();
        Handle::current().call_idle(saying("a callback, last"));
        first.await?;
        third.await?;
        sleep(MS).await;
        Ok(())
    }));
}

/// R10: a reader that is due in each turn leaves none for an idle callback.
#[test]
fn a_busy_reader_and_an_idle_callback() {
    insta::assert_snapshot!(order(|| async {
        let handle = Handle::current();
        let (fd, _peer) = ready_pair().await?;
        handle.call_idle(saying("idle"));
        let calls = Rc::new(Cell::new(0));
        let reading = doing(move |handle| {
            calls.set(calls.get() + 1);
            if calls.get() == 3 {
                say("the reader goes");
                assert!(handle.remove_reader(fd));
            }
        });
        handle.add_reader(fd, reading)?;
        sleep(MS).await;
        Ok(())
    }));
}
