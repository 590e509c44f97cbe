//! How a run ended, and what a run leaves behind. Knows no mechanism.

use std::fmt;
use std::time::Duration;

use crate::choice::Pick;
use crate::story::Story;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Clients still wait, and nothing is left that could ever happen.
    Deadlock {
        /// Who waits: hosts and the places of their tasks.
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
            Verdict::Deadlock { .. } => "deadlock",
            Verdict::TurnBudget { .. } => "turn-budget",
            Verdict::TimeBudget { .. } => "time-budget",
        }
    }

    /// What two runs must share for their failures to be taken for the same one: the kind of verdict and the text of
    /// its message with every number replaced by `#`. Shrinking keeps it, so that it does not slip to another bug.
    pub fn signature(&self) -> String {
        let text = self.to_string();
        let mut signature = String::with_capacity(text.len());
        let mut in_number = false;
        for c in text.chars() {
            if !c.is_ascii_digit() {
                signature.push(c);
            } else if !in_number {
                signature.push('#');
            }
            in_number = c.is_ascii_digit();
        }
        signature
    }
}

/// One line: the kind, then what is known.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Verdict::Passed => Ok(()),
            Verdict::Failed { subject, message } => write!(f, ": {subject}: {message}"),
            Verdict::Panicked { host, message } => write!(f, ": {host}: {message}"),
            Verdict::Deadlock { message } => write!(f, ": {message}"),
            Verdict::TurnBudget { turns, message } => write!(f, ": {turns} turns: {message}"),
            Verdict::TimeBudget { limit, message } => write!(f, ": {limit:?} of virtual time: {message}"),
        }
    }
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// The hash over the record of callbacks, messages and faults. Equal seeds of one program give equal hashes.
    pub hash: u128,
    /// Virtual time that passed.
    pub virtual_time: Duration,
    /// Turns of all dispatchers.
    pub turns: u64,
    /// Callbacks that ran.
    pub callbacks: u64,
    /// The picks that were not 0, in the order in which they were drawn.
    pub unusual: Vec<Pick>,
    /// The picks of a replay that found no draw to apply to, or one with too few alternatives.
    pub stale: Vec<Pick>,
    /// The run as text; only where it was asked for.
    pub story: Option<Story>,
}
