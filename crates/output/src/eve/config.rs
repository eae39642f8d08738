//! What the EVE writer is told.

use super::address::Ipv6Form;
use super::community_id::CommunityId;
use std::path::PathBuf;

/// Settings of the EVE writer; the names of the configuration keys are in parentheses.
#[derive(Clone, Debug)]
pub struct EveConfig {
    /// Name of the file in the log directory, or an absolute path (`filename`).
    pub filename: PathBuf,
    /// What happens to a file that is there already (`append`).
    pub existing: ExistingFile,
    /// Write one `flow` event a record (`types: - flow`).
    pub flow: bool,
    /// Write one `netflow` event a direction of a record (`types: - netflow`).
    pub netflow: bool,
    /// Write an `anomaly` event for every decoder event (`types: - anomaly`).
    pub anomaly: bool,
    /// Write `stats` events (`types: - stats`).
    pub stats: Option<StatsConfig>,
    /// Write `community_id` (`community-id`, `community-id-seed`).
    pub community_id: Option<CommunityId>,
    /// How IPv6 addresses are written (`ipv6-compress`).
    pub ipv6: Ipv6Form,
    /// Write the MAC addresses of records that have them (`ethernet`).
    pub ethernet: bool,
    /// Name of the sensor, written as `host` at the end of every event (`sensor-name`).
    pub host: Option<String>,
    /// Write where flows stand among tunnels: `parent_id` and the object `tunnel`. Suricata has neither.
    pub tunnels: bool,
    /// Write what Flumen knows beyond Suricata's fields, all of it below the key `flumen` (`extended`).
    pub extended: bool,
}

impl Default for EveConfig {
    /// `flow` and `stats` events into `eve.json`, as Suricata without options writes them.
    fn default() -> Self {
        Self {
            filename: PathBuf::from("eve.json"),
            existing: ExistingFile::default(),
            flow: true,
            netflow: false,
            anomaly: false,
            stats: Some(StatsConfig::default()),
            community_id: None,
            ipv6: Ipv6Form::default(),
            ethernet: false,
            host: None,
            tunnels: true,
            extended: false,
        }
    }
}

/// What happens to a log file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingFile {
    /// New events follow the old ones: nothing that was recorded is lost.
    #[default]
    Append,
    /// The old events are discarded.
    Truncate,
}

/// What a `stats` event holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsConfig {
    /// Write the counters summed over all threads (`totals`).
    pub totals: bool,
    /// Write counters that are zero (`null-values`).
    pub null_values: bool,
    /// After each counter write what it gained since the event before, as `<name>_delta` (`deltas`).
    pub deltas: bool,
}

impl Default for StatsConfig {
    fn default() -> Self {
        Self { totals: true, null_values: true, deltas: false }
    }
}
