//! The command that runs many seeds: the campaign, what it found, and one line that sums it up.

use std::time::Duration;

use indicatif::HumanCount;

use super::args::ExploreOptions;
use super::failure::{Pursuit, pursue};
use super::meter::SeedMeter;
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::{Campaign, Findings, Nondeterminism};
use crate::verdict::one_line;

/// Runs the seeds, then shrinks, keeps and tells each failure.
pub(super) fn explore(subject: &Subject<'_>, options: &ExploreOptions, screen: &mut Screen<'_>) -> Exit {
    let campaign = Campaign {
        seeds: options.seeds.clone(),
        jobs: options.jobs,
        check: options.check,
        stop_at_first: !options.all,
        time: None,
    };
    let meter = SeedMeter::new(subject.name, options.seeds.end - options.seeds.start, screen.watched);
    let findings = campaign.explore_with(subject.run, &|findings| meter.show(findings));
    let wall_time = meter.finish();

    let mut exit = Exit::Passed;
    if let Some(found) = &findings.nondeterminism {
        tell_nondeterminism(subject.name, found, screen);
        exit = Exit::Nondeterminism;
    }
    for failure in &findings.failures {
        // What its seed does not decide, its picks do not either.
        if findings.nondeterminism.as_ref().is_some_and(|found| found.seed == failure.seed) {
            continue;
        }
        let pursuit = Pursuit { budget_runs: options.budget_runs, replays: &options.replays };
        exit = exit.max(pursue(subject, failure, &pursuit, screen));
    }
    screen.say(summary(subject.name, &findings, wall_time));
    exit
}

/// Says that two runs of a seed differ, and in what.
pub(crate) fn tell_nondeterminism(name: &str, found: &Nondeterminism, screen: &mut Screen<'_>) {
    let Nondeterminism { seed, first: (first, first_hash), second: (second, second_hash) } = found;
    screen.say(format_args!("{name}: two runs of seed {seed} differ; mend this before anything else"));
    screen.say(format_args!("  first:  hash {first_hash:032x}, {}", one_line(first)));
    screen.say(format_args!("  second: hash {second_hash:032x}, {}", one_line(second)));
    screen.say("  Something besides the seed decided: a clock, a hash order, a thread, a static variable.\n");
}

fn summary(name: &str, findings: &Findings, wall_time: Duration) -> String {
    let (passed, failed) = (HumanCount(findings.passed), HumanCount(findings.failed));
    let wall_seconds = wall_time.as_secs_f64();
    // The division of a small campaign's seeds by no time at all would print as infinity.
    let rate = HumanCount((findings.seeds() as f64 / wall_seconds.max(1e-6)) as u64);
    let virtual_time = seconds(findings.virtual_time);
    let seeds = if findings.passed == 1 { "seed" } else { "seeds" };
    format!(
        "{name}: {passed} {seeds} passed, {failed} failed; \
         {virtual_time} s of virtual time in {wall_seconds:.2} s, {rate} seeds/s"
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
        let expected = "kv: 1,000 seeds passed, 0 failed; 8,412 s of virtual time in 0.93 s, 1,075 seeds/s";
        assert_eq!(summary("kv", &findings, Duration::from_millis(930)), expected);

        let findings = Findings { passed: 1, failed: 1, virtual_time: Duration::from_millis(12), ..findings };
        let expected = "kv: 1 seed passed, 1 failed; 0.012 s of virtual time in 0.00 s, 2,000,000 seeds/s";
        assert_eq!(summary("kv", &findings, Duration::ZERO), expected);
    }
}
