//! A run as text: who did what when, in the order in which it happened. It decides nothing.

use std::fmt;

use twinloop::Moment;

/// Whether a run keeps its story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// No: only the hash is kept.
    Silent,
    /// Faults, messages on the network and the programs' own notes.
    Events,
    /// All of that, and every callback.
    Everything,
    /// No, but what a search goes by: every draw, and what kinds of things happened.
    Probed,
}

/// What kind of thing a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineKind {
    /// A callback ran.
    Callback,
    /// Something travelled, or was lost, on the network.
    Message,
    /// Something unusual was done to the world.
    Fault,
    /// A program said so, or began, or ended.
    Note,
}

impl LineKind {
    /// One lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            LineKind::Callback => "callback",
            LineKind::Message => "message",
            LineKind::Fault => "fault",
            LineKind::Note => "note",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// When, on the world's clock.
    pub at: Moment,
    /// On which host; empty for the world itself.
    pub host: String,
    /// What kind of thing.
    pub kind: LineKind,
    /// What.
    pub text: String,
}

impl Line {
    /// The line that tells `text` of `host`.
    pub fn new(at: Moment, host: impl Into<String>, kind: LineKind, text: impl Into<String>) -> Line {
        Line { at, host: host.into(), kind, text: text.into() }
    }
}

/// A run as lines, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The lines.
    pub lines: Vec<Line>,
}

impl Story {
    /// The last `count` lines as a story.
    pub fn tail(&self, count: usize) -> Story {
        Story { lines: self.lines[self.lines.len().saturating_sub(count)..].to_vec() }
    }
}

/// A table: virtual time, host, kind, text.
impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.host.chars().count()).max().unwrap_or(0);
        for line in &self.lines {
            writeln!(f, "{:>13}  {:width$}  {:8}  {}", line.at, line.host, line.kind.name(), line.text)?;
        }
        Ok(())
    }
}
