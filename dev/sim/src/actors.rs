//! What workers, managers and recyclers do in a step: the same as the engine's threads, with the table's public methods
//! alone. Here and there they do it badly on purpose: forget to prepare, sweep only a part, drop a flow instead of giving
//! it back. None of that may break a law.

use core::ops::Range;

use flumen_model::Timestamp;
use flumen_table::{EndedFlow, FlowLookup, Message, PacketKey, PacketView, Place, TimeoutClass, Verdict};
use flumen_wire::{IpVersion, NonFlow};

use crate::law::{Law, Probe, Violation, holds};
use crate::packets::{SimPacket, origin};
use crate::plan::{BLOCK_BYTES, NARROW_BYTES};
use crate::world::{Keyed, World};

/// A worker: its side of the table, and how far it is.
#[derive(Debug)]
pub(crate) struct Worker<'t> {
    pub(crate) lookup: FlowLookup<'t>,
    /// The next packet it looks at.
    pub(crate) cursor: usize,
    /// The time it says it has reached.
    reached: Option<Timestamp>,
    /// Ended flows for which the recycle queue had no room.
    pub(crate) ended: Vec<EndedFlow>,
    pub(crate) done: bool,
}

/// A manager: its share of the table.
#[derive(Debug)]
pub(crate) struct Manager {
    slice: Range<u32>,
    pub(crate) ended: Vec<EndedFlow>,
}

impl<'t> Worker<'t> {
    pub(crate) const fn new(lookup: FlowLookup<'t>) -> Self {
        Self { lookup, cursor: 0, reached: None, ended: Vec::new(), done: false }
    }
}

impl Manager {
    pub(crate) const fn new(groups: u32, number: u32, of: u32) -> Self {
        let size = groups / of;
        let end = if number + 1 == of { groups } else { size * (number + 1) };
        Self { slice: size * number..end, ended: Vec::new() }
    }
}

impl World<'_> {
    /// A worker takes a vector of packets, unless it waits for room in the recycle queue.
    pub(crate) fn worker_step(&mut self, worker: usize) -> Result<(), Violation> {
        if !self.flush(worker) || self.workers[worker].done {
            return Ok(());
        }
        let vector = self.next_vector(worker);
        if vector.is_empty() && self.workers[worker].cursor == self.packets.len() {
            self.workers[worker].done = true;
        }
        if let Some(&first) = vector.first() {
            // Forgetting to prepare only costs time.
            if !self.rng.chance(1, 8) {
                self.workers[worker].lookup.prepare(vector.len(), self.packets[first].at);
            }
            for &n in &vector {
                self.book.read(self.packets[n].at, self.packets[n].bytes);
            }
            self.look_up(worker, &vector)?;
        }
        // A worker may say later how far it is, never earlier.
        let at = self.workers[worker].cursor.checked_sub(1).map(|last| self.packets[last].at);
        if self.rng.chance(3, 4) {
            self.workers[worker].reached = at;
        }
        if self.workers[worker].done || self.rng.chance(1, 3) {
            let Self { workers, .. } = self;
            let Worker { lookup, ended, .. } = &mut workers[worker];
            ended.append(lookup.work_queue());
            self.flush(worker);
        }
        Ok(())
    }

    /// Hands over what a worker still has; whether it could.
    pub(crate) fn flush(&mut self, worker: usize) -> bool {
        let mut ended = core::mem::take(&mut self.workers[worker].ended);
        self.hand_over(&mut ended);
        self.workers[worker].ended = ended;
        self.workers[worker].ended.is_empty()
    }

    /// The worker's next packets, if it is not too far ahead of the others.
    fn next_vector(&mut self, worker: usize) -> Vec<usize> {
        let len = self.rng.between(1, self.plan.vector_max as u64) as usize;
        let slowest = self.workers.iter().map(|worker| worker.cursor).min().unwrap_or(0);
        let end = self.packets.len().min(slowest + self.plan.ahead_max);
        let mut vector = Vec::with_capacity(len);
        let cursor = &mut self.workers[worker].cursor;
        while vector.len() < len && *cursor < end {
            if self.keyed[*cursor].worker == worker {
                vector.push(*cursor);
            }
            *cursor += 1;
        }
        vector
    }

    /// Row by row, packet by packet, as the engine's pipeline does.
    fn look_up(&mut self, worker: usize, vector: &[usize]) -> Result<(), Violation> {
        let mut rest = vector.iter().copied().peekable();
        let row_of = |world: &Self, n: usize| world.table.row(world.keyed[n].hash);
        while let Some(&first) = rest.peek() {
            let row = row_of(self, first);
            let mut verdicts = Vec::new();
            let mut guard = self.workers[worker].lookup.lock(row);
            while let Some(n) = rest.next_if(|&n| self.table.row(self.keyed[n].hash) == row) {
                let verdict = match self.keyed[n].key {
                    PacketKey::Nothing => Verdict::NonFlow(NonFlow::IcmpError),
                    key => guard.packet(
                        &key,
                        self.keyed[n].hash,
                        &view(self.packets, n, &Message::of(&self.packets[n].packet)),
                    ),
                };
                verdicts.push((n, verdict));
                if verdict == Verdict::NoSpare {
                    break;
                }
            }
            drop(guard);
            for (n, verdict) in verdicts {
                let verdict = if verdict == Verdict::NoSpare { self.under_pressure(worker, n)? } else { verdict };
                self.enter(n, verdict, vector.len() == 1);
            }
        }
        Ok(())
    }

    /// Puts the fate of a packet into the books.
    fn enter(&mut self, n: usize, verdict: Verdict, alone: bool) {
        match verdict {
            Verdict::Counted => match &self.keyed[n].key {
                PacketKey::Own(key) | PacketKey::About(key) => self.book.counted(key),
                PacketKey::Nothing => {}
            },
            Verdict::NonFlow(reason) => self.book.refused(reason, self.packets[n].bytes),
            // Comes from nowhere: `under_pressure` turns it into one of the others.
            Verdict::NoSpare => {}
        }
        self.refused_alone = alone && verdict != Verdict::Counted;
    }

    /// A packet for which there was no spare flow: flows that have ended are finished first, then one is ended by force.
    fn under_pressure(&mut self, worker: usize, n: usize) -> Result<Verdict, Violation> {
        if !self.workers[worker].lookup.work_queue().is_empty() {
            let verdict = self.finish_and_retry(worker, n)?;
            if verdict != Verdict::NoSpare {
                return Ok(verdict);
            }
            self.book.probes.hit(Probe::FinishedInVain);
        }
        if !self.make_room(worker, n)? {
            return Ok(Verdict::NonFlow(NonFlow::Memcap));
        }
        let verdict = self.finish_and_retry(worker, n)?;
        let found = verdict != Verdict::NoSpare;
        holds(Law::ForceIsTheLastResort, found, || format!("packet {n} is refused although room was made"))?;
        Ok(verdict)
    }

    fn finish_and_retry(&mut self, worker: usize, n: usize) -> Result<Verdict, Violation> {
        let mut ended = core::mem::take(self.workers[worker].lookup.work_queue());
        for flow in ended.drain(..) {
            self.book.record(&flow)?;
            self.workers[worker].lookup.recycle(flow);
        }
        *self.workers[worker].lookup.work_queue() = ended;
        let Keyed { key, hash, .. } = self.keyed[n];
        Ok(self.workers[worker].lookup.lock(self.table.row(hash)).packet(
            &key,
            hash,
            &view(self.packets, n, &Message::of(&self.packets[n].packet)),
        ))
    }

    /// Asks for room, now and then while somebody holds a row.
    fn make_room(&mut self, worker: usize, n: usize) -> Result<bool, Violation> {
        let at = self.packets[n].at;
        let needs_wide = match self.keyed[n].key {
            PacketKey::Own(key) => {
                key.scope().ip_version() == IpVersion::V6
                    || view(self.packets, n, &Message::of(&self.packets[n].packet)).parent != 0
            }
            _ => false,
        };
        let held = if self.table.rows() == 1 && self.rng.chance(1, 4) { self.pick_held() } else { None };
        let guard = held.and_then(|held| self.table.lock(&self.held[held].flow));
        let lookup = &mut self.workers[worker].lookup;
        let (forced, busy) = (lookup.counters.get_used, lookup.counters.get_used_eval_busy);
        let made = lookup.make_room(at);
        drop(guard);
        let mut spare = 0;
        lookup.for_each_spare(|slot| spare += u64::from(!needs_wide || self.table.is_wide(slot)));
        let by_force = lookup.counters.get_used - forced;
        self.book.probes.add(Probe::Busy, lookup.counters.get_used_eval_busy - busy);
        self.book.probes.add(Probe::Forced, by_force);
        holds(Law::ForceIsTheLastResort, made == (spare > 0 || by_force == 1), || {
            format!("room made: {made}, with {spare} spare and {by_force} by force")
        })?;
        if !made {
            self.book.no_room += 1;
            self.book.probes.hit(Probe::ForcedFailed);
        }
        if !made || by_force > 0 {
            let left = self.table.memcap() - self.table.memuse();
            let block = if needs_wide { BLOCK_BYTES } else { NARROW_BYTES };
            holds(Law::ForceIsTheLastResort, left < block, || format!("{left} bytes of memcap were left"))?;
            holds(Law::Gauges, self.table.is_emergency(), || "no emergency without memory".to_owned())?;
        }
        Ok(made)
    }

    /// A manager's round.
    pub(crate) fn manager_step(&mut self, manager: usize) -> Result<(), Violation> {
        let mut ended = core::mem::take(&mut self.managers[manager].ended);
        self.hand_over(&mut ended);
        if ended.is_empty() {
            let first = manager == 0;
            if let (true, Some(now)) = (first, self.reached()) {
                self.table.set_now(now);
            }
            let every_row = self.table.is_emergency() || self.rng.chance(1, 10);
            // The first one sometimes looks after everything, and sometimes leaves a part for later.
            let slice = self.managers[manager].slice.clone();
            let (groups, whole) = match self.rng.below(4) {
                0 if first => (0..self.table.groups(), true),
                1 => (slice.start..slice.start + self.rng.below(u64::from(slice.end - slice.start) + 1) as u32, false),
                _ => (slice, self.managers.len() == 1),
            };
            self.table.sweep(groups, every_row, &mut ended);
            if whole {
                self.nothing_is_late()?;
            }
            self.hand_over(&mut ended);
            if first {
                (0..self.rng.pick(&[0, 1, 1, 8])).for_each(|_| self.maintain());
            }
        }
        self.managers[manager].ended = ended;
        Ok(())
    }

    pub(crate) fn maintain(&mut self) {
        let (slots, over) = (self.table.slots(), self.table.emergency_counts().1);
        let ended = self.table.maintain();
        debug_assert_eq!(u64::from(ended), self.table.emergency_counts().1 - over);
        self.book.probes.add(Probe::Shrunk, u64::from(self.table.slots() < slots));
    }

    /// The time that all workers have reached.
    fn reached(&self) -> Option<Timestamp> {
        let open = self.workers.iter().filter(|worker| !worker.done);
        open.map(|worker| worker.reached).min().flatten()
    }

    /// After a sweep of the whole table: no flow is there whose time is over, unless somebody refers to it.
    pub(crate) fn nothing_is_late(&mut self) -> Result<(), Violation> {
        let (now, emergency) = (self.table.now(), self.table.is_emergency());
        let (mut late, mut kept, mut in_row) = (None, 0, (0, 0));
        self.table.for_each_flow(|flow| {
            in_row = if in_row.0 == flow.row { (flow.row, in_row.1 + 1) } else { (flow.row, 1) };
            kept += u64::from(in_row.1 == 9) << 32;
            let timeouts = &self.table.config().timeouts;
            let timeout = timeouts.of(TimeoutClass::of(flow.key.scope().protocol()), flow.body.state(), emergency);
            if flow.place == Place::Evicted {
                late.get_or_insert_with(|| format!("still put aside: {:?}", flow.key));
            } else if flow.body.last_seen() + timeout <= now {
                if flow.references == 1 {
                    late.get_or_insert_with(|| format!("still there at {now:?}: {flow:?}"));
                } else {
                    kept += 1;
                }
            }
        });
        self.book.probes.add(Probe::LateByReference, u64::from(kept as u32));
        self.book.probes.add(Probe::Chained, kept >> 32);
        holds(Law::Deadline, late.is_none(), || late.unwrap_or_default())
    }

    /// A recycler makes some records.
    pub(crate) fn recycler_step(&mut self, recycler: usize) -> Result<(), Violation> {
        if self.recyclers[recycler].is_empty() {
            let mut batch = self.queue.pop_front().unwrap_or_default();
            batch.sort_by_key(EndedFlow::order);
            self.recyclers[recycler] = batch;
        }
        let len = self.recyclers[recycler].len();
        let some = if self.rng.chance(1, 2) { len } else { self.rng.below(len as u64 + 1) as usize };
        let batch: Vec<_> = self.recyclers[recycler].drain(..some).collect();
        for flow in &batch {
            self.book.record(flow)?;
        }
        // An engine with one worker gives flows back to it, one with several to the pool. Dropping does as well.
        let to_worker = if self.workers.len() == 1 { 8 } else { 1 };
        match self.rng.below(10) {
            way if way < to_worker => {
                let worker = self.rng.below(self.workers.len() as u64) as usize;
                batch.into_iter().for_each(|flow| self.workers[worker].lookup.recycle(flow));
            }
            9 => drop(batch),
            _ => self.table.recycle(batch),
        }
        Ok(())
    }
}

/// A packet as the table wants it.
fn view<'p>(packets: &'p [SimPacket], n: usize, message: &'p Message) -> PacketView<'p> {
    let packet = &packets[n];
    PacketView {
        bytes: packet.bytes,
        origin: origin(n),
        checksum_ok: packet.checksum_ok,
        ..PacketView::of(&packet.packet, message, packet.at)
    }
}
