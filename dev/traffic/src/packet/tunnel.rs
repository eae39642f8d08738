//! Headers that carry another packet: GRE, ERSPAN, VXLAN, Geneve, NSH. IP in IP is an IP header after another.

use super::{Kind, Names, Packet};

/// Transparent Ethernet bridging: an Ethernet frame follows.
pub(super) const ETHER_BRIDGED: u16 = 0x6558;

const GRE: Names = Names { ether_type: 0, protocol: 47, ppp: 0 };

impl Packet {
    /// A GRE header without options (RFC 2784).
    #[must_use]
    pub fn gre(self) -> Self {
        self.layer(Kind::EtherTypeAt(2), GRE, &[0; 4])
    }

    /// A GRE header with key and sequence number (RFC 2890).
    #[must_use]
    pub fn gre_keyed(self, key: u32, sequence: u32) -> Self {
        let mut header = [0; 12];
        header[0] = 0x30;
        header[4..8].copy_from_slice(&key.to_be_bytes());
        header[8..].copy_from_slice(&sequence.to_be_bytes());
        self.layer(Kind::EtherTypeAt(2), GRE, &header)
    }

    /// A GRE header as given: flags and version, protocol, and what follows the first four bytes.
    #[must_use]
    pub fn gre_as_given(self, flags: u16, protocol: u16, rest: &[u8]) -> Self {
        let mut header = Vec::with_capacity(4 + rest.len());
        header.extend(flags.to_be_bytes());
        header.extend(protocol.to_be_bytes());
        header.extend_from_slice(rest);
        self.layer(Kind::Plain, GRE, &header)
    }

    /// An ERSPAN type II header after a GRE header with a sequence number; a whole Ethernet frame follows.
    #[must_use]
    pub fn erspan(self, session: u16, vlan: u16) -> Self {
        let mut header = [0; 8];
        header[..2].copy_from_slice(&(0x1000 | vlan).to_be_bytes());
        header[2..4].copy_from_slice(&session.to_be_bytes());
        let gre = self.gre_as_given(0x1000, 0x88be, &[0, 0, 0, 1]);
        gre.layer(Kind::Plain, Names { ether_type: 0x88be, ..Names::default() }, &header)
    }

    /// A VXLAN header (RFC 7348) after UDP to port 4789.
    #[must_use]
    pub fn vxlan(self, network: u32) -> Self {
        let [a, b, c, d] = (network << 8).to_be_bytes();
        self.udp(49_152, 4_789).layer(Kind::Plain, Names::default(), &[8, 0, 0, 0, a, b, c, d])
    }

    /// A Geneve header (RFC 8926) without options after UDP to port 6081.
    #[must_use]
    pub fn geneve(self, network: u32) -> Self {
        let [a, b, c, d] = (network << 8).to_be_bytes();
        self.udp(49_152, 6_081).layer(Kind::EtherTypeAt(2), Names::default(), &[0, 0, 0, 0, a, b, c, d])
    }

    /// A network service header (RFC 8300) with metadata type 2 and none of it.
    #[must_use]
    pub fn nsh(self, service_path: u32) -> Self {
        let [_, a, b, c] = service_path.to_be_bytes();
        // Time to live 63 across two bytes, length 2 words, metadata type 2, next protocol, path, index 255.
        self.layer(Kind::Nsh, Names { ether_type: 0x894f, ..Names::default() }, &[0x0f, 0xc2, 2, 0, a, b, c, 255])
    }
}
