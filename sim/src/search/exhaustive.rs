//! All runs with at most so many unusual picks, fewest first.
//!
//! A run is known by its unusual picks. One more is tried at each draw that comes after the last of them: so each set
//! of picks is tried once, and what a pick changes in the draws behind it is seen before they are chosen from.

use std::collections::VecDeque;

use super::{Runs, Searched};
use crate::choice::{Choices, Draw, Draws, Pick};
use crate::verdict::Report;

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

/// What the bounds of a search have kept it from: how far "there are no others" reaches. All of it is 0 where every
/// run there can be under the seed was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Runs within the other bounds that [`Bounds::runs`], or the time that a command was given, left no room for. They would have led to further ones.
    pub runs: u64,
    /// Values of draws that were not tried, since a draw has more than [`Bounds::values`]. Each would have been a
    /// run, and led to further ones.
    pub values: u64,
    /// Runs with one unusual pick more than [`Bounds::picks`].
    pub deeper: u64,
}

impl LeftOut {
    /// Whether nothing is.
    pub fn is_nothing(self) -> bool {
        self == LeftOut::default()
    }
}

/// How many runs are decided on at a time.
const AT_A_TIME: usize = 256;

/// Makes every run of the scenario under `seed` with few unusual picks, until one fails.
///
/// With none of them failing and [`is_complete`](Searched::is_complete), there is no such run within the bounds: what
/// random seeds can not promise. Runs grow in number with the draws of a run to the power of the picks: this is for
/// scenarios of a few hundred draws.
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
/// // Runs with a third fault were not made.
/// assert!(searched.left_out.deeper > 0);
/// ```
pub fn exhaust(scenario: &crate::Scenario, seed: u64, bounds: Bounds) -> Searched {
    exhaust_with(Runs::of(&|choices, telling| scenario.run(choices, telling)), seed, bounds)
}

pub(crate) fn exhaust_with(runs: Runs<'_>, seed: u64, bounds: Bounds) -> Searched {
    let mut search = Search { bounds, waiting: VecDeque::new(), taken: 0, left_out: LeftOut::default() };
    if search.has_room() {
        search.waiting.push_back(Vec::new());
    }
    let mut made = 0;
    let searched = |runs, failure: Option<Report>, search: Search| Searched {
        runs,
        is_complete: failure.is_none() && search.left_out.runs == 0,
        failure: failure.map(|report| (seed, report)),
        left_out: search.left_out,
    };
    loop {
        let sets = search.take();
        if sets.is_empty() {
            return searched(made, None, search);
        }
        let choices: Vec<Choices> =
            sets.iter().map(|picks| Choices::Replayed { seed, picks: picks.clone() }).collect();
        for (picks, report) in sets.into_iter().zip(runs.make(&choices)) {
            made += 1;
            if !report.verdict.is_passed() {
                return searched(made, Some(report), search);
            }
            search.go_on_from(picks, report);
        }
        if (runs.progress)(made).is_break() {
            search.left_out.runs += search.waiting.len() as u64;
            return searched(made, None, search);
        }
    }
}

/// The sets of picks that are still to be tried.
struct Search {
    bounds: Bounds,
    waiting: VecDeque<Vec<Pick>>,
    /// How many sets were taken out.
    taken: u64,
    left_out: LeftOut,
}

impl Search {
    /// The next sets.
    fn take(&mut self) -> Vec<Vec<Pick>> {
        let number = self.waiting.len().min(AT_A_TIME);
        self.taken += number as u64;
        self.waiting.drain(..number).collect()
    }

    /// Whether another set is within the bound on runs; if not, it is counted. To keep those too would take
    /// gigabytes: a run has hundreds of them, and each of these again.
    fn has_room(&mut self) -> bool {
        let has_room = self.taken + (self.waiting.len() as u64) < self.bounds.runs;
        self.left_out.runs += u64::from(!has_room);
        has_room
    }

    /// Notes which sets have one pick more than a run that passed.
    fn go_on_from(&mut self, picks: Vec<Pick>, mut report: Report) {
        let probe = report.probe.take().expect("it was asked for");
        // A pick that found no draw is another run's: it has been made without it.
        if !report.stale.is_empty() {
            return;
        }
        let Bounds { picks: most, values, .. } = self.bounds;
        let behind = behind_last(&probe.draws);
        if picks.len() == most {
            self.left_out.deeper += behind.iter().map(|draw| u64::from(draw.alternatives - 1)).sum::<u64>();
            return;
        }
        let untried = |draw: &Draw| u64::from((draw.alternatives - 1).saturating_sub(values));
        self.left_out.values += behind.iter().map(untried).sum::<u64>();
        for draw in behind {
            let tried = (draw.alternatives - 1).min(values);
            for number in 0..tried {
                if self.has_room() {
                    let value = value_of(number, tried, draw.alternatives - 1);
                    let mut more = picks.clone();
                    more.push(probe.draws.pick(draw, value));
                    self.waiting.push_back(more);
                }
            }
        }
    }
}

/// The draws behind the last one that was unusual.
fn behind_last(draws: &Draws) -> &[Draw] {
    let last = draws.list.iter().rposition(|draw| draw.value > 0);
    &draws.list[last.map_or(0, |last| last + 1)..]
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
    use std::num::NonZeroUsize;
    use std::sync::Mutex;

    use super::*;
    use crate::campaign::toy;
    use crate::choice::Chooser;
    use crate::verdict::Verdict;

    const BOUNDS: Bounds = Bounds { picks: 2, values: 2, runs: 1_000_000 };

    fn exhaust_toy(bounds: Bounds, play: impl Fn(&mut Chooser) -> Verdict + Sync) -> Searched {
        exhaust_with(Runs::of(&|choices, telling| toy::run(choices, telling, &play)), 1, bounds)
    }

    #[test]
    fn each_set_of_picks_is_tried_once() {
        let seen = Mutex::new(Vec::new());
        let searched = exhaust_toy(BOUNDS, |chooser| {
            let (a, b) = (chooser.site("a"), chooser.site("b"));
            let drawn = [chooser.pick(a, 3), chooser.pick(b, 2), chooser.pick(a, 3), chooser.pick(a, 1)];
            seen.lock().expect("a list").push(drawn);
            Verdict::Passed
        });
        let seen = seen.into_inner().expect("a list");
        assert!(searched.is_complete && searched.left_out.values == 0);
        // All three: two values of the first and the last one each, and one of the other.
        assert_eq!((searched.left_out.runs, searched.left_out.deeper), (0, 4));
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
        // Of the twenty with one pick, and of those that go on from the four that were made.
        assert_eq!(searched.left_out.runs, 16 + 2 * 18 + 2 * 16);
    }

    #[test]
    fn that_there_is_no_other_run_is_told() {
        let three = |chooser: &mut Chooser| {
            let site = chooser.site("a");
            (0..3).for_each(|_| _ = chooser.pick(site, 3));
            Verdict::Passed
        };
        let all = exhaust_toy(Bounds { picks: 3, ..BOUNDS }, three);
        assert_eq!((all.runs, all.is_complete, all.left_out.is_nothing()), (27, true, true));
        let some = exhaust_toy(Bounds { picks: 3, values: 1, ..BOUNDS }, three);
        assert_eq!((some.runs, some.is_complete, some.left_out.is_nothing()), (8, true, false));
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_threads() {
        let run = |choices: &Choices, telling| {
            toy::run(choices, telling, |chooser| {
                let site = chooser.site("a");
                let drawn: Vec<usize> = (0..40).map(|_| chooser.pick(site, 2)).collect();
                // Two of the pairs fail; the later one is the sooner done.
                (0..1000 * (40 - drawn[30])).for_each(|_| std::hint::spin_loop());
                if drawn[3] + drawn[20] == 2 || drawn[3] + drawn[30] == 2 {
                    toy::failed(&format!("{drawn:?}"))
                } else {
                    Verdict::Passed
                }
            })
        };
        let found = [1, 2, 7].map(|jobs| {
            let jobs = NonZeroUsize::new(jobs).expect("one at least");
            let searched = exhaust_with(Runs { jobs, ..Runs::of(&run) }, 1, BOUNDS);
            (searched.runs, searched.left_out, searched.failure.map(|(_, report)| report.hash))
        });
        assert!(found[0].2.is_some() && found[0] == found[1] && found[1] == found[2], "{found:?}");
    }
}
