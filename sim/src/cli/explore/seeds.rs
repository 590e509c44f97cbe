//! The seeds of a campaign are run, and counted in its ledger: a new one, or one that an interruption has left.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::super::args::ExploreOptions;
use super::super::meter::SeedMeter;
use super::super::screen::Screen;
use super::super::{Exit, Refusal, Subject};
use crate::campaign::ledger::{Differed, Failed, Ledger, Writer};
use crate::campaign::{Campaign, Counted, Failure, Findings, Shard};
use crate::choice::Choices;
use crate::story::Telling;

/// What running the seeds has come to.
pub(super) struct Ran {
    /// With those of the ledger that was gone on with.
    pub(super) findings: Findings,
    /// What the rest took.
    pub(super) wall_time: Duration,
    pub(super) recalled: Recalled,
    /// Why the ledger ends too soon, and the campaign with it: a long one would be run for nothing.
    pub(super) broken: Option<String>,
}

/// What a ledger says that no run of today shows.
#[derive(Default)]
pub(super) struct Recalled {
    differed: Vec<Differed>,
    mended: Vec<Failed>,
}

pub(super) fn run_seeds(
    subject: &Subject<'_>,
    options: &ExploreOptions,
    shard: Shard,
    screen: &mut Screen<'_>,
) -> Result<Ran, Refusal> {
    let mut campaign = Campaign {
        seeds: shard.part_of(&options.seeds),
        jobs: options.jobs,
        check: options.check,
        stop_at_first: !options.all,
        priorities: None,
        time: options.time,
    };
    let Some(folder) = &options.out else {
        let (findings, wall_time) = run_watched(subject, &campaign, screen, |_| ControlFlow::Continue(()));
        return Ok(Ran { findings, wall_time, recalled: Recalled::default(), broken: None });
    };
    let (writer, before, recalled) = open(subject, folder, shard, &options.seeds, &mut campaign, screen)?;
    let (later, wall_time, broken) = run_noted(subject, &campaign, writer, screen);
    Ok(Ran { findings: before.and(later), wall_time, recalled, broken })
}

/// Opens the ledger, and leaves those seeds to the campaign that it does not have.
fn open(
    subject: &Subject<'_>,
    folder: &Path,
    shard: Shard,
    whole: &Range<u64>,
    campaign: &mut Campaign,
    screen: &mut Screen<'_>,
) -> Result<(Writer, Findings, Recalled), Refusal> {
    let (writer, ledger) = Writer::open(folder, subject.name, shard, whole)
        .map_err(|text| Refusal { exit: Exit::CouldNotRun, text })?;
    let next = ledger.counts.seed;
    if next > campaign.seeds.start {
        screen.say(format_args!("{}: goes on at seed {next}", subject.name));
    }
    campaign.seeds.start = next;
    // It ended at a failure, and nobody asked for more.
    if ledger.is_over && campaign.stop_at_first {
        campaign.seeds.end = next;
    }
    let (before, recalled) = recall(subject, ledger);
    Ok((writer, before, recalled))
}

/// Runs the seeds until the ledger can not be written. Says why it can not.
fn run_noted(
    subject: &Subject<'_>,
    campaign: &Campaign,
    writer: Writer,
    screen: &Screen<'_>,
) -> (Findings, Duration, Option<String>) {
    let noting = Mutex::new((writer, None));
    let (findings, wall_time) = run_watched(subject, campaign, screen, |counted| {
        let (writer, broken) = &mut *noting.lock().expect("nothing panics while it writes");
        match writer.note(counted) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *broken = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    let (writer, broken) = noting.into_inner().expect("nothing panics while it writes");
    let next = campaign.seeds.start + findings.seeds();
    let is_stopped = campaign.stop_at_first && (findings.failed > 0 || findings.nondeterminism.is_some());
    // A campaign that time has ended is not over: it can go on.
    let is_over = broken.is_none() && (next == campaign.seeds.end || is_stopped);
    let broken = if is_over { writer.end(next).err() } else { broken };
    (findings, wall_time, broken)
}

fn run_watched(
    subject: &Subject<'_>,
    campaign: &Campaign,
    screen: &Screen<'_>,
    then: impl Fn(&Counted<'_>) -> ControlFlow<()> + Sync,
) -> (Findings, Duration) {
    let meter = SeedMeter::new(subject.name, campaign.seeds.end - campaign.seeds.start, screen.watched);
    let findings = campaign.explore_with(subject.run, &|counted| {
        meter.show(counted.findings);
        then(counted)
    });
    (findings, meter.finish())
}

/// What a ledger says, with a report for each failure: its first seed runs again.
fn recall(subject: &Subject<'_>, ledger: Ledger) -> (Findings, Recalled) {
    let mut findings = ledger.counts.to_findings();
    let mut recalled = Recalled { differed: ledger.nondeterminism, mended: Vec::new() };
    for failed in ledger.failures {
        let is_known = |failure: &&mut Failure| failure.report.verdict.signature() == failed.signature;
        match findings.failures.iter_mut().find(is_known) {
            Some(failure) => failure.seeds += 1,
            None => {
                let report = (subject.run)(&Choices::Seeded(failed.seed), Telling::Silent);
                if report.verdict.is_passed() {
                    recalled.mended.push(failed);
                } else {
                    findings.failures.push(Failure { seed: failed.seed, report, seeds: 1 });
                }
            }
        }
    }
    (findings, recalled)
}

impl Recalled {
    /// Tells it, since a campaign that goes on with such a ledger has not passed.
    pub(super) fn tell(&self, name: &str, screen: &mut Screen<'_>) -> Exit {
        for Differed { seed, first, second } in &self.differed {
            screen
                .say(format_args!("{name}: two runs of seed {seed} differed before\n  {first}\n  {second}"));
        }
        for Failed { seed, verdict, .. } in &self.mended {
            screen.say(format_args!("{name}: seed {seed} passes now; the ledger has: {verdict}"));
        }
        if !self.mended.is_empty() {
            screen.say("  The program is another one than that of the ledger: remove it to begin anew.\n");
        }
        match (self.differed.is_empty(), self.mended.is_empty()) {
            (false, _) => Exit::Nondeterminism,
            (true, false) => Exit::FailuresFound,
            (true, true) => Exit::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::env;
    use std::fs::{self, File};
    use std::io;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::campaign::toy;
    use crate::cli::Called;
    use crate::isolation::Conditions;
    use crate::verdict::Verdict;

    /// As on a full disk: the rest of a long campaign would be run for nothing.
    #[test]
    fn a_ledger_that_can_not_be_written_ends_the_campaign() {
        let path = env::temp_dir().join(format!("twinloop-ledger-{}", std::process::id()));
        fs::write(&path, "").expect("a temporary file");
        let unwritable = Writer::to(File::open(&path).expect("the file"), path.clone());
        let run = |choices: &Choices, telling: Telling| toy::run(choices, telling, |_| Verdict::Passed);
        let (conditions, called, configuration) =
            (Conditions::default(), Called::Program("kv"), &BTreeMap::new());
        let subject =
            Subject { name: "toy", configuration, run: &run, conditions: &conditions, bare: &run, called };
        let campaign =
            Campaign { jobs: NonZeroUsize::new(3).expect("3 is not 0"), ..Campaign::new(0..100_000) };
        let (mut out, mut err) = (io::sink(), io::sink());
        let screen = Screen::new(&mut out, &mut err, false);
        let (findings, _, broken) = run_noted(&subject, &campaign, unwritable, &screen);
        let _ = fs::remove_file(&path);
        // The first counts are due after a hundred seeds.
        assert_eq!(findings.seeds(), 100);
        assert!(broken.is_some_and(|text| text.starts_with(&format!("cannot write {}: ", path.display()))));
    }
}
