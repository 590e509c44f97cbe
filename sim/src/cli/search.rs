//! The command that looks for a failure in other ways than seed after seed.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::HumanCount;

use super::args::{SearchOptions, Way};
use super::explore::tell_nondeterminism;
use super::failure::{Pursuit, pursue};
use super::meter::RunMeter;
use super::results::{FailureResult, Outcome, SearchResult};
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::ledger::Differed;
use crate::campaign::{Campaign, Failure, Nondeterminism};
use crate::choice::Choices;
use crate::search::exhaustive::exhaust_with;
use crate::search::guided::guide_with;
use crate::search::{Bounds, LeftOut, Runs, Searched};

/// What a search came to, and how it ended.
struct Ended {
    searched: Searched,
    is_out_of_time: bool,
    wall_time: Duration,
}

/// Searches; shrinks, keeps and tells the failure that is found.
pub(super) fn search(
    subject: &Subject<'_>,
    way: Way,
    options: &SearchOptions,
    screen: &mut Screen<'_>,
) -> Exit {
    if options.json {
        screen.speak_json();
    }
    let &SearchOptions { runs: most, seed, picks, values, .. } = options;
    let ended = match way {
        Way::Guided => watched(subject, options, screen, |runs| guide_with(runs, seed, most)),
        Way::Exhaustive => {
            let bounds = Bounds { picks, values, runs: most };
            watched(subject, options, screen, |runs| exhaust_with(runs, seed, bounds))
        }
        Way::Priorities => match by_priorities(subject, options, screen) {
            Ok(ended) => ended,
            Err(found) => {
                let choices = Choices::Prioritised { seed: found.seed, changes: options.changes };
                tell_nondeterminism(subject, &choices, &found, screen);
                screen.emit(&Outcome::Nondeterminism(Differed::of(&found)));
                return Exit::Nondeterminism;
            }
        },
    };
    let Ended { searched, is_out_of_time, wall_time } = ended;
    let exit = tell_failure(subject, &searched, options, screen);
    let found = match (&searched.failure, is_out_of_time) {
        (Some(_), _) => "the last one failed",
        (None, true) => "none failed; the time is up",
        (None, false) => "none failed",
    };
    let all = match searched.is_complete {
        true => format!(", and there are no others with up to {picks} unusual picks"),
        false => String::new(),
    };
    screen.say(format_args!("{}: {} runs, {found}{all}", subject.name, HumanCount(searched.runs)));
    if way == Way::Exhaustive && searched.failure.is_none() {
        let limit = if is_out_of_time { "--time" } else { "--runs" };
        tell_left_out(searched.left_out, limit, options, screen);
    }
    let result = SearchResult::of(subject, way, options, &searched, is_out_of_time, wall_time);
    screen.emit(&Outcome::Search(result));
    exit
}

fn watched(
    subject: &Subject<'_>,
    options: &SearchOptions,
    screen: &Screen<'_>,
    search: impl FnOnce(Runs<'_>) -> Searched,
) -> Ended {
    let meter = RunMeter::new(subject.name, options.runs, screen.watched);
    let is_out_of_time = Cell::new(false);
    let progress = |made| {
        meter.show(made);
        is_out_of_time.set(made < options.runs && options.time.is_some_and(|time| meter.elapsed() >= time));
        if is_out_of_time.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // What a search goes by does not come out of a process of its own.
    let searched = search(Runs { run: subject.bare, jobs: options.jobs, progress: &progress });
    let is_out_of_time = is_out_of_time.get() && !searched.is_complete;
    Ended { searched, is_out_of_time, wall_time: meter.finish() }
}

/// Seed after seed, but for the order of threads. An error if two runs of one are not the same.
fn by_priorities(
    subject: &Subject<'_>,
    options: &SearchOptions,
    screen: &Screen<'_>,
) -> Result<Ended, Box<Nondeterminism>> {
    let &SearchOptions { runs, seed, changes, jobs, time, .. } = options;
    let seeds = seed..seed.saturating_add(runs);
    let campaign = Campaign { priorities: Some(changes), jobs, time, ..Campaign::new(seeds.clone()) };
    let meter = RunMeter::new(subject.name, runs, screen.watched);
    let findings = campaign.explore_with(subject.run, &|counted| {
        meter.show(counted.findings.seeds());
        ControlFlow::Continue(())
    });
    let wall_time = meter.finish();
    let runs = findings.seeds();
    if let Some(found) = findings.nondeterminism {
        return Err(Box::new(found));
    }
    let failure = findings.failures.into_iter().next().map(|failure| (failure.seed, failure.report));
    let is_out_of_time = failure.is_none() && runs < seeds.end - seeds.start;
    let searched = Searched { runs, failure, is_complete: false, left_out: LeftOut::default() };
    Ok(Ended { searched, is_out_of_time, wall_time })
}

fn tell_failure(
    subject: &Subject<'_>,
    searched: &Searched,
    options: &SearchOptions,
    screen: &mut Screen<'_>,
) -> Exit {
    let Some((seed, report)) = &searched.failure else { return Exit::Passed };
    let path = options.replays.join(subject.file_name(*seed));
    let failure = Failure { seed: *seed, report: report.clone(), seeds: 1 };
    let pursued = pursue(subject, &failure, &Pursuit { limits: options.limits, path: &path }, screen);
    screen.emit(&Outcome::Failure(FailureResult::of(&failure, &pursued, &path)));
    pursued.exit
}

/// Says how far the search has seen: an answer that is only as good as its bounds.
/// `limit`: what the runs were ended by that there was no room for.
fn tell_left_out(left_out: LeftOut, limit: &str, options: &SearchOptions, screen: &mut Screen<'_>) {
    let seed = options.seed;
    if left_out.is_nothing() {
        screen.say(format_args!("  These are all runs that there can be under seed {seed}."));
        return;
    }
    let LeftOut { runs, values, deeper, .. } = left_out;
    for (count, what, bound) in [
        (runs, "runs, and what follows from them, for which there was no room", limit),
        (values, "values of draws with more than were tried", "--values"),
        (deeper, "runs with one unusual pick more", "--picks"),
    ] {
        if count > 0 {
            screen.say(format_args!("  left out by {bound}: {} {what}", HumanCount(count)));
        }
    }
}
