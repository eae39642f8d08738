//! Deterministic generator of realistic and hostile captures.
//!
//! Five parts, each usable by itself:
//! - [`Packet`]: builds one frame, layer by layer, with right lengths and checksums, or wrong ones on purpose;
//! - [`Session`] and [`Ends`]: a TCP or UDP conversation between two ends;
//! - [`FramePool`]: the packet buffers that frames are built in;
//! - [`arbitrary`]: packets out of the bytes of a fuzzer;
//! - [`scenario`]: named captures, written as a stream to a [`FrameSink`]. Memory is bounded by the conversations in
//!   progress, never by the length of the capture.
//!
//! The same scenario, seed and options give the same bytes on every machine: randomness comes from [`Rng`] alone, time
//! from constants, and there is no floating point.
#![forbid(unsafe_code)]

pub mod arbitrary;
mod capture;
pub mod checksum;
mod frames;
mod link;
mod packet;
mod rng;
pub mod scenario;
mod schedule;
mod session;

pub use capture::{ByteOrder, Frame, FrameSink, PcapShape, PcapWriter, PcapngWriter, Resolution};
pub use frames::FramePool;
pub use link::Link;
pub use packet::{Gre, Gtp, L2tp, Packet, Tcp, WireGuard, flags, fragments_v4, fragments_v6, options};
pub use rng::{Rng, splitmix};
pub use schedule::Schedule;
pub use session::{Ends, Session, Side, mac_of};
