//! The same frames through `etherparse` and `pnet_packet`.

use etherparse::{NetSlice, SlicedPacket, TcpOptionElement, TransportSlice};
use pnet_packet::Packet;
use pnet_packet::ethernet::EthernetPacket;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::{ExtensionPacket, FragmentPacket, Ipv6Packet};
use pnet_packet::tcp::{TcpOptionNumbers, TcpPacket};
use pnet_packet::udp::UdpPacket;
use pnet_packet::vlan::VlanPacket;

const VXLAN_PORT: u16 = 4789;
const VXLAN_HEADER_LEN: usize = 8;

/// What a flow needs to know of a packet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fields {
    pub(crate) src: [u8; 16],
    pub(crate) dst: [u8; 16],
    pub(crate) vlan: u16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) ports: (u16, u16),
    pub(crate) tcp: Option<(u32, u32, u16, u8)>,
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) payload_len: usize,
    /// Identification, offset, and whether more come.
    pub(crate) fragment: Option<(u32, u16, bool)>,
}

fn v4(address: [u8; 4]) -> [u8; 16] {
    let mut all = [0; 16];
    all[..4].copy_from_slice(&address);
    all
}

/// A frame and the frame inside of VXLAN.
pub(crate) fn etherparse(frame: &[u8]) -> Option<(Fields, Option<Fields>)> {
    let (fields, inside) = etherparse_one(frame)?;
    Some((fields, inside.and_then(etherparse_one).map(|(fields, _)| fields)))
}

fn etherparse_one(frame: &[u8]) -> Option<(Fields, Option<&[u8]>)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let mut fields = Fields { vlan: packet.vlan_ids().first().map_or(0, |id| id.value()), ..Fields::default() };
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            (fields.src, fields.dst) = (v4(header.source()), v4(header.destination()));
            (fields.ttl, fields.protocol) = (header.ttl(), ip.payload_ip_number().0);
            if ip.is_payload_fragmented() {
                let (offset, more) = (header.fragments_offset().value(), header.more_fragments());
                fields.fragment = Some((u32::from(header.identification()), offset, more));
                fields.payload_len = ip.payload().payload.len();
            }
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            (fields.src, fields.dst) = (header.source(), header.destination());
            (fields.ttl, fields.protocol) = (header.hop_limit(), ip.payload().ip_number.0);
            if ip.is_payload_fragmented() {
                fields.payload_len = ip.payload().payload.len();
                for extension in ip.extensions().clone() {
                    if let etherparse::Ipv6ExtensionSlice::Fragment(fragment) = extension {
                        let offset = fragment.fragment_offset().value();
                        fields.fragment = Some((fragment.identification(), offset, fragment.more_fragments()));
                    }
                }
            }
        }
        NetSlice::Arp(_) => return None,
    }
    let mut inside = None;
    match packet.transport.as_ref() {
        Some(TransportSlice::Tcp(tcp)) => {
            fields.ports = (tcp.source_port(), tcp.destination_port());
            let flags = tcp.slice()[13];
            fields.tcp = Some((tcp.sequence_number(), tcp.acknowledgment_number(), tcp.window_size(), flags));
            fields.payload_len = tcp.payload().len();
            for option in tcp.options_iterator() {
                if let Ok(TcpOptionElement::Timestamp(value, echo)) = option {
                    fields.timestamps = Some((value, echo));
                }
            }
        }
        Some(TransportSlice::Udp(udp)) => {
            fields.ports = (udp.source_port(), udp.destination_port());
            fields.payload_len = udp.payload().len();
            if fields.ports.1 == VXLAN_PORT {
                // The slice of the packet, which lives as long as the frame.
                let start = udp.payload().as_ptr() as usize - frame.as_ptr() as usize;
                inside = frame.get(start + VXLAN_HEADER_LEN..);
            }
        }
        _ => {}
    }
    Some((fields, inside))
}

/// A frame and the frame inside of VXLAN.
pub(crate) fn pnet(frame: &[u8]) -> Option<(Fields, Option<Fields>)> {
    let (fields, inside) = pnet_one(frame)?;
    Some((fields, inside.and_then(|start| pnet_one(frame.get(start..)?)).map(|(fields, _)| fields)))
}

/// The fields, and where the frame inside begins.
fn pnet_one(frame: &[u8]) -> Option<(Fields, Option<usize>)> {
    let ethernet = EthernetPacket::new(frame)?;
    let mut fields = Fields::default();
    let (mut kind, mut rest) = (ethernet.get_ethertype().0, frame.get(14..)?);
    if kind == 0x8100 {
        let tag = VlanPacket::new(rest)?;
        fields.vlan = tag.get_vlan_identifier();
        (kind, rest) = (tag.get_ethertype().0, rest.get(4..)?);
    }
    let transport = match kind {
        0x0800 => pnet_v4(rest, &mut fields)?,
        0x86dd => pnet_v6(rest, &mut fields)?,
        _ => return None,
    };
    if fields.fragment.is_some() {
        fields.payload_len = transport.len();
        return Some((fields, None));
    }
    match fields.protocol {
        6 => {
            let tcp = TcpPacket::new(transport)?;
            fields.ports = (tcp.get_source(), tcp.get_destination());
            fields.tcp = Some((tcp.get_sequence(), tcp.get_acknowledgement(), tcp.get_window(), tcp.get_flags()));
            fields.payload_len = tcp.payload().len();
            for option in tcp.get_options_iter() {
                if let (TcpOptionNumbers::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) =
                    (option.get_number(), option.payload())
                {
                    fields.timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
                }
            }
        }
        17 => {
            let udp = UdpPacket::new(transport)?;
            fields.ports = (udp.get_source(), udp.get_destination());
            fields.payload_len = udp.payload().len();
        }
        _ => {}
    }
    let is_vxlan = fields.protocol == 17 && fields.ports.1 == VXLAN_PORT;
    let start = transport.as_ptr() as usize - frame.as_ptr() as usize + 8 + VXLAN_HEADER_LEN;
    Some((fields, is_vxlan.then_some(start)))
}

fn pnet_v4<'a>(data: &'a [u8], fields: &mut Fields) -> Option<&'a [u8]> {
    let ip = Ipv4Packet::new(data)?;
    (fields.src, fields.dst) = (v4(ip.get_source().octets()), v4(ip.get_destination().octets()));
    (fields.ttl, fields.protocol) = (ip.get_ttl(), ip.get_next_level_protocol().0);
    let (offset, more) = (ip.get_fragment_offset(), ip.get_flags() & 1 != 0);
    if offset != 0 || more {
        fields.fragment = Some((u32::from(ip.get_identification()), offset, more));
    }
    data.get(usize::from(ip.get_header_length()) * 4..usize::from(ip.get_total_length()))
}

fn pnet_v6<'a>(data: &'a [u8], fields: &mut Fields) -> Option<&'a [u8]> {
    let ip = Ipv6Packet::new(data)?;
    (fields.src, fields.dst) = (ip.get_source().octets(), ip.get_destination().octets());
    (fields.ttl, fields.protocol) = (ip.get_hop_limit(), ip.get_next_header().0);
    let mut rest = data.get(40..40 + usize::from(ip.get_payload_length()))?;
    while matches!(fields.protocol, 0 | 43 | 60) {
        let extension = ExtensionPacket::new(rest)?;
        fields.protocol = extension.get_next_header().0;
        rest = rest.get((usize::from(extension.get_hdr_ext_len()) + 1) * 8..)?;
    }
    if fields.protocol == 44 {
        let fragment = FragmentPacket::new(rest)?;
        fields.protocol = fragment.get_next_header().0;
        fields.fragment = Some((fragment.get_id(), fragment.get_fragment_offset(), fragment.is_last_fragment()));
        rest = rest.get(8..)?;
    }
    Some(rest)
}
