//! The pipeline from a packet source to a record sink: it owns threads, their start, stop and order.
//!
//! [`run`] reads a source to its end. Read `pipeline` first: it has the stages in the order of the path.
#![forbid(unsafe_code)]

mod checksums;
pub mod config;
mod pipeline;
mod recorder;
mod run;
mod stats;
mod vector;

pub use config::{Checksums, EngineConfig, Threads};
pub use run::{RunError, RunReport, run};
