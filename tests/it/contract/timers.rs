//! Timers and sleeps. Nothing here measures how late they are: a driver may be late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::run;
use super::support::{Log, calling, poll_once, turns, until};
use twinloop::{Handle, Moment, TimerId, now, sleep, sleep_until, spawn, yield_now};

const MS: Duration = Duration::from_millis(1);

/// R23: no sleep ends before its time, whatever else is due.
#[test]
fn a_sleep_never_ends_early() {
    run(|| async {
        let mut sleepers = Vec::new();
        for length in [100 * MS / 1000, MS, 5 * MS, 20 * MS] {
            sleepers.extend((0..10).map(|_| {
                spawn(async move {
                    let start = now();
                    sleep(length).await;
                    (now() - start, length)
                })
            }));
        }
        for sleeper in sleepers {
            let (slept, length) = sleeper.await?;
            assert!(slept >= length, "slept {slept:?} of {length:?}");
        }
        Ok(())
    });
}

/// R26: timers fire in the order of their deadlines, whatever the order of adding.
#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    run(|| async {
        let (fired, handle) = (Rc::new(RefCell::new(Vec::new())), Handle::current());
        let start = handle.now();
        for number in 0..40u32 {
            // 40 and 7 have no common divisor: each deadline once, far from sorted.
            let rank = number * 7 % 40;
            let fired = Rc::clone(&fired);
            let deadline = start + rank * MS / 4;
            let _timer = handle.add_timer(deadline, calling(move |_| fired.borrow_mut().push(rank)));
        }
        until(|| fired.borrow().len() == 40).await;
        assert_eq!(*fired.borrow(), (0..40).collect::<Vec<_>>());
        Ok(())
    });
}

/// R27: equal deadlines fire in the order of adding.
#[test]
fn equal_deadlines_fire_in_the_order_of_adding() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let deadline = handle.now() + 2 * MS;
        for letter in 'a'..='z' {
            let _timer = handle.add_timer(deadline, log.adding(letter));
        }
        sleep_until(deadline).await;
        assert_eq!(log.text().replace(' ', ""), "abcdefghijklmnopqrstuvwxyz");
        Ok(())
    });
}

/// R23, R28: a timer fires at its deadline or later, and once.
#[test]
fn a_timer_fires_once_and_not_early() {
    run(|| async {
        let (fired, handle) = (Rc::new(RefCell::new(Vec::new())), Handle::current());
        let deadline = handle.now() + 3 * MS;
        let inner = Rc::clone(&fired);
        let timer = handle.add_timer(deadline, calling(move |handle| inner.borrow_mut().push(handle.now())));
        sleep_until(deadline + 30 * MS).await;
        assert_eq!(fired.borrow().len(), 1);
        assert!(fired.borrow()[0] >= deadline);
        assert!(!handle.remove_timer(timer), "a timer that has fired is gone");
        Ok(())
    });
}

/// R29: a removed timer never fires; removing it again changes nothing.
#[test]
fn a_removed_timer_never_fires() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let deadline = handle.now() + 2 * MS;
        let removed = handle.add_timer(deadline, log.adding("removed"));
        let _kept = handle.add_timer(deadline, log.adding("kept"));
        assert!(handle.remove_timer(removed));
        assert!(!handle.remove_timer(removed));
        sleep_until(deadline + MS).await;
        assert_eq!(log.text(), "kept");
        Ok(())
    });
}

/// R30: also a timer that is due already is recalled, when an earlier callback of the same batch removes it.
#[test]
fn a_timer_removed_by_an_earlier_callback_of_its_batch_is_recalled() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let deadline = handle.now() + 2 * MS;
        let second: Rc<Cell<Option<TimerId>>> = Rc::default();
        let (inner_log, inner_second) = (log.clone(), Rc::clone(&second));
        let _first = handle.add_timer(
            deadline,
            calling(move |handle| {
                let second = inner_second.get().expect("the second timer was added");
                inner_log.add(handle.remove_timer(second));
            }),
        );
        second.set(Some(handle.add_timer(deadline, log.adding("second"))));
        let _third = handle.add_timer(deadline, log.adding("third"));
        sleep_until(deadline + MS).await;
        assert_eq!(log.text(), "true third");
        Ok(())
    });
}

/// R32 as twinloop has it: a timer is removed by its id; of two that are alike in everything, the other one stays.
#[test]
fn of_two_timers_that_are_alike_only_the_removed_one_goes() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let (deadline, callback) = (handle.now() + 2 * MS, log.adding("fired"));
        let timers = [(); 3].map(|()| handle.add_timer(deadline, callback));
        assert!(handle.remove_timer(timers[1]));
        assert!(!handle.remove_timer(timers[1]));
        sleep_until(deadline + MS).await;
        assert_eq!(log.text(), "fired fired");
        Ok(())
    });
}

/// Against R33: a timer that is removed is gone at once, and not when its deadline comes.
#[test]
fn removed_timers_take_no_place() {
    run(|| async {
        let handle = Handle::current();
        let _live = sleep(3600 * MS);
        let before = handle.pending().timers;
        for _ in 0..20_000 {
            let mut nap = sleep(Duration::from_secs(3600));
            assert!(poll_once(&mut nap).await.is_pending());
        }
        assert_eq!(handle.pending().timers, before);
        Ok(())
    });
}

/// R31, section 5 `clear_self_and_twice`: removing the own timer inside of its callback does no harm.
#[test]
fn a_timer_may_remove_itself_in_its_callback() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let own: Rc<Cell<Option<TimerId>>> = Rc::default();
        let (inner_log, inner_own) = (log.clone(), Rc::clone(&own));
        let timer = handle.add_timer(
            handle.now(),
            calling(move |handle| {
                let own = inner_own.get().expect("the timer was added");
                inner_log.add(handle.remove_timer(own));
            }),
        );
        own.set(Some(timer));
        until(|| !log.text().is_empty()).await;
        assert_eq!(log.text(), "false");
        assert!(!handle.remove_timer(timer), "nor does it later on");
        Ok(())
    });
}

/// R34: a timer that a timer's callback adds for now fires in a later turn.
#[test]
fn a_timer_added_in_a_timer_callback_for_now_waits_for_a_later_turn() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        let deadline = handle.now() + MS;
        let (inner_log, added) = (log.clone(), log.adding("added"));
        let _first = handle.add_timer(
            deadline,
            calling(move |handle| {
                inner_log.add("first");
                let _added = handle.add_timer(handle.now(), added);
            }),
        );
        let _second = handle.add_timer(deadline, log.adding("second"));
        until(|| log.count("added") == 1).await;
        assert_eq!(log.text(), "first second added");
        Ok(())
    });
}

/// R25: a sleep of nothing still lets everything else run.
#[test]
fn sleeps_of_zero_interleave_tasks() {
    run(|| async {
        let log = Log::default();
        let tasks: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|name| {
                let log = log.clone();
                spawn(async move {
                    for step in 1..=3 {
                        log.add(format!("{name}{step}"));
                        sleep(Duration::ZERO).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!(log.text(), "a1 b1 a2 b2 a3 b3");
        Ok(())
    });
}

/// R35: durations beyond what a selector can wait, or a clock can count, neither fire nor stand in the way.
#[test]
fn huge_sleeps_do_not_disturb_short_ones() {
    run(|| async {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let mut huge = [sleep(26 * DAY), sleep(50 * DAY), sleep(400 * 365 * DAY), sleep(Duration::MAX)];
        assert_eq!(huge[3].deadline(), Moment::FAR_FUTURE);
        for huge in &mut huge {
            assert!(poll_once(huge).await.is_pending());
        }
        sleep(2 * MS).await;
        for huge in &mut huge {
            assert!(poll_once(huge).await.is_pending(), "{huge:?} ended");
        }
        Ok(())
    });
}

/// A sleep's time runs from the call, awaited or not.
#[test]
fn a_sleep_counts_from_its_call() {
    run(|| async {
        let start = now();
        let mut first = sleep(2 * MS);
        // Not earlier than from the batch's time, which the call may be later than.
        assert!(first.deadline() >= start + 2 * MS);
        sleep_until(first.deadline()).await;
        // Added first, with the same deadline: it is over when the second is.
        assert_eq!(poll_once(&mut first).await, Poll::Ready(()));
        Ok(())
    });
}

/// A dropped sleep wakes nobody, and the ones beside it go on.
#[test]
fn a_dropped_sleep_leaves_the_others_alone() {
    run(|| async {
        let deadline = now() + 2 * MS;
        let mut sleeps: Vec<_> = (0..9).map(|_| sleep_until(deadline)).collect();
        for sleep in &mut sleeps {
            assert!(poll_once(sleep).await.is_pending());
        }
        for at in [8, 4, 0] {
            drop(sleeps.remove(at));
        }
        for sleep in sleeps {
            sleep.await;
        }
        assert!(now() >= deadline);
        Ok(())
    });
}

/// Section 1, "the order of a turn": the loop's time stands still within a batch.
#[test]
fn the_loops_time_is_the_same_for_a_whole_batch() {
    run(|| async {
        let (seen, handle) = (Rc::new(RefCell::new(Vec::new())), Handle::current());
        for _ in 0..5 {
            let seen = Rc::clone(&seen);
            handle.call_soon(calling(move |handle| seen.borrow_mut().push(handle.now())));
        }
        yield_now().await;
        let seen = seen.borrow();
        assert_eq!(seen.len(), 5);
        assert!(seen.iter().all(|moment| *moment == seen[0]), "{seen:?}");
        Ok(())
    });
}

/// R23: a deadline in the past is due in the next turn that looks, and not before.
#[test]
fn a_deadline_in_the_past_is_due_soon_and_never_inline() {
    run(|| async {
        let (log, handle) = (Log::default(), Handle::current());
        sleep(2 * MS).await;
        let _timer = handle.add_timer(Moment::ORIGIN, log.adding("past"));
        assert_eq!(log.text(), "");
        let mut waited = 0;
        while log.text().is_empty() {
            turns(1).await;
            waited += 1;
            assert!(waited < 100_000, "a timer that is due is not starved by turns");
        }
        Ok(())
    });
}

/// A sleep that has ended stays ended: who asks again waits for nothing.
#[test]
fn a_sleep_that_has_ended_stays_ready() {
    run(|| async {
        let mut nap = sleep(MS);
        (&mut nap).await;
        for _ in 0..3 {
            assert!(poll_once(&mut nap).await.is_ready());
        }
        Ok(())
    });
}
