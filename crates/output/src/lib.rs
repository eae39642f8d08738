//! Sinks: what becomes of records and statistics.
//!
//! - [`eve`]: EVE JSON into a file or a stream, as Suricata writes it.
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

pub mod eve;
mod outcome;
pub mod summary;
mod tee;
mod text;

pub use eve::{EveConfig, EveWriter};
pub use summary::Summary;
pub use tee::Tee;
