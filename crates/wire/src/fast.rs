//! The common frame in a straight line: Ethernet, at most one VLAN tag, an IPv4 header without options that is no
//! fragment or an IPv6 header without extensions, TCP or UDP.
//!
//! It either decodes the whole frame (into `packet`), and then exactly as the walk of [`crate::decoder`] would, or touches nothing and
//! leaves the frame to that walk. Anything odd is left to the walk: no event is raised here.

use crate::context::Ip;
use crate::counters::LayerCounters;
use crate::udp_tunnel::TunnelFilter;
use crate::view::be16;
use crate::{
    Address, FlowPacket, IpVersion, Macs, Ports, TcpSegment, Transport, Tunnel, VlanTags, ethernet, ethertype, ipv4,
    ipv6, tcp, udp, vlan,
};

/// Headers that count as layers here, at most. With a limit this low or lower the walk has to say so.
pub(crate) const LAYERS: u8 = 3;

/// How far the straight line went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reached {
    /// To the end.
    End,
    /// To a UDP datagram that may be a tunnel: all is done but for what may be inside.
    Tunnel,
}

/// What stands between the link layer and the transport.
struct Network<'a> {
    ip: Ip,
    /// Bytes from the transport header to the end of the datagram, by the IP length.
    len: usize,
    /// What was captured of them, and perhaps padding.
    rest: &'a [u8],
    header_len: usize,
}

#[inline(always)]
pub(crate) fn decode(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    data: &[u8],
    wire_len: u32,
    packet: &mut FlowPacket,
) -> Option<Reached> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    let (header, rest) = data.split_first_chunk::<{ ethernet::HEADER_LEN }>()?;
    let (macs, kind) = ethernet::fields(header);
    let (kind, vlan, rest) = match kind {
        ethertype::VLAN => {
            let (&[id_hi, id_lo, hi, lo], rest) = rest.split_first_chunk::<{ vlan::HEADER_LEN }>()?;
            let ids = [be16(id_hi, id_lo) & vlan::ID_MASK, 0, 0];
            (be16(hi, lo), VlanTags { ids, count: 1 }, rest)
        }
        kind => (kind, VlanTags::default(), rest),
    };
    match kind {
        ethertype::IPV4 => finish(layers, filter, Some(macs), vlan, &network_v4(rest, missing)?, packet),
        ethertype::IPV6 => finish(layers, filter, Some(macs), vlan, &network_v6(rest, missing)?, packet),
        _ => None,
    }
}

/// A packet that begins with an IPv4 header, as it comes out of tunnels.
#[inline(always)]
pub(crate) fn decode_v4(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    data: &[u8],
    wire_len: u32,
    packet: &mut FlowPacket,
) -> Option<Reached> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    finish(layers, filter, None, VlanTags::default(), &network_v4(data, missing)?, packet)
}

/// A packet that begins with an IPv6 header, as it comes out of tunnels.
#[inline(always)]
pub(crate) fn decode_v6(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    data: &[u8],
    wire_len: u32,
    packet: &mut FlowPacket,
) -> Option<Reached> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    finish(layers, filter, None, VlanTags::default(), &network_v6(data, missing)?, packet)
}

/// The transport, and the whole. Inlined for each IP version, so that what the version settles is settled then.
#[inline(always)]
fn finish(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    macs: Option<Macs>,
    vlan: VlanTags,
    network: &Network<'_>,
    packet: &mut FlowPacket,
) -> Option<Reached> {
    let mut reached = Reached::End;
    let (transport, counter) = match network.ip.protocol {
        tcp::PROTOCOL => (Transport::Tcp(tcp_segment(network.rest, network.len)?), &mut layers.tcp),
        udp::PROTOCOL => {
            let (ports, passes) = udp_ports(filter, network.rest, network.len)?;
            if passes {
                reached = Reached::Tunnel;
            }
            (Transport::Udp(ports), &mut layers.udp)
        }
        _ => return None,
    };
    *counter += 1;
    layers.ethernet += u64::from(macs.is_some());
    layers.vlan += u64::from(vlan.count);
    match network.ip.version {
        IpVersion::V4 => layers.ipv4 += 1,
        IpVersion::V6 => layers.ipv6 += 1,
    }
    let ethernet_len = if macs.is_some() { ethernet::HEADER_LEN } else { 0 };
    let link_len = ethernet_len + usize::from(vlan.count) * vlan::HEADER_LEN;
    *packet = FlowPacket {
        src: network.ip.src,
        dst: network.ip.dst,
        vlan,
        ip_version: network.ip.version,
        protocol: network.ip.protocol,
        ttl: network.ip.ttl,
        recursion: 0,
        tunnel: Tunnel::NONE,
        transport,
        transport_offset: (link_len + network.header_len) as u32,
        transport_len: network.len as u32,
        macs,
        event: None,
        inner: None,
    };
    Some(reached)
}

/// `missing` is how many bytes the capture cut from the end of the frame.
#[inline(always)]
fn network_v4(data: &[u8], missing: usize) -> Option<Network<'_>> {
    let (header, rest) = data.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let &[version_len, _, len_hi, len_lo, _, _, frag_hi, frag_lo, ttl, protocol, _, _, a, b, c, d, e, f, g, h] = header;
    let len = usize::from(be16(len_hi, len_lo)).checked_sub(ipv4::HEADER_LEN)?;
    let usual = version_len == ipv4::VERSION_4_WITHOUT_OPTIONS
        && be16(frag_hi, frag_lo) & ipv4::FRAGMENT_MASK == 0
        && len <= rest.len() + missing;
    let (src, dst) = (Address::v4([a, b, c, d]), Address::v4([e, f, g, h]));
    let ip = Ip { version: IpVersion::V4, src, dst, protocol, ttl };
    usual.then_some(Network { ip, len, rest, header_len: ipv4::HEADER_LEN })
}

#[inline(always)]
fn network_v6(data: &[u8], missing: usize) -> Option<Network<'_>> {
    let (header, rest) = data.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let &[version_class, _, _, _, len_hi, len_lo, protocol, ttl, ref addresses @ ..] = header;
    let len = usize::from(be16(len_hi, len_lo));
    let usual = version_class >> 4 == 6 && len <= rest.len() + missing;
    let (src, dst) = ipv6::split_addresses(addresses);
    let ip = Ip { version: IpVersion::V6, src, dst, protocol, ttl };
    usual.then_some(Network { ip, len, rest, header_len: ipv6::HEADER_LEN })
}

/// The segment, if nothing about it is odd. Inlined for the reason given at [`tcp::parse_options`].
#[inline(always)]
fn tcp_segment(data: &[u8], len: usize) -> Option<TcpSegment> {
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

/// The ports, and whether the datagram may be a tunnel.
#[inline(always)]
fn udp_ports(filter: &TunnelFilter, data: &[u8], len: usize) -> Option<(Ports, bool)> {
    let (header, payload) = data.split_first_chunk::<{ udp::HEADER_LEN }>()?;
    let &[s_hi, s_lo, d_hi, d_lo, len_hi, len_lo, _, _] = header;
    let own_len = usize::from(be16(len_hi, len_lo));
    if own_len < udp::HEADER_LEN || own_len > len {
        return None;
    }
    let ports = Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) };
    let payload_len = own_len - udp::HEADER_LEN;
    let payload = payload.get(..payload_len).unwrap_or(payload);
    Some((ports, filter.passes(ports, payload, payload_len)))
}
