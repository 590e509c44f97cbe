//! What is left of failures of many kinds, and in how many runs.

use super::*;
use crate::campaign::toy;
use crate::choice::Chooser;
use crate::story::Telling;
use crate::verdict::Verdict;

const LATENCY: &str = "a > b: latency";

fn pick(site: &str, occurrence: u32, value: u32) -> Pick {
    Pick { site: site.to_owned(), occurrence, value }
}

/// Shrinks the run of `play` under the first seed that fails; with the report, the failure as found.
fn shrink_first(budget_runs: usize, play: impl Fn(&mut Chooser) -> Verdict) -> (Report, Shrunk) {
    let mut run = |choices: &Choices| toy::run(choices, Telling::Silent, &play);
    let reports = (0..1000).map(|seed| (seed, run(&Choices::Seeded(seed))));
    let (seed, failing) =
        reports.into_iter().find(|(_, report)| !report.verdict.is_passed()).expect("a seed that fails");
    let mut runs_told = 0;
    let mut progress = |progress: Progress<'_>| {
        assert!(progress.runs >= runs_told && progress.budget_runs == budget_runs);
        runs_told = progress.runs;
        ControlFlow::Continue(())
    };
    let shrunk = shrink(&mut run, &failing, seed, Limits::runs(budget_runs), &mut progress)
        .expect("a deterministic run");
    assert_eq!(runs_told, shrunk.runs);
    (failing, shrunk)
}

/// The answers of `draws` draws of `alternatives` at the site `name`.
fn draw(chooser: &mut Chooser, name: &str, draws: usize, alternatives: usize) -> Vec<usize> {
    let site = chooser.site(name);
    (0..draws).map(|_| chooser.pick(site, alternatives)).collect()
}

#[test]
fn finds_the_three_picks_of_two_thousand() {
    let (failing, shrunk) = shrink_first(5000, |chooser| {
        let drawn = draw(chooser, LATENCY, 2000, 1000);
        let needed = [17, 900, 1999].iter().all(|&index| drawn[index] > 0);
        if needed { toy::failed("all three") } else { Verdict::Passed }
    });
    assert!(failing.unusual.len() > 1900);
    assert_eq!(shrunk.picks, [pick(LATENCY, 17, 1), pick(LATENCY, 900, 1), pick(LATENCY, 1999, 1)]);
    assert!(shrunk.runs < 150, "took {} runs", shrunk.runs);
}

/// A loss and six hundred delays are needed, or five losses, and a seed has them all: to leave out every delay that can go
/// would take all the runs.
#[test]
fn runs_are_left_for_another_seed_that_fails_with_less() {
    let (failing, shrunk) = shrink_first(400, |chooser| {
        let delays = draw(chooser, LATENCY, 1000, 3).into_iter().filter(|delay| *delay > 0).count();
        let site = chooser.site("a > b: loss");
        let losses = (0..300).filter(|_| chooser.chance(site, 0.02)).count();
        if (delays > 600 && losses > 0) || losses >= 5 { toy::failed("too much") } else { Verdict::Passed }
    });
    assert!(failing.unusual.len() > 600);
    assert_eq!(shrunk.picks.len(), 5);
    assert!(shrunk.picks.iter().all(|pick| pick.site == "a > b: loss"));
}

#[test]
fn lowers_a_value_to_the_least_that_fails() {
    let (_, shrunk) = shrink_first(5000, |chooser| {
        let drawn = draw(chooser, LATENCY, 100, 1_000_000);
        if drawn[40] >= 5 { toy::failed("late") } else { Verdict::Passed }
    });
    assert_eq!(shrunk.picks, [pick(LATENCY, 40, 5)]);
    assert_eq!(shrunk.report.unusual, shrunk.picks);
}

#[test]
fn keeps_two_picks_of_two_sites_among_many_sites() {
    let (_, shrunk) = shrink_first(5000, |chooser| {
        let hosts: Vec<_> = (0..50).map(|host| draw(chooser, &format!("h{host}: reset"), 40, 4)).collect();
        draw(chooser, LATENCY, 1000, 100);
        if hosts[3][7] > 0 && hosts[31][0] > 1 { toy::failed("both") } else { Verdict::Passed }
    });
    assert_eq!(shrunk.picks, [pick("h3: reset", 7, 1), pick("h31: reset", 0, 2)]);
}

#[test]
fn does_not_slip_to_a_failure_that_is_nearer() {
    let (_, shrunk) = shrink_first(5000, |chooser| {
        let drawn = draw(chooser, LATENCY, 50, 100);
        match (drawn[10] > 0, drawn[20] > 50) {
            (true, true) => toy::failed(&format!("request {} is lost", drawn[20])),
            (true, false) => toy::failed("the client gave up"),
            _ => Verdict::Passed,
        }
    });
    assert_eq!(shrunk.picks, [pick(LATENCY, 10, 1), pick(LATENCY, 20, 51)]);
    assert_eq!(shrunk.report.verdict, toy::failed("request 51 is lost"));
}

#[test]
fn what_only_leads_up_to_the_fault_vanishes() {
    // Each late answer brings a draw, so leaving one out turns the fifth retry into the fourth.
    let (_, shrunk) = shrink_first(5000, |chooser| {
        let latency = chooser.site(LATENCY);
        let retry = chooser.site("a: retry");
        let retries = (0..100).filter(|_| chooser.pick(latency, 2) > 0).collect::<Vec<_>>();
        let worst = retries.iter().map(|_| chooser.pick(retry, 9)).max();
        if worst > Some(5) { toy::failed("retried too often") } else { Verdict::Passed }
    });
    assert_eq!(shrunk.picks, [pick(LATENCY, 0, 1), pick("a: retry", 0, 6)]);
    assert_eq!(shrunk.report.stale, []);
}

#[test]
fn a_failure_that_needs_no_pick_shrinks_to_none() {
    let (_, shrunk) = shrink_first(100, |chooser| {
        draw(chooser, LATENCY, 50, 100);
        toy::failed("always")
    });
    assert_eq!((shrunk.picks, shrunk.runs), (Vec::new(), 2));
}

#[test]
fn ends_with_the_budget_and_keeps_what_it_has() {
    let play = |chooser: &mut Chooser| {
        let drawn = draw(chooser, LATENCY, 500, 1000);
        let late = drawn.iter().filter(|&&latency| latency > 0).count();
        if late > 100 { toy::failed("late") } else { Verdict::Passed }
    };
    let (failing, shrunk) = shrink_first(20, play);
    assert_eq!(shrunk.runs, 20);
    assert!(shrunk.picks.len() < failing.unusual.len() && shrunk.picks.len() > 100);
    assert!(!shrunk.report.verdict.is_passed());

    let (failing, shrunk) = shrink_first(1, play);
    assert_eq!((shrunk.runs, shrunk.picks), (1, failing.unusual));
}

#[test]
fn equal_arguments_give_equal_answers() {
    let play = |chooser: &mut Chooser| {
        let drawn = draw(chooser, LATENCY, 300, 50);
        let sum: usize = drawn.iter().sum();
        if sum > 3000 { toy::failed("slow") } else { Verdict::Passed }
    };
    let (_, one) = shrink_first(700, play);
    let (_, two) = shrink_first(700, play);
    assert_eq!((one.picks, one.runs), (two.picks, two.runs));
}

#[test]
fn a_run_that_its_picks_do_not_decide_is_told() {
    let mut calls = 0;
    let mut run = |choices: &Choices| {
        calls += 1;
        let verdict = if calls == 1 { toy::failed("lost") } else { toy::failed("found") };
        toy::run(choices, Telling::Silent, |_| verdict)
    };
    let failing = run(&Choices::Seeded(1));
    let error = shrink(&mut run, &failing, 1, Limits::runs(100), &mut |_| ControlFlow::Continue(()))
        .expect_err("another verdict");
    assert_eq!(error.wanted, ("failed: check: lost".to_owned(), failing.hash));
    assert_eq!(error.found.0, "failed: check: found");
    assert!(error.to_string().contains("as found: failed: check: lost (hash "));
}

/// Eight operations that the scenario chose, a fault that only the sixth of them meets.
fn orders(chooser: &mut Chooser) -> Verdict {
    let orders = draw(chooser, "scenario: order", 8, 100);
    let lost = draw(chooser, LATENCY, 200, 50);
    if orders[5] > 7 && lost[60] > 3 { toy::failed("an order is lost") } else { Verdict::Passed }
}

#[test]
fn inputs_are_made_smaller_after_the_faults() {
    let (_, shrunk) = shrink_first(5000, orders);
    assert_eq!(shrunk.picks, [pick("scenario: order", 5, 8), pick(LATENCY, 60, 4)]);
}

/// One fault less is worth any number of inputs more.
#[test]
fn a_fault_goes_before_an_input() {
    let (_, shrunk) = shrink_first(5000, |chooser| {
        let orders = draw(chooser, "scenario: order", 20, 2);
        let lost = draw(chooser, LATENCY, 3, 2);
        let count = |drawn: &[usize]| drawn.iter().sum::<usize>();
        if count(&orders) + count(&lost) >= 3 { toy::failed("too much") } else { Verdict::Passed }
    });
    assert!(shrunk.picks.iter().all(|pick| pick.site == "scenario: order"), "{:?}", shrunk.picks);
}

#[test]
fn an_interruption_loses_nothing() {
    let mut run = |choices: &Choices| toy::run(choices, Telling::Silent, orders);
    let seed = (0..1000).find(|seed| !run(&Choices::Seeded(*seed)).verdict.is_passed());
    let seed = seed.expect("a seed that fails");
    let failing = run(&Choices::Seeded(seed));
    let mut kept = None;
    let mut stop_after_20 = |progress: Progress<'_>| {
        kept = progress.smaller.map(|(_, report)| report.clone()).or(kept.take());
        if progress.runs < 20 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let stopped = shrink(&mut run, &failing, seed, Limits::runs(5000), &mut stop_after_20);
    let stopped = stopped.expect("a deterministic run");
    assert_eq!((stopped.runs, Some(&stopped.report.unusual)), (20, kept.as_ref().map(|kept| &kept.unusual)));

    let kept = kept.expect("something smaller was found");
    let rest = shrink(&mut run, &kept, seed, Limits::runs(5000), &mut |_| ControlFlow::Continue(()));
    let (_, uninterrupted) = shrink_first(5000, orders);
    assert_eq!(rest.expect("a deterministic run").picks, uninterrupted.picks);
}

#[test]
fn it_slips_to_another_failure_if_it_may() {
    let play = |chooser: &mut Chooser| {
        let drawn = draw(chooser, LATENCY, 50, 100);
        match (drawn[10] > 0, drawn[20] > 50) {
            (true, true) => toy::failed("a request is lost"),
            (true, false) => toy::failed("the client gave up"),
            _ => Verdict::Passed,
        }
    };
    let mut run = |choices: &Choices| toy::run(choices, Telling::Silent, play);
    let failing = (0..).map(|seed| (seed, run(&Choices::Seeded(seed))));
    let (seed, failing) = failing
        .into_iter()
        .find(|(_, report)| report.verdict == toy::failed("a request is lost"))
        .expect("there is no end of seeds");
    let limits = Limits { runs: 500, any_failure: true };
    let shrunk = shrink(&mut run, &failing, seed, limits, &mut |_| ControlFlow::Continue(()));
    assert_eq!(shrunk.expect("a deterministic run").picks, [pick(LATENCY, 10, 1)]);
}

/// With an odd number of delays the losses count that are odd: no delay can go alone, and none is needed.
#[test]
fn another_seed_may_fail_with_one_kind_of_fault_less() {
    let play = |chooser: &mut Chooser| {
        let late: usize = draw(chooser, LATENCY, 9, 2).iter().sum();
        let lost = draw(chooser, "a > b: loss", 40, 2);
        let counts = lost.iter().skip(late % 2).step_by(2).sum::<usize>();
        if counts >= 6 { toy::failed("too much is lost") } else { Verdict::Passed }
    };
    let mut run = |choices: &Choices| toy::run(choices, Telling::Silent, play);
    let is_odd = |report: &Report| {
        let (late, lost): (Vec<_>, Vec<_>) = report.unusual.iter().partition(|pick| pick.site == LATENCY);
        let even = lost.iter().filter(|pick| pick.occurrence % 2 == 0).count();
        !report.verdict.is_passed() && late.len() % 2 == 1 && even < 6
    };
    let reports = (0..).map(|seed| (seed, run(&Choices::Seeded(seed))));
    let mut failing = reports.into_iter().filter(|(_, report)| is_odd(report));
    let (seed, failing) = failing.next().expect("there is no end of seeds");
    let shrunk = shrink(&mut run, &failing, seed, Limits::runs(3000), &mut |_| ControlFlow::Continue(()));
    let shrunk = shrunk.expect("a deterministic run");
    assert_eq!(shrunk.picks.len(), 6);
    assert!(shrunk.picks.iter().all(|pick| pick.site == "a > b: loss"), "{:?}", shrunk.picks);
    assert_ne!(shrunk.seed, seed);
    let replayed = run(&Choices::Replayed { seed: shrunk.seed, picks: shrunk.picks });
    assert_eq!(replayed.hash, shrunk.report.hash);
}
