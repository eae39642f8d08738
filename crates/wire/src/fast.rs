//! The common frame in a straight line: Ethernet, at most one VLAN tag, an IPv4 header without options that is no
//! fragment or an IPv6 header without extensions, TCP or UDP.
//!
//! It either decodes the whole frame, and then exactly as the walk of [`crate::decoder`] would, or touches nothing and
//! leaves the frame to that walk. Anything odd is left to the walk: no event is raised here.
//!
//! The packet is handed to a [`Take`] at every end of the line, and everything is inlined: what the caller does with it is
//! compiled for each kind of packet, so that fields go from the header to where the caller puts them in registers, what
//! the kind settles costs nothing, and no packet is ever written. It saves a third of the instructions from frame to key.
//! On the way only lengths and kinds are looked at. All other fields are read at the end ([`Straight`]), each when it is
//! wanted: read earlier they would be put aside in memory, which was a tenth of the instructions from frame to hash.

use crate::counters::LayerCounters;
use crate::udp_tunnel::TunnelFilter;
use crate::view::be16;
use crate::{
    Address, FlowPacket, IpVersion, Ports, RawSegment, TcpSegment, Transport, Tunnel, VlanTags, ethernet, ethertype,
    ipv4, ipv6, role, tcp, udp, vlan,
};

/// Headers that count as layers here, at most. With a limit this low or lower the walk has to say so.
pub(crate) const LAYERS: u8 = 3;

/// What is done about a UDP datagram that may be a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tunnels {
    /// It is left to the walk.
    Leave,
    /// It is taken, and the caller looks inside: see [`Take::udp`].
    Take,
}

/// What is done with a packet at the end of the straight line. An implementation is marked `#[inline(always)]`, which a
/// closure cannot be.
pub trait Take {
    /// What comes of it.
    type Taken;
    /// Takes a TCP segment.
    fn tcp(self, packet: &Straight<'_>, segment: &TcpSegment) -> Self::Taken;
    /// Takes a UDP datagram. `payload` is what was captured of it, and perhaps padding. `is_tunnel` when it may be a tunnel:
    /// all is done then but for what may be inside.
    fn udp(self, packet: &Straight<'_>, ports: Ports, payload: &[u8], is_tunnel: bool) -> Self::Taken;
}

/// Has the packet written to a place. Answers whether it may be a tunnel.
pub(crate) struct Write<'p>(pub(crate) &'p mut FlowPacket);

impl Take for Write<'_> {
    type Taken = bool;
    #[inline(always)]
    fn tcp(self, packet: &Straight<'_>, segment: &TcpSegment) -> bool {
        *self.0 = packet.with(tcp::PROTOCOL, Transport::Tcp(*segment));
        false
    }
    #[inline(always)]
    fn udp(self, packet: &Straight<'_>, ports: Ports, _payload: &[u8], is_tunnel: bool) -> bool {
        *self.0 = packet.with(udp::PROTOCOL, Transport::Udp(ports));
        is_tunnel
    }
}

/// A packet at the end of the straight line: all but its transport, read from its headers when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Straight<'a> {
    link: Option<&'a [u8; ethernet::HEADER_LEN]>,
    vlan: Option<u16>,
    network: Header<'a>,
    /// Bytes from the transport header to the end of the datagram, by the IP length.
    len: usize,
    /// What was captured of them, and perhaps padding.
    rest: &'a [u8],
    /// Length of the transport header, when it is that of TCP.
    header_len: usize,
}

/// An IP header that is as the straight line has it.
#[derive(Clone, Copy, Debug)]
enum Header<'a> {
    V4(&'a [u8; ipv4::HEADER_LEN]),
    V6(&'a [u8; ipv6::HEADER_LEN]),
}

impl<'a> Straight<'a> {
    /// IP version.
    #[inline(always)]
    #[must_use]
    pub const fn ip_version(&self) -> IpVersion {
        match self.network {
            Header::V4(_) => IpVersion::V4,
            Header::V6(_) => IpVersion::V6,
        }
    }
    /// Source and destination address.
    #[inline(always)]
    #[must_use]
    pub fn ends(&self) -> (Address, Address) {
        match self.network {
            Header::V4(&[.., s0, s1, s2, s3, d0, d1, d2, d3]) => {
                (Address::v4([s0, s1, s2, s3]), Address::v4([d0, d1, d2, d3]))
            }
            Header::V6([_, _, _, _, _, _, _, _, addresses @ ..]) => ipv6::split_addresses(addresses),
        }
    }
    /// Time to live, or hop limit.
    #[inline(always)]
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        match self.network {
            Header::V4(header) => header[8],
            Header::V6(header) => header[7],
        }
    }
    /// VLAN ids.
    #[inline(always)]
    #[must_use]
    pub fn vlan(&self) -> VlanTags {
        VlanTags { ids: [self.vlan.unwrap_or(0), 0, 0], count: u8::from(self.vlan.is_some()) }
    }
    /// Offset of the transport header from where decoding began.
    #[inline(always)]
    #[must_use]
    pub const fn transport_offset(&self) -> usize {
        let ethernet_len = if self.link.is_some() { ethernet::HEADER_LEN } else { 0 };
        let vlan_len = if self.vlan.is_some() { vlan::HEADER_LEN } else { 0 };
        ethernet_len
            + vlan_len
            + match self.network {
                Header::V4(header) => header.len(),
                Header::V6(header) => header.len(),
            }
    }
    /// The datagram from its transport header on, by the IP length; `None` when it was not captured in full.
    #[inline(always)]
    #[must_use]
    pub fn transport(&self) -> Option<&'a [u8]> {
        self.rest.get(..self.len)
    }
    /// The header of a segment that this packet is, in its bytes.
    #[inline(always)]
    #[must_use]
    pub fn raw_segment(&self, segment: &TcpSegment) -> RawSegment {
        match self.rest.first_chunk() {
            Some(&header) => RawSegment::new(header, segment),
            // Never: a segment has a whole header.
            None => RawSegment::of(segment),
        }
    }
    /// Whether the payload of the segment that this packet is may tell what part its sender has, if there is one.
    ///
    /// Whether there is one is not asked here, since no processor foresees it: of a segment without a payload two other bytes are
    /// looked at.
    #[inline(always)]
    #[must_use]
    pub fn may_tell_role(&self) -> bool {
        let Some(last) = self.rest.len().checked_sub(2) else { return false };
        let Some(&[first, second, ..]) = self.rest.get(self.header_len.min(last)..) else { return false };
        role::may_tell([first, second])
    }
    /// What was captured of the payload of the segment that this packet is, and perhaps padding.
    #[inline(always)]
    #[must_use]
    pub fn segment_payload(&self) -> Option<&'a [u8]> {
        self.rest.get(self.header_len..)
    }
    /// The packet as the walk would have it. `protocol` is that of the IP header, known by now.
    #[inline(always)]
    fn with(&self, protocol: u8, transport: Transport) -> FlowPacket {
        let (src, dst) = self.ends();
        FlowPacket {
            src,
            dst,
            vlan: self.vlan(),
            ip_version: self.ip_version(),
            protocol,
            ttl: self.ttl(),
            recursion: 0,
            tunnel: Tunnel::NONE,
            transport,
            transport_offset: self.transport_offset() as u32,
            transport_len: self.len as u32,
            macs: self.link.map(|header| ethernet::fields(header).0),
            event: None,
            inner: None,
        }
    }
    #[inline(always)]
    const fn protocol(&self) -> u8 {
        match self.network {
            Header::V4(header) => header[9],
            Header::V6(header) => header[6],
        }
    }
    #[inline(always)]
    fn count(&self, layers: &mut LayerCounters) {
        layers.ethernet += u64::from(self.link.is_some());
        layers.vlan += u64::from(self.vlan.is_some());
        match self.network {
            Header::V4(_) => layers.ipv4 += 1,
            Header::V6(_) => layers.ipv6 += 1,
        }
    }
}

/// Decodes a frame of Ethernet of which `data` was captured.
#[inline(always)]
pub(crate) fn decode<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    data: &[u8],
    wire_len: u32,
    take: T,
) -> Option<T::Taken> {
    let (header, rest) = data.split_first_chunk::<{ ethernet::HEADER_LEN }>()?;
    let start = Start { link: Some(header), data: rest, ..Start::new(data, wire_len) };
    match ethernet::fields(header).1 {
        ethertype::VLAN => tagged(layers, filter, tunnels, start, take),
        kind => network(layers, filter, tunnels, kind, &start, take),
    }
}

/// A frame with a VLAN tag. Apart from the others, whose headers then stand where they are known to stand: that saves 3 %
/// of all instructions of the elephant capture of `benches`, and costs those with a tag nothing.
#[inline(never)]
fn tagged<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    start: Start<'_>,
    take: T,
) -> Option<T::Taken> {
    let (&[id_hi, id_lo, hi, lo], data) = start.data.split_first_chunk::<{ vlan::HEADER_LEN }>()?;
    let start = Start { vlan: Some(be16(id_hi, id_lo) & vlan::ID_MASK), data, ..start };
    network(layers, filter, tunnels, be16(hi, lo), &start, take)
}

#[inline(always)]
fn network<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    kind: u16,
    start: &Start<'_>,
    take: T,
) -> Option<T::Taken> {
    match kind {
        ethertype::IPV4 => finish(layers, filter, tunnels, &network_v4(start)?, take),
        ethertype::IPV6 => finish(layers, filter, tunnels, &network_v6(start)?, take),
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
    finish(layers, filter, tunnels, &network_v4(&Start::new(data, wire_len))?, take)
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
    finish(layers, filter, tunnels, &network_v6(&Start::new(data, wire_len))?, take)
}

/// The transport, and the whole. Inlined for each IP version, so that what the version settles is settled then.
#[inline(always)]
fn finish<T: Take>(
    layers: &mut LayerCounters,
    filter: &TunnelFilter,
    tunnels: Tunnels,
    packet: &Straight<'_>,
    take: T,
) -> Option<T::Taken> {
    match packet.protocol() {
        tcp::PROTOCOL => {
            let (header, rest) = packet.rest.split_first_chunk::<{ tcp::HEADER_LEN }>()?;
            let header_len = tcp::header_len(header);
            let payload_len = packet.len.checked_sub(header_len)?;
            // Nearly every segment has no options or timestamps alone. Each kind has an end of its own, where it is settled which
            // options there are and how long the header is.
            match (header_len, rest.first_chunk()) {
                (tcp::HEADER_LEN, _) => {
                    let plain = tcp::segment(header, payload_len, None);
                    segment(layers, packet, tcp::HEADER_LEN, &plain, take)
                }
                (TIMESTAMPS_END, Some(options)) if let timestamps @ Some(_) = timestamps_alone(options) => {
                    let stamped = tcp::segment(header, payload_len, timestamps);
                    segment(layers, packet, TIMESTAMPS_END, &stamped, take)
                }
                _ => {
                    let options = rest.get(..header_len.checked_sub(tcp::HEADER_LEN)?)?;
                    let other = with_options(tcp::segment(header, payload_len, None), options)?;
                    segment(layers, packet, header_len, &other, take)
                }
            }
        }
        udp::PROTOCOL => {
            let (ports, payload, is_tunnel) = udp_ports(filter, packet.rest, packet.len)?;
            if is_tunnel && tunnels == Tunnels::Leave {
                return None;
            }
            layers.udp += 1;
            packet.count(layers);
            Some(take.udp(packet, ports, payload, is_tunnel))
        }
        _ => None,
    }
}

#[inline(always)]
fn segment<T: Take>(
    layers: &mut LayerCounters,
    packet: &Straight<'_>,
    header_len: usize,
    segment: &TcpSegment,
    take: T,
) -> Option<T::Taken> {
    layers.tcp += 1;
    packet.count(layers);
    Some(take.tcp(&Straight { header_len, ..*packet }, segment))
}

/// A packet before its IP header.
struct Start<'a> {
    link: Option<&'a [u8; ethernet::HEADER_LEN]>,
    vlan: Option<u16>,
    /// What was captured from the IP header on.
    data: &'a [u8],
    wire_len: u32,
    captured_len: usize,
}

impl<'a> Start<'a> {
    /// A packet that begins with its IP header.
    #[inline(always)]
    const fn new(data: &'a [u8], wire_len: u32) -> Self {
        Self { link: None, vlan: None, data, wire_len, captured_len: data.len() }
    }
    /// Whether there is as much of a datagram as its header says, in what was captured (`rest`) or behind it.
    #[inline(always)]
    fn holds(&self, len: usize, rest: &[u8]) -> bool {
        len <= rest.len() || len - rest.len() <= (self.wire_len as usize).saturating_sub(self.captured_len)
    }
}

#[inline(always)]
fn network_v4<'a>(start: &Start<'a>) -> Option<Straight<'a>> {
    let &Start { link, vlan, data, .. } = start;
    let (header, rest) = data.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let &[version_len, _, len_hi, len_lo, _, _, frag_hi, frag_lo, ..] = header;
    let len = usize::from(be16(len_hi, len_lo)).checked_sub(ipv4::HEADER_LEN)?;
    let usual = version_len == ipv4::VERSION_4_WITHOUT_OPTIONS
        && be16(frag_hi, frag_lo) & ipv4::FRAGMENT_MASK == 0
        && start.holds(len, rest);
    usual.then_some(Straight { link, vlan, network: Header::V4(header), len, rest, header_len: 0 })
}

#[inline(always)]
fn network_v6<'a>(start: &Start<'a>) -> Option<Straight<'a>> {
    let &Start { link, vlan, data, .. } = start;
    let (header, rest) = data.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let &[version_class, _, _, _, len_hi, len_lo, ..] = header;
    let len = usize::from(be16(len_hi, len_lo));
    let usual = version_class >> 4 == 6 && start.holds(len, rest);
    usual.then_some(Straight { link, vlan, network: Header::V6(header), len, rest, header_len: 0 })
}

/// Two bytes that do nothing, and the timestamps' kind and length.
const ALONE: [u8; 4] = [1, 1, 8, 10];
/// Length of a TCP header with timestamps alone.
const TIMESTAMPS_END: usize = tcp::HEADER_LEN + 12;

/// The timestamps, when they stand as they do in nearly every segment of nearly every connection (RFC 7323, appendix A).
#[inline(always)]
fn timestamps_alone(options: &[u8; 12]) -> Option<(u32, u32)> {
    match options.as_chunks() {
        ([kind, value, echo], []) if *kind == ALONE => Some((u32::from_be_bytes(*value), u32::from_be_bytes(*echo))),
        _ => None,
    }
}

/// The options of a SYN as Linux writes them, and so of most: a segment size, SACK permitted, timestamps, a byte that does nothing and
/// a window scale.
#[inline(always)]
fn of_handshake(options: &[u8; 20]) -> Option<((u32, u32), u8)> {
    let ([[2, 4, _, _], kinds, value, echo, [before @ .., shift]], []) = options.as_chunks() else { return None };
    let fits = *kinds == [4, 2, 8, 10] && *before == [1, 3, 3];
    fits.then(|| ((u32::from_be_bytes(*value), u32::from_be_bytes(*echo)), *shift))
}

/// The segment with its options, if nothing about them is odd. Inlined for the reason given at [`tcp::parse_options`].
#[inline(always)]
fn with_options(segment: TcpSegment, options: &[u8]) -> Option<TcpSegment> {
    // One by one they take three times as long.
    if let Some((timestamps, shift)) = options.try_into().ok().and_then(of_handshake) {
        let (timestamps, window_scale) = (Some(timestamps), Some(shift));
        return Some(TcpSegment { timestamps, window_scale, sack_permitted: true, ..segment });
    }
    let (mut segment, mut odd) = (segment, false);
    tcp::parse_options(options, true, &mut segment, |_| odd = true);
    (!odd).then_some(segment)
}

/// The ports, what was captured of the payload, and whether the datagram may be a tunnel.
#[inline(always)]
fn udp_ports<'a>(filter: &TunnelFilter, data: &'a [u8], len: usize) -> Option<(Ports, &'a [u8], bool)> {
    let (header, payload) = data.split_first_chunk::<{ udp::HEADER_LEN }>()?;
    let &[s_hi, s_lo, d_hi, d_lo, len_hi, len_lo, _, _] = header;
    let own_len = usize::from(be16(len_hi, len_lo));
    if own_len < udp::HEADER_LEN || own_len > len {
        return None;
    }
    let ports = Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) };
    let payload_len = own_len - udp::HEADER_LEN;
    let is_tunnel = filter.passes(ports, payload.get(..payload_len).unwrap_or(payload), payload_len);
    Some((ports, payload, is_tunnel))
}
