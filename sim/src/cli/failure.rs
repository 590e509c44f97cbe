//! What is done with a failure: it is shrunk, told, and kept in a file that is shown to repeat it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use indicatif::HumanCount;

use super::meter::ShrinkMeter;
use super::screen::Screen;
use super::{Called, Exit, Subject};
use crate::campaign::Failure;
use crate::choice::{Choices, Pick};
use crate::replay_file::{ReadError, ReplayFile};
use crate::shrink::{Limits, NotReproduced, Progress, Shrunk, shrink};
use crate::story::{LineKind, Story, Telling};
use crate::verdict::{Report, one_line};

/// How many lines of the story are told, and how many picks; the file has all picks, and `show` all lines.
const STORY_LINES: usize = 14;
const PICKS_TOLD: usize = 20;
/// How many characters of a line are told.
const WIDTH: usize = 100;

/// What a failure is worth.
pub(crate) struct Pursuit<'a> {
    /// What shrinking it may do.
    pub(crate) limits: Limits,
    /// The file in which it is kept.
    pub(crate) path: &'a Path,
}

/// What a pursuit has come to.
pub(crate) struct Pursued {
    pub(super) exit: Exit,
    /// None if the failure could not be repeated.
    pub(super) smallest: Option<Shrunk>,
    /// Whether the smallest failure is in its file.
    pub(super) is_kept: bool,
}

/// Shrinks `failure`, tells it and keeps it: the smallest run known is in its file at any time, so that who
/// interrupts loses nothing.
pub(crate) fn pursue(
    subject: &Subject<'_>,
    failure: &Failure,
    pursuit: &Pursuit<'_>,
    screen: &mut Screen<'_>,
) -> Pursued {
    tell_found(subject.name, failure, screen);
    let shrunk = match shrink_found(subject, failure, pursuit, screen.watched) {
        Ok(shrunk) => shrunk,
        Err(error) => {
            screen.say(format_args!("  {}\n", error.to_string().replace('\n', "\n  ")));
            return Pursued { exit: Exit::Nondeterminism, smallest: None, is_kept: false };
        }
    };
    let choices = Choices::Replayed { seed: shrunk.seed, picks: shrunk.picks.clone() };
    let story = (subject.run)(&choices, Telling::Events).story.unwrap_or_default();
    tell_shrunk(failure, &shrunk, &story, subject.called, screen);

    let headline = headline(subject.name, &shrunk.report, &story);
    let file = subject.file(shrunk.seed, &shrunk.report, &headline);
    let kept = keep(&file, pursuit.path).and_then(|()| prove(subject, &file, pursuit.path));
    let kept = kept.map(|()| pursuit.path);
    tell_kept(subject, failure.seed, &kept, screen);
    let (exit, is_kept) = match kept {
        Ok(_) => (confirm(subject, &file, screen), true),
        Err(error) => (error.exit(), false),
    };
    Pursued { exit, smallest: Some(shrunk), is_kept }
}

/// Runs what was kept where nothing is shared with the runs before, and says if it comes to something else there.
fn confirm(subject: &Subject<'_>, file: &ReplayFile, screen: &mut Screen<'_>) -> Exit {
    let Some(conditions) = subject.conditions.strictest() else { return Exit::FailuresFound };
    let report = conditions.run(subject.bare, &file.choices(), Telling::Silent);
    let (verdict, level) = (one_line(&report.verdict.to_string()), conditions.level);
    if verdict == file.verdict && report.hash == file.hash {
        screen.say(format_args!(
            "  Confirmed at the strictest level of isolation, {level}: same verdict, same hash.\n"
        ));
        return Exit::FailuresFound;
    }
    screen.say(format_args!("  Not so at the strictest level of isolation, {level}: {verdict}"));
    screen.say("  What runs leave in the process, its addresses or its environment have a part in it.\n");
    Exit::Nondeterminism
}

fn shrink_found(
    subject: &Subject<'_>,
    failure: &Failure,
    pursuit: &Pursuit<'_>,
    watched: bool,
) -> Result<Shrunk, NotReproduced> {
    let meter = ShrinkMeter::new(pursuit.limits.runs, watched);
    let mut run = |choices: &Choices| (subject.run)(choices, Telling::Silent);
    let mut progress = |progress: Progress<'_>| {
        meter.show(&progress);
        if let Some((seed, report)) = progress.smaller {
            keep_meanwhile(subject, seed, report, pursuit.path);
        }
        ControlFlow::Continue(())
    };
    let shrunk = shrink(&mut run, &failure.report, failure.seed, pursuit.limits, &mut progress);
    meter.finish();
    shrunk
}

/// Keeps the smallest run so far, unless an earlier search has left a smaller one. What can not be written now can
/// not be written in the end either, and is told then.
fn keep_meanwhile(subject: &Subject<'_>, seed: u64, report: &Report, path: &Path) {
    let headline = format!("{}: {}; shrinking was interrupted", subject.name, report.verdict);
    let file = subject.file(seed, report, &headline);
    let kept: Option<ReplayFile> = fs::read_to_string(path).ok().and_then(|text| text.parse().ok());
    if kept.is_none_or(|kept| kept.picks.len() > file.picks.len() || !kept.keeps(&report.verdict)) {
        let _ = keep(&file, path);
    }
}

fn tell_found(name: &str, failure: &Failure, screen: &mut Screen<'_>) {
    let others = match failure.seeds - 1 {
        0 => String::new(),
        1 => ", as 1 other seed did".to_owned(),
        others => format!(", as {} other seeds did", HumanCount(others)),
    };
    screen.say(format_args!("{name}: seed {} failed{others}", failure.seed));
    screen.say(format_args!("  {}\n", one_line(&failure.report.verdict.to_string())));
}

fn tell_shrunk(
    failure: &Failure,
    shrunk: &Shrunk,
    story: &Story,
    called: Called<'_>,
    screen: &mut Screen<'_>,
) {
    let (before, after) = (failure.report.unusual.len(), shrunk.picks.len());
    let elsewhere = match shrunk.seed {
        seed if seed == failure.seed => String::new(),
        seed => format!(", in seed {seed}, which fails in the same way with less"),
    };
    screen.say(format_args!(
        "  Shrunk in {} runs: {after} of {} unusual picks are left{elsewhere}.",
        HumanCount(shrunk.runs as u64),
        HumanCount(before as u64)
    ));
    if shrunk.report.verdict != failure.report.verdict {
        screen.say(format_args!("  {}", one_line(&shrunk.report.verdict.to_string())));
    }
    tell_picks(&shrunk.picks, PICKS_TOLD, screen);
    tell_heart_of(story, called, screen);
}

/// Lists the first `count` of `picks`, and says how many more there are.
fn tell_picks(picks: &[Pick], count: usize, screen: &mut Screen<'_>) {
    for pick in picks.iter().take(count) {
        screen.say(format_args!("    {pick}"));
    }
    if picks.len() > count {
        screen.say(format_args!("    and {} more", HumanCount((picks.len() - count) as u64)));
    }
}

/// Tells the few lines that led to the failure.
fn tell_heart_of(story: &Story, called: Called<'_>, screen: &mut Screen<'_>) {
    let heart = story.heart(STORY_LINES);
    if heart.lines.is_empty() {
        return;
    }
    screen.say(format_args!("\n  What led to it ({}):", called.tells_all()));
    for line in heart.within(WIDTH - 2).to_string().lines() {
        screen.say(format_args!("  {line}"));
    }
}

/// What went wrong in one line: the verdict, and the fault that came last before it.
fn headline(name: &str, report: &Report, story: &Story) -> String {
    let verdict = &report.verdict;
    match story.lines.iter().rfind(|line| line.kind == LineKind::Fault) {
        None => format!("{name}: {verdict}"),
        Some(fault) => {
            let at = Duration::from_nanos(fault.at.as_nanos());
            format!("{name}: {verdict}; last fault: {} t={at:?}: {}", fault.host, fault.text)
        }
    }
}

fn tell_kept(subject: &Subject<'_>, seed: u64, kept: &Result<&Path, KeepError>, screen: &mut Screen<'_>) {
    match kept {
        Ok(path) => {
            let path = path.display();
            screen.say(format_args!("\n  Kept in {path} and replayed from there: same verdict, same hash."));
            screen.say("  To see it again:\n");
            screen.say(format_args!("{}\n", subject.called.again_from(&path.to_string())));
        }
        Err(error) => {
            screen.flush();
            screen.complain(format_args!("{}: {error}", subject.name));
            screen.say("\n  To see the seed's whole run again:\n");
            screen.say(format_args!("{}\n", subject.called.again(seed, subject.name)));
        }
    }
}

/// Why a failure has no replay file that repeats it.
#[derive(Debug)]
enum KeepError {
    /// What could not be done to which file, and why.
    Io(&'static str, PathBuf, io::Error),
    /// The file was written, and what came back is no replay file.
    Read(PathBuf, ReadError),
    /// The file was written, and its run is another one.
    Differs { path: PathBuf, wanted: (String, u128), found: (String, u128) },
}

impl KeepError {
    fn exit(&self) -> Exit {
        match self {
            // A failure without its file is a failure still, and nobody should take it for a broken disk.
            KeepError::Io(..) | KeepError::Read(..) => Exit::FailuresFound,
            KeepError::Differs { .. } => Exit::Nondeterminism,
        }
    }
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepError::Io(what, path, error) => write!(f, "cannot {what} {}: {error}", path.display()),
            KeepError::Read(path, error) => write!(f, "{}:{error}", path.display()),
            KeepError::Differs { path, wanted: (wanted, wanted_hash), found: (found, found_hash) } => {
                writeln!(f, "{} does not give the run that it was written from", path.display())?;
                writeln!(f, "  written:  hash {wanted_hash:032x}, {wanted}")?;
                write!(f, "  replayed: hash {found_hash:032x}, {found}")
            }
        }
    }
}

/// Writes `file` to `path`. Whoever looks there sees a whole file or none: the text goes to a temporary name first.
fn keep(file: &ReplayFile, path: &Path) -> Result<(), KeepError> {
    let error = |what, path: &Path| {
        let path = path.to_owned();
        move |error| KeepError::Io(what, path, error)
    };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(error("write", path)(io::ErrorKind::InvalidInput.into()));
    };
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(folder).map_err(error("create the folder", folder))?;
    }
    let temporary = folder.join(format!(".{}.{}", Path::new(name).display(), process::id()));
    let written = File::create(&temporary).and_then(|mut to| {
        to.write_all(file.to_string().as_bytes())?;
        to.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(cause) = placed {
        // It may not exist; what matters is the error that led here.
        let _ = fs::remove_file(&temporary);
        return Err(error("write", path)(cause));
    }
    Ok(())
}

/// Reads the file at `path` back and runs it: it must come to what `written` says.
fn prove(subject: &Subject<'_>, written: &ReplayFile, path: &Path) -> Result<(), KeepError> {
    let text = fs::read_to_string(path).map_err(|error| KeepError::Io("read", path.to_owned(), error))?;
    let file: ReplayFile = text.parse().map_err(|error| KeepError::Read(path.to_owned(), error))?;
    let report = (subject.run)(&file.choices(), Telling::Silent);
    let wanted = (written.verdict.clone(), written.hash);
    let found = (one_line(&report.verdict.to_string()), report.hash);
    if wanted == found { Ok(()) } else { Err(KeepError::Differs { path: path.to_owned(), wanted, found }) }
}
