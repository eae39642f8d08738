//! Interim records: what is new about flows that go on, so that nothing waits longer than the active timeout to be told.
//!
//! A walk like the sweep's, by whoever drives the sweep: groups of rows in which no flow wants an update yet are not
//! touched. It reads flows and changes nothing but their [`LastUpdate`](crate::side::LastUpdate). A flow wants an update
//! at its first packet's time plus one, two, three … timeouts, and gets it from the first walk at or after that moment;
//! when no packet has come since the update before, the moment passes without one.
//!
//! The walk first picks the flows, then makes their records in order, one row at a time: which ones a call takes, and in
//! which order, depends neither on the hash nor on where flows happen to be.

use core::ops::Range;
use std::collections::BinaryHeap;

use flumen_model::{FlowRecord, Timestamp};

use crate::bucket::{Due, Locked};
use crate::flow::FlowView;
use crate::guard::{FlowGuard, Parts};
use crate::record::{End, FlowIds, Known, record};
use crate::storage::{SlotId, slot_of};
use crate::table::FlowTable;

/// A flow that wants an update; the order of fields is the order of records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Candidate {
    last_seen: Timestamp,
    origin: u64,
    row: u32,
    slot: SlotId,
}

impl FlowTable {
    /// Records that one call of [`FlowTable::updates`] makes at most.
    pub const UPDATES_MAX: usize = if cfg!(miri) { 8 } else { 8192 };

    /// Appends a record for every flow of some groups of rows that wants an update at `now`, in the order of the last
    /// packet and then of the flows' beginnings, at most [`FlowTable::UPDATES_MAX`]. `true` when there are more: call again.
    ///
    /// Nothing without [`TableConfig::active_timeout`](crate::TableConfig::active_timeout).
    pub fn updates(&self, groups: Range<u32>, now: Timestamp, records: &mut Vec<FlowRecord>, ids: FlowIds) -> bool {
        if self.config().active_timeout.is_none() {
            return false;
        }
        let mut chosen = BinaryHeap::new();
        let mut more = false;
        for group in groups {
            if self.update_groups[group as usize].due() <= Due::at(now) {
                more |= self.choose(group, now, &mut chosen);
            }
        }
        for candidate in chosen.into_sorted_vec() {
            records.extend(self.update(&candidate, now, ids));
        }
        more
    }

    /// Collects the flows of a group that want an update, as far as they are among the first so many; `true`
    /// when some are not. The group stays due as long as it has any.
    fn choose(&self, group: u32, now: Timestamp, chosen: &mut BinaryHeap<Candidate>) -> bool {
        let deadline = &self.update_groups[group as usize];
        deadline.take();
        let mut earliest = Due::NEVER;
        let mut more = false;
        for row in self.rows_of(group) {
            let locked = self.lock_row(row);
            each(&locked, |slot, flow| {
                let Parts { body, beginning, side, .. } = flow.parts();
                let view = FlowView { body, beginning };
                let Some(mut side) = side else { return };
                let Some(mut last) = side.update() else { return };
                if last.due(view) <= now {
                    if last.has_news(view) {
                        chosen.push(Candidate { last_seen: view.last_seen(), origin: view.origin(), row, slot });
                        if chosen.len() > Self::UPDATES_MAX {
                            chosen.pop();
                            more = true;
                        }
                    } else {
                        last.pass(view, now);
                    }
                }
                earliest = earliest.min(Due::at(last.due(view)));
            });
        }
        deadline.bring_forward(earliest);
        more
    }

    /// The record of a flow that was chosen, unless it has ended meanwhile.
    fn update(&self, candidate: &Candidate, now: Timestamp, ids: FlowIds) -> Option<FlowRecord> {
        let locked = self.lock_row(candidate.row);
        let mut made = None;
        each(&locked, |slot, flow| {
            if slot != candidate.slot || flow.body().origin() != candidate.origin {
                return;
            }
            let (key, parent) = (flow.key(), flow.parent());
            let Parts { body, beginning, detail, side } = flow.parts();
            let view = FlowView { body, beginning };
            let Some(mut side) = side else { return };
            let macs = side.macs();
            let Some(mut last) = side.update().filter(|last| last.due(view) <= now) else { return };
            last.pass(view, now);
            let interim = Some(Box::new(last.tell(view)));
            let known = Known { key: &key, view, detail: detail.as_deref(), parent };
            made = Some(FlowRecord { interim, ..record(known, End::none(now), macs, ids) });
        });
        made
    }
}

/// Shows every flow of a locked row.
fn each(locked: &Locked<'_>, mut visit: impl FnMut(SlotId, &mut FlowGuard<'_>)) {
    locked.for_each(|flow, _| {
        // SAFETY:
        // - It is a flow of the row's store, the row stays locked, and this guard is the only one of it: nobody else
        //   uses `locked` meanwhile.
        visit(slot_of(flow), &mut unsafe { FlowGuard::new(flow, locked.store) });
    });
}
