//! L2TP of both versions, and EtherIP.

use super::{Kind, Names, Packet};

const PORT: u16 = 1_701;

/// What an L2TP version 2 data header has beyond tunnel and session (RFC 2661 §3.1).
#[derive(Clone, Copy, Default, Debug)]
pub struct L2tp {
    /// The length of the message.
    pub length: bool,
    /// Its number, and the next that is expected.
    pub sequence: Option<(u16, u16)>,
    /// How many bytes lie between header and payload.
    pub offset: Option<u16>,
}

impl Packet {
    /// UDP and an L2TP version 2 data header (RFC 2661 §3.1); PPP follows.
    #[must_use]
    pub fn l2tp(self, tunnel: u16, session: u16, options: L2tp) -> Self {
        let bit = |there: bool, bit: u16| if there { bit } else { 0 };
        let flags = 2
            | bit(options.length, 0x4000)
            | bit(options.sequence.is_some(), 0x0800)
            | bit(options.offset.is_some(), 0x0200);
        let mut header = flags.to_be_bytes().to_vec();
        header.extend(if options.length { &[0; 2][..] } else { &[] });
        for number in [tunnel, session].into_iter().chain(options.sequence.into_iter().flat_map(|(a, b)| [a, b])) {
            header.extend(number.to_be_bytes());
        }
        if let Some(offset) = options.offset {
            header.extend(offset.to_be_bytes());
            header.resize(header.len() + usize::from(offset), 0);
        }
        let kind = if options.length { Kind::L2tp } else { Kind::Plain };
        self.udp(PORT, PORT).layer(kind, Names::default(), &header)
    }

    /// An L2TP version 3 data header over IP (RFC 3931 §4.1.1.1): session, cookie of 0, 4 or 8 bytes, and the default
    /// sublayer with a sequence number (§4.6) if there is one; a whole Ethernet frame follows (RFC 4719).
    #[must_use]
    pub fn l2tpv3(self, session: u32, cookie: &[u8], sequence: Option<u32>) -> Self {
        let names = Names { protocol: 115, ..Names::default() };
        self.layer(Kind::Plain, names, &l2tpv3_header(session, cookie, sequence))
    }

    /// The same over UDP (RFC 3931 §4.1.2.1).
    #[must_use]
    pub fn l2tpv3_in_udp(self, session: u32, cookie: &[u8], sequence: Option<u32>) -> Self {
        let header = [&[0, 3, 0, 0], l2tpv3_header(session, cookie, sequence).as_slice()].concat();
        self.udp(PORT, PORT).layer(Kind::Plain, Names::default(), &header)
    }

    /// An EtherIP header (RFC 3378 §3); a whole Ethernet frame follows.
    #[must_use]
    pub fn etherip(self) -> Self {
        self.layer(Kind::Plain, Names { protocol: 97, ..Names::default() }, &[0x30, 0])
    }
}

fn l2tpv3_header(session: u32, cookie: &[u8], sequence: Option<u32>) -> Vec<u8> {
    let mut header = session.to_be_bytes().to_vec();
    header.extend_from_slice(cookie);
    // The bit says that there is a sequence number of 24 bits.
    header.extend(sequence.map(|number| 0x4000_0000 | number).into_iter().flat_map(u32::to_be_bytes));
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    fn ip() -> Packet {
        Packet::bare().ipv4(A, B)
    }

    #[test]
    fn l2tp_version_2_has_the_fields_that_its_flags_name() {
        let short = ip().l2tp(1, 2, L2tp::default()).ppp().ipv4(A, B).build();
        assert_eq!(short[20..24], [6, 0xa5, 6, 0xa5]);
        assert_eq!(short[28..39], [0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21, 0x45]);
        let options = L2tp { length: true, sequence: Some((7, 8)), offset: Some(2) };
        let long = ip().l2tp(1, 2, options).ppp_compressed().ipv4(A, B).build();
        assert_eq!(long[28..47], [0x4a, 2, 0, 38, 0, 1, 0, 2, 0, 7, 0, 8, 0, 2, 0, 0, 0, 0x21, 0x45]);
    }

    #[test]
    fn l2tp_version_3_over_ip_and_udp_has_session_cookie_and_sequence() {
        let inside = |packet: Packet| packet.ethernet_inside([2; 6], [4; 6]).ipv4(A, B).build();
        let over_ip = inside(ip().l2tpv3(0x0102_0304, &[5, 6, 7, 8], Some(9)));
        assert_eq!(over_ip[9], 115);
        assert_eq!(over_ip[20..33], [1, 2, 3, 4, 5, 6, 7, 8, 0x40, 0, 0, 9, 4]);
        let over_udp = inside(ip().l2tpv3_in_udp(0x0102_0304, &[], None));
        assert_eq!(over_udp[28..37], [0, 3, 0, 0, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn etherip_is_two_bytes_before_an_ethernet_frame() {
        let frame = ip().etherip().ethernet_inside([2; 6], [4; 6]).ipv4(A, B).build();
        assert_eq!((frame[9], &frame[20..23]), (97, &[0x30, 0, 4][..]));
    }
}
