//! A site's stream of random words: ChaCha8 keyed by the seed and the site's name. It knows no meaning of a draw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A stream of words, begun at its first use: most sites of a run never draw.
pub(super) struct Stream {
    key: [u8; 32],
    words: Option<Box<ChaCha8Rng>>,
}

impl Stream {
    pub(super) fn new(seed: u64, site: &str) -> Stream {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&xxh3_128_with_seed(site.as_bytes(), seed).to_le_bytes());
        key[16..24].copy_from_slice(&seed.to_le_bytes());
        Stream { key, words: None }
    }

    fn words(&mut self) -> &mut ChaCha8Rng {
        self.words.get_or_insert_with(|| Box::new(ChaCha8Rng::from_seed(self.key)))
    }

    /// A number below `n`, all equally likely (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    pub(super) fn below(&mut self, n: u32) -> u32 {
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.words().next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// True with `probability`.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.words().next_u32()) < probability * f64::from(u32::MAX)
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        self.words().fill_bytes(buffer);
    }
}
