//! Sinks: what becomes of records and statistics.
//!
//! - [`eve`]: EVE JSON into a file or a stream, as Suricata writes it.
//!
//! A sink is owned by one thread, never called under a lock, and never blocks the packet path: it stands behind the
//! recycler's queue.
#![forbid(unsafe_code)]

pub mod eve;
mod text;

pub use eve::{EveConfig, EveWriter};
