//! The path of a packet, stage by stage: decode, defragment, key and hash ([`Front`]), bucket, flow; and when a second of
//! packet time has passed: expire, record, sink.
//!
//! There is one such loop. Reading a file, capturing live and replaying call it alike, with a source and a sink of
//! their own. With one worker everything happens on the caller's thread and in packet time alone, so the same input
//! gives the same output: vectors never reach across a second, and what ends is written at the end of the second in the
//! order of [`EndedFlow::order`], whenever and in whichever row it was found to have ended.
//!
//! [`Front`]: crate::front::Front

use core::ops::Range;

use flumen_model::{FlowRecord, Ledger, Tally, Timestamp};
use flumen_table::{EndedFlow, FlowHash, FlowIds, FlowLookup, FlowTable, PacketKey, PacketView, RowGuard, Verdict};
use flumen_wire::NonFlow;

use crate::ahead::{Ahead, All, Decoded, Own, no_hints};
use crate::clock::Second;
use crate::config::EngineConfig;
use crate::prim;
use crate::recorder::{Endings, one_by_one};
use crate::team::WorkerDone;
use crate::vector::Vector;

/// One worker: its side of the table, its account.
#[derive(Debug)]
pub(crate) struct Worker<'t> {
    pub(crate) table: &'t FlowTable,
    pub(crate) lookup: FlowLookup<'t>,
    pub(crate) ledger: Ledger,
    /// What was counted in flows: for the account while a run goes on. At its end that of the records counts.
    pub(crate) in_flows: Tally,
    pub(crate) under_pressure: Pressure,
    /// Whether records say in which flow the outside of a flow's packets was counted.
    parents: bool,
}

impl<'t> Worker<'t> {
    /// Worker `number`. `wants_records` is what the sink says.
    pub(crate) fn new(table: &'t FlowTable, config: &EngineConfig, number: usize, wants_records: bool) -> Self {
        Self {
            table,
            lookup: FlowLookup::new(table, number as u8),
            ledger: Ledger::default(),
            in_flows: Tally::default(),
            under_pressure: Pressure::new(wants_records),
            parents: config.table.compat == flumen_table::Compat::Flumen,
        }
    }

    /// Takes all packets of a vector, in order.
    pub(crate) fn packets(&mut self, vector: &Vector, out: &mut Outlet<'_>) {
        let own = All(vector.len());
        // What is inside of a packet is behind it in the same vector: nobody else is waited for.
        self.take(Ahead { table: self.table, vector, own, decoded: Decoded::Here, hints: &no_hints() }, out, || false);
    }

    /// Takes the packets at this worker's `own` places of a vector, in order. `failed` says whether another worker has, that
    /// this one may wait for.
    pub(crate) fn own_packets(
        &mut self,
        vector: &Vector,
        own: &[u32],
        out: &mut Outlet<'_>,
        failed: impl Fn() -> bool,
    ) {
        self.take(
            Ahead { table: self.table, vector, own, decoded: Decoded::Elsewhere, hints: &no_hints() },
            out,
            failed,
        );
    }

    #[inline(always)]
    fn take(&mut self, ahead: Ahead<'_, impl Own>, out: &mut Outlet<'_>, failed: impl Fn() -> bool) {
        let Ahead { vector, own, .. } = ahead;
        ahead.begin();
        let mut next = 0;
        while next < own.count() {
            let packet = vector.packet(own.place(next));
            let parent =
                if self.parents && packet.is_inside() { vector.parent(packet, wait_unless(&failed)) } else { 0 };
            let end = own.count().min(next + PREPARED);
            self.lookup.prepare(end - next, packet.plain.at);
            next = self.look_up(&ahead, next..end, parent, out);
        }
    }

    /// Bucket and flow of the packets in a range of the worker's own, of which the first may have an outside, counted in the
    /// flow with the origin `parent`. Ends before another that has one, since that might be waited for, which nobody does who
    /// has a row. Returns where it has ended.
    #[inline(always)]
    fn look_up(
        &mut self,
        ahead: &Ahead<'_, impl Own>,
        range: Range<usize>,
        parent: u64,
        out: &mut Outlet<'_>,
    ) -> usize {
        let Self { table, lookup, ledger, in_flows, under_pressure, .. } = self;
        let &Ahead { vector, own, .. } = ahead;
        let mut counted = Tally::default();
        let mut guard = lookup.lock(table.row(vector.hash(own.place(range.start))));
        let mut next = range.start;
        while next < range.end {
            let number = next;
            next += 1;
            ahead.step(number);
            let index = own.place(number);
            let packet = vector.packet(index);
            let hash = vector.hash(index);
            guard.go_to(table.row(hash));
            let bytes = u64::from(packet.plain.bytes);
            let parent = || if number == range.start { parent } else { 0 };
            let verdict = if packet.is_plain() {
                match guard.plain_packet(&packet.plain, hash, ahead.hint(number), || vector.rare(index)) {
                    Verdict::Counted => {
                        counted.add(bytes);
                        if next < range.end && vector.hash(own.place(next)) == hash {
                            let taken = train(&mut guard, ahead, next..range.end, hash);
                            counted.merge(taken);
                            next += taken.packets as usize;
                        }
                        continue;
                    }
                    refused => refused,
                }
            } else if packet.is_inside() && number > range.start {
                in_flows.merge(counted);
                return number;
            } else {
                any_packet(&mut guard, vector, index, parent())
            };
            match verdict {
                Verdict::Counted => {
                    counted.add(bytes);
                    vector.was_counted_in(index, || guard.counted_in());
                }
                Verdict::NonFlow(reason) => {
                    vector.was_counted_in(index, || 0);
                    ledger.non_flow(reason, bytes);
                }
                Verdict::NoSpare => {
                    drop(guard);
                    let (key, message) = (packet.key(), packet.message());
                    let view = vector.view(index, &message, parent());
                    let counted_in = under_pressure.packet(table, lookup, (&key, hash), &view, ledger, out);
                    if counted_in.is_some() {
                        counted.add(bytes);
                    }
                    vector.was_counted_in(index, || counted_in.unwrap_or(0));
                    in_flows.merge(counted);
                    return number + 1;
                }
            }
        }
        in_flows.merge(counted);
        range.end
    }

    /// Makes sure that nothing of this worker waits for its table: called at the end of the run.
    pub(crate) fn take_ended(&mut self, into: &mut Vec<EndedFlow>) {
        into.append(self.lookup.work_queue());
    }

    /// What it has counted so far.
    pub(crate) fn counted(&self, into: &mut WorkerDone) {
        into.lookup.clone_from(&self.lookup.counters);
        into.ledger.clone_from(&self.ledger);
        into.endings.clone_from(&self.under_pressure.endings);
    }
}

/// Takes the packets that come right behind one of their flow: see [`RowGuard::train`].
#[inline(never)]
fn train(guard: &mut RowGuard<'_, '_>, ahead: &Ahead<'_, impl Own>, numbers: Range<usize>, hash: FlowHash) -> Tally {
    let &Ahead { vector, own, .. } = ahead;
    let packets = numbers.clone().zip(own.packets(vector, numbers)).take_while(|&(_, (other, _))| other == hash);
    let packets = packets.map(|(number, (_, packet))| {
        ahead.step(number);
        packet
    });
    guard.train(packets.take_while(|packet| packet.is_plain()).map(|packet| &packet.plain))
}

/// Takes any packet. A function of its own, where a debugger can stop.
#[inline(never)]
fn any_packet(guard: &mut RowGuard<'_, '_>, vector: &Vector, index: usize, parent: u64) -> Verdict {
    let (packet, hash) = (vector.packet(index), vector.hash(index));
    let message = packet.message();
    let view = vector.view(index, &message, parent);
    // Not by `packet` alone: the key would be copied for every one (10 instructions a packet of the uniform capture of `benches`).
    if packet.odd().is_about {
        guard.packet(&packet.key(), hash, &view)
    } else {
        guard.own_packet(&packet.plain.key, hash, &view)
    }
}

/// Packets for which new flows are made ready at a time.
const PREPARED: usize = 32;

/// Waits a moment for another worker, which has to be alive.
fn wait_unless(failed: &impl Fn() -> bool) -> impl FnMut() {
    let mut spins = 0;
    move || {
        assert!(!failed(), "another worker has failed");
        spins += 1;
        prim::wait_moment(spins);
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
#[derive(Debug)]
pub(crate) struct Pressure {
    records: Vec<FlowRecord>,
    /// What became of flows that were finished here.
    pub(crate) endings: Endings,
}

/// Records that are handed on at a time.
const HANDED_ON: usize = 256;

impl Pressure {
    fn new(wants_records: bool) -> Self {
        Self { records: Vec::new(), endings: Endings::new(wants_records) }
    }

    /// Takes a packet for which no spare flow was left, and says in which flow it was counted, if in any.
    #[cold]
    fn packet(
        &mut self,
        table: &FlowTable,
        lookup: &mut FlowLookup<'_>,
        (key, hash): (&PacketKey, FlowHash),
        view: &PacketView<'_>,
        ledger: &mut Ledger,
        out: &mut Outlet<'_>,
    ) -> Option<u64> {
        let give = |lookup: &mut FlowLookup<'_>| {
            let mut guard = lookup.lock(table.row(hash));
            let verdict = guard.packet(key, hash, view);
            (verdict, guard.counted_in())
        };
        let (verdict, counted_in) = self.with_room(lookup, view.at, out, give);
        match verdict {
            Verdict::Counted => return Some(counted_in),
            Verdict::NonFlow(reason) => ledger.non_flow(reason, view.bytes),
            Verdict::NoSpare => {
                lookup.counters.memcap += 1;
                ledger.non_flow(NonFlow::Memcap, view.bytes);
            }
        }
        None
    }

    /// Gives the packet to the table once there is room: flows that have ended anyway are finished first, then one is
    /// ended by force, or else the packet is refused.
    fn with_room(
        &mut self,
        lookup: &mut FlowLookup<'_>,
        now: Timestamp,
        out: &mut Outlet<'_>,
        mut give: impl FnMut(&mut FlowLookup<'_>) -> (Verdict, u64),
    ) -> (Verdict, u64) {
        if !lookup.work_queue().is_empty() {
            self.finish(lookup, out);
            // A flow that lost its tuple while it was referenced gives no spare one yet.
            match give(lookup) {
                (Verdict::NoSpare, _) => {}
                given => return given,
            }
        }
        if !lookup.make_room(now) {
            return (Verdict::NonFlow(NonFlow::Memcap), 0);
        }
        self.finish(lookup, out);
        give(lookup)
    }

    /// Makes the records of all flows in the work queue.
    fn finish(&mut self, lookup: &mut FlowLookup<'_>, out: &mut Outlet<'_>) {
        let mut ended = core::mem::take(lookup.work_queue());
        for flow in one_by_one(&mut ended) {
            self.endings.take(&flow, out.ids, |record| self.records.push(record));
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
    second: Option<Second>,
}

/// A clock that steps back by more than this is believed; less is disorder among packets.
const STEP_BACK_SECS: u64 = 60;

impl PacketClock {
    /// Whether a packet at `at` begins another second than the one that is running.
    #[inline]
    pub(crate) fn ends_second(&mut self, at: Timestamp) -> bool {
        match self.second {
            Some(now) if now.contains(at) => false,
            Some(now) => {
                let ends = at > now.begin() || at.secs() + STEP_BACK_SECS < now.begin().secs();
                if ends {
                    self.second = Some(Second::of(at));
                }
                ends
            }
            None => {
                self.second = Some(Second::of(at));
                false
            }
        }
    }
    /// Whether a moment lies in the second that is running.
    pub(crate) fn is_within(&self, at: Timestamp) -> bool {
        self.second.is_some_and(|now| now.contains(at))
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
