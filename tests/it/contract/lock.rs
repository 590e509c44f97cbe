//! `AsyncLock`: who gets it, in which order, and what becomes of it when someone gives up, panics or goes elsewhere.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use super::support::{Log, LogsDrop, poll_once, turns, with_foreign_wakers};
use super::{run, run_leaving};
use twinloop::sync::Acquire;
use twinloop::{
    AsyncLock, Elapsed, Handle, JoinError, JoinHandle, LockGuard, sleep, spawn, timeout, yield_now,
};

/// A task that acquires the lock, adds its name to the value, and lets a turn pass before it releases.
fn visitor(lock: &AsyncLock<String>, name: char) -> JoinHandle<()> {
    let lock = lock.clone();
    spawn(async move {
        let mut visitors = lock.acquire().await;
        visitors.push(name);
        yield_now().await;
    })
}

/// A future that waits for the lock, seen waiting.
async fn queued<T>(lock: &AsyncLock<T>) -> Acquire<T> {
    let mut acquire = lock.acquire();
    assert!(poll_once(&mut acquire).await.is_pending(), "the lock was held");
    acquire
}

/// Whether the lock has come to this future.
async fn has_come<T>(acquire: &mut Acquire<T>) -> Option<LockGuard<T>> {
    match poll_once(acquire).await {
        Poll::Ready(guard) => Some(guard),
        Poll::Pending => None,
    }
}

/// R171, R172: a free lock is acquired at the first poll, without a turn, and is free again when the guard is dropped,
/// which is the only way to release it.
#[test]
fn a_free_lock_is_acquired_without_a_turn() {
    run(|| async {
        let lock = AsyncLock::new(7);
        for round in 0..3 {
            let mut guard = has_come(&mut lock.acquire()).await.expect("the lock is free");
            assert!(lock.is_locked());
            assert_eq!(*guard, 7 + round);
            *guard += 1;
            drop(guard);
            assert!(!lock.is_locked());
        }
        Ok(())
    });
}

/// `try_acquire` gives the lock if it is free, and never waits.
#[test]
fn try_acquire_gives_a_free_lock_and_no_other() {
    run(|| async {
        let lock = AsyncLock::new("value");
        let guard = lock.try_acquire().expect("the lock is free");
        assert!(lock.try_acquire().is_none());
        drop(guard);
        assert_eq!(*lock.try_acquire().expect("the lock is free again"), "value");
        Ok(())
    });
}

/// R171: who waits gets the lock in the order of waiting.
#[test]
fn the_lock_is_given_in_the_order_of_waiting() {
    run(|| async {
        let lock = AsyncLock::new(String::new());
        let guard = lock.acquire().await;
        let visitors: Vec<_> = ('a'..='e').map(|name| visitor(&lock, name)).collect();
        turns(3).await;
        drop(guard);
        for visitor in visitors {
            visitor.await?;
        }
        assert_eq!(*lock.acquire().await, "abcde");
        Ok(())
    });
}

/// R171: between a release and the next holder's turn the lock never looks free, and whoever comes then is the last.
#[test]
fn nobody_gets_in_between_a_release_and_the_next_turn() {
    run(|| async {
        let lock = AsyncLock::new(String::new());
        let guard = lock.acquire().await;
        let next = visitor(&lock, 'n');
        turns(2).await;
        drop(guard);
        assert!(lock.is_locked());
        assert!(lock.try_acquire().is_none());
        let mut newcomer = queued(&lock).await;
        turns(1).await;
        assert!(lock.is_locked() && lock.try_acquire().is_none(), "now the next one holds it");
        next.await?;
        assert_eq!(*has_come(&mut newcomer).await.expect("nobody else waits"), "n");
        Ok(())
    });
}

/// A lock that is released goes to the next holder in the very next turn.
#[test]
fn a_hand_over_takes_one_turn() {
    run(|| async {
        let (lock, log) = (AsyncLock::new(()), Log::default());
        let guard = lock.acquire().await;
        for name in ["a", "b", "c"] {
            let (lock, log) = (lock.clone(), log.clone());
            spawn(async move {
                let _guard = lock.acquire().await;
                log.add(name);
            })
            .detach();
        }
        turns(2).await;
        drop(guard);
        for so_far in ["a", "a b", "a b c"] {
            turns(1).await;
            assert_eq!(log.text(), so_far);
        }
        assert!(!lock.is_locked());
        Ok(())
    });
}

/// R173: who gives up while waiting is skipped, wherever in the queue, and the rest keep their order.
#[test]
fn who_gives_up_is_skipped_and_the_rest_keep_their_order() {
    for leaving in 0..5 {
        run(move || async move {
            let lock = AsyncLock::new(());
            let guard = lock.acquire().await;
            let mut waiting = Vec::new();
            for _ in 0..5 {
                waiting.push(queued(&lock).await);
            }
            drop(waiting.remove(leaving));
            let mut holder = guard;
            for next in 0..waiting.len() {
                drop(holder);
                for later in &mut waiting[next + 1..] {
                    assert!(has_come(later).await.is_none(), "it overtook an earlier one");
                }
                holder = has_come(&mut waiting[next]).await.expect("it was the next");
            }
            drop(holder);
            assert!(!lock.is_locked());
            Ok(())
        });
    }
}

/// R174 and R179: the lock was handed over, and its new owner gives up before its turn: the next one gets it.
#[test]
fn a_lock_that_was_handed_over_in_vain_goes_on_to_the_next() {
    run(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.acquire().await;
        let (first, mut second) = (queued(&lock).await, queued(&lock).await);
        drop(guard);
        assert!(has_come(&mut second).await.is_none());
        drop(first);
        assert!(lock.is_locked(), "it was handed on");
        assert_eq!(*has_come(&mut second).await.expect("the first has given up"), 7);
        assert!(!lock.is_locked());
        Ok(())
    });
}

/// R174 as twinloop has it: the last who was handed the lock gives up, and the lock is free: it does not leak.
#[test]
fn a_lock_that_was_handed_over_in_vain_to_the_last_is_free() {
    run(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.acquire().await;
        let only = queued(&lock).await;
        drop(guard);
        drop(only);
        assert_eq!(lock.try_acquire().as_deref(), Some(&7));
        Ok(())
    });
}

/// R53 and R174: a task is cancelled after the lock was handed to it: it goes on to its next await, and leaves the lock.
#[test]
fn a_task_cancelled_after_the_hand_over_leaves_the_lock() {
    run(|| async {
        let lock = AsyncLock::new(String::new());
        let guard = lock.acquire().await;
        let task = visitor(&lock, 'x');
        turns(2).await;
        drop(guard);
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(lock.try_acquire().as_deref().map(String::as_str), Some("x"));
        Ok(())
    });
}

/// A task that is cancelled while it holds the lock leaves it to the next.
#[test]
fn a_holder_that_is_cancelled_leaves_the_lock_to_the_next() {
    run(|| async {
        let lock = AsyncLock::new(());
        let inner = lock.clone();
        let holder = spawn(async move {
            let _guard = inner.acquire().await;
            sleep(Duration::from_secs(3600)).await;
        });
        turns(1).await;
        let mut next = queued(&lock).await;
        assert!(matches!(holder.cancel().await, Err(JoinError::Cancelled)));
        assert!(has_come(&mut next).await.is_some());
        Ok(())
    });
}

/// A wait that times out leaves the queue; what is behind it moves up.
#[test]
fn a_wait_that_times_out_leaves_the_queue() {
    run(|| async {
        let lock = AsyncLock::new(String::new());
        let guard = lock.acquire().await;
        let limited = spawn(timeout(Duration::from_millis(2), lock.acquire()));
        turns(1).await;
        let behind = visitor(&lock, 'b');
        assert!(matches!(limited.await?, Err(Elapsed)));
        drop(guard);
        behind.await?;
        assert_eq!(*lock.acquire().await, "b");
        Ok(())
    });
}

/// The value is one task's for as long as it holds the guard, across awaits: no update of a hundred tasks is lost.
#[test]
fn no_update_is_lost_among_many_tasks() {
    run(|| async {
        let lock = AsyncLock::new(0);
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let lock = lock.clone();
                spawn(async move {
                    for _ in 0..3 {
                        let mut counter = lock.acquire().await;
                        let seen = *counter;
                        turns(number % 3).await;
                        *counter = seen + 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!(*lock.acquire().await, 300);
        Ok(())
    });
}

/// A holder that panics releases the lock, and leaves the value as it was.
#[test]
fn a_holder_that_panics_releases_the_lock() {
    run(|| async {
        let lock = AsyncLock::new(1);
        let inner = lock.clone();
        let panicking = spawn(async move {
            let mut guard = inner.acquire().await;
            *guard = 2;
            yield_now().await;
            panic!("the case's own panic");
        });
        turns(1).await;
        let mut next = queued(&lock).await;
        assert!(matches!(panicking.await, Err(JoinError::Panicked(_))));
        assert_eq!(*has_come(&mut next).await.expect("the panic released it"), 2);
        Ok(())
    });
}

/// A guard may move to another task, which then is the holder.
#[test]
fn a_guard_may_move_to_another_task() {
    run(|| async {
        let lock = AsyncLock::new(1);
        let mut guard = lock.acquire().await;
        let mut next = queued(&lock).await;
        let other = spawn(async move {
            turns(2).await;
            *guard += 1;
        });
        turns(1).await;
        assert!(has_come(&mut next).await.is_none());
        other.await?;
        assert_eq!(*next.await, 2);
        Ok(())
    });
}

/// A clone is the same lock, and a guard keeps the lock when all of them are gone.
#[test]
fn a_guard_keeps_the_lock_without_its_owners() {
    run(|| async {
        let (lock, log) = (AsyncLock::new(LogsDrop(Log::default(), "")), Log::default());
        let same = lock.clone();
        let mut guard = lock.acquire().await;
        assert!(same.is_locked());
        *guard = LogsDrop(log.clone(), "value");
        let next = queued(&same).await;
        drop((lock, same));
        drop(guard);
        assert_eq!(log.text(), "");
        drop(next.await);
        assert_eq!(log.text(), "value");
        assert_eq!(Handle::current().pending().objects, 0);
        Ok(())
    });
}

/// A combinator that polls with wakers of its own gets the lock as well as a task that awaits.
#[test]
fn the_lock_comes_through_foreign_wakers() {
    run(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.acquire().await;
        let other = lock.clone();
        let task = spawn(with_foreign_wakers(async move { *other.acquire().await }));
        turns(2).await;
        drop(guard);
        assert_eq!(task.await?, 7);
        Ok(())
    });
}

/// To give up a waker is to run its destructor, which may release the lock to the very wait that gives it up: the poll that
/// is under way tells so.
#[test]
fn the_lock_may_come_in_the_middle_of_a_poll() {
    struct Holding(#[expect(dead_code, reason = "it is there to be dropped")] LockGuard<()>);
    impl Wake for Holding {
        fn wake(self: Arc<Self>) {}
    }
    run(|| async {
        let lock = AsyncLock::new(());
        let mut waiting = {
            let holding = Arc::new(Holding(lock.acquire().await)).into();
            let mut waiting = lock.acquire();
            assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&holding)).is_pending());
            waiting
        };
        assert!(lock.is_locked(), "the noted waker holds it");
        assert!(has_come(&mut waiting).await.is_some());
        Ok(())
    });
}

/// What is queued may move to another task before the lock comes; the one that polled last is woken.
#[test]
fn a_wait_may_move_to_another_task() {
    run(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.acquire().await;
        let waiting = queued(&lock).await;
        let elsewhere = spawn(async move { *waiting.await });
        turns(2).await;
        drop(guard);
        assert_eq!(elsewhere.await?, 7);
        Ok(())
    });
}

/// A wait begins at its first poll: a future that nobody polls stands in no queue.
#[test]
fn a_future_that_was_never_polled_waits_for_nothing() {
    run(|| async {
        let lock = AsyncLock::new(());
        let guard = lock.acquire().await;
        let (unpolled, mut polled) = (lock.acquire(), queued(&lock).await);
        assert_eq!(Handle::current().pending().waits, 1);
        drop(guard);
        assert!(has_come(&mut polled).await.is_some());
        drop(unpolled);
        assert!(!lock.is_locked());
        Ok(())
    });
}

/// A value's destructor may use locks, its own too: no borrow is alive while it runs.
#[test]
fn the_destructor_of_a_value_may_use_the_lock() {
    struct Value(Rc<RefCell<Option<AsyncLock<Value>>>>, Rc<Cell<usize>>);
    impl Drop for Value {
        fn drop(&mut self) {
            if let Some(lock) = &*self.0.borrow() {
                let found = usize::from(lock.is_locked()) + usize::from(lock.try_acquire().is_none());
                self.1.set(self.1.get() + found);
            }
        }
    }
    run(|| async {
        let (own, found) = (Rc::default(), Rc::default());
        let lock = AsyncLock::new(Value(Rc::clone(&own), Rc::clone(&found)));
        own.replace(Some(lock.clone()));
        let mut guard = lock.acquire().await;
        let waiting = queued(&lock).await;
        *guard = Value(Rc::clone(&own), Rc::clone(&found));
        assert_eq!(found.get(), 2, "the old value's destructor saw its own lock held");
        drop((guard, waiting));
        own.take();
        drop(lock);
        assert_eq!(Handle::current().pending().objects, 0);
        Ok(())
    });
}

/// A guard that goes to another thread takes the value with it, and the lock stays locked.
#[test]
fn a_guard_dropped_on_another_thread_leaves_the_lock_locked() {
    run_leaving(|| async {
        let lock = AsyncLock::new(7);
        let guard = lock.acquire().await;
        let value = std::thread::scope(|scope| {
            scope.spawn(move || *guard).join().expect("a guard drops in peace anywhere")
        });
        assert_eq!(value, 7);
        assert!(lock.is_locked() && lock.try_acquire().is_none());
        Ok(())
    });
}

/// Guards, futures and locks that outlive their dispatcher drop in peace, and the value is dropped with its guard.
#[test]
fn what_outlives_the_dispatcher_drops_in_peace() {
    let kept: Rc<RefCell<Vec<Box<dyn Any>>>> = Rc::default();
    let log = Log::default();
    run_leaving({
        let (kept, log) = (Rc::clone(&kept), log.clone());
        move || {
            let (kept, log) = (Rc::clone(&kept), log.clone());
            async move {
                let lock = AsyncLock::new(LogsDrop(log, "value"));
                let guard = lock.acquire().await;
                let waiting = queued(&lock).await;
                let things: [Box<dyn Any>; 3] = [Box::new(lock), Box::new(guard), Box::new(waiting)];
                kept.borrow_mut().extend(things);
                Ok(())
            }
        }
    });
    let guards = kept.borrow().len() / 3;
    assert_eq!(log.count("value"), 0);
    kept.take().clear();
    assert_eq!(log.count("value"), guards);
}

/// R171: tasks that want the lock again as soon as they have released it take turns; none gets it twice in a row.
#[test]
fn tasks_that_come_again_and_again_take_turns() {
    run(|| async {
        let lock = AsyncLock::new(String::new());
        let visitors: Vec<_> = ('a'..='c')
            .map(|name| {
                let lock = lock.clone();
                spawn(async move {
                    for _ in 0..4 {
                        let mut visits = lock.acquire().await;
                        visits.push(name);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for visitor in visitors {
            visitor.await?;
        }
        assert_eq!(*lock.acquire().await, "abcabcabcabc");
        Ok(())
    });
}
