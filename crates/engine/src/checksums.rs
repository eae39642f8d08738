//! Whether TCP checksums decide if a segment is believed.
//!
//! A capture made on the sending host has wrong checksums, because the network card fills them in later. So unless it
//! is told otherwise the engine validates the first packets, and stops when more than a tenth of them were wrong: those
//! are the figures of Suricata's `checksum-checks: auto`. A kernel says of each packet whether its checksum is still to be
//! made (`checksum-checks: kernel`): such a packet is believed from the first on, and is no part of the sample.

use flumen_model::source::Sum;
use flumen_wire::{FlowPacket, tcp_checksum_ok};

use crate::config::Checksums;

const SAMPLE: u32 = 1000;

/// The decision, for one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChecksumTest {
    mode: Checksums,
    /// Whether the word of the source counts: unless it is told to look at every checksum, or none.
    asks_source: bool,
    /// Of the frame whose packets are judged.
    sum: Sum,
    seen: u32,
    wrong: u32,
}

impl ChecksumTest {
    pub(crate) const fn new(mode: Checksums) -> Self {
        Self { mode, asks_source: matches!(mode, Checksums::Auto), sum: Sum::Made, seen: 0, wrong: 0 }
    }
    /// What the source says of the frame whose packets come next.
    #[inline]
    pub(crate) const fn frame(&mut self, sum: Sum) {
        self.sum = sum;
    }
    /// Whether the packet in `frame` is believed.
    #[inline]
    pub(crate) fn believes(&mut self, frame: &[u8], packet: &FlowPacket) -> bool {
        self.is_excused() || self.judge(tcp_checksum_ok(frame, packet))
    }
    /// Whether a packet is believed whatever its checksum is.
    #[inline]
    fn is_excused(&self) -> bool {
        self.mode == Checksums::None || (self.asks_source && self.sum == Sum::Pending)
    }
    /// Whether a packet is believed; `right` is `None` when it has no TCP checksum that could be computed.
    fn judge(&mut self, right: Option<bool>) -> bool {
        let Some(right) = right else { return true };
        if self.mode == Checksums::Auto {
            self.seen += 1;
            self.wrong += u32::from(!right);
            if self.seen == SAMPLE {
                self.mode = if self.wrong * 10 > SAMPLE { Checksums::None } else { Checksums::All };
            }
        }
        right
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
    fn checksum_that_is_still_to_be_made_excuses_a_packet_unless_every_one_is_to_be_looked_at() {
        for (mode, excused) in [(Checksums::None, true), (Checksums::All, false), (Checksums::Auto, true)] {
            let mut test = ChecksumTest::new(mode);
            test.frame(Sum::Pending);
            assert_eq!(test.is_excused(), excused);
            test.frame(Sum::Made);
            assert_eq!(test.is_excused(), mode == Checksums::None);
        }
        // Also when the sample is over.
        let mut test = after(0);
        test.frame(Sum::Pending);
        assert!(test.is_excused());
    }

    #[test]
    fn packets_without_a_checksum_are_believed_and_not_counted() {
        let mut test = ChecksumTest::new(Checksums::Auto);
        for _ in 0..5000 {
            assert!(test.judge(None));
        }
        assert!(!test.judge(Some(false)));
    }
}
