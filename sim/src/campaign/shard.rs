//! A campaign's part: one of several machines, jobs or workers. It splits seeds, and does not know who says which
//! part is whose (`schedulers.rs`).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The `index`-th of `count` equal parts, from 1: written `3/8`.
///
/// ```
/// use twinloop_sim::campaign::Shard;
///
/// let third: Shard = "3/8".parse().unwrap();
/// assert_eq!(third.part_of(&(0..1000)), 250..375);
/// assert!("9/8".parse::<Shard>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub(super) index: u64,
    pub(super) count: u64,
}

impl Shard {
    /// The whole, as one part.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Its part of `seeds`. The parts of all shards together are `seeds`, and no two have a seed in common; a part is
    /// empty where there are more shards than seeds.
    pub fn part_of(self, seeds: &Range<u64>) -> Range<u64> {
        let length = u128::from(seeds.end.saturating_sub(seeds.start));
        let bound = |parts: u64| {
            let before = length * u128::from(parts) / u128::from(self.count);
            seeds.start + u64::try_from(before).expect("a part of a u64 is one")
        };
        bound(self.index - 1)..bound(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// `I/N`, where I is from 1 to N.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let form = "a shard is given as I/N, for example 1/8, where I is from 1 to N";
        let (index, count) = text.split_once('/').ok_or(form)?;
        let number = |digits: &str| digits.parse::<u64>().map_err(|error| format!("{error} ({form})"));
        let shard = Shard { index: number(index)?, count: number(count)? };
        if (1..=shard.count).contains(&shard.index) { Ok(shard) } else { Err(form.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shards_are_a_partition(start in 0..u64::MAX, length in 0..u64::MAX, count in 1..100_u64) {
            let seeds = start..start.saturating_add(length);
            let mut next = seeds.start;
            let lengths: Vec<u64> = (1..=count)
                .map(|index| {
                    let part = Shard { index, count }.part_of(&seeds);
                    assert_eq!(part.start, next);
                    next = part.end;
                    part.end - part.start
                })
                .collect();
            assert_eq!(next, seeds.end);
            let (least, most) = (lengths.iter().min().expect("one"), lengths.iter().max().expect("one"));
            assert!(most - least <= 1, "{lengths:?}");
        }
    }
}
