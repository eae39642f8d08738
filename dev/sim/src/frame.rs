//! From a simulated packet to the frame that decodes to it: for the runs that go through the whole engine.

use std::net::IpAddr;

use flumen_model::Address;
use flumen_wire::{Icmp, IpVersion, Quoted, TcpSegment, Transport};
use traffic::{Packet, Tcp};

use crate::packets::SimPacket;

/// Ethernet addresses: flows do not look at them.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
/// Where a TCP header has its checksum.
const TCP_CHECKSUM: usize = 16;

/// The frame of a packet.
pub(crate) fn frame(packet: &SimPacket) -> Vec<u8> {
    let wire = &packet.packet;
    let ethernet = Packet::ethernet(MACS[0], MACS[1]);
    let link = if wire.vlan.count > 0 { ethernet.vlan(wire.vlan.ids[0]) } else { ethernet };
    let ip = link.ip(address(wire.src, wire.ip_version), address(wire.dst, wire.ip_version)).ttl(wire.ttl);
    let frame = match &wire.transport {
        Transport::Tcp(segment) => {
            let tcp = ip.tcp(header(segment));
            let tcp = if packet.checksum_ok { tcp } else { tcp.damage(TCP_CHECKSUM, &[0xab, 0xcd]) };
            tcp.payload(&vec![0; usize::from(segment.payload_len)])
        }
        Transport::Udp(ports) => ip.udp(ports.src, ports.dst).payload(&[0; 20]),
        Transport::Sctp(ports) => ip.sctp(ports.src, ports.dst, 7).sctp_chunk(0, 3, &[0; 16]),
        Transport::Esp { spi } => ip.esp(*spi, 1).payload(&[0; 32]),
        Transport::Icmp4(icmp) => quote(ip.icmp(icmp.kind, icmp.code, [0; 4]), icmp, wire.ip_version),
        Transport::Icmp6(icmp) => quote(ip.icmp6(icmp.kind, icmp.code, [0; 4]), icmp, wire.ip_version),
        Transport::Other => ip.protocol(wire.protocol, &[0; 24]),
    };
    frame.build()
}

fn address(address: Address, version: IpVersion) -> IpAddr {
    let [a, b, c, d, ..] = address.0;
    match version {
        IpVersion::V4 => IpAddr::from([a, b, c, d]),
        IpVersion::V6 => IpAddr::from(address.0),
    }
}

fn header(segment: &TcpSegment) -> Tcp<'static> {
    Tcp {
        src: segment.ports.src,
        dst: segment.ports.dst,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags.0,
        window: segment.window,
        urgent: 0,
        options: &[],
    }
}

/// Adds the packet that an error message quotes: its IP header and eight bytes.
fn quote(message: Packet, icmp: &Icmp, version: IpVersion) -> Packet {
    let Some(Quoted { src, dst, protocol, ports }) = icmp.quoted else { return message.payload(&[0; 8]) };
    let ip = Packet::bare().ip(address(src, version), address(dst, version));
    let [a, b] = ports.src.to_be_bytes();
    let [c, d] = ports.dst.to_be_bytes();
    message.payload(&ip.protocol(protocol, &[a, b, c, d, 0, 8, 0, 0]).build())
}
