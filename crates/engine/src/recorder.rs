//! From ended flows to records to the sink: outside of every lock.

use core::ops::Range;

use flumen_model::sink::{Anomaly, Stats};
use flumen_model::{FlowRecord, Ledger, RecordSink, SinkError, Tally, Timestamp};
use flumen_table::{EndCounters, EndedFlow, FlowIds, FlowTable};

/// Records handed to the sink at a time: as many as stay in the first of a core's caches until they are encoded.
const BATCH: usize = 64;

/// Flows whose memory is asked for ahead of the one whose record is made.
pub(crate) const SOON: usize = 6;

/// The flows one by one, the memory of those to come on its way: they lie anywhere in the table.
pub(crate) fn one_by_one(ended: &mut Vec<EndedFlow>) -> impl Iterator<Item = EndedFlow> + '_ {
    ended.iter().take(SOON).for_each(EndedFlow::prefetch);
    let mut rest = ended.drain(..);
    core::iter::from_fn(move || {
        let flow = rest.next()?;
        if let Some(soon) = rest.as_slice().get(SOON - 1) {
            soon.prefetch();
        }
        Some(flow)
    })
}

/// What becomes of flows that have ended: they are counted, and records are made of them if any are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endings {
    wanted: bool,
    pub(crate) counters: EndCounters,
    /// Packets and bytes of flows of which no record was wanted.
    pub(crate) unrecorded: Tally,
}

impl Endings {
    /// `wanted` is what the sink says: [`RecordSink::wants_flows`].
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }
    /// Counts a flow, and gives `put` its record if it is wanted.
    // Inlined, so that the record is written where it is to be.
    #[inline(always)]
    pub(crate) fn take(&mut self, flow: &EndedFlow, ids: FlowIds, put: impl FnOnce(FlowRecord)) {
        self.counters.add(flow);
        if self.wanted {
            put(flow.record(ids));
        } else {
            self.unrecorded.merge(flow.body().tally());
        }
    }
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.unrecorded.merge(other.unrecorded);
    }
}

/// Takes flows that have ended: counts them, and makes their records if any are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recycler {
    pub(crate) endings: Endings,
    /// Flows that were taken.
    pub(crate) recycled: u64,
    /// Queues of them, and the longest.
    pub(crate) queues: u64,
    pub(crate) queue_max: u64,
}

impl Recycler {
    /// One whose records are `wanted`, or not.
    pub(crate) fn new(wanted: bool) -> Self {
        Self { endings: Endings::new(wanted), ..Self::default() }
    }
    /// Puts ended flows in the order of [`EndedFlow::order`], if they are to be records.
    pub(crate) fn begin(&mut self, ended: &mut [EndedFlow]) {
        self.queue(ended.len() as u64);
        if self.endings.wanted {
            ended.sort_unstable_by_key(EndedFlow::order);
        }
    }
    /// Counts a queue of so many flows.
    fn queue(&mut self, flows: u64) {
        self.queues += u64::from(flows > 0);
        self.queue_max = self.queue_max.max(flows);
    }
    /// Counts a flow, and gives `put` its record if it is wanted.
    #[inline]
    pub(crate) fn take(&mut self, flow: &EndedFlow, ids: FlowIds, put: impl FnOnce(FlowRecord)) {
        self.recycled += 1;
        self.endings.take(flow, ids, put);
    }
    /// Takes what a run leaves in some groups of rows, and what had `ended` before. `write` takes the records, some at a time, in
    /// order.
    pub(crate) fn rest(
        &mut self,
        (table, groups): (&FlowTable, Range<u32>),
        (at, ended): (Timestamp, Vec<EndedFlow>),
        ids: FlowIds,
        mut write: impl FnMut(&[FlowRecord]),
    ) {
        let before = self.recycled;
        if self.endings.wanted {
            let mut rest = table.drain_groups(groups, at, ended);
            let mut records = Vec::with_capacity(BATCH);
            while let Some(flow) = rest.next() {
                self.take(&flow, ids, |record| records.push(record));
                rest.retire(flow);
                if records.len() == BATCH {
                    write(&records);
                    records.clear();
                }
            }
            write(&records);
        } else {
            table.drain_unordered(groups, at, ended, |flow| self.take(flow, ids, |_| {}));
        }
        self.queue(self.recycled - before);
    }
    pub(crate) fn merge(&mut self, other: &Self) {
        self.endings.merge(&other.endings);
        self.recycled += other.recycled;
        self.queues += other.queues;
        self.queue_max = self.queue_max.max(other.queue_max);
    }
}

/// The end of the path: hands records to the sink and keeps the account of what it took. After the sink has failed,
/// records are counted as lost, so that the error can say how many.
pub(crate) struct Outflow<'s> {
    sink: &'s mut dyn RecordSink,
    batch: Vec<FlowRecord>,
    in_flows: Tally,
    failed: Option<SinkError>,
    lost: u64,
}

/// What waits for the sink.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Records(Vec<FlowRecord>),
    Anomalies(Vec<Anomaly>),
    Stats(Box<Stats>),
}

impl From<Vec<FlowRecord>> for Outgoing {
    fn from(records: Vec<FlowRecord>) -> Self {
        Self::Records(records)
    }
}

impl<'s> Outflow<'s> {
    pub(crate) fn new(sink: &'s mut dyn RecordSink) -> Self {
        Self { sink, batch: Vec::with_capacity(BATCH), in_flows: Tally::default(), failed: None, lost: 0 }
    }
    /// Whether the sink has failed, so that there is no point in going on.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
    /// Takes one record.
    #[inline]
    pub(crate) fn push(&mut self, record: FlowRecord) {
        self.batch.push(record);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }
    /// Hands the sink what has gathered.
    pub(crate) fn flush(&mut self) {
        let mut batch = core::mem::take(&mut self.batch);
        self.take(&batch);
        batch.clear();
        self.batch = batch;
    }
    /// Hands records to the sink.
    pub(crate) fn take(&mut self, records: &[FlowRecord]) {
        if records.is_empty() {
            return;
        }
        if self.has_failed() {
            self.lost += records.len() as u64;
            return;
        }
        match self.sink.flows(records) {
            Ok(()) => {
                // Final records are cumulative: what stands in updates is not counted.
                for FlowRecord { to_server, to_client, .. } in records.iter().filter(|record| record.interim.is_none())
                {
                    let packets = to_server.packets + to_client.packets;
                    self.in_flows.merge(Tally { packets, bytes: to_server.bytes + to_client.bytes });
                }
            }
            Err(error) => self.failed = Some(error),
        }
    }

    /// Hands anomalies to the sink. They are no records: what is lost of them is not counted.
    pub(crate) fn anomalies(&mut self, anomalies: &[Anomaly]) {
        if anomalies.is_empty() || self.has_failed() {
            return;
        }
        if let Err(error) = self.sink.anomalies(anomalies) {
            self.failed = Some(error);
        }
    }

    /// Hands a snapshot of the counters to the sink.
    pub(crate) fn stats(&mut self, stats: &Stats) {
        if self.has_failed() {
            return;
        }
        if let Err(error) = self.sink.stats(stats) {
            self.failed = Some(error);
        }
    }

    /// The sink, and the packets and bytes that stand in records it took.
    ///
    /// # Errors
    /// When the sink has failed; the error counts every record that was made and not written.
    pub(crate) fn finish(mut self, ledger: &mut Ledger) -> Result<&'s mut dyn RecordSink, SinkError> {
        self.flush();
        ledger.in_flows.merge(self.in_flows);
        match self.failed {
            None => Ok(self.sink),
            Some(SinkError::Io { target, lost, source }) => {
                Err(SinkError::Io { target, lost: lost + self.lost, source })
            }
            Some(closed) => Err(closed),
        }
    }
}
