//! A smaller run that fails in the same way: fewer picks first, then smaller ones, then smaller inputs of the scenario, then an
//! earlier failure. It knows runs only as a function from choices to reports; the seed stays as it is.
//!
//! The picks are grouped, first coarsely and then finely: by kind of site, by site, one by one. At each grain groups
//! are dropped in runs of neighbours, from half of them down to a single one, until no single group can go: the
//! minimising delta debugging of Zeller and Hildebrandt ("Simplifying and isolating failure-inducing input", 2002)
//! with its complements only, since with two halves to start from they are the subsets too.
//!
//! What is found so may be a local minimum: a pick that is left out shifts all that comes after it, so that delays which mean
//! nothing have to stay. Then other seeds are tried with one kind of site less, and what fails there is made small in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

use xxhash_rust::xxh3::Xxh3Default;

use crate::choice::{Choices, INPUT, Pick, kind_of};
use crate::verdict::Report;

/// So many faults are few enough: no other seed is looked at for less.
const FEW: usize = 4;
/// How many other seeds are looked at, for each kind of fault to do without.
const REDRAWS: u64 = 400;

/// What a search may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many runs it may take; the first replay is made whatever this says.
    pub runs: usize,
    /// Whether a smaller run may fail in any way. If not, it keeps the failure's
    /// [signature](crate::verdict::Verdict::signature), so that it does not slip to another bug.
    pub any_failure: bool,
}

impl Limits {
    /// So many runs, for the same failure.
    pub fn runs(runs: usize) -> Limits {
        Limits { runs, any_failure: false }
    }
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Runs so far.
    pub runs: usize,
    /// Runs that may be spent.
    pub budget_runs: usize,
    /// Picks of the smallest failure known.
    pub picks: usize,
    /// The seed and the report of the run just made, if it is the smallest failure now. Who keeps them loses nothing by an
    /// interruption.
    pub smaller: Option<(u64, &'a Report)>,
}

/// The smallest failure that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shrunk {
    /// Its seed: another one than that of the failure, where another one fails in the same way with less.
    pub seed: u64,
    /// Its picks that are not 0, in the order in which they are drawn.
    pub picks: Vec<Pick>,
    /// What its run left behind.
    pub report: Report,
    /// How many runs the search took.
    pub runs: usize,
}

/// The picks of a failure, replayed, do not fail in the same way: something else than the picks decides the run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReproduced {
    /// The verdict and the hash of the failure.
    pub wanted: (String, u128),
    /// The verdict and the hash of its replay.
    pub found: (String, u128),
}

impl fmt::Display for NotReproduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((wanted, wanted_hash), (found, found_hash)) = (&self.wanted, &self.found);
        writeln!(f, "its picks, replayed, do not give the run that they were taken from")?;
        writeln!(f, "  as found: {wanted} (hash {wanted_hash:032x})")?;
        write!(f, "  replayed: {found} (hash {found_hash:032x})")
    }
}

impl std::error::Error for NotReproduced {}

/// Searches for a smaller run that fails as `failing` did, the report of a run under `seed`.
///
/// It first replays the picks of `failing`, then tries smaller ones until nothing can go or the limit is reached. `progress`
/// is called after every run; once it breaks, the search ends with what it has. Equal arguments and a deterministic `run`
/// give an equal answer. With runs left over, no single pick of the answer can be left out, and none can be lower by one or
/// one draw earlier. Where that leaves many, other seeds are looked at for a failure with fewer.
///
/// # Errors
///
/// [`NotReproduced`] if the replay of the picks does not fail as `failing` did.
///
/// # Panics
///
/// If `failing` passed.
pub fn shrink(
    run: &mut dyn FnMut(&Choices) -> Report,
    failing: &Report,
    seed: u64,
    limits: Limits,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Shrunk, NotReproduced> {
    assert!(!failing.verdict.is_passed(), "only a failing run can be shrunk");
    let mut search = Search {
        run,
        progress,
        seed,
        signature: failing.verdict.signature(),
        limits: Limits { runs: limits.runs.max(1), ..limits },
        runs: 0,
        is_stopped: false,
        is_rival: None,
        picks: failing.unusual.clone(),
        report: failing.clone(),
        refused: BTreeSet::new(),
    };
    search.confirm()?;
    search.minimise();
    search.redraw();
    let Search { seed, picks, report, runs, .. } = search;
    Ok(Shrunk { seed, picks, report, runs })
}

struct Search<'a> {
    run: &'a mut dyn FnMut(&Choices) -> Report,
    progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    seed: u64,
    signature: String,
    limits: Limits,
    runs: usize,
    is_stopped: bool,
    /// While what is made smaller is not yet the smallest failure known: the size to beat.
    is_rival: Option<Size>,
    /// The smallest failure known, or its rival.
    picks: Vec<Pick>,
    report: Report,
    /// Digests of the candidates that did not fail in the same way. Digests, since a thousand candidates of a thousand
    /// picks each would fill the memory.
    refused: BTreeSet<u128>,
}

impl Search<'_> {
    fn confirm(&mut self) -> Result<(), NotReproduced> {
        let (picks, report) = self.replay(self.picks.clone());
        // Also where any failure will do: a replay that does something else is not trusted.
        if report.verdict.signature() != self.signature {
            let of = |report: &Report| (report.verdict.to_string(), report.hash);
            return Err(NotReproduced { wanted: of(&self.report), found: of(&report) });
        }
        self.accept(picks, report);
        Ok(())
    }

    fn minimise(&mut self) {
        loop {
            let before = self.picks.clone();
            self.attempt(Vec::new());
            for part in [Part::Faults, Part::Inputs] {
                self.drop_groups(part, |pick| (kind_of(&pick.site), 0));
                self.drop_groups(part, |pick| (&pick.site, 0));
                self.drop_groups(part, |pick| (&pick.site, pick.occurrence));
                self.lower_all(part);
                self.lower_each(part, |pick| &mut pick.value, 1);
            }
            // The same fault earlier makes a shorter run, and frees it of the picks that only led up to it: those
            // without which its site would not have drawn so often.
            self.lower_each(Part::Faults, |pick| &mut pick.occurrence, 0);
            // A lowered pick can make another one needless. What was refused once costs no run to refuse again.
            if self.picks == before || self.spent() {
                return;
            }
        }
    }

    /// Looks for the same failure in other seeds that draw one kind of fault less.
    fn redraw(&mut self) {
        let mut refused = BTreeSet::new();
        while self.fault_count() > FEW {
            let mut kinds = self.fault_kinds();
            // The kind with the most picks first: most of them are only there to make the others fit.
            let Some(at) = kinds.iter().rposition(|(_, kind)| !refused.contains(kind)) else { return };
            let (_, without) = kinds.remove(at);
            let kinds = kinds.into_iter().map(|(_, kind)| kind).collect();
            if !self.redraw_only(kinds) {
                refused.insert(without);
            }
            if self.spent() {
                return;
            }
        }
    }

    /// Whether another seed fails so with these kinds of faults alone, and less of them. If so, that is the smallest failure now.
    fn redraw_only(&mut self, kinds: BTreeSet<String>) -> bool {
        for further in 1..=REDRAWS {
            if self.spent() {
                return false;
            }
            let seed = self.seed.wrapping_add(further);
            let report = self.run_once(&Choices::Only { seed, kinds: kinds.clone() });
            if !self.is_wanted(&report) {
                continue;
            }
            let (picks, refused) = (report.unusual.clone(), BTreeSet::new());
            let before = (
                std::mem::replace(&mut self.seed, seed),
                std::mem::replace(&mut self.picks, picks),
                std::mem::replace(&mut self.report, report),
                std::mem::replace(&mut self.refused, refused),
            );
            self.is_rival = Some(size(&before.1));
            self.minimise();
            let is_smaller = self.is_rival.take().is_none();
            if is_smaller {
                return true;
            }
            (self.seed, self.picks, self.report, self.refused) = before;
        }
        false
    }

    fn fault_count(&self) -> usize {
        self.picks.iter().filter(|pick| Part::Faults.has(pick)).count()
    }

    /// The kinds of faults of the smallest failure, by how many picks they have.
    fn fault_kinds(&self) -> Vec<(usize, String)> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for pick in self.picks.iter().filter(|pick| Part::Faults.has(pick)) {
            *counts.entry(kind_of(&pick.site)).or_default() += 1;
        }
        let mut kinds: Vec<_> = counts.into_iter().map(|(kind, count)| (count, kind.to_owned())).collect();
        kinds.sort();
        kinds
    }

    /// Drops picks, of which those with the same `key` go together, until each key left is needed.
    fn drop_groups(&mut self, part: Part, key: GroupKey) {
        let (mut groups, mut count) = group(&self.picks, part, key);
        let mut width = count.div_ceil(2);
        while width > 0 {
            let mut dropped = false;
            let mut start = 0;
            while start < count && !self.spent() {
                let neighbours = start..start + width;
                let stays = |group: &Option<usize>| group.is_none_or(|group| !neighbours.contains(&group));
                let rest = self.picks.iter().zip(&groups).filter(|(_, group)| stays(group));
                if self.attempt(rest.map(|(pick, _)| pick.clone()).collect()) {
                    dropped = true;
                    (groups, count) = group(&self.picks, part, key);
                } else {
                    start += width;
                }
            }
            // What went may have been the reason why something before it had to stay: single groups are tried until
            // none goes.
            if width > 1 || !dropped {
                width /= 2;
            }
        }
    }

    /// Lowers all values at once: to 1, or else by half as often as that works.
    fn lower_all(&mut self, part: Part) {
        let with = |picks: &[Pick], lower: fn(u32) -> u32| {
            let lowered = |pick: &Pick| Pick { value: lower(pick.value), ..pick.clone() };
            picks.iter().map(|pick| if part.has(pick) { lowered(pick) } else { pick.clone() }).collect()
        };
        if self.attempt(with(&self.picks, |_| 1)) {
            return;
        }
        while self.attempt(with(&self.picks, |value| value.div_ceil(2))) {}
    }

    /// Lowers a number of each pick, its value or its occurrence, until one less is refused.
    fn lower_each(&mut self, part: Part, number: PickNumber, least: u32) {
        for pick in self.picks.clone().into_iter().filter(|pick| part.has(pick)) {
            self.lower(pick, number, least);
        }
    }

    fn lower(&mut self, mut pick: Pick, number: PickNumber, least: u32) {
        let mut refused = None;
        while !self.spent() {
            // An accepted run may not come to this draw any more.
            let Some(index) = self.picks.iter().position(|other| *other == pick) else { return };
            let Some(lower) = next_lower(*number(&mut pick), least, refused) else { return };
            let mut candidate = self.picks.clone();
            // Moved onto a draw that has a pick already, one of the two vanishes: `accept` keeps what the run used.
            *number(&mut candidate[index]) = lower;
            let lowered = candidate[index].clone();
            if self.attempt(candidate) {
                pick = lowered;
            } else {
                refused = Some(lower);
            }
        }
    }

    /// Whether `candidate` is smaller than the smallest failure known and fails in the same way. If so, it is now the
    /// smallest one.
    fn attempt(&mut self, candidate: Vec<Pick>) -> bool {
        if self.spent() || size(&candidate) >= size(&self.picks) {
            return false;
        }
        let digest = digest(&candidate);
        if self.refused.contains(&digest) {
            return false;
        }
        let (candidate, report) = self.replay(candidate);
        if self.is_wanted(&report) {
            self.accept(candidate, report);
            true
        } else {
            self.refused.insert(digest);
            false
        }
    }

    fn is_wanted(&self, report: &Report) -> bool {
        match self.limits.any_failure {
            true => !report.verdict.is_passed(),
            false => report.verdict.signature() == self.signature,
        }
    }

    /// Keeps the picks that the run made use of: the others change nothing, and what is not there need not be tried.
    fn accept(&mut self, candidate: Vec<Pick>, report: Report) {
        let used = &report.unusual;
        self.picks = if size(used) <= size(&candidate) { used.clone() } else { candidate };
        self.report = report;
        self.is_rival.take_if(|to_beat| size(&self.picks) < *to_beat);
        if self.is_rival.is_none() {
            self.tell(true);
        }
    }

    fn replay(&mut self, picks: Vec<Pick>) -> (Vec<Pick>, Report) {
        let choices = Choices::Replayed { seed: self.seed, picks };
        let report = self.run_once(&choices);
        match choices {
            Choices::Replayed { picks, .. } => (picks, report),
            _ => unreachable!("made as a replay above"),
        }
    }

    fn run_once(&mut self, choices: &Choices) -> Report {
        let report = (self.run)(choices);
        self.runs += 1;
        self.tell(false);
        report
    }

    fn tell(&mut self, is_smaller: bool) {
        let Search { runs, limits, seed, ref picks, ref report, .. } = *self;
        let smaller = is_smaller.then_some((seed, report));
        let progress = Progress { runs, budget_runs: limits.runs, picks: picks.len(), smaller };
        self.is_stopped |= (self.progress)(progress).is_break();
    }

    fn spent(&self) -> bool {
        self.is_stopped || self.runs >= self.limits.runs
    }
}

/// What is made smaller together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What befalls the world.
    Faults,
    /// What the scenario chose for itself ([`Sim::pick`](crate::Sim::pick)): how many clients there are, what they do.
    Inputs,
}

impl Part {
    fn of(pick: &Pick) -> Part {
        if pick.site.starts_with(INPUT) { Part::Inputs } else { Part::Faults }
    }

    fn has(self, pick: &Pick) -> bool {
        self == Part::of(pick)
    }
}

type GroupKey = for<'p> fn(&'p Pick) -> (&'p str, u32);
type PickNumber = for<'p> fn(&'p mut Pick) -> &'p mut u32;

/// The number of each pick's group, for those of `part`, and how many groups there are. Groups are numbered as they appear, so
/// that neighbours were drawn at about the same time.
fn group(picks: &[Pick], part: Part, key: GroupKey) -> (Vec<Option<usize>>, usize) {
    let mut numbers = BTreeMap::new();
    let groups = picks.iter().map(|pick| {
        let next = numbers.len();
        part.has(pick).then(|| *numbers.entry(key(pick)).or_insert(next))
    });
    let groups = groups.collect();
    (groups, numbers.len())
}

/// What to try instead of `current`: the least first, then the middle between what was refused and what fails.
fn next_lower(current: u32, least: u32, refused: Option<u32>) -> Option<u32> {
    let lower = refused.map_or(least, |refused| refused + (current - refused) / 2);
    (lower < current && Some(lower) != refused).then_some(lower)
}

type Size = (usize, u64, usize, u64, u64);

/// Fewer faults are smaller, then smaller ones are, then fewer and smaller inputs, then earlier draws.
fn size(picks: &[Pick]) -> Size {
    let count = |part: Part| picks.iter().filter(|pick| part.has(pick)).count();
    let values =
        |part: Part| picks.iter().filter(|pick| part.has(pick)).map(|pick| u64::from(pick.value)).sum();
    let occurrences = picks.iter().map(|pick| u64::from(pick.occurrence)).sum();
    (count(Part::Faults), values(Part::Faults), count(Part::Inputs), values(Part::Inputs), occurrences)
}

fn digest(picks: &[Pick]) -> u128 {
    let mut hasher = Xxh3Default::new();
    for Pick { site, occurrence, value } in picks {
        hasher.update(&site.len().to_le_bytes());
        hasher.update(site.as_bytes());
        hasher.update(&occurrence.to_le_bytes());
        hasher.update(&value.to_le_bytes());
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests {
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
            let hosts: Vec<_> =
                (0..50).map(|host| draw(chooser, &format!("h{host}: reset"), 40, 4)).collect();
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
        assert_eq!(
            (stopped.runs, Some(&stopped.report.unusual)),
            (20, kept.as_ref().map(|kept| &kept.unusual))
        );

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
}
