//! Packet decoding: bytes in, a flow tuple or a stated reason out. Hostile bytes end here.
//!
//! A worker owns a [`Decoder`] and hands it one frame at a time; the answer ([`Decoded`]) is plain data and borrows
//! nothing. A packet inside of a packet is named in the answer ([`Inner`]) and decoded when the worker asks for it
//! ([`Decoder::decode_inner`]), and so is a datagram that the worker has put together ([`Decoder::decode_datagram`]).
//! There is no allocation, no clock, no input or output, no `unsafe`, no dependency.
//!
//! 1. Every packet ends in exactly one of four ways: it belongs to a flow, it is a tunnel without a flow around a packet
//!    that may have one, it is a fragment, or it belongs to no flow for a reason that has a name ([`NonFlow`]).
//! 2. No input panics, and the work is linear in the bytes of a frame.
//! 3. What a header claims is believed only within the bytes that were on the wire; what is read lies within the bytes
//!    that were captured.
//! 4. Which errors end a packet, which only raise an event, and all counters are Suricata's. Where its way of reading is
//!    not the standard's, the line says so. What goes further than it is behind [`DecodeOptions::beyond_suricata`] and
//!    counted apart ([`BeyondCounters`]).
//! 5. Tunnels in tunnels end at [`DecodeOptions::max_layers`], which counts the headers around a packet too.
//!
//! ```
//! use flumen_wire::{DecodeOptions, Decoded, Decoder, LinkType, Ports, Transport};
//!
//! let frame = [
//!     2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, // Ethernet, IPv4 inside
//!     0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4, UDP inside
//!     0x30, 0x39, 0x00, 0x35, 0, 8, 0, 0, // UDP
//! ];
//! let mut decoder = Decoder::new(DecodeOptions::default());
//! let Decoded::Flow(packet) = decoder.decode(LinkType::Ethernet, &frame, 42) else { panic!() };
//! assert!(matches!(packet.transport, Transport::Udp(Ports { src: 12345, dst: 53 })));
//! assert_eq!(decoder.counters.layers.udp, 1);
//! ```
//!
//! Reading order: [`decoder`](Decoder) is the walk, `view` what it walks over, `context` what it gathers, `fast` the
//! shortcut for the common frame; then one file for each protocol, each with a `decode` that looks at one header and says
//! what follows. Link layer: `ethernet`, `ethertype`, `llc`, `vlan`, `tag`, `ieee8021ah`, `mpls`, `nsh`, `ppp`, `pppoe`,
//! `null`, `raw`, `sll`, `chdlc`, `arp`. Network: `ipv4`, `ipv4_options`, `ipv6`, `ipv6_ext`, `ah`, `igmp`. Transport:
//! `tcp`, `udp`, `sctp`, `esp`, `icmpv4`, `icmpv6`, `quoted`. Tunnels: `inner` is what they lead to; `tunnel`, `gre`,
//! `erspan`, `etherip` and `l2tp` over IP; `udp_tunnel` with `teredo`, `geneve`, `vxlan`, `gtpu`, `gue`, `l2tp` and
//! `wireguard` over UDP.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as flumen_wire;
#[cfg(test)]
extern crate std;

mod ah;
mod arp;
mod chdlc;
mod checksum;
mod context;
mod counters;
mod decoded;
mod decoder;
mod erspan;
mod esp;
mod etherip;
mod ethernet;
mod ethertype;
mod event;
mod fast;
mod fast_fragment;
mod geneve;
mod gre;
mod gtpu;
mod gue;
mod icmpv4;
mod icmpv6;
mod ieee8021ah;
mod igmp;
mod inner;
mod ipv4;
mod ipv4_options;
mod ipv6;
mod ipv6_ext;
mod l2tp;
mod link;
mod llc;
mod mpls;
mod non_flow;
mod nsh;
mod null;
mod options;
mod ppp;
mod pppoe;
mod quoted;
mod raw;
mod raw_segment;
mod role;
mod sctp;
mod sll;
mod tag;
mod tcp;
mod teredo;
mod tunnel;
mod udp;
mod udp_tunnel;
mod view;
mod vlan;
mod vxlan;
mod wireguard;

pub use checksum::{tcp_checksum_ok, tcp_segment_ok};
pub use counters::{BeyondCounters, DecodeCounters, FragmentCounters, LayerCounters, SctpCounters};
pub use decoded::*;
pub use decoder::Decoder;
pub use event::Event;
pub use fast::{Straight, Take};
pub use inner::Inner;
pub use link::LinkType;
pub use non_flow::NonFlow;
pub use options::{DecodeOptions, PortList, ReservedBits, TunnelOptions, TunnelPorts};
pub use raw_segment::RawSegment;
pub use role::Role;
