//! The common frame in a straight line: Ethernet, at most one VLAN tag, an IPv4 header without options that is no
//! fragment or an IPv6 header without extensions, TCP or UDP.
//!
//! It either decodes the whole frame, and then exactly as the walk of [`crate::decoder`] would, or touches nothing and
//! leaves the frame to that walk. Anything odd is left to the walk: no event is raised here.
//!
//! The packet is handed to a [`Take`] at every end of the line, and everything is inlined: what the caller does with it is
//! compiled for each kind of packet, so that fields go from the header to where the caller puts them in registers, what
//! the kind settles costs nothing, and no packet is ever written. It saves a third of the instructions from frame to key.

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

/// What is done about a UDP datagram that may be a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tunnels {
    /// It is left to the walk.
    Leave,
    /// It is taken, and the caller looks inside: see [`Take::take`].
    Take,
}

/// What is done with a packet at the end of the straight line. An implementation is marked `#[inline(always)]`, which a
/// closure cannot be.
pub trait Take {
    /// What comes of it.
    type Taken;
    /// Takes a packet. `is_tunnel` when it may be a tunnel: all is done then but for what may be inside.
    fn take(self, packet: &FlowPacket, is_tunnel: bool) -> Self::Taken;
}

/// Has the packet written to a place. Answers whether it may be a tunnel.
pub(crate) struct Write<'p>(pub(crate) &'p mut FlowPacket);

impl Take for Write<'_> {
    type Taken = bool;
    #[inline(always)]
    fn take(self, packet: &FlowPacket, is_tunnel: bool) -> bool {
        *self.0 = *packet;
        is_tunnel
    }
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
pub(crate) fn decode<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    data: &[u8],
    wire_len: u32,
    take: T,
) -> Option<T::Taken> {
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
        ethertype::IPV4 => finish(layers, filter, tunnels, Some(macs), vlan, &network_v4(rest, missing)?, take),
        ethertype::IPV6 => finish(layers, filter, tunnels, Some(macs), vlan, &network_v6(rest, missing)?, take),
        _ => None,
    }
}

/// A packet that begins with an IPv4 header, as it comes out of tunnels.
#[inline(always)]
pub(crate) fn decode_v4<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    data: &[u8],
    wire_len: u32,
    take: T,
) -> Option<T::Taken> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    finish(layers, filter, tunnels, None, VlanTags::default(), &network_v4(data, missing)?, take)
}

/// A packet that begins with an IPv6 header, as it comes out of tunnels.
#[inline(always)]
pub(crate) fn decode_v6<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    data: &[u8],
    wire_len: u32,
    take: T,
) -> Option<T::Taken> {
    let missing = (wire_len as usize).saturating_sub(data.len());
    finish(layers, filter, tunnels, None, VlanTags::default(), &network_v6(data, missing)?, take)
}

/// The transport, and the whole. Inlined for each IP version, so that what the version settles is settled then.
#[inline(always)]
fn finish<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    macs: Option<Macs>,
    vlan: VlanTags,
    network: &Network<'_>,
    take: T,
) -> Option<T::Taken> {
    let below = Below { macs, vlan, network };
    match network.ip.protocol {
        tcp::PROTOCOL => {
            let (segment, options) = tcp_header(network.rest, network.len)?;
            let segment = match options {
                [] => segment,
                options => match timestamps_alone(options) {
                    None => {
                        let segment = with_options(segment, options)?;
                        layers.tcp += 1;
                        below.count(layers);
                        return Some(take.take(&below.packet(tcp::PROTOCOL, Transport::Tcp(segment)), false));
                    }
                    timestamps => TcpSegment { timestamps, ..segment },
                },
            };
            layers.tcp += 1;
            below.count(layers);
            Some(take.take(&below.packet(tcp::PROTOCOL, Transport::Tcp(segment)), false))
        }
        udp::PROTOCOL => {
            let (ports, is_tunnel) = udp_ports(filter, network.rest, network.len)?;
            if is_tunnel && tunnels == Tunnels::Leave {
                return None;
            }
            layers.udp += 1;
            below.count(layers);
            Some(take.take(&below.packet(udp::PROTOCOL, Transport::Udp(ports)), is_tunnel))
        }
        _ => None,
    }
}

/// All of a packet but its transport.
struct Below<'a> {
    macs: Option<Macs>,
    vlan: VlanTags,
    network: &'a Network<'a>,
}

impl Below<'_> {
    #[inline(always)]
    fn count(&self, layers: &mut LayerCounters) {
        layers.ethernet += u64::from(self.macs.is_some());
        layers.vlan += u64::from(self.vlan.count);
        match self.network.ip.version {
            IpVersion::V4 => layers.ipv4 += 1,
            IpVersion::V6 => layers.ipv6 += 1,
        }
    }

    /// `protocol` is that of the IP header, known by now.
    #[inline(always)]
    fn packet(&self, protocol: u8, transport: Transport) -> FlowPacket {
        let Network { ip, len, header_len, .. } = self.network;
        let ethernet_len = if self.macs.is_some() { ethernet::HEADER_LEN } else { 0 };
        let link_len = ethernet_len + usize::from(self.vlan.count) * vlan::HEADER_LEN;
        FlowPacket {
            src: ip.src,
            dst: ip.dst,
            vlan: self.vlan,
            ip_version: ip.version,
            protocol,
            ttl: ip.ttl,
            recursion: 0,
            tunnel: Tunnel::NONE,
            transport,
            transport_offset: (link_len + header_len) as u32,
            transport_len: *len as u32,
            macs: self.macs,
            event: None,
            inner: None,
        }
    }
}

/// `missing` is how many bytes the capture cut from the end of the frame.
#[inline(always)]
fn network_v4(data: &[u8], missing: usize) -> Option<Network<'_>> {
    let (header, rest) = data.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let &[version_len, _, len_hi, len_lo, _, _, frag_hi, frag_lo, ttl, protocol, _, _, ref addresses @ ..] = header;
    let len = usize::from(be16(len_hi, len_lo)).checked_sub(ipv4::HEADER_LEN)?;
    let usual = version_len == ipv4::VERSION_4_WITHOUT_OPTIONS
        && be16(frag_hi, frag_lo) & ipv4::FRAGMENT_MASK == 0
        && len <= rest.len() + missing;
    let ([src, dst], []) = addresses.as_chunks() else { return None };
    let (src, dst) = (Address::v4(*src), Address::v4(*dst));
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

/// The segment without its options, and these.
#[inline(always)]
fn tcp_header(data: &[u8], len: usize) -> Option<(TcpSegment, &[u8])> {
    let (header, rest) = data.split_first_chunk::<{ tcp::HEADER_LEN }>()?;
    let header_len = tcp::header_len(header);
    if header_len < tcp::HEADER_LEN || header_len > len {
        return None;
    }
    Some((tcp::fixed_part(header, len - header_len), rest.get(..header_len - tcp::HEADER_LEN)?))
}

/// The timestamps, when they stand as they do in nearly every segment of nearly every connection (RFC 7323, appendix A).
#[inline(always)]
fn timestamps_alone(options: &[u8]) -> Option<(u32, u32)> {
    match options.as_chunks() {
        ([[1, 1, 8, 10], value, echo], []) => Some((u32::from_be_bytes(*value), u32::from_be_bytes(*echo))),
        _ => None,
    }
}

/// The segment with its options, if nothing about them is odd. Inlined for the reason given at [`tcp::parse_options`].
#[inline(always)]
fn with_options(segment: TcpSegment, options: &[u8]) -> Option<TcpSegment> {
    let (mut segment, mut odd) = (segment, false);
    tcp::parse_options(options, true, &mut segment, |_| odd = true);
    (!odd).then_some(segment)
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
