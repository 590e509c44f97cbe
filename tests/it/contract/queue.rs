//! Queues between tasks: order, room, hand-over, and what a cancel may not lose.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use super::support::{Log, LogsDrop, calling, poll_once, turns};
use super::{run, run_leaving};
use twinloop::sync::Full;
use twinloop::{AsyncQueue, Handle, JoinHandle, now, sleep, sleep_until, spawn, timeout, yield_now};

const MS: Duration = Duration::from_millis(1);

/// A task that takes one item from the front and logs it with its name.
fn getter(queue: &AsyncQueue<u32>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (queue, log) = (queue.clone(), log.clone());
    spawn(async move { log.add(format!("{name}={}", queue.pop_front().await)) })
}

/// A task that adds one item at the back and logs that it did.
fn putter(queue: &AsyncQueue<u32>, log: &Log, item: u32) -> JoinHandle<()> {
    let (queue, log) = (queue.clone(), log.clone());
    spawn(async move {
        queue.push_back(item).await;
        log.add(item);
    })
}

/// A queue of this capacity with these items in it.
fn filled(capacity: usize, items: impl IntoIterator<Item = u32>) -> AsyncQueue<u32> {
    let queue = AsyncQueue::bounded(capacity);
    for item in items {
        queue.try_push_back(item).expect("there is room");
    }
    queue
}

/// R176: both ends take and give.
#[test]
fn a_queue_has_two_ends() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        queue.push_back(2).await;
        queue.push_back(3).await;
        queue.push_front(1).await;
        queue.try_push_front(0)?;
        queue.try_push_back(4)?;
        assert_eq!((queue.pop_front().await, queue.pop_back().await), (0, 4));
        assert_eq!(
            (queue.try_pop_front(), queue.try_pop_back(), queue.try_pop_back()),
            (Some(1), Some(3), Some(2))
        );
        assert_eq!((queue.try_pop_front(), queue.try_pop_back()), (None, None));
        Ok(())
    });
}

/// What a queue says about itself.
#[test]
fn a_queue_knows_its_length_and_its_room() {
    run(|| async {
        let queue = AsyncQueue::bounded(2);
        assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (0, true, false));
        queue.push_back(1).await;
        assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (1, false, false));
        queue.push_back(2).await;
        assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (2, false, true));
        assert_eq!(queue.capacity(), Some(2));
        assert_eq!(format!("{queue:?}"), "AsyncQueue { len: 2, capacity: Some(2), .. }");

        let unbounded = AsyncQueue::unbounded();
        (0..10_000).try_for_each(|item| unbounded.try_push_back(item))?;
        assert_eq!((unbounded.len(), unbounded.is_full(), unbounded.capacity()), (10_000, false, None));
        Ok(())
    });
}

/// R176: what there is no room for comes back to its owner.
#[test]
fn a_full_queue_gives_the_value_back() {
    run(|| async {
        let queue = filled(1, [1]);
        assert_eq!(queue.try_push_back(2), Err(Full(2)));
        assert_eq!(queue.try_push_front(3), Err(Full(3)));
        assert_eq!(queue.clear(), [1]);
        Ok(())
    });
}

/// A queue without room could pass nothing on, and is refused.
#[test]
fn a_queue_without_room_is_refused() {
    run(|| async {
        let made = spawn(async { AsyncQueue::<u32>::bounded(0) }).await;
        let refusal = made.expect_err("there is no such queue").to_string();
        assert!(refusal.contains("capacity of 1 or more"), "{refusal}");
        Ok(())
    });
}

/// R176: an empty queue makes the getter wait, and the item comes to it.
#[test]
fn a_getter_waits_for_an_item() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let getter = spawn(queue.pop_front());
        turns(3).await;
        assert!(!getter.is_finished());
        queue.push_back(7).await;
        assert_eq!(getter.await?, 7);
        Ok(())
    });
}

/// R176: a full queue makes the putter wait, until there is room.
#[test]
fn a_putter_waits_for_room() {
    run(|| async {
        let (queue, log) = (filled(1, [1]), Log::default());
        let putter = putter(&queue, &log, 2);
        turns(3).await;
        assert_eq!((log.text().as_str(), queue.len()), ("", 1));
        assert_eq!(queue.pop_front().await, 1);
        putter.await?;
        assert_eq!(queue.clear(), [2]);
        Ok(())
    });
}

/// R177: a thousand items pass through a queue of ten, in order, and it is never longer than that.
#[test]
fn a_thousand_items_pass_through_a_queue_of_ten() {
    run(|| async {
        let queue = AsyncQueue::bounded(10);
        let source = queue.clone();
        let producer = spawn(async move {
            for item in 0..1000 {
                source.push_back(item).await;
                assert!(source.len() <= 10);
            }
        });
        for item in 0..1000 {
            assert_eq!(queue.pop_front().await, item);
        }
        producer.await?;
        assert!(queue.is_empty());
        Ok(())
    });
}

/// R177: one item wakes one getter, and getters go on in the order in which they began to wait.
#[test]
fn each_item_wakes_one_getter_the_first() {
    run(|| async {
        let (queue, log) = (AsyncQueue::unbounded(), Log::default());
        let getters = ["a", "b", "c"].map(|name| getter(&queue, &log, name));
        turns(2).await;
        queue.push_back(1).await;
        turns(2).await;
        assert_eq!(log.text(), "a=1");
        queue.push_back(2).await;
        queue.push_back(3).await;
        for getter in getters {
            getter.await?;
        }
        assert_eq!(log.text(), "a=1 b=2 c=3");
        Ok(())
    });
}

/// R177: one removal wakes one putter, and their values stand in the queue in the order in which they began to wait.
#[test]
fn each_removal_wakes_one_putter_the_first() {
    run(|| async {
        let (queue, log) = (filled(2, [1, 2]), Log::default());
        let putters = [3, 4, 5].map(|item| putter(&queue, &log, item));
        turns(2).await;
        assert_eq!(queue.try_pop_front(), Some(1));
        turns(2).await;
        assert_eq!(log.text(), "3");
        let items = [queue.pop_front().await, queue.pop_front().await, queue.pop_front().await];
        for putter in putters {
            putter.await?;
        }
        assert_eq!((items, log.text().as_str()), ([2, 3, 4], "3 4 5"));
        assert_eq!(queue.clear(), [5]);
        Ok(())
    });
}

/// A waiting putter's value is in the queue as soon as there is room, before its task has its turn.
#[test]
fn whoever_makes_room_takes_the_waiting_value_in() {
    run(|| async {
        let queue = filled(1, [1]);
        let mut push = queue.push_back(2);
        assert!(poll_once(&mut push).await.is_pending());
        assert_eq!((queue.try_pop_front(), queue.try_pop_front()), (Some(1), Some(2)));
        assert!(poll_once(&mut push).await.is_ready());
        assert!(queue.is_empty());
        Ok(())
    });
}

/// A putter at the front waits in the same line as one at the back; its value goes to the front when there is room.
#[test]
fn putters_of_both_ends_wait_in_one_line() {
    run(|| async {
        let queue = filled(2, [1, 2]);
        let (mut back, mut front) = (queue.push_back(3), queue.push_front(0));
        assert!(poll_once(&mut back).await.is_pending());
        assert!(poll_once(&mut front).await.is_pending());
        assert_eq!(queue.pop_back().await, 2);
        assert!(poll_once(&mut front).await.is_pending(), "it overtook the other");
        assert_eq!(queue.pop_back().await, 3);
        assert_eq!(queue.clear(), [0, 1]);
        back.await;
        front.await;
        Ok(())
    });
}

/// R179: an item that was handed to a woken getter belongs to it. Nobody takes it before its turn comes, or clears it away.
#[test]
fn an_item_belongs_to_the_getter_that_was_woken_for_it() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let mut woken = queue.pop_front();
        assert!(poll_once(&mut woken).await.is_pending());
        queue.push_back(1).await;
        assert_eq!((queue.len(), queue.is_empty()), (1, false), "it counts until it is picked up");
        assert_eq!((queue.try_pop_front(), queue.try_pop_back()), (None, None));
        assert!(queue.clear().is_empty());
        let mut later = queue.pop_front();
        assert!(poll_once(&mut later).await.is_pending(), "a later getter overtook the one that was woken");
        assert_eq!(woken.await, 1);
        queue.push_back(2).await;
        assert_eq!(later.await, 2);
        Ok(())
    });
}

/// An item that was handed over keeps its room until it is picked up; only then does the next value come in.
#[test]
fn room_is_free_when_the_item_is_picked_up() {
    run(|| async {
        let queue = AsyncQueue::bounded(1);
        let mut getter = queue.pop_front();
        assert!(poll_once(&mut getter).await.is_pending());
        queue.push_back(1).await;
        assert_eq!(queue.try_push_back(2), Err(Full(2)));
        let mut putter = queue.push_back(3);
        assert!(poll_once(&mut putter).await.is_pending());
        assert_eq!(getter.await, 1);
        assert_eq!(poll_once(&mut putter).await, Poll::Ready(()));
        assert_eq!(queue.clear(), [3]);
        Ok(())
    });
}

/// R178: a getter that is cancelled after it was woken passes its item to the next one.
#[test]
fn the_item_of_a_cancelled_getter_goes_to_the_next() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let (mut first, mut second) = (queue.pop_front(), queue.pop_front());
        assert!(poll_once(&mut first).await.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        queue.push_back(1).await;
        drop(first);
        assert_eq!(second.await, 1);
        assert!(queue.is_empty());
        Ok(())
    });
}

/// R178: with nobody left to take them, items of cancelled getters are back in their places, in whatever order the
/// getters end, and also when newer ones have come meanwhile.
#[test]
fn items_of_cancelled_getters_are_back_in_their_places() {
    run(|| async {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let queue = AsyncQueue::unbounded();
            let mut getters = [queue.pop_front(), queue.pop_back(), queue.pop_front()].map(Some);
            for getter in getters.iter_mut().flatten() {
                assert!(poll_once(getter).await.is_pending());
            }
            for item in 1..=4 {
                queue.push_back(item).await;
            }
            queue.push_front(0).await;
            for which in order {
                getters[which] = None;
            }
            assert_eq!(queue.clear(), [0, 1, 2, 3, 4]);
        }
        Ok(())
    });
}

/// R173: a getter that gives up before an item comes is skipped, and the order of the others is kept.
#[test]
fn a_getter_that_gave_up_is_skipped() {
    run(|| async {
        let (queue, log) = (AsyncQueue::unbounded(), Log::default());
        let [first, second, third] = ["a", "b", "c"].map(|name| getter(&queue, &log, name));
        turns(2).await;
        second.cancel().await.expect_err("it waits");
        queue.push_back(1).await;
        queue.push_back(2).await;
        first.await?;
        third.await?;
        assert_eq!(log.text(), "a=1 c=2");
        Ok(())
    });
}

/// R53: a task whose item has come completes although it is cancelled before its turn.
#[test]
fn a_cancelled_task_whose_item_has_come_completes() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let getter = spawn(queue.pop_front());
        turns(2).await;
        queue.push_back(1).await;
        assert_eq!(getter.cancel().await?, 1);
        Ok(())
    });
}

/// A value that was not taken in when its putter gives up is dropped with it, and never appears.
#[test]
fn the_value_of_a_putter_that_gave_up_never_appears() {
    run(|| async {
        let (queue, log) = (AsyncQueue::bounded(1), Log::default());
        queue.push_back(LogsDrop(log.clone(), "first")).await;
        let mut given_up = queue.push_back(LogsDrop(log.clone(), "given-up"));
        let mut patient = queue.push_back(LogsDrop(log.clone(), "patient"));
        assert!(poll_once(&mut given_up).await.is_pending());
        assert!(poll_once(&mut patient).await.is_pending());
        drop(given_up);
        drop(queue.push_back(LogsDrop(log.clone(), "never-polled")));
        assert_eq!(log.text(), "given-up never-polled");
        drop(queue.pop_front().await);
        drop(queue.pop_front().await);
        patient.await;
        assert_eq!(log.text(), "given-up never-polled first patient");
        Ok(())
    });
}

/// R53: a value that was taken in stays, although its putter is cancelled before its turn.
#[test]
fn the_value_of_a_putter_that_was_woken_stays() {
    run(|| async {
        let queue = filled(1, [1]);
        let mut push = queue.push_back(2);
        assert!(poll_once(&mut push).await.is_pending());
        assert_eq!(queue.pop_front().await, 1);
        drop(push);
        assert_eq!(queue.pop_front().await, 2);
        Ok(())
    });
}

/// Nobody adds past those who wait for room, also in the turn in which there is some.
#[test]
fn trying_does_not_overtake_those_who_wait() {
    run(|| async {
        let queue = filled(1, [1]);
        let mut waiting = queue.push_back(2);
        assert!(poll_once(&mut waiting).await.is_pending());
        assert_eq!(queue.pop_front().await, 1);
        assert_eq!(queue.try_push_back(3), Err(Full(3)));
        assert_eq!(queue.pop_front().await, 2);
        assert_eq!(queue.try_push_back(3), Ok(()));
        waiting.await;
        Ok(())
    });
}

/// Against R180: clearing a full queue makes room for those who wait to add.
#[test]
fn clearing_makes_room_for_those_who_wait() {
    run(|| async {
        let (queue, log) = (filled(2, [1, 2]), Log::default());
        let putters = [3, 4, 5].map(|item| putter(&queue, &log, item));
        turns(2).await;
        assert_eq!(queue.clear(), [1, 2]);
        assert_eq!(queue.len(), 2);
        turns(2).await;
        assert_eq!(log.text(), "3 4");
        assert_eq!(queue.clear(), [3, 4]);
        for putter in putters {
            putter.await?;
        }
        assert_eq!(queue.clear(), [5]);
        Ok(())
    });
}

/// Nothing happens before a future is polled: its place in the line is that of its first poll.
#[test]
fn a_wait_begins_with_its_first_poll() {
    run(|| async {
        let queue = filled(2, [1]);
        let unpolled = queue.pop_front();
        assert_eq!(queue.pop_front().await, 1);
        let mut first = queue.pop_front();
        assert!(poll_once(&mut first).await.is_pending());
        queue.push_back(2).await;
        queue.push_back(3).await;
        assert_eq!(first.await, 2);
        assert_eq!(unpolled.await, 3);
        Ok(())
    });
}

/// R60 and R178: getters that time out while items come lose none and double none, however close the two are.
#[test]
fn getters_that_time_out_while_items_come_lose_none() {
    run(|| async {
        const ITEMS: u32 = 200;
        let (queue, taken) = (AsyncQueue::bounded(3), Rc::new(RefCell::new(Vec::new())));
        let start = now();
        let producer = spawn({
            let queue = queue.clone();
            async move {
                for item in 0..ITEMS {
                    // The same moments at which the getters' time is over.
                    sleep_until(start + MS * (item / 2)).await;
                    queue.push_back(item).await;
                }
            }
        });
        let getters = [1, 2, 3].map(|pace| {
            let (queue, taken) = (queue.clone(), Rc::clone(&taken));
            spawn(async move {
                while taken.borrow().len() < ITEMS as usize {
                    if let Ok(item) = timeout(MS * pace, queue.pop_front()).await {
                        taken.borrow_mut().push(item);
                    }
                }
            })
        });
        producer.await?;
        for getter in getters {
            getter.await?;
        }
        let mut taken = taken.take();
        taken.sort_unstable();
        assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
        assert!(queue.is_empty());
        Ok(())
    });
}

/// Putters that time out while room is made: each value is in the queue, or its putter was told that it is not.
#[test]
fn putters_that_time_out_while_room_is_made_know_what_was_added() {
    run(|| async {
        let (queue, taken) = (AsyncQueue::bounded(1), Rc::new(RefCell::new(Vec::new())));
        let consumer = spawn({
            let (queue, taken) = (queue.clone(), Rc::clone(&taken));
            async move {
                loop {
                    sleep(2 * MS).await;
                    let item = queue.pop_front().await;
                    taken.borrow_mut().push(item);
                }
            }
        });
        let mut added = Vec::new();
        for item in 0..100 {
            if timeout(2 * MS, queue.push_back(item)).await.is_ok() {
                added.push(item);
            }
        }
        consumer.cancel().await.expect_err("it never ends by itself");
        taken.borrow_mut().extend(queue.clear());
        assert_eq!(taken.take(), added);
        Ok(())
    });
}

/// Tasks hand each other items in a turn each, however long they have done so.
#[test]
fn two_tasks_play_ping_pong() {
    run(|| async {
        let (there, back) = (AsyncQueue::bounded(1), AsyncQueue::bounded(1));
        let (ball, returned) = (there.clone(), back.clone());
        let partner = spawn(async move {
            loop {
                returned.push_back(ball.pop_front().await + 1).await;
            }
        });
        let mut hits = 0;
        while hits < 1000 {
            there.push_back(hits).await;
            hits = back.pop_front().await;
        }
        partner.cancel().await.expect_err("it never ends by itself");
        Ok(())
    });
}

/// Callbacks use a queue without waiting.
#[test]
fn callbacks_add_and_take() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let inner = Cell::new(Some(queue.clone()));
        let getter = spawn(queue.pop_front());
        turns(2).await;
        let add = move |_: &Handle| {
            let queue = inner.take().expect("called once");
            queue.try_push_back(7).expect("there is always room");
        };
        Handle::current().call_soon(calling(add));
        assert_eq!(getter.await?, 7);
        Ok(())
    });
}

/// Invariant 7: destructors of items may use the queue that they were in.
#[test]
fn destructors_of_items_may_use_the_queue() {
    struct Item(AsyncQueue<Item>, Log);
    impl Drop for Item {
        fn drop(&mut self) {
            self.1.add(self.0.len());
        }
    }
    run(|| async {
        let (queue, log) = (AsyncQueue::bounded(1), Log::default());
        let item = || Item(queue.clone(), log.clone());
        queue.push_back(item()).await;
        let mut given_up = queue.push_back(item());
        assert!(poll_once(&mut given_up).await.is_pending());
        drop(given_up);
        drop(queue.try_push_back(item()));
        drop(queue.clear());
        drop(queue.push_back(item()));
        assert_eq!(log.text(), "1 1 0 0");
        Ok(())
    });
}

/// A waker that uses the queue when it is woken or dropped, and tells what it got.
struct Meddler {
    queue: AsyncQueue<u32>,
    meddle: fn(&AsyncQueue<u32>) -> Option<u32>,
    tell: Sender<Option<u32>>,
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        drop(self);
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.tell.send((self.meddle)(&self.queue)).expect("the case listens");
    }
}

/// Polls `future` once with a [`Meddler`], whose doings come through the channel.
fn poll_meddling<F: Future + Unpin>(
    future: &mut F,
    queue: &AsyncQueue<u32>,
    meddle: fn(&AsyncQueue<u32>) -> Option<u32>,
) -> (Poll<F::Output>, Receiver<Option<u32>>) {
    let (tell, told) = channel();
    let waker = Arc::new(Meddler { queue: queue.clone(), meddle, tell }).into();
    (Pin::new(future).poll(&mut Context::from_waker(&waker)), told)
}

/// Invariant 7: wakers may use the queue, and find it whole: one that adds while room is given out overtakes no putter.
#[test]
fn a_waker_that_adds_overtakes_nobody() {
    run(|| async {
        let queue = filled(2, [1, 2]);
        let (mut first, mut second) = (queue.push_back(3), queue.push_back(4));
        let add = |queue: &AsyncQueue<u32>| queue.try_push_back(9).err().map(|Full(value)| value);
        let (polled, told) = poll_meddling(&mut first, &queue, add);
        assert!(polled.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        assert_eq!(queue.clear(), [1, 2]);
        assert_eq!(told.try_recv(), Ok(Some(9)), "the room was for the second putter");
        assert_eq!(queue.clear(), [3, 4]);
        Ok(())
    });
}

/// Invariant 7: one that takes while a value comes in overtakes no getter.
#[test]
fn a_waker_that_takes_overtakes_nobody() {
    run(|| async {
        let queue = AsyncQueue::bounded(1);
        let (mut first, mut second, mut putter) = (queue.pop_front(), queue.pop_front(), queue.push_back(2));
        assert!(poll_once(&mut first).await.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        queue.push_back(1).await;
        let (polled, told) = poll_meddling(&mut putter, &queue, AsyncQueue::try_pop_front);
        assert!(polled.is_pending());
        assert_eq!(first.await, 1);
        assert_eq!(told.try_recv(), Ok(None), "the item was for the second getter");
        assert_eq!(second.await, 2);
        Ok(())
    });
}

/// Invariant 7: a waker that makes room while its putter gives up has the next putter's value taken in.
#[test]
fn a_waker_that_goes_may_make_room() {
    run(|| async {
        let queue = filled(1, [1]);
        let (mut given_up, mut next) = (queue.push_back(2), queue.push_back(3));
        let (polled, told) = poll_meddling(&mut given_up, &queue, AsyncQueue::try_pop_front);
        assert!(polled.is_pending());
        assert!(poll_once(&mut next).await.is_pending());
        drop(given_up);
        assert_eq!(told.try_recv(), Ok(Some(1)));
        next.await;
        assert_eq!(queue.clear(), [3]);
        Ok(())
    });
}

/// The state of a queue goes with its last owner, and the items in it too.
#[test]
fn a_queue_that_nobody_has_is_gone() {
    run(|| async {
        let (log, before) = (Log::default(), Handle::current().pending());
        let queue = AsyncQueue::bounded(1);
        queue.push_back(LogsDrop(log.clone(), "item")).await;
        let mut waiting = queue.push_back(LogsDrop(log.clone(), "offered"));
        assert!(poll_once(&mut waiting).await.is_pending());
        drop(queue);
        assert_eq!(log.text(), "");
        drop(waiting);
        assert_eq!(log.text(), "offered item");
        assert_eq!(Handle::current().pending(), before);
        Ok(())
    });
}

/// A queue is dropped with the tasks that wait at it, at the end of the program too.
#[test]
fn tasks_that_wait_for_ever_end_with_the_program() {
    run_leaving(|| async {
        let (empty, full) = (AsyncQueue::<u32>::unbounded(), filled(1, [1]));
        spawn(empty.pop_front()).detach();
        spawn(full.push_back(2)).detach();
        let mut handed = empty.pop_back();
        assert!(poll_once(&mut handed).await.is_pending());
        yield_now().await;
        empty.push_back(1).await;
        Ok(())
    });
}
