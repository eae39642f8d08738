//! A run: from a source to a sink until the source ends.

use std::time::{Duration, Instant, SystemTime};

use flumen_model::sink::Stats;
use flumen_model::{Counters, Ledger, PacketBatch, PacketSource, RecordSink, SinkError, SourceError, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowTable, LookupCounters, TableError};
use flumen_wire::DecodeCounters;

use crate::config::EngineConfig;
use crate::pipeline::{PacketClock, Share, Worker};
use crate::recorder::Recorder;
use crate::stats::{ManagerCounters, Parts};

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// All counters.
    pub counters: Counters,
    /// Where every packet went.
    pub ledger: Ledger,
    /// Time of the first and last packet by the capture's clock.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How long it took.
    pub elapsed: Duration,
    /// The error that ended the source, if one did. What came before it is in the records.
    pub source_error: Option<SourceError>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The table could not be made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Records could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Reads `source` to its end and writes a record of every flow to `sink`, in packet time, on this thread.
///
/// `seed` is the secret of the flow table's hash, from the operating system's randomness.
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
    let started = Instant::now();
    let table = FlowTable::new(config.table.clone(), seed)?;
    let mut run = Single::new(&table, config);
    let fed = run.feed(source, sink);
    let Finished { decode, lookup, mut ledger, mut recorder, manager, span, mut ended } = run.finish();
    let now = span.map_or(Timestamp::ZERO, |(_, last)| last);
    table.set_now(now);
    table.sweep(0..table.groups(), false, &mut ended);
    table.drain(now, &mut ended);
    let source_error = fed?;
    let mut rest = Vec::with_capacity(ended.len());
    let written = recorder.write(&mut ended, sink, |flow| rest.push(flow));
    table.recycle(rest);
    written?;
    recorder.settle(&mut ledger);
    let parts = Parts {
        decode: &decode,
        lookup: &lookup,
        end: &recorder.end,
        manager: &manager,
        table: &table,
        recycled: recorder.recycled,
        queue_max: recorder.queue_max,
    };
    let report = RunReport { counters: parts.counters(), ledger, span, elapsed: started.elapsed(), source_error };
    sink.stats(&stats_of(&report))?;
    sink.finish()?;
    Ok(report)
}

fn stats_of(report: &RunReport) -> Stats {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Stats {
        at: Timestamp::from_parts(at.as_secs(), at.subsec_nanos()),
        uptime_secs: report.elapsed.as_secs(),
        counters: report.counters.clone(),
        ledger: report.ledger.clone(),
    }
}

/// A run with one worker.
struct Single<'t> {
    table: &'t FlowTable,
    worker: Worker<'t>,
    recorder: Recorder,
    manager: ManagerCounters,
    clock: PacketClock,
    span: Option<(Timestamp, Timestamp)>,
    ended: Vec<EndedFlow>,
}

/// What is left of a worker when it has let go of the table.
struct Finished {
    decode: DecodeCounters,
    lookup: LookupCounters,
    ledger: Ledger,
    recorder: Recorder,
    manager: ManagerCounters,
    span: Option<(Timestamp, Timestamp)>,
    ended: Vec<EndedFlow>,
}

impl<'t> Single<'t> {
    fn new(table: &'t FlowTable, config: &EngineConfig) -> Self {
        Self {
            table,
            worker: Worker::new(table, config, Share { worker: 0, of: 1 }),
            recorder: Recorder::new(FlowIds::new(Timestamp::ZERO)),
            manager: ManagerCounters::default(),
            clock: PacketClock::default(),
            span: None,
            ended: Vec::new(),
        }
    }

    fn finish(mut self) -> Finished {
        self.worker.take_ended(&mut self.ended);
        let Worker { decoder, lookup, ledger, .. } = self.worker;
        Finished {
            decode: decoder.counters,
            lookup: lookup.counters.clone(),
            ledger,
            recorder: self.recorder,
            manager: self.manager,
            span: self.span,
            ended: self.ended,
        }
    }

    fn feed(
        &mut self,
        source: &mut dyn PacketSource,
        sink: &mut dyn RecordSink,
    ) -> Result<Option<SourceError>, SinkError> {
        let mut batch = PacketBatch::new();
        loop {
            match source.fill(&mut batch) {
                Ok(true) => self.batch(&batch, sink)?,
                Ok(false) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            }
        }
    }

    /// Takes a batch second by second: vectors do not reach across the end of one.
    fn batch(&mut self, batch: &PacketBatch, sink: &mut dyn RecordSink) -> Result<(), SinkError> {
        let entries = batch.entries();
        let mut done = 0;
        for (i, entry) in entries.iter().enumerate() {
            if self.clock.ends_second(entry.timestamp) {
                self.worker.packets(batch.packets().skip(done).take(i - done));
                done = i;
                self.tick(entry.timestamp, sink)?;
            }
            self.note_time(entry.timestamp);
        }
        self.worker.packets(batch.packets().skip(done));
        Ok(())
    }

    fn note_time(&mut self, at: Timestamp) {
        match &mut self.span {
            Some((first, last)) => {
                *first = (*first).min(at);
                *last = (*last).max(at);
            }
            None => {
                self.span = Some((at, at));
                self.recorder = Recorder::new(FlowIds::new(at));
            }
        }
    }

    /// A second of packet time is over: what has ended is written.
    fn tick(&mut self, now: Timestamp, sink: &mut dyn RecordSink) -> Result<(), SinkError> {
        self.worker.take_ended(&mut self.ended);
        self.table.set_now(now);
        let counts = self.table.sweep(0..self.table.groups(), false, &mut self.ended);
        self.manager.full_hash_pass += 1;
        self.manager.rows_maxlen = counts.rows_maxlen;
        self.manager.flows_checked = counts.checked;
        self.manager.flows_notimeout = counts.notimeout;
        self.manager.flows_timeout = counts.timeout;
        self.manager.flows_evicted += counts.timeout;
        let lookup = &mut self.worker.lookup;
        self.recorder.write(&mut self.ended, sink, |flow| lookup.recycle(flow))
    }
}
