//! Whether TCP checksums decide if a segment is believed.
//!
//! A capture made on the sending host has wrong checksums, because the network card fills them in later. So unless it
//! is told otherwise the engine validates the first packets, and stops when more than a tenth of them were wrong: those
//! are the figures of Suricata's `checksum-checks: auto`. A live capture is told of each packet by the kernel.

use flumen_model::source::ChecksumNote;

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
    /// The same for packets ahead of what comes before them: what they show is counted for itself.
    pub(crate) const fn ahead(self) -> Self {
        Self { seen: 0, wrong: 0, ..self }
    }
    /// The turn of the packets has come that `ahead` has judged: says whether they would have been judged so here, and if
    /// so counts what they show.
    pub(crate) fn take_over(&mut self, ahead: &Self) -> bool {
        let same = match (self.mode, ahead.mode) {
            // The test ends within them.
            (Checksums::Auto, _) if self.seen + ahead.seen >= SAMPLE => false,
            // It had not ended when they were judged, each by its own checksum. It has now.
            (Checksums::None, Checksums::Auto) => ahead.wrong == 0,
            (Checksums::None, Checksums::None) => ahead.seen == 0,
            (Checksums::All, mode) => mode != Checksums::None,
            (mode, other) => mode == other,
        };
        if same && self.mode == Checksums::Auto {
            self.seen += ahead.seen;
            self.wrong += ahead.wrong;
        }
        same
    }
    /// Whether the checksum of a packet is to be [judged](Self::judge) of which the capture says `note`; else it is believed.
    #[inline(always)]
    pub(crate) fn asks(&self, note: ChecksumNote) -> bool {
        self.mode == Checksums::All || !self.is_above(note)
    }
    /// Whether a packet is believed whatever its checksum is. Not inlined, so that the common case is one comparison.
    #[inline(never)]
    fn is_above(&self, note: ChecksumNote) -> bool {
        match self.mode {
            Checksums::None => true,
            Checksums::Told => note != ChecksumNote::None,
            // No card has made it yet: that says nothing of the packets that came from elsewhere.
            Checksums::Auto => note == ChecksumNote::Unfinished,
            Checksums::All => false,
        }
    }
    /// Whether a packet is believed; `right` is `None` when it has no TCP checksum that could be computed.
    #[inline(always)]
    pub(crate) fn judge(&mut self, right: Option<bool>) -> bool {
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

    /// Judges some packets in order, and others ahead of them that follow.
    fn ahead_of(before: &[bool], after: &[bool]) -> (ChecksumTest, ChecksumTest, Vec<bool>) {
        let judge = |test: &mut ChecksumTest, rights: &[bool]| -> Vec<bool> {
            rights.iter().map(|&right| test.mode == Checksums::None || test.judge(Some(right))).collect()
        };
        let mut order = ChecksumTest::new(Checksums::Auto);
        let mut ahead = order.ahead();
        let judged = judge(&mut ahead, after);
        judge(&mut order, before);
        (order, ahead, judged)
    }

    #[test]
    fn what_was_judged_ahead_is_taken_over_only_if_it_is_what_the_order_gives() {
        let (right, wrong) = (|n| vec![true; n], |n| vec![false; n]);
        let cases = [
            (right(100), right(100), true),
            (right(900), right(99), true),
            (right(900), right(100), false),
            (right(2000), wrong(5), true),
            (wrong(2000), right(5), true),
            (wrong(2000), wrong(5), false),
            (wrong(2000), wrong(2000), false),
            (right(10), right(2000), false),
        ];
        for (before, after, taken) in cases {
            let (mut order, ahead, judged) = ahead_of(&before, &after);
            let mut slow = order;
            let said = order.take_over(&ahead);
            assert_eq!(said, taken, "{} {}", before.len(), after.len());
            if said {
                for (right, judged) in after.iter().zip(judged) {
                    assert_eq!(slow.mode == Checksums::None || slow.judge(Some(*right)), judged);
                }
                assert_eq!((slow.mode, slow.seen, slow.wrong), (order.mode, order.seen, order.wrong));
            }
        }
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
        let mut packet = flumen_wire::FlowPacket::EMPTY;
        let mut decoder = flumen_wire::Decoder::new(flumen_wire::DecodeOptions::default());
        let decoded = decoder.decode_into(flumen_wire::LinkType::Ethernet, &frame, 54, &mut packet);
        assert!(decoded.is_ok());
        let right = || flumen_wire::tcp_checksum_ok(&frame, &packet);
        let believes = |mode, note| {
            let mut test = ChecksumTest::new(mode);
            !test.asks(note) || test.judge(right())
        };
        let notes = [ChecksumNote::None, ChecksumNote::Right, ChecksumNote::Unfinished];
        assert_eq!(notes.map(|note| believes(Checksums::Told, note)), [false, true, true]);
        assert_eq!(notes.map(|note| believes(Checksums::Auto, note)), [false, false, true]);
        assert_eq!(notes.map(|note| believes(Checksums::All, note)), [false; 3]);
        assert_eq!(notes.map(|note| believes(Checksums::None, note)), [true; 3]);
    }
}
