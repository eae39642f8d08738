//! The keyed hash of a flow key.
//!
//! Both directions of a conversation hash alike, and whoever does not know the secret cannot choose keys that meet.
//! The key's six words go through NH, the universal hash of UMAC (RFC 4418 §5.2): for any two keys the chance over the
//! secret that they collide is 2^-64, whatever the keys are, since no two have the same words. A multiplication by two
//! more secret words then folds the sum of 128 bits to 64. Three plus two multiplications, no branch on the key but for the
//! IP version. Of IPv4 an end fits into one word, so that one comparison puts the ends in order: that takes a quarter off
//! the instructions of the hash.

use flumen_model::{FlowKey, IpVersion};

/// Hash of a flow key: decides the row and the tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct FlowHash(u64);

/// The secret of a table.
#[derive(Clone)]
pub struct HashSecret {
    words: [u64; 6],
    fold: [u64; 2],
}

impl core::fmt::Debug for HashSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashSecret")
    }
}

impl HashSecret {
    /// Spreads a seed over the secret. The seed must come from the operating system's randomness, or the table can be
    /// flooded; a fixed one is for repeating an experiment.
    #[must_use]
    pub fn from_seed(seed: [u64; 2]) -> Self {
        let mut state = seed[0];
        let mut next = || {
            state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15), seed[1] ^ 0xd6e8_feb8_6659_fd93);
            state
        };
        Self { words: core::array::from_fn(|_| next()), fold: core::array::from_fn(|_| next() | 1) }
    }

    /// Hash of `key`, the same for both orientations of its two ends.
    ///
    /// Inlined where it is called: the key is in registers there, and its IP version known.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> FlowHash {
        let (a, b) = (u128::from_ne_bytes(key.client.0), u128::from_ne_bytes(key.server.0));
        let (a_port, b_port) = (key.ports.src, key.ports.dst);
        if key.scope.ip_version() == IpVersion::V4 {
            let end = |address: u128, port: u16| u64::from(address as u32) | u64::from(port) << 32;
            let (a, b) = (end(a, a_port), end(b, b_port));
            // No words of IPv6: the IP version is in the scope.
            let words = [a.min(b), a.max(b), 0, 0, u64::from(key.tunnel_id), key.scope.bits()];
            return self.hash_words(words);
        }
        let in_order = (a, a_port) <= (b, b_port);
        let (a, b) = if in_order { (a, b) } else { (b, a) };
        let (a_port, b_port) = if in_order { (a_port, b_port) } else { (b_port, a_port) };
        let rest = u64::from(a_port) | u64::from(b_port) << 16 | u64::from(key.tunnel_id) << 32;
        self.hash_words([a as u64, (a >> 64) as u64, b as u64, (b >> 64) as u64, rest, key.scope.bits()])
    }

    /// Hash of six words, whatever they mean.
    #[inline(always)]
    pub(crate) fn hash_words(&self, [a, b, c, d, e, f]: [u64; 6]) -> FlowHash {
        let w = &self.words;
        let sum = nh(a, w[0], b, w[1]).wrapping_add(nh(c, w[2], d, w[3])).wrapping_add(nh(e, w[4], f, w[5]));
        FlowHash(mix(sum as u64 ^ self.fold[0], (sum >> 64) as u64 ^ self.fold[1]))
    }

    /// Hash of what `hash` stands for and one word more.
    #[inline]
    pub(crate) fn extend(&self, hash: FlowHash, word: u64) -> FlowHash {
        FlowHash(mix(hash.0 ^ self.fold[0], word ^ self.fold[1]))
    }
}

impl FlowHash {
    /// What stands where no hash was computed yet.
    pub const ZERO: Self = Self(0);

    /// The row among `rows`, any number of them: the high half scaled, so that no division is needed.
    #[inline]
    #[must_use]
    pub const fn row(self, rows: u32) -> u32 {
        (((self.0 >> 32) * rows as u64) >> 32) as u32
    }
    /// What a row keeps of the hash to tell its flows apart without looking at them: independent of the row.
    #[inline]
    #[must_use]
    pub const fn tag(self) -> u16 {
        self.0 as u16
    }
    /// Which of `workers` takes the flow: that of its row, except where a row lies on the border of two. So a row's line
    /// stays in the cache of one of them, which finds its lock free.
    #[inline]
    #[must_use]
    pub const fn worker(self, workers: u32) -> u32 {
        self.row(workers)
    }
    /// The hash itself.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

#[inline]
const fn nh(a: u64, ka: u64, b: u64, kb: u64) -> u128 {
    (a.wrapping_add(ka) as u128).wrapping_mul(b.wrapping_add(kb) as u128)
}

/// A product of 128 bits folded to 64.
#[inline]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use flumen_model::key::{Place, Scope};
    use flumen_model::{Address, Ports, VlanTags};
    use flumen_wire::TunnelKind;

    fn key(n: u64) -> FlowKey {
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        FlowKey {
            client: Address::v4((n as u32).to_be_bytes()),
            server: Address::v4([10, 0, 0, 1]),
            ports: Ports { src: (spread >> 48) as u16, dst: 80 },
            tunnel_id: 0,
            scope: Scope::of(Place { protocol: 6, ..Place::NOWHERE }),
        }
    }
    fn turned(k: &FlowKey) -> FlowKey {
        FlowKey { client: k.server, server: k.client, ports: Ports { src: k.ports.dst, dst: k.ports.src }, ..*k }
    }

    #[test]
    fn both_directions_hash_alike_under_every_secret() {
        for seed in 0..if cfg!(miri) { 2 } else { 50 } {
            let secret = HashSecret::from_seed([seed, !seed]);
            for n in 0..200 {
                assert_eq!(secret.hash(&key(n)), secret.hash(&turned(&key(n))), "seed {seed} key {n}");
            }
        }
    }

    #[test]
    fn every_field_of_the_key_changes_the_hash() {
        let secret = HashSecret::from_seed([1, 2]);
        let k = key(7);
        let place = k.scope.place();
        let scoped = |place| FlowKey { scope: Scope::of(place), ..k };
        let variants = [
            FlowKey { client: Address::v4([1, 2, 3, 4]), ..k },
            FlowKey { server: Address([9; 16]), ..k },
            FlowKey { ports: Ports { src: 1, dst: 2 }, ..k },
            FlowKey { tunnel_id: 1, ..k },
            FlowKey { scope: k.scope.with_protocol(17), ..k },
            scoped(Place { vlan: VlanTags { ids: [1, 0, 0], count: 1 }, ..place }),
            scoped(Place { vlan: VlanTags { ids: [0, 1, 0], count: 1 }, ..place }),
            scoped(Place { vlan: VlanTags { ids: [0, 0, 1], count: 1 }, ..place }),
            scoped(Place { device: 1, ..place }),
            scoped(Place { ip_version: IpVersion::V6, ..place }),
            scoped(Place { recursion: 1, ..place }),
            scoped(Place { tunnel: TunnelKind::Vni, ..place }),
        ];
        for v in variants {
            assert_ne!(secret.hash(&v), secret.hash(&k), "{v:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "statistics over many keys, and nothing unsafe")]
    fn rows_and_tags_are_even_for_keys_that_differ_in_few_bits() {
        let secret = HashSecret::from_seed([3, 4]);
        let (rows, keys) = (1000_u32, 100_000_u64);
        let mut per_row = vec![0_u32; rows as usize];
        let mut tags = std::collections::HashSet::new();
        for n in 0..keys {
            let h = secret.hash(&key(n));
            per_row[h.row(rows) as usize] += 1;
            tags.insert(h.tag());
        }
        let longest = per_row.iter().max().copied().unwrap_or(0);
        assert!(longest < 160, "100 a row on average, longest {longest}");
        assert!(tags.len() > 50_000, "{} tags", tags.len());
    }
}
