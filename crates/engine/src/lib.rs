//! The pipeline.

pub mod config;

pub use config::{Checksums, EngineConfig, Threads};
