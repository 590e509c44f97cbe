//! `deadline`: a moment around any future, which many may share. A timeout is one too: what they have in common is shown
//! in `timeout.rs`.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::Duration;

use super::run;
use super::support::{Gate, calling, poll_once, turns};
use twinloop::{AsyncLock, Elapsed, Handle, deadline, now, sleep, spawn, timeout, yield_now};

const MS: Duration = Duration::from_millis(1);

/// R61: a deadline strikes at its moment, not before, and not at one that passed in between calls.
#[test]
fn a_deadline_strikes_at_its_moment() {
    run(|| async {
        let moment = now() + 5 * MS;
        assert_eq!(deadline(moment, async { 7 }).await, Ok(7));
        sleep(MS).await;
        assert_eq!(deadline(moment, pending::<()>()).await, Err(Elapsed));
        assert!(now() >= moment);
        Ok(())
    });
}

/// R59, R61, section 5 `wait_zero`: at a deadline that has passed, what is ready is given all the same.
#[test]
fn what_is_ready_wins_over_a_deadline_that_has_passed() {
    run(|| async {
        let moment = now();
        sleep(2 * MS).await;
        assert_eq!(deadline(moment, ready(7)).await, Ok(7));
        assert_eq!(deadline(moment, pending::<()>()).await, Err(Elapsed));
        let task = spawn(async { 8 });
        turns(2).await;
        assert_eq!(deadline(moment, task).await.map(Result::ok), Ok(Some(8)));
        Ok(())
    });
}

/// R59: what is given by reference is left as it is, and may be awaited again.
#[test]
fn what_is_late_by_reference_can_be_awaited_again() {
    run(|| async {
        let gate = Gate::default();
        let inner = gate.clone();
        let mut work = Box::pin(async move {
            inner.wait().await;
            7
        });
        assert_eq!(deadline(now(), &mut work).await, Err(Elapsed));
        gate.open();
        assert_eq!(work.await, 7);
        Ok(())
    });
}

/// R64: a value that has come is given, although who waited for it was cancelled meanwhile.
#[test]
fn a_value_that_has_come_wins_over_cancelling_the_deadline() {
    run(|| async {
        let (completer, completion) = twinloop::completion();
        let waiting = spawn(deadline(now() + Duration::from_secs(3600), completion));
        turns(2).await;
        completer.complete(7).expect("it is awaited");
        let outcome = waiting.cancel().await;
        assert_eq!(outcome.expect("completing wins"), Ok(Ok(7)));
        Ok(())
    });
}

/// Against R65: a thousand waits share a moment, and none leaves anything behind.
#[test]
fn a_moment_that_many_share_keeps_nothing_of_them() {
    run(|| async {
        let handle = Handle::current();
        let before = handle.pending().timers;
        let moment = now() + Duration::from_secs(3600);
        let mut waits: Vec<_> = (0..1000).map(|_| Box::pin(deadline(moment, yield_now()))).collect();
        for wait in &mut waits {
            assert!(poll_once(wait).await.is_pending());
        }
        assert_eq!(handle.pending().timers, before + 1000);
        for wait in waits {
            assert_eq!(wait.await, Ok(()));
        }
        assert_eq!(handle.pending().timers, before);
        Ok(())
    });
}

/// A deadline within a timeout, and a timeout within a deadline: the earlier one strikes.
#[test]
fn the_earlier_of_a_deadline_and_a_timeout_strikes() {
    run(|| async {
        let (soon, long) = (2 * MS, Duration::from_secs(3600));
        assert_eq!(timeout(long, deadline(now() + soon, pending::<()>())).await, Ok(Err(Elapsed)));
        assert_eq!(deadline(now() + soon, timeout(long, pending::<()>())).await, Err(Elapsed));
        Ok(())
    });
}

/// R60: of two deadlines at one moment, one within the other, the inner one is the result, whichever was set first.
#[test]
fn of_nested_deadlines_at_one_moment_the_inner_one_is_told() {
    run(|| async {
        let moment = now() + 2 * MS;
        assert_eq!(deadline(moment, deadline(moment, pending::<()>())).await, Ok(Err(Elapsed)));
        let moment = now() + 2 * MS;
        let inner = async move { deadline(moment, pending::<()>()).await };
        assert_eq!(deadline(moment, inner).await, Ok(Err(Elapsed)));
        Ok(())
    });
}

/// R60, R174: a lock that is handed over in the turn of the deadline, before or after it, is the result, and not lost.
#[test]
fn a_lock_handed_over_in_the_turn_of_the_deadline_is_given() {
    run(|| async {
        for released_first in [true, false] {
            let (lock, moment) = (AsyncLock::new(7), now() + 2 * MS);
            let holder = Rc::new(RefCell::new(lock.try_acquire()));
            let release = calling(move |_| drop(holder.take()));
            let waiting = if released_first {
                let _timer = Handle::current().add_timer(moment, release);
                deadline(moment, lock.acquire())
            } else {
                let waiting = deadline(moment, lock.acquire());
                let _timer = Handle::current().add_timer(moment, release);
                waiting
            };
            assert_eq!(*waiting.await.expect("the lock came in the turn of the deadline"), 7);
            assert!(lock.try_acquire().is_some(), "its guard has gone");
        }
        Ok(())
    });
}
