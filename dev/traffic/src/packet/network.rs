//! IPv4 and IPv6 headers, extension headers, and cutting datagrams into fragments.

use std::net::IpAddr;

use super::link::{ETHER_IPV4, ETHER_IPV6};
use super::{Kind, Names, Packet};
use crate::checksum;

const IPV4: Names = Names { ether_type: ETHER_IPV4, protocol: 4, ppp: 0x0021 };
const IPV6: Names = Names { ether_type: ETHER_IPV6, protocol: 41, ppp: 0x0057 };

impl Packet {
    /// An IPv4 or IPv6 header, as the addresses are.
    ///
    /// # Panics
    /// When the two addresses are of different versions.
    #[must_use]
    pub fn ip(self, src: IpAddr, dst: IpAddr) -> Self {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.ipv4(src.octets(), dst.octets()),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.ipv6(src.octets(), dst.octets()),
            _ => panic!("addresses of two IP versions in one packet"),
        }
    }

    /// An IPv4 header (RFC 791): time to live 64, may not be fragmented, identification 0.
    #[must_use]
    pub fn ipv4(self, src: [u8; 4], dst: [u8; 4]) -> Self {
        self.ipv4_with_options(src, dst, &[])
    }

    /// An IPv4 header with options, which are padded with end-of-options to a multiple of four bytes.
    ///
    /// # Panics
    /// When the options are longer than 40 bytes.
    #[must_use]
    pub fn ipv4_with_options(self, src: [u8; 4], dst: [u8; 4], options: &[u8]) -> Self {
        let len = (20 + options.len()).next_multiple_of(4);
        assert!(len <= 60, "IPv4 options of at most 40 bytes");
        let mut header = [0; 60];
        header[0] = 0x40 | (len / 4) as u8;
        header[6] = 0x40;
        header[8] = 64;
        header[12..16].copy_from_slice(&src);
        header[16..20].copy_from_slice(&dst);
        header[20..20 + options.len()].copy_from_slice(options);
        self.layer(Kind::Ipv4, IPV4, &header[..len])
    }

    /// An IPv6 header (RFC 8200), hop limit 64.
    #[must_use]
    pub fn ipv6(self, src: [u8; 16], dst: [u8; 16]) -> Self {
        let mut header = [0; 40];
        header[0] = 0x60;
        // No next header (59) until a layer follows.
        header[6] = 59;
        header[7] = 64;
        header[8..24].copy_from_slice(&src);
        header[24..].copy_from_slice(&dst);
        self.layer(Kind::Ipv6, IPV6, &header)
    }

    /// Sets time to live or hop limit of the IP header just added.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Self {
        if let Some(layer) = self.0.layers.last() {
            let at = layer.start + if layer.kind == Kind::Ipv4 { 8 } else { 7 };
            self.0.bytes[at] = ttl;
        }
        self
    }

    /// Makes the IPv4 header just added one of a fragment: identification, offset in bytes, whether more follow.
    ///
    /// # Panics
    /// When `offset` is not a multiple of eight or does not fit the field.
    #[must_use]
    pub fn fragment_v4(mut self, id: u16, offset: usize, more: bool) -> Self {
        let start = self.last_start();
        self.put(start + 4, &id.to_be_bytes());
        self.put(start + 6, &fragment_field(offset, more));
        self
    }

    /// An IPv6 fragment header (RFC 8200 §4.5).
    ///
    /// # Panics
    /// When `offset` is not a multiple of eight or does not fit the field.
    #[must_use]
    pub fn fragment_v6(self, id: u32, offset: usize, more: bool) -> Self {
        assert!(offset.is_multiple_of(8) && offset < 65_536, "fragment offsets count eights");
        let field = (offset as u16) | u16::from(more);
        let mut header = [59, 0, 0, 0, 0, 0, 0, 0];
        header[2..4].copy_from_slice(&field.to_be_bytes());
        header[4..].copy_from_slice(&id.to_be_bytes());
        self.extension(44, &header)
    }

    /// A hop-by-hop options header (RFC 8200 §4.3) with these options, padded to a multiple of eight bytes.
    #[must_use]
    pub fn hop_by_hop(self, options: &[u8]) -> Self {
        self.extension(0, &options_header(options))
    }

    /// A destination options header (RFC 8200 §4.6) with these options, padded to a multiple of eight bytes.
    #[must_use]
    pub fn destination_options(self, options: &[u8]) -> Self {
        self.extension(60, &options_header(options))
    }

    /// A routing header (RFC 8200 §4.4) of this type, with no segment left and no address.
    #[must_use]
    pub fn routing(self, kind: u8) -> Self {
        self.extension(43, &[59, 0, kind, 0, 0, 0, 0, 0])
    }

    /// A segment routing header (RFC 8754 §2) with these segments, the last first, of which none is left.
    #[must_use]
    pub fn segment_routing(self, segments: &[[u8; 16]]) -> Self {
        let count = segments.len() as u8;
        let mut header = vec![59, 2 * count, 4, 0, count.saturating_sub(1), 0, 0, 0];
        header.extend(segments.iter().flatten());
        self.extension(43, &header)
    }

    /// An authentication header (RFC 4302) with a check value of twelve zero bytes.
    #[must_use]
    pub fn ah(self, spi: u32, sequence: u32) -> Self {
        let mut header = [0; 24];
        header[0] = 59;
        header[1] = 4;
        header[4..8].copy_from_slice(&spi.to_be_bytes());
        header[8..12].copy_from_slice(&sequence.to_be_bytes());
        self.extension(51, &header)
    }

    /// An IPv6 extension header as given; its first byte is set when a layer follows.
    #[must_use]
    pub fn extension(self, protocol: u8, header: &[u8]) -> Self {
        self.layer(Kind::ProtocolAt(0), Names { protocol, ..Names::default() }, header)
    }

    /// An IP packet as given; its first nibble says which version.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn ip_packet(self, packet: &[u8]) -> Self {
        let names = if packet[0] >> 4 == 6 { IPV6 } else { IPV4 };
        self.layer(Kind::Plain, names, packet)
    }

    /// Bytes of an IP protocol that is not built here.
    #[must_use]
    pub fn protocol(self, protocol: u8, bytes: &[u8]) -> Self {
        self.layer(Kind::Plain, Names { protocol, ..Names::default() }, bytes)
    }
}

/// Options header of IPv6: next header, length in eights without the first, options, PadN or Pad1.
fn options_header(options: &[u8]) -> Vec<u8> {
    let mut header = vec![59, 0];
    header.extend_from_slice(options);
    match header.len().next_multiple_of(8) - header.len() {
        // Pad1 for what is short: a PadN without padding is suspicious to some.
        missing @ 0..=2 => header.resize(header.len() + missing, 0),
        missing => {
            header.extend([1, missing as u8 - 2]);
            header.resize(header.len() + missing - 2, 0);
        }
    }
    header[1] = (header.len() / 8 - 1) as u8;
    header
}

fn fragment_field(offset: usize, more: bool) -> [u8; 2] {
    assert!(offset.is_multiple_of(8) && offset < 65_536, "fragment offsets count eights");
    ((offset / 8) as u16 | if more { 0x2000 } else { 0 }).to_be_bytes()
}

/// Cuts an IPv4 datagram (header without options, from its first byte) into fragments of at most `mtu` bytes each.
///
/// # Panics
/// When `mtu` has no room for eight bytes of payload.
#[must_use]
pub fn fragments_v4(datagram: &[u8], id: u16, mtu: usize) -> Vec<Vec<u8>> {
    let step = (mtu - 20) / 8 * 8;
    assert!(step > 0, "an MTU of at least 28");
    let (header, payload) = datagram.split_at(20);
    let pieces = payload.chunks(step).enumerate().map(|(number, piece)| {
        let offset = number * step;
        let mut fragment = [header, piece].concat();
        let len = fragment.len() as u16;
        fragment[2..4].copy_from_slice(&len.to_be_bytes());
        fragment[4..6].copy_from_slice(&id.to_be_bytes());
        fragment[6..8].copy_from_slice(&fragment_field(offset, offset + piece.len() < payload.len()));
        fragment[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum::internet(&[&fragment[..20]]);
        fragment[10..12].copy_from_slice(&sum.to_be_bytes());
        fragment
    });
    pieces.collect()
}

/// Cuts an IPv6 packet (fixed header, then what may be fragmented) into fragments of at most `mtu` bytes each.
///
/// # Panics
/// When `mtu` has no room for eight bytes of payload.
#[must_use]
pub fn fragments_v6(packet: &[u8], id: u32, mtu: usize) -> Vec<Vec<u8>> {
    let step = (mtu - 48) / 8 * 8;
    assert!(step > 0, "an MTU of at least 56");
    let (header, payload) = packet.split_at(40);
    let mut addresses = [[0; 16]; 2];
    addresses[0].copy_from_slice(&header[8..24]);
    addresses[1].copy_from_slice(&header[24..]);
    let pieces = payload.chunks(step).enumerate().map(|(number, piece)| {
        let offset = number * step;
        let more = offset + piece.len() < payload.len();
        let [src, dst] = addresses;
        Packet::bare().ipv6(src, dst).fragment_v6(id, offset, more).protocol(header[6], piece).build()
    });
    pieces.collect()
}
