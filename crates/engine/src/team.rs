//! The threads of a run beside its workers, and what all of them share: for a file that several workers read
//! ([`parallel`](crate::parallel)) and for live capture ([`live`](crate::live)).
//!
//! | thread | takes from | gives to | waits for |
//! |---|---|---|---|
//! | worker, N | packets, table | recycle queue | room in the queue |
//! | manager, M | table | recycle queue, record queue (updates) | the workers' time, room in the queues |
//! | recycler, K | recycle queue | record queue, spare pool | flows, room in the queue |
//! | at the end, N | table | sink, one at a time | the sink |
//! | conductor, 1 | – | recycle queue | workers, then managers, then recyclers |
//! | caller | record queue | sink | records |
//!
//! Every queue is bounded, and waiting follows the rows of the table downwards only, so there is no cycle of waiting.
//! The end: workers run out of packets, hand over what they have and stop; the conductor stops the managers, puts what has
//! timed out into the recycle queue, has N threads write the records of what is left, each of its part of the table, and closes the
//! queue; recyclers finish it and stop; the record queue closes; the caller returns.

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle, Thread, scope};

use flumen_model::{Counters, FlowRecord, Ledger, SourceError, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowTable, LookupCounters};

use crate::affinity::{PinError, Role};
use crate::budget;
use crate::clock::WorkerClocks;
use crate::config::EngineConfig;
use crate::feed::Seen;
use crate::front::FrontCounters;
use crate::manager::{ENDED_BATCH, Manager, ManagerCounters, Pace, hand_over};
use crate::monitor::{Answer, Monitor, Question, WorkerTally};
use crate::pipeline::Worker;
use crate::prim::{Mutex, lock};
use crate::queue::{CloseOnDrop, Queue};
use crate::recorder::{Endings, Outflow, Outgoing, Recycler, SOON};
use crate::relay::Waits;
use crate::run::{Done, Emergencies};
use crate::stats::Parts;

/// Batches of ended flows, and of records, that may wait.
pub(crate) const QUEUE_BATCHES: usize = 100;

/// Passes over the spare pool that are made up for at the end: as many as bring it back to its size.
const PASSES_AT_END: u64 = 64;

/// What the threads of a run share.
pub(crate) struct Team<'r> {
    pub(crate) table: &'r FlowTable,
    pub(crate) config: &'r EngineConfig,
    pub(crate) wants_records: bool,
    pub(crate) clocks: WorkerClocks,
    pub(crate) ended: Queue<Vec<EndedFlow>>,
    pub(crate) records: Queue<Outgoing>,
    /// Lists that were written and can be filled again: the allocator would give their memory back every time.
    written: Mutex<Vec<Vec<FlowRecord>>>,
    /// What each worker had counted at its last publication.
    published: Vec<Mutex<WorkerDone>>,
    /// What all recyclers have counted.
    recycled: Mutex<Recycler>,
    stop_managers: AtomicBool,
    /// Threads that could not be bound to their CPUs.
    unbound: Mutex<Vec<PinError>>,
    pub(crate) ids: OnceLock<FlowIds>,
}

/// What a worker has counted.
#[derive(Clone, Default)]
pub(crate) struct WorkerDone {
    pub(crate) lookup: LookupCounters,
    pub(crate) ledger: Ledger,
    pub(crate) endings: Endings,
    /// What its own front has counted, when it has one.
    pub(crate) front: FrontCounters,
    pub(crate) seen: Seen,
    /// The error that ended its source.
    pub(crate) error: Option<SourceError>,
}

/// How the threads of a run are started.
pub(crate) struct Start<'scope> {
    pub(crate) workers: Vec<Work<'scope>>,
    pub(crate) pace: Pace<'scope>,
    /// Called by the first manager between two rounds, and when it is woken.
    pub(crate) look: &'scope (dyn Fn(&ManagerCounters) + Sync),
    /// The time at which what is left in the table ends.
    pub(crate) end: &'scope (dyn Fn(&Gathered) -> Timestamp + Sync),
    /// Writes the records of what is left in the table. Called by several threads.
    pub(crate) rest: &'scope (dyn Fn(&[FlowRecord]) + Sync),
}

/// A worker, which is given the first manager to wake.
pub(crate) type Work<'scope> = Box<dyn FnOnce(&Thread) -> WorkerDone + Send + 'scope>;

/// What the conductor gathered.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) lookup: LookupCounters,
    pub(crate) ledger: Ledger,
    pub(crate) manager: ManagerCounters,
    pub(crate) emergencies: Emergencies,
    pub(crate) recycler: Recycler,
    pub(crate) front: FrontCounters,
    pub(crate) seen: Seen,
    pub(crate) error: Option<SourceError>,
    pub(crate) waits: Waits,
}

impl<'r> Team<'r> {
    /// A team of so many workers, of whose flows records are wanted or not.
    pub(crate) fn new(table: &'r FlowTable, config: &'r EngineConfig, workers: usize, wants_records: bool) -> Self {
        Self {
            table,
            config,
            wants_records,
            clocks: WorkerClocks::new(workers),
            ended: Queue::new(QUEUE_BATCHES),
            records: Queue::new(QUEUE_BATCHES),
            written: Mutex::new(Vec::new()),
            published: (0..workers).map(|_| Mutex::default()).collect(),
            recycled: Mutex::default(),
            stop_managers: AtomicBool::new(false),
            unbound: Mutex::default(),
            ids: OnceLock::new(),
        }
    }

    /// Binds the calling thread to its CPUs; that it could not be is told at the end.
    pub(crate) fn pin(&self, role: Role) {
        if let Err(error) = self.config.threads.pin(role) {
            lock(&self.unbound).push(error);
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.published.len()
    }

    /// Hands on records that a worker had to make itself. What they were in comes back to be filled again.
    pub(crate) fn put_records(&self, records: &mut Vec<FlowRecord>) {
        let empty = lock(&self.written).pop().unwrap_or_default();
        let _ = self.records.put(core::mem::replace(records, empty).into());
    }

    /// Hands on the flows that ended before a worker's eyes.
    pub(crate) fn take_ended(&self, worker: &mut Worker<'_>, ended: &mut Vec<EndedFlow>) {
        worker.take_ended(ended);
        hand_over(ended.drain(..), &self.ended);
    }

    /// Lets others see what a worker has counted. Who reads it holds it for as long as it takes to add some numbers, once a
    /// question; what was left out for that could stay so until the next packet.
    pub(crate) fn publish(&self, number: usize, fill: impl FnOnce(&mut WorkerDone)) {
        fill(&mut lock(&self.published[number]));
    }

    /// Starts all threads; the conductor joins the others. The first manager answers `monitor`.
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        start: Start<'scope>,
        monitor: &Monitor,
    ) -> ScopedJoinHandle<'scope, Gathered> {
        let threads = self.config.threads;
        let Start { workers, pace, look, end, rest } = start;
        let managers: Vec<_> = (0..threads.managers.max(1) as u32)
            .map(|number| {
                let manager = self.manager(number, pace, look);
                scope.spawn(move || {
                    self.pin(Role::Manager(number as usize));
                    manager.run()
                })
            })
            .collect();
        let first_manager = managers[0].thread().clone();
        monitor.is_answered_by(first_manager.clone());
        let workers: Vec<_> = workers
            .into_iter()
            .map(|work| {
                let manager = first_manager.clone();
                scope.spawn(move || work(&manager))
            })
            .collect();
        let recyclers: Vec<_> =
            (0..threads.recyclers.max(1)).map(|number| scope.spawn(move || self.recycle(number))).collect();
        scope.spawn(move || self.conduct(workers, managers, recyclers, end, rest))
    }

    fn manager<'scope>(
        &'scope self,
        number: u32,
        pace: Pace<'scope>,
        look: &'scope (dyn Fn(&ManagerCounters) + Sync),
    ) -> Manager<'scope> {
        Manager {
            table: self.table,
            clocks: &self.clocks,
            ended: &self.ended,
            records: &self.records,
            ids: &self.ids,
            stop: &self.stop_managers,
            look,
            pace,
            number,
            of: self.config.threads.managers.max(1) as u32,
        }
    }

    fn conduct(
        &self,
        workers: Vec<ScopedJoinHandle<'_, WorkerDone>>,
        managers: Vec<ScopedJoinHandle<'_, (ManagerCounters, Emergencies)>>,
        recyclers: Vec<ScopedJoinHandle<'_, ()>>,
        end: &(dyn Fn(&Gathered) -> Timestamp + Sync),
        rest: &(dyn Fn(&[FlowRecord]) + Sync),
    ) -> Gathered {
        let _records = CloseOnDrop(&self.records);
        let ended = CloseOnDrop(&self.ended);
        let mut gathered = Gathered::default();
        for worker in workers {
            gathered.worker(&join(worker));
        }
        self.stop_managers.store(true, Ordering::Release);
        for manager in managers {
            manager.thread().unpark();
            let (counters, emergencies) = join(manager);
            gathered.manager.merge(&counters);
            gathered.emergencies.merge(&emergencies);
        }
        gathered.recycler.merge(&self.empty_table(end(&gathered), rest));
        drop(ended);
        recyclers.into_iter().for_each(join);
        gathered.recycler.merge(&lock(&self.recycled));
        gathered
    }

    /// What has timed out by `last` has, the rest is shut down.
    fn empty_table(&self, last: Timestamp, write: &(dyn Fn(&[FlowRecord]) + Sync)) -> Recycler {
        // The seconds that the managers had no time for, because the source ended.
        let behind = last.since(self.table.now()).secs().min(PASSES_AT_END);
        let mut ended = Vec::new();
        self.table.set_now(last);
        self.table.sweep(0..self.table.groups(), false, &mut ended);
        (0..behind).for_each(|_| {
            self.table.maintain();
        });
        hand_over(ended.into_iter(), &self.ended);
        // The workers have ended: as many threads share what is left.
        let parts = self.workers() as u32;
        scope(|scope| {
            let threads: Vec<_> =
                (0..parts).map(|part| scope.spawn(move || self.empty_part(part, parts, last, write))).collect();
            let mut all = Recycler::default();
            threads.into_iter().map(join).for_each(|part| all.merge(&part));
            all
        })
    }

    /// Writes what is left in a part of the table. Not through the queue: to hand records over takes longer than to make them
    /// (4 % of the time of two workers on the heavy-tailed capture of `benches`).
    fn empty_part(&self, part: u32, parts: u32, last: Timestamp, write: &dyn Fn(&[FlowRecord])) -> Recycler {
        self.pin(Role::Worker(part as usize));
        let border = |part: u32| (u64::from(self.table.groups()) * u64::from(part) / u64::from(parts)) as u32;
        let groups = border(part)..border(part + 1);
        let ids = *self.ids.get_or_init(|| FlowIds::new(Timestamp::ZERO));
        let mut recycler = Recycler::new(self.wants_records);
        recycler.rest((self.table, groups), (last, Vec::new()), ids, write);
        recycler
    }

    fn recycle(&self, number: usize) {
        self.pin(Role::Recycler(number));
        while let Some(ended) = self.ended.take() {
            self.record(ended);
        }
    }

    /// Makes the records of ended flows.
    fn record(&self, mut ended: Vec<EndedFlow>) {
        let mut recycler = Recycler::new(self.wants_records);
        recycler.begin(&mut ended);
        let ids = *self.ids.get_or_init(|| FlowIds::new(Timestamp::ZERO));
        let mut records = lock(&self.written).pop().unwrap_or_default();
        for (i, flow) in ended.iter().enumerate() {
            if let Some(soon) = ended.get(i + SOON) {
                soon.prefetch();
            }
            recycler.take(flow, ids, |record| records.push(record));
        }
        lock(&self.recycled).merge(&recycler);
        self.table.recycle(ended);
        if records.is_empty() {
            lock(&self.written).push(records);
        } else {
            let _ = self.records.put(records.into());
        }
    }

    /// Hands what comes to the sink, on the caller's thread, until the run is over. `failed` is called when the sink has
    /// failed, again and again.
    pub(crate) fn write_out(&self, out: &Mutex<Outflow<'_>>, monitor: &Monitor, failed: impl Fn()) {
        while let Some(outgoing) = self.records.take() {
            match outgoing {
                Outgoing::Records(mut records) => {
                    lock(out).take(&records);
                    monitor.note_written(records.len());
                    records.clear();
                    lock(&self.written).push(records);
                }
                Outgoing::Anomalies(anomalies) => lock(out).anomalies(&anomalies),
                Outgoing::Stats(stats) => lock(out).stats(&stats),
            }
            if lock(out).has_failed() {
                failed();
            }
        }
    }

    /// Hands records of what is left at the end to the sink: on the thread that made them, one at a time.
    pub(crate) fn write_rest(&self, out: &Mutex<Outflow<'_>>, monitor: &Monitor, records: &[FlowRecord]) {
        lock(out).take(records);
        monitor.note_written(records.len());
    }

    /// What all threads have counted as far as they have published it.
    pub(crate) fn gather(&self) -> Gathered {
        let mut gathered = Gathered { recycler: lock(&self.recycled).clone(), ..Gathered::default() };
        for published in &self.published {
            gathered.worker(&lock(published));
        }
        gathered
    }

    /// Answers a monitor from the table, or with `counters` when it is about them.
    pub(crate) fn answer(&self, question: Question, counters: impl FnOnce() -> (Counters, Ledger)) -> Answer {
        match question {
            Question::Counters => {
                let (counters, ledger) = counters();
                Answer::Counters(counters, Box::new(ledger))
            }
            Question::Flow(id) => {
                let record = self.ids.get().and_then(|&ids| self.table.flow_by_id(id, ids));
                Answer::Flow(record.map(Box::new))
            }
            // Of a live run: its workers have the fragments.
            Question::SetFragments(_) => Answer::None,
            Question::Workers => {
                let tally = |published: &Mutex<WorkerDone>| WorkerTally::of(&lock(published).lookup);
                Answer::Workers(self.published.iter().map(tally).collect())
            }
            Question::SetMemcap(bytes) => {
                Answer::SetMemcap(self.table.set_memcap(budget::memcap_of(self.config, bytes)))
            }
        }
    }

    /// What the run leaves behind.
    pub(crate) fn finish<'s>(self, gathered: Gathered, out: Mutex<Outflow<'s>>) -> Done<'s> {
        let out = out.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Gathered { lookup, ledger, manager, emergencies, mut recycler, mut front, seen, error, waits } = gathered;
        recycler.queue_max = recycler.queue_max.max((self.ended.longest() * ENDED_BATCH) as u64);
        front.ledger.merge(&ledger);
        let unbound = core::mem::take(&mut *lock(&self.unbound));
        Done { unbound, front, lookup, recycler, manager, emergencies, seen, source_error: error, waits, out }
    }
}

impl Gathered {
    /// Adds what a worker has counted.
    fn worker(&mut self, done: &WorkerDone) {
        self.lookup.merge(&done.lookup);
        self.ledger.merge(&done.ledger);
        self.recycler.endings.merge(&done.endings);
        self.front.merge(&done.front);
        self.seen.merge(&done.seen);
        if self.error.is_none() {
            self.error.clone_from(&done.error);
        }
    }

    /// The counters, and the account as far as it goes.
    pub(crate) fn counters(&self, manager: &ManagerCounters, table: &FlowTable) -> (Counters, Ledger) {
        let parts = Parts { front: &self.front, lookup: &self.lookup, recycler: &self.recycler, manager, table };
        let mut ledger = self.front.ledger.clone();
        ledger.merge(&self.ledger);
        (parts.counters(), ledger)
    }
}

pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
