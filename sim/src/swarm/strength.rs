//! How strong a fault is, in whatever it is measured.

use std::fmt;
use std::time::Duration;

/// Into how many steps the strength of a fault is divided; each is twice as strong as the one before.
pub(super) const LEVELS: usize = 4;

/// How strong a kind of fault is. Made of an `f64`, a [`Duration`] or a `u64`.
///
/// ```
/// use std::time::Duration;
/// use twinloop_sim::Strength;
///
/// assert_eq!(Strength::from(0.5).to_string(), "0.5");
/// assert_eq!(Strength::from(Duration::from_millis(20)).to_string(), "20ms");
/// assert_eq!(Strength::from(64).to_string(), "64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Strength {
    /// How probable it is.
    Probability(f64),
    /// How long it is.
    Time(Duration),
    /// How many there are.
    Number(u64),
    /// It is there or not.
    Whole,
}

impl From<f64> for Strength {
    /// # Panics
    ///
    /// If it is not between 0 and 1.
    fn from(probability: f64) -> Strength {
        assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1, not {probability}");
        Strength::Probability(probability)
    }
}

impl From<Duration> for Strength {
    fn from(time: Duration) -> Strength {
        Strength::Time(time)
    }
}

impl From<u64> for Strength {
    fn from(number: u64) -> Strength {
        Strength::Number(number)
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strength::Probability(probability) => write!(f, "{probability}"),
            Strength::Time(time) => write!(f, "{time:?}"),
            Strength::Number(number) => write!(f, "{number}"),
            Strength::Whole => f.write_str("on"),
        }
    }
}

impl Strength {
    pub(super) fn is_of_the_sort_of(self, other: Strength) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// This strength at a level, where the last level is all of it. A limit is weaker the higher it is.
    pub(super) fn at(self, level: usize, is_limit: bool) -> Strength {
        let parts = 1_u32 << (LEVELS - 1 - level);
        match self {
            Strength::Probability(most) => Strength::Probability(most / f64::from(parts)),
            Strength::Time(most) => Strength::Time(most / parts),
            Strength::Number(least) if is_limit => Strength::Number(least.saturating_mul(u64::from(parts))),
            Strength::Number(most) => Strength::Number(most / u64::from(parts)),
            Strength::Whole => Strength::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_twice_as_strong_as_the_one_before() {
        let at = |strongest: Strength, is_limit| [0, 1, 2, 3].map(|level| strongest.at(level, is_limit));
        assert_eq!(at(0.8.into(), false), [0.1, 0.2, 0.4, 0.8].map(Strength::from));
        assert_eq!(at(80.into(), false), [10, 20, 40, 80].map(Strength::from));
        assert_eq!(at(80.into(), true), [640, 320, 160, 80].map(Strength::from));
        assert_eq!(at(Strength::Whole, false), [Strength::Whole; 4]);
    }
}
