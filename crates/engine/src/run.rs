//! A run: from a source to a sink until the source ends.

use std::time::{Duration, Instant, SystemTime};

use flumen_model::sink::Stats;
use flumen_model::{Counters, Ledger, PacketSource, RecordSink, SinkError, SourceError, Timestamp};
use flumen_table::{FlowTable, LookupCounters, TableError};

use crate::affinity::PinError;
use crate::budget::{self, BudgetError};
use crate::config::{EngineConfig, Threads};
use crate::feed::Seen;
use crate::front::FrontCounters;
use crate::live::Live;
use crate::manager::ManagerCounters;
use crate::monitor::Monitor;
use crate::recorder::{Outflow, Recycler};
use crate::relay::Waits;
use crate::stats::Parts;
use crate::{live, parallel, single};

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// All counters.
    pub counters: Counters,
    /// Where every packet went.
    pub ledger: Ledger,
    /// Earliest and latest time of a packet.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How long it took.
    pub elapsed: Duration,
    /// Packet times at which emergency mode began and ended, the first few.
    pub emergencies: Emergencies,
    /// Threads that could not be bound to their CPUs. With one worker that is the caller's to do.
    pub unbound: Vec<PinError>,
    /// The error that ended the source, if one did. What came before it is in the records.
    pub source_error: Option<SourceError>,
    /// How threads got in each other's way.
    pub contention: Contention,
}

/// How often threads waited for each other. With one worker never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contention {
    /// The lock of a row of the table was taken.
    pub rows: u64,
    /// A worker of a file found no packets ready and none to fetch.
    pub batches: u64,
    /// The same, and it was long enough that the worker slept.
    pub parked: u64,
}

/// When emergency mode began and ended, in packet time: at most [`Emergencies::KEPT`] changes, the first ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emergencies {
    changes: Vec<(Timestamp, bool)>,
    on: bool,
}

impl Emergencies {
    /// Changes that are kept.
    pub const KEPT: usize = 32;

    /// The changes: when, and whether the mode began (`true`) or ended.
    #[must_use]
    pub fn changes(&self) -> &[(Timestamp, bool)] {
        &self.changes
    }
    /// Whether the mode was on when it was last noted.
    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }
    /// Notes whether it is on.
    pub(crate) fn note(&mut self, on: bool, at: Timestamp) {
        if on != self.on && self.changes.len() < Self::KEPT {
            self.changes.push((at, on));
        }
        self.on = on;
    }
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.changes.is_empty() {
            *self = other.clone();
        }
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The memory limit leaves too little.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The table could not be made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Records could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What a run leaves behind before its report is made.
pub(crate) struct Done<'s> {
    pub(crate) unbound: Vec<PinError>,
    pub(crate) front: FrontCounters,
    pub(crate) lookup: LookupCounters,
    pub(crate) recycler: Recycler,
    pub(crate) manager: ManagerCounters,
    pub(crate) emergencies: Emergencies,
    pub(crate) seen: Seen,
    pub(crate) source_error: Option<SourceError>,
    pub(crate) waits: Waits,
    pub(crate) out: Outflow<'s>,
}

/// Reads `source` to its end and writes a record of every flow to `sink`, in packet time.
///
/// With one worker everything happens on this thread, and the same input gives the same output. With several the set of
/// records is the same, their order is not. `seed` is the secret of the flow table's hash, from the operating system's
/// randomness.
///
/// # Errors
/// When the table cannot be made, or the sink fails. A source that fails ends the run but not with an error: its message
/// is in the report, and what was read before is written.
pub fn run(
    source: &mut dyn PacketSource,
    sink: &mut dyn RecordSink,
    config: &EngineConfig,
    seed: [u64; 2],
) -> Result<RunReport, RunError> {
    run_monitored(source, sink, config, seed, &Monitor::default())
}

/// As [`run`], with a window through which other threads can look into it.
///
/// # Errors
/// As [`run`].
pub fn run_monitored(
    source: &mut dyn PacketSource,
    sink: &mut dyn RecordSink,
    config: &EngineConfig,
    seed: [u64; 2],
    monitor: &Monitor,
) -> Result<RunReport, RunError> {
    // However the run ends, nobody waits for an answer after it.
    let _over = CloseMonitor(monitor);
    let started = Instant::now();
    let mut table_config = config.table(sink.wants_flows());
    table_config.memcap = budget::memcap(config)?;
    let table = FlowTable::new(table_config, seed)?;
    let done = match config.threads.workers {
        0 | 1 => single::run(&table, config, seed, source, sink, monitor),
        _ => parallel::run(&table, config, seed, source, sink, monitor),
    };
    conclude(done, &table, started, Counters::default())
}

/// Captures until all sources have ended, and writes a record of every flow to `sink`: a worker for each source, whatever
/// `config.threads.workers` says, and managers and recyclers as configured. The sink is given snapshots of the counters as
/// often as `live` says. What is left at the end ends for `shutdown`.
///
/// Sources end when they are asked to; then the run ends after what they still deliver, and as soon as the sink has
/// taken the records.
///
/// # Errors
/// As [`run`]; a sink that fails ends the sources.
pub fn run_live(
    live: Live<'_>,
    sink: &mut dyn RecordSink,
    config: &EngineConfig,
    seed: [u64; 2],
    monitor: &Monitor,
) -> Result<RunReport, RunError> {
    let _over = CloseMonitor(monitor);
    let started = Instant::now();
    let mut table_config = config.table(sink.wants_flows());
    // There are always the threads and queues of several workers.
    let threads = Threads { workers: live.sources.len().max(2), ..config.threads };
    table_config.memcap = budget::memcap(&EngineConfig { threads, ..config.clone() })?;
    let table = FlowTable::new(table_config, seed)?;
    let capture = live.capture;
    let done = live::run(&table, config, seed, live, sink, monitor);
    conclude(done, &table, started, capture().named)
}

/// The report of a run, and its last snapshot to the sink. `counters` stand before those of the engine.
fn conclude(
    done: Done<'_>,
    table: &FlowTable,
    started: Instant,
    mut counters: Counters,
) -> Result<RunReport, RunError> {
    let parts =
        Parts { front: &done.front, lookup: &done.lookup, recycler: &done.recycler, manager: &done.manager, table };
    parts.counters().iter().for_each(|(name, value)| counters.push(name, value));
    let mut report = RunReport {
        counters,
        ledger: done.front.ledger,
        span: done.seen.span,
        elapsed: started.elapsed(),
        emergencies: done.emergencies,
        unbound: done.unbound,
        source_error: done.source_error,
        contention: Contention { rows: table.row_waits(), batches: done.waits.idle, parked: done.waits.parked },
    };
    report.ledger.in_flows.merge(done.recycler.endings.unrecorded);
    let sink = done.out.finish(&mut report.ledger)?;
    sink.stats(&stats_of(report.elapsed, report.counters.clone(), report.ledger.clone()))?;
    sink.finish()?;
    Ok(report)
}

struct CloseMonitor<'m>(&'m Monitor);

impl Drop for CloseMonitor<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Statistics are about the process: their time is the wall clock's.
pub(crate) fn stats_of(uptime: Duration, counters: Counters, ledger: Ledger) -> Stats {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = Timestamp::from_parts(at.as_secs(), at.subsec_nanos());
    Stats { at, uptime_secs: uptime.as_secs(), counters, ledger }
}
