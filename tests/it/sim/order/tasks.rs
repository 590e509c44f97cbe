//! Tasks that join, cancel and panic.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use twinloop::{JoinHandle, sleep, spawn, yield_now};

use super::{MS, Says, order, say};

/// A chain of tasks of which each joins the next ends from its end, a batch for each.
#[test]
fn a_chain_of_joins() {
    insta::assert_snapshot!(order(|| async {
        let last = spawn(sleep(MS));
        let third = spawn(joins("third", last));
        let second = spawn(joins("second", third));
        joins("first", second).await;
        Ok(())
    }));
}

async fn joins(name: &'static str, next: JoinHandle<()>) {
    next.await.expect("it is not cancelled");
    say(name);
}

/// Several tasks that wait for one thing go on in the order in which they came.
#[test]
fn several_tasks_wait_for_one_thing() {
    insta::assert_snapshot!(order(|| async {
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let wait = |name: &'static str| {
            let (wakers, mut asked) = (Rc::clone(&wakers), false);
            async move {
                poll_fn(|context| {
                    wakers.borrow_mut().push(context.waker().clone());
                    if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                say(name);
            }
        };
        let first = spawn(wait("first"));
        let second = spawn(wait("second"));
        let third = spawn(wait("third"));
        yield_now().await;
        say("all of them are woken");
        wakers.take().into_iter().for_each(Waker::wake);
        first.await?;
        second.await?;
        third.await?;
        Ok(())
    }));
}

/// R67: the locals of a cancelled task go innermost first, then who joins it is told.
#[test]
fn the_locals_of_a_cancelled_task() {
    insta::assert_snapshot!(order(|| async {
        let inner = async {
            let _local = Says("inner local");
            pending::<()>().await;
        };
        let task = spawn(async {
            let _first = Says("outer local, made first");
            let _second = Says("outer local, made second");
            inner.await;
        });
        yield_now().await;
        say("cancels");
        let cancelled = task.cancel();
        say("cancelled");
        say(format!("joined: {:?}", cancelled.await));
        Ok(())
    }));
}

/// Each task cancels the next in its destructor: one after the other, none inside the other.
#[test]
fn a_cascade_of_cancellations() {
    struct Cancels(&'static str, Option<JoinHandle<()>>);
    impl Drop for Cancels {
        fn drop(&mut self) {
            say(format!("{} begins to go", self.0));
            let next = self.1.take().map(JoinHandle::cancel);
            say(format!("{} is gone; the next has ended: {:?}", self.0, next.map(|next| next.is_finished())));
        }
    }
    insta::assert_snapshot!(order(|| async {
        let holds = |cancels: Cancels| async move {
            let _cancels = cancels;
            pending::<()>().await;
        };
        let third = spawn(holds(Cancels("third", None)));
        let second = spawn(holds(Cancels("second", Some(third))));
        let first = spawn(holds(Cancels("first", Some(second))));
        yield_now().await;
        let first = first.cancel();
        say(format!("the first has ended: {}", first.is_finished()));
        Ok(())
    }));
}

/// R53, R51: a task that was woken before the cancel has its turn; one that was not is gone at once.
#[test]
fn a_cancel_before_and_behind_a_wake() {
    insta::assert_snapshot!(order(|| async {
        let sleeper = |name: &'static str, length| async move {
            let _local = Says(name);
            sleep(length).await;
            say("woken");
        };
        let ours = sleep(MS);
        let woken = spawn(sleeper("the woken one is gone", MS));
        let waiting = spawn(sleeper("the waiting one is gone", 9 * MS));
        yield_now().await;
        ours.await;
        say("cancels both");
        let waiting = waiting.cancel();
        let woken = woken.cancel();
        say(format!("the waiting one: {:?}", waiting.await));
        say(format!("the woken one: {:?}", woken.await));
        Ok(())
    }));
}

/// A task that panics in the middle of a batch: those behind it run, then its joiner is told.
#[test]
fn a_panic_in_a_batch() {
    insta::assert_snapshot!(order(|| async {
        let before = spawn(async { say("before") });
        let panics = spawn(async {
            let _local = Says("the local goes");
            panic!("the case's own");
        });
        let behind = spawn(async { say("behind") });
        let told = panics.await;
        say(format!("joined: {}", told.is_err()));
        before.await?;
        behind.await?;
        Ok(())
    }));
}

/// Against R20: at the end of a program its tasks go in the order of spawning.
#[test]
fn a_dispatcher_closes() {
    insta::assert_snapshot!(order(|| async {
        for name in ["first task is gone", "second task is gone", "third task is gone"] {
            let local = Says(name);
            let waiting = async move {
                let _local = local;
                pending::<()>().await;
            };
            spawn(waiting).detach();
        }
        yield_now().await;
        Ok(())
    }));
}
