//! The port through which records leave.

use flumen_wire::{Address, Event, IpVersion, Ports, VlanTags};

use crate::{Counters, FlowRecord, Ledger, Timestamp};

/// Where records go. A sink is called by one thread at a time, and never while a lock of the table or of a queue is held.
///
/// A sink may buffer; what it took is only safe after [`RecordSink::finish`] returned `Ok`.
pub trait RecordSink: Send {
    /// Whether it does anything with flows. The run asks once, before it begins: where nobody wants a flow, no record is made, and
    /// flows are counted alone as they end.
    fn wants_flows(&self) -> bool {
        true
    }

    /// Takes ended flows, in order.
    ///
    /// # Errors
    /// When the records could not be taken; the error says how many were lost.
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError>;

    /// Takes anomalies, in order. Only called when they are wanted: see [`Anomaly`].
    ///
    /// # Errors
    /// When they could not be taken.
    fn anomalies(&mut self, anomalies: &[Anomaly]) -> Result<(), SinkError> {
        let _ = anomalies;
        Ok(())
    }

    /// Takes a snapshot of all counters and of the ledger.
    ///
    /// # Errors
    /// When the snapshot could not be taken.
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError>;

    /// Writes out what is buffered. Called once, last.
    ///
    /// # Errors
    /// When buffered records could not be written; the error says how many were lost.
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// A sink that its owner wants back after the run.
impl<S: RecordSink + ?Sized> RecordSink for &mut S {
    fn wants_flows(&self) -> bool {
        (**self).wants_flows()
    }
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        (**self).flows(records)
    }
    fn anomalies(&mut self, anomalies: &[Anomaly]) -> Result<(), SinkError> {
        (**self).anomalies(anomalies)
    }
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        (**self).stats(stats)
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        (**self).finish()
    }
}

/// Something odd about one packet. Every one is counted whether or not anybody wants to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Time of the packet.
    pub at: Timestamp,
    /// Number of its frame, from 1.
    pub frame: u64,
    /// Interface of the capture.
    pub device: u16,
    /// What is odd.
    pub event: Event,
    /// Whose packet it is, as far as that was found out.
    pub ends: Option<AnomalyEnds>,
}

/// From whom and to whom an odd packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnomalyEnds {
    /// VLAN ids of the packet.
    pub vlan: VlanTags,
    /// IP version.
    pub ip_version: IpVersion,
    /// Sender.
    pub src: Address,
    /// Receiver.
    pub dst: Address,
    /// Ports of protocols that have some.
    pub ports: Option<Ports>,
    /// IP protocol.
    pub protocol: u8,
}

/// What a `stats` event carries.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Wall clock of the event: statistics are about the process, so this is not packet time.
    pub at: Timestamp,
    /// Seconds since the start of the process.
    pub uptime_secs: u64,
    /// Counters in the order of the event.
    pub counters: Counters,
    /// The account of packets and bytes, written under `flumen`.
    pub ledger: Ledger,
}

/// Why records could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of a pipe went away (`| head`): the run ends cleanly.
    #[error("the reader of the output went away")]
    Closed,
    /// Writing failed.
    #[error("{target}: {source}; {lost} records were not written")]
    Io {
        /// The file, or `standard output`.
        target: String,
        /// Records that were taken and are not on disk.
        lost: u64,
        /// What the operating system said.
        source: std::io::Error,
    },
}
