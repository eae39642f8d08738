//! The manager: ends the flows that no packet meets any more, and keeps the spare pool and emergency mode in order.
//!
//! Each of several managers has a slice of the table. The first one also sets the time and looks after the pool. What
//! ends goes to the recycle queue; a manager holds one row at a time and none while it puts something there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flumen_table::{EndedFlow, FlowTable, SweepCounts};

use crate::clock::WorkerClocks;
use crate::pacer::Pacer;
use crate::queue::Queue;
use crate::run::Emergencies;

/// Flows that go to the recycle queue together.
pub(crate) const ENDED_BATCH: usize = 256;

/// `flow.mgr.*`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ManagerCounters {
    pub(crate) full_hash_pass: u64,
    pub(crate) rows_maxlen: u64,
    pub(crate) flows_checked: u64,
    pub(crate) flows_notimeout: u64,
    pub(crate) flows_timeout: u64,
    pub(crate) flows_evicted: u64,
}

impl ManagerCounters {
    /// Takes over what a round saw: most of these counters tell of the last one.
    pub(crate) const fn pass(&mut self, counts: &SweepCounts, ends_pass: bool) {
        self.full_hash_pass += ends_pass as u64;
        self.rows_maxlen = counts.rows_maxlen;
        self.flows_checked = counts.checked;
        self.flows_notimeout = counts.notimeout;
        self.flows_timeout = counts.timeout;
        self.flows_evicted += counts.timeout;
    }
    pub(crate) fn merge(&mut self, other: &Self) {
        self.full_hash_pass += other.full_hash_pass;
        self.rows_maxlen = self.rows_maxlen.max(other.rows_maxlen);
        self.flows_checked += other.flows_checked;
        self.flows_notimeout += other.flows_notimeout;
        self.flows_timeout += other.flows_timeout;
        self.flows_evicted += other.flows_evicted;
    }
}

/// What a manager thread is given.
pub(crate) struct Manager<'r> {
    pub(crate) table: &'r FlowTable,
    pub(crate) clocks: &'r WorkerClocks,
    pub(crate) ended: &'r Queue<Vec<EndedFlow>>,
    pub(crate) stop: &'r AtomicBool,
    pub(crate) number: u32,
    pub(crate) of: u32,
}

impl Manager<'_> {
    /// Runs until it is told to stop.
    pub(crate) fn run(self) -> (ManagerCounters, Emergencies) {
        let mut pacer = Pacer::new(self.table.groups(), self.number, self.of);
        let (mut counters, mut emergencies) = (ManagerCounters::default(), Emergencies::default());
        let mut ended = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            let Some(now) = self.clocks.reached() else {
                std::thread::park_timeout(Duration::from_micros(250));
                continue;
            };
            let emergency = self.table.is_emergency();
            if self.is_first() {
                self.table.set_now(now);
                emergencies.note(emergency, now);
            }
            let pressure = self.table.memuse() * 100 / self.table.memcap().max(1);
            let round = pacer.round(pressure, emergency);
            let counts = self.table.sweep(round.groups, emergency, &mut ended);
            counters.pass(&counts, round.ends_pass);
            hand_over(&mut ended, self.ended);
            if self.is_first() && round.ends_pass && self.table.maintain() {
                emergencies.note(false, now);
            }
            // Unparked at once when emergency mode begins or the run ends.
            std::thread::park_timeout(Pacer::rest(counts.rows, emergency, true));
        }
        (counters, emergencies)
    }

    const fn is_first(&self) -> bool {
        self.number == 0
    }
}

/// Puts ended flows into the recycle queue in batches. When the queue is closed the run is over, and they are dropped,
/// which gives their slots back.
pub(crate) fn hand_over(ended: &mut Vec<EndedFlow>, queue: &Queue<Vec<EndedFlow>>) {
    // From the front in one pass: splitting the list would move the rest of it once for every batch.
    let mut rest = ended.drain(..);
    while rest.len() > 0 {
        let _ = queue.put(rest.by_ref().take(ENDED_BATCH).collect());
    }
}
