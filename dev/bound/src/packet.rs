//! A packet as the table wants it: a key that is the same both ways, which way it went, and its hash.

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const FRAGMENT: u8 = 44;

/// Both ends with the smaller first, and what else makes a flow: 40 bytes.
///
/// IPv4: each end is its address and port in a word. IPv6: two words an address; ports beside the protocol.
pub type Key = [u64; 5];

/// What is counted of a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    /// Its flow's.
    pub key: Key,
    /// Of the key.
    pub hash: u64,
    /// When it was captured, as the file has it.
    pub time: u64,
    /// On the wire.
    pub bytes: u32,
    /// 0 when it came from the smaller end.
    pub side: u8,
    /// Those of TCP, else none.
    pub tcp_flags: u8,
}

/// Key, side and TCP flags of a frame; `None` for what is no packet of a flow: other protocols, fragments, cut-off headers.
#[inline]
pub fn parse(frame: &[u8]) -> Option<(Key, u8, u8)> {
    let mut kind = pair(frame, 12)?;
    let (mut at, mut vlan) = (14, 0);
    while matches!(kind, 0x8100 | 0x88a8) {
        vlan = vlan << 12 | u64::from(pair(frame, at)? & 0xfff);
        kind = pair(frame, at + 2)?;
        at += 4;
    }
    match kind {
        0x0800 => ipv4(frame.get(at..)?, vlan),
        0x86dd => ipv6(frame.get(at..)?, vlan),
        _ => None,
    }
}

#[inline]
fn ipv4(packet: &[u8], vlan: u64) -> Option<(Key, u8, u8)> {
    let header = packet.first_chunk::<20>()?;
    let len = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || len < 20 || pair(header, 6)? & 0x3fff != 0 {
        return None;
    }
    let protocol = header[9];
    let (from, to, flags) = ports(packet.get(len..)?, protocol)?;
    let end = |at: usize, port: u64| {
        u64::from(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])) << 16 | port
    };
    let (from, to) = (end(12, from), end(16, to));
    let key = [from.min(to), from.max(to), 0, 0, vlan << 16 | 4 << 8 | u64::from(protocol)];
    Some((key, u8::from(from > to), flags))
}

#[inline]
fn ipv6(packet: &[u8], vlan: u64) -> Option<(Key, u8, u8)> {
    let header = packet.first_chunk::<40>()?;
    let protocol = header[6];
    if header[0] >> 4 != 6 || protocol == FRAGMENT {
        return None;
    }
    let (from_port, to_port, flags) = ports(&packet[40..], protocol)?;
    let words = |at: usize| [0, 8].map(|half| u64::from_be_bytes(*header[at + half..].first_chunk().expect("8 bytes")));
    let (from, to) = ((words(8), from_port), (words(24), to_port));
    let ((low, low_port), (high, high_port)) = if from > to { (to, from) } else { (from, to) };
    // A VLAN has 12 bits of what is left, which is enough for one tag.
    let rest = high_port << 48 | low_port << 32 | vlan << 16 | 6 << 8 | u64::from(protocol);
    Some(([low[0], low[1], high[0], high[1], rest], u8::from(from > to), flags))
}

/// Source and destination port, and the flags of TCP.
#[inline]
fn ports(segment: &[u8], protocol: u8) -> Option<(u64, u64, u8)> {
    match protocol {
        TCP | UDP | SCTP => {
            let [a, b, c, d] = *segment.first_chunk()?;
            let flags = if protocol == TCP { *segment.get(13)? } else { 0 };
            Some((u64::from(u16::from_be_bytes([a, b])), u64::from(u16::from_be_bytes([c, d])), flags))
        }
        _ => Some((0, 0, 0)),
    }
}

/// A hash of a key: two multiplications of 64 by 64 bits. The secret is fixed, since nobody attacks a benchmark.
#[inline]
pub const fn hash(key: &Key) -> u64 {
    let [a, b, c, d, e] = *key;
    let first = fold(a ^ c.rotate_left(29) ^ 0x9e37_79b9_7f4a_7c15, b ^ d.rotate_left(31) ^ 0xc2b2_ae3d_27d4_eb4f);
    fold(first ^ e, 0x1656_67b1_9e37_79f9 ^ first.rotate_left(32))
}

/// Which share a flow belongs to: bits that neither the place nor most of the tag depends on.
#[inline]
#[must_use]
pub const fn share_of(hash: u64, shares: u32) -> u32 {
    ((hash >> 32) % shares as u64) as u32
}

const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn pair(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use traffic::{Ends, Side};

    use super::*;

    #[test]
    fn both_directions_have_one_key_and_two_sides() {
        for ends in [
            Ends::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80),
            Ends::v4([10, 0, 0, 2], 80, [10, 0, 0, 2], 81).in_vlan(7),
            Ends::v6([1; 16], 40_000, [2; 16], 80),
            Ends::v6([1; 16], 80, [1; 16], 53),
        ] {
            let [out, back] =
                [Side::Client, Side::Server].map(|side| parse(&ends.udp(side, b"hello").build()).expect("a packet"));
            assert_eq!(out.0, back.0);
            assert_ne!(out.1, back.1);
        }
    }

    #[test]
    fn whatever_tells_flows_apart_changes_key_and_hash() {
        let key = |ends: Ends| parse(&ends.udp(Side::Client, b"hello").build()).expect("a packet").0;
        let one = Ends::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80);
        let keys = [
            key(one),
            key(Ends { client_port: 40_001, ..one }),
            key(Ends { server_port: 81, ..one }),
            key(one.in_vlan(7)),
            key(Ends::v4([10, 0, 0, 3], 40_000, [10, 0, 0, 2], 80)),
        ];
        for (number, key) in keys.iter().enumerate() {
            assert!(keys[..number].iter().all(|other| other != key && hash(other) != hash(key)), "{number}");
        }
    }

    #[test]
    fn cut_anywhere_then_no_panic() {
        let frame = Ends::v6([1; 16], 1, [2; 16], 2).in_vlan(7).udp(Side::Client, b"hello").build();
        for len in 0..frame.len() {
            let _ = parse(&frame[..len]);
        }
    }
}
