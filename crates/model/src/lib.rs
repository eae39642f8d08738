//! The nouns that Flumen's crates share, and the two ports of the pipeline.
//!
//! - [`time`]: [`Timestamp`] and [`Span`], nanoseconds.
//! - [`key`]: [`FlowKey`], [`Direction`]: who talks to whom.
//! - [`record`]: [`FlowRecord`], what is known of a flow when it has ended.
//! - [`counters`]: named counters as the `stats` event carries them.
//! - [`ledger`]: [`Ledger`], where every packet and byte went.
//! - [`source`]: [`PacketSource`], the port through which packets come in; [`PacketBatch`].
//! - [`sink`]: [`RecordSink`], the port through which records go out.
//!
//! No input or output, no threads, no clock: this crate only says what things are.
#![forbid(unsafe_code)]

pub mod counters;
pub mod key;
pub mod ledger;
pub mod record;
pub mod sink;
pub mod source;
pub mod time;

pub use counters::Counters;
pub use flumen_wire::{Address, IpVersion, LinkType, Macs, Ports, TcpFlags, Tunnel, TunnelKind, VlanTags};
pub use key::{Direction, FlowKey};
pub use ledger::{KernelTally, Ledger, Tally};
pub use record::{EndReason, FlowRecord, FlowState, TcpState};
pub use sink::{RecordSink, SinkError};
pub use source::{PacketBatch, PacketSource, SourceError};
pub use time::{Span, Timestamp};
