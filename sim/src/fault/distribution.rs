//! How long packets take, as a table of equally likely times. Made of whole numbers and of operations that are exact
//! everywhere, so that a seed gives the same times on every machine.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::choice::{Chooser, Site};

/// Into how many equally likely parts a distribution is cut: the slowest one stands for four packets in a thousand.
const PARTS: u32 = 256;

/// How long packets take: equally likely times, from the shortest to the longest. Drawn by one choice, whose 0 is the
/// shortest.
///
/// ```
/// use std::time::Duration;
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::story::Telling;
/// use twinloop_sim::{Distribution, Units, run_world};
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("near", || async { Ok(()) });
///     sim.client("far", || async { Ok(()) });
///     sim.links().latency_from(Distribution::exponential(200.us(), 1.ms()));
///     sim.link("near", "far").latency_from(Distribution::long_tail(30.ms(), 4.s()));
/// });
/// assert!(report.verdict.is_passed());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    times: Arc<[Duration]>,
}

impl Distribution {
    /// These times, each as likely as any other: what was measured, say.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Distribution {
        let mut times: Vec<Duration> = times.into_iter().collect();
        assert!(!times.is_empty(), "a distribution needs at least one time");
        times.sort();
        Distribution { times: times.into() }
    }

    /// All times of a range are equally likely.
    pub fn uniform(range: Range<Duration>) -> Distribution {
        let width = range.end.saturating_sub(range.start);
        Distribution::of((0..PARTS).map(|part| range.start + width * part / (PARTS - 1)))
    }

    /// At least `least`, and `further` more in the mean: a queue that empties by itself.
    pub fn exponential(least: Duration, further: Duration) -> Distribution {
        Distribution::of(logarithms().map(|times| least + further.mul_f64(times)))
    }

    /// Most take little longer than `least`, half of them up to twice as long, one of `n` `n` times as long, none longer than
    /// `most`: the long tail that is seen over wide networks (Pareto, of shape 1).
    pub fn long_tail(least: Duration, most: Duration) -> Distribution {
        Distribution::of((0..PARTS).map(|part| (least * PARTS / (PARTS - part)).min(most.max(least))))
    }

    /// Two times: the usual one, and one that `share` of all packets take, from 0 to 1: a second route, a sleeping radio.
    ///
    /// # Panics
    ///
    /// If `share` is not between 0 and 1.
    pub fn bimodal(usual: Duration, other: Duration, share: f64) -> Distribution {
        let of_other = (super::checked(share) * f64::from(PARTS)).round() as u32;
        Distribution::of((0..PARTS).map(|part| if part < of_other { other } else { usual }))
    }

    pub(super) fn least(&self) -> Duration {
        self.times[0]
    }

    pub(super) fn draw(&self, chooser: &mut Chooser, site: Site) -> Duration {
        self.times[chooser.pick(site, self.times.len())]
    }
}

/// `-ln(1 - part / PARTS)` for each part: the inverse of an exponential distribution of mean 1. The logarithms of the
/// system's library differ between systems in their last bit.
fn logarithms() -> impl Iterator<Item = f64> {
    let mut sum = 0.0;
    (0..PARTS).map(move |part| {
        if part > 0 {
            sum += logarithm_of_ratio(PARTS - part + 1);
        }
        sum
    })
}

/// `ln(n / (n - 1))`, by the series of the inverse hyperbolic tangent.
fn logarithm_of_ratio(n: u32) -> f64 {
    let x = 1.0 / f64::from(2 * n - 1);
    let mut power = x;
    let mut sum = 0.0;
    for odd in (1..60).step_by(2) {
        sum += power / f64::from(odd);
        power *= x * x;
    }
    2.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn quantile_ms(distribution: &Distribution, percent: usize) -> u128 {
        distribution.times[distribution.times.len() * percent / 100].as_millis()
    }

    #[test]
    fn an_exponential_has_its_mean_and_its_median() {
        let times = Distribution::exponential(ms(100), ms(1000)).times;
        let mean = times.iter().sum::<Duration>() / PARTS;
        assert!((ms(1080)..ms(1110)).contains(&mean), "{mean:?}");
        assert_eq!((times[0], times[128].as_millis()), (ms(100), 100 + 693));
        assert_eq!(times[255].as_millis(), 100 + 5545, "ln 256");
    }

    #[test]
    fn a_long_tail_is_long_and_ends() {
        let tail = Distribution::long_tail(ms(10), ms(1000));
        assert_eq!([0, 50, 90].map(|percent| quantile_ms(&tail, percent)), [10, 20, 98]);
        assert_eq!(tail.times[255], ms(1000));
    }

    #[test]
    fn the_shares_of_the_others() {
        let two = Distribution::bimodal(ms(10), ms(3), 0.25);
        assert_eq!([0, 24, 25, 99].map(|percent| quantile_ms(&two, percent)), [3, 3, 10, 10]);
        let even = Distribution::uniform(ms(10)..ms(20));
        assert_eq!((even.least(), even.times[255], quantile_ms(&even, 50)), (ms(10), ms(20), 15));
    }

    #[test]
    #[should_panic(expected = "at least one time")]
    fn nothing_is_no_distribution() {
        Distribution::of([]);
    }
}
