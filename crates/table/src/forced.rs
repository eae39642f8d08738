//! Forced reuse: when there is no memory for another flow, the least alive one nearby makes room.
//!
//! Up to six rows are looked at, from a place that moves on with every call, so that pressure is spread over the table.
//! A flow that is referenced is never taken, nor one that was seen just now. Suricata takes the head of a row, which is
//! its newest flow; here it is the flow that would time out first.

use core::ptr::NonNull;

use flumen_model::{EndReason, FlowState, Span, Timestamp};

use crate::bucket::{Locked, Position};
use crate::flow::{Flow, FlowBody};
use crate::guard::body_of;
use crate::lookup::{FlowLookup, RowGuard};
use crate::prim::Ordering;
use crate::storage::{EndedFlow, Width, is_wide};
use crate::table::is_unreferenced;

#[cfg(doc)]
use crate::FlowTable;

/// Rows looked at in one call.
const ROWS: u32 = 6;
/// Distance between the starts of two calls.
const STEP: u32 = 5;
/// Packet time for which no row is looked at after a scan that found every flow alive.
const SCAN_PAUSE: Span = Span::from_nanos(1_000_000);

impl FlowLookup<'_> {
    /// Finds room for one more flow when [`FlowLookup::prepare`] could not: `false` when there is none, and the packet
    /// is refused. Enters emergency mode. Must be called without a row. It is room for the packet that was refused last,
    /// which may need more of it than others.
    pub fn make_room(&mut self, now: Timestamp) -> bool {
        let width = core::mem::replace(&mut self.lacks, Width::Narrow);
        self.stock(width, 1, now);
        if self.spare.len(width) > 0 {
            return true;
        }
        self.table.emergency.enter();
        if self.take_used(width, now) {
            return true;
        }
        self.counters.get_used_failed += 1;
        self.counters.memcap += 1;
        false
    }

    /// Ends the least alive flow of the rows that were tried. Its record is made by the caller from the work queue; the
    /// slot is spare when that is recycled.
    ///
    /// A scan leaves one prospect for each row. The calls that follow use them up before the next scan, since looking at
    /// every flow of six rows for one new flow would cost more than all else that is done for a packet.
    fn take_used(&mut self, width: Width, now: Timestamp) -> bool {
        if self.prospects[width as usize].is_empty() && !self.is_scan_vain(width, now) {
            self.scan(width, now);
            if self.prospects[width as usize].is_empty() {
                self.vain_scan[width as usize] = Some(now);
            }
        }
        while let Some((_, row)) = self.prospects[width as usize].pop() {
            if self.take_from(row, width, now) {
                return true;
            }
        }
        false
    }

    /// Whether the last scan found everything alive just now: under a flood that fills the table within a second there is
    /// nothing to be had for a while, and looking for it again for every packet would cost more than all else.
    fn is_scan_vain(&self, width: Width, now: Timestamp) -> bool {
        self.vain_scan[width as usize].is_some_and(|last| last <= now && now.since(last) < SCAN_PAUSE)
    }

    /// Looks at the next rows and lists what they offer, the least alive last.
    fn scan(&mut self, width: Width, now: Timestamp) {
        let start = self.table.prune.fetch_add(STEP, Ordering::Relaxed);
        let tried = |from: u32| {
            let rows = self.table.rows();
            (0..ROWS.min(rows)).map(move |offset| from.wrapping_add(offset) % rows)
        };
        // What the next scan needs first and what this one needs now are asked for together: waiting for each flow in
        // turn would take ten times as long.
        tried(start.wrapping_add(STEP)).for_each(|row| self.table.prefetch_bucket(row));
        tried(start).for_each(|row| self.table.prefetch_lives(row));
        for row in tried(start) {
            self.counters.get_used_eval += 1;
            let Some(locked) = self.table.try_lock_row(row) else {
                self.counters.get_used_eval_busy += 1;
                continue;
            };
            match self.least_alive(&locked, width, now) {
                Candidate::None => {}
                Candidate::Alive => self.counters.get_used_eval_reject += 1,
                Candidate::Flow { deadline, .. } => self.prospects[width as usize].push((deadline, row)),
            }
        }
        self.prospects[width as usize].sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Takes the least alive flow of a row that was looked at, unless that has changed meanwhile.
    fn take_from(&mut self, row: u32, width: Width, now: Timestamp) -> bool {
        let Some(locked) = self.table.try_lock_row(row) else {
            self.counters.get_used_eval_busy += 1;
            return false;
        };
        let Candidate::Flow { flow, position, .. } = self.least_alive(&locked, width, now) else {
            return false;
        };
        locked.remove(flow, position);
        // SAFETY:
        // - The row is locked, and the flow has just been taken out of it.
        let ended = unsafe { EndedFlow::unlinked(flow, now, EndReason::Forced, self.table.is_emergency()) };
        drop(locked);
        self.counters.get_used += 1;
        self.work.push(ended);
        true
    }

    /// The flow of a row that would time out first, of those that are wide enough and were not seen just now. Whether a flow is referenced is
    /// asked only of those that come into question, because the count is on another cache line.
    fn least_alive(&self, locked: &Locked<'_>, width: Width, now: Timestamp) -> Candidate {
        let mut best = Candidate::None;
        locked.for_each(|flow, position| {
            if width == Width::Wide && !is_wide(flow) {
                return;
            }
            let body = body_of(locked, flow);
            let alive = is_alive(body, now);
            let earlier = match &best {
                Candidate::Flow { deadline, .. } => self.table.deadline(body, true) < *deadline,
                _ => true,
            };
            if !alive && earlier && is_unreferenced(flow) {
                best = Candidate::Flow { flow, position, deadline: self.table.deadline(body, true) };
            } else if matches!(best, Candidate::None) {
                best = Candidate::Alive;
            }
        });
        best
    }
}

impl RowGuard<'_, '_> {
    /// Keeps the row from growing beyond [`FlowTable::row_limit`]: the flow that would time out first of those that nobody
    /// refers to makes room, however alive it is. `false` when there is none.
    ///
    /// By chance no row gets so long: who makes it so knows the secret of the hash, and his flows end each other.
    pub(crate) fn has_room(&mut self, now: Timestamp) -> bool {
        let Self { lookup, locked, .. } = self;
        let table = lookup.table;
        if !locked.has_overflow() || locked.len() < table.row_limit() {
            return true;
        }
        let mut first: Option<(NonNull<Flow>, Position, Timestamp)> = None;
        locked.for_each(|flow, position| {
            let deadline = table.deadline(body_of(locked, flow), true);
            if first.is_none_or(|(.., earliest)| deadline < earliest) && is_unreferenced(flow) {
                first = Some((flow, position, deadline));
            }
        });
        let Some((flow, position, _)) = first else { return false };
        locked.remove(flow, position);
        // SAFETY:
        // - The row is locked, and the flow has just been taken out of it.
        let ended = unsafe { EndedFlow::unlinked(flow, now, EndReason::Forced, table.is_emergency()) };
        lookup.counters.rows_full += 1;
        lookup.work.push(ended);
        true
    }
}

/// What a row has to offer.
#[derive(Clone, Copy)]
enum Candidate {
    /// It is empty.
    None,
    /// Every flow in it is referenced or was seen just now.
    Alive,
    Flow {
        flow: NonNull<Flow>,
        position: Position,
        deadline: Timestamp,
    },
}

/// Whether a flow was seen so lately that taking it would cut a conversation short.
fn is_alive(body: &FlowBody, now: Timestamp) -> bool {
    let secs = match body.state {
        FlowState::New => 1,
        FlowState::Established => 5,
        FlowState::Closed => 3,
        FlowState::LocalBypassed => 30,
    };
    now.since(body.last_seen) < Span::from_secs(secs)
}
