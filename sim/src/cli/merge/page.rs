//! The page that shows what the shards of campaigns have come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use indicatif::HumanCount;

use super::Sum;
use crate::campaign::ledger::Failed;

/// The page, with a place for its sections.
const PAGE: &str = include_str!("page.html");
/// Into how many places a bar is divided: of the failures at one place, the first is marked.
const PLACES: u128 = 1000;

/// A section for each scenario.
pub(super) fn of(sums: &BTreeMap<String, Sum>) -> String {
    let sections: String = sums.iter().map(|(scenario, sum)| sum.section(scenario)).collect();
    PAGE.replace("<!-- sections -->", &sections)
}

impl Sum {
    fn section(&self, scenario: &str) -> String {
        let mut html = format!("<h2>{}</h2>\n", escaped(scenario));
        let passed = HumanCount(self.passed());
        let failed = match (self.failed(), self.failures.len()) {
            (0, _) => "none failed".to_owned(),
            (failed, 1) => format!("<b class=\"bad\">{}</b> failed in one way", HumanCount(failed)),
            (failed, ways) => format!("<b class=\"bad\">{}</b> failed in {ways} ways", HumanCount(failed)),
        };
        let (virtual_time, ledgers) = (self.virtual_time(), self.told_ledgers());
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            html,
            "<p><b>{passed}</b> seeds passed, {failed}; {virtual_time} of virtual time in {ledgers}.</p>"
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
        let mut marked = BTreeMap::new();
        for failed in self.failures.values().flatten() {
            let place = u128::from(failed.seed - first) * PLACES / u128::from((last - first).max(1));
            marked.entry(place).or_insert(failed.seed);
        }
        for seed in marked.values() {
            let _ = writeln!(html, "<i style=\"left:{:.3}%\" title=\"seed {seed}\"></i>", percent(*seed));
        }
        html.push_str("</div>\n");
        let _ = writeln!(
            html,
            "<p class=\"legend\">Seeds {first}..{last}: green were run, red failed, grey nobody has run.</p>"
        );
        html
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
