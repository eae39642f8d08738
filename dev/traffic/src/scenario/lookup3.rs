//! Tuples with one lookup3 hash: Bob Jenkins's hash (public domain, 2006) run backwards.
//!
//! Both of its mixing steps are bijections, so any wanted hash leads back, through arbitrary values of the other two
//! words, to three key words. The key attacked is that of tables which hash six words: the two addresses as they lie in
//! memory, the greater first; the two ports, the greater in the low half; the protocol; and two words of VLANs, zero.

use crate::{Ends, Rng};

const UDP: u32 = 17;
const WORDS: u32 = 6;

/// Endless UDP tuples with the same hash.
pub(super) struct Collisions {
    table_seed: u32,
    hash: u32,
    rng: Rng,
}

impl Collisions {
    pub(super) const fn new(table_seed: u32, hash: u32, seed: u64) -> Self {
        Self { table_seed, hash, rng: Rng::new(seed) }
    }
}

impl Iterator for Collisions {
    type Item = Ends;

    fn next(&mut self) -> Option<Ends> {
        loop {
            let [greater, lesser, ports] = words_for(self.hash, self.table_seed, [self.rng.word(), self.rng.word()]);
            let (high_port, low_port) = (ports as u16, (ports >> 16) as u16);
            let [src, dst] = [greater, lesser].map(u32::to_le_bytes);
            // The table puts the greater first; what is not so is no key. Addresses should look like hosts.
            if greater > lesser && high_port > low_port && low_port != 0 && is_host(src) && is_host(dst) {
                return Some(Ends::v4(src, high_port, dst, low_port));
            }
        }
    }
}

const fn is_host([first, ..]: [u8; 4]) -> bool {
    matches!(first, 1..=126 | 128..=223)
}

/// The first three key words that hash to `hash` when the last three are (UDP, 0, 0), by a choice of 64 bits.
fn words_for(hash: u32, seed: u32, choice: [u32; 2]) -> [u32; 3] {
    let [a, b, c] = unfinish([choice[0], choice[1], hash]);
    let [a, b, c] = unmix([a.wrapping_sub(UDP), b, c]);
    let start = start(WORDS, seed);
    [a.wrapping_sub(start), b.wrapping_sub(start), c.wrapping_sub(start)]
}

const fn start(words: u32, seed: u32) -> u32 {
    0xdead_beef_u32.wrapping_add(words << 2).wrapping_add(seed)
}

fn unfinish([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    let undo = |word: &mut u32, by: u32, turn: u32| *word = word.wrapping_add(by.rotate_left(turn)) ^ by;
    undo(&mut c, b, 24);
    undo(&mut b, a, 14);
    undo(&mut a, c, 4);
    undo(&mut c, b, 16);
    undo(&mut b, a, 25);
    undo(&mut a, c, 11);
    undo(&mut c, b, 14);
    [a, b, c]
}

/// Undoes six rounds; the words take turns, beginning with the last of the forward order.
fn unmix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for turns in [[4, 19, 16], [8, 6, 4]] {
        b = b.wrapping_sub(a);
        c = (c ^ b.rotate_left(turns[0])).wrapping_add(b);
        a = a.wrapping_sub(c);
        b = (b ^ a.rotate_left(turns[1])).wrapping_add(a);
        c = c.wrapping_sub(b);
        a = (a ^ c.rotate_left(turns[2])).wrapping_add(c);
    }
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash forwards, as its author describes it.
    fn hashword(key: &[u32], seed: u32) -> u32 {
        let start = start(key.len() as u32, seed);
        let mut state = [start; 3];
        let blocks = key.chunks(3);
        let last = blocks.len() - 1;
        for (number, block) in blocks.enumerate() {
            for (word, part) in state.iter_mut().zip(block) {
                *word = word.wrapping_add(*part);
            }
            state = if number == last { finish(state) } else { mix(state) };
        }
        state[2]
    }

    fn finish([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
        let step = |word: &mut u32, by: u32, turn: u32| *word = (*word ^ by).wrapping_sub(by.rotate_left(turn));
        step(&mut c, b, 14);
        step(&mut a, c, 11);
        step(&mut b, a, 25);
        step(&mut c, b, 16);
        step(&mut a, c, 4);
        step(&mut b, a, 14);
        step(&mut c, b, 24);
        [a, b, c]
    }

    fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
        for turns in [[4, 6, 8], [16, 19, 4]] {
            a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
            c = c.wrapping_add(b);
            b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
            a = a.wrapping_add(c);
            c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
            b = b.wrapping_add(a);
        }
        [a, b, c]
    }

    #[test]
    fn forward_hash_gives_the_author_s_value_for_his_sentence() {
        // "Four score and seven years ago" hashes to 0x17770551 by bytes; padded to words the start is two too high.
        let text = b"Four score and seven years ago\0\0";
        let key: Vec<u32> = text.as_chunks::<4>().0.iter().map(|&four| u32::from_le_bytes(four)).collect();
        assert_eq!(hashword(&key, 2_u32.wrapping_neg()), 0x1777_0551);
    }

    #[test]
    fn tuples_made_for_a_seed_have_one_hash_under_it_and_many_under_another() {
        let mut others = std::collections::HashSet::new();
        for ends in Collisions::new(77, 0xcafe, 1).take(1_000) {
            let [src, dst] = [ends.client, ends.server].map(|address| match address {
                std::net::IpAddr::V4(v4) => u32::from_le_bytes(v4.octets()),
                std::net::IpAddr::V6(_) => unreachable!("the key is that of IPv4"),
            });
            let ports = u32::from(ends.client_port) | u32::from(ends.server_port) << 16;
            let key = [src, dst, ports, UDP, 0, 0];
            assert_eq!(hashword(&key, 77), 0xcafe);
            others.insert(hashword(&key, 78));
        }
        assert!(others.len() > 990);
    }
}
