//! The command `show`: it tells a run, or a part of it, and writes it down for other programs. It judges nothing.

use std::fs;
use std::path::Path;

use super::args::{Part, ShowOptions};
use super::replay::{Source, exit_of, tell_report};
use super::screen::Screen;
use super::{Exit, Refusal, Subject};
use crate::story::{Export, Focus, Story, Telling};

/// Tells the run's story.
pub(super) fn show(
    subject: &Subject<'_>,
    source: &Source,
    options: &ShowOptions,
    screen: &mut Screen<'_>,
) -> Result<Exit, Refusal> {
    let report = (subject.run)(&source.choices(), options.telling);
    let story = report.story.clone().unwrap_or_default();
    let part = match &options.part {
        None => story,
        Some(part) => story.focus(&focus(part, &story)?),
    };
    screen.say(source.title(subject.name));
    // Lines may be of any length: `less -S` shows them better than cutting them here would.
    if !part.lines.is_empty() {
        screen.say(part.with_causes().to_string().trim_end());
    }
    if report.verdict.is_passed() && options.part == Some(Part::Why) {
        screen.say("  the run has passed: there is no failure that anything led to");
    }
    tell_report(&report, screen);
    for (export, path) in &options.exports {
        // Other programs leave out what they do not show; what is not in the file they can not show.
        let story = match options.part {
            None => (subject.run)(&source.choices(), Telling::Everything).story.unwrap_or_default(),
            Some(_) => part.clone(),
        };
        write(*export, &story, path)?;
        screen.say(format_args!("  written to {}{}", path.display(), shortened(&story, *export)));
    }
    Ok(exit_of(&report))
}

/// Says what is not in the file.
fn shortened(story: &Story, export: Export) -> String {
    match story.left_out(export) {
        0 => String::new(),
        count => format!(", without the first {count} lines; --why, --host and --connection make it shorter"),
    }
}

/// What a part's words mean in this story.
fn focus(part: &Part, story: &Story) -> Result<Focus, Refusal> {
    match part {
        Part::Why => Ok(Focus::Failure),
        Part::Host(name) => match story.hosts() {
            hosts if hosts.contains(&name.as_str()) => Ok(Focus::Host(name.clone())),
            hosts => Err(unknown("host", name, &hosts)),
        },
        Part::Connection(ends) => match story.connection(ends) {
            Some((a, b)) => Ok(Focus::Connection(a, b)),
            None => {
                let all = story.connections().into_iter().map(|(a, b)| format!("{a}-{b}"));
                Err(unknown("connection", ends, &all.collect::<Vec<_>>()))
            }
        },
    }
}

fn unknown(what: &str, name: &str, known: &[impl AsRef<str>]) -> Refusal {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Refusal::usage(format!("the story has no {what} {name:?}; it has: {known}"))
}

fn write(export: Export, story: &Story, path: &Path) -> Result<(), Refusal> {
    fs::write(path, story.export(export)).map_err(|error| Refusal {
        exit: Exit::CouldNotRun,
        text: format!("cannot write the story to {}: {error}", path.display()),
    })
}
