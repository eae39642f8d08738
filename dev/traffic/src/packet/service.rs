//! The network service header, and the protocol numbers it shares with VXLAN-GPE.

use super::link::{ETHER_BRIDGED, ETHER_IPV4, ETHER_IPV6, ETHER_MPLS};
use super::{Kind, Names, Packet};

const ETHER_NSH: u16 = 0x894f;

/// The number of a protocol in NSH (RFC 8300 §2.2) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-13 §3); 0 where it has none.
pub(super) const fn next_protocol(ether_type: u16) -> u8 {
    match ether_type {
        ETHER_IPV4 => 1,
        ETHER_IPV6 => 2,
        ETHER_BRIDGED => 3,
        ETHER_NSH => 4,
        ETHER_MPLS => 5,
        _ => 0,
    }
}

impl Packet {
    /// A network service header (RFC 8300) with metadata type 2 and none of it.
    #[must_use]
    pub fn nsh(self, service_path: u32) -> Self {
        self.nsh_with(service_path, 2, &[])
    }

    /// A network service header (RFC 8300) with metadata type 1 (§2.4): four words of context.
    #[must_use]
    pub fn nsh_context(self, service_path: u32, context: [u8; 16]) -> Self {
        self.nsh_with(service_path, 1, &context)
    }

    fn nsh_with(self, service_path: u32, metadata_type: u8, metadata: &[u8]) -> Self {
        let [_, a, b, c] = service_path.to_be_bytes();
        let words = 2 + (metadata.len() / 4) as u8;
        // Time to live 63 across two bytes, length in words, metadata type, next protocol, path, index 255.
        let base = [0x0f, 0xc0 | words, metadata_type, 0, a, b, c, 255];
        let names = Names { ether_type: ETHER_NSH, ..Names::default() };
        self.layer(Kind::ServiceAt(3), names, &[&base, metadata].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsh_names_each_protocol_it_carries() {
        let nsh = || Packet::ethernet([1; 6], [2; 6]).nsh(0x0001_0203);
        let v4 = nsh().ipv4([1; 4], [2; 4]).build();
        assert_eq!(v4[12..23], [0x89, 0x4f, 0x0f, 0xc2, 2, 1, 1, 2, 3, 255, 0x45]);
        let next = |packet: Packet| packet.build()[17];
        assert_eq!(next(nsh().ipv6([1; 16], [2; 16])), 2);
        assert_eq!(next(nsh().ethernet_inside([1; 6], [2; 6])), 3);
        assert_eq!(next(nsh().nsh(1)), 4);
        assert_eq!(next(nsh().mpls(16)), 5);
    }

    #[test]
    fn nsh_with_context_has_six_words() {
        let frame = Packet::ethernet([1; 6], [2; 6]).nsh_context(7, [9; 16]).ipv4([1; 4], [2; 4]).build();
        assert_eq!(frame[14..22], [0x0f, 0xc6, 1, 1, 0, 0, 7, 255]);
        assert_eq!((&frame[22..38], frame[38]), (&[9; 16][..], 0x45));
    }
}
