//! The flow table: bounded, reference-counted, deterministic. Time and randomness are arguments; there are no threads,
//! no clock and no input or output here.
//!
//! A packet's way: [`PacketKey::of`] says which flow it has to do with, [`FlowTable::hash`] where that is,
//! [`FlowLookup::lock`] locks the row, and [`RowGuard::packet`] finds or makes the flow and counts the packet. What ends
//! comes out as an [`EndedFlow`], becomes a record ([`EndedFlow::record`]) and is given back ([`FlowLookup::recycle`]).
//! [`FlowTable::sweep`] ends what no packet meets any more; [`FlowTable::updates`] tells of what goes on.
//!
//! Read `flow` for what a flow is, `bucket` for a row, `storage` for where flows live, `lookup` for the way through.
// Flows are reached by number under a row's lock and recycled without being dropped: `storage` says why, and why it is
// sound. Every other module that needs `unsafe` only vouches for such a lock.
#![allow(unsafe_code)]

mod account;
mod bucket;
pub mod config;
mod counters;
pub mod defrag;
mod emergency;
mod flow;
mod forced;
mod guard;
mod hash;
mod inspect;
mod key;
mod lanes;
mod lookup;
#[cfg(all(test, loom))]
mod loom_tests;
mod memcap;
mod pool;
mod prefetch;
mod prim;
mod record;
mod rows;
mod side;
mod storage;
mod table;
mod tcp;
mod updates;
mod usual;

pub use bucket::Hint;
pub use config::{Compat, MemcapPolicy, RateTracking, StateTimeouts, TableConfig, TimeoutClass, Timeouts, TrackTunnel};
pub use counters::{EndCounters, LookupCounters};
pub use defrag::{
    Datagram, Defrag, DefragConfig, DefragCounters, DropReason, HostPolicies, Incomplete, Network, Outcome,
    OverlapPolicy,
};
pub use flow::{Flow, FlowView, PROTO_TCP, PROTO_UDP};
pub use guard::{FlowGuard, FlowRef};
pub use hash::{FlowHash, HashSecret};
pub use inspect::{Place, Resident};
pub use key::{Message, PacketKey, straight_key};
pub use lookup::{FlowLookup, PacketView, RowGuard, Verdict};
pub use prefetch::ask_memory;
pub use record::FlowIds;
pub use storage::{EndedFlow, Remaining, SlotId};
pub use table::{FlowTable, SweepCounts, TableError};
pub use usual::{PlainPacket, Rare, Says};
