//! Thread events as one dispatcher sees them. Other threads are in `on_real_threads.rs`.

use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Log, calling, poll_once, turns};
use twinloop::{Handle, JoinHandle, ThreadEvent, spawn, timeout};

fn waiter(event: &ThreadEvent, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (wait, log) = (event.wait(), log.clone());
    spawn(async move {
        wait.await;
        log.add(name);
    })
}

/// R85: fires before a wait make one fire.
#[test]
fn fires_before_a_wait_merge_into_one() {
    run(|| async {
        let event = ThreadEvent::new();
        for _ in 0..3 {
            event.fire();
        }
        assert_eq!(poll_once(&mut event.wait()).await, Poll::Ready(()));
        assert!(timeout(Duration::from_millis(2), event.wait()).await.is_err());
        Ok(())
    });
}

/// R86, R88, R89: any number may wait, also on one thread, and none holds a descriptor for it; each fire lets one go on,
/// the one that has waited longest.
#[test]
fn each_fire_lets_one_waiter_go_on_the_first() {
    run(|| async {
        let (event, log) = (ThreadEvent::new(), Log::default());
        let waiters = ["a", "b", "c"].map(|name| waiter(&event, &log, name));
        turns(2).await;
        assert_eq!(format!("{event:?}"), "ThreadEvent { fired: false, waiting: 3 }");
        assert_eq!(Handle::current().pending().descriptors, 0);
        event.fire();
        turns(3).await;
        assert_eq!(log.text(), "a");
        event.fire();
        event.clone().fire();
        for waiter in waiters {
            waiter.await?;
        }
        assert_eq!(log.text(), "a b c");
        assert_eq!(format!("{event:?}"), "ThreadEvent { fired: false, waiting: 0 }");
        Ok(())
    });
}

/// R86: as many waiters go on as there were fires, and the fires of one turn do not merge while somebody waits.
#[test]
fn fires_in_one_turn_let_as_many_waiters_go_on() {
    run(|| async {
        let (event, log) = (ThreadEvent::new(), Log::default());
        let waiters = ["a", "b", "c"].map(|name| waiter(&event, &log, name));
        turns(2).await;
        event.fire();
        event.fire();
        turns(3).await;
        assert_eq!(log.text(), "a b");
        event.fire();
        for waiter in waiters {
            waiter.await?;
        }
        Ok(())
    });
}

/// R179: a fire that was granted is passed on when its waiter is cancelled: to the next, or to the next wait.
#[test]
fn a_fire_granted_in_vain_is_passed_on() {
    run(|| async {
        let event = ThreadEvent::new();
        let (mut first, mut second) = (event.wait(), event.wait());
        assert!(poll_once(&mut first).await.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        event.fire();
        drop(first);
        assert_eq!(poll_once(&mut second).await, Poll::Ready(()));

        let mut third = event.wait();
        assert!(poll_once(&mut third).await.is_pending());
        event.fire();
        drop(third);
        assert_eq!(poll_once(&mut event.wait()).await, Poll::Ready(()));
        assert!(poll_once(&mut event.wait()).await.is_pending());
        Ok(())
    });
}

/// A waiter that gives up is skipped, and the order of the others is kept.
#[test]
fn a_waiter_that_gave_up_is_skipped() {
    run(|| async {
        let (event, log) = (ThreadEvent::new(), Log::default());
        let [first, second, third] = ["a", "b", "c"].map(|name| waiter(&event, &log, name));
        turns(2).await;
        second.cancel().await.expect_err("it waits");
        event.fire();
        event.fire();
        first.await?;
        third.await?;
        assert_eq!(log.text(), "a c");
        Ok(())
    });
}

/// A wait may be moved to another task between polls: the last that polled it is woken.
#[test]
fn the_task_that_polled_last_is_woken() {
    run(|| async {
        let event = ThreadEvent::new();
        let mut wait = event.wait();
        assert!(poll_once(&mut wait).await.is_pending());
        let task = spawn(wait);
        turns(2).await;
        event.fire();
        task.await?;
        Ok(())
    });
}

/// Callbacks fire as threads do.
#[test]
fn callbacks_fire() {
    run(|| async {
        let event = ThreadEvent::new();
        let task = spawn(event.wait());
        turns(2).await;
        Handle::current().call_soon(calling(move |_| event.fire()));
        task.await?;
        Ok(())
    });
}

/// Blocking the thread would stop its loop, and everything in it: that is refused with the cure.
#[test]
fn blocking_inside_a_dispatcher_is_refused() {
    run(|| async {
        let event = ThreadEvent::new();
        event.fire();
        let inner = event.clone();
        let blocked = spawn(async move { inner.wait_blocking(Duration::from_secs(1)) }).await;
        let refusal = blocked.expect_err("it would block").to_string();
        assert!(refusal.contains("await wait()"), "{refusal}");
        event.wait().await;
        Ok(())
    });
}
