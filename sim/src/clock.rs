//! The clocks of one host: what they show at a time of the world, and when they will show something. They draw no chance.

use std::time::{Duration, SystemTime};

use twinloop::Moment;

/// The date at which every world begins: 2025-01-01, 00:00 UTC, in nanoseconds since 1970.
const BEGINNING_NS: u64 = 1_735_689_600_000_000_000;
/// The grain of [`SystemTime`] on the system where it is coarsest (Windows): a date is the same on every machine.
const WALL_GRAIN_NS: u64 = 100;
/// Parts in a million.
const MILLION: i64 = 1_000_000;

/// The monotonic clock and the one on the wall. Each goes its own way.
pub(crate) struct HostClock {
    /// The monotonic clock has never gone wrong, nor stood still: it shows the time of the world. Every step of a world
    /// asks the clocks of all hosts, and most of them never go wrong.
    is_right: bool,
    monotonic: Hand,
    wall: Hand,
}

/// A clock as a straight line: at `since` it showed `shown`, and from then on it gains on the world's time.
struct Hand {
    since: u64,
    shown: u64,
    gain_ppm: i64,
    /// Set while it stands still.
    stopped: bool,
}

/// How a host's clocks go wrong from its start on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockErrors {
    /// How far the wall clock is ahead, in nanoseconds.
    pub(crate) wall_ahead_ns: i64,
    pub(crate) wall_gain_ppm: i64,
    pub(crate) monotonic_gain_ppm: i64,
}

impl HostClock {
    /// Both are right.
    pub(crate) fn new() -> HostClock {
        HostClock { is_right: true, monotonic: Hand::right(0), wall: Hand::right(BEGINNING_NS) }
    }

    /// From now on the clocks go wrong so. The wall clock is set anew; the monotonic one never goes back, and keeps what it
    /// has gained or lost before.
    pub(crate) fn set(&mut self, now: Moment, errors: ClockErrors) {
        self.is_right &= errors.monotonic_gain_ppm == 0;
        self.monotonic.go_from(now, self.monotonic.read(now), errors.monotonic_gain_ppm);
        let right = Hand::right(BEGINNING_NS).read(now);
        self.wall.go_from(now, right.saturating_add_signed(errors.wall_ahead_ns), errors.wall_gain_ppm);
    }

    pub(crate) fn monotonic(&self, now: Moment) -> Moment {
        if self.is_right { now } else { Moment::from_nanos(self.monotonic.read(now)) }
    }

    /// When, in the world's time, the monotonic clock shows `deadline`. In the past, that is any time before now.
    pub(crate) fn when(&self, deadline: Moment) -> Moment {
        if self.is_right { deadline } else { self.monotonic.when(deadline.as_nanos()) }
    }

    pub(crate) fn wall(&self, now: Moment) -> SystemTime {
        let shown = self.wall.read(now);
        SystemTime::UNIX_EPOCH + Duration::from_nanos(shown - shown % WALL_GRAIN_NS)
    }

    /// Somebody sets the wall clock, forward or back.
    pub(crate) fn jump_wall(&mut self, now: Moment, by_ns: i64) {
        let shown = self.wall.read(now).saturating_add_signed(by_ns);
        self.wall.go_from(now, shown, self.wall.gain_ppm);
    }

    /// The machine is suspended. As on Linux, `CLOCK_MONOTONIC` does not count meanwhile, and the wall clock does.
    pub(crate) fn suspend(&mut self, now: Moment) {
        self.is_right = false;
        self.monotonic.go_from(now, self.monotonic.read(now), self.monotonic.gain_ppm);
        self.monotonic.stopped = true;
    }

    pub(crate) fn resume(&mut self, now: Moment) {
        self.monotonic.since = now.as_nanos();
        self.monotonic.stopped = false;
    }
}

impl Hand {
    fn right(shown: u64) -> Hand {
        Hand { since: 0, shown, gain_ppm: 0, stopped: false }
    }

    fn go_from(&mut self, since: Moment, shown: u64, gain_ppm: i64) {
        assert!(gain_ppm > -MILLION, "a clock goes forward");
        (self.since, self.shown, self.gain_ppm) = (since.as_nanos(), shown, gain_ppm);
    }

    fn read(&self, now: Moment) -> u64 {
        if self.stopped {
            return self.shown;
        }
        let passed = now.as_nanos().saturating_sub(self.since);
        self.shown.saturating_add(if self.gain_ppm == 0 { passed } else { self.gained(passed) })
    }

    /// The first time at which it shows `wanted` or more.
    fn when(&self, wanted: u64) -> Moment {
        let left = wanted.saturating_sub(self.shown);
        let needed = if self.gain_ppm == 0 { left } else { self.needed(left) };
        Moment::from_nanos(self.since.saturating_add(needed))
    }

    /// What it counts while `passed` nanoseconds pass in the world; rounded down, as [`Hand::needed`] is rounded up.
    fn gained(&self, passed: u64) -> u64 {
        let counted = u128::from(passed) * self.rate() / u128::from(MILLION.unsigned_abs());
        u64::try_from(counted).unwrap_or(u64::MAX)
    }

    /// How many nanoseconds of the world it needs to count `left`.
    fn needed(&self, left: u64) -> u64 {
        let needed = (u128::from(left) * u128::from(MILLION.unsigned_abs())).div_ceil(self.rate());
        u64::try_from(needed).unwrap_or(u64::MAX)
    }

    /// How much it counts in a million.
    fn rate(&self) -> u128 {
        u128::from((MILLION + self.gain_ppm).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * S)
    }

    fn drifting(monotonic_gain_ppm: i64) -> HostClock {
        let mut clock = HostClock::new();
        clock.set(at(10), ClockErrors { monotonic_gain_ppm, ..ClockErrors::default() });
        clock
    }

    fn wall_seconds(clock: &HostClock, now: Moment) -> u64 {
        let date = clock.wall(now).duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        date.as_secs() - BEGINNING_NS / S
    }

    #[test]
    fn a_right_clock_shows_the_time_of_the_world() {
        let clock = HostClock::new();
        assert_eq!(clock.monotonic(at(7)), at(7));
        assert_eq!(clock.when(at(7)), at(7));
        assert_eq!(clock.when(Moment::FAR_FUTURE), Moment::FAR_FUTURE);
        assert_eq!(wall_seconds(&clock, at(7)), 7);
    }

    #[test]
    fn a_drifting_clock_goes_on_from_what_it_showed() {
        assert_eq!(drifting(500_000).monotonic(at(12)), at(13));
        assert_eq!(drifting(-500_000).monotonic(at(12)), at(11));
    }

    /// Otherwise a timer would be due before its time, and a dispatcher would be turned for nothing.
    #[test]
    fn a_deadline_is_due_at_the_first_time_that_shows_it() {
        for gain in [-999_999, -333_333, -7, 0, 7, 333_333, 2_000_000] {
            let clock = drifting(gain);
            for deadline in [10 * S + 1, 10 * S + 12_345, 11 * S, 1234 * S + 7].map(Moment::from_nanos) {
                let due = clock.when(deadline);
                assert!(clock.monotonic(due) >= deadline, "{gain} {deadline}");
                let before = Moment::from_nanos(due.as_nanos() - 1);
                assert!(clock.monotonic(before) < deadline, "{gain} {deadline}");
            }
        }
    }

    #[test]
    fn the_monotonic_clock_keeps_what_it_has_gained_when_it_goes_right_again() {
        let mut clock = drifting(500_000);
        clock.set(at(12), ClockErrors::default());
        assert_eq!(clock.monotonic(at(12)), at(13));
        assert_eq!(clock.monotonic(at(20)), at(21));
        assert_eq!(clock.when(at(21)), at(20));
    }

    #[test]
    fn the_wall_clock_goes_wrong_by_itself() {
        let mut clock = HostClock::new();
        let errors =
            ClockErrors { wall_ahead_ns: -(3 * S as i64), wall_gain_ppm: 500_000, ..Default::default() };
        clock.set(at(10), errors);
        assert_eq!((wall_seconds(&clock, at(10)), wall_seconds(&clock, at(12))), (7, 10));
        clock.jump_wall(at(12), 60 * S as i64);
        assert_eq!((wall_seconds(&clock, at(12)), wall_seconds(&clock, at(14))), (70, 73));
        assert_eq!(clock.monotonic(at(14)), at(14));
    }

    #[test]
    fn a_suspended_machine_counts_no_monotonic_time() {
        let mut clock = HostClock::new();
        clock.suspend(at(5));
        assert_eq!(clock.monotonic(at(9)), at(5));
        clock.resume(at(9));
        assert_eq!(clock.monotonic(at(10)), at(6));
        assert_eq!((clock.when(at(6)), wall_seconds(&clock, at(10))), (at(10), 10));
    }
}
