//! Sinks: what becomes of records and statistics.
//!
//! - [`eve`]: EVE JSON into a file or a stream, as Suricata writes it.
//! - [`LiveLog`]: a log of a live sensor: a file, a Unix socket or standard output, behind a spool.
//! - [`spool`]: lines that wait in memory for an output that is slow, full or away: what a live sensor writes through.
//! - [`StatsLog`]: counters as a table, as in Suricata's `stats.log`.
//! - [`prometheus`]: counters in the text format of Prometheus.
//! - [`summary`]: what a run was about, for a person at a terminal.
//! - [`Tee`]: several sinks at once.
//!
//! A sink is owned by one thread, never called under a lock, and never blocks the packet path: it stands behind the
//! recycler's queue. Whoever wants a sink back after the run (a [`Summary`], to render it) hands over `&mut` of it.
//!
//! ```
//! use flumen_model::sink::{RecordSink, Stats};
//! use flumen_output::eve::{EveConfig, EveWriter};
//!
//! let mut lines = Vec::new();
//! let mut sink = EveWriter::new(&mut lines, "memory", EveConfig::default());
//! sink.stats(&Stats::default())?;
//! sink.finish()?;
//! assert!(lines.starts_with(br#"{"timestamp":"1970-01-01T00:00:00.000000+0000","event_type":"stats""#));
//! # Ok::<(), flumen_model::SinkError>(())
//! ```
#![forbid(unsafe_code)]

mod digits;
pub mod eve;
mod line;
mod live;
mod outcome;
pub mod prometheus;
pub mod spool;
mod stats_log;
pub mod summary;
mod surroundings;
mod tee;
mod text;

pub use eve::{EveConfig, EveWriter};
pub use live::{LiveLog, OpenLog, Target};
pub use spool::{Spool, Steady};
pub use stats_log::{StatsLog, StatsLogConfig};
pub use summary::Summary;
pub use surroundings::{Tell, WallClock};
pub use tee::Tee;
