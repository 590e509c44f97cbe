//! A story as a sequence diagram in mermaid's text: hosts side by side, messages as arrows. It lays nothing out.

use std::collections::BTreeMap;

use super::{Line, LineKind, Story};
use crate::message::MessageKind;
use crate::verdict::one_line;

/// How many lines of a story a diagram has: a reader sees no more at once, and browsers draw long ones for minutes.
pub const MERMAID_LINES_MAX: usize = 200;

pub(super) fn export(story: &Story) -> String {
    let told = story.keep(is_drawn);
    let shown = told.tail(MERMAID_LINES_MAX);
    let participants = Participants::of(&told);
    let mut text = "sequenceDiagram\n".to_owned();
    for (name, number) in &participants.in_order {
        text += &format!("    participant h{number} as {}\n", plain(name));
    }
    let left_out = left_out(story);
    if left_out > 0 {
        text += &format!("    Note over {}: {left_out} lines before are left out\n", participants.all());
    }
    for line in &shown.lines {
        text += &format!("    {}\n", statement(line, &participants));
    }
    text
}

/// How many lines of the story are too many for a diagram.
pub(super) fn left_out(story: &Story) -> usize {
    story.lines.iter().filter(|line| is_drawn(line)).count().saturating_sub(MERMAID_LINES_MAX)
}

/// Callbacks say nothing that an arrow or a note does not; acknowledgements are as many as all else together.
fn is_drawn(line: &Line) -> bool {
    let is_ack = line.passage.as_ref().is_some_and(|passage| passage.kind == MessageKind::Ack);
    line.kind != LineKind::Callback && !(is_ack && line.kind == LineKind::Message)
}

fn statement(line: &Line, participants: &Participants<'_>) -> String {
    let said = format!("{} {}", line.at, plain(&line.text));
    match &line.passage {
        Some(passage) if line.kind == LineKind::Message || !passage.arrives => {
            let arrow = if passage.arrives { "->>" } else { "-x" };
            let [from, to] = [&passage.from, &passage.to].map(|host| participants.id(host));
            format!("{from}{arrow}{to}: {said}")
        }
        _ => {
            let over = match line.host_name() {
                "" => participants.all(),
                host if participants.has(host) => participants.id(host),
                _ => participants.all(),
            };
            let mark = match line.kind {
                LineKind::Fault => "⚡ ",
                LineKind::Failure => "✗ ",
                _ => "",
            };
            format!("Note over {over}: {mark}{said}")
        }
    }
}

/// The hosts of a diagram. Mermaid gives some words a meaning of its own, so none of their names is used as one.
struct Participants<'a> {
    in_order: Vec<(&'a str, usize)>,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Participants<'a> {
    fn of(story: &'a Story) -> Participants<'a> {
        let mut names = story.hosts();
        for passage in story.lines.iter().filter_map(|line| line.passage.as_ref()) {
            for name in [passage.from.as_str(), passage.to.as_str()] {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            names.push("world");
        }
        let in_order: Vec<(&str, usize)> = names.into_iter().zip(0..).collect();
        Participants { by_name: in_order.iter().copied().collect(), in_order }
    }

    fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn id(&self, name: &str) -> String {
        format!("h{}", self.by_name[name])
    }

    /// All of them, for a note.
    fn all(&self) -> String {
        match self.in_order.len() {
            1 => "h0".to_owned(),
            count => format!("h0,h{}", count - 1),
        }
    }
}

/// `text` without what mermaid reads as more than text: `;` ends a statement as a line break does, `#` begins an
/// entity.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            ';' => plain.push_str("#59;"),
            '#' => plain.push_str("#35;"),
            '<' => plain.push_str("#lt;"),
            '>' => plain.push_str("#gt;"),
            c => plain.push(c),
        }
    }
    plain
}
