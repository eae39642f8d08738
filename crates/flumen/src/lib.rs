//! The command `flumen`: command line, configuration, and the wiring of the other crates.
//!
//! - [`config`]: from `suricata.yaml`, `--set` and options to [`Settings`](config::Settings).
#![forbid(unsafe_code)]

pub mod config;
