//! EVE JSON: one object a line, field for field as Suricata writes it.
//!
//! - [`EveWriter`]: the sink. Encodes records into a buffer of lines and writes whole buffers.
//! - [`EveConfig`]: what it is told.
//! - [`EveFile`]: the file in a log directory that can be reopened when it was rotated, or rotates by itself
//!   ([`Rotation`]), and the [`Keeper`] that has it end with a whole line though its writer is killed.
//!
//! What is not known to a sensor without rules and application parsers is left out (`app_proto` of flows, `tx_cnt`,
//! `metadata`), or written as Suricata writes it when it finds nothing (`alerted`, `app_proto` of netflows). What
//! Suricata does not know stands below the key `flumen`. Time stamps are always in UTC.

mod address;
mod anomaly;
mod clock;
mod community_id;
mod config;
mod encode;
mod file;
mod flow;
mod keeper;
mod netflow;
mod piece;
mod protocol;
mod rotation;
mod stats;
mod writer;

pub use address::Ipv6Form;
pub use clock::time_text;
pub use community_id::{CommunityId, Rule as CommunityIdRule};
pub use config::{DeviceNames, EveConfig, ExistingFile, StatsConfig};
pub use file::{EveFile, OpenError, Reopen};
pub use keeper::{Keeper, keep};
pub use rotation::{Interval, Rotation};
pub use writer::{BUFFER_BYTES, EveWriter};

pub(crate) use address::append as append_address;
pub(crate) use clock::Clock;
pub(crate) use protocol::name as protocol_name;
