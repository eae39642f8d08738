//! Seeded simulation of the whole flow engine in packet time: no threads, no clock, no chance but the seed's.
//!
//! A seed draws a [`Plan`] (sizes, limits, numbers of workers, managers and recyclers), random traffic for it, and then
//! who does the next step: a worker takes a vector of packets, a manager sweeps a part of the table, a recycler makes
//! records, somebody outside takes or drops references, the memcap changes. Here and there an actor does badly on
//! purpose. After every step the place of every slot is taken down and all [`Law`]s are checked; what a calm run
//! recorded is compared with a single worker's records and with a slow obvious model.
//!
//! [`run_threads`] sends the same traffic through the real engine with several threads and with one.
//!
//! Read `world` for the steps, `census` and `book` for the laws, `plan` and `packets` for what is drawn, `model` for what
//! records must say, [`Probe`] for the rare paths that runs must have come by.
//!
//! ```
//! let summary = sim::run_twice(7, 100).expect("a seed that breaks no law");
//! assert!(summary.records > 0);
//! ```
#![forbid(unsafe_code)]

mod actors;
mod book;
mod census;
mod frame;
mod law;
mod model;
mod packets;
mod plan;
mod run;
mod threads;
mod world;

pub use law::{Law, Probe, Probes, Violation};
pub use plan::{Ending, Nature, Plan, STEPS, Share};
pub use run::{Failure, Summary, Way, run, run_twice};
pub use threads::run_threads;
