//! How a run ended, and what a run leaves behind. Knows no mechanism.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::choice::{Draws, Pick, Stale};
use crate::coverage::Feature;
use crate::isolation::{Isolation, SystemCall};
use crate::reached::Reached;
use crate::story::Story;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Verdict {
    /// Every client finished without an error, and every check holds.
    Passed,
    /// A client ended with an error, or a check of the scenario does not hold.
    Failed {
        /// The host whose program failed, or `check` for a check after the run.
        subject: String,
        /// What the program or the check said.
        message: String,
    },
    /// A program panicked.
    Panicked {
        /// The host on which it ran.
        host: String,
        /// The panic's text, with its place where known.
        message: String,
    },
    /// An assertion of the program's did not hold: [`always!`](twinloop::always) or [`unreachable!`](twinloop::unreachable).
    Violated {
        /// What it asserts.
        property: String,
        /// The host on which it did not hold, or the check.
        host: String,
        /// Its place, and what it said of the case.
        message: String,
    },
    /// Clients still wait, and nothing is left that could ever happen.
    Deadlock {
        /// Who waits: hosts and the places of their tasks.
        message: String,
    },
    /// Hosts that were made whole have not come to what they had to ([`Sim::converges`](crate::Sim::converges)).
    NotLive {
        /// How long they had, in virtual time.
        within: Duration,
        /// What is missing, and who waits for what.
        message: String,
    },
    /// The budget of turns ran out: something spins.
    TurnBudget {
        /// The budget, in turns.
        turns: u64,
        /// Who turned most.
        message: String,
    },
    /// The budget of virtual time ran out before every client had finished.
    TimeBudget {
        /// The budget.
        limit: Duration,
        /// Who had not finished.
        message: String,
    },
}

impl Verdict {
    /// Whether the run passed.
    pub fn is_passed(&self) -> bool {
        matches!(self, Verdict::Passed)
    }

    /// The kind of verdict as one lower-case word.
    pub fn kind(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed { .. } => "failed",
            Verdict::Panicked { .. } => "panicked",
            Verdict::Violated { .. } => "violated",
            Verdict::Deadlock { .. } => "deadlock",
            Verdict::NotLive { .. } => "not-live",
            Verdict::TurnBudget { .. } => "turn-budget",
            Verdict::TimeBudget { .. } => "time-budget",
        }
    }

    /// What two runs must share for their failures to be taken for the same one: the first three clauses of the verdict's
    /// text, which end at ": ", with every number replaced by `#`. Shrinking keeps it, so that it does not slip to another
    /// bug. A check's message has what tells failures apart before its first ": ", and details behind it.
    pub fn signature(&self) -> String {
        signature_of(&one_line(&self.to_string()))
    }
}

/// `text` as one line: its line breaks, with the blanks around them, become ` / `. Other characters that a terminal obeys and
/// does not show are written as Rust writes them: a program may say what its peers have sent.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.split(is_break).map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join(" / ");
    if !line.contains(is_obeyed) {
        return line;
    }
    let mut plain = String::with_capacity(line.len());
    for c in line.chars() {
        if is_obeyed(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, and those that turn the direction of writing.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The signature of the failure whose verdict has this text.
pub(crate) fn signature_of(verdict: &str) -> String {
    let end = verdict.match_indices(": ").nth(2).map_or(verdict.len(), |(at, _)| at);
    let mut signature = String::with_capacity(end);
    for c in verdict[..end].chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if c != '#' || !signature.ends_with('#') {
            signature.push(c);
        }
    }
    signature
}

/// One line: the kind, then what is known.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Verdict::Passed => Ok(()),
            Verdict::Failed { subject, message } => write!(f, ": {subject}: {message}"),
            Verdict::Panicked { host, message } => write!(f, ": {host}: {message}"),
            Verdict::Violated { property, host, message } => write!(f, ": {property}: {host}: {message}"),
            Verdict::Deadlock { message } => write!(f, ": {message}"),
            Verdict::NotLive { within, message } => {
                write!(f, ": {within:?} after it was made whole: {message}")
            }
            Verdict::TurnBudget { turns, message } => write!(f, ": {turns} turns: {message}"),
            Verdict::TimeBudget { limit, message } => write!(f, ": {limit:?} of virtual time: {message}"),
        }
    }
}

/// What a run leaves behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// The hash over the record of callbacks, messages and faults. Equal seeds of one program give equal hashes.
    #[serde(with = "hash_text")]
    pub hash: u128,
    /// Virtual time that passed.
    pub virtual_time: Duration,
    /// Turns of all dispatchers.
    pub turns: u64,
    /// Callbacks that ran.
    pub callbacks: u64,
    /// The picks that were not 0, in the order in which they were drawn.
    pub unusual: Vec<Pick>,
    /// How often what the program says of itself came about.
    pub reached: Reached,
    /// The picks of a replay that found no draw to apply to, or one with too few alternatives.
    pub stale: Vec<Stale>,
    /// The run as text; only where it was asked for.
    pub story: Option<Story>,
    /// What a search goes by; only where it was asked for, and the run was made in this process.
    #[serde(skip)]
    pub(crate) probe: Option<Box<Probe>>,
    /// What it shared with the runs before it.
    pub isolation: Isolation,
    /// The calls of the system that its programs made past the simulation. Known where `twinloop-interpose` is linked.
    pub system_calls: Vec<SystemCall>,
}

/// What a search goes by.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) draws: Draws,
    pub(crate) features: Vec<Feature>,
}

/// A hash on its way to another process: JSON's numbers are shorter.
mod hash_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{hash:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(from)?, 16).map_err(D::Error::custom)
    }
}
