//! Tunnels over UDP: VXLAN, VXLAN-GPE, Geneve, Teredo, GTP-U, GUE, FOU, MPLS in UDP, WireGuard. L2TP has a file of its own.

use super::{Kind, Names, Packet};

/// Source port where it says nothing: overlays choose one by the inner flow.
const ANY_PORT: u16 = 49_152;

/// What a GTP-U header has beyond the tunnel (3GPP TS 29.281 §5.1).
#[derive(Clone, Copy, Default, Debug)]
pub struct Gtp<'a> {
    /// Sequence number.
    pub sequence: Option<u16>,
    /// Extension headers (§5.2): type, and content, which is padded to 4n - 2 bytes.
    pub extensions: &'a [(u8, &'a [u8])],
}

/// A message of WireGuard (protocol paper §5.4). What is encrypted, or a key, is made of one repeated byte.
#[derive(Clone, Copy, Debug)]
pub enum WireGuard<'a> {
    /// First message of a handshake, 148 bytes: the index of the sender.
    Initiation(u32),
    /// Its answer, 92 bytes: the indices of sender and receiver.
    Response(u32, u32),
    /// A cookie, 64 bytes: the index of the receiver.
    Cookie(u32),
    /// Data: the index of the receiver, a counter, and what is encrypted.
    Data(u32, u64, &'a [u8]),
}

impl Packet {
    /// A VXLAN header (RFC 7348) after UDP to port 4789; a whole Ethernet frame follows.
    #[must_use]
    pub fn vxlan(self, network: u32) -> Self {
        let [a, b, c, d] = (network << 8).to_be_bytes();
        self.udp(ANY_PORT, 4_789).layer(Kind::Plain, Names::default(), &[8, 0, 0, 0, a, b, c, d])
    }

    /// A VXLAN-GPE header (draft-ietf-nvo3-vxlan-gpe-13 §3) after UDP to port 4790.
    #[must_use]
    pub fn vxlan_gpe(self, network: u32) -> Self {
        let [a, b, c, d] = (network << 8).to_be_bytes();
        self.udp(ANY_PORT, 4_790).layer(Kind::ServiceAt(3), Names::default(), &[0x0c, 0, 0, 0, a, b, c, d])
    }

    /// A Geneve header (RFC 8926) without options after UDP to port 6081.
    #[must_use]
    pub fn geneve(self, network: u32) -> Self {
        self.geneve_with(network, &[])
    }

    /// A Geneve header (RFC 8926 §3.4) with options (§3.5), each a class, a type and data, which is padded to words.
    ///
    /// # Panics
    /// When the options are longer than 252 bytes.
    #[must_use]
    pub fn geneve_with(self, network: u32, options: &[(u16, u8, &[u8])]) -> Self {
        let mut header = vec![0; 4];
        header.extend((network << 8).to_be_bytes());
        for &(class, kind, data) in options {
            let words = data.len().div_ceil(4);
            header.extend(class.to_be_bytes());
            header.extend([kind, words as u8]);
            header.extend_from_slice(data);
            header.resize(header.len().next_multiple_of(4), 0);
        }
        let words = (header.len() - 8) / 4;
        assert!(words < 64, "Geneve options of at most 252 bytes");
        header[0] = words as u8;
        self.udp(ANY_PORT, 6_081).layer(Kind::EtherTypeAt(2), Names::default(), &header)
    }

    /// UDP of Teredo (RFC 4380 §5.1.1); an IPv6 packet follows, or one of the two indications before it.
    #[must_use]
    pub fn teredo(self) -> Self {
        self.udp(ANY_PORT, 3_544)
    }

    /// A Teredo authentication (RFC 4380 §5.1.1): client, value, a nonce and no confirmation.
    #[must_use]
    pub fn teredo_authentication(self, client: &[u8], value: &[u8]) -> Self {
        let lengths = [0, 1, client.len() as u8, value.len() as u8];
        self.layer(Kind::Plain, Names::default(), &[&lengths, client, value, &[0x5a; 8], &[0]].concat())
    }

    /// A Teredo origin (RFC 4380 §5.1.1): port and address, both inverted on the wire.
    #[must_use]
    pub fn teredo_origin(self, address: [u8; 4], port: u16) -> Self {
        let [high, low] = (!port).to_be_bytes();
        let [a, b, c, d] = address.map(|byte| !byte);
        self.layer(Kind::Plain, Names::default(), &[0, 0, high, low, a, b, c, d])
    }

    /// A GTP-U header of a user's packet (3GPP TS 29.281 §5.1, message type 255) after UDP to port 2152.
    #[must_use]
    pub fn gtp(self, tunnel: u32, options: Gtp<'_>) -> Self {
        let extended = !options.extensions.is_empty();
        let numbered = options.sequence.is_some();
        // Version 1, not GTP', then the flags of extension and sequence.
        let mut header = vec![0x30 | u8::from(extended) << 2 | u8::from(numbered) << 1, 255, 0, 0];
        header.extend(tunnel.to_be_bytes());
        if extended || numbered {
            header.extend(options.sequence.unwrap_or(0).to_be_bytes());
            // The number of the N-PDU, then the type of what comes next, which each extension overwrites in turn.
            header.extend([0, 0]);
        }
        for &(kind, content) in options.extensions {
            let words = (content.len() + 2).div_ceil(4);
            if let Some(next) = header.last_mut() {
                *next = kind;
            }
            let end = header.len() + 4 * words;
            header.push(words as u8);
            header.extend_from_slice(content);
            header.resize(end, 0);
        }
        self.udp(2_152, 2_152).layer(Kind::Gtp, Names::default(), &header)
    }

    /// A GUE header (draft-ietf-intarea-gue-09 §3.1, variant 0) without extensions after UDP to port 6080; a header with an
    /// IP protocol number follows.
    #[must_use]
    pub fn gue(self) -> Self {
        self.udp(ANY_PORT, 6_080).layer(Kind::ProtocolAt(1), Names::default(), &[0, 59, 0, 0])
    }

    /// GUE variant 1 (draft-ietf-intarea-gue-09 §4): an IP packet right after UDP.
    #[must_use]
    pub fn gue_direct(self) -> Self {
        self.udp(ANY_PORT, 6_080)
    }

    /// UDP of Foo over UDP, where the port alone says what follows: by custom 5555 for IPv4 and GRE.
    #[must_use]
    pub fn fou(self, port: u16) -> Self {
        self.udp(ANY_PORT, port)
    }

    /// UDP of MPLS in UDP (RFC 7510 §3); labels follow.
    #[must_use]
    pub fn mpls_in_udp(self) -> Self {
        self.udp(ANY_PORT, 6_635)
    }

    /// A WireGuard message after UDP to port 51820.
    #[must_use]
    pub fn wireguard(self, message: WireGuard<'_>) -> Self {
        const SECRET: u8 = 0xe5;
        let (kind, numbers, len): (u8, &[u32], usize) = match message {
            WireGuard::Initiation(sender) => (1, &[sender], 148),
            WireGuard::Response(sender, receiver) => (2, &[sender, receiver], 92),
            WireGuard::Cookie(receiver) => (3, &[receiver], 64),
            WireGuard::Data(receiver, ..) => (4, &[receiver], 8),
        };
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.resize(len, SECRET);
        if let WireGuard::Data(_, counter, encrypted) = message {
            bytes.extend(counter.to_le_bytes());
            bytes.extend_from_slice(encrypted);
        }
        self.udp(51_820, 51_820).layer(Kind::Plain, Names::default(), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    /// Destination port, and what follows UDP.
    fn over_udp(tunnel: impl FnOnce(Packet) -> Packet) -> (u16, Vec<u8>) {
        let frame = tunnel(Packet::bare().ipv4(A, B)).build();
        assert_eq!((frame[9], usize::from(u16::from_be_bytes([frame[24], frame[25]]))), (17, frame.len() - 20));
        (u16::from_be_bytes([frame[22], frame[23]]), frame[28..].to_vec())
    }

    #[test]
    fn vxlan_and_gpe_have_flags_network_and_next_protocol() {
        let inside = |packet: Packet| packet.ethernet_inside([2; 6], [4; 6]).ipv4(A, B);
        let (port, vxlan) = over_udp(|packet| inside(packet.vxlan(0x0001_0203)));
        assert_eq!((port, &vxlan[..9]), (4_789, &[8, 0, 0, 0, 1, 2, 3, 0, 4][..]));
        let (port, gpe) = over_udp(|packet| packet.vxlan_gpe(0x0001_0203).ipv6([1; 16], [2; 16]));
        assert_eq!((port, &gpe[..9]), (4_790, &[0x0c, 0, 0, 2, 1, 2, 3, 0, 0x60][..]));
        assert_eq!(over_udp(|packet| inside(packet.vxlan_gpe(1))).1[3], 3);
        assert_eq!(over_udp(|packet| packet.vxlan_gpe(1).nsh(1).ipv4(A, B)).1[3], 4);
    }

    #[test]
    fn geneve_options_are_padded_and_counted_in_words() {
        let options: [(u16, u8, &[u8]); 2] = [(0x0102, 0x83, &[9; 5]), (0xffff, 1, &[])];
        let (port, geneve) = over_udp(|packet| packet.geneve_with(0x0001_0203, &options).ipv4(A, B));
        assert_eq!((port, &geneve[..8]), (6_081, &[4, 0, 8, 0, 1, 2, 3, 0][..]));
        assert_eq!(geneve[8..20], [1, 2, 0x83, 2, 9, 9, 9, 9, 9, 0, 0, 0]);
        assert_eq!(geneve[20..25], [0xff, 0xff, 1, 0, 0x45]);
    }

    #[test]
    fn teredo_indications_come_before_the_packet() {
        let inside = |packet: Packet| packet.ipv6([1; 16], [2; 16]);
        let (port, plain) = over_udp(|packet| inside(packet.teredo()));
        assert_eq!((port, plain[0]), (3_544, 0x60));
        let (_, whole) =
            over_udp(|packet| inside(packet.teredo().teredo_authentication(b"me", b"v").teredo_origin(A, 0x1234)));
        assert_eq!(whole[..7], [0, 1, 2, 1, b'm', b'e', b'v']);
        assert_eq!(whole[7..16], [0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0]);
        assert_eq!(whole[16..25], [0, 0, 0xed, 0xcb, !10, 255, 255, !1, 0x60]);
    }

    #[test]
    fn gtp_states_the_length_after_its_first_eight_bytes() {
        let (port, plain) = over_udp(|packet| packet.gtp(0x0102_0304, Gtp::default()).ipv4(A, B));
        assert_eq!((port, &plain[..9]), (2_152, &[0x30, 255, 0, 20, 1, 2, 3, 4, 0x45][..]));
        // A PDU session container (3GPP TS 38.415) of two bytes, and one with five bytes of content.
        let options = Gtp { sequence: Some(7), extensions: &[(0x85, &[0x10, 9]), (0x40, &[1, 2, 3, 4, 5])] };
        let (_, long) = over_udp(|packet| packet.gtp(1, options).ipv4(A, B));
        assert_eq!(long[..12], [0x36, 255, 0, 36, 0, 0, 0, 1, 0, 7, 0, 0x85]);
        assert_eq!(long[12..25], [1, 0x10, 9, 0x40, 2, 1, 2, 3, 4, 5, 0, 0, 0x45]);
    }

    #[test]
    fn gue_and_fou_and_mpls_in_udp_name_what_follows_by_protocol_or_port() {
        let (port, gue) = over_udp(|packet| packet.gue().ipv6([1; 16], [2; 16]));
        assert_eq!((port, &gue[..5]), (6_080, &[0, 41, 0, 0, 0x60][..]));
        assert_eq!(over_udp(|packet| packet.gue().gre().ipv4(A, B)).1[..5], [0, 47, 0, 0, 0]);
        let (port, direct) = over_udp(|packet| packet.gue_direct().ipv4(A, B));
        assert_eq!((port, direct[0]), (6_080, 0x45));
        let (port, fou) = over_udp(|packet| packet.fou(5_555).ipv4(A, B));
        assert_eq!((port, fou[0]), (5_555, 0x45));
        let (port, mpls) = over_udp(|packet| packet.mpls_in_udp().mpls(16).ipv4(A, B));
        assert_eq!((port, &mpls[..5]), (6_635, &[0, 1, 1, 64, 0x45][..]));
    }

    #[test]
    fn wireguard_messages_have_their_lengths_and_indices() {
        let message = |message| over_udp(|packet| packet.wireguard(message));
        let (port, first) = message(WireGuard::Initiation(0x0102_0304));
        assert_eq!((port, first.len(), &first[..9]), (51_820, 148, &[1, 0, 0, 0, 4, 3, 2, 1, 0xe5][..]));
        let (_, second) = message(WireGuard::Response(1, 2));
        assert_eq!((second.len(), &second[..13]), (92, &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0xe5][..]));
        let (_, third) = message(WireGuard::Cookie(9));
        assert_eq!((third.len(), &third[..9]), (64, &[3, 0, 0, 0, 9, 0, 0, 0, 0xe5][..]));
        let (_, data) = message(WireGuard::Data(1, 2, b"sixteen or more."));
        assert_eq!(data[..17], [4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b's']);
    }
}
