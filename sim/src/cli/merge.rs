//! What the shards of campaigns have come to together: the ledgers of a folder as one text and one page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use indicatif::HumanCount;

use super::explore::{seconds, tell_reached};
use super::screen::Screen;
use super::{Exit, Refusal};
use crate::campaign::ledger::{Differed, Failed, Ledger};
use crate::reached::{Listed, Tally};

/// The page, with a place for each part.
const PAGE: &str = include_str!("page.html");

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
        exit = exit.max(sum.tell(scenario, screen));
    }
    if reached && added_up(sums.values().flat_map(Sum::tallies)).iter().any(Tally::is_owed) {
        exit = exit.max(Exit::FailuresFound);
    }
    let page = folder.join("summary.html");
    fs::write(&page, page_of(&sums))
        .map_err(|error| could_not(format!("cannot write {}: {error}", page.display())))?;
    screen.say(format_args!("\n{}", page.display()));
    Ok(exit)
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

    /// The seeds that nobody has run, of all that the ledgers are parts of: what shards left out, and shards without a ledger.
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
        let virtual_time = self.ledgers.iter().map(|ledger| ledger.counts.to_findings().virtual_time).sum();
        let (virtual_time, shards) = (seconds(virtual_time), self.ledgers.len());
        screen.say(format_args!(
            "{scenario}: {passed} passed, {failed} failed in {shards} ledgers; {virtual_time} s of virtual time"
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

    fn section(&self, scenario: &str) -> String {
        let mut html = format!("<h2>{}</h2>\n", escaped(scenario));
        let (passed, failed) = (HumanCount(self.passed()), HumanCount(self.failed()));
        let kinds = self.failures.len();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            html,
            "<p><b>{passed}</b> seeds passed, <b class=\"bad\">{failed}</b> failed in {kinds} ways.</p>"
        );
        html.push_str(&self.bar());
        for differed in &self.nondeterminism {
            let (first, second) = (escaped(&differed.first), escaped(&differed.second));
            let _ = writeln!(
                html,
                "<p class=\"bad\">Two runs of seed {} differ:<br><code>{first}</code><br><code>{second}</code></p>",
                differed.seed
            );
        }
        if !self.failures.is_empty() {
            html.push_str("<table>\n<tr><th>seeds</th><th>first</th><th>how it failed</th></tr>\n");
        }
        for failed in self.ranked() {
            let Failed { seed, verdict, hash, .. } = &failed[0];
            let _ = writeln!(
                html,
                "<tr><td class=\"number\">{}</td><td class=\"number\">{seed}</td><td>{}<br>\
                 <code>replay {seed} {}</code> <small>hash {hash}</small></td></tr>",
                failed.len(),
                escaped(verdict),
                escaped(scenario)
            );
        }
        if !self.failures.is_empty() {
            html.push_str("</table>\n");
        }
        for range in self.missing() {
            let _ = writeln!(html, "<p class=\"bad\">Not run: seeds {}..{}</p>", range.start, range.end);
        }
        for Range { start, end } in self.counted_twice() {
            let _ =
                writeln!(html, "<p class=\"bad\">Counted by more than one ledger: seeds {start}..{end}</p>");
        }
        html.push_str(&self.catalogue());
        html
    }

    /// What the program says of itself as a table: first what never came about.
    fn catalogue(&self) -> String {
        let mut tallies = self.tallies();
        if tallies.is_empty() {
            return String::new();
        }
        tallies.sort_by_key(|tally| tally.missing().is_none());
        let mut html = String::from(
            "<h3>What the program says of itself</h3>\n<table>\n<tr><th>times</th><th>kind</th><th>what</th><th>where</th></tr>\n",
        );
        for tally in &tallies {
            let times = match tally.missing() {
                Some(never) => format!("<td class=\"number bad\">{never}</td>"),
                None => format!("<td class=\"number\">{}</td>", HumanCount(tally.count)),
            };
            let (name, place) = (escaped(&tally.item.name), escaped(&tally.item.place));
            let kind = &tally.item.kind;
            let _ =
                writeln!(html, "<tr>{times}<td>{kind}</td><td>{name}</td><td><code>{place}</code></td></tr>");
        }
        html + "</table>\n"
    }

    /// The shards as parts of a bar: how far each came, and where seeds failed.
    fn bar(&self) -> String {
        let first = self.ledgers.iter().map(|ledger| ledger.head.whole[0]).min().unwrap_or(0);
        let last = self.ledgers.iter().map(|ledger| ledger.head.whole[1]).max().unwrap_or(first);
        let percent = |seed: u64| (seed - first) as f64 / ((last - first).max(1)) as f64 * 100.0;
        let mut html = String::from("<div class=\"bar\">\n");
        for ledger in &self.ledgers {
            let [start, end] = ledger.head.seeds;
            let (left, width) = (percent(start), percent(ledger.counts.seed) - percent(start));
            let _ = writeln!(
                html,
                "<span style=\"left:{left:.3}%;width:{width:.3}%\" title=\"shard {}: seeds {start}..{end}\"></span>",
                escaped(&ledger.head.shard)
            );
        }
        for failed in self.failures.values().flatten() {
            let (left, seed) = (percent(failed.seed), failed.seed);
            let _ = writeln!(html, "<i style=\"left:{left:.3}%\" title=\"seed {seed}\"></i>");
        }
        html + "</div>\n"
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

fn page_of(sums: &BTreeMap<String, Sum>) -> String {
    let sections: String = sums.iter().map(|(scenario, sum)| sum.section(scenario)).collect();
    PAGE.replace("<!-- sections -->", &sections)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
