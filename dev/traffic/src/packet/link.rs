//! First headers, and what stands between them and the IP header.

use super::{Kind, Names, Packet};
use crate::Link;

pub(super) const ETHER_IPV4: u16 = 0x0800;
pub(super) const ETHER_IPV6: u16 = 0x86dd;
pub(super) const ETHER_MPLS: u16 = 0x8847;
/// Transparent Ethernet bridging: an Ethernet frame follows.
pub(super) const ETHER_BRIDGED: u16 = 0x6558;

/// Tag protocol identifiers of VLAN headers: customer, service provider, and the older way to nest.
const ETHER_VLAN: u16 = 0x8100;

/// A whole Ethernet frame (RFC 8986 §10.1 for the protocol, RFC 3518 for PPP).
const BRIDGED: Names = Names { ether_type: ETHER_BRIDGED, protocol: 143, ppp: 0x0031 };

impl Packet {
    /// An Ethernet frame (IEEE 802.3, type encapsulation).
    #[must_use]
    pub fn ethernet(src: [u8; 6], dst: [u8; 6]) -> Self {
        let mut header = [0; 14];
        header[..6].copy_from_slice(&dst);
        header[6..12].copy_from_slice(&src);
        Self::bare().layer(Kind::Ethernet, Names::default(), &header)
    }

    /// A frame of `link`, with made-up link addresses where it has any.
    #[must_use]
    pub fn on(link: Link) -> Self {
        let plain = Names::default();
        match link {
            Link::Ethernet => Self::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]),
            Link::Raw | Link::Ipv4 | Link::Ipv6 => Self::bare(),
            // An IP header that carries GRE is the frame; the caller's packet goes inside.
            Link::GreOverIp => Self::bare().ipv4([192, 0, 2, 1], [192, 0, 2, 2]).gre(),
            Link::Null => Self::bare().layer(Kind::Null, plain, &[0; 4]),
            Link::Ppp => Self::bare().layer(Kind::PppAt(2), plain, &[0xff, 3, 0, 0]),
            Link::Chdlc => Self::bare().layer(Kind::EtherTypeAt(2), plain, &[0x0f, 0, 0, 0]),
            Link::Sll => {
                // Sent by us, ARPHRD_ETHER, address of six bytes in a field of eight, protocol.
                let header = [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0];
                Self::bare().layer(Kind::EtherTypeAt(14), plain, &header)
            }
            Link::Sll2 => {
                // Protocol, reserved, interface 2, ARPHRD_ETHER, sent by us, address of six bytes in a field of eight.
                let header = [0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
                Self::bare().layer(Kind::EtherTypeAt(0), plain, &header)
            }
            // A data frame with QoS and the SNAP header before the Ethernet type.
            Link::Wireless => {
                let mut header = [0; 34];
                header[0] = 0x88;
                header[26..32].copy_from_slice(&[0xaa, 0xaa, 3, 0, 0, 0]);
                Self::bare().layer(Kind::EtherTypeAt(32), plain, &header)
            }
        }
    }

    /// An Ethernet frame inside something else (GRE, VXLAN, Geneve, NSH).
    #[must_use]
    pub fn ethernet_inside(self, src: [u8; 6], dst: [u8; 6]) -> Self {
        let mut header = [0; 14];
        header[..6].copy_from_slice(&dst);
        header[6..12].copy_from_slice(&src);
        self.layer(Kind::Ethernet, BRIDGED, &header)
    }

    /// An Ethernet frame as given inside something else.
    #[must_use]
    pub fn frame(self, frame: &[u8]) -> Self {
        self.layer(Kind::Plain, BRIDGED, frame)
    }

    /// An Ethernet frame with a length in place of the type (IEEE 802.3 §3.2.6); LLC follows.
    #[must_use]
    pub fn ethernet_sized(src: [u8; 6], dst: [u8; 6]) -> Self {
        let mut header = [0; 14];
        header[..6].copy_from_slice(&dst);
        header[6..12].copy_from_slice(&src);
        Self::bare().layer(Kind::Sized, Names::default(), &header)
    }

    /// An LLC header (IEEE 802.2 §3.2): service access points, unnumbered control.
    #[must_use]
    pub fn llc(self, destination: u8, source: u8, control: u8) -> Self {
        self.layer(Kind::Plain, Names::default(), &[destination, source, control])
    }

    /// LLC and SNAP headers (IEEE 802, RFC 1042) with the OUI of Ethernet types.
    #[must_use]
    pub fn snap(self) -> Self {
        self.layer(Kind::EtherTypeAt(6), Names::default(), &[0xaa, 0xaa, 3, 0, 0, 0, 0, 0])
    }

    /// An IEEE 802.1Q tag.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.vlan_tagged_as(ETHER_VLAN, id)
    }

    /// A VLAN tag with another tag protocol identifier: 0x88a8 (802.1ad), 0x9100.
    #[must_use]
    pub fn vlan_tagged_as(self, identifier: u16, id: u16) -> Self {
        let [high, low] = id.to_be_bytes();
        self.layer(Kind::EtherTypeAt(2), Names { ether_type: identifier, ..Names::default() }, &[high, low, 0, 0])
    }

    /// An IEEE 802.1ah service tag and the customer's Ethernet addresses behind it.
    #[must_use]
    pub fn provider_backbone(self, service: u32) -> Self {
        let mut header = [0; 18];
        header[..4].copy_from_slice(&(service & 0x00ff_ffff).to_be_bytes());
        header[9] = 2;
        header[15] = 1;
        self.layer(Kind::EtherTypeAt(16), Names { ether_type: 0x88e7, ..Names::default() }, &header)
    }

    /// An IEEE 802.1BR E-tag.
    #[must_use]
    pub fn etag(self, port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        let names = Names { ether_type: 0x893f, ..Names::default() };
        self.layer(Kind::EtherTypeAt(6), names, &[0, 0, high, low, 0, 0, 0, 0])
    }

    /// A Cisco VN-tag.
    #[must_use]
    pub fn vntag(self, interface: u16) -> Self {
        let [high, low] = interface.to_be_bytes();
        self.layer(Kind::EtherTypeAt(4), Names { ether_type: 0x8926, ..Names::default() }, &[0, 0, high, low, 0, 0])
    }

    /// A Cisco FabricPath (data centre Ethernet) tag: forwarding tag and time to live; a whole Ethernet frame follows.
    #[must_use]
    pub fn fabric_path(self, tag: u16) -> Self {
        self.layer(Kind::Plain, Names { ether_type: 0x8903, ..Names::default() }, &tag.to_be_bytes())
    }

    /// An MPLS label (RFC 3032), time to live 64; the bottom of the stack until another is added.
    #[must_use]
    pub fn mpls(self, label: u32) -> Self {
        let word = (label << 12) | (1 << 8) | 64;
        self.layer(Kind::Mpls, Names { ether_type: ETHER_MPLS, protocol: 137, ppp: 0x0281 }, &word.to_be_bytes())
    }

    /// The control word of an Ethernet pseudo-wire (RFC 4385 §3, RFC 4448 §4.6) behind MPLS labels; a whole Ethernet frame
    /// follows.
    #[must_use]
    pub fn pseudo_wire(self, sequence: u16) -> Self {
        let [high, low] = sequence.to_be_bytes();
        self.layer(Kind::Plain, Names::default(), &[0, 0, high, low])
    }

    /// PPP with address and control bytes (RFC 1662 §3.1), inside something.
    #[must_use]
    pub fn ppp(self) -> Self {
        self.layer(Kind::PppAt(2), Names::default(), &[0xff, 3, 0, 0])
    }

    /// PPP of which address and control bytes are left out (RFC 1661 §6.6), inside something.
    #[must_use]
    pub fn ppp_compressed(self) -> Self {
        self.layer(Kind::PppAt(0), Names::default(), &[0, 0])
    }

    /// A PPPoE session header (RFC 2516) with its PPP protocol.
    #[must_use]
    pub fn pppoe(self, session: u16) -> Self {
        let [high, low] = session.to_be_bytes();
        let names = Names { ether_type: 0x8864, ..Names::default() };
        self.layer(Kind::Pppoe, names, &[0x11, 0, high, low, 0, 0, 0, 0])
    }

    /// A PPPoE discovery message (RFC 2516): its code and its tags.
    #[must_use]
    pub fn pppoe_discovery(self, code: u8, tags: &[u8]) -> Self {
        let [high, low] = (tags.len() as u16).to_be_bytes();
        let names = Names { ether_type: 0x8863, ..Names::default() };
        self.layer(Kind::Plain, names, &[0x11, code, 0, 0, high, low]).payload(tags)
    }

    /// An ARP message (RFC 826) for IPv4 over Ethernet; `operation` is 1 for a request and 2 for a reply.
    #[must_use]
    pub fn arp(self, operation: u16, sender: ([u8; 6], [u8; 4]), target: ([u8; 6], [u8; 4])) -> Self {
        let mut message = vec![0, 1, 8, 0, 6, 4];
        message.extend(operation.to_be_bytes());
        for (mac, address) in [sender, target] {
            message.extend(mac);
            message.extend(address);
        }
        self.layer(Kind::Plain, Names { ether_type: 0x0806, ..Names::default() }, &message)
    }

    /// Bytes of an Ethernet type that is not built here.
    #[must_use]
    pub fn ether_type(self, ether_type: u16, bytes: &[u8]) -> Self {
        self.layer(Kind::Plain, Names { ether_type, ..Names::default() }, bytes)
    }

    /// Bytes of a PPP protocol that is not built here.
    #[must_use]
    pub fn ppp_protocol(self, ppp: u16, bytes: &[u8]) -> Self {
        self.layer(Kind::Plain, Names { ppp, ..Names::default() }, bytes)
    }
}
