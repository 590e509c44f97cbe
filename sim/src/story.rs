//! A run as text: who did what when and why, in the order in which it happened. It decides nothing.
//!
//! Each line has a number, and the numbers of the lines that it is due to: a message is due to the callback that has
//! sent it, the callback that it wakes to its arrival, a timer to who has set it, a fault to the message that it
//! strikes and to the oracle's picks. Following them back from the last line of a run that has failed gives the story
//! of the failure: [`Focus::Failure`].
//!
//! What a program keeps in mind is not seen: that one task has left a value where another one found it leads to
//! nothing here.

mod cause;
mod export;
mod focus;
mod heart;
mod mermaid;
mod perfetto;
mod shiviz;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use twinloop::Moment;

use crate::choice::Pick;
use crate::kernel::Packet;
use crate::message::MessageKind;
use crate::verdict::one_line;

pub(crate) use cause::{Blame, Stamp, Trail};
pub use export::Export;
pub use focus::Focus;
pub use mermaid::MERMAID_LINES_MAX;

/// How many causes are told beside a line.
const CAUSES_TOLD: usize = 4;

/// Whether a run keeps its story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The run has failed: its last line.
    Failure,
}

impl LineKind {
    /// One lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            LineKind::Callback => "callback",
            LineKind::Message => "message",
            LineKind::Fault => "fault",
            LineKind::Note => "note",
            LineKind::Failure => "failure",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// When, on the world's clock.
    #[serde(with = "nanos")]
    pub at: Moment,
    /// On which host; empty for the world itself.
    pub host: String,
    /// What kind of thing.
    pub kind: LineKind,
    /// What.
    pub text: String,
    /// Which line of the whole story it is, from 1; 0 if it is of none.
    pub number: usize,
    /// The numbers of the lines that it is due to, ascending: what woke the callback, who sent the message, what the
    /// fault was done to.
    pub causes: Vec<usize>,
    /// The picks that it is due to, if it tells of a fault that was drawn.
    pub picks: Vec<Pick>,
    /// The message that it is about, if it is about one.
    pub passage: Option<Passage>,
}

/// A message between two hosts, as a line is about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// The name of the host that sent it.
    pub from: String,
    /// The name of the host that it was sent to.
    pub to: String,
    /// The address and port that it comes from.
    pub source: SocketAddr,
    /// The address and port that it goes to.
    pub destination: SocketAddr,
    /// What it is.
    pub kind: MessageKind,
    /// Whether it goes on; false where it ends here.
    pub arrives: bool,
}

impl Passage {
    pub(crate) fn new(from: &str, to: &str, packet: &Packet, arrives: bool) -> Passage {
        let (source, destination) = (packet.source, packet.destination);
        let kind = packet.kind();
        Passage { from: from.to_owned(), to: to.to_owned(), source, destination, kind, arrives }
    }
}

impl Line {
    /// The line that tells `text` of `host`.
    pub fn new(at: Moment, host: impl Into<String>, kind: LineKind, text: impl Into<String>) -> Line {
        Line {
            at,
            host: host.into(),
            kind,
            text: text.into(),
            number: 0,
            causes: Vec::new(),
            picks: Vec::new(),
            passage: None,
        }
    }

    /// The text; of a message that arrives, with who sent it: ports alone do not tell two clients apart.
    fn told(&self) -> Cow<'_, str> {
        match &self.passage {
            Some(passage) if self.kind == LineKind::Message && passage.to == self.host_name() => {
                Cow::Owned(format!("from {}: {}", passage.from, self.text))
            }
            _ => Cow::Borrowed(&self.text),
        }
    }

    pub(crate) fn add_causes(&mut self, lines: &[usize]) {
        // A callback may look at what it has raised itself.
        self.causes.extend(lines.iter().filter(|cause| **cause != self.number));
        self.causes.sort_unstable();
        self.causes.dedup();
    }
}

/// A run as lines, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The lines.
    pub lines: Vec<Line>,
}

impl Story {
    /// The last `count` lines as a story.
    pub fn tail(&self, count: usize) -> Story {
        Story { lines: self.lines[self.lines.len().saturating_sub(count)..].to_vec() }
    }

    /// The story as a table that also has each line's number, and what it is due to: other lines, and picks of the
    /// oracle.
    ///
    /// ```
    /// use twinloop::Moment;
    /// use twinloop_sim::story::{Line, LineKind, Story};
    ///
    /// let mut line = Line::new(Moment::ORIGIN, "a", LineKind::Note, "woken");
    /// (line.number, line.causes) = (12, vec![7]);
    /// let story = Story { lines: vec![line] };
    /// assert_eq!(story.to_string(), " 0.000000000s  a  note      woken\n");
    /// assert_eq!(story.with_causes().to_string(), "12   0.000000000s  a  note      woken  ← 7\n");
    /// ```
    pub fn with_causes(&self) -> impl fmt::Display + '_ {
        WithCauses { story: self, width: usize::MAX }
    }

    /// As [`Story::with_causes`], in lines of at most `width` characters: texts are cut short, and no picks are told.
    pub(crate) fn within(&self, width: usize) -> impl fmt::Display + '_ {
        WithCauses { story: self, width }
    }

    fn host_width(&self) -> usize {
        self.lines.iter().map(|line| one_line(&line.host).chars().count()).max().unwrap_or(0)
    }
}

struct WithCauses<'a> {
    story: &'a Story,
    /// How many characters a line has at most.
    width: usize,
}

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host_width = self.story.host_width();
        let digits = self.story.lines.iter().map(|line| line.number).max().unwrap_or(0).to_string().len();
        for line in &self.story.lines {
            let row = format!("{:>digits$}  {}", line.number, Row(line, host_width));
            let causes = self.causes(line);
            let room = self.width.saturating_sub(causes.chars().count());
            writeln!(f, "{}{causes}", clipped(&row, room))?;
        }
        Ok(())
    }
}

impl WithCauses<'_> {
    /// What stands behind a line.
    fn causes(&self, line: &Line) -> String {
        let picks = line.picks.iter().filter(|_| self.width == usize::MAX).map(Pick::to_string);
        let latest = line.causes.iter().skip(line.causes.len().saturating_sub(CAUSES_TOLD));
        let mut causes: Vec<String> = picks.chain(latest.map(usize::to_string)).collect();
        if line.causes.len() > CAUSES_TOLD {
            causes.push("…".to_owned());
        }
        if causes.is_empty() { String::new() } else { format!("  ← {}", causes.join(", ")) }
    }
}

/// `line`, with a part of it replaced by `…` if it has more than `width` characters. What is wrong stands at the end
/// of most lines, so that is kept.
fn clipped(line: &str, width: usize) -> Cow<'_, str> {
    let count = line.chars().count();
    if count <= width {
        return Cow::Borrowed(line);
    }
    let end = width / 3;
    let begin = width.saturating_sub(end + 1);
    Cow::Owned(line.chars().take(begin).chain(['…']).chain(line.chars().skip(count - end)).collect())
}

/// A line, in a table whose hosts' names have at most so many characters.
struct Row<'a>(&'a Line, usize);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row(line, width) = self;
        let (host, text) = (one_line(&line.host), one_line(&line.told()));
        write!(f, "{:>13}  {host:width$}  {:8}  {text}", line.at, line.kind.name())
    }
}

/// A table: virtual time, host, kind, text. Whatever a program notes, a line of it stays one.
impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.host_width();
        self.lines.iter().try_for_each(|line| writeln!(f, "{}", Row(line, width)))
    }
}

/// A moment on its way to another process: its nanoseconds.
pub(crate) mod nanos {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use twinloop::Moment;

    pub(crate) fn serialize<S: Serializer>(moment: &Moment, to: S) -> Result<S::Ok, S::Error> {
        moment.as_nanos().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        u64::deserialize(from).map(Moment::from_nanos)
    }
}
