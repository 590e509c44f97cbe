//! Under other seeds: one that fails in the same way with one kind of fault less may be made smaller than the first
//! one can.

use std::collections::{BTreeMap, BTreeSet};

use super::search::Search;
use super::size::{Part, size};
use crate::choice::{Choices, kind_of};

/// So many faults are few enough: no other seed is looked at for less.
const FEW: usize = 4;
/// How many other seeds are looked at, for each kind of fault to do without.
const REDRAWS: u64 = 400;

impl Search<'_> {
    /// Looks for the same failure in other seeds that draw one kind of fault less; where each kind is needed, in some that
    /// draw the same kinds.
    pub(super) fn redraw(&mut self) {
        let mut refused = BTreeSet::new();
        while self.fault_count() > FEW {
            let mut kinds = self.fault_kinds();
            // The kind with the most picks first: most of them are only there to make the others fit.
            let without =
                kinds.iter().rposition(|(_, kind)| !refused.contains(kind)).map(|at| kinds.remove(at));
            let is_smaller = self.redraw_only(kinds.into_iter().map(|(_, kind)| kind).collect());
            match without {
                Some((_, kind)) if !is_smaller => _ = refused.insert(kind),
                None if !is_smaller => return,
                _ => {}
            }
            if self.spent() {
                return;
            }
        }
    }

    /// Whether another seed fails so with these kinds of faults alone, and less of them. If so, that is the smallest
    /// failure now.
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
            self.to_beat = Some(size(&before.1));
            self.minimise();
            let is_smaller = self.to_beat.take().is_none();
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
}
