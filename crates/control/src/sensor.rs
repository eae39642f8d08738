//! What a running sensor offers to those who look into it.

use std::path::PathBuf;

use flumen_model::sink::Stats;
use flumen_model::{FlowRecord, Timestamp};

/// A running sensor, as the control socket sees it.
///
/// Called from the server's thread, one call at a time. A call must end within moments and must not wait for a client:
/// what takes long ([`Sensor::shutdown`], [`Sensor::reopen_log_files`]) is begun, not finished.
pub trait Sensor: Send + Sync {
    /// `version`: version of the program.
    fn version(&self) -> String;
    /// `uptime`: seconds since the start.
    fn uptime_secs(&self) -> u64;
    /// `running-mode`: how the threads are arranged, `workers` or `single`.
    fn running_mode(&self) -> String;
    /// `capture-mode`: where packets come from, by Suricata's names: `AF_PACKET_DEV`, `PCAP_FILE`, `UNIX_SOCKET`.
    fn capture_mode(&self) -> String;
    /// `shutdown`: begins to end the run.
    fn shutdown(&self);
    /// `conf-get`: the effective value of a key of the configuration by its dotted name.
    fn configuration(&self, key: &str) -> Option<String>;
    /// `dump-counters`: all counters as they are now.
    ///
    /// # Errors
    /// When the engine cannot be asked, because it has not begun or has ended.
    fn stats(&self) -> Result<Stats, Unavailable>;
    /// `iface-list`: the interfaces, in the order of the configuration.
    fn interfaces(&self) -> Vec<String>;
    /// `iface-stat`: what came in through an interface; `None` when there is none of that name.
    fn interface(&self, name: &str) -> Option<InterfaceCounters>;
    /// `memcap-list`, `memcap-show`: the memory limits there are.
    fn memcaps(&self) -> Vec<Memcap>;
    /// `memcap-set`: a new limit for one of [`Sensor::memcaps`], in bytes.
    ///
    /// # Errors
    /// When the limit stays as it was.
    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal>;
    /// `get-flow-stats-by-id`: what is known of a flow that has not ended; `None` when there is none with that id.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    fn flow(&self, id: u64) -> Result<Option<FlowRecord>, Unavailable>;
    /// `reopen-log-files`: asks every output to open its file again under the same name.
    ///
    /// # Errors
    /// Why it cannot be asked for.
    fn reopen_log_files(&self) -> Result<(), String>;
    /// The queue of captures when the sensor serves one; without it the `pcap-` commands do not exist.
    fn pcaps(&self) -> Option<&dyn Pcaps> {
        None
    }
}

/// The captures that a sensor in serve mode works through, one after the other.
pub trait Pcaps: Send + Sync {
    /// `pcap-file`: adds a capture, or a directory of captures, to the end of the queue, of which the implementation
    /// bounds the length.
    ///
    /// # Errors
    /// Why it was not added: no such file, no such output directory.
    fn add(&self, job: PcapJob) -> Result<(), String>;
    /// `pcap-file-list`, `pcap-file-number`: what waits. The one that is being read does not.
    fn waiting(&self) -> Vec<PathBuf>;
    /// `pcap-current`: what is being read.
    fn current(&self) -> Option<PathBuf>;
    /// `pcap-last-processed`: when the last capture that was read to its end had been written to.
    fn last_processed(&self) -> Option<Timestamp>;
    /// `pcap-interrupt`: begins to end the one that is being read; `false` when there is none.
    fn interrupt(&self) -> bool;
}

/// A capture or a directory of captures to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcapJob {
    /// The capture or the directory (`filename`).
    pub input: PathBuf,
    /// Where its records go (`output-dir`).
    pub output: PathBuf,
    /// Whose it is (`tenant`).
    pub tenant: Option<u32>,
    /// The directory is watched for more captures until it is interrupted (`continuous`).
    pub continuous: bool,
    /// Captures are deleted once they have been read to their end (`delete-when-done`).
    pub delete_when_done: bool,
    /// Seconds for which a capture must not have grown before it is read, in a directory that is watched (`delay`).
    pub delay_secs: u64,
    /// Seconds between two looks into a directory that is watched (`poll-interval`).
    pub poll_interval_secs: u64,
}

/// What came in through an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Packets captured.
    pub packets: u64,
    /// Packets whose transport checksum was wrong.
    pub invalid_checksums: u64,
    /// Packets that the kernel had no room for.
    pub dropped: u64,
    /// Packets of flows that were bypassed.
    pub bypassed: u64,
}

/// A memory limit that can be looked at and changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memcap {
    /// Suricata's name of it: `flow`, `defrag`.
    pub name: &'static str,
    /// The limit in bytes; 0 is none.
    pub bytes: u64,
}

/// Why a memory limit stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemcapRefusal {
    /// So many bytes are in use, which is more than the new limit.
    InUse(u64),
    /// There has to be a limit.
    Unlimited,
    /// Another reason, in words.
    Other(String),
}

/// The engine cannot be asked, for the reason given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);
