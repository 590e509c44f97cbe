//! Broadcasts: who sees which event, who waits, who is cut off, and what is kept.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::run;
use super::support::{Log, calling, poll_once, turns};
use twinloop::sync::Lagged;
use twinloop::{BroadcastQueue, Handle, Subscriber, spawn, timeout};

const MS: Duration = Duration::from_millis(1);

/// Reads until the end, and gives everything.
async fn read_all(mut subscriber: Subscriber<u32>) -> Result<Vec<u32>, Lagged> {
    let mut events = Vec::new();
    while let Some(event) = subscriber.next().await? {
        events.push(event);
    }
    Ok(events)
}

/// R182: each subscriber sees every event, in order, from its subscription on.
#[test]
fn subscribers_see_what_is_emitted_after_they_came() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let early = spawn(read_all(queue.subscribe()));
        queue.emit(1);
        turns(2).await;
        let late = spawn(read_all(queue.subscribe()));
        queue.emit(2);
        queue.emit(3);
        queue.close();
        assert_eq!(early.await??, [1, 2, 3]);
        assert_eq!(late.await??, [2, 3]);
        Ok(())
    });
}

/// R182: an event that nobody subscribed for is dropped at once.
#[test]
fn without_subscribers_events_are_dropped() {
    run(|| async {
        let (queue, event) = (BroadcastQueue::unbounded(), Rc::new(()));
        assert_eq!(queue.emit(Rc::clone(&event)), 0);
        assert_eq!(Rc::strong_count(&event), 1);
        let mut subscriber = queue.subscribe();
        assert!(poll_once(&mut subscriber.next()).await.is_pending());
        Ok(())
    });
}

/// `emit` says how many it reached.
#[test]
fn emitting_says_how_many_it_reached() {
    run(|| async {
        let queue = BroadcastQueue::bounded(1);
        let (mut fast, slow) = (queue.subscribe(), queue.subscribe());
        assert_eq!((queue.emit(1), queue.subscribers()), (2, 2));
        fast.next().await?;
        assert_eq!(queue.emit(2), 1, "one is cut off");
        drop(slow);
        fast.next().await?;
        assert_eq!((queue.emit(3), queue.subscribers()), (1, 1));
        queue.close();
        fast.next().await?;
        assert_eq!((queue.emit(4), queue.is_closed()), (0, true));
        Ok(())
    });
}

/// R182: `next` returns at once if an event is there, and waits otherwise.
#[test]
fn next_waits_only_for_what_has_not_come() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let mut subscriber = queue.subscribe();
        queue.emit(1);
        assert!(poll_once(&mut subscriber.next()).await.is_ready());
        let reader = spawn(async move { subscriber.next().await });
        turns(2).await;
        assert!(!reader.is_finished());
        queue.emit(2);
        assert_eq!(reader.await??, Some(2));
        Ok(())
    });
}

/// All who wait are told of an event in the order in which they began to wait.
#[test]
fn waiting_subscribers_are_woken_in_their_order() {
    run(|| async {
        let (queue, log) = (BroadcastQueue::unbounded(), Log::default());
        let readers = ["a", "b", "c"].map(|name| {
            let (mut subscriber, log) = (queue.subscribe(), log.clone());
            spawn(async move {
                let event = subscriber.next().await;
                log.add(name);
                event
            })
        });
        turns(2).await;
        queue.emit(1);
        for reader in readers {
            assert_eq!(reader.await??, Some(1));
        }
        assert_eq!(log.text(), "a b c");
        Ok(())
    });
}

/// R182: so many events as were asked for are waited for, taken together, and no more.
#[test]
fn taking_waits_for_the_whole_number() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let mut subscriber = queue.subscribe();
        let reader = spawn(async move {
            let three = subscriber.take(3).await;
            (three, subscriber.len())
        });
        for event in 1..=2 {
            queue.emit(event);
            turns(3).await;
            assert!(!reader.is_finished());
        }
        queue.emit(3);
        queue.emit(4);
        assert_eq!(reader.await?, (Ok(vec![1, 2, 3]), 1));
        Ok(())
    });
}

/// R182: all that there is, as soon as there is something.
#[test]
fn taking_all_gives_what_there_is() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let mut subscriber = queue.subscribe();
        for event in 1..=3 {
            queue.emit(event);
        }
        assert_eq!(subscriber.take_all().await?, [1, 2, 3]);
        assert!(subscriber.is_empty());
        let reader = spawn(async move { subscriber.take_all().await });
        turns(2).await;
        assert!(!reader.is_finished());
        queue.emit(4);
        assert_eq!(reader.await??, [4]);
        Ok(())
    });
}

/// R182: closing gives those who wait what they have, and then the end, again and again.
#[test]
fn closing_gives_what_there_is_and_then_the_end() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let (mut some, mut none) = (queue.subscribe(), queue.subscribe());
        queue.emit(1);
        queue.emit(2);
        none.take(2).await?;
        let some = spawn(async move { (some.take(3).await, some.take(3).await, some.next().await) });
        let none = spawn(async move { (none.next().await, none.take_all().await) });
        turns(2).await;
        queue.close();
        queue.close();
        assert_eq!(some.await?, (Ok(vec![1, 2]), Ok(vec![]), Ok(None)));
        assert_eq!(none.await?, (Ok(None), Ok(vec![])));
        assert_eq!(queue.subscribe().next().await, Ok(None));
        Ok(())
    });
}

/// The last who could emit is gone: that is the end too.
#[test]
fn dropping_the_last_emitter_is_the_end() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let clone = queue.clone();
        let reader = spawn(read_all(queue.subscribe()));
        drop(queue);
        turns(2).await;
        assert!(!reader.is_finished());
        clone.emit(1);
        drop(clone);
        assert_eq!(reader.await??, [1]);
        Ok(())
    });
}

/// R183: a subscriber that has the limit unread when a further event comes is cut off, and told so for ever. Others are
/// not affected.
#[test]
fn a_subscriber_that_lags_is_cut_off_for_ever() {
    run(|| async {
        let queue = BroadcastQueue::bounded(3);
        let (mut fast, mut slow) = (queue.subscribe(), queue.subscribe());
        for event in 1..=3 {
            queue.emit(event);
            assert_eq!(fast.next().await, Ok(Some(event)));
        }
        assert_eq!(slow.len(), 3, "the limit itself is not too much");
        queue.emit(4);
        for _ in 0..3 {
            assert_eq!(slow.next().await, Err(Lagged));
            assert_eq!(slow.take(2).await, Err(Lagged));
            assert_eq!(slow.take_all().await, Err(Lagged));
            assert!(slow.is_empty());
        }
        queue.close();
        assert_eq!(slow.next().await, Err(Lagged));
        assert_eq!(fast.take_all().await, Ok(vec![4]));
        assert_eq!(fast.next().await, Ok(None));
        Ok(())
    });
}

/// R183: a subscriber that is in time by one event every time is never cut off.
#[test]
fn a_subscriber_at_the_limit_goes_on() {
    run(|| async {
        let queue = BroadcastQueue::bounded(2);
        let mut subscriber = queue.subscribe();
        queue.emit(0);
        for event in 0..100 {
            queue.emit(event + 1);
            assert_eq!(subscriber.next().await, Ok(Some(event)));
        }
        assert_eq!(subscriber.take(1).await, Ok(vec![100]));
        Ok(())
    });
}

/// R183: an event is kept for as long as a live subscriber has not read it, and no longer: reading, dropping the
/// subscriber and being cut off all let go of it.
#[test]
fn events_are_kept_for_the_slowest_live_subscriber() {
    run(|| async {
        let event = Rc::new(());
        let kept = || Rc::strong_count(&event) - 1;
        let queue = BroadcastQueue::bounded(3);
        let (mut fast, mut slow, idle) = (queue.subscribe(), queue.subscribe(), queue.subscribe());
        for _ in 0..3 {
            queue.emit(Rc::clone(&event));
        }
        assert_eq!(kept(), 3, "each is kept once, not once for each subscriber");
        fast.take(3).await?;
        assert_eq!(kept(), 3);
        slow.take(1).await?;
        drop(idle);
        assert_eq!(kept(), 2);
        queue.emit(Rc::clone(&event));
        fast.next().await?;
        assert_eq!(kept(), 3);
        queue.emit(Rc::clone(&event));
        assert_eq!(kept(), 1, "of the slow one, which is cut off, nothing is kept");
        fast.next().await?;
        assert_eq!(kept(), 0);
        Ok(())
    });
}

/// What would never come is refused: no events at all, and more than the limit.
#[test]
fn numbers_that_make_no_sense_are_refused() {
    run(|| async {
        let queue = BroadcastQueue::<u32>::bounded(3);
        let (mut none, mut many) = (queue.subscribe(), queue.subscribe());
        let refusals = [
            spawn(async move { none.take(0).await.is_ok() }).await,
            spawn(async move { many.take(4).await.is_ok() }).await,
            spawn(async { BroadcastQueue::<u32>::bounded(0).is_closed() }).await,
        ];
        for (refusal, cure) in refusals.into_iter().zip(["take_all()", "take fewer", "limit of 1 or more"]) {
            let text = refusal.expect_err("it makes no sense").to_string();
            assert!(text.contains(cure), "{text}");
        }
        Ok(())
    });
}

/// A wait that is given up loses no event, also if it was woken for one.
#[test]
fn a_cancelled_wait_loses_no_event() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let mut subscriber = queue.subscribe();
        assert!(timeout(MS, subscriber.take(2)).await.is_err());
        let mut next = subscriber.next();
        assert!(poll_once(&mut next).await.is_pending());
        queue.emit(1);
        drop(next);
        queue.emit(2);
        assert_eq!(subscriber.take(2).await?, [1, 2]);
        Ok(())
    });
}

/// Callbacks emit as tasks do.
#[test]
fn callbacks_emit() {
    run(|| async {
        let queue = BroadcastQueue::unbounded();
        let mut subscriber = queue.subscribe();
        let reader = spawn(async move { subscriber.next().await });
        turns(2).await;
        let queue = Cell::new(Some(queue));
        let emit = move |_: &Handle| assert_eq!(queue.take().expect("called once").emit(7), 1);
        Handle::current().call_soon(calling(emit));
        assert_eq!(reader.await??, Some(7));
        Ok(())
    });
}

/// Invariant 7: clones and destructors of events may use the queue.
#[test]
fn clones_and_destructors_of_events_may_use_the_queue() {
    struct Event(BroadcastQueue<Event>, Log);
    impl Clone for Event {
        fn clone(&self) -> Event {
            self.1.add(format!("clone-{}", self.0.subscribers()));
            Event(self.0.clone(), self.1.clone())
        }
    }
    impl Drop for Event {
        fn drop(&mut self) {
            self.1.add(format!("drop-{}", self.0.subscribers()));
        }
    }
    run(|| async {
        let (queue, log) = (BroadcastQueue::bounded(1), Log::default());
        let (mut reader, lagging) = (queue.subscribe(), queue.subscribe());
        let event = || Event(queue.clone(), log.clone());
        queue.emit(event());
        drop(reader.next().await);
        queue.emit(event());
        drop(reader);
        drop(lagging);
        queue.emit(event());
        assert_eq!(log.text(), "clone-2 drop-2 drop-2 drop-1 drop-0");
        Ok(())
    });
}

/// The state goes with its last owner, subscribers among them.
#[test]
fn a_broadcast_that_nobody_has_is_gone() {
    run(|| async {
        let before = Handle::current().pending();
        let queue = BroadcastQueue::unbounded();
        let subscriber = queue.subscribe();
        queue.emit(1);
        assert_eq!(format!("{queue:?}"), "BroadcastQueue { subscribers: 1, limit: None, closed: false, .. }");
        drop(queue);
        assert_eq!(subscriber.len(), 1);
        drop(subscriber);
        assert_eq!(Handle::current().pending(), before);
        Ok(())
    });
}
