//! Building packets, from the outside in, with every length, next-protocol field and checksum right unless asked otherwise.
//!
//! ```
//! use traffic::{Packet, Tcp, flags};
//! let frame = Packet::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
//!     .vlan(7)
//!     .ipv4([10, 0, 0, 1], [10, 0, 0, 2])
//!     .tcp(Tcp { src: 40_000, dst: 80, seq: 1, flags: flags::SYN, ..Tcp::default() })
//!     .build();
//! assert_eq!(frame.len(), 14 + 4 + 20 + 20);
//! ```
//!
//! A layer that is added sets the next-protocol field of the layer before it. The frame itself is put together from the
//! inside out, when it is built ([`Packet::build_in`] a pool, or [`Packet::build`] for its bytes alone).

mod build;
mod gre;
mod l2tp;
mod link;
mod network;
mod overlay;
mod service;
mod transport;

use std::cell::Cell;

pub use gre::Gre;
pub use l2tp::L2tp;
pub use network::{fragments_v4, fragments_v6};
pub use overlay::{Gtp, WireGuard};
pub use transport::{Tcp, flags, options};

/// A packet to be built: its headers, and what is to be wrong with it.
// One pointer wide, since each step of building moves it.
#[derive(Clone, Debug)]
pub struct Packet(Box<Draft>);

#[derive(Clone, Default, Debug)]
struct Draft {
    /// Headers and payloads in the order of the frame; lengths and checksums are not filled in.
    bytes: Vec<u8>,
    layers: Vec<Layer>,
    patches: Vec<(usize, Vec<u8>)>,
    damages: Vec<(usize, Vec<u8>)>,
    cut: Option<usize>,
    len_min: usize,
}

/// A header in the packet: what it is, where it begins, how long it is.
#[derive(Clone, Copy, Debug)]
struct Layer {
    kind: Kind,
    start: usize,
    len: usize,
}

/// Headers that something is to be filled in for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A header of which nothing depends on what follows.
    Plain,
    Ethernet,
    /// VLAN, C-HDLC, GRE, cooked capture and others: an Ethernet type at this offset.
    EtherTypeAt(u8),
    /// An IP protocol number at this offset: IPv6 extension headers, AH.
    ProtocolAt(u8),
    /// A PPP protocol number at this offset.
    PppAt(u8),
    Pppoe,
    Null,
    Mpls,
    /// A protocol number of NSH and VXLAN-GPE at this offset.
    ServiceAt(u8),
    /// IEEE 802.3: a length in place of the Ethernet type.
    Sized,
    GreSummed,
    Pptp,
    Gtp,
    L2tp,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Icmp,
    Icmp6,
    Igmp,
    Sctp,
}

/// By which numbers the layer before names a protocol; 0 where it has none.
#[derive(Clone, Copy, Default, Debug)]
struct Names {
    ether_type: u16,
    protocol: u8,
    ppp: u16,
}

thread_local! {
    /// The draft of the packet that was built last, empty again: the next packet takes it and need not allocate.
    static SPARE: Cell<Option<Box<Draft>>> = const { Cell::new(None) };
}

impl Packet {
    /// A packet of nothing yet: for link types that begin with the IP header.
    #[must_use]
    pub fn bare() -> Self {
        Self(SPARE.take().unwrap_or_default())
    }

    /// Adds payload, or any bytes that need nothing filled in.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.0.bytes.extend_from_slice(bytes);
        self
    }

    /// Replaces bytes at `offset` of the last header before checksums are made.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        let at = self.last_start() + offset;
        self.0.patches.push((at, bytes.to_vec()));
        self
    }

    /// Replaces bytes at `offset` of the last header after checksums are made.
    #[must_use]
    pub fn damage(mut self, offset: usize, bytes: &[u8]) -> Self {
        let at = self.last_start() + offset;
        self.0.damages.push((at, bytes.to_vec()));
        self
    }

    /// Cuts the frame to `len` bytes from the start of the last header.
    #[must_use]
    pub fn cut(mut self, len: usize) -> Self {
        let at = self.last_start() + len;
        self.0.cut = Some(at);
        self
    }

    /// Pads the frame with zeros to the 60 bytes that Ethernet sends at least.
    #[must_use]
    pub fn padded(mut self) -> Self {
        self.0.len_min = 60;
        self
    }

    /// Offset of the last header.
    fn last_start(&self) -> usize {
        self.0.layers.last().map_or(0, |layer| layer.start)
    }

    /// Length of the last header; 0 without one.
    pub(crate) fn last_header_len(&self) -> usize {
        self.0.layers.last().map_or(0, |layer| layer.len)
    }

    /// Leaves its draft to the next packet of the thread.
    fn recycle(self) {
        let mut draft = self.0;
        draft.bytes.clear();
        draft.layers.clear();
        draft.patches.clear();
        draft.damages.clear();
        (draft.cut, draft.len_min) = (None, 0);
        SPARE.set(Some(draft));
    }

    /// Adds a header and names it in the one before.
    fn layer(mut self, kind: Kind, names: Names, header: &[u8]) -> Self {
        if let Some(&before) = self.0.layers.last() {
            self.name_next(before, kind, names);
        }
        self.0.layers.push(Layer { kind, start: self.0.bytes.len(), len: header.len() });
        self.0.bytes.extend_from_slice(header);
        self
    }

    fn name_next(&mut self, before: Layer, kind: Kind, names: Names) {
        let start = before.start;
        match before.kind {
            Kind::Ethernet => self.put(start + 12, &names.ether_type.to_be_bytes()),
            Kind::GreSummed => self.put(start + 2, &names.ether_type.to_be_bytes()),
            Kind::EtherTypeAt(at) => self.put(start + usize::from(at), &names.ether_type.to_be_bytes()),
            Kind::ProtocolAt(at) => self.put(start + usize::from(at), &[names.protocol]),
            Kind::PppAt(at) => self.put(start + usize::from(at), &names.ppp.to_be_bytes()),
            Kind::Pppoe => self.put(start + 6, &names.ppp.to_be_bytes()),
            Kind::Ipv4 => self.put(start + 9, &[names.protocol]),
            Kind::Ipv6 => self.put(start + 6, &[names.protocol]),
            Kind::Null => {
                let family: u32 = if names.ether_type == link::ETHER_IPV6 { 30 } else { 2 };
                self.put(start, &family.to_le_bytes());
            }
            // The bottom-of-stack bit is set in each label until another follows.
            Kind::Mpls if kind == Kind::Mpls => self.0.bytes[start + 2] &= !1,
            Kind::ServiceAt(at) => self.put(start + usize::from(at), &[service::next_protocol(names.ether_type)]),
            _ => {}
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
