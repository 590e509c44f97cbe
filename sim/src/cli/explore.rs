//! The command that runs many seeds: the campaign, what it found, and one line that sums it up.

mod seeds;

use std::path::Path;
use std::time::Duration;

use indicatif::HumanCount;
use seeds::{Ran, run_seeds};

use super::args::ExploreOptions;
use super::failure::{Pursuit, pursue};
use super::results::{FailureResult, KnownResult, Outcome, SummaryResult};
use super::screen::Screen;
use super::{Exit, Refusal, Subject, read};
use crate::campaign::ledger::Differed;
use crate::campaign::{Detected, Findings, Nondeterminism, Shard, detect};
use crate::choice::Choices;
use crate::determinism::Cause;
use crate::isolation::Isolation;
use crate::reached::Tally;
use crate::replays::kept;
use crate::story::Telling;
use crate::verdict::one_line;

/// Runs what is known to have failed, then the seeds; then shrinks, keeps and tells each failure. `environment` reads a
/// variable: a scheduler may have said which part of the seeds is meant.
pub(super) fn explore(
    subject: &Subject<'_>,
    options: &ExploreOptions,
    environment: &dyn Fn(&str) -> Option<String>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Refusal> {
    if options.json {
        screen.speak_json();
    }
    let shard = shard_of(options, environment, screen)?;
    let mut exit = run_known(subject, &options.replays, screen)?;
    let Ran { findings, wall_time, recalled, broken } = run_seeds(subject, options, shard, screen)?;
    if let Some(found) = &findings.nondeterminism {
        tell_nondeterminism(subject, &Choices::Seeded(found.seed), found, screen);
        screen.emit(&Outcome::Nondeterminism(Differed::of(found)));
        exit = Exit::Nondeterminism;
    }
    if options.check && findings.nondeterminism.is_none() {
        exit = exit.max(check_strictest(subject, shard.part_of(&options.seeds).start, screen));
    }
    exit = exit.max(recalled.tell(subject.name, screen));
    for failure in &findings.failures {
        // What its seed does not decide, its picks do not either.
        if findings.nondeterminism.as_ref().is_some_and(|found| found.seed == failure.seed) {
            continue;
        }
        let path = options.replays.join(subject.file_name(failure.seed));
        let pursued = pursue(subject, failure, &Pursuit { limits: options.limits, path: &path }, screen);
        exit = exit.max(pursued.exit);
        screen.emit(&Outcome::Failure(FailureResult::of(failure, &pursued, &path)));
    }
    screen.say(summary(subject.name, &findings, wall_time, subject.conditions.level));
    let tallies = Tally::all(&findings.reached);
    tell_reached(&tallies, screen);
    if options.reached && tallies.iter().any(Tally::is_owed) {
        exit = exit.max(Exit::FailuresFound);
    }
    screen.emit(&Outcome::Summary(SummaryResult::of(subject, options, shard, &findings, wall_time)));
    match broken {
        Some(text) => Err(Refusal { exit: Exit::CouldNotRun, text }),
        None => Ok(exit),
    }
}

/// Runs one seed where nothing is shared with other runs: what is the same in every run of this process may not be
/// there.
fn check_strictest(subject: &Subject<'_>, seed: u64, screen: &mut Screen<'_>) -> Exit {
    let Some(conditions) = subject.conditions.strictest() else { return Exit::Passed };
    let choices = Choices::Seeded(seed);
    let here = (subject.run)(&choices, Telling::Silent);
    let there = conditions.run(subject.bare, &choices, Telling::Silent);
    if (here.hash, &here.verdict) == (there.hash, &there.verdict) {
        return Exit::Passed;
    }
    screen.say(format_args!("{}: in a process of its own, seed {seed} is another run", subject.name));
    for (level, report) in [(here.isolation, here), (there.isolation, there)] {
        screen.say(format_args!(
            "  {level}: hash {:032x}, {}",
            report.hash,
            one_line(&report.verdict.to_string())
        ));
    }
    screen.say(
        "  An environment variable, an address, or what the program did before its first run decided.\n",
    );
    Exit::Nondeterminism
}

fn shard_of(
    options: &ExploreOptions,
    environment: &dyn Fn(&str) -> Option<String>,
    screen: &mut Screen<'_>,
) -> Result<Shard, Refusal> {
    if let Some(shard) = options.shard {
        return Ok(shard);
    }
    let detected = detect(environment).map_err(Refusal::usage)?;
    let Some(Detected { shard, source }) = detected else { return Ok(Shard::WHOLE) };
    screen.say(format_args!("shard {shard}, by {source}"));
    Ok(shard)
}

/// Runs the scenario's replays in `folder`: failures that were found once are looked for first.
fn run_known(subject: &Subject<'_>, folder: &Path, screen: &mut Screen<'_>) -> Result<Exit, Refusal> {
    let mut exit = Exit::Passed;
    let could_not = |text| Refusal { exit: Exit::CouldNotRun, text };
    for path in kept(folder, subject.name).map_err(could_not)? {
        let kept = read(&path)?;
        if let Some(mismatch) = kept.misconfigured(subject.configuration).first() {
            screen.say(format_args!("{mismatch}; not run"));
            continue;
        }
        let report = subject.run_kept(&kept, Telling::Silent).map_err(|m| could_not(m.to_string()))?;
        let (verdict, told) = (one_line(&report.verdict.to_string()), path.display());
        match (report.verdict.is_passed(), kept.file.keeps(&report.verdict)) {
            (true, _) => screen.say(format_args!("{told}: passes now")),
            (false, true) => screen.say(format_args!("{told}: known, still fails: {}", kept.file.verdict)),
            (false, false) => screen.say(format_args!("{told}: fails in another way now: {verdict}")),
        }
        screen.emit(&Outcome::Known(KnownResult { replay: told.to_string(), verdict }));
        if !report.verdict.is_passed() {
            exit = Exit::FailuresFound;
        }
    }
    Ok(exit)
}

/// Says that two runs of a seed differ, where they part, and why that may be.
pub(crate) fn tell_nondeterminism(
    subject: &Subject<'_>,
    choices: &Choices,
    found: &Nondeterminism,
    screen: &mut Screen<'_>,
) {
    let mut found = found.clone();
    if are_alike_in_processes(subject, choices) {
        found.causes.insert(0, Cause::ProcessState);
    }
    screen.say(format_args!("{}: {found}", subject.name));
}

/// Whether runs are the same where nothing is left of the one before: then that is what made them differ.
fn are_alike_in_processes(subject: &Subject<'_>, choices: &Choices) -> bool {
    let Some(conditions) = subject.conditions.strictest() else { return false };
    let [first, second] = [0, 1].map(|_| conditions.run(subject.bare, choices, Telling::Silent));
    // A process that gave no answer says nothing.
    first.hash != 0 && (first.hash, first.verdict) == (second.hash, second.verdict)
}

/// Tells how often what the program says of itself came about: first what never did.
pub(super) fn tell_reached(tallies: &[Tally], screen: &mut Screen<'_>) {
    let (missing, there): (Vec<&Tally>, Vec<&Tally>) =
        tallies.iter().partition(|tally| tally.missing().is_some());
    for tally in missing.into_iter().chain(there) {
        screen.say(tally);
    }
}

fn summary(name: &str, findings: &Findings, wall_time: Duration, level: Isolation) -> String {
    let (passed, failed) = (HumanCount(findings.passed), HumanCount(findings.failed));
    let wall_seconds = wall_time.as_secs_f64();
    // The division of a small campaign's seeds by no time at all would print as infinity.
    let rate = HumanCount((findings.seeds() as f64 / wall_seconds.max(1e-6)) as u64);
    let virtual_time = seconds(findings.virtual_time);
    let seeds = if findings.passed == 1 { "seed" } else { "seeds" };
    format!(
        "{name}: {passed} {seeds} passed, {failed} failed; \
         {virtual_time} s of virtual time in {wall_seconds:.2} s, {rate} seeds/s; isolation: {level}"
    )
}

/// In seconds, with as many digits as people want to see.
pub(super) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..100 => format!("{:.3}", duration.as_secs_f64()),
        whole => HumanCount(whole).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_one_line() {
        let findings =
            Findings { passed: 1000, virtual_time: Duration::from_millis(8_412_300), ..Findings::default() };
        let expected = "kv: 1,000 seeds passed, 0 failed; 8,412 s of virtual time in 0.93 s, 1,075 seeds/s; \
             isolation: same-thread";
        assert_eq!(summary("kv", &findings, Duration::from_millis(930), Isolation::SameThread), expected);

        let findings = Findings { passed: 1, failed: 1, virtual_time: Duration::from_millis(12), ..findings };
        let expected = "kv: 1 seed passed, 1 failed; 0.012 s of virtual time in 0.00 s, 2,000,000 seeds/s; \
             isolation: process";
        assert_eq!(summary("kv", &findings, Duration::ZERO, Isolation::Process), expected);
    }
}
