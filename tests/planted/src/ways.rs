//! How many runs each way to search takes to find each bug: the measure by which a way stays.

use twinloop_sim::campaign::Campaign;
use twinloop_sim::cli::Exit;
use twinloop_sim::search::{Bounds, exhaust, guide};

use crate::{BUGS, Bug};

/// A way that has not found a bug after so many runs has not found it.
const RUNS: u64 = 10_000;
/// Searches of each kind, from seeds that are far from each other; the median is told.
const SEARCHES: u64 = 9;
const APART: u64 = 1_000_000;

/// Runs until a failure; `None` if none was found.
type Found = Option<u64>;

/// Prints the table.
pub fn print() -> Exit {
    let width = BUGS.iter().map(|bug| bug.name.len()).max().unwrap_or(0);
    println!(
        "Runs until a bug is found, at most {RUNS}: the median of {SEARCHES} searches; all runs with up to 2 picks once."
    );
    println!("{:width$}  {:>10} {:>10} {:>10} {:>10}", "bug", "seeds", "priorities", "guided", "exhaustive");
    BUGS.iter().for_each(|bug| println!("{}", row(bug)));
    Exit::Passed
}

/// What the table says of a bug: the same on every machine.
pub fn row(bug: &Bug) -> String {
    let width = BUGS.iter().map(|bug| bug.name.len()).max().unwrap_or(0);
    let [seeds, priorities, guided] = [by_seeds, by_priorities, by_guidance]
        .map(|search| median((0..SEARCHES).map(|number| search(bug, number * APART))));
    let exhaustive = by_exhaustion(bug);
    format!(
        "{:width$}  {:>10} {:>10} {:>10} {:>10}",
        bug.name,
        told(seeds),
        told(priorities),
        told(guided),
        told(exhaustive)
    )
}

fn by_seeds(bug: &Bug, seed: u64) -> Found {
    runs_of(&Campaign::new(seed..seed + RUNS), bug)
}

fn by_priorities(bug: &Bug, seed: u64) -> Found {
    runs_of(&Campaign { priorities: Some(2), ..Campaign::new(seed..seed + RUNS) }, bug)
}

fn runs_of(campaign: &Campaign, bug: &Bug) -> Found {
    let failure = campaign.explore(&bug.planted()).failures.into_iter().next()?;
    Some(failure.seed - campaign.seeds.start + 1)
}

fn by_guidance(bug: &Bug, seed: u64) -> Found {
    let searched = guide(&bug.planted(), seed, RUNS);
    searched.failure.map(|_| searched.runs)
}

fn by_exhaustion(bug: &Bug) -> Found {
    let searched = exhaust(&bug.planted(), 0, Bounds { picks: 2, values: 3, runs: RUNS });
    searched.failure.map(|_| searched.runs)
}

/// One that was not found counts as more than all that were.
fn median(found: impl Iterator<Item = Found>) -> Found {
    let mut runs: Vec<u64> = found.map(|found| found.unwrap_or(u64::MAX)).collect();
    runs.sort_unstable();
    Some(runs[runs.len() / 2]).filter(|runs| *runs < u64::MAX)
}

fn told(found: Found) -> String {
    found.map_or_else(|| "-".to_owned(), |runs| runs.to_string())
}
