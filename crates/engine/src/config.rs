//! What the engine can be told beyond the table's own settings.

use std::fmt;
use std::sync::Arc;

use flumen_model::Span;
use flumen_table::{DefragConfig, MemcapPolicy, TableConfig};
use flumen_wire::{DecodeOptions, LinkType};

use crate::affinity::Affinity;

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// The flow table.
    pub table: TableConfig,
    /// Decoding.
    pub decode: DecodeOptions,
    /// Whether sinks are told of every packet that raises an event (`types: - anomaly` of the EVE log).
    pub anomalies: bool,
    /// Reassembly of IP datagrams.
    pub defrag: DefragConfig,
    /// `defrag.memcap-policy`: what is counted for a fragment for which there is no memory.
    pub defrag_memcap_policy: MemcapPolicy,
    /// Threads, their numbers, and their CPUs.
    pub threads: Threads,
    /// `flumen.memory-limit`: ceiling in bytes of table, queues and output batches together.
    pub memory_limit: Option<u64>,
    /// `flumen.active-timeout`: write an update about every flow that lives this long, again and again.
    pub active_timeout: Option<Span>,
    /// Whether TCP checksums decide if a segment reaches the session.
    pub checksums: Checksums,
    /// Which frames are looked at; without one, all. The others are counted as filtered.
    pub filter: Option<FrameFilter>,
}

/// Says of a frame whether it is looked at.
#[derive(Clone)]
pub struct FrameFilter(Arc<Takes>);

type Takes = dyn Fn(LinkType, &[u8], u32) -> bool + Send + Sync;

impl FrameFilter {
    /// A filter that asks `takes`, with the link of a frame, its captured bytes and its length on the wire. Called once for
    /// every frame, on the thread that decodes it.
    pub fn new(takes: impl Fn(LinkType, &[u8], u32) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }
    #[inline]
    pub(crate) fn takes(&self, link: LinkType, frame: &[u8], wire_len: u32) -> bool {
        (self.0)(link, frame, wire_len)
    }
}

impl fmt::Debug for FrameFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameFilter(_)")
    }
}

impl EngineConfig {
    /// Settings of the flow table, with those of the engine that it takes a part in: interim records are made if records are
    /// wanted at all.
    pub(crate) fn table(&self, wants_records: bool) -> TableConfig {
        let active_timeout = self.active_timeout.or(self.table.active_timeout).filter(|_| wants_records);
        TableConfig { active_timeout, ..self.table.clone() }
    }
}

/// Numbers of threads, and where they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Workers. With one worker everything runs in packet time on the caller's thread.
    pub workers: usize,
    /// `flow.managers`.
    pub managers: usize,
    /// `flow.recyclers`.
    pub recyclers: usize,
    /// `threading.cpu-affinity`, when `threading.set-cpu-affinity` is on; else the system decides.
    pub affinity: Option<Affinity>,
}

impl Default for Threads {
    fn default() -> Self {
        Self { workers: 1, managers: 1, recyclers: 1, affinity: None }
    }
}

/// `-k`, `stream.checksum-validation` and `pcap-file.checksum-checks` in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Validate unless the first packets show that the capture was made before offloading filled them in.
    #[default]
    Auto,
    /// Validate those of which the capture does not say that it was done, or is still to be.
    Told,
    /// Validate all.
    All,
    /// Validate none.
    None,
}
