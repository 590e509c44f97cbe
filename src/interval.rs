//! Ticks at a fixed period, which do not drift: the next one is counted from when the last one was due, and not from when
//! somebody came for it. Every interval is one entry among the dispatcher's timers at a time.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::sleep::Sleep;
use crate::{Handle, Moment};

/// Ticks once a `period`, the first time one period from now, and not at once.
///
/// A loop over [`sleep`](crate::sleep()) drifts, since each round adds the time that its own work takes (R28); an interval
/// does not.
///
/// # Panics
///
/// If `period` is zero; outside of a dispatcher's scope.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::{interval, now, sleep};
///
/// let start = now();
/// let mut heartbeat = interval(Duration::from_secs(10));
/// for beat in 1..=3 {
///     heartbeat.tick().await;
///     sleep(Duration::from_secs(4)).await;
///     assert_eq!(now() - start, Duration::from_secs(10 * beat + 4));
/// }
/// # Ok(()) });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    let handle = Handle::current();
    Interval::new(handle, handle.core().clock() + period, period, Location::caller())
}

/// As [`interval`], with the first tick at `start`. [`now`](crate::now) is a start too: the first tick then comes at once.
#[track_caller]
pub fn interval_at(start: Moment, period: Duration) -> Interval {
    Interval::new(Handle::current(), start, period, Location::caller())
}

/// Ticks of a fixed period, from [`interval`] or [`interval_at`]. Dropping it removes its timer.
#[derive(Debug)]
pub struct Interval {
    handle: Handle,
    /// Until the next tick is due.
    next: Sleep,
    period: Duration,
    policy: MissedTick,
    place: &'static Location<'static>,
}

/// What becomes of ticks that were missed: of which the following one was due already when somebody came for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTick {
    /// They are made up for, one a turn, until the interval has caught up: as many ticks as periods. The default.
    #[default]
    Burst,
    /// The next one comes a whole period after the one that was late, and so do those that follow.
    Delay,
    /// They are left out: the next one comes when the first of those that are still to come is due.
    Skip,
}

impl Interval {
    fn new(handle: Handle, start: Moment, period: Duration, place: &'static Location<'static>) -> Interval {
        assert!(
            !period.is_zero(),
            "an interval needs a period above zero: to go on each turn, use yield_now()"
        );
        Interval {
            handle,
            next: Sleep::new(handle, start, place),
            period,
            policy: MissedTick::default(),
            place,
        }
    }

    /// Says what becomes of missed ticks.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::{MissedTick, interval, sleep};
    ///
    /// let mut sampling = interval(Duration::from_secs(10)).missed_tick(MissedTick::Skip);
    /// let start = twinloop::now();
    /// sleep(Duration::from_secs(35)).await;
    /// assert_eq!(sampling.tick().await, start + Duration::from_secs(10));
    /// assert_eq!(sampling.tick().await, start + Duration::from_secs(40));
    /// # Ok(()) });
    /// ```
    pub fn missed_tick(self, policy: MissedTick) -> Interval {
        Interval { policy, ..self }
    }

    /// Waits for the next tick and gives the moment at which it was due. Dropping the future loses no tick.
    pub fn tick(&mut self) -> Tick<'_> {
        Tick { interval: self }
    }

    /// The time from one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Begins anew: the next tick comes one period from now.
    ///
    /// ```
    /// # twinloop_sim::run(async {
    /// use std::time::Duration;
    /// use twinloop::{interval, now, sleep};
    ///
    /// let mut idle_check = interval(Duration::from_secs(10));
    /// sleep(Duration::from_secs(9)).await;
    /// idle_check.reset();
    /// let start = now();
    /// assert_eq!(idle_check.tick().await, start + Duration::from_secs(10));
    /// # Ok(()) });
    /// ```
    pub fn reset(&mut self) {
        self.arm(self.handle.core().clock() + self.period);
    }

    fn arm(&mut self, deadline: Moment) {
        self.next = Sleep::new(self.handle, deadline, self.place);
    }

    /// When the tick is due that follows the one of `due`, which somebody came for at `now`.
    fn following(&self, due: Moment, now: Moment) -> Moment {
        let next = due + self.period;
        let is_missed = next <= now;
        match self.policy {
            MissedTick::Delay if is_missed => now + self.period,
            MissedTick::Skip if is_missed => {
                let into_period_ns = (now - due).as_nanos() % self.period.as_nanos();
                let into_period_ns = u64::try_from(into_period_ns).expect("moments are less than 2⁶⁴ apart");
                now + (self.period - Duration::from_nanos(into_period_ns))
            }
            MissedTick::Burst | MissedTick::Delay | MissedTick::Skip => next,
        }
    }
}

/// The future of [`Interval::tick`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Moment;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Moment> {
        let interval = &mut *self.interval;
        if Pin::new(&mut interval.next).poll(context).is_pending() {
            return Poll::Pending;
        }
        let due = interval.next.deadline();
        interval.arm(interval.following(due, interval.handle.core().clock()));
        Poll::Ready(due)
    }
}
