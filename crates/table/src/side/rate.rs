//! Byte rates of a flow: for each direction a ring of byte sums, one for each second of the interval, and their total.
//! A direction of which the total reaches the limit is an elephant from then on.
//!
//! Seconds are counted from the flow's first packet. An interval of more than [`SLOTS_MAX`] seconds has longer slots.
//! The ring covers the slot that is running and those before it, so never more than the interval: what is marked did
//! carry that many bytes within it. A burst may go unnoticed when it lies across both ends of a full ring.

use flumen_model::{Direction, Span};

use crate::config::RateTracking;
use crate::counters::LookupCounters;
use crate::flow::{Beginning, FlowBody, Marks};
use crate::lookup::PacketView;

/// Slots of a ring at most: 512 bytes for each direction.
const SLOTS_MAX: u64 = 64;
/// Words before the slots: number of the latest slot, and the sum of all.
const HEAD: usize = 2;

/// How the ring is cut, and what makes an elephant.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLayout {
    bytes: u64,
    slot: Span,
    slots: usize,
}

impl RateLayout {
    pub(super) fn of(config: RateTracking) -> Self {
        let interval = u64::from(config.interval_secs.max(1));
        let slot_secs = interval.div_ceil(SLOTS_MAX);
        Self { bytes: config.bytes, slot: Span::from_secs(slot_secs), slots: (interval / slot_secs) as usize }
    }
    /// Words of one direction.
    pub(super) const fn words(&self) -> usize {
        HEAD + self.slots
    }

    /// Adds a packet, and marks the flow when its direction has become an elephant. A direction that is marked already
    /// is not followed any more.
    pub(super) fn add(
        &self,
        rings: &mut [u64],
        body: &mut FlowBody,
        beginning: &Beginning,
        direction: Direction,
        view: &PacketView<'_>,
        counters: &mut LookupCounters,
    ) {
        let mark = Marks::ELEPHANT_TO_SERVER << direction.index();
        if body.marks.has(mark) {
            return;
        }
        let ring = &mut rings[direction.index() * self.words()..][..self.words()];
        let slot = view.at.since(beginning.first_seen).nanos() / self.slot.nanos();
        if add(ring, slot, view.bytes) < self.bytes {
            return;
        }
        counters.elephant += u64::from(!body.marks.any(Marks::ELEPHANT_TO_SERVER | Marks::ELEPHANT_TO_CLIENT));
        match direction {
            Direction::ToServer => counters.elephant_toserver += 1,
            Direction::ToClient => counters.elephant_toclient += 1,
        }
        body.marks.set(mark);
    }
}

/// Adds bytes to a slot of the ring and returns the sum of those that are left. Bytes that come too late for the ring
/// are left out.
fn add(ring: &mut [u64], slot: u64, bytes: u64) -> u64 {
    let (head, slots) = ring.split_at_mut(HEAD);
    let [latest, sum] = head else { return 0 };
    let len = slots.len() as u64;
    if slot + len <= *latest {
        return *sum;
    }
    for passed in (*latest + 1..=slot).take(slots.len()) {
        *sum -= core::mem::take(&mut slots[(passed % len) as usize]);
    }
    *latest = slot.max(*latest);
    let place = &mut slots[(slot % len) as usize];
    let fits = bytes.min(u64::MAX - *sum);
    *place += fits;
    *sum += fits;
    *sum
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn interval_beyond_the_ring_then_slots_are_longer_and_cover_no_more_than_it() {
        for (interval, slots, secs) in [(0, 1, 1), (1, 1, 1), (10, 10, 1), (64, 64, 1), (65, 32, 2), (1000, 62, 16)] {
            let layout = RateLayout::of(RateTracking { bytes: 1, interval_secs: interval });
            assert_eq!((layout.slots, layout.slot), (slots, Span::from_secs(secs)), "interval {interval}");
        }
        let longest = RateLayout::of(RateTracking { bytes: 1, interval_secs: u32::MAX });
        assert!(longest.slots <= 64);
    }

    #[test]
    fn bytes_that_have_left_the_interval_do_not_count() {
        let mut ring = [0; HEAD + 3];
        assert_eq!([(0, 5), (1, 7), (2, 1)].map(|(slot, bytes)| add(&mut ring, slot, bytes)), [5, 12, 13]);
        assert_eq!(add(&mut ring, 3, 2), 10);
        assert_eq!(add(&mut ring, 5, 1), 3, "one slot was skipped");
        assert_eq!(add(&mut ring, 4, 9), 12, "a late packet");
        assert_eq!(add(&mut ring, 2, 100), 12, "too late");
        assert_eq!(add(&mut ring, 1 << 60, 4), 4, "after a long silence");
        assert_eq!(add(&mut ring, 1 << 60, u64::MAX), u64::MAX);
    }

    /// All packets are remembered, and those of the interval are added up each time.
    #[test]
    fn random_packets_then_sum_is_that_of_all_packets_in_the_interval() {
        let mut random = 0x1234_5678_9abc_def1_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for slots in [1, 2, 10, 64] {
            let mut ring = vec![0; HEAD + slots];
            let mut packets: Vec<(u64, u64)> = Vec::new();
            let (mut slot, mut latest) = (0, 0);
            for step in 0..if cfg!(miri) { 60 } else { 2000 } {
                slot = match next(20) {
                    0 => slot + next(200),
                    1 => slot.saturating_sub(next(200)),
                    n => slot + n % 2,
                };
                latest = latest.max(slot);
                let bytes = next(1500);
                packets.push((slot, bytes));
                let inside = packets.iter().filter(|(at, _)| at + slots as u64 > latest);
                let expected: u64 = inside.map(|(_, bytes)| bytes).sum();
                assert_eq!(add(&mut ring, slot, bytes), expected, "{slots} slots, step {step}");
            }
        }
    }
}
