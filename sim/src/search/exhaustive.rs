//! All runs with at most so many unusual picks, fewest first.
//!
//! A run is known by its unusual picks. One more is tried at each draw that comes after the last of them: so each set of picks is
//! tried once, and what a pick changes in the draws behind it is seen before they are chosen from.

use std::collections::VecDeque;

use super::{ProbedRun, Searched};
use crate::choice::{Choices, Draws, Pick};
use crate::story::Telling;

/// How much of all runs is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Unusual picks of a run, at most.
    pub picks: usize,
    /// Values that are tried of a draw with more alternatives: the least, the greatest, and so on between them.
    pub values: u32,
    /// Runs, at most.
    pub runs: u64,
}

/// Makes every run of the scenario under `seed` with few unusual picks, until one fails.
///
/// With none of them failing and [`is_complete`](Searched::is_complete), there is no such run within the bounds: what
/// random seeds can not promise. Runs grow in number with the draws of a run to the power of the picks: this is for scenarios of a
/// few hundred draws.
///
/// ```
/// use twinloop::{DatagramTransport, sleep};
/// use twinloop_sim::search::{Bounds, exhaust};
/// use twinloop_sim::{Scenario, Units};
///
/// let scenario = Scenario::new("twice", "both datagrams of two are lost", |sim| {
///     let address = sim.host("server", 7, |address| async move {
///         DatagramTransport::bind(address)?.recv_from(&mut [0]).await?;
///         std::future::pending().await
///     });
///     sim.client("client", move || async move {
///         let socket = DatagramTransport::connect(address)?;
///         for _ in 0..2 {
///             socket.send(b"!").await?;
///         }
///         sleep(1.s()).await;
///         Ok(())
///     });
///     sim.links().loss(0.001);
/// });
/// let searched = exhaust(&scenario, 1, Bounds { picks: 2, values: 3, runs: 10_000 });
/// assert!(searched.is_complete && searched.failure.is_none());
/// ```
pub fn exhaust(scenario: &crate::Scenario, seed: u64, bounds: Bounds) -> Searched {
    exhaust_with(&mut |choices, telling| scenario.run(choices, telling), seed, bounds)
}

pub(crate) fn exhaust_with(run: ProbedRun<'_>, seed: u64, bounds: Bounds) -> Searched {
    let mut waiting = VecDeque::from([Vec::new()]);
    let mut runs = 0;
    while let Some(picks) = waiting.pop_front() {
        if runs == bounds.runs {
            return Searched { runs, failure: None, is_complete: false };
        }
        let mut report = run(&Choices::Replayed { seed, picks: picks.clone() }, Telling::Probed);
        runs += 1;
        let probe = report.probe.take().expect("it was asked for");
        if !report.verdict.is_passed() {
            return Searched { runs, failure: Some((seed, report)), is_complete: false };
        }
        // A pick that found no draw is another run's: it has been made without it.
        if picks.len() < bounds.picks && report.stale.is_empty() {
            waiting.extend(one_more(&picks, &probe.draws, bounds.values));
        }
    }
    Searched { runs, failure: None, is_complete: true }
}

/// The sets of picks that have one more than `picks`, behind the last of them.
fn one_more(picks: &[Pick], draws: &Draws, values: u32) -> impl Iterator<Item = Vec<Pick>> {
    let last = draws.list.iter().rposition(|draw| draw.value > 0);
    let behind = last.map_or(0, |last| last + 1);
    let alternatives = draws.list[behind..].iter().flat_map(move |draw| {
        let unusual = draw.alternatives - 1;
        let tried = unusual.min(values);
        (0..tried).map(move |number| (draw, value_of(number, tried, unusual)))
    });
    alternatives.map(|(draw, value)| {
        let mut more = picks.to_vec();
        more.push(draws.pick(draw, value));
        more
    })
}

/// The `number`-th of `tried` values from 1 to `greatest`, both of them among it.
fn value_of(number: u32, tried: u32, greatest: u32) -> u32 {
    if tried < 2 {
        return 1;
    }
    1 + (u64::from(number) * u64::from(greatest - 1) / u64::from(tried - 1)) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::campaign::toy;
    use crate::choice::Chooser;
    use crate::verdict::Verdict;

    const BOUNDS: Bounds = Bounds { picks: 2, values: 2, runs: 1_000_000 };

    fn exhaust_toy(bounds: Bounds, play: impl Fn(&mut Chooser) -> Verdict) -> Searched {
        exhaust_with(&mut |choices, telling| toy::run(choices, telling, &play), 1, bounds)
    }

    #[test]
    fn each_set_of_picks_is_tried_once() {
        let seen = std::cell::RefCell::new(Vec::new());
        let searched = exhaust_toy(BOUNDS, |chooser| {
            let (a, b) = (chooser.site("a"), chooser.site("b"));
            let drawn = [chooser.pick(a, 3), chooser.pick(b, 2), chooser.pick(a, 3), chooser.pick(a, 1)];
            seen.borrow_mut().push(drawn);
            Verdict::Passed
        });
        let seen = seen.into_inner();
        assert!(searched.is_complete);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
        // None; one of 2, 1 and 2; two of them.
        assert_eq!(searched.runs, 1 + (2 + 1 + 2) + (2 + 4 + 2));
        assert!(seen.iter().all(|drawn| drawn.iter().filter(|value| **value > 0).count() <= 2));
    }

    #[test]
    fn draws_that_a_pick_brings_are_chosen_from_too() {
        let searched = exhaust_toy(BOUNDS, |chooser| {
            let (retry, late) = (chooser.site("retry"), chooser.site("late"));
            if chooser.pick(retry, 2) > 0 && chooser.pick(late, 2) > 0 {
                return toy::failed("late again");
            }
            Verdict::Passed
        });
        let (_, report) = searched.failure.expect("it is found");
        assert_eq!((searched.runs, report.unusual.len()), (3, 2));
    }

    #[test]
    fn values_of_large_draws_are_spread() {
        assert_eq!((0..3).map(|number| value_of(number, 3, 999)).collect::<Vec<_>>(), [1, 500, 999]);
        assert_eq!((0..2).map(|number| value_of(number, 2, 2)).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(value_of(0, 1, 7), 1);
    }

    #[test]
    fn the_bound_on_runs_is_told() {
        let searched = exhaust_toy(Bounds { runs: 5, ..BOUNDS }, |chooser| {
            let site = chooser.site("a");
            (0..10).for_each(|_| _ = chooser.pick(site, 9));
            Verdict::Passed
        });
        assert_eq!((searched.runs, searched.is_complete), (5, false));
    }
}
