//! The largest of very many, in bounded memory.
//!
//! Exact up to a number of keys. Beyond it the smaller half is forgotten, and how large the largest of the forgotten
//! was is kept: whoever comes later may have been among them and have lost at most that. So of every key
//! `sum <= true sum <= sum + missed`, and a key that is not here has at most [`Top::floor`], which is never more than
//! the sum of all divided by the number of keys that stay. What is forgotten depends
//! on sums and keys only, so the same input gives the same answer.

use std::collections::HashMap;
use std::hash::Hash;

use super::hash::Secret;

/// Sums by key, of which the largest are wanted.
#[derive(Debug)]
pub(super) struct Top<K> {
    sums: HashMap<K, Sum, Secret>,
    keep: usize,
    floor: u64,
}

/// What is known of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Flows counted.
    pub(super) flows: u64,
    /// Packets counted.
    pub(super) packets: u64,
    /// Bytes counted; the order is by these.
    pub(super) bytes: u64,
    /// Bytes that may have been forgotten at most; zero when all three are exact.
    pub(super) missed: u64,
}

impl Sum {
    /// Counts one flow.
    pub(super) fn add(&mut self, packets: u64, bytes: u64) {
        self.flows += 1;
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
    }
    fn at_most(&self) -> u64 {
        self.bytes.saturating_add(self.missed)
    }
}

impl<K: Copy + Eq + Hash + Ord> Top<K> {
    /// Remembers at least `keep` keys and never more than twice as many.
    pub(super) fn new(keep: usize) -> Self {
        Self { sums: HashMap::default(), keep: keep.max(1), floor: 0 }
    }
    /// Counts one flow of `key`.
    pub(super) fn add(&mut self, key: K, packets: u64, bytes: u64) {
        let floor = self.floor;
        self.sums.entry(key).or_insert_with(|| Sum { missed: floor, ..Sum::default() }).add(packets, bytes);
        if self.sums.len() > 2 * self.keep {
            self.forget();
        }
    }
    /// The `count` largest, largest first.
    pub(super) fn largest(&self, count: usize) -> Vec<(K, Sum)> {
        let mut all: Vec<(K, Sum)> = self.sums.iter().map(|(&k, &s)| (k, s)).collect();
        all.sort_unstable_by_key(|&(key, sum)| (std::cmp::Reverse(sum.bytes), key));
        all.truncate(count);
        all
    }
    /// Most bytes that a key which is not remembered can have; zero while everything is.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }
    /// Keys that are remembered.
    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    fn forget(&mut self) {
        let mut order: Vec<(u64, K)> = self.sums.iter().map(|(&key, sum)| (sum.at_most(), key)).collect();
        let cut = order.len() - self.keep;
        // The largest of those that go; those before it are smaller, those behind it stay.
        let (_, &mut last, _) = order.select_nth_unstable(cut - 1);
        self.floor = self.floor.max(last.0);
        self.sums.retain(|&key, sum| (sum.at_most(), key) > last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_then_exact() {
        let mut top = Top::new(3);
        for (key, bytes) in [(1, 10), (2, 50), (1, 45), (3, 55)] {
            top.add(key, 1, bytes);
        }
        let found: Vec<_> = top.largest(2).into_iter().map(|(k, s)| (k, s.bytes, s.flows, s.missed)).collect();
        assert_eq!(found, [(1, 55, 2, 0), (3, 55, 1, 0)]);
        assert_eq!(top.floor(), 0);
    }

    #[test]
    fn many_keys_then_bounds_hold_and_memory_is_bounded() {
        let mut state = 0x5eed_u64;
        println!("seed {state:#x}");
        let (mut top, mut model) = (Top::new(50), HashMap::<u64, u64>::new());
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = state >> 33;
            // One packet in two belongs to one of ten large keys, the others come from 50,000.
            let key = if random & 1 == 0 { random / 2 % 10 } else { random / 2 % 50_000 };
            let bytes = 60 + random % 1400;
            top.add(key, 1, bytes);
            *model.entry(key).or_default() += bytes;
            assert!(top.len() <= 100);
        }
        for (key, sum) in &top.sums {
            assert!(sum.bytes <= model[key] && model[key] <= sum.at_most(), "{key}: {sum:?}, true {}", model[key]);
        }
        let forgotten = model.iter().filter(|(key, _)| !top.sums.contains_key(key)).map(|(_, &bytes)| bytes).max();
        assert!(forgotten.is_some_and(|bytes| bytes <= top.floor()));
        assert!(top.floor() <= model.values().sum::<u64>() / 50);
        let mut found: Vec<u64> = top.largest(10).into_iter().map(|(key, _)| key).collect();
        found.sort_unstable();
        assert_eq!(found, (0..10).collect::<Vec<_>>());
    }
}
