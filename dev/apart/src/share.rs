//! Which engine a frame is for: both directions of a flow are for the same.

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The share of a frame among so many, as a network card would deal it out: by addresses, and ports where there are some, added up,
/// so that the direction does not matter. What is not IP is all of one share.
#[inline]
pub(crate) fn share_of(frame: &[u8], shares: u32) -> u32 {
    let product = u128::from(ends(frame).unwrap_or(0)) * 0x9e37_79b9_7f4a_7c15;
    let mixed = product as u64 ^ (product >> 64) as u64;
    (((mixed >> 32) * u64::from(shares)) >> 32) as u32
}

#[inline]
fn ends(frame: &[u8]) -> Option<u64> {
    let (kind, packet) = match frame.get(12..14)? {
        [0x81, 0x00] => (frame.get(16..18)?, frame.get(18..)?),
        kind => (kind, frame.get(14..)?),
    };
    match kind {
        [0x08, 0x00] => {
            let header = packet.first_chunk::<20>()?;
            let addresses = word32(header, 12) + word32(header, 16);
            let is_whole = header[6] & 0x3f == 0 && header[7] == 0;
            let after = packet.get(usize::from(header[0] & 0xf) * 4..).filter(|_| is_whole);
            Some(addresses + after.map_or(0, |segment| ports(header[9], segment)))
        }
        [0x86, 0xdd] => {
            let header = packet.first_chunk::<40>()?;
            let addresses = (0..8).map(|word| word32(header, 8 + 4 * word)).sum::<u64>();
            Some(addresses + ports(header[6], &packet[40..]))
        }
        _ => None,
    }
}

#[inline]
fn word32(header: &[u8], at: usize) -> u64 {
    u64::from(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
}

#[inline]
fn ports(protocol: u8, segment: &[u8]) -> u64 {
    match (protocol, segment) {
        (TCP | UDP, &[a, b, c, d, ..]) => {
            (u64::from(u16::from_be_bytes([a, b])) + u64::from(u16::from_be_bytes([c, d]))) << 16
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use traffic::{Ends, Side};

    use super::*;

    #[test]
    fn both_directions_of_a_flow_then_one_share_and_flows_are_spread() {
        let mut count = [0; 2];
        for n in 0..1000_u16 {
            let (low, high) = (n as u8, (n >> 8) as u8);
            for ends in [
                Ends::v4([10, 0, high, low], 40_000 + n, [10, 1, 0, 2], 80),
                Ends::v4([10, 0, high, low], 40_000, [10, 1, 0, 2], 80).in_vlan(7),
                Ends::v6([low; 16], 40_000 + n, [2; 16], 80),
            ] {
                let [out, back] =
                    [Side::Client, Side::Server].map(|side| share_of(&ends.udp(side, b"hello").build(), 2));
                assert_eq!(out, back);
                count[out as usize] += 1;
            }
        }
        assert!(count.iter().all(|&share| share > 1_300), "{count:?}");
    }

    #[test]
    fn cut_anywhere_then_no_panic() {
        let frame = Ends::v6([1; 16], 1, [2; 16], 2).in_vlan(7).udp(Side::Client, b"hello").build();
        for len in 0..frame.len() {
            assert!(share_of(&frame[..len], 3) < 3);
        }
    }
}
