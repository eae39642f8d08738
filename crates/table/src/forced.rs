//! Forced reuse: when there is no memory for another flow, the least alive one nearby makes room.
//!
//! Up to six rows are looked at, from a place that moves on with every call, so that pressure is spread over the table.
//! A flow that is referenced is never taken, nor one that was seen just now. Suricata takes the head of a row, which is
//! its newest flow; here it is the flow that would time out first.

use core::ptr::NonNull;

use flumen_model::{EndReason, FlowState, Span, Timestamp};

use crate::bucket::{Locked, Position, key_of};
use crate::flow::{Flow, FlowBody};
use crate::guard::body_of;
use crate::lookup::FlowLookup;
use crate::prim::Ordering;
use crate::storage::EndedFlow;
use crate::table::is_unreferenced;

/// Rows looked at in one call.
const ROWS: u32 = 6;
/// Distance between the starts of two calls.
const STEP: u32 = 5;

impl FlowLookup<'_> {
    /// Finds room for one more flow when [`FlowLookup::prepare`] could not: `false` when there is none, and the packet
    /// is refused. Enters emergency mode. Must be called without a row.
    pub fn make_room(&mut self, now: Timestamp) -> bool {
        self.prepare(1, now);
        if self.spare.len() > 0 {
            return true;
        }
        self.table.emergency.enter();
        if self.take_used(now) {
            return true;
        }
        self.counters.get_used_failed += 1;
        self.counters.memcap += 1;
        false
    }

    /// Ends the least alive flow of some rows. Its record is made by the caller from the work queue; the slot is spare
    /// when that is recycled.
    fn take_used(&mut self, now: Timestamp) -> bool {
        let start = self.table.prune.fetch_add(STEP, Ordering::Relaxed);
        let mut best: Option<(Timestamp, u32)> = None;
        for offset in 0..ROWS.min(self.table.rows()) {
            let row = start.wrapping_add(offset) % self.table.rows();
            self.counters.get_used_eval += 1;
            let Some(locked) = self.table.try_lock_row(row) else {
                self.counters.get_used_eval_busy += 1;
                continue;
            };
            match self.least_alive(&locked, now) {
                Candidate::None => {}
                Candidate::Alive => self.counters.get_used_eval_reject += 1,
                Candidate::Flow { deadline, .. } => {
                    if best.is_none_or(|(earliest, _)| deadline < earliest) {
                        best = Some((deadline, row));
                    }
                }
            }
        }
        best.is_some_and(|(_, row)| self.take_from(row, now))
    }

    /// Takes the least alive flow of a row that was just looked at, unless it has changed meanwhile.
    fn take_from(&mut self, row: u32, now: Timestamp) -> bool {
        let Some(locked) = self.table.try_lock_row(row) else {
            self.counters.get_used_eval_busy += 1;
            return false;
        };
        let Candidate::Flow { flow, position, .. } = self.least_alive(&locked, now) else {
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

    fn least_alive(&self, locked: &Locked<'_>, now: Timestamp) -> Candidate {
        let mut best = Candidate::None;
        locked.for_each(|flow, position| {
            let body = body_of(locked, flow);
            if !is_unreferenced(flow) || is_alive(body, now) {
                if matches!(best, Candidate::None) {
                    best = Candidate::Alive;
                }
                return;
            }
            let deadline = self.table.deadline(body, key_of(flow), true);
            match best {
                Candidate::Flow { deadline: earliest, .. } if earliest <= deadline => {}
                _ => best = Candidate::Flow { flow, position, deadline },
            }
        });
        best
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
    now.since(body.last_seen()) < Span::from_secs(secs)
}
