//! Points on a driver's clock and the rounding rules for waits.
//!
//! Nothing here reads a clock: a [`Moment`] comes from the driver and is passed on as an argument.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the clock of one driver, in whole nanoseconds since that clock's origin.
///
/// The clock is monotonic; its origin means nothing. Moments of two drivers are not comparable. All arithmetic
/// saturates (R22): a difference is never negative, and a deadline too far away becomes [`Moment::FAR_FUTURE`].
///
/// ```
/// use std::time::Duration;
/// use twinloop::Moment;
///
/// let start = Moment::from_nanos(5);
/// assert_eq!(start + Duration::from_nanos(7), Moment::from_nanos(12));
/// assert_eq!(start - Moment::from_nanos(9), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The origin of the clock.
    pub const ORIGIN: Moment = Moment(0);
    /// The last representable moment, 584 years after the origin: "never" for a deadline.
    pub const FAR_FUTURE: Moment = Moment(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, rhs: Duration) -> Moment {
        Moment(self.0.saturating_add(saturating_nanos(rhs)))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Moment {
    type Output = Duration;
    fn sub(self, rhs: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seconds since the origin with nine decimals: every nanosecond shows, and columns of moments align.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000))
    }
}

/// `duration` in nanoseconds, or as many as fit.
fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `wait` rounded up to a multiple of `grain`, so that a selector with a coarse clock never wakes early (R3, R23).
///
/// A zero `grain` leaves `wait` as it is.
///
/// ```
/// use std::time::Duration;
/// use twinloop::time::round_up;
///
/// let ms = Duration::from_millis(1);
/// assert_eq!(round_up(Duration::from_nanos(1), ms), ms);
/// assert_eq!(round_up(ms, ms), ms);
/// assert_eq!(round_up(Duration::ZERO, ms), Duration::ZERO);
/// ```
pub fn round_up(wait: Duration, grain: Duration) -> Duration {
    let (wait_ns, grain_ns) = (saturating_nanos(wait), saturating_nanos(grain));
    if grain_ns == 0 {
        return wait;
    }
    Duration::from_nanos(wait_ns.div_ceil(grain_ns).saturating_mul(grain_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R22: moments and their differences saturate; nothing wraps, and nothing is negative.
    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let (early, late) = (Moment::from_nanos(5), Moment::from_nanos(9));
        assert_eq!((late - early, early - late), (Duration::from_nanos(4), Duration::ZERO));
        assert_eq!(Moment::FAR_FUTURE + Duration::from_nanos(1), Moment::FAR_FUTURE);
        assert_eq!(Moment::ORIGIN + Duration::MAX, Moment::FAR_FUTURE);
        assert_eq!(round_up(Duration::MAX, Duration::from_millis(1)), Duration::from_nanos(u64::MAX));
    }
}
