//! The Internet checksum (RFC 1071) of a TCP segment.

use crate::{Address, FlowPacket, Transport};

/// Whether the checksum of the TCP segment in the frame `data` is right. `None` when that cannot be said: the packet is
/// no TCP, or the capture cut the segment.
///
/// Inlined, so that a packet whose fields are in registers is not written for it.
#[inline(always)]
#[must_use]
pub fn tcp_checksum_ok(data: &[u8], packet: &FlowPacket) -> Option<bool> {
    let Transport::Tcp(_) = packet.transport else { return None };
    let start = packet.transport_offset as usize;
    let segment = data.get(start..start.checked_add(packet.transport_len as usize)?)?;
    // The pseudo header (RFC 9293 §3.1): addresses, of which those of IPv4 have only zeros behind them, then protocol and
    // length as words in network order.
    let protocol = u64::from(u16::from(crate::tcp::PROTOCOL).to_be());
    let [_, _, hi, lo] = packet.transport_len.to_be_bytes();
    let len = u64::from(u16::from_ne_bytes([hi, lo]));
    let ([a, b], [c, d]) = (halves(packet.src), halves(packet.dst));
    let pseudo = add(add(a, b), add(add(c, d), protocol + len));
    Some(fold(sum(pseudo, segment)) == 0xffff)
}

#[inline(always)]
fn halves(address: Address) -> [u64; 2] {
    let whole = u128::from_ne_bytes(address.0);
    [whole as u64, (whole >> 64) as u64]
}

/// One's complement sum of 64 bits: the carry comes in again at the other end.
#[inline(always)]
const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u64
}

/// `sum` and the bytes as words of 64 bits, the last one filled up with zeros. The one's complement sum of 16-bit words
/// minds neither their order nor that of the bytes in them (RFC 1071 §2), so that of whole words only needs folding.
fn sum(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().fold(sum, |sum, &word| add(sum, u64::from_ne_bytes(word)));
    if rest.is_empty() {
        return whole;
    }
    // The last eight bytes without those that were summed: copying what is left would be a call.
    let last = match bytes.last_chunk() {
        Some(&word) => (u64::from_le_bytes(word) >> (64 - 8 * rest.len())).to_le(),
        None => {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            u64::from_ne_bytes(word)
        }
    };
    add(whole, last)
}

/// The sum of the four words in a word.
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 1071 describes it, sixteen bits at a time.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn sum_by_words_is_the_sum_by_sixteen_bits() {
        let mut state = 7_u64;
        let mut bytes = [0; 100];
        for round in 0..2000 {
            for byte in &mut bytes {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                *byte = if round % 3 == 0 { 0xff } else { (state >> 56) as u8 };
            }
            let bytes = &bytes[..round % 101];
            assert_eq!(fold(sum(0, bytes)), slow(bytes), "round {round}");
        }
    }
}
