//! Which of two sets of picks is the smaller one, and into which groups they fall. It makes no run.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3Default;

use crate::choice::{INPUT, Pick};

/// What is made smaller together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What befalls the world.
    Faults,
    /// What the scenario chose for itself ([`Sim::pick`](crate::Sim::pick)): how many clients there are, what they do.
    Inputs,
}

impl Part {
    fn of(pick: &Pick) -> Part {
        if pick.site.starts_with(INPUT) { Part::Inputs } else { Part::Faults }
    }

    pub(super) fn has(self, pick: &Pick) -> bool {
        self == Part::of(pick)
    }
}

pub(super) type GroupKey = for<'p> fn(&'p Pick) -> (&'p str, u32);
pub(super) type PickNumber = for<'p> fn(&'p mut Pick) -> &'p mut u32;

/// The number of each pick's group, for those of `part`, and how many groups there are. Groups are numbered as they
/// appear, so that neighbours were drawn at about the same time.
pub(super) fn group(picks: &[Pick], part: Part, key: GroupKey) -> (Vec<Option<usize>>, usize) {
    let mut numbers = BTreeMap::new();
    let groups = picks.iter().map(|pick| {
        let next = numbers.len();
        part.has(pick).then(|| *numbers.entry(key(pick)).or_insert(next))
    });
    let groups = groups.collect();
    (groups, numbers.len())
}

/// What to try instead of `current`: the least first, then the middle between what was refused and what fails.
pub(super) fn next_lower(current: u32, least: u32, refused: Option<u32>) -> Option<u32> {
    let lower = refused.map_or(least, |refused| refused + (current - refused) / 2);
    (lower < current && Some(lower) != refused).then_some(lower)
}

pub(super) type Size = (usize, u64, usize, u64, u64);

/// Fewer faults are smaller, then smaller ones are, then fewer and smaller inputs, then earlier draws.
pub(super) fn size(picks: &[Pick]) -> Size {
    let count = |part: Part| picks.iter().filter(|pick| part.has(pick)).count();
    let values =
        |part: Part| picks.iter().filter(|pick| part.has(pick)).map(|pick| u64::from(pick.value)).sum();
    let occurrences = picks.iter().map(|pick| u64::from(pick.occurrence)).sum();
    (count(Part::Faults), values(Part::Faults), count(Part::Inputs), values(Part::Inputs), occurrences)
}

pub(super) fn digest(picks: &[Pick]) -> u128 {
    let mut hasher = Xxh3Default::new();
    for Pick { site, occurrence, value } in picks {
        hasher.update(&site.len().to_le_bytes());
        hasher.update(site.as_bytes());
        hasher.update(&occurrence.to_le_bytes());
        hasher.update(&value.to_le_bytes());
    }
    hasher.digest128()
}
