//! The manager: ends the flows that no packet meets any more, and keeps the spare pool and emergency mode in order.
//!
//! Each of several managers has a slice of the table. The first one also sets the time and looks after the pool. What
//! ends goes to the recycle queue, and updates about what goes on to the record queue; a manager holds one row at a time and none while it puts something there.

use core::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flumen_model::{Span, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowTable, SweepCounts};

use crate::clock::WorkerClocks;
use crate::monitor::Monitor;
use crate::pacer::{Pacer, Round};
use crate::queue::Queue;
use crate::recorder::Outgoing;
use crate::run::Emergencies;

/// Flows that go to the recycle queue together.
pub(crate) const ENDED_BATCH: usize = 256;

/// `flow.mgr.*`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ManagerCounters {
    pub(crate) full_hash_pass: u64,
    /// Rows that the plan gives to a second.
    pub(crate) rows_per_sec: u64,
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
        self.rows_per_sec += other.rows_per_sec;
        self.rows_maxlen = self.rows_maxlen.max(other.rows_maxlen);
        self.flows_checked += other.flows_checked;
        self.flows_notimeout += other.flows_notimeout;
        self.flows_timeout += other.flows_timeout;
        self.flows_evicted += other.flows_evicted;
    }
}

/// What time a manager goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace<'r> {
    /// Packet time, which may run much faster than the clock.
    File,
    /// Packet time that runs as the clock does. A snapshot of the counters is due as often as the monitor says.
    Live(&'r Monitor),
}

impl Pace<'_> {
    /// How long to rest after a round over so many rows.
    fn rest(self, rows: u64, emergency: bool) -> Duration {
        match self {
            Self::File => Pacer::rest(rows, emergency, true),
            Self::Live(monitor) => {
                let rest = Pacer::rest(rows, emergency, false);
                monitor.stats_every().map_or(rest, |every| rest.min(every))
            }
        }
    }
    /// How long to rest before packet time is known.
    fn wait(self) -> Duration {
        match self {
            Self::File => Pacer::rest(0, false, true),
            Self::Live(_) => Duration::from_millis(10),
        }
    }
}

/// What a manager thread is given.
pub(crate) struct Manager<'r> {
    pub(crate) table: &'r FlowTable,
    pub(crate) clocks: &'r WorkerClocks,
    pub(crate) ended: &'r Queue<Vec<EndedFlow>>,
    /// Where updates about flows that go on are put.
    pub(crate) records: &'r Queue<Outgoing>,
    pub(crate) ids: &'r OnceLock<FlowIds>,
    pub(crate) stop: &'r AtomicBool,
    /// Called by the first manager between two rounds: answers what a monitor was asked.
    pub(crate) look: &'r (dyn Fn(&ManagerCounters) + Sync),
    pub(crate) pace: Pace<'r>,
    pub(crate) number: u32,
    pub(crate) of: u32,
}

impl Manager<'_> {
    /// Runs until it is told to stop.
    pub(crate) fn run(self) -> (ManagerCounters, Emergencies) {
        let mut pacer = Pacer::new(self.table.groups(), self.number, self.of);
        let (mut counters, mut emergencies) = (ManagerCounters::default(), Emergencies::default());
        let mut ended = Vec::new();
        let mut kept = PassClock::default();
        let mut swept = None;
        while !self.stop.load(Ordering::Acquire) {
            if self.is_first() {
                (self.look)(&counters);
            }
            let Some(now) = self.clocks.reached() else {
                std::thread::park_timeout(self.pace.wait());
                continue;
            };
            let emergency = self.table.is_emergency();
            if self.is_first() {
                self.table.set_now(now);
                emergencies.note(emergency, now);
            }
            // Deadlines are whole seconds: within one, a file has nothing new.
            if matches!(self.pace, Pace::File) && !emergency && swept == Some(now.secs()) {
                self.rest(self.pace.rest(0, emergency), &counters);
                continue;
            }
            swept = Some(now.secs());
            let round = self.round(&mut pacer, emergency);
            let counts = self.table.sweep(round.groups.clone(), emergency, &mut ended);
            counters.pass(&counts, round.ends_pass);
            counters.rows_per_sec = u64::from(round.groups.end - round.groups.start) * u64::from(FlowTable::GROUP_ROWS);
            hand_over(ended.drain(..), self.ended);
            self.hand_over_updates(round.groups, now);
            if self.is_first() && round.ends_pass && self.table.maintain_passes(kept.passes(now)) {
                emergencies.note(false, now);
            }
            self.rest(self.pace.rest(counts.rows, emergency), &counters);
        }
        (counters, emergencies)
    }

    /// What is looked through next: of a file everything, since a second of it is over.
    fn round(&self, pacer: &mut Pacer, emergency: bool) -> Round {
        match self.pace {
            Pace::File => pacer.pass(),
            Pace::Live(_) => {
                let pressure = self.table.memuse() * 100 / self.table.memcap().max(1);
                pacer.round(pressure, emergency)
            }
        }
    }

    /// Rests, but not when emergency mode begins or the run ends. Who asks meanwhile is answered: the manager is unparked for
    /// all of these.
    fn rest(&self, length: Duration, counters: &ManagerCounters) {
        let until = Instant::now() + length;
        let emergency = self.table.is_emergency();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.load(Ordering::Acquire) || self.table.is_emergency() != emergency {
                return;
            }
            std::thread::park_timeout(left);
            if self.is_first() {
                (self.look)(counters);
            }
        }
    }

    /// What is new about flows that go on, when that is asked for.
    fn hand_over_updates(&self, groups: Range<u32>, now: Timestamp) {
        let Some(&ids) = self.ids.get() else { return };
        let mut records = Vec::new();
        let mut more = true;
        while more {
            more = self.table.updates(groups.clone(), now, &mut records, ids);
            hand_over(records.drain(..), self.records);
        }
    }

    const fn is_first(&self) -> bool {
        self.number == 0
    }
}

/// Says how often the pool is to be looked after: once for each second of packet time, so that what a quiet time does for
/// memory does not depend on how fast a file is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassClock {
    last: Option<Timestamp>,
}

impl PassClock {
    /// As many passes as have become due, at most those that end an emergency.
    pub(crate) fn passes(&mut self, now: Timestamp) -> u32 {
        const PASSES_MAX: u64 = 32;
        const STEP_BACK: Span = Span::from_secs(60);
        let due = match self.last {
            // The clock has stepped back: it is followed, or nothing would be looked after until it has caught up.
            Some(last) if last.since(now) > STEP_BACK => 1,
            Some(last) => now.since(last).secs().min(PASSES_MAX),
            None => 1,
        };
        if due > 0 {
            self.last = Some(now);
        }
        due as u32
    }
}

/// Puts ended flows into the recycle queue in batches, or updates into the record queue. When the queue is closed the run
/// is over, and they are dropped, which gives the slots of flows back.
pub(crate) fn hand_over<T, B: From<Vec<T>>>(mut ended: impl ExactSizeIterator<Item = T>, queue: &Queue<B>) {
    while ended.len() > 0 {
        let _ = queue.put(ended.by_ref().take(ENDED_BATCH).collect::<Vec<_>>().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_follow_packet_time_and_are_bounded() {
        let mut clock = PassClock::default();
        let at = |millis: u64| Timestamp::from_nanos(1_000_000_000_000 + millis * 1_000_000);
        assert_eq!(clock.passes(at(0)), 1);
        assert_eq!(clock.passes(at(900)), 0);
        assert_eq!(clock.passes(at(1000)), 1);
        assert_eq!(clock.passes(at(4500)), 3);
        assert_eq!(clock.passes(at(1_000_000)), 32);
        assert_eq!(clock.passes(at(990_000)), 0, "disorder");
        assert_eq!(clock.passes(at(900_000)), 1, "a step back");
        assert_eq!(clock.passes(at(901_000)), 1);
    }

    #[test]
    fn a_list_is_handed_over_in_order_and_in_batches() {
        let queue: Queue<Vec<_>> = Queue::new(100);
        hand_over(0..2 * ENDED_BATCH + 50, &queue);
        queue.close();
        let sizes: Vec<_> =
            core::iter::from_fn(|| queue.take()).inspect(|batch| assert!(batch.is_sorted())).map(|b| b.len()).collect();
        assert_eq!(sizes, [ENDED_BATCH, ENDED_BATCH, 50]);
    }
}
