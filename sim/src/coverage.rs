//! What kinds of things happened in a run, next to each other and how often: what a guided search takes for new. It
//! decides nothing.

use std::panic::Location;

use xxhash_rust::xxh3::xxh3_64;

/// A power of two. Two features that fall on one cell are taken for one; runs have some hundreds.
const CELLS: usize = 1 << 14;

/// Counts pairs of adjacent things. Cells, not a map: a run counts some thousand.
pub(crate) struct Coverage {
    counts: Vec<u8>,
    before: u64,
}

/// Something that a run did that many runs may not do: a pair of adjacent things, about so often.
pub(crate) type Feature = u32;

impl Coverage {
    pub(crate) fn new() -> Coverage {
        Coverage { counts: vec![0; CELLS], before: 0 }
    }

    /// A thing happened at a host.
    pub(crate) fn happened(&mut self, kind: u8, host: usize) {
        let now = u64::from(kind) << 16 | host as u64;
        self.count(self.before << 32 | now);
        self.before = now;
    }

    /// A callback that was asked for at this place ran.
    pub(crate) fn ran(&mut self, host: usize, place: &Location<'_>) {
        let at = u64::from(place.line()) << 16 | u64::from(place.column());
        self.count(xxh3_64(place.file().as_bytes()) ^ at << 16 ^ host as u64);
    }

    /// What a program said of itself.
    pub(crate) fn said(&mut self, host: usize, text: &str) {
        self.count(xxh3_64(text.as_bytes()).wrapping_add(host as u64));
    }

    fn count(&mut self, what: u64) {
        let cell = &mut self.counts[xxh3_64(&what.to_le_bytes()) as usize % CELLS];
        *cell = cell.saturating_add(1);
    }

    /// What was counted: the cell, and the count by powers of two.
    pub(crate) fn features(&self) -> Vec<Feature> {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(cell, count)| (cell as u32) << 3 | count.ilog2()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(happened: &[u8]) -> Vec<Feature> {
        let mut coverage = Coverage::new();
        happened.iter().for_each(|kind| coverage.happened(*kind, 0));
        coverage.features()
    }

    #[test]
    fn what_is_adjacent_counts_and_about_how_often() {
        assert_eq!(features(&[1, 2, 1, 2]), features(&[1, 2, 1, 2]));
        assert_ne!(features(&[1, 2, 3]), features(&[1, 3, 2]));
        let often = |times: usize| features(&[1].repeat(times));
        assert_eq!(often(6), often(7));
        assert_ne!(often(7), often(9));
    }
}
