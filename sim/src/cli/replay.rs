//! The commands that repeat one run: `replay` judges it against what is kept of it, `shrink` makes it smaller.

use indicatif::HumanCount;

use super::explore::{seconds, tell_nondeterminism};
use super::failure::{Pursuit, pursue};
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::Failure;
use crate::choice::Choices;
use crate::determinism::run_twice;
use crate::replay_file::{Kept, ReplayFile};
use crate::shrink::Limits;
use crate::story::Telling;
use crate::verdict::{Report, one_line};

/// The run to repeat.
pub(super) enum Source {
    /// The seed's run as it is.
    Seed(u64),
    /// The run of a file, which also says what it must come to.
    File(Box<Kept>),
}

impl Source {
    pub(super) fn choices(&self) -> Choices {
        match self {
            Source::Seed(seed) => Choices::Seeded(*seed),
            Source::File(kept) => kept.file.choices(),
        }
    }

    pub(super) fn title(&self, scenario: &str) -> String {
        match self {
            Source::Seed(seed) => format!("{scenario}: seed {seed}"),
            Source::File(kept) => {
                let (path, seed, picks) = (kept.path.display(), kept.file.seed, kept.file.picks.len());
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
    if let Source::File(kept) = source {
        screen.say(comparison(&kept.file, &report));
        tell_mismatches(subject, kept, &report, screen);
    }
    exit_of(&report)
}

/// Goes on where shrinking the failure of a file ended, and keeps what it comes to there.
pub(super) fn shrink_further(
    subject: &Subject<'_>,
    kept: &Kept,
    limits: Limits,
    screen: &mut Screen<'_>,
) -> Exit {
    let Kept { path, file, .. } = kept;
    let report = (subject.run)(&file.choices(), Telling::Silent);
    if report.verdict.is_passed() {
        screen.say(format_args!("{}: {}", path.display(), comparison(file, &report)));
        tell_mismatches(subject, kept, &report, screen);
        return Exit::Passed;
    }
    let failure = Failure { seed: file.seed, report, seeds: 1 };
    pursue(subject, &failure, &Pursuit { limits, path }, screen).exit
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

fn tell_mismatches(subject: &Subject<'_>, kept: &Kept, report: &Report, screen: &mut Screen<'_>) {
    for mismatch in kept.mismatches(subject.configuration, report) {
        screen.say(format_args!("  {mismatch}"));
    }
}

/// What the run is to what the file keeps, in one line.
fn comparison(file: &ReplayFile, report: &Report) -> &'static str {
    match (file.keeps(&report.verdict), report.verdict.is_passed()) {
        (true, _) if report.hash == file.hash => "reproduced: the verdict and the hash are those of the file",
        (true, _) => "reproduced by another run: the verdict is that of the file, the hash is not",
        (false, true) => "passes now; the file has a failure",
        (false, false) => "fails in another way than the file has",
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
