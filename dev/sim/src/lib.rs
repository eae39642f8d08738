//! Seeded simulation of the whole flow engine in packet time.
#![forbid(unsafe_code)]

mod actors;
mod book;
mod census;
mod law;
mod model;
mod packets;
mod plan;
mod run;
mod world;

pub use law::{Law, Probe, Probes, Violation};
pub use plan::{Ending, Nature, Plan, STEPS, Share};
pub use run::{Failure, Summary, run, run_twice};
