//! Addresses as text.

use crate::digits::hex_pair;
use crate::line::{Line, Padded};
use crate::text::Text;
use flumen_model::{Address, IpVersion};

/// How IPv6 addresses are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv6Form {
    /// All eight groups with all four digits, as Suricata does by default: `fe80:0000:0000:…`.
    #[default]
    Expanded,
    /// The shortest form (RFC 5952): `fe80::1`.
    Compressed,
}

/// Appends `address`, without quotes.
pub(crate) fn append(out: &mut Text, address: Address, version: IpVersion, form: Ipv6Form) {
    out.line(|room| {
        let mut line = Line::new(room);
        put(&mut line, address, version, form);
        line.len()
    });
}

/// Appends `address`, without quotes.
#[inline(always)]
pub(super) fn put(line: &mut Line<'_>, address: Address, version: IpVersion, form: Ipv6Form) {
    match (version, form) {
        (IpVersion::V4, _) => dotted(line, [address.0[0], address.0[1], address.0[2], address.0[3]]),
        (IpVersion::V6, Ipv6Form::Expanded) => expanded(line, &address.0),
        (IpVersion::V6, Ipv6Form::Compressed) => line.apart(|line| compressed(line, &address.0)),
    }
}

#[inline(always)]
fn dotted(line: &mut Line<'_>, [a, b, c, d]: [u8; 4]) {
    line.part(&OCTETS_DOT[usize::from(a)]);
    line.part(&OCTETS_DOT[usize::from(b)]);
    line.part(&OCTETS_DOT[usize::from(c)]);
    line.part(&OCTETS[usize::from(d)]);
}

#[inline(always)]
fn expanded(line: &mut Line<'_>, bytes: &[u8; 16]) {
    line.fill(39, |next: &mut [u8; 39]| {
        for (i, group) in bytes.chunks_exact(2).enumerate() {
            next[i * 5..i * 5 + 2].copy_from_slice(&hex_pair(group[0]));
            next[i * 5 + 2..i * 5 + 4].copy_from_slice(&hex_pair(group[1]));
            if let Some(behind) = next.get_mut(i * 5 + 4) {
                *behind = b':';
            }
        }
    });
}

/// RFC 5952 §4: no leading zeros, the first longest run of two or more zero groups as `::`; §5: the embedded IPv4
/// address of `::ffff:0:0/96` in dots.
#[inline(never)]
fn compressed(line: &mut Line<'_>, bytes: &[u8; 16]) {
    if bytes[..10] == [0; 10] && bytes[10..12] == [0xff; 2] {
        line.put(b"::ffff:");
        return dotted(line, [bytes[12], bytes[13], bytes[14], bytes[15]]);
    }
    let mut groups = [0_u16; 8];
    for (group, pair) in groups.iter_mut().zip(bytes.chunks_exact(2)) {
        *group = u16::from_be_bytes([pair[0], pair[1]]);
    }
    let gap = longest_zero_run(&groups);
    let mut i = 0;
    while i < groups.len() {
        if i == gap.start && gap.len() > 1 {
            line.put(b"::");
            i = gap.end;
            continue;
        }
        if i > 0 && i != gap.end {
            line.put(b":");
        }
        short_hex(line, groups[i]);
        i += 1;
    }
}

/// The first longest run of zero groups; empty at the end when no run has two.
fn longest_zero_run(groups: &[u16; 8]) -> core::ops::Range<usize> {
    let mut best = 9..9;
    let mut start = 0;
    for (i, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = i + 1;
        } else if i + 1 - start > best.len().max(1) {
            best = start..i + 1;
        }
    }
    best
}

fn short_hex(line: &mut Line<'_>, group: u16) {
    let [high, low] = group.to_be_bytes();
    let [a, b] = hex_pair(high);
    let [c, d] = hex_pair(low);
    let zeros = (group.leading_zeros() / 4).min(3);
    let digits = u32::from_le_bytes([a, b, c, d]) >> (8 * zeros);
    line.fill(4 - zeros as usize, |next| *next = digits.to_le_bytes());
}

/// Decimal digits of a byte.
static OCTETS: [Padded<4>; 256] = octets("");
/// Decimal digits of a byte, and a dot.
static OCTETS_DOT: [Padded<4>; 256] = octets(".");

const fn octets(behind: &str) -> [Padded<4>; 256] {
    let mut table = [Padded::EMPTY; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = Padded::EMPTY.and_byte(n as u8).and(behind.as_bytes());
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn text(bytes: [u8; 16], version: IpVersion, form: Ipv6Form) -> String {
        let mut out = Text::default();
        append(&mut out, Address(bytes), version, form);
        String::from_utf8(out.as_bytes().to_vec()).expect("ASCII")
    }

    #[test]
    fn ipv4_addresses_of_every_width_then_same_as_display() {
        for byte in 0..=255_u8 {
            for other in [0, 9, 10, 99, 100, 255] {
                let b = [byte, other, byte ^ 0x5a, other];
                assert_eq!(text(Address::v4(b).0, IpVersion::V4, Ipv6Form::Expanded), Ipv4Addr::from(b).to_string());
            }
        }
    }

    #[test]
    fn ipv6_expanded_then_all_digits() {
        let address: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        assert_eq!(
            text(address.octets(), IpVersion::V6, Ipv6Form::Expanded),
            "2001:0db8:0000:0000:0000:0000:0000:0001"
        );
    }

    #[test]
    fn ipv6_compressed_then_same_as_display() {
        // Every pattern of zero groups, with groups of one to four digits.
        for mask in 0..256_u32 {
            for value in [0x1_u16, 0x20, 0x300, 0xffff] {
                let groups: [u16; 8] = std::array::from_fn(|i| if mask >> i & 1 == 1 { value } else { 0 });
                let address = Ipv6Addr::from(groups);
                assert_eq!(
                    text(address.octets(), IpVersion::V6, Ipv6Form::Compressed),
                    address.to_string(),
                    "groups {groups:x?}"
                );
            }
        }
        let mapped: Ipv6Addr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(text(mapped.octets(), IpVersion::V6, Ipv6Form::Compressed), "::ffff:192.0.2.1");
    }
}
