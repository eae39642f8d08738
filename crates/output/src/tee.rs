//! One stream of records into several sinks.

use crate::outcome::both;
use flumen_model::FlowRecord;
use flumen_model::sink::{Anomaly, RecordSink, SinkError, Stats};

/// Hands everything to each of its sinks, in order.
///
/// A sink that fails does not keep the others from what they are owed: all are called, and then the first error is
/// returned, with the losses of all. A sink whose reader went away ([`SinkError::Closed`]) gets nothing more; that is
/// an error of the whole only when no other sink is left.
#[derive(Default)]
pub struct Tee<'a> {
    sinks: Vec<Branch<'a>>,
}

struct Branch<'a> {
    sink: Box<dyn RecordSink + 'a>,
    open: bool,
}

impl<'a> Tee<'a> {
    /// No sink yet: what is handed over is gone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a sink, or `&mut` of one that is wanted back.
    #[must_use]
    pub fn with(mut self, sink: impl RecordSink + 'a) -> Self {
        self.sinks.push(Branch { sink: Box::new(sink), open: true });
        self
    }

    fn each(
        &mut self,
        mut call: impl FnMut(&mut (dyn RecordSink + 'a)) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let mut outcome = Ok(());
        for branch in self.sinks.iter_mut().filter(|branch| branch.open) {
            match call(branch.sink.as_mut()) {
                Ok(()) => {}
                Err(SinkError::Closed) => branch.open = false,
                Err(error) => outcome = both(outcome, Err(error)),
            }
        }
        let all_closed = !self.sinks.is_empty() && !self.sinks.iter().any(|branch| branch.open);
        if all_closed { both(outcome, Err(SinkError::Closed)) } else { outcome }
    }
}

impl RecordSink for Tee<'_> {
    fn wants_flows(&self) -> bool {
        self.sinks.iter().any(|branch| branch.sink.wants_flows())
    }
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        self.each(|sink| sink.flows(records))
    }
    fn anomalies(&mut self, anomalies: &[Anomaly]) -> Result<(), SinkError> {
        self.each(|sink| sink.anomalies(anomalies))
    }
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        self.each(|sink| sink.stats(stats))
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        self.each(|sink| sink.finish())
    }
}

impl std::fmt::Debug for Tee<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = self.sinks.iter().filter(|branch| branch.open).count();
        f.debug_struct("Tee").field("sinks", &self.sinks.len()).field("open", &open).finish()
    }
}
