//! Live capture: a worker for each source, which decodes and follows what comes from it alone; the table and the rest of
//! the `Team` are shared.
//!
//! 1. Time is that of the packets. When none come, it is the wall clock less `LAG`, so that flows time out, fragments
//!    are given up and records leave without traffic too.
//! 2. The run ends when every source has: whoever wants its end ends the sources. What they still deliver is counted, then
//!    every flow that is left gets its record.
//! 3. A source that fails, and a sink that does, end all sources.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Thread, scope};
use std::time::{Duration, Instant};

use flumen_model::{Counters, FlowRecord, KernelTally, Ledger, PacketBatch, PacketSource, RecordSink, Span, Timestamp};
use flumen_table::{DefragConfig, FlowIds, FlowTable};

use crate::affinity::Role;
use crate::budget;
use crate::config::{Checksums, EngineConfig};
use crate::front::Front;
use crate::manager::{ENDED_BATCH, ManagerCounters, Pace};
use crate::monitor::{Answer, Monitor, Question};
use crate::pipeline::{Outlet, PacketClock, Worker};
use crate::prim::{Mutex, lock};
use crate::recorder::{Outflow, Outgoing};
use crate::run::{Done, stats_of};
use crate::team::{Gathered, Start, Team, Work, WorkerDone};
use crate::vector::{VECTOR, Vector};

/// What a live run is made of besides its settings.
pub struct Live<'a> {
    /// Where packets come in; each has a worker.
    pub sources: Vec<LiveSource<'a>>,
    /// Ends all sources: they deliver what they have, and end. Called more than once, from any thread.
    pub stop: &'a (dyn Fn() + Sync),
    /// The wall clock, by which packets are stamped too.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// What the kernel and the sources have counted. Called once in a while.
    pub capture: &'a (dyn Fn() -> CaptureCounters + Sync),
}

/// Where packets come in.
pub struct LiveSource<'a> {
    /// The packets. Empty batches while nothing comes.
    pub packets: Box<dyn PacketSource + 'a>,
    /// Whether their TCP checksums are believed, whatever the settings of the engine say.
    pub checksums: Checksums,
}

impl std::fmt::Debug for LiveSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSource").field("checksums", &self.checksums).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Live<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources = self.sources.len();
        f.debug_struct("Live").field("sources", &sources).finish_non_exhaustive()
    }
}

/// What is counted before packets come to the engine.
#[derive(Clone, Debug, Default)]
pub struct CaptureCounters {
    /// For the ledger.
    pub kernel: KernelTally,
    /// All, by name: they stand before the others.
    pub named: Counters,
}

/// By how much the wall clock is ahead of the time that a source without packets has reached: a packet that is captured
/// takes less to get here.
const LAG: Span = Span::from_secs(1);

/// What the threads of the run share.
struct Shared<'r> {
    team: Team<'r>,
    secret: [u64; 2],
    stop: &'r (dyn Fn() + Sync),
    now: &'r (dyn Fn() -> Timestamp + Sync),
    capture: &'r (dyn Fn() -> CaptureCounters + Sync),
    monitor: &'r Monitor,
    /// Memory for the fragments of all workers, in bytes. Relaxed: who sees it a batch later does no harm.
    fragments: AtomicU64,
}

/// Captures until all sources have ended.
pub(crate) fn run<'s>(
    table: &FlowTable,
    config: &EngineConfig,
    secret: [u64; 2],
    live: Live<'_>,
    sink: &'s mut dyn RecordSink,
    monitor: &Monitor,
) -> Done<'s> {
    let Live { sources, stop, now, capture } = live;
    let team = Team::new(table, config, sources.len(), sink.wants_flows());
    let _ = team.ids.set(FlowIds::new(now()));
    monitor.begin(team.workers());
    let fragments = AtomicU64::new(budget::fragments(config));
    let shared = Shared { team, secret, stop, now, capture, monitor, fragments };
    let out = Mutex::new(Outflow::new(sink));
    let due = Mutex::new(None);
    let look = |manager: &ManagerCounters| {
        monitor.answer(|question| match question {
            Question::SetFragments(bytes) => Answer::SetMemcap(shared.set_fragments(bytes)),
            other => shared.team.answer(other, || shared.counters(manager)),
        });
        if is_due(&mut lock(&due), monitor.stats_every(), Instant::now()) || monitor.takes_request_for_stats() {
            let (counters, ledger) = shared.counters(manager);
            let _ = shared.team.records.put(Outgoing::Stats(Box::new(stats_of(monitor.uptime(), counters, ledger))));
        }
    };
    // The managers may have got further than the packets.
    let end = |gathered: &Gathered| gathered.seen.last().max(table.now());
    let rest = |records: &[FlowRecord]| shared.team.write_rest(&out, monitor, records);
    let gathered = scope(|scope| {
        let shared = &shared;
        let workers = sources.into_iter().enumerate();
        let workers = workers.map(|(number, source)| {
            let LiveSource { packets, checksums } = source;
            Box::new(move |manager: &Thread| LiveWorker::new(shared, number, checksums).run(packets, manager))
                as Work<'_>
        });
        let start =
            Start { workers: workers.collect(), pace: Pace::Live(monitor), look: &look, end: &end, rest: &rest };
        let conductor = shared.team.start(scope, start, monitor);
        shared.team.write_out(&out, monitor, stop);
        crate::team::join(conductor)
    });
    let mut done = shared.team.finish(gathered, out);
    done.front.ledger.kernel = Some(capture().kernel);
    done
}

/// Whether a snapshot is due; if so, the next one is an interval away. An interval that has become shorter is followed from
/// now on.
fn is_due(due: &mut Option<Instant>, every: Option<Duration>, now: Instant) -> bool {
    let Some(every) = every else {
        *due = None;
        return false;
    };
    let at = due.map_or(now + every, |at| at.min(now + every));
    let is_due = now >= at;
    *due = Some(match () {
        () if !is_due => at,
        () if at + every > now => at + every,
        // One that was missed is not made up for.
        () => now + every,
    });
    is_due
}

impl Shared<'_> {
    /// Sets the limit for fragments, within that for all memory, unless more is in use.
    fn set_fragments(&self, bytes: u64) -> bool {
        let config = self.team.config;
        let wanted = DefragConfig { memcap: bytes, ..config.defrag.clone() };
        let bytes = budget::fragments(&EngineConfig { defrag: wanted, ..config.clone() });
        let fits = bytes >= self.team.gather().front.defrag_memuse;
        if fits {
            self.fragments.store(bytes, Ordering::Relaxed);
        }
        fits
    }
    /// All counters now. Those of workers are as of their last batches.
    fn counters(&self, manager: &ManagerCounters) -> (Counters, Ledger) {
        let gathered = self.team.gather();
        let (counters, mut ledger) = gathered.counters(manager, self.team.table);
        let CaptureCounters { kernel, mut named } = (self.capture)();
        counters.iter().for_each(|(name, value)| named.push(name, value));
        ledger.kernel = Some(kernel);
        (named, ledger)
    }
}

/// A worker with a source of its own.
struct LiveWorker<'r, 's> {
    shared: &'r Shared<'s>,
    number: usize,
    front: Front<'r>,
    worker: Worker<'r>,
    vector: Vector,
    clock: PacketClock,
    /// The time that was published last.
    reached: Timestamp,
    done: WorkerDone,
    ended: Vec<flumen_table::EndedFlow>,
    /// Flows that the monitor knows of.
    created: u64,
    /// Memory for the fragments of all workers, of which this one has its part.
    fragments: u64,
    /// The manager was woken for the emergency that there is.
    woken: bool,
}

impl<'r, 's> LiveWorker<'r, 's> {
    fn new(shared: &'r Shared<'s>, number: usize, checksums: Checksums) -> Self {
        let Team { table, config, .. } = &shared.team;
        let own = EngineConfig { checksums, ..(*config).clone() };
        Self {
            shared,
            number,
            front: Front::one_of(table, &own, shared.secret, number, shared.team.workers()),
            worker: Worker::new(table, config, number, shared.team.wants_records),
            vector: Vector::default(),
            clock: PacketClock::default(),
            reached: Timestamp::ZERO,
            done: WorkerDone::default(),
            ended: Vec::new(),
            created: 0,
            fragments: shared.fragments.load(Ordering::Relaxed),
            woken: false,
        }
    }

    fn run<'a>(mut self, mut source: Box<dyn PacketSource + 'a>, manager: &Thread) -> WorkerDone {
        let team = &self.shared.team;
        team.pin(Role::Worker(self.number));
        let _alarm = Alarm(self.shared.stop);
        let mut batch = PacketBatch::new();
        loop {
            match source.fill(&mut batch) {
                Ok(true) => {
                    self.batch(&batch);
                    self.shared.monitor.note_turn(self.number);
                }
                Ok(false) => break,
                Err(error) => {
                    self.done.error = Some(error);
                    (self.shared.stop)();
                    break;
                }
            }
            let emergency = team.table.is_emergency();
            if emergency && !self.woken {
                manager.unpark();
            }
            self.woken = emergency;
        }
        self.end()
    }

    /// Takes a batch, or what an empty one stands for: that time has passed.
    fn batch(&mut self, batch: &PacketBatch) {
        let idle = || Timestamp::from_nanos((self.shared.now)().nanos().saturating_sub(LAG.nanos()));
        let at = batch.entries().last().map_or_else(idle, |last| last.timestamp);
        self.done.seen.note_all(batch);
        if batch.is_empty() {
            self.vector.clear();
            self.front.reach(at, &mut self.vector);
            self.flows();
        }
        let mut next = 0;
        while next < batch.len() {
            self.vector.clear();
            next = self.front.frames(batch, next..batch.len(), VECTOR, &mut self.vector);
            self.flows();
        }
        self.hand_on();
        self.reach(at);
        self.publish();
    }

    /// Has the vector's packets counted in their flows.
    fn flows(&mut self) {
        let team = &self.shared.team;
        let ids = *team.ids.get_or_init(|| FlowIds::new(Timestamp::ZERO));
        let mut to_queue = |records: &mut Vec<FlowRecord>| team.put_records(records);
        let mut outlet = Outlet { ids, records: &mut to_queue };
        self.worker.packets(&self.vector, &mut outlet);
        self.worker.under_pressure.hand_on(&mut outlet);
    }

    /// Hands on what was odd about packets.
    fn hand_on(&mut self) {
        if let Some(anomalies) = self.front.anomalies.as_mut().filter(|anomalies| !anomalies.is_empty()) {
            let _ = self.shared.team.records.put(Outgoing::Anomalies(core::mem::take(anomalies)));
        }
    }

    /// It is `at`: the managers may go so far, and once a second there is more to do.
    fn reach(&mut self, at: Timestamp) {
        let team = &self.shared.team;
        let second_over = self.clock.ends_second(at);
        if second_over || (self.clock.is_within(at) && at > self.reached) {
            self.reached = at;
            team.clocks.publish(self.number, at);
        }
        if second_over || self.worker.lookup.work_queue().len() >= ENDED_BATCH {
            team.take_ended(&mut self.worker, &mut self.ended);
        }
        if second_over {
            self.worker.lookup.give_back_spare();
            let fragments = self.shared.fragments.load(Ordering::Relaxed);
            if fragments != self.fragments {
                self.fragments = fragments;
                self.front.limit_fragments(fragments / team.workers().max(1) as u64);
            }
        }
    }

    fn publish(&mut self) {
        let total = self.worker.lookup.counters.total;
        self.shared.monitor.note_created(total - self.created);
        self.created = total;
        let Self { shared, number, front, worker, .. } = self;
        shared.team.publish(*number, |published| {
            worker.counted(published);
            published.ledger.in_flows = worker.in_flows;
            front.counters(&mut published.front);
        });
    }

    /// The source has ended.
    fn end(mut self) -> WorkerDone {
        self.vector.clear();
        while self.front.finish(&mut self.vector) {
            self.flows();
            self.vector.clear();
        }
        self.hand_on();
        let team = &self.shared.team;
        team.take_ended(&mut self.worker, &mut self.ended);
        team.clocks.done(self.number);
        self.shared.monitor.note_done(self.number);
        self.publish();
        let Self { worker, front, mut done, .. } = self;
        worker.counted(&mut done);
        front.counters(&mut done.front);
        done
    }
}

/// Ends the run when a worker panics.
struct Alarm<'r>(&'r (dyn Fn() + Sync));

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_changed_then_the_next_snapshot_is_due_by_the_new_one() {
        let began = Instant::now();
        let (mut due, every) = (None, |secs| Some(Duration::from_secs(secs)));
        let mut is_due = |every, at| is_due(&mut due, every, began + Duration::from_secs(at));
        assert_eq!([0, 9, 10, 11, 19, 20, 45, 54, 55].map(|at| is_due(every(10), at)), {
            [false, false, true, false, false, true, true, false, true]
        });
        assert_eq!([57, 58, 60].map(|at| is_due(every(2), at)), [false, false, true], "shorter: from now on");
        assert!(!is_due(None, 100));
        assert_eq!([101, 110, 111].map(|at| is_due(every(10), at)), [false, false, true]);
    }
}
