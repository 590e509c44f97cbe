//! Who turns first when threads have priorities that change a few times in a run: probabilistic concurrency testing. It knows
//! threads as numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::random::Stream;

/// Among how many choices the changes are drawn. What a run makes beyond that changes nothing.
const CHOICES: u32 = 1000;

pub(super) struct Priorities {
    stream: Stream,
    of: BTreeMap<u64, u32>,
    /// The choices before which the highest becomes the lowest.
    changes: BTreeSet<u32>,
    choices: u32,
    /// Below all that were drawn.
    lowest: u32,
}

impl Priorities {
    pub(super) fn new(seed: u64, changes: u32) -> Priorities {
        let mut stream = Stream::new(seed, "priorities of threads");
        // Half of them early: most of what a short run does is over before the others come.
        let within = |change: u32| if change % 2 == 0 { CHOICES } else { CHOICES / 20 };
        let changes = (0..changes).map(|change| stream.below(within(change))).collect();
        Priorities { stream, of: BTreeMap::new(), changes, choices: 0, lowest: u32::MAX / 2 }
    }

    /// The index of the thread with the highest priority.
    pub(super) fn highest(&mut self, ids: impl Iterator<Item = u64>) -> usize {
        let ids: Vec<u64> = ids.collect();
        for id in &ids {
            let Priorities { stream, of, .. } = self;
            of.entry(*id).or_insert_with(|| u32::MAX / 2 + stream.below(u32::MAX / 2));
        }
        let mut highest = self.highest_of(&ids);
        if self.changes.contains(&self.choices) {
            self.lowest -= 1;
            self.of.insert(ids[highest], self.lowest);
            highest = self.highest_of(&ids);
        }
        self.choices += 1;
        highest
    }

    fn highest_of(&self, ids: &[u64]) -> usize {
        let by_priority = ids.iter().enumerate().max_by_key(|(_, id)| self.of[id]);
        by_priority.expect("somebody is due").0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_stays_ahead_until_a_change() {
        let mut firsts = BTreeSet::new();
        for seed in 0..50 {
            let mut unchanged = Priorities::new(seed, 0);
            let chosen: Vec<usize> = (0..100).map(|_| unchanged.highest([7, 8, 9].into_iter())).collect();
            assert!(chosen.iter().all(|index| *index == chosen[0]));
            firsts.insert(chosen[0]);
        }
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn as_many_changes_as_were_asked_for() {
        let switches = |seed, changes| {
            let mut priorities = Priorities::new(seed, changes);
            let chosen: Vec<usize> =
                (0..CHOICES).map(|_| priorities.highest([1, 2, 3].into_iter())).collect();
            chosen.windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        for seed in 0..50 {
            assert_eq!(switches(seed, 0), 0);
            assert!((0..=3).contains(&switches(seed, 3)));
        }
        assert!((0..50).any(|seed| switches(seed, 3) == 3));
    }
}
