//! The path of a packet, stage by stage: decode, key and hash, bucket, flow; and when a second of packet time has
//! passed: expire, record, sink.
//!
//! There is one such loop. Reading a file, capturing live and replaying call it alike, with a source and a sink of
//! their own. With one worker everything happens on the caller's thread and in packet time alone, so the same input
//! gives the same output: vectors never reach across a second, and what ends is written at the end of the second in the
//! order of [`EndedFlow::order`], whenever and in whichever row it was found to have ended.

use flumen_model::source::Packet;
use flumen_model::{FlowRecord, Ledger, Timestamp};
use flumen_table::{EndCounters, EndedFlow, FlowIds, FlowLookup, FlowTable, Verdict};
use flumen_wire::{Decoder, NonFlow};

use crate::checksums::ChecksumTest;
use crate::config::EngineConfig;
use crate::vector::{Keyed, Length, Vector, decode};

/// One worker: its decoder, its side of the table, its account.
#[derive(Debug)]
pub(crate) struct Worker<'t> {
    pub(crate) table: &'t FlowTable,
    pub(crate) decoder: Decoder,
    pub(crate) lookup: FlowLookup<'t>,
    pub(crate) ledger: Ledger,
    pub(crate) under_pressure: Pressure,
    checksums: ChecksumTest,
    length: Length,
    vector: Vector,
    frame: u64,
    share: Share,
}

/// Which packets a worker takes. All workers see all frames of a file; each keeps the flows whose hash names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) worker: u32,
    pub(crate) of: u32,
}

impl Share {
    const fn has(self, packet: &Keyed) -> bool {
        self.of == 1 || packet.hash.worker(self.of) == self.worker
    }
    /// Frames that belong to no flow are the first worker's.
    const fn is_first(self) -> bool {
        self.worker == 0
    }
}

impl<'t> Worker<'t> {
    pub(crate) fn new(table: &'t FlowTable, config: &EngineConfig, share: Share) -> Self {
        Self {
            table,
            decoder: Decoder::new(config.decode),
            lookup: FlowLookup::new(table, share.worker as u8),
            ledger: Ledger::default(),
            under_pressure: Pressure::default(),
            checksums: ChecksumTest::new(config.checksums),
            length: if config.table.compat == flumen_table::Compat::Suricata { Length::Captured } else { Length::Wire },
            vector: Vector::new(),
            frame: 0,
            share,
        }
    }

    /// Takes packets, in order.
    pub(crate) fn packets<'p>(&mut self, packets: impl Iterator<Item = Packet<'p>>, out: &mut Outlet<'_>) {
        let mut packets = packets.peekable();
        while packets.peek().is_some() {
            self.decode_vector(&mut packets);
            self.look_up_vector(out);
        }
    }

    /// Decode, key, hash; the rows' lines are asked for. Goes on until the vector is full of packets of this worker.
    fn decode_vector<'p>(&mut self, packets: &mut impl Iterator<Item = Packet<'p>>) {
        self.vector.clear();
        while let Some(place) = self.vector.place() {
            let Some(packet) = packets.next() else { break };
            self.frame += 1;
            let bytes = u64::from(self.length.of(&packet));
            let Self { decoder, table, checksums, length, frame, share, .. } = self;
            match decode(decoder, table, *length, &packet, *frame, place) {
                Ok(()) => {
                    let own = share.has(place);
                    if own || checksums.takes_sample() {
                        place.checksum_ok = checksums.believes(packet.data, &place.packet);
                    }
                    if own {
                        self.ledger.read.add(bytes);
                        self.table.prefetch_row(place.hash);
                        self.vector.keep();
                    }
                }
                Err(reason) if share.is_first() => {
                    self.ledger.read.add(bytes);
                    self.ledger.non_flow(reason, bytes);
                }
                Err(_) => {}
            }
        }
    }

    /// The flows' lines are asked for; then bucket by bucket, packet by packet. A row stays locked for all consecutive
    /// packets that it has.
    fn look_up_vector(&mut self, out: &mut Outlet<'_>) {
        let Self { table, lookup, ledger, vector, under_pressure, .. } = self;
        let vector = vector.packets();
        let Some(first) = vector.first() else { return };
        lookup.prepare(vector.len(), first.at);
        for packet in vector.iter() {
            table.prefetch_flow(packet.hash);
        }
        let mut rest = vector.iter().peekable();
        while let Some(&packet) = rest.peek() {
            let row = table.row(packet.hash);
            let mut guard = lookup.lock(row);
            let mut refused = None;
            while let Some(packet) = rest.next_if(|packet| table.row(packet.hash) == row) {
                match guard.packet(&packet.key, packet.hash, &packet.view()) {
                    Verdict::Counted => {}
                    Verdict::NonFlow(reason) => ledger.non_flow(reason, packet.bytes),
                    Verdict::NoSpare => {
                        refused = Some(packet);
                        break;
                    }
                }
            }
            drop(guard);
            if let Some(packet) = refused {
                match under_pressure.packet(table, lookup, packet, out) {
                    Verdict::Counted => {}
                    Verdict::NonFlow(reason) => ledger.non_flow(reason, packet.bytes),
                    Verdict::NoSpare => {
                        lookup.counters.memcap += 1;
                        ledger.non_flow(NonFlow::Memcap, packet.bytes);
                    }
                }
            }
        }
    }

    /// Makes sure that nothing of this worker waits for its table: called at the end of the run.
    pub(crate) fn take_ended(&mut self, into: &mut Vec<EndedFlow>) {
        into.append(self.lookup.work_queue());
    }
}

/// Where records go that a worker has to make itself, at once.
pub(crate) struct Outlet<'o> {
    pub(crate) ids: FlowIds,
    /// Takes all records of the list. Called without a lock.
    pub(crate) records: &'o mut dyn FnMut(&mut Vec<FlowRecord>),
}

/// What a worker does when it has no spare flow: it finishes flows itself, because only a flow whose record is made can
/// be used again.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    records: Vec<FlowRecord>,
    /// Flows that were finished here.
    pub(crate) end: EndCounters,
}

/// Records that are handed on at a time.
const HANDED_ON: usize = 256;

impl Pressure {
    /// Takes a packet for which no spare flow was left: flows that have ended anyway are finished first, then one is ended
    /// by force, or else the packet is refused.
    #[cold]
    fn packet(
        &mut self,
        table: &FlowTable,
        lookup: &mut FlowLookup<'_>,
        packet: &Keyed,
        out: &mut Outlet<'_>,
    ) -> Verdict {
        let give = |lookup: &mut FlowLookup<'_>| {
            lookup.lock(table.row(packet.hash)).packet(&packet.key, packet.hash, &packet.view())
        };
        if !lookup.work_queue().is_empty() {
            self.finish(lookup, out);
            // A flow that lost its tuple while it was referenced gives no spare one yet.
            match give(lookup) {
                Verdict::NoSpare => {}
                verdict => return verdict,
            }
        }
        if !lookup.make_room(packet.at) {
            return Verdict::NonFlow(NonFlow::Memcap);
        }
        self.finish(lookup, out);
        give(lookup)
    }

    /// Makes the records of all flows in the work queue.
    fn finish(&mut self, lookup: &mut FlowLookup<'_>, out: &mut Outlet<'_>) {
        let mut ended = core::mem::take(lookup.work_queue());
        for flow in ended.drain(..) {
            let record = flow.record(out.ids);
            self.end.add(record.state, record.tcp.and_then(|tcp| tcp.state), flow.body().is_tcp_liberal());
            self.records.push(record);
            lookup.recycle(flow);
        }
        *lookup.work_queue() = ended;
        if self.records.len() >= HANDED_ON {
            self.hand_on(out);
        }
    }

    /// Hands on what has gathered.
    pub(crate) fn hand_on(&mut self, out: &mut Outlet<'_>) {
        if !self.records.is_empty() {
            (out.records)(&mut self.records);
            self.records.clear();
        }
    }
}

/// The clock of packet time: says when a second is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacketClock {
    second: Option<u64>,
}

/// A clock that steps back by more than this is believed; less is disorder among packets.
const STEP_BACK_SECS: u64 = 60;

impl PacketClock {
    /// Whether a packet at `at` begins another second than the one that is running.
    #[inline]
    pub(crate) fn ends_second(&mut self, at: Timestamp) -> bool {
        let second = at.secs();
        let ends = match self.second {
            Some(now) => second > now || second + STEP_BACK_SECS < now,
            None => false,
        };
        if ends || self.second.is_none() {
            self.second = Some(second);
        }
        ends
    }
    /// Whether a moment lies in the second that is running.
    pub(crate) fn is_within(&self, at: Timestamp) -> bool {
        self.second == Some(at.secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ends_forward_or_by_a_step_back_but_not_by_disorder() {
        let mut clock = PacketClock::default();
        let at = |secs| Timestamp::from_parts(secs, 0);
        assert!(!clock.ends_second(at(1000)));
        assert!(!clock.ends_second(at(1000)) && !clock.ends_second(at(995)));
        assert!(clock.ends_second(at(1001)) && !clock.ends_second(at(1001)));
        assert!(clock.ends_second(at(900)) && !clock.ends_second(at(900)));
    }
}
