//! Lengths of time as one says them: `3.s()`.

use std::time::Duration;

/// A number as a length of time, for plans that read well.
///
/// ```
/// use std::time::Duration;
/// use twinloop_sim::Units;
///
/// assert_eq!(3.s(), Duration::from_secs(3));
/// assert_eq!(20.ms() + 5.us(), Duration::from_micros(20_005));
/// ```
pub trait Units {
    /// So many seconds.
    fn s(self) -> Duration;

    /// So many milliseconds.
    fn ms(self) -> Duration;

    /// So many microseconds.
    fn us(self) -> Duration;
}

impl Units for u64 {
    fn s(self) -> Duration {
        Duration::from_secs(self)
    }

    fn ms(self) -> Duration {
        Duration::from_millis(self)
    }

    fn us(self) -> Duration {
        Duration::from_micros(self)
    }
}
