//! What the EVE writer is told.

use super::address::Ipv6Form;
use super::community_id::CommunityId;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Names of the interfaces of a live capture, written as `in_iface`.
    pub devices: DeviceNames,
    /// Write where flows stand among tunnels: `parent_id` and the object `tunnel`. Suricata has neither.
    pub tunnels: bool,
    /// Write what Flumen knows beyond Suricata's fields, all of it below the key `flumen` (`extended`).
    pub extended: bool,
}

impl EveConfig {
    /// Whether there is an event that is made of a record.
    pub(crate) const fn wants_flows(&self) -> bool {
        self.flow || self.netflow
    }
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
            devices: DeviceNames::default(),
            tunnels: true,
            extended: false,
        }
    }
}

/// Names for the numbers of interfaces. Without one nothing is written.
#[derive(Clone, Default)]
pub struct DeviceNames(Option<Arc<NameOf>>);

type NameOf = dyn Fn(u16) -> Option<String> + Send + Sync;

impl DeviceNames {
    /// No names.
    pub const NONE: Self = Self(None);

    /// Names that `name_of` knows. It is asked once for each number that it knows, and again for those it does not.
    pub fn new(name_of: impl Fn(u16) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(name_of)))
    }
    pub(super) fn are_known(&self) -> bool {
        self.0.is_some()
    }
    pub(super) fn of(&self, device: u16) -> Option<String> {
        self.0.as_ref().and_then(|name_of| name_of(device))
    }
}

impl fmt::Debug for DeviceNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "DeviceNames(_)" } else { "DeviceNames(none)" })
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
