//! The Internet checksum (RFC 1071) of a TCP segment.

use crate::{Address, FlowPacket, Transport};

/// Whether the checksum of the TCP segment in the frame `data` is right. `None` when that cannot be said: the packet is
/// no TCP, or the capture cut the segment.
#[must_use]
pub fn tcp_checksum_ok(data: &[u8], packet: &FlowPacket) -> Option<bool> {
    let Transport::Tcp(_) = packet.transport else { return None };
    let start = packet.transport_offset as usize;
    let segment = data.get(start..start.checked_add(packet.transport_len as usize)?)?;
    Some(tcp_segment_ok(packet.src, packet.dst, segment))
}

/// Whether the checksum of a TCP segment is right, of at most 65,535 bytes.
#[inline(always)]
#[must_use]
pub fn tcp_segment_ok(src: Address, dst: Address, segment: &[u8]) -> bool {
    // The pseudo header (RFC 9293 §3.1): addresses, of which those of IPv4 have only zeros behind them, then protocol and
    // length as words in network order.
    let protocol = u16::from(crate::tcp::PROTOCOL).to_be();
    let len = (segment.len() as u16).to_be();
    let pseudo = halves(src) + halves(dst) + u128::from(protocol) + u128::from(len);
    makes_right(pseudo, segment)
}

#[inline(always)]
fn halves(address: Address) -> u128 {
    let whole = u128::from_ne_bytes(address.0);
    (whole & u128::from(u64::MAX)) + (whole >> 64)
}

/// Whether `sum` and the words of these bytes, that of the checksum too, make 0xffff in one's complement of 16 bits.
///
/// That is so when 0xffff divides the sum, which is not zero: the protocol's number is in it. 2^16, 2^32 and 2^64 leave 1
/// when they are divided by 0xffff: so words of any size may be added up, and a carry comes in again at the other end.
#[inline(never)]
fn makes_right(sum: u128, bytes: &[u8]) -> bool {
    let sum = match bytes.len() {
        0..16 => sum + short(bytes),
        16..32 => add::<16>(sum, bytes),
        _ => add::<32>(sum, bytes),
    };
    u64::is_multiple_of(in_64(sum), 0xffff)
}

/// The sum of bytes that are fewer than any header has.
#[cold]
fn short(bytes: &[u8]) -> u128 {
    let mut filled = [0; 16];
    filled[..bytes.len()].copy_from_slice(bytes);
    add::<16>(0, &filled)
}

/// `sum` and at least `N` bytes. The one's complement sum of 16-bit words minds neither their order nor that of the bytes in
/// them (RFC 1071 §2).
///
/// What is no whole block is summed as a part of the last `N` bytes, whatever it is: a loop over its words, and one over its bytes,
/// would end where no processor foresees it, and guessing wrong took 7 to 9 % of the time of a run (heavy-tailed and elephant of
/// `benches`). In 128 bits, so that no addition waits for the carry of the one before: that halves the time of a full-sized segment.
#[inline(always)]
fn add<const N: usize>(sum: u128, bytes: &[u8]) -> u128 {
    let (blocks, rest) = bytes.as_chunks::<N>();
    let whole = blocks.iter().fold(sum, |sum, block| {
        block.as_chunks().0.iter().fold(sum, |sum: u128, &word| sum + u128::from(u64::from_ne_bytes(word)))
    });
    let (Some(last), Some(mask)) = (bytes.last_chunk::<N>(), MASKS[BLOCK - N + rest.len()..].first_chunk::<N>()) else {
        return whole;
    };
    let words = last.as_chunks().0.iter().zip(mask.as_chunks().0);
    // With its carries: of so few words nothing waits for long.
    let (part, carry) = words.fold((0, false), |(sum, carry): (u64, bool), (&word, &mask)| {
        sum.carrying_add(u64::from_ne_bytes(word) & u64::from_ne_bytes(mask), carry)
    });
    // Where it begins at an odd byte, all bytes of it are at the other place of their words: that is a factor of 2^8.
    whole + u128::from((part + u64::from(carry)).rotate_left(8 * (bytes.len() as u32 & 1)))
}

/// The largest block.
const BLOCK: usize = 32;

/// From its place n on: a mask for the last n bytes of a block.
static MASKS: [u8; 2 * BLOCK] = {
    let mut masks = [0; 2 * BLOCK];
    let mut at = BLOCK;
    while at < 2 * BLOCK {
        masks[at] = 0xff;
        at += 1;
    }
    masks
};

/// A sum in 64 bits, with the carries added at the low end.
#[inline(always)]
const fn in_64(sum: u128) -> u64 {
    let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
    sum + carry as u64
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
    fn sum_by_words_is_right_when_that_by_sixteen_bits_is() {
        let mut state = 7_u64;
        let mut bytes = [0; 100];
        for round in 0..2000 {
            for byte in &mut bytes {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                *byte = if round % 3 == 0 { 0xff } else { (state >> 56) as u8 };
            }
            let bytes = &bytes[..round % 101];
            // What is missing to the right sum, and one more or less.
            let missing = 0xffff - slow(bytes);
            for other in [missing, missing.wrapping_add(1), missing.wrapping_sub(1)] {
                let right = slow(&[&other.to_ne_bytes()[..], bytes].concat()) == 0xffff;
                let is_none = other == 0 && slow(bytes) == 0;
                assert_eq!(!is_none && makes_right(u128::from(other), bytes), right, "round {round}");
            }
        }
    }
}
