//! What a waker may do when it is woken: it is anyone's code, and may drop those who wait for the same thing. The waker in
//! these cases belongs to all of them, and drops them all as soon as one is woken.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::run;
use super::support::settle;
use twinloop::sync::Refill;
use twinloop::{
    AsyncEvent, AsyncLock, AsyncQueue, AsyncSemaphore, Handle, TokenBucket, completion, now, sleep,
    sleep_until, spawn, yield_now,
};

const MS: Duration = Duration::from_millis(1);

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct DropsAll(Mutex<Vec<Waiting>>);

impl Wake for DropsAll {
    fn wake(self: Arc<Self>) {
        // The list is free again while they go: each may wake the next one.
        let all = mem::take(&mut *self.0.lock().expect("nothing panics with the list"));
        drop(all);
    }
}

impl DropsAll {
    fn is_done(&self) -> bool {
        self.0.lock().expect("nothing panics with the list").is_empty()
    }
}

/// Three of `wait`, all of which wait.
fn three_wait<F>(wait: impl Fn() -> F) -> Arc<DropsAll>
where
    F: Future<Output: Send> + Send + 'static,
{
    let all = Arc::new(DropsAll::default());
    let waker = Waker::from(Arc::clone(&all));
    let waiting = (0..3).map(|_| {
        let wait = wait();
        let mut waiting: Waiting = Box::pin(async move { drop(wait.await) });
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it has to wait");
        waiting
    });
    let waiting = waiting.collect();
    *all.0.lock().expect("nothing panics with the list") = waiting;
    all
}

/// Timers of one moment, of which the first that fires takes the others along.
#[test]
fn a_waker_may_drop_the_other_sleeps() {
    run(|| async {
        let (timers, moment) = (Handle::current().pending().timers, now() + MS);
        let all = three_wait(|| sleep_until(moment));
        settle().await;
        assert!(all.is_done());
        assert_eq!(Handle::current().pending().timers, timers);
        Ok(())
    });
}

/// R174, R179: whoever is handed the lock goes, and so do those to whom it is then passed on: the lock is free in the end.
/// So it is with permits and tokens.
#[test]
fn a_waker_may_drop_all_who_wait_in_a_line() {
    run(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.try_acquire();
        let all = three_wait(|| lock.acquire());
        drop(guard);
        assert!(all.is_done() && lock.try_acquire().is_some());

        let semaphore = AsyncSemaphore::new(5);
        let permit = semaphore.try_acquire_many(4);
        let all = three_wait(|| semaphore.acquire_many(2));
        drop(permit);
        assert!(all.is_done());
        assert_eq!(semaphore.available_permits(), 5);

        let bucket = TokenBucket::new(5, Refill::Manual);
        assert!(bucket.try_consume(5));
        let all = three_wait(|| bucket.consume(2));
        bucket.replenish(5);
        assert!(all.is_done());
        assert_eq!(bucket.available_tokens(), 5);
        Ok(())
    });
}

/// R178: the item that came for one of them is still there, when all of them have gone.
#[test]
fn a_waker_may_drop_all_getters() {
    run(|| async {
        let queue = AsyncQueue::unbounded();
        let all = three_wait(|| queue.pop_front());
        queue.try_push_back(7)?;
        assert!(all.is_done());
        assert_eq!(queue.try_pop_front(), Some(7));
        Ok(())
    });
}

/// What is told to all of them at once: a fire, a value, the end of a task.
#[test]
fn a_waker_may_drop_all_who_are_told_together() {
    run(|| async {
        let event = AsyncEvent::new();
        let all = three_wait(|| event.wait());
        event.fire();
        assert!(all.is_done() && event.is_set());

        let (completer, completion) = completion();
        let all = three_wait(|| completion.clone());
        assert_eq!(completer.complete(7), Ok(()));
        yield_now().await;
        assert!(all.is_done());
        assert_eq!(completion.await, Ok(7));

        let task = spawn(sleep(MS));
        let all = three_wait(|| task.join());
        task.await?;
        yield_now().await;
        assert!(all.is_done());
        Ok(())
    });
}
