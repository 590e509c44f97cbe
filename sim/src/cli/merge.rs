//! What the shards of campaigns have come to together: the ledgers of a folder as one text, and one page.

mod page;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::HumanCount;

use super::explore::{seconds, tell_reached};
use super::screen::Screen;
use super::{Exit, Refusal};
use crate::campaign::ledger::{Differed, Failed, Ledger};
use crate::reached::{Listed, Tally};

/// Everything that the ledgers say of one scenario.
#[derive(Default)]
struct Sum {
    /// In the order of their seeds.
    ledgers: Vec<Ledger>,
    /// By signature.
    failures: BTreeMap<String, Vec<Failed>>,
    nondeterminism: Vec<Differed>,
}

/// Tells what is in `folder`, and writes the page. `reached`: what no seed has reached is a failure.
pub(super) fn merge(folder: &Path, reached: bool, screen: &mut Screen<'_>) -> Result<Exit, Refusal> {
    let could_not = |text| Refusal { exit: Exit::CouldNotRun, text };
    let sums = read_all(folder).map_err(could_not)?;
    if sums.is_empty() {
        return Err(could_not(format!("there is no ledger in {}", folder.display())));
    }
    let mut exit = Exit::Passed;
    for (scenario, sum) in &sums {
        exit = worse(exit, sum.tell(scenario, screen));
    }
    if reached && added_up(sums.values().flat_map(Sum::tallies)).iter().any(Tally::is_owed) {
        exit = worse(exit, Exit::FailuresFound);
    }
    let page = folder.join("summary.html");
    fs::write(&page, page::of(&sums))
        .map_err(|error| could_not(format!("cannot write {}: {error}", page.display())))?;
    screen.say(format_args!("\n{}", page.display()));
    Ok(exit)
}

/// What was found goes before what was not run: who tries again finds it again.
fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::CouldNotRun, found @ (Exit::FailuresFound | Exit::Nondeterminism))
        | (found @ (Exit::FailuresFound | Exit::Nondeterminism), Exit::CouldNotRun) => found,
        _ => one.max(other),
    }
}

fn read_all(folder: &Path) -> Result<BTreeMap<String, Sum>, String> {
    let failed = |error: io::Error| format!("cannot list {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        // Whoever began it was killed before its first line was whole: nothing has been run.
        if !text.contains('\n') {
            continue;
        }
        let (ledger, _) = Ledger::parse(&text).map_err(|error| format!("{}:{error}", path.display()))?;
        sums.entry(ledger.head.scenario.clone()).or_default().add(ledger);
    }
    Ok(sums)
}

impl Sum {
    fn add(&mut self, mut ledger: Ledger) {
        for failed in ledger.failures.drain(..) {
            self.failures.entry(failed.signature.clone()).or_default().push(failed);
        }
        self.nondeterminism.append(&mut ledger.nondeterminism);
        self.ledgers.push(ledger);
        self.ledgers.sort_by_key(|ledger| ledger.head.seeds);
        for failed in self.failures.values_mut() {
            failed.sort_by_key(|failed| failed.seed);
        }
    }

    fn passed(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.counts.passed).sum()
    }

    fn failed(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.counts.failed).sum()
    }

    fn virtual_time(&self) -> String {
        let sum = self.ledgers.iter().map(|ledger| Duration::from_nanos(ledger.counts.virtual_ns)).sum();
        format!("{} s", seconds(sum))
    }

    fn told_ledgers(&self) -> String {
        match self.ledgers.len() {
            1 => "1 ledger".to_owned(),
            ledgers => format!("{ledgers} ledgers"),
        }
    }

    /// The seeds that nobody has run, of all that the ledgers are parts of: what shards left out, and shards without
    /// a ledger.
    fn missing(&self) -> Vec<Range<u64>> {
        let asked = united(self.ledgers.iter().map(|ledger| ledger.head.whole[0]..ledger.head.whole[1]));
        let ran = united(self.ledgers.iter().map(ran));
        asked.into_iter().flat_map(|asked| without(asked, &ran)).collect()
    }

    /// The seeds that more than one ledger counts.
    fn counted_twice(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = self.ledgers.iter().map(ran).collect();
        ranges.sort_by_key(|range| range.start);
        let mut twice = Vec::new();
        let mut end = 0;
        for range in ranges {
            twice.push(range.start..range.end.min(end));
            end = end.max(range.end);
        }
        united(twice.into_iter())
    }

    /// What the programs of the shards say of themselves, and how often it came about.
    fn tallies(&self) -> Vec<Tally> {
        let of_ledger = |ledger: &Ledger| {
            let count = |item: &Listed| ledger.counts.reached.get(&item.key()).copied().unwrap_or(0);
            let tally = |item: &Listed| Tally { item: item.clone(), count: count(item) };
            ledger.catalogue.iter().map(tally).collect::<Vec<_>>()
        };
        added_up(self.ledgers.iter().flat_map(of_ledger))
    }

    /// Failures, those that most seeds have first.
    fn ranked(&self) -> Vec<&Vec<Failed>> {
        let mut ranked: Vec<&Vec<Failed>> = self.failures.values().collect();
        ranked.sort_by_key(|failed| (std::cmp::Reverse(failed.len()), failed[0].seed));
        ranked
    }

    fn tell(&self, scenario: &str, screen: &mut Screen<'_>) -> Exit {
        let (passed, failed) = (HumanCount(self.passed()), HumanCount(self.failed()));
        let (virtual_time, ledgers) = (self.virtual_time(), self.told_ledgers());
        screen.say(format_args!(
            "{scenario}: {passed} passed, {failed} failed in {ledgers}; {virtual_time} of virtual time"
        ));
        for differed in &self.nondeterminism {
            let Differed { seed, first, second } = differed;
            screen.say(format_args!("  two runs of seed {seed} differ\n    {first}\n    {second}"));
        }
        for failed in self.ranked() {
            let Failed { seed, verdict, .. } = &failed[0];
            let seeds = HumanCount(failed.len() as u64);
            screen.say(format_args!("  {seeds} failed so, the first of them seed {seed}\n    {verdict}"));
        }
        tell_reached(&self.tallies(), screen);
        let missing = self.missing();
        for range in &missing {
            screen.say(format_args!("  not run: seeds {}..{}", range.start, range.end));
        }
        for range in self.counted_twice() {
            screen
                .say(format_args!("  counted by more than one ledger: seeds {}..{}", range.start, range.end));
        }
        if !self.nondeterminism.is_empty() {
            Exit::Nondeterminism
        } else if !self.failures.is_empty() {
            Exit::FailuresFound
        } else if !missing.is_empty() {
            Exit::CouldNotRun
        } else {
            Exit::Passed
        }
    }
}

/// The seeds that a ledger counts.
fn ran(ledger: &Ledger) -> Range<u64> {
    ledger.head.seeds[0]..ledger.counts.seed
}

/// The same seeds in ranges that do not touch, in order.
fn united(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = ranges.filter(|range| !range.is_empty()).collect();
    ranges.sort_by_key(|range| range.start);
    let mut united: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

/// What is left of `range` without `taken`, which is [`united`].
fn without(range: Range<u64>, taken: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut next = range.start;
    for taken in taken {
        left.push(next..taken.start.min(range.end));
        next = next.max(taken.end);
    }
    left.push(next..range.end);
    left.retain(|range| !range.is_empty());
    left
}

/// One tally for each item.
fn added_up(tallies: impl Iterator<Item = Tally>) -> Vec<Tally> {
    let mut sums: BTreeMap<String, Tally> = BTreeMap::new();
    for tally in tallies {
        match sums.get_mut(&tally.item.key()) {
            Some(sum) => sum.count += tally.count,
            None => _ = sums.insert(tally.item.key(), tally),
        }
    }
    sums.into_values().collect()
}
