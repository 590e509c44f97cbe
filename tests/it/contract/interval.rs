//! Intervals: ticks that are never early and do not drift, and what becomes of those that nobody came for.

use std::panic::catch_unwind;
use std::time::Duration;

use super::run;
use super::support::{Log, poll_once, turns};
use twinloop::{Handle, Interval, MissedTick, Moment, interval, interval_at, now, panic_text, sleep_until};

const MS: Duration = Duration::from_millis(1);
const PERIOD: Duration = Duration::from_millis(2);

/// R23, R28: ticks are due at whole periods from the start, however long the work between them takes, and none is early.
#[test]
fn ticks_do_not_drift() {
    run(|| async {
        let start = now() + MS;
        let mut ticks = interval_at(start, PERIOD);
        for number in 0..10 {
            let due = ticks.tick().await;
            assert_eq!(due, start + number * PERIOD);
            assert!(now() >= due);
            turns(number as usize).await;
        }
        Ok(())
    });
}

/// The first tick of `interval` comes after one period; that of `interval_at` at its start, which may be now.
#[test]
fn the_first_tick_comes_after_a_period_or_at_the_start() {
    run(|| async {
        let before = now();
        let mut ticks = interval(PERIOD);
        assert!(poll_once(&mut ticks.tick()).await.is_pending());
        assert!(ticks.tick().await >= before + PERIOD);
        let start = now();
        assert_eq!(interval_at(start, Duration::from_secs(3600)).tick().await, start);
        Ok(())
    });
}

/// An interval from a start that has passed, of which ten ticks were missed before the first look.
async fn ten_missed(policy: MissedTick) -> (Moment, Interval) {
    let start = now();
    let ticks = interval_at(start, PERIOD).missed_tick(policy);
    sleep_until(start + 10 * PERIOD).await;
    (start, ticks)
}

/// `Burst` makes up for every tick, as many as there were periods.
#[test]
fn a_burst_makes_up_for_every_missed_tick() {
    run(|| async {
        let (start, mut ticks) = ten_missed(MissedTick::Burst).await;
        for number in 0..=10 {
            assert_eq!(ticks.tick().await, start + number * PERIOD);
        }
        Ok(())
    });
}

/// What is made up for comes one a turn, so that a burst starves nobody.
#[test]
fn a_burst_leaves_others_their_turns() {
    run(|| async {
        let (_, mut ticks) = ten_missed(MissedTick::Burst).await;
        ticks.tick().await;
        let log = Log::default();
        Handle::current().call_soon(log.adding("another"));
        ticks.tick().await;
        assert_eq!(log.text(), "another");
        Ok(())
    });
}

/// `Skip` leaves out what was missed, and stays at whole periods from the start.
#[test]
fn a_skip_leaves_out_missed_ticks_and_keeps_the_beat() {
    run(|| async {
        let (start, mut ticks) = ten_missed(MissedTick::Skip).await;
        assert_eq!(ticks.tick().await, start);
        let came_at = now();
        let next = ticks.tick().await;
        assert!(next > came_at, "it was still to come");
        assert_eq!((next - start).as_nanos() % PERIOD.as_nanos(), 0);
        Ok(())
    });
}

/// `Delay` begins a new beat at the tick that was late.
#[test]
fn a_delay_begins_a_new_beat_after_a_late_tick() {
    run(|| async {
        let (start, mut ticks) = ten_missed(MissedTick::Delay).await;
        let came_at = now();
        assert_eq!(ticks.tick().await, start);
        let next = ticks.tick().await;
        assert!(next >= came_at + PERIOD);
        Ok(())
    });
}

/// A tick that is not awaited to its end is not lost.
#[test]
fn giving_up_a_tick_loses_none() {
    run(|| async {
        let start = now() + PERIOD;
        let mut ticks = interval_at(start, PERIOD);
        assert!(poll_once(&mut ticks.tick()).await.is_pending());
        sleep_until(start).await;
        drop(ticks.tick());
        assert_eq!(ticks.tick().await, start);
        assert_eq!(ticks.tick().await, start + PERIOD);
        Ok(())
    });
}

/// `reset` counts a whole period from the call.
#[test]
fn a_reset_begins_anew() {
    run(|| async {
        let mut ticks = interval_at(now(), PERIOD);
        ticks.tick().await;
        let before = now();
        ticks.reset();
        assert!(ticks.tick().await >= before + PERIOD);
        assert_eq!(ticks.period(), PERIOD);
        Ok(())
    });
}

/// An interval has one timer, however often it ticks, and takes it away with it.
#[test]
fn an_interval_has_one_timer_and_leaves_none() {
    run(|| async {
        let timers = || Handle::current().pending().timers;
        let before = timers();
        let mut ticks = interval(MS / 10);
        for _ in 0..5 {
            ticks.tick().await;
            assert_eq!(timers(), before + 1);
        }
        drop(ticks);
        assert_eq!(timers(), before);
        Ok(())
    });
}

/// A period of nothing would tick for ever at one moment: it is refused, with what to use instead.
#[test]
fn a_period_of_nothing_is_refused() {
    run(|| async {
        let refused = catch_unwind(|| drop(interval(Duration::ZERO)));
        assert!(panic_text(&*refused.expect_err("it is refused")).contains("use yield_now()"));
        Ok(())
    });
}

/// A period that is longer than the clock can count is one that never ends.
#[test]
fn a_huge_period_is_one_that_never_ends() {
    run(|| async {
        let mut ticks = interval_at(now(), Duration::MAX);
        ticks.tick().await;
        assert!(poll_once(&mut ticks.tick()).await.is_pending());
        Ok(())
    });
}
