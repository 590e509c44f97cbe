//! A story as text that other programs read. Each format has a file of its own; which lines there are is not their
//! business.

use std::fmt;
use std::str::FromStr;

use super::{Story, mermaid, perfetto, shiviz};

/// A format that other programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Export {
    /// JSON in the trace event format, for ui.perfetto.dev and chrome://tracing: a process for each host, a thread
    /// for each of its dispatchers and one for its kernel, slices for what happens, arrows from causes to what they
    /// led to.
    Perfetto,
    /// A log with vector clocks, for ShiViz.
    Shiviz,
    /// A sequence diagram as mermaid has it, without callbacks and lone acknowledgements: at most
    /// [`MERMAID_LINES_MAX`](super::MERMAID_LINES_MAX) lines, the last ones, and a note of how many were left out.
    Mermaid,
}

impl Story {
    /// The story in another program's format. Told with [`Telling::Everything`](super::Telling::Everything), it shows
    /// most.
    ///
    /// ```
    /// use twinloop_sim::choice::Choices;
    /// use twinloop_sim::story::{Export, Telling};
    /// use twinloop_sim::run_world;
    ///
    /// let report = run_world(&Choices::Seeded(1), Telling::Everything, |sim| {
    ///     sim.client("a", || async { Ok(()) });
    /// });
    /// let story = report.story.expect("a story was asked for");
    /// assert!(story.export(Export::Mermaid).starts_with("sequenceDiagram\n"));
    /// ```
    pub fn export(&self, format: Export) -> String {
        match format {
            Export::Perfetto => perfetto::export(self),
            Export::Shiviz => shiviz::export(self),
            Export::Mermaid => mermaid::export(self),
        }
    }

    /// How many lines are left out of the text in this format because it would be too long.
    pub(crate) fn left_out(&self, format: Export) -> usize {
        match format {
            Export::Mermaid => mermaid::left_out(self),
            Export::Perfetto | Export::Shiviz => 0,
        }
    }
}

/// Its name on a command line.
impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Export::Perfetto => "perfetto",
            Export::Shiviz => "shiviz",
            Export::Mermaid => "mermaid",
        })
    }
}

impl FromStr for Export {
    type Err = String;

    fn from_str(name: &str) -> Result<Export, String> {
        let all = [Export::Perfetto, Export::Shiviz, Export::Mermaid];
        let found = all.into_iter().find(|export| export.to_string() == name);
        found.ok_or_else(|| "a story is exported as perfetto, shiviz or mermaid".to_owned())
    }
}
