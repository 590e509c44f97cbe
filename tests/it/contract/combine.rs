//! Several futures awaited as one: `join`, `join_all`, `race`, `one`. They work with any future, so most here are gates and
//! counters.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::run;
use super::support::{Gate, Log, LogsDrop, poll_once, turns};
use twinloop::combine::Empty;
use twinloop::{Either, Handle, JoinError, join, join_all, one, panic_text, race, sleep, spawn, yield_now};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A future that others open, and that counts its polls; clones share both.
#[derive(Clone, Default)]
struct Counted(Rc<CountedState>);

#[derive(Default)]
struct CountedState {
    open: Cell<bool>,
    polls: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Counted {
    fn open(&self) {
        self.0.open.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    fn polls(&self) -> usize {
        self.0.polls.get()
    }
}

impl Future for Counted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.polls.set(self.0.polls.get() + 1);
        if self.0.open.get() {
            return Poll::Ready(());
        }
        self.0.waker.replace(Some(context.waker().clone()));
        Poll::Pending
    }
}

// Join

/// Both outputs are given, once both are there, in whatever order they come.
#[test]
fn a_join_gives_both_outputs() {
    run(|| async {
        let after = |count: usize, output: char| async move {
            turns(count).await;
            output
        };
        assert_eq!(join(after(1, 'a'), after(4, 'b')).await, ('a', 'b'));
        assert_eq!(join(after(4, 'a'), after(1, 'b')).await, ('a', 'b'));
        assert_eq!(join(ready('a'), ready('b')).await, ('a', 'b'));
        Ok(())
    });
}

/// What is ready is not polled again while the other is awaited.
#[test]
fn a_join_polls_nothing_that_is_ready() {
    run(|| async {
        let (first, second) = (Counted::default(), Counted::default());
        let both = spawn(join(first.clone(), second.clone()));
        turns(2).await;
        first.open();
        turns(2).await;
        second.open();
        both.await?;
        assert_eq!((first.polls(), second.polls()), (2, 3), "both are polled at the first one's wake");
        Ok(())
    });
}

/// R57, `allFinished`: outputs come in the order of the arguments, whatever the order in which they were ready.
#[test]
fn all_outputs_come_in_the_order_of_the_arguments() {
    run(|| async {
        let naps = [3, 1, 2, 0].map(|count| async move {
            sleep(count * MS).await;
            count
        });
        assert_eq!(join_all(naps).await, [3, 1, 2, 0]);
        Ok(())
    });
}

/// R57: no futures are all ready, at once.
#[test]
fn all_of_none_is_ready_at_once() {
    run(|| async {
        let mut none = join_all([] as [std::future::Ready<()>; 0]);
        assert_eq!(poll_once(&mut none).await, Poll::Ready(vec![]));
        Ok(())
    });
}

/// R57: members that fail, or were cancelled, do not keep the others from being awaited.
#[test]
fn all_are_awaited_whatever_becomes_of_each() {
    run(|| async {
        let completed = spawn(async {
            turns(4).await;
            7
        });
        let panicked = spawn(async { panic!("the case's own panic") });
        let cancelled = spawn(pending()).cancel();
        let outcomes = join_all([completed, panicked, cancelled]).await;
        assert!(matches!(outcomes[..], [Ok(7), Err(JoinError::Panicked(_)), Err(JoinError::Cancelled)]));
        Ok(())
    });
}

/// R57: cancelling who waits for all leaves tasks alone.
#[test]
fn dropping_a_join_of_tasks_leaves_them_running() {
    run(|| async {
        let (log, gate) = (Log::default(), Gate::default());
        let tasks = (0..3).map(|number| {
            let (log, gate) = (log.clone(), gate.clone());
            spawn(async move {
                gate.wait().await;
                log.add(number);
            })
        });
        let mut all = join_all(tasks);
        assert!(poll_once(&mut all).await.is_pending());
        turns(2).await;
        drop(all);
        gate.open();
        turns(2).await;
        assert_eq!(log.text(), "0 1 2");
        Ok(())
    });
}

/// A wake leads to one poll of one future: a thousand futures that are ready one after the other cost two polls each.
#[test]
fn a_thousand_futures_cost_two_polls_each() {
    run(|| async {
        let futures: Vec<_> = (0..1000).map(|_| Counted::default()).collect();
        let all = spawn(join_all(futures.clone()));
        turns(2).await;
        for future in futures.iter().rev() {
            future.open();
            yield_now().await;
        }
        assert_eq!(all.await?.len(), 1000);
        assert!(futures.iter().all(|future| future.polls() == 2));
        Ok(())
    });
}

/// A future that wakes itself while it is polled is polled again, in a later turn.
#[test]
fn a_child_that_wakes_itself_is_polled_again() {
    run(|| async {
        let outputs = join_all((1..4).map(|count| async move {
            turns(count).await;
            count
        }));
        assert_eq!(outputs.await, [1, 2, 3]);
        Ok(())
    });
}

/// Futures that are awaited together may move to another task, like any other.
#[test]
fn a_pending_join_may_move_to_another_task() {
    run(|| async {
        let futures = [Counted::default(), Counted::default()];
        let mut all = join_all(futures.clone());
        assert!(poll_once(&mut all).await.is_pending());
        let elsewhere = spawn(all);
        turns(2).await;
        futures.iter().for_each(Counted::open);
        elsewhere.await?;
        Ok(())
    });
}

// Race

/// R56: the first one that is ready decides.
#[test]
fn the_first_of_two_decides() {
    run(|| async {
        assert_eq!(race(sleep(MS), sleep(LONG)).await, Either::Left(()));
        assert_eq!(race(sleep(LONG), sleep(MS)).await, Either::Right(()));
        Ok(())
    });
}

/// R56: if both are ready, the first argument decides; also when they became ready in one turn, the second before it.
#[test]
fn the_first_argument_decides_if_both_are_ready() {
    run(|| async {
        assert_eq!(race(ready(1), ready(2)).await, Either::Left(1));
        let (a, b) = (Counted::default(), Counted::default());
        let raced = spawn(race(a.clone(), b.clone()));
        turns(2).await;
        b.open();
        a.open();
        assert_eq!(raced.await?, Either::Left(()));
        Ok(())
    });
}

/// Section 5 `or_failure_first`: a failure, and a cancelled task, is an outcome that decides a race like any other.
#[test]
fn a_failure_decides_a_race_as_well() {
    run(|| async {
        let failed = race(ready(Err::<(), _>("failed")), pending::<()>()).await;
        assert_eq!(failed, Either::Left(Err("failed")));
        let cancelled = spawn(pending::<()>()).cancel();
        assert!(matches!(race(cancelled, pending::<()>()).await, Either::Left(Err(JoinError::Cancelled))));
        Ok(())
    });
}

/// The one that loses is dropped before the winner is told.
#[test]
fn the_loser_is_gone_when_the_winner_is_told() {
    run(|| async {
        let log = Log::default();
        let local = LogsDrop(log.clone(), "dropped");
        let loser = async move {
            let _local = local;
            pending::<()>().await;
        };
        assert_eq!(race(loser, ready(7)).await, Either::Right(7));
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}

/// R56, section 5 `race_loser_untouched`: a loser given by reference goes on where it was.
#[test]
fn a_loser_given_by_reference_can_be_awaited_later() {
    run(|| async {
        let gate = Gate::default();
        let inner = gate.clone();
        let mut loser = Box::pin(async move {
            inner.wait().await;
            7
        });
        assert_eq!(race(&mut loser, sleep(MS)).await, Either::Right(()));
        gate.open();
        assert_eq!(loser.await, 7);
        Ok(())
    });
}

// One

/// R58: the first of many is told by its index, and the others are left as they are.
#[test]
fn the_first_of_many_is_told_by_its_index() {
    run(|| async {
        let mut futures: Vec<_> = (0..5).map(|_| Counted::default()).collect();
        let opened = futures[3].clone();
        spawn(async move {
            turns(3).await;
            opened.open();
        })
        .detach();
        assert_eq!(one(&mut futures).await, Ok((3, ())));
        let polls: Vec<_> = futures.iter().map(Counted::polls).collect();
        assert_eq!(polls, [1, 1, 1, 2, 1], "nobody was polled for another one's wake");
        futures[0].open();
        assert_eq!(one(&mut futures).await, Ok((0, ())));
        Ok(())
    });
}

/// R58: if several are ready, the lowest index wins, in whatever order they became so.
#[test]
fn the_lowest_index_wins_if_several_are_ready() {
    run(|| async {
        let mut futures: Vec<_> = (0..5).map(|_| Counted::default()).collect();
        [4, 2, 3].iter().for_each(|&index| futures[index].open());
        assert_eq!(one(&mut futures).await, Ok((2, ())));

        let mut futures: Vec<_> = (0..5).map(|_| Counted::default()).collect();
        let opened = futures.clone();
        spawn(async move { [4, 2, 3].iter().for_each(|&index| opened[index].open()) }).detach();
        assert_eq!(one(&mut futures).await, Ok((2, ())));
        Ok(())
    });
}

/// R58: there is no first of none.
#[test]
fn there_is_no_first_of_none() {
    run(|| async {
        assert_eq!(one(&mut [] as &mut [Counted]).await, Err(Empty));
        Ok(())
    });
}

/// R58: losers are neither cancelled nor awaited, and giving the race up touches none.
#[test]
fn racing_tasks_leaves_them_running() {
    run(|| async {
        let gate = Gate::default();
        let waiting = |number: u32| {
            let gate = gate.clone();
            spawn(async move {
                gate.wait().await;
                number
            })
        };
        let mut tasks = [waiting(0), spawn(async { 1 }), waiting(2)];
        let (first, outcome) = one(&mut tasks).await?;
        assert_eq!((first, outcome?), (1, 1));
        let [zero, _, two] = tasks;
        let mut rest = [zero, two];
        assert!(poll_once(&mut one(&mut rest)).await.is_pending());
        gate.open();
        let [zero, two] = rest;
        assert_eq!((zero.await?, two.await?), (0, 2));
        Ok(())
    });
}

/// Section 5 `race_loser_untouched`: what one race leaves on a loser is replaced by the next; a thousand races over one
/// future leave nothing with the dispatcher.
#[test]
fn races_over_one_future_leave_nothing_behind() {
    run(|| async {
        let (completer, completion) = twinloop::completion();
        let join = completion.join();
        let mut futures = [join];
        for _ in 0..1000 {
            assert!(poll_once(&mut one(&mut futures)).await.is_pending());
        }
        assert_eq!(Handle::current().pending().waits, 1);
        completer.complete(()).expect("it was not cancelled");
        assert_eq!(one(&mut futures).await, Ok((0, ())));
        Ok(())
    });
}

/// A future that panics takes those beside it along, and whoever joins the task is told.
#[test]
fn a_panic_takes_the_other_futures_along() {
    run(|| async {
        let log = Log::default();
        let waits = |name| {
            let local = LogsDrop(log.clone(), name);
            Box::pin(async move {
                let _local = local;
                pending::<()>().await;
            }) as Pin<Box<dyn Future<Output = ()>>>
        };
        let panics = Box::pin(async {
            yield_now().await;
            panic!("the case's own panic");
        });
        let task = spawn(join_all([waits("first"), panics, waits("last")]));
        assert!(matches!(task.await, Err(JoinError::Panicked(_))));
        assert_eq!(log.text(), "first last");
        Ok(())
    });
}

/// R58: racing those that are left, again and again, gives all of them in the order in which they end.
#[test]
fn racing_those_that_are_left_gives_the_order_of_the_ends() {
    run(|| async {
        let gates: Vec<_> = (0..5).map(|_| Gate::default()).collect();
        let wait = |number: usize| {
            let gate = gates[number].clone();
            Box::pin(async move {
                gate.wait().await;
                number
            })
        };
        let mut waits: Vec<_> = (0..5).map(wait).collect();
        for ends in [3, 0, 4, 1, 2] {
            assert!(poll_once(&mut one(&mut waits)).await.is_pending());
            gates[ends].open();
            let (index, ended) = one(&mut waits).await?;
            assert_eq!(ended, ends);
            drop(waits.swap_remove(index));
        }
        assert_eq!(one(&mut waits).await, Err(Empty));
        Ok(())
    });
}

/// A race that is decided can not be asked again: those that are left want a new one.
#[test]
fn a_race_that_is_decided_refuses_to_be_polled() {
    run(|| async {
        let mut futures = [ready(1), ready(2)];
        let mut race = one(&mut futures);
        assert_eq!((&mut race).await, Ok((0, 1)));
        let refused = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut race).poll(&mut Context::from_waker(Waker::noop()))
        }));
        let refused = refused.expect_err("it was ready before");
        assert!(panic_text(&*refused).contains("with a new one"));
        Ok(())
    });
}
