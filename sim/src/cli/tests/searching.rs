//! Failures that are found in other ways than seed after seed.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;

/// Fails where the fifth of five draws in a row is unusual too, one in 100,000.
fn five_in_a_row(choices: &Choices, telling: Telling) -> Report {
    toy::run(choices, telling, |chooser| {
        let site = chooser.site("a: fault");
        let in_a_row = (0..5).take_while(|_| chooser.chance(site, 0.1)).count();
        if in_a_row == 5 { toy::failed("five in a row") } else { Verdict::Passed }
    })
}

#[test]
fn a_search_finds_shrinks_and_keeps_as_a_campaign_does() {
    let folder = Folder::new("search");
    let options = SearchOptions { replays: folder.0.clone(), picks: 5, ..SearchOptions::default() };
    let search =
        |way| with_toy(&five_in_a_row, |subject, screen| search::search(subject, way, &options, screen));
    let Printed { exit, out, .. } = search(Way::Exhaustive);
    assert_eq!(exit, Exit::FailuresFound);
    assert!(out.ends_with("toy: 6 runs, the last one failed\n"), "{out}");
    assert_eq!(picks_kept(&folder).1.len(), 5);

    let few = SearchOptions { picks: 4, ..options };
    let Printed { exit, out, .. } =
        with_toy(&five_in_a_row, |subject, screen| search::search(subject, Way::Exhaustive, &few, screen));
    assert_eq!(exit, Exit::Passed);
    assert_eq!(
        out,
        "toy: 5 runs, none failed, and there are no others with up to 4 unusual picks\n  \
         left out by --picks: 1 runs with one unusual pick more\n"
    );
}

/// An answer "none" says how far it reaches.
#[test]
fn an_exhaustive_search_says_what_it_has_not_seen() {
    let run = |choices: &Choices, telling: Telling| {
        toy::run(choices, telling, |chooser| {
            let site = chooser.site("a: late");
            (0..4).for_each(|_| _ = chooser.pick(site, 6));
            Verdict::Passed
        })
    };
    let search = |picks, values, runs| {
        let options = SearchOptions { picks, values, runs, ..SearchOptions::default() };
        with_toy(&run, |subject, screen| search::search(subject, Way::Exhaustive, &options, screen)).out
    };
    assert_eq!(
        search(4, 5, 10_000),
        "toy: 1,296 runs, none failed, and there are no others with up to 4 unusual picks\n  \
         These are all runs that there can be under seed 0.\n"
    );
    assert_eq!(
        search(1, 2, 5),
        "toy: 5 runs, none failed\n  \
         left out by --runs: 4 runs, and what follows from them, for which there was no room\n  \
         left out by --values: 12 values of draws with more than were tried\n  \
         left out by --picks: 50 runs with one unusual pick more\n"
    );
}

#[test]
fn runs_that_differ_end_a_search_by_priorities() {
    let runs = std::sync::atomic::AtomicU32::new(0);
    let leaky = |choices: &Choices, telling: Telling| {
        let mut report = toy::run(choices, telling, |_| Verdict::Passed);
        report.hash = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed).into();
        report
    };
    let options = SearchOptions::default();
    let Printed { exit, out, .. } =
        with_toy(&leaky, |subject, screen| search::search(subject, Way::Priorities, &options, screen));
    assert_eq!(exit, Exit::Nondeterminism);
    assert!(out.starts_with("toy: two runs of seed 0 differ"), "{out}");
}

#[test]
fn a_search_ends_with_its_time() {
    for way in [Way::Guided, Way::Exhaustive, Way::Priorities] {
        let options =
            SearchOptions { time: Some(Duration::ZERO), jobs: NonZeroUsize::MIN, ..SearchOptions::default() };
        let Printed { exit, out, .. } =
            with_toy(&five_in_a_row, |subject, screen| search::search(subject, way, &options, screen));
        assert_eq!(exit, Exit::Passed);
        let (told, rest) = out.split_once('\n').expect("a line");
        assert!(told.ends_with(" runs, none failed; the time is up"), "{way:?}: {out}");
        let left_out =
            "  left out by --time: 1 runs, and what follows from them, for which there was no room\n";
        assert_eq!(rest, if way == Way::Exhaustive { left_out } else { "" });
    }
}

#[test]
fn programs_are_told_what_a_search_came_to() {
    let folder = Folder::new("search-json");
    let search = |picks| {
        let replays = folder.0.clone();
        let options = SearchOptions { replays, picks, json: true, ..SearchOptions::default() };
        let printed = with_toy(&five_in_a_row, |subject, screen| {
            search::search(subject, Way::Exhaustive, &options, screen)
        });
        let lines = printed.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        lines.collect::<Vec<serde_json::Value>>()
    };
    let found = search(5);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["failure"]["picks"], 5);
    assert_eq!(found[0]["failure"]["shrunk"]["picks"], 5);
    assert_eq!(found[1]["search"]["way"], "exhaustive");
    assert_eq!((&found[1]["search"]["runs"], &found[1]["search"]["is_failed"]), (&6.into(), &true.into()));

    let [none] = &search(4)[..] else { panic!("there is no failure to tell") };
    assert_eq!((&none["search"]["is_complete"], &none["search"]["is_failed"]), (&true.into(), &false.into()));
    assert_eq!(none["search"]["left_out"], serde_json::json!({ "runs": 0, "values": 0, "deeper": 1 }));
}
