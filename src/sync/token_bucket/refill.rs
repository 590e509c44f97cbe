//! How many tokens have come by a moment, in whole numbers. It reads no clock and knows neither bucket nor waiters.

use std::time::Duration;

use crate::Moment;

/// How tokens come to a [`TokenBucket`](crate::TokenBucket) (R184).
///
/// Zero tokens, and a period of zero, bring nothing at all, as [`Refill::Manual`] says in plain words.
///
/// ```
/// # twinloop_sim::run(async {
/// use std::time::Duration;
/// use twinloop::sync::Refill;
/// use twinloop::{TokenBucket, sleep};
///
/// let period = Duration::from_secs(1);
/// let evenly = TokenBucket::new(10, Refill::Continuous { tokens: 10, period });
/// let at_once = TokenBucket::new(10, Refill::Discrete { tokens: 10, period });
/// assert!(evenly.try_consume(10) && at_once.try_consume(10));
/// sleep(period / 2).await;
/// assert_eq!((evenly.available_tokens(), at_once.available_tokens()), (5, 0));
/// sleep(period / 2).await;
/// assert_eq!((evenly.available_tokens(), at_once.available_tokens()), (10, 10));
/// # Ok(()) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refill {
    /// Only [`TokenBucket::replenish`](crate::TokenBucket::replenish) brings tokens.
    Manual,
    /// One after the other, evenly: a new one each `period / tokens`, whether that is a whole number of nanoseconds or
    /// not. A full bucket does not prepare the next token, so that in any stretch of time no more tokens leave the bucket
    /// than its capacity and what comes in that time.
    Continuous {
        /// How many come in a period.
        tokens: usize,
        /// 584 years at most; a longer one counts as that.
        period: Duration,
    },
    /// All at once at the end of each period. Periods follow each other from the making of the bucket on, and nothing
    /// shifts them.
    Discrete {
        /// How many come at the end of a period.
        tokens: usize,
        /// 584 years at most; a longer one counts as that.
        period: Duration,
    },
}

/// The tokens on their way into a bucket.
///
/// Both modes are one arithmetic. Time brings parts, and so many parts are a lot of tokens: continuously each nanosecond
/// brings `tokens` parts, and a period's nanoseconds of parts are one token; discretely each nanosecond brings one part,
/// and a period's nanoseconds of them are `tokens` tokens. All factors are below 2⁶⁴, so no sum or product leaves a `u128`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inflow {
    parts_per_ns: u128,
    parts_per_lot: u128,
    tokens_per_lot: u128,
    stops_when_full: bool,
    /// Up to when what came has been taken.
    since: Moment,
    /// Less than a lot.
    parts: u128,
}

impl Inflow {
    /// What comes from `now` on, or `None` if nothing ever does.
    pub(super) fn new(refill: Refill, now: Moment) -> Option<Inflow> {
        let (tokens, period, stops_when_full) = match refill {
            Refill::Manual => return None,
            Refill::Continuous { tokens, period } => (tokens as u128, period, true),
            Refill::Discrete { tokens, period } => (tokens as u128, period, false),
        };
        let parts_per_lot = period.as_nanos().min(u128::from(u64::MAX));
        if tokens == 0 || parts_per_lot == 0 {
            return None;
        }
        let (parts_per_ns, tokens_per_lot) = if stops_when_full { (tokens, 1) } else { (1, tokens) };
        Some(Inflow { parts_per_ns, parts_per_lot, tokens_per_lot, stops_when_full, since: now, parts: 0 })
    }

    /// How many tokens have come since they were last taken.
    pub(super) fn take(&mut self, now: Moment) -> u128 {
        let elapsed_ns = (now - self.since).as_nanos();
        let parts = self.parts + elapsed_ns * self.parts_per_ns;
        self.since = now;
        self.parts = parts % self.parts_per_lot;
        parts / self.parts_per_lot * self.tokens_per_lot
    }

    /// The first moment at which `tokens` more can be taken, or `None` if the clock ends before.
    pub(super) fn moment_of(&self, tokens: u128) -> Option<Moment> {
        let parts = tokens.div_ceil(self.tokens_per_lot) * self.parts_per_lot;
        let missing =
            parts.checked_sub(self.parts).expect("at least one token, and less than a lot is there");
        let wait_ns = u64::try_from(missing.div_ceil(self.parts_per_ns)).ok()?;
        self.since.as_nanos().checked_add(wait_ns).map(Moment::from_nanos)
    }

    /// What goes on being prepared while the bucket is full.
    pub(super) fn into_full_bucket(self) -> Inflow {
        if self.stops_when_full { Inflow { parts: 0, ..self } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refills() -> impl Strategy<Value = Refill> {
        let number = prop_oneof![1..20_u64, Just(u64::MAX), 1..=u64::MAX];
        (number.clone(), number, any::<bool>()).prop_map(|(tokens, period_ns, continuous)| {
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            let period = Duration::from_nanos(period_ns);
            if continuous {
                Refill::Continuous { tokens, period }
            } else {
                Refill::Discrete { tokens, period }
            }
        })
    }

    fn moments() -> impl Strategy<Value = u64> {
        prop_oneof![3 => 0..100_u64, 1 => 0..=u64::MAX, 1 => Just(u64::MAX)]
    }

    fn inflow(refill: Refill) -> Inflow {
        Inflow::new(refill, Moment::ORIGIN).expect("something comes")
    }

    /// The definition, in one line each.
    fn come_by(refill: Refill, nanos: u64) -> u128 {
        match refill {
            Refill::Manual => 0,
            Refill::Continuous { tokens, period } => u128::from(nanos) * tokens as u128 / period.as_nanos(),
            Refill::Discrete { tokens, period } => u128::from(nanos) / period.as_nanos() * tokens as u128,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// However often and whenever one looks, the tokens are those that the definition gives: no drift, no overflow.
        #[test]
        fn looking_often_changes_nothing(refill in refills(), mut looks in proptest::collection::vec(moments(), 1..20)) {
            looks.sort_unstable();
            let mut inflow = inflow(refill);
            let mut come = 0;
            for look in looks {
                come += inflow.take(Moment::from_nanos(look));
                prop_assert_eq!(come, come_by(refill, look));
            }
        }

        /// The moment of so many tokens is the first at which they are there.
        #[test]
        fn the_moment_is_the_first(refill in refills(), look in moments(), tokens in prop_oneof![1..50_u64, 1..=u64::MAX]) {
            let mut inflow = inflow(refill);
            let before = inflow.take(Moment::from_nanos(look));
            let is_there = |at: u64| come_by(refill, at) >= before + u128::from(tokens);
            match inflow.moment_of(u128::from(tokens)) {
                Some(moment) => {
                    prop_assert!(is_there(moment.as_nanos()));
                    prop_assert!(!is_there(moment.as_nanos() - 1));
                }
                None => prop_assert!(!is_there(u64::MAX)),
            }
        }
    }

    #[test]
    fn no_tokens_and_no_period_bring_nothing() {
        let second = Duration::from_secs(1);
        for (tokens, period) in [(0, second), (1, Duration::ZERO)] {
            assert!(Inflow::new(Refill::Continuous { tokens, period }, Moment::ORIGIN).is_none());
            assert!(Inflow::new(Refill::Discrete { tokens, period }, Moment::ORIGIN).is_none());
        }
        assert!(Inflow::new(Refill::Manual, Moment::ORIGIN).is_none());
    }

    #[test]
    fn a_period_that_is_too_long_counts_as_the_longest() {
        let inflow = inflow(Refill::Discrete { tokens: 1, period: Duration::MAX });
        assert_eq!(inflow.moment_of(1), Some(Moment::FAR_FUTURE));
        assert_eq!(inflow.moment_of(2), None);
    }
}
