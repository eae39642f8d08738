//! The table: an index of 8-byte slots `{tag, number of the record}`, and records of 128 bytes.
//!
//! Packets go through in batches of 32 in three steps, so that the memory of one is on its way while others are worked
//! on: parse and ask for the slot; read the slot and ask for the record; count.

use std::io;
use std::ops::AddAssign;

use bound::packet::{Key, Packet, hash, parse, share_of};

use crate::capture::Capture;
use crate::memory::{Pages, Plain, prefetch};

const BATCH: usize = 32;

/// A flow: two cache lines, as engines have them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Record {
    key: Key,
    first: u64,
    last: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
    tcp_flags: [u64; 2],
    unused: [u64; 3],
}

const _: () = assert!(size_of::<Record>() == 128);

// SAFETY: words without padding, aligned to a line.
#[allow(unsafe_code)]
unsafe impl Plain for Record {}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Totals {
    /// Frames of flows.
    pub(crate) packets: u64,
    /// Flows.
    pub(crate) flows: u64,
    /// Frames of no flow.
    pub(crate) other: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.flows += more.flows;
        self.other += more.other;
    }
}

/// Flows and their index.
#[derive(Debug)]
pub(crate) struct Table {
    /// Tag in the upper half, number of a record in the lower; 0 is free.
    index: Pages<u64>,
    /// Slots of the index, a power of two, less one.
    mask: usize,
    /// Number 0 is no record.
    records: Pages<Record>,
    flows: usize,
    flows_max: usize,
}

impl Table {
    /// A table that is half full with this many flows, and takes half as many more.
    pub(crate) fn new(flows: usize) -> io::Result<Self> {
        let slots = (2 * flows).next_power_of_two();
        let flows_max = slots / 4 * 3;
        let (index, records) = (Pages::zeroed(slots)?, Pages::zeroed(flows_max + 1)?);
        Ok(Self { index, mask: slots - 1, records, flows: 0, flows_max })
    }

    /// Counts those packets of a capture whose flow belongs to share `number` of `shares`.
    pub(crate) fn count(mut self, capture: &Capture, number: u32, shares: u32) -> io::Result<Totals> {
        let mut totals = Totals::default();
        let mut batch = [Packet::default(); BATCH];
        let mut len = 0;
        for frame in capture.frames() {
            let Some((key, side, tcp_flags)) = parse(frame.bytes) else {
                totals.other += u64::from(number == 0);
                continue;
            };
            let hash = hash(&key);
            if shares > 1 && share_of(hash, shares) != number {
                continue;
            }
            prefetch(&self.index, self.slot_of(hash));
            batch[len] = Packet { key, hash, time: frame.time, bytes: frame.wire_len, side, tcp_flags };
            len += 1;
            if len == BATCH {
                self.work(&batch)?;
                totals.packets += BATCH as u64;
                len = 0;
            }
        }
        self.work(&batch[..len])?;
        totals.packets += len as u64;
        totals.flows = self.flows as u64;
        Ok(totals)
    }

    /// The second and third step over a batch.
    #[inline]
    fn work(&mut self, batch: &[Packet]) -> io::Result<()> {
        for packet in batch {
            self.ask(packet.hash);
        }
        for packet in batch {
            let number = self.find_or_make(packet)?;
            let record = &mut self.records[number];
            let side = usize::from(packet.side & 1);
            record.last = packet.time;
            record.packets[side] += 1;
            record.bytes[side] += u64::from(packet.bytes);
            record.tcp_flags[side] |= u64::from(packet.tcp_flags);
        }
        Ok(())
    }

    /// Asks for the record that the slot of a hash has, or for that which the next new flow gets.
    #[inline]
    fn ask(&self, hash: u64) {
        let slot = self.index[self.slot_of(hash)];
        let number = if slot == 0 { self.flows + 1 } else { number_of(slot) };
        prefetch(&self.records, number);
        // The second line of the record: an item lies on two.
        if let Some(record) = self.records.get(number) {
            prefetch(&record.packets, 1);
        }
    }

    #[inline]
    const fn slot_of(&self, hash: u64) -> usize {
        hash as usize & self.mask
    }

    #[inline]
    fn find_or_make(&mut self, packet: &Packet) -> io::Result<usize> {
        let mut at = self.slot_of(packet.hash);
        loop {
            let slot = self.index[at];
            if slot == 0 {
                return self.make(at, packet);
            }
            if slot >> 32 == packet.hash >> 32 && self.records[number_of(slot)].key == packet.key {
                return Ok(number_of(slot));
            }
            at = (at + 1) & self.mask;
        }
    }

    fn make(&mut self, at: usize, packet: &Packet) -> io::Result<usize> {
        if self.flows == self.flows_max {
            return Err(io::Error::other(format!("more than {} flows, see --flows", self.flows_max)));
        }
        self.flows += 1;
        self.index[at] = packet.hash >> 32 << 32 | self.flows as u64;
        let record = &mut self.records[self.flows];
        record.key = packet.key;
        record.first = packet.time;
        Ok(self.flows)
    }
}

const fn number_of(slot: u64) -> usize {
    slot as u32 as usize
}
