//! Under one seed: groups of picks are left out, values are lowered, draws are moved to earlier ones, until nothing
//! of it fails in the same way any more.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::size::{GroupKey, Part, PickNumber, Size, digest, group, next_lower, size};
use super::{Limits, NotReproduced, Progress};
use crate::choice::{Choices, Pick, kind_of};
use crate::verdict::Report;

pub(super) struct Search<'a> {
    run: &'a mut dyn FnMut(&Choices) -> Report,
    progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    pub(super) seed: u64,
    signature: String,
    limits: Limits,
    pub(super) runs: usize,
    /// How many runs the present part of the search may have come to when it ends.
    allowance: usize,
    is_stopped: bool,
    /// While what is made smaller is not yet the smallest failure known: the size to beat.
    pub(super) to_beat: Option<Size>,
    /// The smallest failure known, or its rival.
    pub(super) picks: Vec<Pick>,
    pub(super) report: Report,
    /// Digests of the candidates that did not fail in the same way. Digests, since a thousand candidates of a thousand
    /// picks each would fill the memory.
    pub(super) refused: BTreeSet<u128>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        run: &'a mut dyn FnMut(&Choices) -> Report,
        failing: &Report,
        seed: u64,
        limits: Limits,
        progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Search<'a> {
        Search {
            run,
            progress,
            seed,
            signature: failing.verdict.signature(),
            limits: Limits { runs: limits.runs.max(1), ..limits },
            runs: 0,
            allowance: limits.runs.max(1),
            is_stopped: false,
            to_beat: None,
            picks: failing.unusual.clone(),
            report: failing.clone(),
            refused: BTreeSet::new(),
        }
    }

    pub(super) fn confirm(&mut self) -> Result<(), NotReproduced> {
        let (picks, report) = self.replay(self.picks.clone());
        // Also where any failure will do: a replay that does something else is not trusted.
        if report.verdict.signature() != self.signature {
            let of = |report: &Report| (report.verdict.to_string(), report.hash);
            return Err(NotReproduced { wanted: of(&self.report), found: of(&report) });
        }
        self.accept(picks, report);
        Ok(())
    }

    /// As [`minimise`](Search::minimise), in so many runs at most: others are to be left for what comes next.
    pub(super) fn minimise_within(&mut self, runs: usize) {
        self.allowance = runs;
        self.minimise();
        self.allowance = self.limits.runs;
    }

    pub(super) fn minimise(&mut self) {
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

    pub(super) fn is_wanted(&self, report: &Report) -> bool {
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
        self.to_beat.take_if(|to_beat| size(&self.picks) < *to_beat);
        if self.to_beat.is_none() {
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

    pub(super) fn run_once(&mut self, choices: &Choices) -> Report {
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

    pub(super) fn spent(&self) -> bool {
        self.is_stopped || self.runs >= self.allowance
    }
}
