//! The commands that repeat one run: `replay` judges it against what is kept of it, `shrink` makes it smaller.

use std::path::Path;

use indicatif::HumanCount;

use super::explore::{seconds, tell_nondeterminism};
use super::failure::{Pursuit, pursue, tell_picks};
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::Failure;
use crate::choice::Choices;
use crate::determinism::run_twice;
use crate::replay_file::ReplayFile;
use crate::shrink::Limits;
use crate::story::Telling;
use crate::verdict::{Report, one_line};

/// The run to repeat.
pub(super) enum Source {
    /// The seed's run as it is.
    Seed(u64),
    /// The run of a file, which also says what it must come to.
    File {
        /// Where the file is, for people.
        path: String,
        file: ReplayFile,
    },
}

impl Source {
    pub(super) fn choices(&self) -> Choices {
        match self {
            Source::Seed(seed) => Choices::Seeded(*seed),
            Source::File { file, .. } => file.choices(),
        }
    }

    pub(super) fn title(&self, scenario: &str) -> String {
        match self {
            Source::Seed(seed) => format!("{scenario}: seed {seed}"),
            Source::File { path, file } => {
                let (seed, picks) = (file.seed, file.picks.len());
                format!("{path}: {scenario}, seed {seed}, {} {}", picks, plural(picks, "pick", "picks"))
            }
        }
    }
}

/// Runs it twice and says what it came to.
pub(super) fn replay(subject: &Subject<'_>, source: &Source, screen: &mut Screen<'_>) -> Exit {
    let choices = source.choices();
    let (report, found) = run_twice(subject.run, &choices);
    screen.say(source.title(subject.name));
    if let Some(found) = found {
        tell_nondeterminism(subject, &choices, &found, screen);
        return Exit::Nondeterminism;
    }
    tell_report(&report, screen);
    if let Source::File { file, .. } = source {
        tell_stale(&report, screen);
        screen.say(comparison(file, &report));
    }
    exit_of(&report)
}

/// Goes on where shrinking the failure of `file` ended, and keeps what it comes to there.
pub(super) fn shrink_further(
    subject: &Subject<'_>,
    path: &Path,
    file: &ReplayFile,
    limits: Limits,
    screen: &mut Screen<'_>,
) -> Exit {
    let report = (subject.run)(&file.choices(), Telling::Silent);
    if report.verdict.is_passed() {
        screen.say(format_args!("{}: {}", path.display(), comparison(file, &report)));
        return Exit::Passed;
    }
    let failure = Failure { seed: file.seed, report, seeds: 1 };
    pursue(subject, &failure, &Pursuit { limits, path }, screen)
}

pub(super) fn exit_of(report: &Report) -> Exit {
    if report.verdict.is_passed() { Exit::Passed } else { Exit::FailuresFound }
}

pub(super) fn tell_report(report: &Report, screen: &mut Screen<'_>) {
    screen.say(format_args!("  {}", one_line(&report.verdict.to_string())));
    screen.say(format_args!("  isolation: {}", report.isolation));
    let (turns, callbacks) = (HumanCount(report.turns), HumanCount(report.callbacks));
    let virtual_time = seconds(report.virtual_time);
    screen.say(format_args!("  {virtual_time} s of virtual time, {turns} turns, {callbacks} callbacks"));
    screen.say(format_args!("  hash {:032x}", report.hash));
}

fn tell_stale(report: &Report, screen: &mut Screen<'_>) {
    let stale = &report.stale;
    if !stale.is_empty() {
        let (count, picks) = (stale.len(), plural(stale.len(), "pick", "picks"));
        screen.say(format_args!(
            "  {count} {picks} found no draw to apply to, or one with fewer alternatives:"
        ));
        tell_picks(stale, stale.len(), screen);
    }
}

/// What the run is to what the file keeps.
fn comparison(file: &ReplayFile, report: &Report) -> String {
    let same_hash = report.hash == file.hash;
    match (file.keeps(&report.verdict), report.verdict.is_passed()) {
        (true, _) if same_hash => "reproduced: the verdict and the hash are those of the file".to_owned(),
        (true, _) => {
            let hash = file.hash;
            format!("reproduced by another run: the verdict is that of the file, whose hash is {hash:032x}")
        }
        (false, true) => format!("passes now; the file has: {}", file.verdict),
        (false, false) => format!("fails in another way; the file has: {}", file.verdict),
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
