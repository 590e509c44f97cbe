//! `AsyncEvent`: who is woken by a fire, and who is not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::Duration;

use super::run;
use super::support::{Log, poll_once, turns, with_foreign_wakers};
use twinloop::sync::EventWait;
use twinloop::{AsyncEvent, Elapsed, Handle, JoinHandle, spawn, timeout};

/// A future that waits for the event, seen waiting.
async fn queued(event: &AsyncEvent) -> EventWait {
    let mut wait = event.wait();
    assert!(poll_once(&mut wait).await.is_pending(), "the event was not set");
    wait
}

/// Tasks that wait and then log their numbers.
fn loggers(event: &AsyncEvent, log: &Log, count: usize) -> Vec<JoinHandle<()>> {
    let logger = |number| {
        let (event, log) = (event.clone(), log.clone());
        spawn(async move {
            event.wait().await;
            log.add(number);
        })
    };
    (0..count).map(logger).collect()
}

/// R175: `wait` on an event that is set is ready at once; on one that is not, or is cleared, it waits.
#[test]
fn a_wait_is_ready_while_the_event_is_set() {
    run(|| async {
        let event = AsyncEvent::new();
        assert!(!event.is_set());
        assert!(poll_once(&mut event.wait()).await.is_pending());
        event.fire();
        assert!(event.is_set());
        for _ in 0..3 {
            assert!(poll_once(&mut event.wait()).await.is_ready());
        }
        event.clear();
        assert!(!event.is_set());
        assert!(poll_once(&mut event.wait()).await.is_pending());
        Ok(())
    });
}

/// R175: a fire wakes all who wait, in the order of waiting, and one turn is enough for all.
#[test]
fn a_fire_wakes_all_in_their_order_in_one_turn() {
    run(|| async {
        let (event, log) = (AsyncEvent::new(), Log::default());
        let loggers = loggers(&event, &log, 5);
        turns(2).await;
        assert_eq!(log.text(), "");
        event.fire();
        turns(1).await;
        assert_eq!(log.text(), "0 1 2 3 4");
        assert!(loggers.iter().all(JoinHandle::is_finished));
        Ok(())
    });
}

/// R175: who was woken by a fire stays woken although `clear` follows at once, and who comes after the clear waits.
#[test]
fn who_was_woken_stays_woken_although_a_clear_follows() {
    run(|| async {
        let (event, log) = (AsyncEvent::new(), Log::default());
        loggers(&event, &log, 3).into_iter().for_each(JoinHandle::detach);
        turns(2).await;
        event.fire();
        event.clear();
        let mut later = queued(&event).await;
        turns(1).await;
        assert_eq!(log.text(), "0 1 2");
        assert!(!event.is_set());
        assert!(poll_once(&mut later).await.is_pending());
        event.fire();
        assert!(poll_once(&mut later).await.is_ready());
        Ok(())
    });
}

/// R175: a second fire changes nothing; after a clear, the next one wakes again.
#[test]
fn a_second_fire_changes_nothing() {
    run(|| async {
        let (event, log) = (AsyncEvent::new(), Log::default());
        let inner = (event.clone(), log.clone());
        let woken = spawn(async move {
            let (event, log) = inner;
            loop {
                event.wait().await;
                event.clear();
                log.add("woken");
            }
        });
        turns(2).await;
        event.fire();
        event.fire();
        turns(3).await;
        assert_eq!(log.text(), "woken");
        event.fire();
        turns(3).await;
        assert_eq!(log.text(), "woken woken");
        woken.cancel().await.expect_err("it never ends by itself");
        Ok(())
    });
}

/// Who gives up, before the fire or after it, disturbs nobody else's wait.
#[test]
fn who_gives_up_disturbs_nobody() {
    for (leaves_before, leaves_after) in [(0, 0), (1, 1), (2, 3), (4, 0)] {
        run(move || async move {
            let event = AsyncEvent::new();
            let mut waiting = Vec::new();
            for _ in 0..5 {
                waiting.push(queued(&event).await);
            }
            drop(waiting.remove(leaves_before));
            event.fire();
            event.clear();
            drop(waiting.remove(leaves_after));
            for wait in waiting {
                wait.await;
            }
            assert_eq!(Handle::current().pending().waits, 0);
            Ok(())
        });
    }
}

/// A wait under a timeout gives up at the deadline, and an event that comes in time is told.
#[test]
fn a_wait_may_time_out() {
    run(|| async {
        let event = AsyncEvent::new();
        assert_eq!(timeout(Duration::from_millis(2), event.wait()).await, Err(Elapsed));
        assert_eq!(Handle::current().pending().waits, 0);
        let limited = spawn(timeout(Duration::from_secs(3600), event.wait()));
        turns(1).await;
        event.fire();
        assert_eq!(limited.await?, Ok(()));
        Ok(())
    });
}

/// A combinator that polls with wakers of its own is woken as well as a task that awaits.
#[test]
fn the_event_comes_through_foreign_wakers() {
    run(|| async {
        let event = AsyncEvent::new();
        let task = spawn(with_foreign_wakers(event.wait()));
        turns(2).await;
        event.fire();
        task.await?;
        Ok(())
    });
}

/// A waker may clear the event and fire it again while the first fire wakes: no borrow is alive, all are woken, once each.
#[test]
fn a_waker_may_fire_the_event_again() {
    struct Firing(AsyncEvent, AtomicUsize);
    impl Wake for Firing {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.clear();
            self.0.fire();
        }
    }
    run(|| async {
        let event = AsyncEvent::new();
        let firing = Arc::new(Firing(event.clone(), AtomicUsize::new(0)));
        let waker = Arc::clone(&firing).into();
        let mut waits: Vec<EventWait> = (0..3).map(|_| event.wait()).collect();
        for wait in &mut waits {
            assert!(Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        event.fire();
        assert_eq!(firing.1.load(Ordering::Relaxed), 3);
        assert!(event.is_set());
        for wait in waits {
            wait.await;
        }
        Ok(())
    });
}

/// R175: a wait begins with its first poll. What is only made has not waited when the event is fired and cleared.
#[test]
fn a_wait_that_was_never_polled_misses_a_fire_and_clear() {
    run(|| async {
        let event = AsyncEvent::new();
        let mut made = event.wait();
        event.fire();
        event.clear();
        assert!(poll_once(&mut made).await.is_pending());
        event.fire();
        assert!(poll_once(&mut made).await.is_ready());
        Ok(())
    });
}
