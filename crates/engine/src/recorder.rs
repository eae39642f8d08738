//! From ended flows to records to the sink: outside of every lock.

use flumen_model::{FlowRecord, Ledger, RecordSink, SinkError, Tally};
use flumen_table::{EndCounters, EndedFlow, FlowIds};

/// Records handed to the sink at a time.
const BATCH: usize = 256;

/// Turns ended flows into records, hands them to the sink, and keeps the account of what stands in records.
#[derive(Debug)]
pub(crate) struct Recorder {
    ids: FlowIds,
    records: Vec<FlowRecord>,
    /// Packets and bytes in records that the sink has taken.
    pub(crate) in_flows: Tally,
    pub(crate) end: EndCounters,
    /// Records that the sink has taken.
    pub(crate) recycled: u64,
    /// Longest queue that was handed over.
    pub(crate) queue_max: u64,
}

impl Recorder {
    pub(crate) fn new(ids: FlowIds) -> Self {
        Self {
            ids,
            records: Vec::with_capacity(BATCH),
            in_flows: Tally::default(),
            end: EndCounters::default(),
            recycled: 0,
            queue_max: 0,
        }
    }

    /// Writes the records of `ended`, in the order of [`EndedFlow::order`], and gives each flow to `recycle`.
    ///
    /// # Errors
    /// When the sink fails. All flows are recycled all the same, so that the caller can go on to shut down.
    pub(crate) fn write(
        &mut self,
        ended: &mut Vec<EndedFlow>,
        sink: &mut dyn RecordSink,
        mut recycle: impl FnMut(EndedFlow),
    ) -> Result<(), SinkError> {
        self.queue_max = self.queue_max.max(ended.len() as u64);
        ended.sort_by_cached_key(EndedFlow::order);
        let mut result = Ok(());
        for flow in ended.drain(..) {
            if result.is_ok() {
                let record = flow.record(self.ids);
                self.end.add(record.state, record.tcp.and_then(|tcp| tcp.state), flow.body().is_tcp_liberal());
                self.records.push(record);
                if self.records.len() == BATCH {
                    result = self.hand_over(sink);
                }
            }
            recycle(flow);
        }
        result.and_then(|()| self.hand_over(sink))
    }

    fn hand_over(&mut self, sink: &mut dyn RecordSink) -> Result<(), SinkError> {
        let result = sink.flows(&self.records);
        if result.is_ok() {
            for record in &self.records {
                for traffic in [&record.to_server, &record.to_client] {
                    self.in_flows.merge(Tally { packets: traffic.packets, bytes: traffic.bytes });
                }
            }
            self.recycled += self.records.len() as u64;
        }
        self.records.clear();
        result
    }

    /// Adds what stands in records to an account.
    pub(crate) fn settle(&self, ledger: &mut Ledger) {
        ledger.in_flows.merge(self.in_flows);
    }
}
