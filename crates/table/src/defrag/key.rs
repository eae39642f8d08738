//! Which fragments belong together.

use flumen_wire::{Address, Fragment, IpVersion};

use super::config::DefragConfig;
use crate::config::Compat;
use crate::hash::{FlowHash, HashSecret};

/// What the fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5), and where they were seen.
///
/// The next header of IPv6 is not part of it: RFC 8200 lets it differ, and the first fragment's counts.
/// Suricata's key has the two addresses in order of size, so that the two directions meet, the identification, the VLAN
/// ids, the version and IPv4's protocol, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Two words of each.
    addresses: [u64; 4],
    /// From the lowest bit: identification (32), protocol (8), depth of tunnels (8), device (16).
    place: u64,
    /// VLAN ids (16 each), version.
    tags: u64,
    /// Number, kind; 0 without a tunnel.
    tunnel: u64,
}

/// What of a fragment is in its key, by how defragmentation is configured.
#[derive(Debug)]
pub(super) struct Keying {
    both_directions: bool,
    /// Bits that count.
    place: u64,
    tags: u64,
    tunnel: u64,
}

impl Keying {
    pub(super) fn of(config: &DefragConfig) -> Self {
        let (vlan, device, recursion) = match config.compat {
            Compat::Suricata => (true, false, false),
            Compat::Flumen => (config.track_vlan, config.track_device, config.track_recursion),
        };
        let when = |counts: bool, bits: u64| if counts { bits } else { 0 };
        Self {
            both_directions: config.compat == Compat::Suricata,
            place: 0xff_ffff_ffff | when(recursion, 0xff << 40) | when(device, 0xffff << 48),
            tags: 0xff << 56 | when(vlan, 0xffff_ffff_ffff),
            tunnel: when(recursion, u64::MAX),
        }
    }
}

impl Key {
    #[inline]
    pub(super) fn of(fragment: &Fragment, device: u16, keying: &Keying) -> Self {
        let protocol = match fragment.ip_version {
            IpVersion::V4 => fragment.protocol,
            IpVersion::V6 => 0,
        };
        let place = u64::from(fragment.id)
            | u64::from(protocol) << 32
            | u64::from(fragment.recursion) << 40
            | u64::from(device) << 48;
        let [first, second, third] = fragment.vlan.ids.map(u64::from);
        let tags = first | second << 16 | third << 32 | (fragment.ip_version as u64) << 56;
        let tunnel = u64::from(fragment.tunnel.id) | (fragment.tunnel.kind as u64) << 32;
        let Fragment { src, dst, .. } = fragment;
        let (src, dst) = if keying.both_directions && dst < src { (dst, src) } else { (src, dst) };
        let ([a, b], [c, d]) = (halves(src), halves(dst));
        Self {
            addresses: [a, b, c, d],
            place: place & keying.place,
            tags: tags & keying.tags,
            tunnel: tunnel & keying.tunnel,
        }
    }

    /// Keyed, so that nobody who does not know the secret can fill a row.
    #[inline]
    pub(super) fn hash(&self, secret: &HashSecret) -> FlowHash {
        let [a, b, c, d] = self.addresses;
        let hash = secret.hash_words([a, b, c, d, self.place, self.tags]);
        if self.tunnel == 0 { hash } else { secret.extend(hash, self.tunnel) }
    }
}

/// Not as one number: the address was written in pieces just now, and one that is read in larger ones than it was written in
/// stalls the processor.
#[inline]
fn halves(address: &Address) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = address.0;
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(low)]
}
