//! Packet decoding: bytes in, a flow tuple or a stated reason out. Hostile bytes end here.
#![no_std]
#![forbid(unsafe_code)]

mod decoded;
mod event;
mod link;
mod non_flow;

pub use decoded::*;
pub use event::Event;
pub use link::LinkType;
pub use non_flow::NonFlow;
