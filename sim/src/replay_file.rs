//! A failure as a small text file: the seed, the picks that were not 0, and what the run must come to. It reads and
//! writes text; it knows no folder and runs nothing.

mod mismatch;
mod reader;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use mismatch::{Kept, Mismatch};
pub use reader::{Problem, ReadError};

use crate::choice::{Choices, Pick};
use crate::isolation::Isolation;
use crate::verdict::{Report, Verdict, one_line, signature_of};

/// The version that is written, and the only one that is read.
const VERSION: &str = "1";

/// A run to be repeated, and what it came to.
///
/// Its text ([`Display`](fmt::Display) writes it, [`FromStr`](std::str::FromStr) reads it) is made for review: one pick
/// a line, blank lines and lines that begin with `#` ignored, except that a comment which opens the file is its story.
/// The fields stand in any order; `config`, `isolation`, `strict`, `callbacks` and `pick` may be missing:
///
/// | line | what it says |
/// |---|---|
/// | `twinloop-replay 1` | the version of the format; the first line but for comments |
/// | `scenario kv` | the name of the scenario, or the path of the test |
/// | `seed 42` | the seed |
/// | `config latency = 40` | what the scenario was told: [`Scenario::config`](crate::Scenario::config), [`Test::config`](crate::Test::config) |
/// | `isolation process` | what the run shared with those before it; without this line, the thread |
/// | `strict yes` | calls of the system that nothing controls made the run fail |
/// | `verdict failed: check: ...` | how the run ended |
/// | `hash 0001...` | the run's hash: 32 hexadecimal digits |
/// | `callbacks 1021` | how many callbacks the run had: to say how far another run is from it |
/// | `pick "server: reset" #3 = 1` | the fourth draw at that site was answered with 1; all draws without a line, with 0 |
///
/// ```
/// use twinloop_sim::replay_file::ReplayFile;
///
/// let text = "\
/// ## kv: a reset between two requests loses the second
/// twinloop-replay 1
/// scenario kv
/// seed 42
/// config clients = 3
/// verdict failed: check: key 7 has no value
/// hash 000102030405060708090a0b0c0d0e0f
/// callbacks 1021
///
/// pick \"server: reset\" #3 = 1
/// ";
/// let file: ReplayFile = text.parse().unwrap();
/// assert_eq!(file.seed, 42);
/// assert_eq!(file.picks[0].occurrence, 3);
/// assert_eq!(file.to_string(), text);
///
/// let error = "twinloop-replay 1\nseed forty-two".parse::<ReplayFile>().unwrap_err();
/// assert_eq!(error.to_string(), "2:6: expected a seed (a number from 0 to 2^64-1), found \"forty-two\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFile {
    /// The name of the scenario.
    pub scenario: String,
    /// The seed of the run that the picks come from.
    pub seed: u64,
    /// What the scenario was told, by name.
    pub configuration: BTreeMap<String, String>,
    /// What the run shared with those before it.
    pub isolation: Isolation,
    /// Whether calls of the system that nothing controls made the run fail.
    pub is_strict: bool,
    /// The picks that were not 0.
    pub picks: Vec<Pick>,
    /// The verdict as one line.
    pub verdict: String,
    /// The run's hash.
    pub hash: u128,
    /// How many callbacks ran, where the file says so.
    pub callbacks: Option<u64>,
    /// What went wrong, in one line for people; may be empty.
    pub story: String,
}

impl ReplayFile {
    /// The file that repeats the run of `scenario` under `seed` which left `report`. A scenario that was told
    /// something, and a strict run, need their fields set as well.
    pub fn new(scenario: &str, seed: u64, report: &Report, story: &str) -> ReplayFile {
        ReplayFile {
            scenario: scenario.to_owned(),
            seed,
            configuration: BTreeMap::new(),
            isolation: report.isolation,
            is_strict: false,
            picks: report.unusual.clone(),
            verdict: one_line(&report.verdict.to_string()),
            hash: report.hash,
            callbacks: Some(report.callbacks),
            story: one_line(story),
        }
    }

    /// `{scenario}-{seed}.replay`: the name under which a campaign leaves the failure of a seed. A test's path has dots
    /// in it for `::`. The seed inside may be another one, which fails in the same way with less.
    pub fn file_name(scenario: &str, seed: u64) -> String {
        format!("{}{seed}.replay", file_prefix(scenario))
    }

    /// What decides the run.
    pub fn choices(&self) -> Choices {
        Choices::Replayed { seed: self.seed, picks: self.picks.clone() }
    }

    /// Whether `verdict` is the one that the file keeps, but for the numbers in it: what
    /// [`Verdict::signature`] compares.
    pub fn keeps(&self, verdict: &Verdict) -> bool {
        signature_of(&self.verdict) == verdict.signature()
    }
}

/// What the names of a scenario's files begin with.
pub(crate) fn file_prefix(scenario: &str) -> String {
    format!("{}-", scenario.replace("::", "."))
}

/// The text of the file. Line breaks inside the verdict or the story become ` / `: each is one line here.
impl fmt::Display for ReplayFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.story.is_empty() {
            writeln!(f, "# {}", one_line(&self.story))?;
        }
        writeln!(f, "twinloop-replay {VERSION}")?;
        writeln!(f, "scenario {}", self.scenario)?;
        writeln!(f, "seed {}", self.seed)?;
        for (key, value) in &self.configuration {
            writeln!(f, "config {key} = {}", one_line(value))?;
        }
        if self.isolation != Isolation::SameThread {
            writeln!(f, "isolation {}", self.isolation)?;
        }
        if self.is_strict {
            writeln!(f, "strict yes")?;
        }
        writeln!(f, "verdict {}", one_line(&self.verdict))?;
        writeln!(f, "hash {:032x}", self.hash)?;
        if let Some(callbacks) = self.callbacks {
            writeln!(f, "callbacks {callbacks}")?;
        }
        if !self.picks.is_empty() {
            writeln!(f)?;
        }
        for pick in &self.picks {
            writeln!(f, "pick {pick}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(site: &str, occurrence: u32, value: u32) -> Pick {
        Pick { site: site.to_owned(), occurrence, value }
    }

    fn file() -> ReplayFile {
        ReplayFile {
            scenario: "kv-forgetful".to_owned(),
            seed: u64::MAX,
            configuration: [("clients", "3 or more"), ("kind", "a = b")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            isolation: Isolation::Process,
            is_strict: true,
            picks: vec![
                pick("server: reset", 3, 1),
                pick("quote \" backslash \\ line\n tab\t bell\u{7} ü", 0, u32::MAX),
                pick("", u32::MAX, 7),
            ],
            verdict: "failed: check: key 7 is lost".to_owned(),
            hash: 0x0123_4567_89ab_cdef,
            callbacks: Some(321),
            story: "kv-forgetful: a retried APPLY was applied twice".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(file().to_string().parse(), Ok(file()));

        let bare = ReplayFile {
            configuration: BTreeMap::new(),
            isolation: Isolation::SameThread,
            is_strict: false,
            picks: Vec::new(),
            callbacks: None,
            story: String::new(),
            ..file()
        };
        assert_eq!(bare.to_string().lines().count(), 5);
        assert_eq!(bare.to_string().parse(), Ok(bare));
    }

    #[test]
    fn the_text_is_one_pick_a_line() {
        let expected = "\
            # kv-forgetful: a retried APPLY was applied twice\n\
            twinloop-replay 1\n\
            scenario kv-forgetful\n\
            seed 7\n\
            config clients = 3 or more\n\
            config kind = a = b\n\
            isolation process\n\
            strict yes\n\
            verdict failed: check: key 7 is lost\n\
            hash 00000000000000000123456789abcdef\n\
            callbacks 321\n\
            \n\
            pick \"server: reset\" #3 = 1\n";
        let file = ReplayFile { seed: 7, picks: vec![pick("server: reset", 3, 1)], ..file() };
        assert_eq!(file.to_string(), expected);
    }

    #[test]
    fn comments_blank_lines_order_and_line_ends_do_not_matter() {
        let text = "# story \r\n\r\n twinloop-replay 1\r\n# why\r\npick \"a\"#1=2 \r\nhash 0000000000000000000000000000000A\r\n\
                    seed  5\r\n  verdict failed: x: y\r\nscenario kv\r\n";
        let file: ReplayFile = text.parse().expect("a well-formed file");
        let expected = ReplayFile {
            scenario: "kv".to_owned(),
            seed: 5,
            configuration: BTreeMap::new(),
            isolation: Isolation::SameThread,
            is_strict: false,
            picks: vec![pick("a", 1, 2)],
            verdict: "failed: x: y".to_owned(),
            hash: 10,
            callbacks: None,
            story: "story".to_owned(),
        };
        assert_eq!(file, expected);
    }

    #[test]
    fn a_verdict_of_many_lines_becomes_one() {
        let message = "left is not right\n  left: 1\r\n\n right: 2\n".to_owned();
        let verdict = Verdict::Failed { subject: "check".to_owned(), message };
        let text = one_line(&verdict.to_string());
        assert_eq!(text, "failed: check: left is not right / left: 1 / right: 2");

        let file = ReplayFile { verdict: text, ..file() };
        assert_eq!(file.to_string().parse(), Ok(file.clone()));
        assert!(file.keeps(&verdict));
    }

    #[test]
    fn a_verdict_is_kept_whatever_its_numbers() {
        let failed =
            |message: &str| Verdict::Failed { subject: "check".to_owned(), message: message.to_owned() };
        assert!(file().keeps(&failed("key 1234 is lost")));
        assert!(!file().keeps(&failed("key is lost")));
        assert!(!file().keeps(&failed("key 7 is found")));
        assert!(!file().keeps(&Verdict::Passed));
    }

    #[test]
    fn the_file_is_named_for_scenario_and_seed() {
        assert_eq!(ReplayFile::file_name("kv-forgetful", 17), "kv-forgetful-17.replay");
    }
}
