//! A story as a log for ShiViz: two lines for each event, with its vector clock. It knows no kind of line.
//!
//! ShiViz draws a line for each host and an arrow wherever a clock has news of another host. It asks that a host's
//! own clock counts its events from 1, and that no clock has news from the future.

use std::collections::BTreeMap;

use super::Story;
use crate::verdict::one_line;

/// What ShiViz finds an event by: the first line of the file. The second one would part several runs, and is empty.
const PATTERN: &str = r"(?<host>\S+) (?<clock>\{.*\})\n(?<date>\S+) (?<event>.*)";

type Clock = BTreeMap<String, u64>;

pub(super) fn export(story: &Story) -> String {
    let mut text = format!("{PATTERN}\n\n");
    for ((line, clock), host) in story.lines.iter().zip(clocks(story)).zip(hosts(story)) {
        let clock = serde_json::to_string(&clock).expect("names and counts are JSON");
        let (at, kind) = (line.at, line.kind.name());
        text += &format!("{host} {clock}\n{at} {kind}: {}\n", one_line(&line.told()));
    }
    text
}

/// Where each line happens: ShiViz takes a name for one word.
fn hosts(story: &Story) -> impl Iterator<Item = String> + '_ {
    story.lines.iter().map(|line| match line.host.as_str() {
        "" => "world".to_owned(),
        host => one_line(host).replace(char::is_whitespace, "_"),
    })
}

/// The vector clock of each line: all that its host knew before, all that its causes knew, and itself.
fn clocks(story: &Story) -> Vec<Clock> {
    let mut of_host: BTreeMap<String, Clock> = BTreeMap::new();
    let mut of_line: BTreeMap<usize, usize> = BTreeMap::new();
    let mut clocks: Vec<Clock> = Vec::new();
    for (line, host) in story.lines.iter().zip(hosts(story)) {
        let mut clock = of_host.remove(&host).unwrap_or_default();
        for cause in line.causes.iter().filter_map(|cause| of_line.get(cause)) {
            for (other, count) in &clocks[*cause] {
                let known = clock.entry(other.clone()).or_default();
                *known = (*known).max(*count);
            }
        }
        *clock.entry(host.clone()).or_default() += 1;
        of_line.insert(line.number, clocks.len());
        clocks.push(clock.clone());
        of_host.insert(host, clock);
    }
    clocks
}
