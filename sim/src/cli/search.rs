//! The command that looks for a failure in other ways than seed after seed.

use indicatif::HumanCount;

use super::args::{SearchOptions, Way};
use super::failure::{Pursuit, pursue};
use super::screen::Screen;
use super::{Exit, Subject};
use crate::campaign::{Campaign, Failure, unwatched};
use crate::search::exhaustive::exhaust_with;
use crate::search::guided::guide_with;
use crate::search::{Bounds, Searched};

/// Searches; shrinks, keeps and tells the failure that is found.
pub(super) fn search(
    subject: &Subject<'_>,
    way: Way,
    options: &SearchOptions,
    screen: &mut Screen<'_>,
) -> Exit {
    let Searched { runs, failure, is_complete } = search_by(subject, way, options);
    let mut exit = Exit::Passed;
    let found = if failure.is_some() { "the last one failed" } else { "none failed" };
    if let Some((seed, report)) = failure {
        let path = options.replays.join(subject.file_name(seed));
        let failure = Failure { seed, report, seeds: 1 };
        exit = pursue(subject, &failure, &Pursuit { limits: options.limits, path: &path }, screen).exit;
    }
    let all = match is_complete {
        true => format!(", and there are no others with up to {} unusual picks", options.picks),
        false => String::new(),
    };
    let runs = HumanCount(runs);
    screen.say(format_args!("{}: {runs} runs, {found}{all}", subject.name));
    exit
}

fn search_by(subject: &Subject<'_>, way: Way, options: &SearchOptions) -> Searched {
    let &SearchOptions { runs, seed, picks, values, changes, .. } = options;
    // What a search goes by does not come out of a process of its own.
    let mut run = |choices: &_, telling| (subject.bare)(choices, telling);
    match way {
        Way::Guided => guide_with(&mut run, seed, runs),
        Way::Exhaustive => exhaust_with(&mut run, seed, Bounds { picks, values, runs }),
        Way::Priorities => {
            let seeds = seed..seed.saturating_add(runs);
            let campaign = Campaign { priorities: Some(changes), ..Campaign::new(seeds) };
            let findings = campaign.explore_with(subject.run, &unwatched);
            let runs = findings.seeds();
            let failure = findings.failures.into_iter().next();
            Searched {
                runs,
                failure: failure.map(|failure| (failure.seed, failure.report)),
                is_complete: false,
            }
        }
    }
}
