//! What a worker owns of the table, and the way a packet takes through it.
//!
//! The worker locks the row of a packet's hash, keeps it for all consecutive packets of that row, and gives each to the
//! [`RowGuard`]. The guard ends flows that have timed out when the row's deadline says that there may be some, finds or
//! makes the packet's flow, and counts the packet there. Flows that end on the way go to the worker's work queue; the
//! worker turns them into records when it holds no row.
//!
//! A row guard borrows the worker's lookup, so a worker cannot lock a second row while it holds one.

use core::ptr::NonNull;

use flumen_model::{Direction, EndReason, FlowKey, Timestamp};
use flumen_wire::{FlowPacket, Macs, NonFlow, Role, TcpFlags};

use crate::account::{account, oriented};
use crate::bucket::{Due, Found, Locked};
use crate::config::TimeoutClass;
use crate::counters::LookupCounters;
use crate::flow::{Beginning, Detail, Flow, FlowBody, Marks, PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP};
use crate::guard::{FlowGuard, Parts, body_of, detail_of, view_of};
use crate::hash::FlowHash;
use crate::key::{Message, PacketKey};
use crate::pool::{SpareQueue, Sync};
use crate::storage::{EndedFlow, SpareFlow, Width, slot_of};
use crate::table::{FlowTable, SweepCounts, is_unreferenced};
use crate::tcp::TcpPolicy;

/// A worker's side of the table: its spare flows, the flows it has to finish, its counters.
#[derive(Debug)]
pub struct FlowLookup<'t> {
    pub(crate) table: &'t FlowTable,
    pub(crate) worker: u8,
    pub(crate) tcp: TcpPolicy,
    pub(crate) spare: SpareQueue,
    pub(crate) work: Vec<EndedFlow>,
    /// Counters of this worker.
    pub counters: LookupCounters,
    /// What the packet needed for which there was no spare flow.
    pub(crate) lacks: Width,
    /// Rows with a flow that may be ended by force, by the time at which that would time out; the earliest is last. This
    /// and what follows by [`Width`].
    pub(crate) prospects: [Vec<(Timestamp, u32)>; 2],
    /// When rows were last looked at in vain.
    pub(crate) vain_scan: [Option<Timestamp>; 2],
    /// Packet second of the last try that found the pool empty.
    pub(crate) empty_sync: [Option<u64>; 2],
}

/// What the table needs to know of a packet besides its key.
#[derive(Clone, Copy, Debug)]
pub struct PacketView<'p> {
    /// Time of capture.
    pub at: Timestamp,
    /// Length of the frame in bytes, as it is counted.
    pub bytes: u64,
    /// A number that no other packet of the run has: how many came before it and with it, those in tunnels counted.
    pub origin: u64,
    /// The `origin` of the flow in which the outside of the packet was counted; 0 when it has none.
    pub parent: u64,
    /// What the payload says of the sender, when it was asked: where a session may begin in its middle.
    pub role: Option<Role>,
    /// What the packet says in its flow.
    pub message: &'p Message,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Whether another packet is in this one.
    pub is_outside: bool,
    /// MAC addresses of the frame, where they are collected.
    pub macs: Option<&'p Macs>,
    /// Whether the TCP checksum is right, or not asked for: a segment with a wrong one is counted but not believed.
    pub checksum_ok: bool,
}

impl<'p> PacketView<'p> {
    /// A packet that came at `at`, says `message` ([`Message::of`]) and is in no other, of no bytes and with origin 0 until these are said.
    #[must_use]
    pub fn of(packet: &'p FlowPacket, message: &'p Message, at: Timestamp) -> Self {
        Self {
            at,
            bytes: 0,
            origin: 0,
            parent: 0,
            role: None,
            message,
            ttl: packet.ttl,
            is_outside: packet.inner.is_some(),
            macs: packet.macs.as_ref(),
            checksum_ok: true,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is counted in a flow: [`RowGuard::counted_in`].
    Counted,
    /// It belongs to no flow.
    NonFlow(NonFlow),
    /// It needs a new flow, and the worker has no spare one: let go of the row, call [`FlowLookup::make_room`], and give
    /// the packet again.
    NoSpare,
}

/// A row that the worker has locked.
#[derive(Debug)]
pub struct RowGuard<'w, 't> {
    pub(crate) lookup: &'w mut FlowLookup<'t>,
    pub(crate) locked: Locked<'t>,
    row: u32,
    /// The flow of this row that the last packet was counted in.
    counted: Option<NonNull<Flow>>,
    /// The flow of this row that a packet went to last by the short way: see [`RowGuard::train`].
    pub(crate) recent: Option<NonNull<Flow>>,
}

impl<'t> FlowLookup<'t> {
    /// The lookup of worker number `worker`.
    #[must_use]
    pub fn new(table: &'t FlowTable, worker: u8) -> Self {
        let config = table.config();
        Self {
            table,
            worker,
            tcp: TcpPolicy {
                midstream: config.midstream,
                async_oneside: config.async_oneside,
                depth: config.depth,
                bypass: config.bypass,
                compat: config.compat,
            },
            spare: SpareQueue::default(),
            work: Vec::new(),
            counters: LookupCounters::default(),
            lacks: Width::Narrow,
            prospects: [const { Vec::new() }; 2],
            vain_scan: [None; 2],
            empty_sync: [None; 2],
        }
    }

    /// Locks a row; see [`FlowTable::row`].
    #[inline]
    pub fn lock(&mut self, row: u32) -> RowGuard<'_, 't> {
        RowGuard { locked: self.table.lock_row(row), lookup: self, row, counted: None, recent: None }
    }

    /// Flows that have ended in this worker and wait to become records.
    pub const fn work_queue(&mut self) -> &mut Vec<EndedFlow> {
        &mut self.work
    }
    /// Takes a flow back whose record was made.
    pub fn recycle(&mut self, ended: EndedFlow) {
        if let Some(flow) = self.table.recycle_one(ended) {
            self.spare.put(flow, &self.table.pool);
        }
    }

    /// Makes sure that `flows` new flows can be made, as far as that costs nobody anything: from the pool, else from the
    /// operating system within the memcap. Called before a vector of packets, without a row.
    #[inline]
    pub fn prepare(&mut self, flows: usize, now: Timestamp) {
        if self.spare.len(Width::Narrow) < flows {
            self.stock(Width::Narrow, flows, now);
        }
    }
    /// The same for flows that need so much room.
    pub(crate) fn stock(&mut self, width: Width, flows: usize, now: Timestamp) {
        while self.spare.len(width) < flows && (self.sync(width, now) || self.spare.allocate(width, &self.table.store))
        {
        }
    }

    /// Gives the private spare flows to the pool. Called now and then: flows that came home one by one lie scattered, and
    /// each keeps its block from being given back to the operating system.
    pub fn give_back_spare(&mut self) {
        self.spare.empty_into(&self.table.pool);
    }

    /// Fetches a block from the pool. In emergency mode an empty pool is asked once a packet second.
    fn sync(&mut self, width: Width, now: Timestamp) -> bool {
        if self.table.is_emergency() && self.empty_sync[width as usize] == Some(now.secs()) {
            return false;
        }
        let old = self.spare.len(width);
        let sync = self.table.pool.take(width, &mut self.spare);
        let counters = &mut self.counters;
        counters.spare_sync += 1;
        counters.spare_sync_flows += (self.spare.len(width) - old) as u64;
        match sync {
            Sync::Full => {}
            Sync::Incomplete => counters.spare_sync_incomplete += 1,
            Sync::Empty => {
                counters.spare_sync_empty += 1;
                self.empty_sync[width as usize] = Some(now.secs());
                self.spare.collect(&self.table.store);
            }
        }
        self.spare.len(width) > old
    }
}

impl Drop for FlowLookup<'_> {
    fn drop(&mut self) {
        self.spare.empty_into(&self.table.pool);
        self.table.recycle(self.work.drain(..));
    }
}

impl RowGuard<'_, '_> {
    /// Takes a packet of this row: ends what has timed out, finds or makes the packet's flow, counts the packet there.
    ///
    /// The packet's own flow is held against the packet's time, its neighbours in the row against the time that all
    /// workers have reached: so what becomes of a flow does not depend on which others share its row.
    pub fn packet(&mut self, key: &PacketKey, hash: FlowHash, view: &PacketView<'_>) -> Verdict {
        match key {
            PacketKey::Own(key) => self.own_packet(key, hash, view),
            PacketKey::About(key) => self.packet_about(key, hash, view),
            PacketKey::Nothing => {
                self.refresh();
                Verdict::NonFlow(NonFlow::IcmpError)
            }
        }
    }

    /// Ends what has timed out by the time that all workers have reached. What was known of the row's flows is not any more.
    fn refresh(&mut self) {
        let table = self.lookup.table;
        (self.counted, self.recent) = (None, None);
        if self.locked.bucket.deadline().due() <= table.now_due() {
            self.expire(table.now());
        }
    }

    /// Goes on to another row; see [`FlowTable::row`]. The one that it has now is not locked any more.
    #[inline(always)]
    pub fn go_to(&mut self, row: u32) {
        if row != self.row {
            self.lookup.table.change_row(&mut self.locked, row);
            self.row = row;
            (self.counted, self.recent) = (None, None);
        }
    }

    /// The origin of the flow in which the last [packet](Self::packet) was counted: the parent of the flows of packets inside it;
    /// 0 when there was none. Asked for when it is wanted, since it lies where packets seldom look.
    #[must_use]
    pub fn counted_in(&self) -> u64 {
        self.counted.map_or(0, |flow| view_of(&self.locked, flow).origin())
    }

    /// The flow of a key, if the row has it.
    #[must_use]
    pub fn find(&mut self, key: &FlowKey, hash: FlowHash) -> Option<FlowGuard<'_>> {
        let found = self.locked.find(key, hash, &self.lookup.table.mask)?;
        // SAFETY:
        // - The flow is in this guard's row, which is locked, and the new guard borrows this one exclusively.
        Some(unsafe { FlowGuard::new(found.flow, self.locked.store) })
    }

    /// The same of a packet whose key is its own.
    pub fn own_packet(&mut self, key: &FlowKey, hash: FlowHash, view: &PacketView<'_>) -> Verdict {
        self.refresh();
        let known = self.locked.find(key, hash, &self.lookup.table.mask);
        let (flow, direction) = match known {
            Some(Found { flow, direction, .. }) if self.ends_with(flow, direction, view).is_none() => (flow, direction),
            _ => match self.open(known, key, hash, view) {
                Ok(flow) => (flow, Direction::ToServer),
                Err(verdict) => return verdict,
            },
        };
        self.count(flow, direction, view)
    }

    /// Counts a packet in its flow, which is one of the row's.
    #[inline(always)]
    pub(crate) fn count(&mut self, place: NonNull<Flow>, direction: Direction, view: &PacketView<'_>) -> Verdict {
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(place, self.locked.store) };
        let Parts { body, beginning, detail, side } = flow.parts();
        let (old_state, was_reversed) = (body.state, body.marks.has(Marks::REVERSED));
        let (policy, worker) = (self.lookup.tcp, self.lookup.worker);
        account(body, beginning, detail, direction, view, policy, worker, &mut self.lookup.counters);
        if let Some(mut side) = side {
            if body.marks.has(Marks::REVERSED) != was_reversed {
                side.reverse();
            }
            side.packet(body, beginning, oriented(body, direction), view, &mut self.lookup.counters);
        }
        if body.state != old_state {
            let due = Due::at(self.lookup.table.deadline(body, self.lookup.table.is_emergency()));
            self.lookup.table.note_deadline(self.row, due);
        }
        self.counted = Some(place);
        Verdict::Counted
    }

    /// Makes the flow of a packet that has none, or none any more: then `old` is what had its tuple, and ends.
    pub(crate) fn open(
        &mut self,
        old: Option<Found>,
        key: &FlowKey,
        hash: FlowHash,
        view: &PacketView<'_>,
    ) -> Result<NonNull<Flow>, Verdict> {
        if self.is_gated(view) {
            return Err(Verdict::NonFlow(NonFlow::Emergency));
        }
        let over = old.and_then(|old| Some((old, self.ends_with(old.flow, old.direction, view)?)));
        // Who takes the place of another makes the row no longer; and making room could end that one a second time.
        if over.is_none() && !self.has_room(view.at) {
            return Err(Verdict::NonFlow(NonFlow::Memcap));
        }
        let width = Width::needed(key, view.parent);
        let Some(spare) = self.lookup.spare.pop(width) else {
            self.lookup.lacks = width;
            return Err(Verdict::NoSpare);
        };
        if let Some((old, (at, reason))) = over {
            self.end(old, at, reason);
        }
        Ok(self.create(spare, key, hash, view))
    }

    /// Counts an ICMP error in the flow that it is about. It says nothing about who of the flow has spoken. What comes
    /// from the client's address goes to the server; a router's message goes to the client.
    #[cold]
    fn packet_about(&mut self, key: &FlowKey, hash: FlowHash, view: &PacketView<'_>) -> Verdict {
        self.refresh();
        let Some(found) = self
            .locked
            .find(key, hash, &self.lookup.table.mask)
            .filter(|found| self.ends_with(found.flow, found.direction, view).is_none())
        else {
            return Verdict::NonFlow(NonFlow::IcmpError);
        };
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(found.flow, self.locked.store) };
        let reversed = flow.body().body.marks.has(Marks::REVERSED);
        let client = if reversed { flow.key().server() } else { flow.key().client() };
        let from_client = matches!(view.message, Message::Icmp { src, .. } if *src == client);
        let direction = if from_client { Direction::ToServer } else { Direction::ToClient };
        let Parts { body, beginning, side, .. } = flow.parts();
        body.count(view.at, direction, view.bytes, view.ttl, false, |by_key| beginning.turn(by_key));
        if let Some(mut side) = side {
            side.packet(body, beginning, direction, view, &mut self.lookup.counters);
        }
        self.counted = Some(found.flow);
        Verdict::Counted
    }

    /// Whether a packet of a flow's tuple finds the flow over, and since when: timed out (unless it is referenced), or
    /// taken by another TCP session.
    #[inline]
    fn ends_with(
        &self,
        flow: NonNull<Flow>,
        direction: Direction,
        view: &PacketView<'_>,
    ) -> Option<(Timestamp, EndReason)> {
        let table = self.lookup.table;
        let body = body_of(&self.locked, flow);
        let deadline = table.deadline(body, table.is_emergency());
        if deadline <= view.at && is_unreferenced(flow) {
            return Some((deadline, EndReason::Timeout));
        }
        self.is_reused(flow, direction, view).then_some((view.at, EndReason::TcpReuse))
    }

    /// Whether a packet of a flow's tuple begins another TCP session.
    #[inline]
    pub(crate) fn is_reused(&self, flow: NonNull<Flow>, direction: Direction, view: &PacketView<'_>) -> bool {
        // Nothing but a SYN can, and one is rare.
        let Message::Tcp(tcp) = view.message else { return false };
        if !tcp.flags.any(TcpFlags::SYN) {
            return false;
        }
        let Some(Detail::Tcp(session)) = detail_of(&self.locked, flow) else { return false };
        session.is_reused_by(tcp, oriented(body_of(&self.locked, flow), direction), self.lookup.tcp)
    }

    /// Whether a packet opens no flow because of an emergency: TCP does with a SYN only, where it could in its middle.
    fn is_gated(&self, view: &PacketView<'_>) -> bool {
        let Message::Tcp(tcp) = view.message else { return false };
        let opening = tcp.flags.0 & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN);
        opening != TcpFlags::SYN && self.lookup.tcp.midstream && self.lookup.table.is_emergency()
    }

    fn create(&mut self, spare: SpareFlow, key: &FlowKey, hash: FlowHash, view: &PacketView<'_>) -> NonNull<Flow> {
        let lookup = &mut *self.lookup;
        let emergency = lookup.table.is_emergency();
        let body = FlowBody::begin(view.at, lookup.worker, TimeoutClass::of(key.scope().protocol()));
        let beginning = Beginning::new(view.at, view.origin);
        let due = Due::at(lookup.table.deadline(&body, emergency));
        let slot = spare.slot();
        let flow = spare.begin(key, beginning, body, view.message, view.parent, self.locked.store);
        self.locked.insert(flow, slot, hash);
        lookup.table.note_deadline(self.row, due);
        lookup.table.note_update(self.row, view.at);
        lookup.counters.total += 1;
        match key.scope().protocol() {
            PROTO_TCP => lookup.counters.tcp += 1,
            PROTO_UDP => lookup.counters.udp += 1,
            PROTO_ICMP => lookup.counters.icmpv4 += 1,
            PROTO_ICMPV6 => lookup.counters.icmpv6 += 1,
            _ => {}
        }
        flow
    }

    /// Ends a flow of the row: it goes to the work queue.
    fn end(&mut self, found: Found, at: Timestamp, reason: EndReason) {
        self.locked.remove(found.flow, found.position);
        // SAFETY:
        // - The row is locked, and the flow has just been taken out of it.
        let ended = unsafe { EndedFlow::unlinked(found.flow, at, reason, false) };
        self.lookup.counters.flows_evicted += 1;
        self.lookup.counters.tcp_reuse += u64::from(reason == EndReason::TcpReuse);
        self.lookup.work.push(ended);
    }

    /// Ends the flows of the row that have timed out. A TCP flow of another worker is put aside for the manager.
    #[cold]
    fn expire(&mut self, now: Timestamp) {
        let Self { lookup, locked, row, .. } = self;
        let FlowLookup { table, worker, work, counters, .. } = &mut **lookup;
        let mut evicted = false;
        table.expire_row(locked, *row, now, &mut SweepCounts::default(), |flow, at| {
            let body = body_of(locked, flow);
            if body.is_tcp() && body.owner != *worker {
                locked.evict(flow, slot_of(flow));
                evicted = true;
            } else {
                counters.flows_evicted += 1;
                // SAFETY:
                // - The row is locked, and the flow has just been taken out of it.
                work.push(unsafe { EndedFlow::unlinked(flow, at, EndReason::Timeout, false) });
            }
        });
        if evicted {
            table.note_evicted(*row);
        }
    }
}
