//! A run with one worker: everything on the caller's thread, driven by packet time alone.

use flumen_model::{FlowRecord, PacketBatch, PacketSource, RecordSink, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowTable};

use crate::budget;
use crate::config::EngineConfig;
use crate::feed::Seen;
use crate::front::{Front, FrontCounters};
use crate::manager::{ManagerCounters, PassClock};
use crate::monitor::{Answer, Monitor, Question, WorkerTally};
use crate::pipeline::{Outlet, Worker};
use crate::recorder::{Outflow, Recycler, one_by_one};
use crate::relay::Waits;
use crate::run::{Done, Emergencies};
use crate::stats::Parts;
use crate::vector::{VECTOR, Vector};

struct Single<'t, 's> {
    table: &'t FlowTable,
    config: &'t EngineConfig,
    front: Front<'t>,
    vector: Vector,
    worker: Worker<'t>,
    recycler: Recycler,
    manager: ManagerCounters,
    emergencies: Emergencies,
    passes: PassClock,
    seen: Seen,
    ids: FlowIds,
    ended: Vec<EndedFlow>,
    updates: Vec<FlowRecord>,
    out: Outflow<'s>,
}

/// Reads the source to its end, or until the sink fails.
pub(crate) fn run<'s>(
    table: &FlowTable,
    config: &EngineConfig,
    secret: [u64; 2],
    source: &mut dyn PacketSource,
    sink: &'s mut dyn RecordSink,
    monitor: &Monitor,
) -> Done<'s> {
    let wanted = sink.wants_flows();
    let mut run = Single {
        table,
        config,
        front: Front::new(table, config, secret),
        vector: Vector::default(),
        worker: Worker::new(table, config, 0, wanted),
        recycler: Recycler::new(wanted),
        manager: ManagerCounters::default(),
        emergencies: Emergencies::default(),
        passes: PassClock::default(),
        seen: Seen::default(),
        ids: FlowIds::new(Timestamp::ZERO),
        ended: Vec::new(),
        updates: Vec::new(),
        out: Outflow::new(sink),
    };
    monitor.begin(1);
    let mut batch = PacketBatch::new();
    let source_error = loop {
        match source.fill(&mut batch) {
            Ok(true) => {
                batch.run_errand();
                run.batch(&batch, monitor);
            }
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
        if run.out.has_failed() {
            break None;
        }
    };
    monitor.note_done(0);
    run.end(monitor);
    let Single { front, worker, recycler, manager, emergencies, seen, out, .. } = run;
    let mut counted = FrontCounters::default();
    front.counters(&mut counted);
    counted.ledger.merge(&worker.ledger);
    let mut endings = recycler.endings.clone();
    endings.merge(&worker.under_pressure.endings);
    Done {
        unbound: Vec::new(),
        front: counted,
        lookup: worker.lookup.counters.clone(),
        recycler: Recycler { endings, ..recycler },
        manager,
        emergencies,
        seen,
        source_error,
        waits: Waits::default(),
        out,
    }
}

impl Single<'_, '_> {
    /// Takes a batch second by second: vectors do not reach across the end of one.
    fn batch(&mut self, batch: &PacketBatch, monitor: &Monitor) {
        let mut done = 0;
        // Nearly every batch lies within a second.
        if !self.seen.note_within(batch) {
            for (i, entry) in batch.entries().iter().enumerate() {
                if self.seen.opened.is_none() {
                    self.ids = FlowIds::new(entry.timestamp);
                }
                if self.seen.clock.ends_second(entry.timestamp) {
                    self.packets(batch, done, i);
                    done = i;
                    self.tick(entry.timestamp);
                }
                self.seen.note(entry.timestamp);
            }
        }
        self.packets(batch, done, batch.len());
        if self.table.is_emergency() && !self.emergencies.is_on() {
            self.tick(self.seen.last());
        }
        monitor.answer(|question| self.answer(question));
        monitor.note_turn(0);
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::SetFragments(_) => Answer::None,
            Question::Workers => Answer::Workers(vec![WorkerTally::of(&self.worker.lookup.counters)]),
            Question::Flow(id) => Answer::Flow(self.table.flow_by_id(id, self.ids).map(Box::new)),
            Question::Counters => {
                let mut recycler = self.recycler.clone();
                recycler.endings.merge(&self.worker.under_pressure.endings);
                let mut front = FrontCounters::default();
                self.front.counters(&mut front);
                let mut ledger = front.ledger.clone();
                ledger.merge(&self.worker.ledger);
                ledger.in_flows = self.worker.in_flows;
                Answer::Counters(
                    Parts {
                        front: &front,
                        lookup: &self.worker.lookup.counters,
                        recycler: &recycler,
                        manager: &self.manager,
                        table: self.table,
                    }
                    .counters(),
                    Box::new(ledger),
                )
            }
            Question::SetMemcap(bytes) => {
                Answer::SetMemcap(self.table.set_memcap(budget::memcap_of(self.config, bytes)))
            }
        }
    }

    fn packets(&mut self, batch: &PacketBatch, from: usize, to: usize) {
        let Self { front, vector, worker, out, ids, .. } = self;
        let mut outlet = Outlet { ids: *ids, records: &mut |records| out.take(records) };
        let mut next = from;
        while next < to {
            vector.clear();
            next = front.frames(batch, next..to, VECTOR, vector);
            worker.packets(vector, &mut outlet);
        }
        worker.under_pressure.hand_on(&mut outlet);
        if let Some(anomalies) = &mut front.anomalies {
            out.anomalies(anomalies);
            anomalies.clear();
        }
    }

    /// A second of packet time is over: what has ended is written. In emergency mode every row is looked through.
    fn tick(&mut self, now: Timestamp) {
        self.table.set_now(now);
        let emergency = self.table.is_emergency();
        self.worker.take_ended(&mut self.ended);
        let counts = self.table.sweep(0..self.table.groups(), emergency, &mut self.ended);
        self.manager.pass(&counts, true);
        self.manager.rows_per_sec = u64::from(self.table.rows());
        self.write();
        self.write_updates(now);
        self.emergencies.note(emergency, now);
        self.worker.lookup.give_back_spare();
        let passes = self.passes.passes(now);
        if passes > 0 && self.table.maintain_passes(passes) {
            self.emergencies.note(false, now);
        }
    }

    fn write(&mut self) {
        let Self { recycler, ended, ids, out, worker, .. } = self;
        recycler.begin(ended);
        for flow in one_by_one(ended) {
            recycler.take(&flow, *ids, |record| out.push(record));
            worker.lookup.recycle(flow);
        }
        out.flush();
    }

    /// What is new about flows that go on, when that is asked for.
    fn write_updates(&mut self, now: Timestamp) {
        let Self { table, updates, ids, out, .. } = self;
        let mut more = true;
        while more {
            more = table.updates(0..table.groups(), now, updates, *ids);
            out.take(updates);
            updates.clear();
        }
    }

    /// The source has ended: what has timed out by the last packet's time has, the rest is shut down.
    fn end(&mut self, monitor: &Monitor) {
        self.vector.clear();
        while self.front.finish(&mut self.vector) {
            let Self { vector, worker, out, ids, .. } = self;
            let mut outlet = Outlet { ids: *ids, records: &mut |records| out.take(records) };
            worker.packets(vector, &mut outlet);
            worker.under_pressure.hand_on(&mut outlet);
            vector.clear();
        }
        let last = self.seen.last();
        self.table.set_now(last);
        self.worker.take_ended(&mut self.ended);
        self.table.sweep(0..self.table.groups(), false, &mut self.ended);
        let Self { table, recycler, ended, ids, out, .. } = self;
        let ended = core::mem::take(ended);
        recycler.rest((table, 0..table.groups()), (last, ended), *ids, |records| {
            out.take(records);
            monitor.note_written(records.len());
        });
    }
}
