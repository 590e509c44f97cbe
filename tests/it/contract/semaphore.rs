//! `AsyncSemaphore`: strict order, and no permit lost or doubled by whoever gives up.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Log, poll_once, turns, with_foreign_wakers};
use twinloop::sync::AcquirePermits;
use twinloop::{AsyncSemaphore, Elapsed, Handle, JoinError, Permit, panic_text, spawn, timeout, yield_now};

/// A future that waits for so many permits, seen waiting.
async fn queued(semaphore: &AsyncSemaphore, permits: usize) -> AcquirePermits {
    let mut acquire = semaphore.acquire_many(permits);
    assert!(poll_once(&mut acquire).await.is_pending(), "it had to wait");
    acquire
}

/// Whether the permits have come to this future.
async fn has_come(acquire: &mut AcquirePermits) -> Option<Permit> {
    match poll_once(acquire).await {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

/// R181: what is there is acquired at the first poll, without a turn, and comes back when the permit is dropped.
#[test]
fn permits_that_are_there_are_acquired_without_a_turn() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(3);
        let one = has_come(&mut semaphore.acquire()).await.expect("three are there");
        let two = has_come(&mut semaphore.acquire_many(2)).await.expect("two are there");
        assert_eq!(semaphore.available_permits(), 0);
        assert!(semaphore.try_acquire().is_none());
        drop(one);
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.try_acquire_many(2).is_none());
        drop(two);
        assert!(semaphore.try_acquire_many(3).is_some());
        assert_eq!(semaphore.available_permits(), 3);
        Ok(())
    });
}

/// No more tasks than permits are inside at any time, and all get in.
#[test]
fn no_more_are_inside_than_there_are_permits() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(3);
        let (inside, most): (Rc<Cell<usize>>, Rc<Cell<usize>>) = Default::default();
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let (semaphore, inside, most) = (semaphore.clone(), Rc::clone(&inside), Rc::clone(&most));
                spawn(async move {
                    let _permit = semaphore.acquire().await;
                    inside.set(inside.get() + 1);
                    most.set(most.get().max(inside.get()));
                    turns(number % 4).await;
                    inside.set(inside.get() - 1);
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!((most.get(), semaphore.available_permits()), (3, 3));
        Ok(())
    });
}

/// R181: permits go to those who wait in the order of waiting, in the turn after they came back.
#[test]
fn permits_are_given_in_the_order_of_waiting() {
    run(|| async {
        let (semaphore, log) = (AsyncSemaphore::new(2), Log::default());
        let both = semaphore.acquire_many(2).await;
        for name in ["a", "b", "c", "d"] {
            let (semaphore, log) = (semaphore.clone(), log.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await;
                log.add(name);
                yield_now().await;
            })
            .detach();
        }
        turns(2).await;
        drop(both);
        turns(1).await;
        assert_eq!(log.text(), "a b");
        turns(2).await;
        assert_eq!(log.text(), "a b c d");
        Ok(())
    });
}

/// A large request at the head of the queue is overtaken neither by small ones behind it nor by `try_acquire`.
#[test]
fn a_large_request_is_not_overtaken() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(3);
        let mut held = vec![semaphore.acquire().await, semaphore.acquire().await];
        let (mut large, mut small) = (queued(&semaphore, 3).await, queued(&semaphore, 1).await);
        for available in [1, 2] {
            assert_eq!(semaphore.available_permits(), available);
            assert!(semaphore.try_acquire().is_none());
            assert!(has_come(&mut small).await.is_none());
            held.pop();
        }
        let all = has_come(&mut large).await.expect("three came back");
        assert!(has_come(&mut small).await.is_none());
        drop(all);
        assert!(has_come(&mut small).await.is_some());
        Ok(())
    });
}

/// R179: permits that were granted belong to the one who waited, and nobody gets them before its turn.
#[test]
fn nobody_gets_in_between_a_grant_and_its_turn() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(1);
        let permit = semaphore.acquire().await;
        let mut waiting = queued(&semaphore, 1).await;
        drop(permit);
        assert_eq!(semaphore.available_permits(), 0);
        assert!(semaphore.try_acquire().is_none());
        let mut newcomer = queued(&semaphore, 1).await;
        assert!(has_come(&mut newcomer).await.is_none());
        assert!(has_come(&mut waiting).await.is_some());
        assert!(has_come(&mut newcomer).await.is_some());
        Ok(())
    });
}

/// R181: who gives up while waiting is skipped, wherever in the queue, and the rest keep their order.
#[test]
fn who_gives_up_is_skipped_and_the_rest_keep_their_order() {
    for leaving in 0..4 {
        run(move || async move {
            let semaphore = AsyncSemaphore::new(0);
            let mut waiting = Vec::new();
            for _ in 0..4 {
                waiting.push(queued(&semaphore, 1).await);
            }
            drop(waiting.remove(leaving));
            for next in 0..waiting.len() {
                semaphore.add_permits(1);
                for later in &mut waiting[next + 1..] {
                    assert!(has_come(later).await.is_none(), "it overtook an earlier one");
                }
                has_come(&mut waiting[next]).await.expect("it was the next").forget();
            }
            Ok(())
        });
    }
}

/// The large request at the head gives up: those behind, for whom there is enough, go on at once.
#[test]
fn those_behind_a_large_request_go_on_when_it_gives_up() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(2);
        let large = queued(&semaphore, 3).await;
        let inner = semaphore.clone();
        let small = spawn(async move { inner.acquire_many(2).await.forget() });
        turns(2).await;
        drop(large);
        turns(1).await;
        assert!(small.is_finished());
        assert_eq!(semaphore.available_permits(), 0);
        Ok(())
    });
}

/// R179: permits that were granted in vain go on to those who wait, and else back.
#[test]
fn permits_granted_in_vain_are_not_lost() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(3);
        let all = semaphore.acquire_many(3).await;
        let first = queued(&semaphore, 3).await;
        let (mut second, third) = (queued(&semaphore, 1).await, queued(&semaphore, 2).await);
        drop(all);
        drop(first);
        assert!(has_come(&mut second).await.is_some());
        drop(third);
        assert_eq!(semaphore.available_permits(), 3);
        Ok(())
    });
}

/// A task that is cancelled, or that panics, gives its permit back.
#[test]
fn a_task_that_ends_early_gives_its_permit_back() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(2);
        let inner = semaphore.clone();
        let cancelled = spawn(async move {
            let _permit = inner.acquire().await;
            std::future::pending::<()>().await;
        });
        let inner = semaphore.clone();
        let panicking = spawn(async move {
            let _permit = inner.acquire().await;
            yield_now().await;
            panic!("the case's own panic");
        });
        turns(1).await;
        assert_eq!(semaphore.available_permits(), 0);
        assert!(matches!(cancelled.cancel().await, Err(JoinError::Cancelled)));
        assert!(matches!(panicking.await, Err(JoinError::Panicked(_))));
        assert_eq!(semaphore.available_permits(), 2);
        Ok(())
    });
}

/// A wait that times out leaves the queue; what is behind it moves up.
#[test]
fn a_wait_that_times_out_leaves_the_queue() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(1);
        let limited = spawn(timeout(Duration::from_millis(2), semaphore.acquire_many(2)));
        turns(1).await;
        let behind = spawn(semaphore.acquire());
        assert!(matches!(limited.await?, Err(Elapsed)));
        drop(behind.await?);
        assert_eq!(semaphore.available_permits(), 1);
        Ok(())
    });
}

/// Permits may be added, for who waits first of all, and forgotten.
#[test]
fn permits_may_be_added_and_forgotten() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(0);
        let mut waiting = queued(&semaphore, 3).await;
        semaphore.add_permits(2);
        assert!(has_come(&mut waiting).await.is_none());
        semaphore.add_permits(2);
        let permit = has_come(&mut waiting).await.expect("four were added");
        assert_eq!(semaphore.available_permits(), 1);
        permit.forget();
        assert_eq!(semaphore.available_permits(), 1);
        Ok(())
    });
}

/// Nobody can make more permits than can be counted, held ones included; a refusal changes nothing.
#[test]
fn more_permits_than_can_be_counted_are_refused() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(usize::MAX - 1);
        let held = semaphore.acquire_many(usize::MAX - 1).await;
        semaphore.add_permits(1);
        let refused = catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(1)));
        let payload = refused.expect_err("one too many");
        assert!(panic_text(&*payload).contains("add only new ones"));
        drop(held);
        assert_eq!(semaphore.available_permits(), usize::MAX);
        semaphore.acquire_many(2).await.forget();
        semaphore.add_permits(2);
        assert_eq!(semaphore.available_permits(), usize::MAX, "what was forgotten counts no more");
        Ok(())
    });
}

/// To ask for no permits at all is to wait for one's turn.
#[test]
fn a_request_for_nothing_waits_for_its_turn_only() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(0);
        assert!(has_come(&mut semaphore.acquire_many(0)).await.is_some());
        let before = queued(&semaphore, 1).await;
        let mut nothing = queued(&semaphore, 0).await;
        assert!(semaphore.try_acquire_many(0).is_none());
        drop(before);
        assert!(has_come(&mut nothing).await.is_some());
        Ok(())
    });
}

/// A combinator that polls with wakers of its own gets permits as well as a task that awaits.
#[test]
fn permits_come_through_foreign_wakers() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(0);
        let task = spawn(with_foreign_wakers(semaphore.acquire_many(2)));
        turns(2).await;
        semaphore.add_permits(2);
        drop(task.await?);
        assert_eq!(semaphore.available_permits(), 2);
        Ok(())
    });
}

/// Nothing of a semaphore stays in the dispatcher when its owners, permits and futures are gone.
#[test]
fn a_semaphore_leaves_nothing_behind() {
    run(|| async {
        let semaphore = AsyncSemaphore::new(1);
        let permit = semaphore.acquire().await;
        let waiting = queued(&semaphore, 1).await;
        drop((semaphore, permit, waiting));
        let pending = Handle::current().pending();
        assert_eq!((pending.objects, pending.waits), (0, 0));
        Ok(())
    });
}
