//! The keyed hash of a flow key.
//!
//! Both directions of a conversation hash alike, and whoever does not know the secret cannot choose keys that meet.
//! The key's six words go through NH, the universal hash of UMAC (RFC 4418 §5.2): for any two keys the chance over the
//! secret that they collide is 2^-64, whatever the keys are. A multiplication by two more secret words then folds the
//! sum of 128 bits to 64. The last two words of an IPv4 key are zero, and what they add is known beforehand: two
//! multiplications and one to fold, and three and one for IPv6.

use core::hint::select_unpredictable;

use flumen_model::FlowKey;

/// Hash of a flow key: decides the row and the tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct FlowHash(u64);

/// The secret of a table.
#[derive(Clone)]
pub struct HashSecret {
    words: [u64; 6],
    fold: [u64; 2],
    /// What the last two words of a key add that has no tails, where they are zero.
    without_tails: u128,
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
        let words: [u64; 6] = core::array::from_fn(|_| next());
        let without_tails = nh(0, words[4], 0, words[5]);
        Self { words, fold: core::array::from_fn(|_| next() | 1), without_tails }
    }

    /// Hash of `key`, the same for both orientations of its two ends.
    ///
    /// Inlined where it is called: the key is in registers there, and whether it is one of IPv4 is known.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> FlowHash {
        let head = key.head();
        // First four bytes of an address, and its port.
        let end = |at: u32| head.ends >> (32 * at) << 32 | (head.rest >> (16 * at) & 0xffff);
        let (client, server) = (end(0), end(1));
        let (in_order, turned) = ((head.ends, head.rest), (head.ends_turned(), head.rest_turned()));
        if !head.has_tails() {
            let (ends, rest) = if client <= server { in_order } else { turned };
            return self.folded(self.first_words(ends, rest, head.scope.bits(), 0).wrapping_add(self.without_tails));
        }
        let tails = key.tails();
        let is_turned = if client == server { tails.0[0] > tails.0[1] } else { client > server };
        // Chosen, not branched to: no processor foresees who speaks next.
        let chosen = |turned, in_order| select_unpredictable(is_turned, turned, in_order);
        let ([a, b, c], [d, e, f]) = (tails.words(), tails.turned().words());
        let (ends, rest) = (chosen(turned.0, in_order.0), chosen(turned.1, in_order.1));
        self.hash_words([ends, rest, head.scope.bits(), chosen(d, a), chosen(e, b), chosen(f, c)])
    }

    /// Hash of six words, whatever they mean.
    #[inline(always)]
    pub(crate) fn hash_words(&self, [a, b, c, d, e, f]: [u64; 6]) -> FlowHash {
        self.folded(self.first_words(a, b, c, d).wrapping_add(nh(e, self.words[4], f, self.words[5])))
    }
    #[inline(always)]
    const fn first_words(&self, a: u64, b: u64, c: u64, d: u64) -> u128 {
        let w = &self.words;
        nh(a, w[0], b, w[1]).wrapping_add(nh(c, w[2], d, w[3]))
    }
    #[inline(always)]
    const fn folded(&self, sum: u128) -> FlowHash {
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
    use flumen_model::{Address, IpVersion, Ports, VlanTags};
    use flumen_wire::TunnelKind;

    fn key(n: u64) -> FlowKey {
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        FlowKey::new(
            Address::v4((n as u32).to_be_bytes()),
            Address::v4([10, 0, 0, 1]),
            Ports { src: (spread >> 48) as u16, dst: 80 },
            0,
            Scope::of(Place { protocol: 6, ..Place::NOWHERE }),
        )
    }

    #[test]
    fn an_ipv4_key_hashes_as_its_six_words_do() {
        let secret = HashSecret::from_seed([5, 6]);
        for n in 0..100 {
            let head = *key(n).head();
            let words = |ends, rest| secret.hash_words([ends, rest, head.scope.bits(), 0, 0, 0]);
            let either = [words(head.ends, head.rest), words(head.ends_turned(), head.rest_turned())];
            assert!(either.contains(&secret.hash(&key(n))), "{n}");
        }
    }

    #[test]
    fn both_directions_of_ipv6_that_differ_in_a_tail_alone_hash_alike() {
        let secret = HashSecret::from_seed([5, 6]);
        let scope = Scope::of(Place { ip_version: IpVersion::V6, ..Place::NOWHERE });
        for (a, b) in [(1, 2), (2, 1), (3, 3)] {
            let ends = [a, b].map(|last| Address([7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]));
            let key = FlowKey::new(ends[0], ends[1], Ports { src: 9, dst: 9 }, 0, scope);
            assert_eq!(secret.hash(&key), secret.hash(&key.turned()));
        }
    }

    #[test]
    fn both_directions_hash_alike_under_every_secret() {
        for seed in 0..if cfg!(miri) { 2 } else { 50 } {
            let secret = HashSecret::from_seed([seed, !seed]);
            for n in 0..200 {
                assert_eq!(secret.hash(&key(n)), secret.hash(&key(n).turned()), "seed {seed} key {n}");
            }
        }
    }

    #[test]
    fn every_field_of_the_key_changes_the_hash() {
        let secret = HashSecret::from_seed([1, 2]);
        let k = key(7);
        let place = k.scope().place();
        let (client, server, ports) = (k.client(), k.server(), k.ports());
        let scoped = |place| FlowKey::new(client, server, ports, 0, Scope::of(place));
        let v6 = Scope::of(Place { ip_version: IpVersion::V6, ..place });
        let mut other_tail = server;
        other_tail.0[15] = 1;
        let variants = [
            FlowKey::new(Address::v4([1, 2, 3, 4]), server, ports, 0, k.scope()),
            FlowKey::new(client, Address([9; 16]), ports, 0, k.scope()),
            FlowKey::new(client, server, Ports { src: 1, dst: 2 }, 0, k.scope()),
            FlowKey::new(client, server, Ports { src: ports.dst, dst: ports.src }, 0, k.scope()),
            FlowKey::new(client, server, ports, 1, k.scope()),
            scoped(Place { protocol: 17, ..place }),
            scoped(Place { vlan: VlanTags { ids: [1, 0, 0], count: 1 }, ..place }),
            scoped(Place { vlan: VlanTags { ids: [0, 1, 0], count: 1 }, ..place }),
            scoped(Place { vlan: VlanTags { ids: [0, 0, 1], count: 1 }, ..place }),
            scoped(Place { device: 1, ..place }),
            scoped(Place { ip_version: IpVersion::V6, ..place }),
            scoped(Place { recursion: 1, ..place }),
            scoped(Place { tunnel: TunnelKind::Vni, ..place }),
            FlowKey::new(client, other_tail, ports, 0, v6),
            FlowKey::new(other_tail, client, ports, 0, v6),
        ];
        let hashes: std::collections::HashSet<_> = variants.iter().chain([&k]).map(|key| secret.hash(key)).collect();
        assert_eq!(hashes.len(), variants.len() + 1);
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
