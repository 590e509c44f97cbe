//! The command that looks for a failure in other ways than seed after seed.

use indicatif::HumanCount;

use super::args::{SearchOptions, Way};
use super::explore::tell_nondeterminism;
use super::failure::{Pursuit, pursue};
use super::meter::RunMeter;
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::{Campaign, Failure, Nondeterminism, unwatched};
use crate::choice::Choices;
use crate::search::exhaustive::exhaust_with;
use crate::search::guided::guide_with;
use crate::search::{Bounds, LeftOut, Runs, Searched};

/// Searches; shrinks, keeps and tells the failure that is found.
pub(super) fn search(
    subject: &Subject<'_>,
    way: Way,
    options: &SearchOptions,
    screen: &mut Screen<'_>,
) -> Exit {
    let &SearchOptions { runs: most, seed, picks, values, .. } = options;
    let searched = match way {
        Way::Guided => watched(subject, options, screen, |runs| guide_with(runs, seed, most)),
        Way::Exhaustive => {
            let bounds = Bounds { picks, values, runs: most };
            watched(subject, options, screen, |runs| exhaust_with(runs, seed, bounds))
        }
        Way::Priorities => match by_priorities(subject, options) {
            Ok(searched) => searched,
            Err(found) => {
                let choices = Choices::Prioritised { seed: found.seed, changes: options.changes };
                tell_nondeterminism(subject, &choices, &found, screen);
                return Exit::Nondeterminism;
            }
        },
    };
    let exit = tell_failure(subject, &searched, options, screen);
    let found = if searched.failure.is_some() { "the last one failed" } else { "none failed" };
    let all = match searched.is_complete {
        true => format!(", and there are no others with up to {picks} unusual picks"),
        false => String::new(),
    };
    screen.say(format_args!("{}: {} runs, {found}{all}", subject.name, HumanCount(searched.runs)));
    if way == Way::Exhaustive && searched.failure.is_none() {
        tell_left_out(searched.left_out, options, screen);
    }
    exit
}

fn watched(
    subject: &Subject<'_>,
    options: &SearchOptions,
    screen: &Screen<'_>,
    search: impl FnOnce(Runs<'_>) -> Searched,
) -> Searched {
    let meter = RunMeter::new(subject.name, options.runs, screen.watched);
    // What a search goes by does not come out of a process of its own.
    let searched = search(Runs { run: subject.bare, jobs: options.jobs, progress: &|made| meter.show(made) });
    meter.finish();
    searched
}

/// Seed after seed, but for the order of threads. An error if two runs of one are not the same.
fn by_priorities(subject: &Subject<'_>, options: &SearchOptions) -> Result<Searched, Box<Nondeterminism>> {
    let &SearchOptions { runs, seed, changes, jobs, .. } = options;
    let seeds = seed..seed.saturating_add(runs);
    let campaign = Campaign { priorities: Some(changes), jobs, ..Campaign::new(seeds) };
    let findings = campaign.explore_with(subject.run, &unwatched);
    let runs = findings.seeds();
    if let Some(found) = findings.nondeterminism {
        return Err(Box::new(found));
    }
    let failure = findings.failures.into_iter().next().map(|failure| (failure.seed, failure.report));
    Ok(Searched { runs, failure, is_complete: false, left_out: LeftOut::default() })
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
    pursue(subject, &failure, &Pursuit { limits: options.limits, path: &path }, screen).exit
}

/// Says how far the search has seen: an answer that is only as good as its bounds.
fn tell_left_out(left_out: LeftOut, options: &SearchOptions, screen: &mut Screen<'_>) {
    let seed = options.seed;
    if left_out.is_nothing() {
        screen.say(format_args!("  These are all runs that there can be under seed {seed}."));
        return;
    }
    let LeftOut { runs, values, deeper, .. } = left_out;
    for (count, what, bound) in [
        (runs, "runs, and what follows from them, for which there was no room", "--runs"),
        (values, "values of draws with more than were tried", "--values"),
        (deeper, "runs with one unusual pick more", "--picks"),
    ] {
        if count > 0 {
            screen.say(format_args!("  left out by {bound}: {} {what}", HumanCount(count)));
        }
    }
}
