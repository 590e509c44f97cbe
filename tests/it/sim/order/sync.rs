//! Hand-overs: locks, queues, events, semaphores, completions, and messages between threads.

use twinloop::{
    AsyncCallback, AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, Handle, JoinHandle, completion, spawn,
    spawn_thread, yield_now,
};

use super::{order, say, saying};

/// R171: a lock goes from holder to holder in the order of waiting, a turn each, and is never free in between.
#[test]
fn a_lock_is_handed_over() {
    insta::assert_snapshot!(order(|| async {
        let lock = AsyncLock::new(());
        let held = lock.acquire().await;
        let first = spawn(holds("first", lock.clone()));
        let second = spawn(holds("second", lock.clone()));
        yield_now().await;
        drop(held);
        say(format!("released, and free for others: {}", lock.try_acquire().is_some()));
        first.await?;
        second.await?;
        say(format!("free: {}", lock.try_acquire().is_some()));
        Ok(())
    }));
}

async fn holds(name: &'static str, lock: AsyncLock<()>) {
    let _held = lock.acquire().await;
    say(format!("{name} holds it"));
    yield_now().await;
    say(format!("{name} releases it"));
}

/// R173: one of those who wait gives up; the others keep their order, also who begins to wait last.
#[test]
fn a_lock_passes_over_who_gave_up() {
    insta::assert_snapshot!(order(|| async {
        let lock = AsyncLock::new(());
        let held = lock.acquire().await;
        let first = spawn(holds("first", lock.clone()));
        let second = spawn(holds("second", lock.clone()));
        let third = spawn(holds("third", lock.clone()));
        let last = lock.acquire();
        yield_now().await;
        say("second gives up");
        let second = second.cancel();
        drop(held);
        first.await?;
        third.await?;
        say(format!("second: {:?}", second.await));
        let held = last.await;
        say("the last holds it");
        drop(held);
        Ok(())
    }));
}

/// R177, R179: items go to those who wait, each to one, in the order of waiting; nobody gets in between.
#[test]
fn items_are_handed_to_those_who_wait() {
    insta::assert_snapshot!(order(|| async {
        let queue = AsyncQueue::unbounded();
        let first = spawn(takes("first", queue.clone()));
        let second = spawn(takes("second", queue.clone()));
        yield_now().await;
        queue.push_back(1).await;
        queue.push_back(2).await;
        say(format!("added two, left for others: {:?}", queue.try_pop_front()));
        first.await?;
        second.await?;
        Ok(())
    }));
}

async fn takes(name: &'static str, queue: AsyncQueue<u32>) {
    let item = queue.pop_front().await;
    say(format!("{name} takes {item}"));
}

/// Back-pressure: who adds to a full queue goes on as room is made, an item each, in the order of waiting.
#[test]
fn a_full_queue_lets_its_putters_go_on() {
    insta::assert_snapshot!(order(|| async {
        let queue = AsyncQueue::bounded(1);
        queue.push_back(0).await;
        let first = spawn(adds("first", 1, queue.clone()));
        let second = spawn(adds("second", 2, queue.clone()));
        yield_now().await;
        for _ in 0..3 {
            say(format!("takes {}", queue.pop_front().await));
            yield_now().await;
        }
        first.await?;
        second.await?;
        Ok(())
    }));
}

async fn adds(name: &'static str, item: u32, queue: AsyncQueue<u32>) {
    queue.push_back(item).await;
    say(format!("{name} has added {item}"));
}

/// A ball between two tasks, through two queues: a turn for each way.
#[test]
fn two_tasks_play_through_two_queues() {
    insta::assert_snapshot!(order(|| async {
        let (there, back) = (AsyncQueue::bounded(1), AsyncQueue::bounded(1));
        let (ball, returned) = (there.clone(), back.clone());
        let partner: JoinHandle<()> = spawn(async move {
            loop {
                returned.push_back(ball.pop_front().await + 1).await;
            }
        });
        let mut hits = 0;
        while hits < 3 {
            there.push_back(hits).await;
            hits = back.pop_front().await;
            say(format!("hit {hits} times"));
        }
        partner.cancel().await.expect_err("it never ends by itself");
        Ok(())
    }));
}

/// R175: all who wait when an event is fired go on in one turn, although it is cleared at once.
#[test]
fn an_event_wakes_all_who_wait() {
    insta::assert_snapshot!(order(|| async {
        let event = AsyncEvent::new();
        let first = spawn(waits("first", event.clone()));
        let second = spawn(waits("second", event.clone()));
        yield_now().await;
        event.fire();
        event.clear();
        let late = spawn(waits("late", event.clone()));
        first.await?;
        second.await?;
        say(format!("set: {}", event.is_set()));
        event.fire();
        late.await?;
        Ok(())
    }));
}

async fn waits(name: &'static str, event: AsyncEvent) {
    event.wait().await;
    say(format!("{name} goes on"));
}

/// R181: a large request at the head is not overtaken by a small one behind it.
#[test]
fn a_semaphore_serves_in_order() {
    insta::assert_snapshot!(order(|| async {
        let semaphore = AsyncSemaphore::new(2);
        let one = semaphore.acquire().await;
        let two = semaphore.acquire().await;
        let large = spawn(uses("large", 2, semaphore.clone()));
        let small = spawn(uses("small", 1, semaphore.clone()));
        yield_now().await;
        drop(one);
        yield_now().await;
        say("one permit is back");
        drop(two);
        large.await?;
        small.await?;
        Ok(())
    }));
}

async fn uses(name: &'static str, permits: usize, semaphore: AsyncSemaphore) {
    let _held = semaphore.acquire_many(permits).await;
    say(format!("{name} has {permits}"));
    yield_now().await;
    say(format!("{name} is done"));
}

/// R39, R46: callbacks and tasks that wait for one completion go in one order, that of their coming, and never inline.
#[test]
fn callbacks_and_tasks_of_a_completion() {
    insta::assert_snapshot!(order(|| async {
        let (completer, completion) = completion();
        completion.add_callback(saying("callback, added first"));
        let task = spawn({
            let completion = completion.clone();
            async move { say(format!("task: {:?}", completion.await)) }
        });
        yield_now().await;
        completion.add_callback(saying("callback, added last"));
        completer.complete(7).expect("somebody waits");
        say("completed");
        completion.add_callback(saying("callback, added when it was over"));
        task.await?;
        Ok(())
    }));
}

/// R42: a callback that is removed by one before it in the same batch runs all the same: it was queued.
#[test]
fn a_callback_removed_when_it_is_queued() {
    insta::assert_snapshot!(order(|| async {
        let (completer, completion) = completion::<()>();
        let (first, second) = (saying("first"), saying("second"));
        completion.add_callback(first);
        completion.add_callback(second);
        say(format!("first was removed {} times", completion.remove_callback(first)));
        completer.complete(()).expect("somebody waits");
        say(format!("second was removed {} times", completion.remove_callback(second)));
        yield_now().await;
        Ok(())
    }));
}

/// A chain of completions: each task completes the next, a turn for each.
#[test]
fn a_chain_of_completions() {
    insta::assert_snapshot!(order(|| async {
        let (first, awaited) = completion();
        let (second, last) = completion();
        let (third, end) = completion();
        let one = spawn(async move { second.complete(awaited.await.map_or(0, |number| number + 1)) });
        let two = spawn(async move { third.complete(last.await.map_or(0, |number| number + 1)) });
        yield_now().await;
        say("completes the first");
        first.complete(1).expect("a task waits");
        say(format!("the end: {:?}", end.await));
        one.await?.expect("a task waits");
        two.await?.expect("a task waits");
        Ok(())
    }));
}

/// A cancel goes down a chain of completions: each producer is dropped, and cancels what it was to give.
#[test]
fn a_cancel_goes_down_a_chain_of_completions() {
    insta::assert_snapshot!(order(|| async {
        let (first, awaited) = completion::<u32>();
        let (second, last) = completion::<u32>();
        let passes_on = spawn(async move {
            let number = awaited.await?;
            second.complete(number).expect("somebody waits");
            Ok::<(), twinloop::Cancelled>(())
        });
        yield_now().await;
        say("drops the first producer");
        drop(first);
        say(format!("the end: {:?}", last.await));
        say(format!("the task: {:?}", passes_on.await?));
        Ok(())
    }));
}

/// A thread and its starter: what one sends the other, and the end.
#[test]
fn messages_between_two_threads() {
    insta::assert_snapshot!(order(|| async {
        let home = Handle::current().remote();
        let thread = spawn_thread("worker", move || async move {
            say("works");
            home.call_soon(AsyncCallback::new(|_, word| say(format!("message {word}")), 1))
                .expect("it is open");
            let answer = home.spawn(|| async { 6 * 7 }).await;
            say(format!("was answered {answer:?}"));
        })?;
        say("started");
        thread.await?;
        say("joined");
        Ok(())
    }));
}
