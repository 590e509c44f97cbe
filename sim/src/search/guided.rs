//! Runs that go on from where something new happened.
//!
//! A run that did what none before it did is kept: the pairs of adjacent things in its record, how often each was
//! there by powers of two, the places of its callbacks, and what its programs noted and which `sometimes!` they came
//! by (`coverage.rs`). Later runs repeat a part of a kept one, mostly with one fault more at its end, and draw the
//! rest anew. What takes several unlikely things one after the other is reached step by step, where seeds need all of
//! them at once.

use std::collections::{BTreeSet, VecDeque};

use super::{LeftOut, Runs, Searched};
use crate::choice::{Choices, Chooser, Draw, Draws, Pick, Site};
use crate::coverage::Feature;
use crate::verdict::{Probe, Report};

/// How many of ten runs begin anew, once something is kept.
const FRESH_OF_TEN: usize = 3;
/// In so many of ten of the others a fault is added.
const ADDING_OF_TEN: usize = 7;
/// How close behind the last fault of a kept run, in draws of faults, one is added in half of the cases.
const CLOSE: usize = 12;
/// So many of the last kept runs are gone on from in half of the cases: what was just new leads on.
const LATEST: usize = 8;

/// So many runs are kept, the latest: the draws of one take some hundred kilobytes.
const KEPT_MAX: usize = 1000;

/// Makes `runs` runs of the scenario, or fewer if one fails. Equal arguments give equal runs. `seed`: of the search
/// and of its first runs.
///
/// Programs can show the way: what they [note](twinloop::Handle::note), and a [`sometimes!`](twinloop::sometimes)
/// that is true, are something new for the first time.
///
/// ```
/// use twinloop_sim::search::guide;
/// use twinloop_sim::{Scenario, Units};
///
/// let scenario = Scenario::new("calm", "nothing goes wrong", |sim| {
///     sim.client("client", || async { Ok(twinloop::sleep(1.s()).await) });
/// });
/// assert_eq!(guide(&scenario, 1, 50).runs, 50);
/// ```
pub fn guide(scenario: &crate::Scenario, seed: u64, runs: u64) -> Searched {
    guide_with(Runs::of(&|choices, telling| scenario.run(choices, telling)), seed, runs)
}

pub(crate) fn guide_with(runs: Runs<'_>, seed: u64, most: u64) -> Searched {
    let mut search = Search::new(seed);
    let mut made = 0;
    let searched =
        |runs, failure| Searched { runs, failure, is_complete: false, left_out: LeftOut::default() };
    while made < most {
        let decided = at_a_time(made).min(most - made);
        let choices: Vec<Choices> =
            (made..made + decided).map(|number| search.next_choices(seed.wrapping_add(number))).collect();
        for (choices, mut report) in choices.iter().zip(runs.make(&choices)) {
            made += 1;
            let probe = report.probe.take().expect("it was asked for");
            if !report.verdict.is_passed() {
                return searched(made, Some((choices.seed(), report)));
            }
            search.learn(choices.seed(), &report, &probe);
        }
        if (runs.progress)(made).is_break() {
            break;
        }
    }
    searched(made, None)
}

/// How many runs are decided on at a time, after so many. They do not learn from each other; the first runs teach the
/// most.
fn at_a_time(made: u64) -> u64 {
    (made / 8).clamp(1, 64)
}

/// A run that is worth going on from.
struct Kept {
    seed: u64,
    picks: Vec<Pick>,
    draws: Draws,
    /// Where, among the draws, it was drawn whether there is a fault: they have two alternatives.
    chances: Vec<usize>,
}

struct Search {
    /// The search's own chance.
    chooser: Chooser,
    site: Site,
    seen: BTreeSet<Feature>,
    kept: VecDeque<Kept>,
}

impl Search {
    fn new(seed: u64) -> Search {
        let mut chooser = Chooser::new(&Choices::Seeded(seed));
        let site = chooser.site("search");
        Search { chooser, site, seen: BTreeSet::new(), kept: VecDeque::new() }
    }

    fn next_choices(&mut self, fresh: u64) -> Choices {
        if self.kept.is_empty() || self.pick(10) < FRESH_OF_TEN {
            return Choices::Seeded(fresh);
        }
        let count = self.kept.len();
        let among = if self.pick(2) == 0 { count } else { count.min(LATEST) };
        let which = count - 1 - self.pick(among);
        let at = if self.pick(10) < ADDING_OF_TEN { self.place_of_fault(which) } else { None };
        let kept = &self.kept[which];
        let (seed, mut picks) = (kept.seed, kept.picks.clone());
        let after = match at {
            Some(at) => {
                picks.push(kept.draws.pick(&kept.draws.list[at], 1));
                at + 1
            }
            None => {
                let draws = kept.draws.list.len();
                self.pick(draws.max(1))
            }
        };
        Choices::Branched { seed, picks, after: u32::try_from(after).unwrap_or(u32::MAX), fresh }
    }

    /// At which draw a fault is added to a kept run; `None` if it draws none.
    fn place_of_fault(&mut self, which: usize) -> Option<usize> {
        let Kept { draws, chances, .. } = &self.kept[which];
        let last = chances.iter().rposition(|at| draws.list[*at].value > 0);
        let behind = last.map_or(0, |last| last + 1);
        let (first, among) = (behind, chances.len() - behind);
        let (first, among) = match (self.pick(2), among) {
            (_, 0) | (0, _) => (0, self.kept[which].chances.len()),
            (_, among) => (first, among.min(CLOSE)),
        };
        if among == 0 {
            return None;
        }
        let chance = first + self.pick(among);
        let Kept { draws, chances, .. } = &self.kept[which];
        chances.get(chance).copied().filter(|at| draws.list[*at].value == 0)
    }

    fn learn(&mut self, seed: u64, report: &Report, probe: &Probe) {
        let before = self.seen.len();
        self.seen.extend(&probe.features);
        if self.seen.len() > before {
            let draws = probe.draws.clone();
            let is_chance = |(at, draw): (usize, &Draw)| (draw.alternatives == 2).then_some(at);
            let chances = draws.list.iter().enumerate().filter_map(is_chance).collect();
            if self.kept.len() == KEPT_MAX {
                self.kept.pop_front();
            }
            self.kept.push_back(Kept { seed, picks: report.unusual.clone(), draws, chances });
        }
    }

    fn pick(&mut self, n: usize) -> usize {
        self.chooser.pick(self.site, n)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use twinloop::{Handle, sleep};

    use super::*;
    use crate::story::Telling;
    use crate::{Scenario, Units};

    /// Five unlikely things in a row, each of which the program notes.
    fn climb() -> Scenario {
        Scenario::new("climb", "five steps, each of them unlikely", |sim| {
            let steps: Vec<usize> = (0..40).map(|_| sim.pick("step", 8)).collect();
            sim.client("climber", move || {
                let steps = steps.clone();
                async move {
                    let mut height = 0;
                    for step in steps {
                        sleep(1.ms()).await;
                        // Up only by a 7, and each other one but a 0 is a fall.
                        height = match step {
                            7 => height + 1,
                            0..=2 => height,
                            _ => 0,
                        };
                        Handle::current().note(|| format!("height {height}"));
                        if height == 5 {
                            return Err("it is at the top".into());
                        }
                    }
                    Ok(())
                }
            });
        })
    }

    #[test]
    fn what_takes_several_unlikely_things_is_reached_step_by_step() {
        let guided = guide(&climb(), 1, 20_000);
        let (seed, report) = guided.failure.expect("it is found");
        assert!(guided.runs < 2000, "{} runs", guided.runs);
        let replayed = climb().run(&Choices::Replayed { seed, picks: report.unusual }, Telling::Silent);
        assert_eq!((replayed.verdict, replayed.hash), (report.verdict, report.hash));
    }

    #[test]
    fn equal_arguments_give_equal_runs_on_any_number_of_threads() {
        let scenario = climb();
        let run = |choices: &Choices, telling| scenario.run(choices, telling);
        let found = [1, 2, 5].map(|jobs| {
            let jobs = NonZeroUsize::new(jobs).expect("one at least");
            let searched = guide_with(Runs { jobs, ..Runs::of(&run) }, 7, 20_000);
            (searched.runs, searched.failure.map(|(seed, report)| (seed, report.hash)))
        });
        assert!(found[0].1.is_some() && found[0] == found[1] && found[1] == found[2], "{found:?}");
    }
}
