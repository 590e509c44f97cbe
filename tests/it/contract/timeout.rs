//! `timeout`: a deadline around any future.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Log, LogsDrop, poll_once, turns};
use twinloop::{Elapsed, now, sleep, sleep_until, spawn, timeout, yield_now};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// R59, R62: what is ready in time is given.
#[test]
fn a_result_in_time_is_given() {
    run(|| async {
        assert_eq!(timeout(LONG, async { 7 }).await, Ok(7));
        let late = async {
            sleep(2 * MS).await;
            8
        };
        assert_eq!(timeout(LONG, late).await, Ok(8));
        Ok(())
    });
}

/// R23: a timeout does not strike early.
#[test]
fn a_timeout_does_not_strike_early() {
    run(|| async {
        let start = now();
        assert_eq!(timeout(3 * MS, pending::<()>()).await, Err(Elapsed));
        assert!(now() - start >= 3 * MS);
        Ok(())
    });
}

/// R59, section 5 `wait_zero`: what is ready is given although no time is left; what is not, is not, and a turn may pass.
#[test]
fn no_time_at_all_is_enough_for_what_is_ready() {
    run(|| async {
        assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, pending::<()>()).await, Err(Elapsed));
        Ok(())
    });
}

/// R60: when the result and the deadline come in the same turn, the result wins.
#[test]
fn a_result_in_the_very_turn_of_the_deadline_wins() {
    run(|| async {
        let deadline = now() + 2 * MS;
        let limited = timeout(2 * MS, sleep_until(deadline));
        assert_eq!(limited.await, Ok(()));
        Ok(())
    });
}

/// R59, R62, section 5 `timeout_waits_cancel`: what timed out is gone when the timeout is told.
#[test]
fn what_timed_out_is_dropped_before_the_timeout_is_told() {
    run(|| async {
        let log = Log::default();
        let local = LogsDrop(log.clone(), "dropped");
        let inner = log.clone();
        let slow = async move {
            let _local = local;
            pending::<()>().await;
            inner.add("later code");
        };
        assert_eq!(timeout(2 * MS, slow).await, Err(Elapsed));
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}

/// Timeouts nest: the shorter one strikes, wherever it stands.
#[test]
fn the_shorter_of_two_nested_timeouts_strikes() {
    run(|| async {
        assert_eq!(timeout(LONG, timeout(2 * MS, pending::<()>())).await, Ok(Err(Elapsed)));
        assert_eq!(timeout(2 * MS, timeout(LONG, pending::<()>())).await, Err(Elapsed));
        Ok(())
    });
}

/// R64: cancelling a task drops what it has under a timeout.
#[test]
fn cancelling_a_timeout_drops_what_is_inside() {
    run(|| async {
        let log = Log::default();
        let local = LogsDrop(log.clone(), "dropped");
        let task = spawn(timeout(LONG, async move {
            let _local = local;
            pending::<()>().await;
        }));
        turns(2).await;
        task.cancel().await.expect_err("it never ends by itself");
        assert_eq!(log.text(), "dropped");
        Ok(())
    });
}

/// The deadline runs from the call, awaited or not.
#[test]
fn a_timeout_counts_from_its_call() {
    run(|| async {
        let mut limited = Box::pin(timeout(2 * MS, pending::<()>()));
        sleep(2 * MS).await;
        assert_eq!(poll_once(&mut limited).await, std::task::Poll::Ready(Err(Elapsed)));
        Ok(())
    });
}

/// Against R65: a thousand timeouts that are not needed cost nothing afterwards: the program goes on at once.
#[test]
fn timeouts_that_are_not_needed_leave_no_trace() {
    run(|| async {
        for _ in 0..1000 {
            assert_eq!(timeout(2 * MS, yield_now()).await, Ok(()));
        }
        sleep(5 * MS).await;
        Ok(())
    });
}

/// A timeout strikes what goes on and on as well as what waits: a loop of yields, and a future that wakes itself.
#[test]
fn a_timeout_strikes_what_never_rests() {
    run(|| async {
        let yields = async {
            loop {
                yield_now().await;
            }
        };
        assert_eq!(timeout::<Pin<Box<dyn Future<Output = ()>>>>(MS, Box::pin(yields)).await, Err(Elapsed));
        let wakes_itself = poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(timeout(MS, wakes_itself).await, Err(Elapsed));
        Ok(())
    });
}

/// R35: a timeout longer than any clock gives what comes.
#[test]
fn a_timeout_of_all_time_gives_what_comes() {
    run(|| async {
        assert_eq!(timeout(Duration::MAX, sleep(MS)).await, Ok(()));
        Ok(())
    });
}
