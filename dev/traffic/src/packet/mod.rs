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
//! A layer that is added sets the next-protocol field of the layer before it. What depends on later bytes is done in
//! [`Packet::build`], in this order: lengths, then [patches](Packet::patch), then checksums from the inside out, then
//! [damage](Packet::damage), then cutting or padding. So a patched field is covered by a right checksum: one thing is
//! wrong at a time.

mod link;
mod network;
mod transport;
mod tunnel;

pub use network::{fragments_v4, fragments_v6};
pub use transport::{Tcp, flags, options};

use crate::checksum;

/// A packet being built.
#[derive(Clone, Default, Debug)]
pub struct Packet {
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
    EtherTypeAt(usize),
    /// An IP protocol number at this offset: IPv6 extension headers, AH.
    ProtocolAt(usize),
    /// A PPP protocol number at this offset.
    PppAt(usize),
    Pppoe,
    Null,
    Mpls,
    Nsh,
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

impl Packet {
    /// A packet of nothing yet: for link types that begin with the IP header.
    #[must_use]
    pub fn bare() -> Self {
        Self { bytes: Vec::with_capacity(128), layers: Vec::with_capacity(4), ..Self::default() }
    }

    /// Adds payload, or any bytes that need nothing filled in.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Replaces bytes at `offset` of the last header before checksums are made.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.patches.push((self.last_start() + offset, bytes.to_vec()));
        self
    }

    /// Replaces bytes at `offset` of the last header after checksums are made.
    #[must_use]
    pub fn damage(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.damages.push((self.last_start() + offset, bytes.to_vec()));
        self
    }

    /// Cuts the frame to `len` bytes from the start of the last header.
    #[must_use]
    pub fn cut(mut self, len: usize) -> Self {
        self.cut = Some(self.last_start() + len);
        self
    }

    /// Pads the frame with zeros to the 60 bytes that Ethernet sends at least.
    #[must_use]
    pub const fn padded(mut self) -> Self {
        self.len_min = 60;
        self
    }

    /// Offset of the last header.
    fn last_start(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.start)
    }

    /// The frame.
    ///
    /// # Panics
    /// When a patch or damage lies outside the frame, or a length does not fit its field.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        for at in (0..self.layers.len()).rev() {
            self.fill_length(self.layers[at]);
        }
        for (at, patch) in std::mem::take(&mut self.patches) {
            self.bytes[at..at + patch.len()].copy_from_slice(&patch);
        }
        for at in (0..self.layers.len()).rev() {
            self.fill_checksum(at);
        }
        for (at, damage) in std::mem::take(&mut self.damages) {
            self.bytes[at..at + damage.len()].copy_from_slice(&damage);
        }
        if let Some(len) = self.cut {
            self.bytes.truncate(len);
        }
        if self.bytes.len() < self.len_min {
            self.bytes.resize(self.len_min, 0);
        }
        self.bytes
    }

    /// Adds a header and names it in the one before.
    fn layer(mut self, kind: Kind, names: Names, header: &[u8]) -> Self {
        if let Some(&before) = self.layers.last() {
            self.name_next(before, kind, names);
        }
        self.layers.push(Layer { kind, start: self.bytes.len(), len: header.len() });
        self.bytes.extend_from_slice(header);
        self
    }

    fn name_next(&mut self, before: Layer, kind: Kind, names: Names) {
        let start = before.start;
        match before.kind {
            Kind::Ethernet => self.put(start + 12, &names.ether_type.to_be_bytes()),
            Kind::EtherTypeAt(at) => self.put(start + at, &names.ether_type.to_be_bytes()),
            Kind::ProtocolAt(at) => self.put(start + at, &[names.protocol]),
            Kind::PppAt(at) => self.put(start + at, &names.ppp.to_be_bytes()),
            Kind::Pppoe => self.put(start + 6, &names.ppp.to_be_bytes()),
            Kind::Ipv4 => self.put(start + 9, &[names.protocol]),
            Kind::Ipv6 => self.put(start + 6, &[names.protocol]),
            Kind::Null => {
                let family: u32 = if names.ether_type == link::ETHER_IPV6 { 30 } else { 2 };
                self.put(start, &family.to_le_bytes());
            }
            // The bottom-of-stack bit is set in each label until another follows.
            Kind::Mpls if kind == Kind::Mpls => self.bytes[start + 2] &= !1,
            Kind::Nsh => {
                let next = match names.ether_type {
                    link::ETHER_IPV4 => 1,
                    link::ETHER_IPV6 => 2,
                    tunnel::ETHER_BRIDGED => 3,
                    link::ETHER_MPLS => 5,
                    _ => 0,
                };
                self.put(start + 3, &[next]);
            }
            _ => {}
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn fill_length(&mut self, layer: Layer) {
        let rest = self.bytes.len() - layer.start;
        let (at, len) = match layer.kind {
            Kind::Ipv4 => (2, rest),
            Kind::Ipv6 => (4, rest - 40),
            Kind::Udp => (4, rest),
            Kind::Pppoe => (4, rest - 6),
            _ => return,
        };
        let len = u16::try_from(len).expect("a packet of at most 65,535 bytes");
        self.put(layer.start + at, &len.to_be_bytes());
    }

    fn fill_checksum(&mut self, index: usize) {
        let layer = self.layers[index];
        let at = layer.start;
        let message = &self.bytes[at..];
        match layer.kind {
            Kind::Ipv4 => {
                let sum = checksum::internet(&[&message[..layer.len]]);
                self.put(at + 10, &sum.to_be_bytes());
            }
            Kind::Tcp => {
                let sum = self.with_pseudo_header(index, 6);
                self.put(at + 16, &sum.to_be_bytes());
            }
            Kind::Udp => {
                // A sum of zero is sent as all ones: zero says that there is none (RFC 768).
                let sum = self.with_pseudo_header(index, 17);
                self.put(at + 6, &if sum == 0 { 0xffff } else { sum }.to_be_bytes());
            }
            Kind::Icmp6 => {
                let sum = self.with_pseudo_header(index, 58);
                self.put(at + 2, &sum.to_be_bytes());
            }
            Kind::Icmp | Kind::Igmp => {
                let sum = checksum::internet(&[message]);
                self.put(at + 2, &sum.to_be_bytes());
            }
            Kind::Sctp => {
                let sum = checksum::crc32c(message);
                self.put(at + 8, &sum.to_le_bytes());
            }
            _ => {}
        }
    }

    /// Checksum of the message of layer `index` with the pseudo header of the IP header around it
    /// (RFC 9293 §3.1, RFC 8200 §8.1); without an IP header around it, of the message alone.
    fn with_pseudo_header(&self, index: usize, protocol: u8) -> u16 {
        let message = &self.bytes[self.layers[index].start..];
        let around = self.layers[..index].iter().rev().find(|layer| matches!(layer.kind, Kind::Ipv4 | Kind::Ipv6));
        let len = (message.len() as u32).to_be_bytes();
        match around {
            Some(&Layer { kind: Kind::Ipv4, start, .. }) => {
                checksum::internet(&[&self.bytes[start + 12..start + 20], &[0, protocol], &len, message])
            }
            Some(&Layer { start, .. }) => {
                checksum::internet(&[&self.bytes[start + 8..start + 40], &[0, protocol], &len, message])
            }
            None => checksum::internet(&[message]),
        }
    }
}

#[cfg(test)]
mod tests;
