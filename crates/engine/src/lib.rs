//! The pipeline from a packet source to a record sink: it owns threads, their start, stop and order.
//!
//! [`run`] reads a source to its end, [`run_live`] captures from several. Read `pipeline` first: it has the stages in the
//! order of the path. Then `single`, which drives it in packet time on one thread; `team`, the threads beside several
//! workers; and the two kinds of them: `parallel`, which share a source, and `live`, which have one each.
#![forbid(unsafe_code)]

pub mod affinity;
mod ahead;
mod budget;
mod checksums;
mod clock;
pub mod config;
mod feed;
mod front;
mod keyer;
mod live;
mod manager;
mod monitor;
mod pacer;
mod parallel;
mod pipeline;
mod prim;
mod queue;
mod recorder;
mod relay;
mod run;
mod single;
mod stats;
mod team;
mod vector;

pub use affinity::{Affinity, CpuSet, PinError, Placement, Role, Sharing};
pub use budget::BudgetError;
pub use config::{Checksums, EngineConfig, FrameFilter, Threads};
pub use live::{CaptureCounters, Live, LiveSource};
pub use monitor::{Monitor, Pulse, WorkerTally};
pub use run::{Contention, Emergencies, RunError, RunReport, run, run_live, run_monitored};
