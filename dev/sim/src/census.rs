//! The census: where every slot is, taken after each step, and the laws that it shows.

use flumen_model::{Direction, EndReason, Tally};
use flumen_table::{EndedFlow, FlowRef, FlowTable, FlowView, Place, SlotId};

use crate::book::{Book, trace};
use crate::law::{Law, Probe, Violation, holds};
use crate::plan::{BLOCK_BYTES, NARROW_BYTES};

/// Where a slot is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// With nobody: only references know it.
    Nowhere,
    Spare,
    Live(Flow),
    Evicted(Flow),
    Ended(Flow, EndReason),
}

/// A flow, as far as its identity goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    pub(crate) origin: u64,
    pub(crate) packets: u64,
    pub(crate) references: u32,
}

/// What is where.
#[derive(Debug, Default)]
pub(crate) struct Census {
    homes: Vec<Option<Home>>,
    /// Packets and bytes in flows that have no record yet.
    tally: Tally,
    /// Sum of the traces of these flows.
    pub(crate) trace: u64,
    /// These flows.
    pub(crate) flows: u64,
    /// Slots that are somewhere.
    placed: u64,
    forced: u64,
    reused: u64,
    twice: Option<String>,
}

impl Census {
    pub(crate) fn begin(&mut self) {
        let mut homes = core::mem::take(&mut self.homes);
        homes.fill(None);
        *self = Self { homes, ..Self::default() };
    }

    fn put(&mut self, slot: SlotId, home: Home) {
        let number = slot.number() as usize;
        if self.homes.len() <= number {
            self.homes.resize(number + 1, None);
        }
        if let Some(other) = self.homes[number].replace(home) {
            self.twice.get_or_insert_with(|| format!("slot {number} is in two places: {other:?} and {home:?}"));
        }
        self.placed += 1;
    }

    fn put_flow(&mut self, body: FlowView<'_>, references: u32) -> Flow {
        let mut packets = 0;
        for traffic in [body.traffic(Direction::ToServer), body.traffic(Direction::ToClient)] {
            packets += traffic.packets;
            self.tally.merge(Tally { packets: traffic.packets, bytes: traffic.bytes });
        }
        self.trace = self.trace.wrapping_add(trace(body));
        self.flows += 1;
        Flow { origin: body.origin(), packets, references }
    }

    pub(crate) fn spare(&mut self, slot: SlotId) {
        self.put(slot, Home::Spare);
    }
    pub(crate) fn ended(&mut self, flow: &EndedFlow) {
        let seen = self.put_flow(flow.body(), flow.references());
        self.forced += u64::from(flow.reason == EndReason::Forced);
        self.reused += u64::from(flow.reason == EndReason::TcpReuse);
        self.put(flow.slot(), Home::Ended(seen, flow.reason));
    }
    pub(crate) fn table(&mut self, table: &FlowTable) {
        table.for_each_flow(|resident| {
            let flow = self.put_flow(resident.body, resident.references);
            let home = if resident.place == Place::Row { Home::Live(flow) } else { Home::Evicted(flow) };
            self.put(resident.slot, home);
        });
        table.for_each_spare(|slot| self.spare(slot));
    }

    pub(crate) fn home(&self, slot: SlotId) -> Home {
        self.homes.get(slot.number() as usize).copied().flatten().unwrap_or(Home::Nowhere)
    }

    /// What must hold whenever nobody is in the middle of a step. `orphans` is the number of slots that only references
    /// know, `rows_bytes` what the table's rows take.
    pub(crate) fn check(
        &self,
        table: &FlowTable,
        book: &Book,
        orphans: u64,
        rows_bytes: u64,
        counts: Counts,
    ) -> Result<(), Violation> {
        holds(Law::OneHome, self.twice.is_none(), || self.twice.clone().unwrap_or_default())?;
        let (slots, placed) = (table.slots(), self.placed + orphans);
        holds(Law::OneHome, slots == placed, || format!("{slots} slots exist, {placed} are somewhere"))?;
        let (memuse, memcap) = (table.memuse(), table.memcap());
        holds(Law::MemoryCeiling, memuse <= memcap, || format!("memuse {memuse} of {memcap}"))?;
        let wide = table.wide_slots();
        let charged = rows_bytes + (slots - wide) / 100 * NARROW_BYTES + wide / 100 * BLOCK_BYTES;
        holds(Law::MemoryCeiling, memuse == charged, || format!("memuse {memuse}, but there is {charged}"))?;
        let (packets, bytes) = book.ledger.unaccounted();
        let missing = (packets - i128::from(self.tally.packets), bytes - i128::from(self.tally.bytes));
        holds(Law::Conservation, missing == (0, 0), || format!("packets and bytes missing: {missing:?}"))?;
        let recorded = book.records.len() as u64;
        let created = counts.total;
        holds(Law::NoRecordLost, created == recorded + self.flows, || {
            format!("{created} flows were created, {recorded} recorded, {} are there", self.flows)
        })?;
        let forced = book.forced + self.forced;
        holds(Law::Gauges, counts.get_used == forced, || format!("get_used {}, forced {forced}", counts.get_used))?;
        let reused = book.reused + self.reused;
        holds(Law::Gauges, counts.tcp_reuse == reused, || format!("tcp_reuse {}, reused {reused}", counts.tcp_reuse))?;
        holds(Law::Gauges, counts.memcap == book.no_room, || format!("memcap {}, {}", counts.memcap, book.no_room))?;
        let (entered, over) = table.emergency_counts();
        let on = u64::from(table.is_emergency());
        holds(Law::Gauges, entered == over + on, || format!("emergency entered {entered}, left {over}, now {on}"))
    }

    /// Takes note of rare paths.
    pub(crate) fn probe(&self, table: &FlowTable, book: &mut Book) {
        let evicted = self.homes.iter().flatten().any(|home| matches!(home, Home::Evicted(_)));
        book.probes.add(Probe::Evicted, u64::from(evicted));
        let mut returned = 0;
        table.for_each_spare(|_| returned += 1);
        book.probes.add(Probe::Returned, u64::from(returned > table.spare()));
    }
}

/// Counters of all workers that the census is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) get_used: u64,
    pub(crate) tcp_reuse: u64,
    pub(crate) memcap: u64,
}

/// A reference that somebody outside holds, and what he knows of the flow.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) flow: FlowRef,
    key: flumen_model::FlowKey,
    origin: u64,
    packets: u64,
    /// The flow has left its row.
    pub(crate) gone: bool,
}

impl Held {
    pub(crate) fn new(flow: FlowRef, body: FlowView<'_>) -> Self {
        let key = flow.key();
        let packets = [Direction::ToServer, Direction::ToClient].map(|dir| body.traffic(dir).packets);
        Self { flow, key, origin: body.origin(), packets: packets[0] + packets[1], gone: false }
    }

    /// Whether the flow still is what it was. `handles` is how many references to it are held outside.
    pub(crate) fn check(&mut self, home: Home, handles: u32) -> Result<(), Violation> {
        self.check_key()?;
        let (flow, own) = match home {
            Home::Spare => return Err(self.fails(home, "a referenced slot is spare")),
            Home::Evicted(_) => return Err(self.fails(home, "a referenced flow was put aside as ended")),
            Home::Ended(_, EndReason::Timeout | EndReason::Forced) => {
                return Err(self.fails(home, "a referenced flow was ended by time or force"));
            }
            Home::Live(_) if self.gone => return Err(self.fails(home, "a flow that had ended is back")),
            Home::Live(flow) | Home::Ended(flow, _) => (flow, 1),
            Home::Nowhere => {
                self.gone = true;
                let handles_only = self.flow.count() == handles;
                return if handles_only { Ok(()) } else { Err(self.fails(home, "an orphan's count is wrong")) };
            }
        };
        if flow.origin != self.origin || flow.packets < self.packets {
            return Err(self.fails(home, "another flow is in a referenced slot"));
        }
        if flow.references != handles + own || self.flow.count() != flow.references {
            return Err(self.fails(home, "the count is wrong"));
        }
        self.packets = flow.packets;
        self.gone = matches!(home, Home::Ended(..));
        Ok(())
    }

    fn fails(&self, home: Home, what: &str) -> Violation {
        Violation { law: Law::NoEarlyFree, what: format!("{what}: {self:?} in {home:?}") }
    }

    /// The key is what it was: holds also when the table is gone.
    pub(crate) fn check_key(&self) -> Result<(), Violation> {
        holds(Law::NoEarlyFree, self.flow.key() == self.key, || format!("a referenced key has changed: {self:?}"))
    }
}
