//! Addresses as text.

use crate::text::{Text, hex_pair};
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
#[inline]
pub(crate) fn append(out: &mut Text, address: Address, version: IpVersion, form: Ipv6Form) {
    match (version, form) {
        (IpVersion::V4, _) => dotted(out, [address.0[0], address.0[1], address.0[2], address.0[3]]),
        (IpVersion::V6, Ipv6Form::Expanded) => expanded(out, &address.0),
        (IpVersion::V6, Ipv6Form::Compressed) => compressed(out, &address.0),
    }
}

fn dotted(out: &mut Text, bytes: [u8; 4]) {
    let mut text = [b'.'; 15];
    let mut len = 0;
    for (i, byte) in bytes.into_iter().enumerate() {
        len += usize::from(i > 0);
        let (digits, count) = OCTETS[usize::from(byte)];
        text[len..len + 3].copy_from_slice(&digits);
        len += usize::from(count);
        // Digits that were not wanted, or nothing, where the next dot goes.
        if let Some(next) = text.get_mut(len) {
            *next = b'.';
        }
    }
    out.raw(&text[..len]);
}

fn expanded(out: &mut Text, bytes: &[u8; 16]) {
    let mut text = [b':'; 39];
    for (i, group) in bytes.chunks_exact(2).enumerate() {
        text[i * 5..i * 5 + 2].copy_from_slice(&hex_pair(group[0]));
        text[i * 5 + 2..i * 5 + 4].copy_from_slice(&hex_pair(group[1]));
    }
    out.raw(&text);
}

/// RFC 5952 §4: no leading zeros, the first longest run of two or more zero groups as `::`; §5: the embedded IPv4
/// address of `::ffff:0:0/96` in dots.
fn compressed(out: &mut Text, bytes: &[u8; 16]) {
    if bytes[..10] == [0; 10] && bytes[10..12] == [0xff; 2] {
        out.raw(b"::ffff:");
        return dotted(out, [bytes[12], bytes[13], bytes[14], bytes[15]]);
    }
    let mut groups = [0_u16; 8];
    for (group, pair) in groups.iter_mut().zip(bytes.chunks_exact(2)) {
        *group = u16::from_be_bytes([pair[0], pair[1]]);
    }
    let gap = longest_zero_run(&groups);
    let mut i = 0;
    while i < groups.len() {
        if i == gap.start && gap.len() > 1 {
            out.raw(b"::");
            i = gap.end;
            continue;
        }
        if i > 0 && i != gap.end {
            out.byte(b':');
        }
        short_hex(out, groups[i]);
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

fn short_hex(out: &mut Text, group: u16) {
    let [high, low] = group.to_be_bytes();
    let [a, b] = hex_pair(high);
    let [c, d] = hex_pair(low);
    let digits = [a, b, c, d];
    let skip = (group.leading_zeros() as usize / 4).min(3);
    out.raw(&digits[skip..]);
}

/// Decimal digits of a byte, left-aligned, and how many.
const OCTETS: [([u8; 3], u8); 256] = {
    let mut table = [([b'0'; 3], 1); 256];
    let mut n = 0;
    while n < 256 {
        let (h, t, u) = (b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8);
        table[n] = if n >= 100 {
            ([h, t, u], 3)
        } else if n >= 10 {
            ([t, u, b'0'], 2)
        } else {
            ([u, b'0', b'0'], 1)
        };
        n += 1;
    }
    table
};

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
