//! A sink that keeps a sensor running whatever becomes of its output.

use std::io;

use flumen_model::FlowRecord;
use flumen_model::sink::{Anomaly, RecordSink, SinkError, Stats};

use super::SpoolHandle;
use crate::surroundings::Tell;

/// A sink over a [`Spool`](super::Spool): what the spool has no room for is counted, told once, and no reason to stop.
///
/// A reader that has gone for good ([`SinkError::Closed`]) is passed on: there is nobody left to run for. At the end the
/// spool is drained, and what was lost in the whole run is the error of [`RecordSink::finish`].
#[derive(Debug)]
pub struct Steady<S> {
    sink: S,
    name: String,
    spool: SpoolHandle,
    tell: Tell,
    /// Records that the spool had no room for.
    refused: u64,
    /// How many there were when the present loss began.
    losing_since: Option<u64>,
}

impl<S: RecordSink> Steady<S> {
    /// `sink`, which writes into `spool` without a buffer of its own, and is called `name`.
    pub fn new(sink: S, name: impl Into<String>, spool: SpoolHandle, tell: Tell) -> Self {
        Self { sink, name: name.into(), spool, tell, refused: 0, losing_since: None }
    }
    /// Records, and `stats` events, that the spool had no room for.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn endure(&mut self, outcome: Result<(), SinkError>) -> Result<(), SinkError> {
        match outcome {
            Err(SinkError::Closed) => return Err(SinkError::Closed),
            Err(SinkError::Io { lost, source, .. }) => {
                if self.losing_since.is_none() {
                    self.tell.say(format_args!("{}: {source}; events are being lost", self.name));
                    self.losing_since = Some(self.refused);
                }
                self.refused += lost;
            }
            // A spool that is full is full again with the next batch: it is over when there is room to spare.
            Ok(()) if self.spool.is_crowded() => {}
            Ok(()) => {
                if let Some(before) = self.losing_since.take() {
                    let lost = self.refused - before;
                    self.tell.say(format_args!("{}: no more events are lost; {lost} were", self.name));
                }
            }
        }
        Ok(())
    }
}

impl<S: RecordSink> RecordSink for Steady<S> {
    fn wants_flows(&self) -> bool {
        self.sink.wants_flows()
    }
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        let outcome = self.sink.flows(records);
        if matches!(outcome, Err(SinkError::Closed)) {
            self.refused += records.len() as u64;
        }
        self.endure(outcome)
    }
    fn anomalies(&mut self, anomalies: &[Anomaly]) -> Result<(), SinkError> {
        let outcome = self.sink.anomalies(anomalies);
        self.endure(outcome)
    }
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        let outcome = self.sink.stats(stats);
        self.endure(outcome)
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        let outcome = self.sink.finish();
        let closed = self.endure(outcome).is_err();
        let lost = self.refused + self.spool.drain();
        match lost {
            _ if closed => Err(SinkError::Closed),
            0 => Ok(()),
            lost => {
                let source = io::Error::other("what the output did not take in time was given up");
                Err(SinkError::Io { target: self.name.clone(), lost, source })
            }
        }
    }
}
