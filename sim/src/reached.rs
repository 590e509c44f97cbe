//! How often what a program says of itself ([`twinloop::catalogue`]) came about. It counts, and decides nothing: no
//! hash knows of it.

use std::collections::BTreeMap;
use std::fmt;

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use twinloop::catalogue::{Item, Kind, items};
use twinloop::observe::Place;

/// How often each item of the program's catalogue came about: in one run, or in all runs of a campaign together.
///
/// For `sometimes!` these are the times when the condition held; for `buggify!`, when it was true; for the others, when
/// somebody came by.
///
/// ```
/// use twinloop_sim::choice::Choices;
/// use twinloop_sim::run_world;
/// use twinloop_sim::story::Telling;
///
/// let report = run_world(&Choices::Seeded(1), Telling::Silent, |sim| {
///     sim.client("host", || async {
///         for day in 1..=31 {
///             twinloop::sometimes!(day == 30, "it is the 30th");
///             twinloop::sometimes!(day == 32, "it is the 32nd");
///         }
///         Ok(())
///     });
/// });
/// assert_eq!(report.reached.count("it is the 30th"), 1);
/// assert!(report.reached.never().any(|item| item.name() == "it is the 32nd"));
/// assert!(!report.reached.never().any(|item| item.name() == "it is the 30th"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// By the number of the item; empty while nothing was.
    counts: Vec<u64>,
}

impl Reached {
    /// Each item of the catalogue with its count, in the catalogue's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Item, u64)> + '_ {
        items().iter().map(|item| (item, self.of(item)))
    }

    /// The items that are to come about in some run, and did not: of [`Kind::Sometimes`], [`Kind::Reachable`] and
    /// [`Kind::Buggify`], and of [`Kind::Always`], since what nobody looked at proves nothing.
    pub fn never(&self) -> impl Iterator<Item = &'static Item> + '_ {
        self.iter()
            .filter(|(item, count)| *count == 0 && item.kind() != Kind::Unreachable)
            .map(|(item, _)| item)
    }

    /// How often what is called `name` came about; 0 where nothing is called so.
    pub fn count(&self, name: &str) -> u64 {
        self.iter().filter(|(item, _)| item.name() == name).map(|(_, count)| count).sum()
    }

    /// Counts `item` once more.
    pub(crate) fn add(&mut self, item: &Item) {
        if self.counts.is_empty() {
            self.counts.resize(items().len(), 0);
        }
        self.counts[item.number()] += 1;
    }

    /// Adds the counts of another run.
    pub(crate) fn and(&mut self, other: &Reached) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    fn of(&self, item: &Item) -> u64 {
        self.counts.get(item.number()).copied().unwrap_or(0)
    }

    /// What is not 0, for a file: by kind and name, so that it can be read by another build of the program.
    pub(crate) fn by_key(&self) -> BTreeMap<String, u64> {
        self.iter().filter(|(_, count)| *count > 0).map(|(item, count)| (key(item), count)).collect()
    }

    /// What a file says. Items that this program does not have are left out.
    pub(crate) fn from_keys(counts: &BTreeMap<String, u64>) -> Reached {
        if counts.is_empty() {
            return Reached::default();
        }
        Reached { counts: items().iter().map(|item| counts.get(&key(item)).copied().unwrap_or(0)).collect() }
    }
}

/// What an item is known by in files.
fn key(item: &Item) -> String {
    Listed::of(item).key()
}

/// An item as reports and files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// `file:line`, or several of them.
    pub(crate) place: String,
}

impl Listed {
    /// The whole catalogue.
    pub(crate) fn all() -> Vec<Listed> {
        items().iter().map(Listed::of).collect()
    }

    fn of(item: &Item) -> Listed {
        let places: Vec<String> = item.places().iter().map(|place| Place(place).to_string()).collect();
        let (kind, name) = (item.kind().name().to_owned(), item.name().to_owned());
        Listed { kind, name, place: places.join(", ") }
    }

    pub(crate) fn key(&self) -> String {
        format!("{}: {}", self.kind, self.name)
    }
}

/// An item and its count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tally {
    #[serde(flatten)]
    pub(crate) item: Listed,
    pub(crate) count: u64,
}

impl Tally {
    /// All items with their counts.
    pub(crate) fn all(reached: &Reached) -> Vec<Tally> {
        reached.iter().map(|(item, count)| Tally { item: Listed::of(item), count }).collect()
    }

    /// What is missing, in two words; `None` where nothing is.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        if self.count > 0 {
            return None;
        }
        match self.item.kind.as_str() {
            "always" => Some("never checked"),
            "sometimes" => Some("never true"),
            "reachable" => Some("never reached"),
            "buggify" => Some("never fired"),
            _ => None,
        }
    }

    /// Whether a campaign owes it. Not so a `buggify!` that never fired: that is up to the scenario.
    pub(crate) fn is_owed(&self) -> bool {
        self.missing().is_some() && self.item.kind != "buggify"
    }
}

/// One line: how often, or that it never was, then what and where.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.missing().map_or_else(|| HumanCount(self.count).to_string(), str::to_owned);
        write!(f, "{count:>13}  {} ({})", self.item.key(), self.item.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_tells_what_is_missing() {
        let tally = |kind: &str, count| {
            let item = Listed {
                kind: kind.to_owned(),
                name: "the queue is full".to_owned(),
                place: "src/queue.rs:12".to_owned(),
            };
            Tally { item, count }
        };
        let told = tally("sometimes", 1204).to_string();
        assert_eq!(told, "        1,204  sometimes: the queue is full (src/queue.rs:12)");
        let missing = ["always", "sometimes", "reachable", "unreachable", "buggify"]
            .map(|kind| tally(kind, 0).missing());
        assert_eq!(
            missing,
            [Some("never checked"), Some("never true"), Some("never reached"), None, Some("never fired")]
        );
        assert_eq!(
            serde_json::to_string(&tally("buggify", 0)).expect("a tally is JSON"),
            r#"{"kind":"buggify","name":"the queue is full","place":"src/queue.rs:12","count":0}"#
        );
    }

    #[test]
    fn runs_add_up_whoever_was_first() {
        let counts = |counts: &[u64]| Reached { counts: counts.to_vec() };
        let mut sum = Reached::default();
        for run in [counts(&[]), counts(&[1, 0, 2]), counts(&[]), counts(&[0, 0, 3])] {
            sum.and(&run);
        }
        assert_eq!(sum, counts(&[1, 0, 5]));
    }
}
