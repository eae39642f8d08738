//! The hash of the lists of the largest: a few multiplications, with a secret.
//!
//! The keys are what strangers put into packets, so the hash has a secret, as the standard library's has; that one takes
//! longer than all the rest of adding up a record. Each word is multiplied with what came before, and the halves of
//! the product are folded together (the step of wyhash and its kin). Whoever does not know the secret, which no output shows,
//! cannot choose keys that meet; what one could reach by chance is a slow summary, not a wrong one.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers of one secret.
#[derive(Clone)]
pub(super) struct Secret([u64; 2]);

impl Default for Secret {
    /// A secret of its own; the standard library draws its keys from the operating system.
    fn default() -> Self {
        Self([0, 1].map(|n: u64| RandomState::new().hash_one(n)))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl BuildHasher for Secret {
    type Hasher = Folding;
    #[inline]
    fn build_hasher(&self) -> Folding {
        Folding { state: self.0[0], secret: self.0[1] | 1 }
    }
}

/// Hashes words.
#[derive(Debug)]
pub(super) struct Folding {
    state: u64,
    secret: u64,
}

impl Hasher for Folding {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.secret);
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.secret.rotate_left(32));
    }
    #[inline]
    fn write_u128(&mut self, words: u128) {
        self.write_u64(words as u64);
        self.write_u64((words >> 64) as u64);
    }
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.secret);
        product as u64 ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_that_differ_in_few_bits_then_different_hashes_that_are_even_above_and_below() {
        let secret = Secret([0x5eed, 0x1234_5678_9abc_def1]);
        let hashes: Vec<u64> = (0..50_000_u128).map(|n| secret.hash_one(n << 60)).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        for shift in [0, 57] {
            let mut lots = [0_u32; 128];
            hashes.iter().for_each(|hash| lots[(hash >> shift & 127) as usize] += 1);
            assert!(lots.iter().all(|&lot| (250..550).contains(&lot)), "390 a lot on average: {lots:?}");
        }
    }

    #[test]
    fn two_secrets_then_different_hashes() {
        assert_ne!(Secret::default().hash_one(7_u64), Secret::default().hash_one(7_u64));
    }
}
