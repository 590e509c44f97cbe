//! `TokenBucket`: how tokens come, who gets them, and what becomes of those that were collected in vain.
//!
//! That time brings exactly so many tokens is shown where time is virtual, in `sim/models_locks.rs`.

use std::time::Duration;

use super::run;
use super::support::{Log, poll_once, turns, with_foreign_wakers};
use twinloop::sync::{Consume, Refill};
use twinloop::{Elapsed, Handle, TokenBucket, now, sleep, spawn, timeout};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A bucket with nothing in it that only `replenish` fills.
fn empty(capacity: usize) -> TokenBucket {
    let bucket = TokenBucket::new(capacity, Refill::Manual);
    assert!(bucket.try_consume(capacity), "it is full at first");
    bucket
}

/// A future that waits for so many tokens, seen waiting.
async fn queued(bucket: &TokenBucket, tokens: usize) -> Consume {
    let mut consume = bucket.consume(tokens);
    assert!(poll_once(&mut consume).await.is_pending(), "it had to wait");
    consume
}

/// R184: what is in the bucket is consumed at once, by `try_consume` and by `consume`, and not twice.
#[test]
fn what_is_there_is_consumed_at_once() {
    run(|| async {
        let bucket = TokenBucket::new(5, Refill::Manual);
        assert_eq!(bucket.available_tokens(), 5);
        assert!(!bucket.try_consume(6));
        assert!(bucket.try_consume(2));
        assert!(poll_once(&mut bucket.consume(3)).await.is_ready());
        assert!(!bucket.try_consume(1) && bucket.try_consume(0));
        assert_eq!(bucket.available_tokens(), 0);
        Ok(())
    });
}

/// R184: fresh tokens go to the oldest who waits; nobody is overtaken, and `try_consume` gets nothing meanwhile.
#[test]
fn fresh_tokens_go_to_the_oldest_who_waits() {
    run(|| async {
        let bucket = empty(5);
        let (mut first, mut second) = (queued(&bucket, 3).await, queued(&bucket, 1).await);
        bucket.replenish(2);
        assert!(!bucket.try_consume(1));
        assert_eq!(bucket.available_tokens(), 0, "the first is collecting them");
        assert!(poll_once(&mut second).await.is_pending());
        bucket.replenish(1);
        assert!(poll_once(&mut second).await.is_pending());
        assert!(poll_once(&mut first).await.is_ready());
        bucket.replenish(4);
        assert!(poll_once(&mut second).await.is_ready());
        assert_eq!(bucket.available_tokens(), 3);
        Ok(())
    });
}

/// R184: a request for more than the capacity is allowed, and collects until it has enough.
#[test]
fn a_request_larger_than_the_capacity_collects() {
    run(|| async {
        let bucket = TokenBucket::new(2, Refill::Manual);
        let mut large = queued(&bucket, 7).await;
        for _ in 0..2 {
            bucket.replenish(2);
            assert!(poll_once(&mut large).await.is_pending());
        }
        bucket.replenish(4);
        assert!(poll_once(&mut large).await.is_ready());
        assert_eq!(bucket.available_tokens(), 2, "three were left, of which two fit");
        Ok(())
    });
}

/// R184: who gives up returns what it has collected: to the next who waits, or else to the bucket, as much as fits.
#[test]
fn what_was_collected_in_vain_goes_on() {
    run(|| async {
        let bucket = empty(3);
        let (first, mut second, third) =
            (queued(&bucket, 9).await, queued(&bucket, 2).await, queued(&bucket, 50).await);
        bucket.replenish(8);
        drop(first);
        assert!(poll_once(&mut second).await.is_ready());
        assert_eq!(bucket.available_tokens(), 0, "the third collects the other six");
        drop(third);
        assert_eq!(bucket.available_tokens(), 3);
        Ok(())
    });
}

/// R179: tokens that were granted in vain, before their owner's turn, go on as well.
#[test]
fn what_was_granted_in_vain_goes_on() {
    run(|| async {
        let bucket = empty(5);
        let (first, mut second) = (queued(&bucket, 4).await, queued(&bucket, 3).await);
        bucket.replenish(4);
        drop(first);
        assert!(poll_once(&mut second).await.is_ready());
        assert_eq!(bucket.available_tokens(), 1);
        Ok(())
    });
}

/// Who gives up in the middle of the queue takes nothing with it, and the rest keep their order.
#[test]
fn who_gives_up_in_the_middle_changes_nothing() {
    run(|| async {
        let bucket = empty(9);
        let (mut first, middle, mut last) =
            (queued(&bucket, 3).await, queued(&bucket, 3).await, queued(&bucket, 3).await);
        bucket.replenish(2);
        drop(middle);
        bucket.replenish(1);
        assert!(poll_once(&mut last).await.is_pending());
        assert!(poll_once(&mut first).await.is_ready());
        bucket.replenish(3);
        assert!(poll_once(&mut last).await.is_ready());
        Ok(())
    });
}

/// R184, R23: tokens that come with time never come early, whichever way they come.
#[test]
fn time_brings_tokens_and_never_early() {
    run(|| async {
        for refill in
            [Refill::Continuous { tokens: 3, period: 6 * MS }, Refill::Discrete { tokens: 3, period: 6 * MS }]
        {
            let bucket = TokenBucket::new(4, refill);
            let start = now();
            assert!(bucket.try_consume(4));
            bucket.consume(6).await;
            assert!(now() - start >= 12 * MS, "{refill:?}");
        }
        Ok(())
    });
}

/// R184: a bucket holds no more than its capacity, however long nobody asks.
#[test]
fn a_bucket_holds_no_more_than_its_capacity() {
    run(|| async {
        let bucket = TokenBucket::new(4, Refill::Continuous { tokens: 1000, period: MS });
        assert!(bucket.try_consume(1));
        sleep(5 * MS).await;
        assert_eq!(bucket.available_tokens(), 4);
        Ok(())
    });
}

/// A bucket has a timer while someone waits, one for all, and none when nobody does.
#[test]
fn a_bucket_has_a_timer_only_while_someone_waits() {
    run(|| async {
        let timers = || Handle::current().pending().timers;
        let none = timers();
        let bucket = TokenBucket::new(0, Refill::Discrete { tokens: 1, period: LONG });
        assert_eq!(timers(), none);
        let (first, second) = (queued(&bucket, 1).await, queued(&bucket, 1).await);
        assert_eq!(timers(), none + 1);
        drop(first);
        assert_eq!(timers(), none + 1);
        bucket.replenish(1);
        assert_eq!(timers(), none, "it was granted, and waits no more");
        drop(second);
        assert_eq!(timers(), none);
        Ok(())
    });
}

/// R184: a period of zero, or no tokens, is as good as `Manual`: time brings nothing, and there is no timer.
#[test]
fn no_period_means_that_only_replenish_brings_tokens() {
    run(|| async {
        let none = Handle::current().pending().timers;
        for refill in [
            Refill::Continuous { tokens: 5, period: Duration::ZERO },
            Refill::Discrete { tokens: 5, period: Duration::ZERO },
            Refill::Discrete { tokens: 0, period: MS },
        ] {
            let bucket = TokenBucket::new(0, refill);
            let mut waiting = queued(&bucket, 1).await;
            assert_eq!(Handle::current().pending().timers, none);
            sleep(2 * MS).await;
            assert!(poll_once(&mut waiting).await.is_pending());
            bucket.replenish(1);
            assert!(poll_once(&mut waiting).await.is_ready());
        }
        Ok(())
    });
}

/// A wait that times out returns what it has collected; what is behind it moves up.
#[test]
fn a_wait_that_times_out_returns_its_tokens() {
    run(|| async {
        let bucket = empty(5);
        let limited = spawn(timeout(2 * MS, bucket.consume(4)));
        turns(1).await;
        let behind = spawn(bucket.consume(2));
        turns(1).await;
        bucket.replenish(3);
        assert_eq!(limited.await?, Err(Elapsed));
        behind.await?;
        assert_eq!(bucket.available_tokens(), 1);
        Ok(())
    });
}

/// Twenty tasks that wait are served in their order, whatever they ask for, and not before all of it has come.
#[test]
fn many_tasks_are_served_in_their_order() {
    run(|| async {
        let (start, log) = (now(), Log::default());
        let bucket = TokenBucket::new(0, Refill::Continuous { tokens: 10, period: MS });
        let amount = |number: usize| 1 + number * 7 % 11;
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (bucket, log) = (bucket.clone(), log.clone());
                spawn(async move {
                    bucket.consume(amount(number)).await;
                    log.add(number);
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        let in_order: Vec<String> = (0..20).map(|number: usize| number.to_string()).collect();
        assert_eq!(log.text(), in_order.join(" "));
        let asked: usize = (0..20).map(amount).sum();
        assert!(now() - start >= MS * u32::try_from(asked)? / 10);
        Ok(())
    });
}

/// A combinator that polls with wakers of its own gets tokens as well as a task that awaits.
#[test]
fn tokens_come_through_foreign_wakers() {
    run(|| async {
        let bucket = TokenBucket::new(0, Refill::Discrete { tokens: 2, period: MS });
        let task = spawn(with_foreign_wakers(bucket.consume(3)));
        task.await?;
        Ok(())
    });
}

/// Nothing of a bucket stays in the dispatcher when its owners and futures are gone.
#[test]
fn a_bucket_leaves_nothing_behind() {
    run(|| async {
        let none = Handle::current().pending().timers;
        let bucket = TokenBucket::new(0, Refill::Discrete { tokens: 2, period: LONG });
        let waiting = queued(&bucket, 1).await;
        drop(bucket);
        drop(waiting);
        let pending = Handle::current().pending();
        assert_eq!((pending.objects, pending.waits, pending.timers), (0, 0, none));
        Ok(())
    });
}

/// R35, R184: numbers and times as large as they get do no harm; who waits beyond the end of the clock has no timer.
#[test]
fn a_request_that_time_can_not_serve_waits_without_a_timer() {
    run(|| async {
        let none = Handle::current().pending().timers;
        for refill in [
            Refill::Continuous { tokens: 1, period: Duration::MAX },
            Refill::Discrete { tokens: 1, period: Duration::MAX },
        ] {
            let bucket = TokenBucket::new(0, refill);
            let (mut large, mut other) =
                (queued(&bucket, usize::MAX).await, queued(&bucket, usize::MAX).await);
            assert_eq!(Handle::current().pending().timers, none);
            bucket.replenish(usize::MAX);
            bucket.replenish(usize::MAX);
            assert!(poll_once(&mut large).await.is_ready() && poll_once(&mut other).await.is_ready());
        }
        Ok(())
    });
}
