//! `flumen.memory-limit`: a ceiling for table, queues and output batches together, kept by arithmetic before the start.
//!
//! Everything but the table has a bound that follows from the configuration; fragments may take an eighth, and the table is
//! given what is left, so nothing has to be counted while packets run. Each holder is one line below.

use flumen_model::FlowRecord;
use flumen_model::source::{BATCH_LEN, Entry};
use flumen_table::{EndedFlow, FlowTable};

use crate::config::EngineConfig;
use crate::manager::ENDED_BATCH;
use crate::relay::AHEAD;
use crate::team::QUEUE_BATCHES;
use crate::vector::{Keyed, VECTOR};

/// Why the limit cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "flumen.memory-limit is {limit} bytes, but program, queues and buffers alone take up to {overhead}, which leaves \
     too little for a flow table"
)]
pub struct BudgetError {
    /// The limit.
    pub limit: u64,
    /// What is needed besides the table.
    pub overhead: u64,
}

/// Program, libraries, stacks as far as they are touched, configuration.
const PROGRAM: u64 = 8 << 20;
/// Buffers of the sinks: each writes out at half a megabyte.
const SINKS: u64 = 4 << 20;
/// Buffers of a stream that is decompressed.
const STREAM: u64 = 8 << 20;
/// What a batch has beside its packets: entries, hashes, lists, and the counters of a front.
const BATCH: u64 = 160 << 10;
/// The piece of a stream that a batch holds until its turn.
const CHUNK: u64 = 256 << 10;
/// Entries of a batch.
const BATCH_ENTRIES: u64 = 4096;
/// A record beside what it holds on the heap.
const RECORD: u64 = size_of::<FlowRecord>() as u64 + 256;
/// The least that makes a table.
const TABLE_MIN: u64 = 1 << 20;

/// The most that is in use besides the table, in bytes.
pub(crate) fn overhead(config: &EngineConfig) -> u64 {
    let workers = config.threads.workers.max(1) as u64;
    // A frame that fills a batch may bring as many packets more as it has layers.
    let inside = u64::from(config.decode.max_layers);
    let batches = if workers > 1 { AHEAD as u64 + workers } else { 0 };
    let decoded = if workers > 1 { batches * (BATCH_LEN as u64 + inside) } else { VECTOR as u64 + inside };
    let queues = if workers > 1 { QUEUE_BATCHES as u64 * ENDED_BATCH as u64 } else { 0 };
    let walkers = if workers > 1 { config.threads.managers.max(1) as u64 } else { 1 };
    let updates = if config.active_timeout.is_some() { walkers * FlowTable::UPDATES_MAX as u64 } else { 0 };
    PROGRAM
        + SINKS
        + STREAM
        + BATCH_ENTRIES * size_of::<Entry>() as u64
        + decoded * size_of::<Keyed>() as u64
        + batches * (BATCH + CHUNK)
        + fragments(config)
        + queues * size_of::<EndedFlow>() as u64
        + queues * RECORD
        + updates * RECORD
        + workers * (1 << 20)
}

/// The memcap of fragments: what is configured, or an eighth of the limit if that is less.
pub(crate) fn fragments(config: &EngineConfig) -> u64 {
    let share = config.memory_limit.map_or(u64::MAX, |limit| limit / 8);
    config.defrag.memcap.min(share)
}

/// The memcap of the table: what is configured, or what the limit leaves if that is less.
///
/// # Errors
/// When the limit leaves too little for a table.
pub(crate) fn memcap(config: &EngineConfig) -> Result<u64, BudgetError> {
    let Some(limit) = config.memory_limit else { return Ok(config.table.memcap) };
    let overhead = overhead(config);
    match limit.checked_sub(overhead) {
        // Ended flows that wait to be written are listed beside the table: less than a fifth of what a flow takes.
        Some(left) if left >= TABLE_MIN => Ok(config.table.memcap.min(left - left / 5)),
        _ => Err(BudgetError { limit, overhead }),
    }
}

/// What becomes of a memcap that is set while the engine runs: no more than the limit leaves.
pub(crate) fn memcap_of(config: &EngineConfig, bytes: u64) -> u64 {
    let mut wanted = config.clone();
    wanted.table.memcap = bytes;
    // The limit left enough at the start.
    memcap(&wanted).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_gets_what_the_limit_leaves_and_never_more_than_its_memcap() {
        let mut config = EngineConfig::default();
        assert_eq!(memcap(&config), Ok(config.table.memcap));
        config.memory_limit = Some(1 << 40);
        assert_eq!(memcap(&config), Ok(config.table.memcap));
        config.memory_limit = Some(64 << 20);
        let left = memcap(&config).expect("enough");
        assert!(left < 64 << 20 && left + overhead(&config) <= 64 << 20);
        assert_eq!(fragments(&config), 8 << 20);
        assert_eq!((memcap_of(&config, 1 << 40), memcap_of(&config, 1 << 21)), (left, 1 << 21));
        config.memory_limit = Some(1 << 20);
        assert!(memcap(&config).is_err());
    }
}
