//! Whether TCP checksums decide if a segment is believed.
//!
//! A capture made on the sending host has wrong checksums, because the network card fills them in later. So unless it
//! is told otherwise the engine validates the first packets, and stops when more than a tenth of them were wrong: those
//! are the figures of Suricata's `checksum-checks: auto`. A live capture is told of each packet by the kernel.

use flumen_model::source::ChecksumNote;
use flumen_wire::{FlowPacket, tcp_checksum_ok};

use crate::config::Checksums;

const SAMPLE: u32 = 1000;

/// The decision, for one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChecksumTest {
    mode: Checksums,
    seen: u32,
    wrong: u32,
}

impl ChecksumTest {
    pub(crate) const fn new(mode: Checksums) -> Self {
        Self { mode, seen: 0, wrong: 0 }
    }
    /// Whether the packet in `frame` is believed, of which the capture says `note`.
    #[inline(always)]
    pub(crate) fn believes(&mut self, frame: &[u8], packet: &FlowPacket, note: ChecksumNote) -> bool {
        match self.mode {
            Checksums::None => true,
            Checksums::Told if note != ChecksumNote::None => true,
            // No card has made it yet: that says nothing of the packets that came from elsewhere.
            Checksums::Auto if note == ChecksumNote::Unfinished => true,
            _ => self.judge(tcp_checksum_ok(frame, packet)),
        }
    }
    /// Whether a packet is believed; `right` is `None` when it has no TCP checksum that could be computed.
    #[inline(always)]
    fn judge(&mut self, right: Option<bool>) -> bool {
        let Some(right) = right else { return true };
        if self.mode == Checksums::Auto {
            self.sample(right);
        }
        right
    }
    #[cold]
    fn sample(&mut self, right: bool) {
        self.seen += 1;
        self.wrong += u32::from(!right);
        if self.seen == SAMPLE {
            self.mode = if self.wrong * 10 > SAMPLE { Checksums::None } else { Checksums::All };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(wrong: u32) -> ChecksumTest {
        let mut test = ChecksumTest::new(Checksums::Auto);
        for n in 0..SAMPLE {
            assert_eq!(test.judge(Some(n >= wrong)), n >= wrong);
        }
        test
    }

    #[test]
    fn a_sample_with_more_than_a_tenth_wrong_ends_the_validation() {
        assert!(after(SAMPLE / 10).mode == Checksums::All);
        assert!(after(SAMPLE / 10 + 1).mode == Checksums::None);
    }

    #[test]
    fn packets_without_a_checksum_are_believed_and_not_counted() {
        let mut test = ChecksumTest::new(Checksums::Auto);
        for _ in 0..5000 {
            assert!(test.judge(None));
        }
        assert!(!test.judge(Some(false)));
    }

    #[test]
    fn capture_that_tells_then_what_it_has_checked_or_not_filled_in_is_believed() {
        // Ethernet, IPv4, TCP without a checksum.
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        let mut packet = FlowPacket::EMPTY;
        let mut decoder = flumen_wire::Decoder::new(flumen_wire::DecodeOptions::default());
        let decoded = decoder.decode_into(flumen_wire::LinkType::Ethernet, &frame, 54, &mut packet);
        assert!(decoded.is_ok());
        let believes = |mode, note| ChecksumTest::new(mode).believes(&frame, &packet, note);
        let notes = [ChecksumNote::None, ChecksumNote::Right, ChecksumNote::Unfinished];
        assert_eq!(notes.map(|note| believes(Checksums::Told, note)), [false, true, true]);
        assert_eq!(notes.map(|note| believes(Checksums::Auto, note)), [false, false, true]);
        assert_eq!(notes.map(|note| believes(Checksums::All, note)), [false; 3]);
        assert_eq!(notes.map(|note| believes(Checksums::None, note)), [true; 3]);
    }
}
