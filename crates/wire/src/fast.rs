//! The common frame in a straight line: Ethernet, an IPv4 header without options that is no fragment, TCP or UDP.
//!
//! It either decodes the whole frame, and then exactly as the walk of [`crate::decoder`] would, or touches nothing and
//! leaves the frame to that walk. Anything odd is left to the walk: no event is raised here.

use crate::counters::LayerCounters;
use crate::view::be16;
use crate::{Address, FlowPacket, IpVersion, Macs, Ports, Transport, VlanTags, ethernet, ethertype, ipv4, tcp, udp};

/// Headers that count as layers here. With a limit this low or lower the walk has to say so.
pub(crate) const LAYERS: u8 = 2;

const L4_OFFSET: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

#[inline]
pub(crate) fn decode(layers: &mut LayerCounters, data: &[u8], wire_len: u32) -> Option<FlowPacket> {
    let (ethernet, rest) = data.split_first_chunk::<{ ethernet::HEADER_LEN }>()?;
    let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, kind_hi, kind_lo] = ethernet;
    let (header, rest) = rest.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let &[version_len, _, len_hi, len_lo, _, _, frag_hi, frag_lo, ttl, protocol, _, _, a, b, c, d, e, f, g, h] = header;
    let datagram_len = usize::from(be16(len_hi, len_lo));
    let wire_len = data.len().max(wire_len as usize);
    let usual = be16(kind_hi, kind_lo) == ethertype::IPV4
        && version_len == ipv4::VERSION_4_WITHOUT_OPTIONS
        && be16(frag_hi, frag_lo) & ipv4::FRAGMENT_MASK == 0
        && datagram_len >= ipv4::HEADER_LEN
        && datagram_len <= wire_len - ethernet::HEADER_LEN;
    if !usual {
        return None;
    }
    let len = datagram_len - ipv4::HEADER_LEN;
    let transport = match protocol {
        tcp::PROTOCOL => Transport::Tcp(tcp_segment(rest, len)?),
        udp::PROTOCOL => Transport::Udp(udp_ports(rest, len)?),
        _ => return None,
    };
    layers.ethernet += 1;
    layers.ipv4 += 1;
    match protocol {
        tcp::PROTOCOL => layers.tcp += 1,
        _ => layers.udp += 1,
    }
    Some(FlowPacket {
        src: Address::v4([a, b, c, d]),
        dst: Address::v4([e, f, g, h]),
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        protocol,
        ttl,
        recursion: 0,
        transport,
        transport_offset: L4_OFFSET as u32,
        transport_len: len as u32,
        macs: Some(Macs { src: [s0, s1, s2, s3, s4, s5], dst: [d0, d1, d2, d3, d4, d5] }),
        event: None,
        inner: None,
    })
}

#[inline]
fn tcp_segment(data: &[u8], len: usize) -> Option<crate::TcpSegment> {
    let (header, rest) = data.split_first_chunk::<{ tcp::HEADER_LEN }>()?;
    let header_len = tcp::header_len(header);
    if header_len < tcp::HEADER_LEN || header_len > len {
        return None;
    }
    let mut segment = tcp::fixed_part(header, len - header_len);
    if header_len > tcp::HEADER_LEN {
        let options = rest.get(..header_len - tcp::HEADER_LEN)?;
        if let &[1, 1, 8, 10, v0, v1, v2, v3, e0, e1, e2, e3] = options {
            // What nearly every segment of nearly every connection carries (RFC 7323, appendix A).
            segment.timestamps = Some((u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3])));
        } else {
            let mut odd = false;
            tcp::parse_options(options, true, &mut segment, |_| odd = true);
            if odd {
                return None;
            }
        }
    }
    Some(segment)
}

#[inline]
fn udp_ports(data: &[u8], len: usize) -> Option<Ports> {
    let &[s_hi, s_lo, d_hi, d_lo, len_hi, len_lo, _, _] = data.first_chunk::<{ udp::HEADER_LEN }>()?;
    let own_len = usize::from(be16(len_hi, len_lo));
    (own_len >= udp::HEADER_LEN && own_len <= len).then_some(Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) })
}
