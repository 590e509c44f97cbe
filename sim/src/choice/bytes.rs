//! Choices out of bytes, for whatever mutates bytes: each four of them make one pick, so that a change of one pick leaves the
//! others as they are, and parts of two inputs put together have the faults of both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A pick whose site and size are not known yet.
const RECORD_LEN: usize = 4;
const SEED_LEN: usize = 8;

/// What the bytes ask for: by the number of a site modulo 256, by the occurrence there, a raw value that is not 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawPicks {
    pub(super) seed: u64,
    by_site: BTreeMap<u8, BTreeMap<u32, u32>>,
}

impl RawPicks {
    pub(super) fn new(bytes: &[u8]) -> RawPicks {
        let (seed, records) = bytes.split_at(bytes.len().min(SEED_LEN));
        let mut seed_bytes = [0; SEED_LEN];
        seed_bytes[..seed.len()].copy_from_slice(seed);
        let mut by_site: BTreeMap<u8, BTreeMap<u32, u32>> = BTreeMap::new();
        let mut next_at: BTreeMap<u8, u32> = BTreeMap::new();
        for record in records.chunks(RECORD_LEN) {
            let byte = |index: usize| record.get(index).copied().unwrap_or(0);
            let (site, gap, raw) = (byte(0), byte(1), u16::from_le_bytes([byte(2), byte(3)]));
            let next = next_at.entry(site).or_default();
            let occurrence = *next + u32::from(gap);
            *next = occurrence + 1;
            if raw > 0 {
                by_site.entry(site).or_default().insert(occurrence, raw.into());
            }
        }
        RawPicks { seed: u64::from_le_bytes(seed_bytes), by_site }
    }

    /// What is asked for at the site that is named as the `number`-th, from 0.
    pub(super) fn of_site(&self, number: u32) -> BTreeMap<u32, u32> {
        self.by_site.get(&(number as u8)).cloned().unwrap_or_default()
    }
}

/// The answer among `n` alternatives that a raw value stands for: never 0, unless there is no other.
pub(super) fn answer(raw: u32, n: u32) -> u32 {
    match n - 1 {
        0 => 0,
        unusual @ 1..=0xffff => 1 + (raw - 1) % unusual,
        unusual => (u64::from(unusual) * u64::from(raw)).div_ceil(0xffff) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choices, Chooser};
    use super::*;

    fn drawn(bytes: &[u8], sites: usize, draws: usize, n: usize) -> Vec<Vec<usize>> {
        let mut chooser = Chooser::new(&Choices::from_bytes(bytes));
        let sites: Vec<_> = (0..sites).map(|site| chooser.site(&format!("h{site}: loss"))).collect();
        let of_site = |site| (0..draws).map(|_| chooser.pick(site, n)).collect();
        sites.into_iter().map(of_site).collect()
    }

    #[test]
    fn no_bytes_are_the_plainest_run() {
        assert_eq!(drawn(&[], 2, 3, 10), [[0, 0, 0], [0, 0, 0]]);
        assert_eq!(Choices::from_bytes(&[7]).seed(), 7);
    }

    #[test]
    fn each_four_bytes_are_one_pick() {
        let records = [[0, 1, 3, 0], [1, 0, 9, 0], [0, 0, 11, 0], [9, 0, 1, 0]];
        let bytes = [&[0; 8][..], records.as_flattened()].concat();
        // 11 is the second of nine unusual answers, in its second round.
        assert_eq!(drawn(&bytes, 2, 4, 10), [[0, 3, 2, 0], [9, 0, 0, 0]]);
    }

    #[test]
    fn an_answer_is_unusual_and_one_of_those_that_there_are() {
        for n in [2, 3, 10, 0x1_0000, 0x1_0001, 1 << 20, u32::MAX] {
            for raw in [1, 2, 500, 0xfffe, 0xffff] {
                let answer = answer(raw, n);
                assert!((1..n).contains(&answer), "{raw} of {n} is {answer}");
            }
        }
        assert_eq!((answer(5, 1), answer(0xffff, u32::MAX)), (0, u32::MAX - 1));
    }

    #[test]
    fn what_it_came_to_is_replayed_by_its_picks() {
        let bytes: Vec<u8> = (0..200).map(|byte: u8| byte.wrapping_mul(37) % 5).collect();
        let choices = Choices::from_bytes(&bytes);
        let mut first = Chooser::new(&choices);
        let play = |chooser: &mut Chooser| {
            let site = chooser.site("a > b: jitter");
            (0..50).map(|_| chooser.pick(site, 100)).collect::<Vec<_>>()
        };
        let once = play(&mut first);
        assert!(once.iter().any(|value| *value > 0));
        let mut again = Chooser::new(&Choices::Replayed { seed: choices.seed(), picks: first.unusual() });
        assert_eq!(play(&mut again), once);
        assert_eq!(first.stale(), []);
    }
}
