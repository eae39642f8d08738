//! The Internet checksum (RFC 1071) of a TCP segment.

use crate::{FlowPacket, IpVersion, Transport};

/// Whether the checksum of the TCP segment in the frame `data` is right. `None` when that cannot be said: the packet is
/// no TCP, or the capture cut the segment.
#[must_use]
pub fn tcp_checksum_ok(data: &[u8], packet: &FlowPacket) -> Option<bool> {
    let Transport::Tcp(_) = packet.transport else { return None };
    let start = packet.transport_offset as usize;
    let segment = data.get(start..start.checked_add(packet.transport_len as usize)?)?;
    let addresses = match packet.ip_version {
        IpVersion::V4 => sum(&packet.src.0[..4]) + sum(&packet.dst.0[..4]),
        IpVersion::V6 => sum(&packet.src.0) + sum(&packet.dst.0),
    };
    // The pseudo header (RFC 9293 §3.1): protocol and length as words in network order.
    let protocol = u64::from(u16::from(crate::tcp::PROTOCOL).to_be());
    let [_, _, hi, lo] = packet.transport_len.to_be_bytes();
    let len = u64::from(u16::from_ne_bytes([hi, lo]));
    Some(fold(addresses + protocol + len + sum(segment)) == 0xffff)
}

/// Sum of the 16-bit words in the byte order of this machine, unfolded. The one's complement sum does not mind the
/// order (RFC 1071 §2), so whole 32-bit words are added into 64 bits; 65,535 bytes cannot overflow that.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let whole: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    whole + u64::from(u32::from_ne_bytes(last))
}

const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
