//! A run with several workers, managers and recyclers.
//!
//! | thread | takes from | gives to | waits for |
//! |---|---|---|---|
//! | worker, N | feed, table | recycle queue | the slowest worker, room in the queue |
//! | manager, M | table | recycle queue, record queue (updates) | packet time, room in the queues |
//! | recycler, K | recycle queue | record queue, spare pool | flows, room in the queue |
//! | conductor, 1 | – | recycle queue | workers, then managers, then recyclers |
//! | caller | record queue | sink | records |
//!
//! Every queue is bounded, and waiting follows the rows of the table downwards only, so there is no cycle of waiting.
//! The end: the feed ends, workers hand over what they have and stop; the conductor stops the managers, empties the
//! table into the recycle queue and closes it; recyclers finish it and stop; the record queue closes; the caller returns.
//! When the sink fails, the feed is stopped and the rest goes the same way, counted as lost.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle, Thread, scope};

use flumen_model::{FlowRecord, Ledger, PacketSource, RecordSink, Timestamp};
use flumen_table::{EndCounters, EndedFlow, FlowIds, FlowTable, LookupCounters};

use crate::affinity::{PinError, Role};
use crate::clock::WorkerClocks;
use crate::config::EngineConfig;
use crate::feed::Feed;
use crate::front::Front;
use crate::manager::{ENDED_BATCH, Manager, ManagerCounters, hand_over};
use crate::monitor::{Answer, Monitor, Question};
use crate::pipeline::{Outlet, PacketClock, Share, Worker};
use crate::prim::{Mutex, lock};
use crate::queue::{CloseOnDrop, Queue};
use crate::recorder::{Outflow, Outgoing, Recycler};
use crate::run::{Done, Emergencies};
use crate::stats::Parts;

/// Batches of ended flows, and of records, that may wait.
pub(crate) const QUEUE_BATCHES: usize = 100;

/// Passes over the spare pool that are made up for at the end: as many as bring it back to its size.
const PASSES_AT_END: u64 = 64;

/// What the threads of a run share.
struct Shared<'r, 's> {
    table: &'r FlowTable,
    config: &'r EngineConfig,
    feed: Feed<'s>,
    clocks: WorkerClocks,
    ended: Queue<Vec<EndedFlow>>,
    records: Queue<Outgoing>,
    /// Lists that were written and can be filled again: the allocator would give their memory back every time.
    written: Mutex<Vec<Vec<FlowRecord>>>,
    /// What each worker had counted at its last publication.
    published: Vec<Mutex<WorkerDone>>,
    /// What all recyclers have counted.
    recycled: Mutex<Recycler>,
    stop_managers: AtomicBool,
    /// Threads that could not be bound to their CPUs.
    unbound: Mutex<Vec<PinError>>,
    ids: std::sync::OnceLock<FlowIds>,
}

impl Shared<'_, '_> {
    /// Binds the calling thread to its CPUs; that it could not be is told at the end.
    fn pin(&self, role: Role) {
        if let Err(error) = self.config.threads.pin(role) {
            lock(&self.unbound).push(error);
        }
    }
}

/// What a worker has counted.
#[derive(Default)]
struct WorkerDone {
    lookup: LookupCounters,
    ledger: Ledger,
    end: EndCounters,
}

/// What the conductor gathered.
#[derive(Default)]
struct Gathered {
    lookup: LookupCounters,
    ledger: Ledger,
    manager: ManagerCounters,
    emergencies: Emergencies,
    recycler: Recycler,
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
    let workers = config.threads.workers;
    let front = Front::new(table, config, secret);
    let shared = Shared {
        table,
        config,
        feed: Feed::new(source, front, workers),
        clocks: WorkerClocks::new(workers),
        ended: Queue::new(QUEUE_BATCHES),
        records: Queue::new(QUEUE_BATCHES),
        written: Mutex::new(Vec::new()),
        published: (0..workers).map(|_| Mutex::default()).collect(),
        recycled: Mutex::default(),
        stop_managers: AtomicBool::new(false),
        unbound: Mutex::default(),
        ids: std::sync::OnceLock::new(),
    };
    let mut out = Outflow::new(sink);
    let look = |manager: &ManagerCounters| monitor.answer(|question| answer(&shared, manager, question));
    let mut gathered = scope(|scope| {
        let shared = &shared;
        let conductor = start(scope, shared, &look);
        while let Some(outgoing) = shared.records.take() {
            match outgoing {
                Outgoing::Records(mut records) => {
                    out.take(&records);
                    records.clear();
                    lock(&shared.written).push(records);
                }
                Outgoing::Anomalies(anomalies) => out.anomalies(&anomalies),
            }
            if out.has_failed() {
                shared.feed.stop();
            }
        }
        join(conductor)
    });
    gathered.recycler.queue_max = gathered.recycler.queue_max.max((shared.ended.longest() * ENDED_BATCH) as u64);
    let (seen, mut front, source_error) = shared.feed.finish();
    let Gathered { lookup, ledger, manager, emergencies, recycler } = gathered;
    front.ledger.merge(&ledger);
    let unbound = core::mem::take(&mut *lock(&shared.unbound));
    Done { unbound, front, lookup, recycler, manager, emergencies, seen, source_error, out }
}

/// Starts all threads; the conductor joins the others.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    shared: &'scope Shared<'_, '_>,
    look: &'scope (dyn Fn(&ManagerCounters) + Sync),
) -> ScopedJoinHandle<'scope, Gathered> {
    let threads = shared.config.threads;
    let managers: Vec<_> = (0..threads.managers.max(1) as u32)
        .map(|number| {
            let manager = Manager {
                table: shared.table,
                clocks: &shared.clocks,
                ended: &shared.ended,
                records: &shared.records,
                ids: &shared.ids,
                stop: &shared.stop_managers,
                look,
                number,
                of: threads.managers.max(1) as u32,
            };
            scope.spawn(move || {
                shared.pin(Role::Manager(number as usize));
                manager.run()
            })
        })
        .collect();
    let first_manager = managers[0].thread().clone();
    let workers: Vec<_> = (0..threads.workers)
        .map(|number| {
            let manager = first_manager.clone();
            scope.spawn(move || work(shared, number, &manager))
        })
        .collect();
    let recyclers: Vec<_> =
        (0..threads.recyclers.max(1)).map(|number| scope.spawn(move || recycle(shared, number))).collect();
    scope.spawn(move || conduct(shared, workers, managers, recyclers))
}

fn conduct(
    shared: &Shared<'_, '_>,
    workers: Vec<ScopedJoinHandle<'_, WorkerDone>>,
    managers: Vec<ScopedJoinHandle<'_, (ManagerCounters, Emergencies)>>,
    recyclers: Vec<ScopedJoinHandle<'_, ()>>,
) -> Gathered {
    let _records = CloseOnDrop(&shared.records);
    let ended = CloseOnDrop(&shared.ended);
    let mut gathered = Gathered::default();
    for worker in workers {
        gathered.worker(&join(worker));
    }
    shared.stop_managers.store(true, Ordering::Release);
    for manager in managers {
        manager.thread().unpark();
        let (counters, emergencies) = join(manager);
        gathered.manager.merge(&counters);
        gathered.emergencies.merge(&emergencies);
    }
    empty_table(shared);
    drop(ended);
    recyclers.into_iter().for_each(join);
    gathered.recycler.merge(&lock(&shared.recycled));
    gathered
}

/// What has timed out by the last packet's time has, the rest is shut down.
fn empty_table(shared: &Shared<'_, '_>) {
    let last = shared.feed.seen().last();
    // The seconds that the managers had no time for, because the file ended.
    let behind = last.since(shared.table.now()).secs().min(PASSES_AT_END);
    let mut ended = Vec::new();
    shared.table.set_now(last);
    shared.table.sweep(0..shared.table.groups(), false, &mut ended);
    (0..behind).for_each(|_| {
        shared.table.maintain();
    });
    shared.table.drain(last, &mut ended);
    ended.sort_by_cached_key(EndedFlow::order);
    hand_over(&mut ended, &shared.ended);
}

fn work(shared: &Shared<'_, '_>, number: usize, manager: &Thread) -> WorkerDone {
    let share = Share { worker: number as u32, of: shared.config.threads.workers as u32 };
    let mut worker = Worker::new(shared.table, shared.config, share);
    shared.pin(Role::Worker(number));
    let _alarm = Alarm(&shared.feed);
    let mut clock = PacketClock::default();
    let mut ended = Vec::new();
    let mut to_queue = |records: &mut Vec<FlowRecord>| {
        let empty = lock(&shared.written).pop().unwrap_or_default();
        let _ = shared.records.put(core::mem::replace(records, empty).into());
    };
    let mut woken = false;
    let mut outlet = Outlet { ids: FlowIds::new(Timestamp::ZERO), records: &mut to_queue };
    while let Some((batch, opened)) = shared.feed.next(number) {
        outlet.ids = *shared.ids.get_or_init(|| FlowIds::new(opened));
        worker.packets(&batch.vector, &mut outlet, || shared.feed.has_failed());
        worker.under_pressure.hand_on(&mut outlet);
        // One worker passes them on for all.
        if number == 0 && !batch.anomalies.is_empty() {
            let _ = shared.records.put(Outgoing::Anomalies(batch.anomalies.clone()));
        }
        let last = batch.last;
        shared.feed.give_back(batch);
        let second_over = clock.ends_second(last);
        if second_over || clock.is_within(last) {
            shared.clocks.publish(number, last);
        }
        if second_over || worker.lookup.work_queue().len() >= ENDED_BATCH {
            worker.take_ended(&mut ended);
            hand_over(&mut ended, &shared.ended);
        }
        if second_over {
            worker.lookup.give_back_spare();
        }
        let emergency = shared.table.is_emergency();
        if emergency && !woken {
            manager.unpark();
        }
        woken = emergency;
        // Whoever reads it at the moment is not waited for.
        if let Ok(mut published) = shared.published[number].try_lock() {
            *published = counted(&worker);
        }
    }
    worker.take_ended(&mut ended);
    hand_over(&mut ended, &shared.ended);
    shared.clocks.done(number);
    counted(&worker)
}

/// What a worker has counted so far.
fn counted(worker: &Worker<'_>) -> WorkerDone {
    WorkerDone {
        lookup: worker.lookup.counters.clone(),
        ledger: worker.ledger.clone(),
        end: worker.under_pressure.end.clone(),
    }
}

/// Tells the other workers when one panics.
struct Alarm<'f, 's>(&'f Feed<'s>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

fn recycle(shared: &Shared<'_, '_>, number: usize) {
    shared.pin(Role::Recycler(number));
    while let Some(mut ended) = shared.ended.take() {
        let mut recycler = Recycler::default();
        recycler.begin(&mut ended);
        let ids = *shared.ids.get_or_init(|| FlowIds::new(Timestamp::ZERO));
        let mut records = lock(&shared.written).pop().unwrap_or_default();
        records.extend(ended.iter().map(|flow| recycler.record(flow, ids)));
        lock(&shared.recycled).merge(&recycler);
        shared.table.recycle(ended);
        let _ = shared.records.put(records.into());
    }
}

/// Answers a monitor from what has been published and from the table.
fn answer(shared: &Shared<'_, '_>, manager: &ManagerCounters, question: Question) -> Answer {
    if let Question::Flow(id) = question {
        let record = shared.ids.get().and_then(|&ids| shared.table.flow_by_id(id, ids));
        return Answer::Flow(record.map(Box::new));
    }
    let mut gathered = Gathered { recycler: lock(&shared.recycled).clone(), ..Gathered::default() };
    for published in &shared.published {
        gathered.worker(&lock(published));
    }
    let front = shared.feed.counters();
    let Gathered { lookup, recycler, .. } = gathered;
    let parts = Parts { front: &front, lookup: &lookup, recycler: &recycler, manager, table: shared.table };
    Answer::Counters(parts.counters())
}

impl Gathered {
    /// Adds what a worker has counted.
    fn worker(&mut self, done: &WorkerDone) {
        self.lookup.merge(&done.lookup);
        self.ledger.merge(&done.ledger);
        self.recycler.end.merge(&done.end);
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
