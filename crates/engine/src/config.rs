//! What the engine can be told beyond the table's own settings.

use flumen_model::Span;
use flumen_table::{DefragConfig, MemcapPolicy, TableConfig};
use flumen_wire::DecodeOptions;

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
}

impl EngineConfig {
    /// Settings of the flow table, with those of the engine that it takes a part in.
    pub(crate) fn table(&self) -> TableConfig {
        TableConfig { active_timeout: self.active_timeout.or(self.table.active_timeout), ..self.table.clone() }
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
    /// Validate all.
    All,
    /// Validate none.
    None,
}
