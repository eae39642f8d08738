//! GRE and what comes in it: NVGRE, PPTP, ERSPAN. MPLS in GRE is a label after it.

use super::link::ETHER_BRIDGED;
use super::{Kind, Names, Packet};

const GRE: Names = Names { ether_type: 0, protocol: 47, ppp: 0 };

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;

/// What a GRE header of version 0 has beyond its first four bytes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Gre<'a> {
    /// Checksum over header and payload (RFC 2784 §2.1).
    pub checksum: bool,
    /// Key (RFC 2890 §2.1).
    pub key: Option<u32>,
    /// Sequence number (RFC 2890 §2.2).
    pub sequence: Option<u32>,
    /// Source route entries (RFC 1701): address family, offset and information of each. The entry that ends them is added.
    pub routing: &'a [(u16, u8, &'a [u8])],
}

impl Packet {
    /// A GRE header without options (RFC 2784).
    #[must_use]
    pub fn gre(self) -> Self {
        self.gre_with(Gre::default())
    }

    /// A GRE header with key and sequence number (RFC 2890).
    #[must_use]
    pub fn gre_keyed(self, key: u32, sequence: u32) -> Self {
        self.gre_with(Gre { key: Some(key), sequence: Some(sequence), ..Gre::default() })
    }

    /// A GRE header of version 0 (RFC 1701, RFC 2784, RFC 2890).
    #[must_use]
    pub fn gre_with(self, gre: Gre<'_>) -> Self {
        let routed = !gre.routing.is_empty();
        let bit = |there: bool, bit| if there { bit } else { 0 };
        let flags = bit(gre.checksum, CHECKSUM)
            | bit(routed, ROUTING)
            | bit(gre.key.is_some(), KEY)
            | bit(gre.sequence.is_some(), SEQUENCE);
        let mut header = header(flags, 0);
        if gre.checksum || routed {
            // Checksum and offset come together.
            header.extend([0; 4]);
        }
        for number in [gre.key, gre.sequence].into_iter().flatten() {
            header.extend(number.to_be_bytes());
        }
        for &(family, offset, information) in gre.routing {
            header.extend(family.to_be_bytes());
            header.extend([offset, information.len() as u8]);
            header.extend_from_slice(information);
        }
        header.extend(if routed { &[0; 4][..] } else { &[] });
        self.layer(if gre.checksum { Kind::GreSummed } else { Kind::EtherTypeAt(2) }, GRE, &header)
    }

    /// A GRE header as given: flags and version, protocol, and what follows the first four bytes.
    #[must_use]
    pub fn gre_as_given(self, flags: u16, protocol: u16, rest: &[u8]) -> Self {
        let mut header = header(flags, protocol);
        header.extend_from_slice(rest);
        self.layer(Kind::Plain, GRE, &header)
    }

    /// The GRE header of PPTP (RFC 2637 §4.1): version 1, the call as key; PPP follows.
    #[must_use]
    pub fn pptp(self, call: u16, sequence: Option<u32>, acknowledgement: Option<u32>) -> Self {
        let bit = |there: bool, bit| if there { bit } else { 0 };
        let flags = KEY | 1 | bit(sequence.is_some(), SEQUENCE) | bit(acknowledgement.is_some(), ACKNOWLEDGEMENT);
        let mut header = header(flags, 0x880b);
        header.extend([0; 2]);
        header.extend(call.to_be_bytes());
        for number in [sequence, acknowledgement].into_iter().flatten() {
            header.extend(number.to_be_bytes());
        }
        self.layer(Kind::Pptp, GRE, &header)
    }

    /// The GRE header of NVGRE (RFC 7637 §3.2): virtual subnet and flow as key; a whole Ethernet frame follows.
    #[must_use]
    pub fn nvgre(self, subnet: u32, flow: u8) -> Self {
        let [a, b, c, _] = (subnet << 8).to_be_bytes();
        self.gre_as_given(KEY, ETHER_BRIDGED, &[a, b, c, flow])
    }

    /// The GRE header of ERSPAN type I (draft-foschiano-erspan-03 §4.1), which is all it has; a whole Ethernet frame follows.
    #[must_use]
    pub fn erspan_1(self) -> Self {
        self.gre_as_given(0, 0x88be, &[])
    }

    /// An ERSPAN type II header (draft-foschiano-erspan-03 §4.2) after a GRE header with a sequence number; a whole
    /// Ethernet frame follows.
    #[must_use]
    pub fn erspan(self, session: u16, vlan: u16) -> Self {
        let mut header = [0; 8];
        header[..2].copy_from_slice(&(0x1000 | vlan).to_be_bytes());
        header[2..4].copy_from_slice(&session.to_be_bytes());
        let gre = self.gre_as_given(SEQUENCE, 0x88be, &[0, 0, 0, 1]);
        gre.layer(Kind::Plain, Names { ether_type: 0x88be, ..Names::default() }, &header)
    }

    /// An ERSPAN type III header (draft-foschiano-erspan-03 §4.3), with or without a platform-specific subheader, after a
    /// GRE header with a sequence number; a whole Ethernet frame follows.
    #[must_use]
    pub fn erspan_3(self, session: u16, vlan: u16, subheader: Option<[u8; 8]>) -> Self {
        let mut header = Vec::with_capacity(20);
        header.extend((0x2000 | vlan).to_be_bytes());
        header.extend(session.to_be_bytes());
        // Time stamp, security group, hardware and granularity; the last bit says whether a subheader follows.
        header.extend([0, 0, 0, 1, 0, 0, 0, u8::from(subheader.is_some())]);
        header.extend(subheader.into_iter().flatten());
        self.gre_as_given(SEQUENCE, 0x22eb, &[0, 0, 0, 1]).layer(Kind::Plain, Names::default(), &header)
    }
}

fn header(flags: u16, protocol: u16) -> Vec<u8> {
    [flags.to_be_bytes(), protocol.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::internet;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    /// What follows an IPv4 header, which has to name GRE.
    fn in_ip(tunnel: impl FnOnce(Packet) -> Packet) -> Vec<u8> {
        let frame = tunnel(Packet::bare().ipv4(A, B)).build();
        assert_eq!(frame[9], 47);
        frame[20..].to_vec()
    }

    #[test]
    fn every_option_of_gre_then_in_the_order_of_rfc_1701() {
        let options = Gre { checksum: true, key: Some(0x0102_0304), sequence: Some(5), routing: &[(0x0800, 4, &A)] };
        let frame = in_ip(|packet| packet.gre_with(options).ipv4(A, B));
        assert_eq!(frame[..4], [0xf0, 0, 8, 0]);
        assert_eq!(frame[6..16], [0, 0, 1, 2, 3, 4, 0, 0, 0, 5]);
        assert_eq!(frame[16..28], [8, 0, 4, 4, 10, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!((frame[28], internet(&[&frame])), (0x45, 0), "the checksum covers header and payload");
        assert_eq!(in_ip(|packet| packet.gre_keyed(7, 8)), [0x30, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8]);
        let v6 = in_ip(|packet| packet.gre().ipv6([0; 16], [1; 16]));
        assert_eq!(v6[..5], [0, 0, 0x86, 0xdd, 0x60]);
        assert_eq!(in_ip(|packet| packet.gre().mpls(16))[..4], [0, 0, 0x88, 0x47]);
    }

    #[test]
    fn pptp_states_the_length_of_what_follows_and_the_call() {
        let frame = in_ip(|packet| packet.pptp(0x77, Some(1), Some(2)).ppp().ipv4(A, B));
        assert_eq!(frame[..16], [0x30, 0x81, 0x88, 0x0b, 0, 24, 0, 0x77, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(frame[16..21], [0xff, 3, 0, 0x21, 0x45]);
        let short = in_ip(|packet| packet.pptp(0x77, None, None).ppp_compressed().ipv6([1; 16], [2; 16]));
        assert_eq!(short[..11], [0x20, 1, 0x88, 0x0b, 0, 42, 0, 0x77, 0, 0x57, 0x60]);
    }

    #[test]
    fn nvgre_has_subnet_and_flow_in_its_key() {
        let frame = in_ip(|packet| packet.nvgre(0x0001_0203, 9).ethernet_inside([2; 6], [4; 6]).ipv4(A, B));
        assert_eq!(frame[..9], [0x20, 0, 0x65, 0x58, 1, 2, 3, 9, 4]);
    }

    #[test]
    fn erspan_of_each_type_has_its_headers() {
        let inside = |packet: Packet| packet.ethernet_inside([2; 6], [4; 6]).ipv4(A, B);
        assert_eq!(in_ip(|packet| inside(packet.erspan_1()))[..6], [0, 0, 0x88, 0xbe, 4, 4]);
        let second = in_ip(|packet| inside(packet.erspan(3, 44)));
        assert_eq!(second[..17], [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 44, 0, 3, 0, 0, 0, 0, 4]);
        let third = in_ip(|packet| inside(packet.erspan_3(3, 44, None)));
        assert_eq!(third[..21], [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 44, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 4]);
        let longer = in_ip(|packet| inside(packet.erspan_3(3, 44, Some([9; 8]))));
        assert_eq!((longer[19], &longer[20..28], longer[28]), (1, &[9; 8][..], 4));
    }
}
