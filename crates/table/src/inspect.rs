//! Looking at a whole table from outside, for simulation, tests and debugging: which slot is where.
//!
//! Everything here walks: nothing of it belongs on the way of a packet. One row is locked at a time, so what is seen of
//! different rows fits together only while nobody works on the table.

use flumen_kref::Ref;
use flumen_model::{FlowKey, FlowRecord};

use crate::flow::FlowView;
use crate::guard::{FlowRef, detail_of, view_of};
use crate::lookup::FlowLookup;
use crate::record::{End, FlowIds, Known, record};
use crate::storage::{BLOCK_FLOWS, EndedFlow, SlotId, key_of, parent_of, slot_of};
use crate::table::FlowTable;

/// Where in a row a flow is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Among the flows that packets find.
    Row,
    /// Among those that have ended and wait for the manager.
    Evicted,
}

/// A flow that is in the table, seen while its row is locked.
#[derive(Debug)]
pub struct Resident<'a> {
    /// Where in its row it is.
    pub place: Place,
    /// Number of the row.
    pub row: u32,
    /// Its slot.
    pub slot: SlotId,
    /// References, the table's own included.
    pub references: u32,
    /// Who talks to whom.
    pub key: &'a FlowKey,
    /// What is known of the conversation.
    pub body: FlowView<'a>,
}

impl FlowTable {
    /// What is known of a flow that has not ended, by the id that its record will have. Walks the table; workers wait for
    /// a row at most.
    #[must_use]
    pub fn flow_by_id(&self, id: u64, ids: FlowIds) -> Option<FlowRecord> {
        let mut found = None;
        for row in 0..self.rows() {
            let locked = self.lock_row(row);
            locked.for_each(|flow, _| {
                let view = view_of(&locked, flow);
                if ids.id(view.origin()) == id {
                    let (key, detail) = (key_of(flow), detail_of(&locked, flow));
                    let known = Known { key: &key, view, detail, parent: parent_of(flow, &key) };
                    found = Some(record(known, End::none(view.last_seen()), None, ids));
                }
            });
        }
        found
    }

    /// Shows every flow in rows and evicted lists. `visit` must not lock a row.
    pub fn for_each_flow(&self, mut visit: impl FnMut(&Resident<'_>)) {
        for row in 0..self.rows() {
            let locked = self.lock_row(row);
            let mut show = |place, flow: core::ptr::NonNull<crate::Flow>| {
                // SAFETY:
                // - The flow is in the locked row or its evicted list, hence in use.
                let references = unsafe { flow.as_ref() }.count.read();
                let (key, body) = (key_of(flow), view_of(&locked, flow));
                visit(&Resident { place, row, slot: slot_of(flow), references, key: &key, body });
            };
            locked.for_each(|flow, _| show(Place::Row, flow));
            locked.for_each_evicted(|flow| show(Place::Evicted, flow));
        }
    }
    /// Whether a slot has room for any flow: not only for one that has IPv4 addresses and is in no other.
    #[must_use]
    pub fn is_wide(&self, slot: SlotId) -> bool {
        self.store.is_wide(slot)
    }
    /// How many of all slots have.
    #[must_use]
    pub fn wide_slots(&self) -> u64 {
        u64::from(self.store.wide_blocks_taken()) * BLOCK_FLOWS as u64
    }
    /// Shows the slot of every flow that is spare and belongs to no worker: in the pool, or come back by itself.
    pub fn for_each_spare(&self, mut visit: impl FnMut(SlotId)) {
        self.pool.for_each(&mut visit);
        self.store.for_each_returned(visit);
    }
}

impl FlowLookup<'_> {
    /// Shows the slot of every spare flow of this worker.
    pub fn for_each_spare(&self, visit: impl FnMut(SlotId)) {
        self.spare.for_each(visit);
    }
}

impl EndedFlow {
    /// The slot of the flow.
    #[must_use]
    pub fn slot(&self) -> SlotId {
        slot_of(Ref::as_ptr(&self.flow))
    }
    /// References to the flow, this one included: a snapshot.
    #[must_use]
    pub fn references(&self) -> u32 {
        Ref::count(&self.flow)
    }
}

impl FlowRef {
    /// The slot of the flow.
    #[must_use]
    pub fn slot(&self) -> SlotId {
        slot_of(Ref::as_ptr(&self.0))
    }
}
