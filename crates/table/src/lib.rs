//! The flow table.

pub mod config;

pub use config::{Compat, MemcapPolicy, RateTracking, StateTimeouts, TableConfig, TimeoutClass, Timeouts};
