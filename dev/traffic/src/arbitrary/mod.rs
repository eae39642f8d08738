//! Packets for fuzzing: any bytes become a packet of this generator, always the same one for the same bytes.
//!
//! The bytes are a list of decisions: link type, then one header after another, each chosen among those that can come
//! where the one before ended, with its options; here and there a field that lies, covered by right checksums; at
//! the end the transport and payload, and then changes to the finished frame (bits, cuts, additions). Where the bytes run out all
//! decisions are zero, which ends the packet soon. So small changes of the bytes are small changes of the packet, and most packets
//! get past the first checks of a decoder, which random bytes never do.
//!
//! Bounds: at most [`HEADERS_MAX`] headers and [`PAYLOAD_MAX`] bytes of payload, so that no length overflows its field.

mod input;

use input::Input;

use crate::{Gre, Gtp, L2tp, Link, Packet, Tcp, WireGuard, options};

/// Headers that are chosen at most: more than any decoder follows.
pub const HEADERS_MAX: usize = 24;
/// Bytes of payload at most.
pub const PAYLOAD_MAX: usize = 1_500;

/// The packet of some bytes: its link type, and the frame.
#[must_use]
pub fn packet(bytes: &[u8]) -> (Link, Vec<u8>) {
    let mut input = Input(bytes);
    let link = Link::ALL[usize::from(input.byte()) % Link::ALL.len()];
    let mut packet = Packet::on(link);
    let mut place = match link {
        Link::Raw | Link::Ipv4 | Link::Ipv6 => Place::OnlyIp,
        Link::Ppp => Place::OnlyIp,
        _ => Place::EtherType,
    };
    for _ in 0..HEADERS_MAX {
        if place == Place::End {
            break;
        }
        // Rarely a header that cannot come here: what names it is then zero.
        if input.one_in(32) {
            place = Place::ALL[usize::from(input.byte()) % Place::ALL.len()];
        }
        (packet, place) = header(packet, place, &mut input);
        if input.one_in(16) {
            packet = lie(packet, &mut input);
        }
    }
    let len = usize::from(input.word()) % (PAYLOAD_MAX + 1);
    let mut frame = packet.payload(input.take(len)).build();
    for _ in 0..input.byte() % 4 {
        change(&mut frame, &mut input);
    }
    (link, frame)
}

/// What can come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Whatever has an Ethernet type.
    EtherType,
    /// An Ethernet header.
    Frame,
    /// Another label, an IP header, or an Ethernet frame.
    Label,
    /// IPv4 or IPv6.
    OnlyIp,
    /// PPP.
    Ppp,
    /// Whatever has an IP protocol number.
    Protocol,
    /// Payload.
    End,
}

impl Place {
    const ALL: [Self; 7] =
        [Self::EtherType, Self::Frame, Self::Label, Self::OnlyIp, Self::Ppp, Self::Protocol, Self::End];
}

/// Adds a header that can come at `place`, and says what can follow it.
fn header(packet: Packet, place: Place, input: &mut Input<'_>) -> (Packet, Place) {
    match place {
        Place::EtherType => ether_type(packet, input),
        Place::Frame => (packet.ethernet_inside(input.mac(), input.mac()), Place::EtherType),
        Place::Label => label(packet, input),
        Place::OnlyIp => ip(packet, input),
        Place::Ppp => ppp(packet, input),
        Place::Protocol => protocol(packet, input),
        Place::End => (packet, Place::End),
    }
}

fn ether_type(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    use Place::{End, EtherType, Frame, Label, OnlyIp};
    match input.byte() % 20 {
        1 => (packet.vlan(input.word()), EtherType),
        2 => (packet.vlan_tagged_as(0x88a8, input.word()), EtherType),
        3 => (packet.vlan_tagged_as(0x9100, input.word()), EtherType),
        4 => (packet.provider_backbone(input.long()), EtherType),
        5 => (packet.etag(input.word()), EtherType),
        6 => (packet.vntag(input.word()), EtherType),
        7 => (packet.fabric_path(input.word()), Frame),
        8 | 9 => (packet.mpls(input.long() >> 12), Label),
        10 => (packet.pppoe(input.word()), OnlyIp),
        11 => (packet.pppoe_discovery(input.byte(), input.some(40)), End),
        12 => (packet.nsh(input.long()), EtherType),
        13 => (packet.nsh_context(input.long(), [input.byte(); 16]), Frame),
        14 => {
            let ends = ((input.mac(), input.address()), (input.mac(), input.address()));
            (packet.arp(input.word(), ends.0, ends.1), End)
        }
        15 => (packet.ether_type(input.word(), input.some(60)), End),
        16 => (packet.snap(), EtherType),
        _ => ip(packet, input),
    }
}

fn label(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    match input.byte() % 4 {
        1 => (packet.mpls(input.long() >> 12), Place::Label),
        2 => (packet.pseudo_wire(input.word()), Place::Frame),
        3 => (packet, Place::Frame),
        _ => ip(packet, input),
    }
}

fn ppp(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    match input.byte() % 4 {
        0 => (packet.ppp(), Place::OnlyIp),
        1 => (packet.ppp_compressed(), Place::OnlyIp),
        2 => (packet.ppp().mpls(input.long() >> 12), Place::Label),
        _ => (packet.ppp().ppp_protocol(input.word(), input.some(40)), Place::End),
    }
}

fn ip(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    let packet = match input.byte() % 8 {
        0..3 => packet.ipv4(input.address(), input.address()),
        3 => packet.ipv4_with_options(input.address(), input.address(), input.some(40)),
        4 => {
            let (id, field) = (input.word(), input.word());
            packet.ipv4(input.address(), input.address()).fragment_v4(id % 4, usize::from(field & !7), field & 1 == 1)
        }
        _ => packet.ipv6(input.address6(), input.address6()),
    };
    let packet = if input.one_in(8) { packet.ttl(input.byte()) } else { packet };
    (packet, Place::Protocol)
}

fn protocol(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    match input.byte() % 8 {
        0..3 => (transport(packet, input), Place::End),
        3 => gre(packet, input),
        4 => ip_protocol(packet, input),
        5 => extension(packet, input),
        _ => over_udp(packet, input),
    }
}

fn transport(packet: Packet, input: &mut Input<'_>) -> Packet {
    match input.byte() % 12 {
        0..3 => {
            let tcp =
                Tcp { src: input.word(), dst: input.word(), seq: input.long(), ack: input.long(), ..Tcp::default() };
            packet.tcp(Tcp { flags: input.byte(), options: input.some(40), ..tcp })
        }
        3 => {
            let options = options::syn(input.word(), input.long(), input.long(), input.byte());
            packet.tcp(Tcp { src: 1, dst: 2, flags: input.byte(), options: &options, ..Tcp::default() })
        }
        4 | 5 => packet.udp(input.word(), input.word()),
        6 => {
            let packet = packet.sctp(input.word(), input.word(), input.long());
            (0..input.byte() % 4)
                .fold(packet, |packet, _| packet.sctp_chunk(input.byte(), input.byte(), input.some(40)))
        }
        7 => quoting(packet.icmp(input.byte() % 20, input.byte() % 16, [input.byte(); 4]), input),
        8 => quoting(packet.icmp6(input.byte(), input.byte() % 8, [input.byte(); 4]), input),
        9 => packet.igmp(input.byte(), input.byte(), [224, 0, 0, input.byte()]),
        10 => packet.esp(input.long(), input.long()),
        _ => packet.protocol(input.byte(), input.some(60)),
    }
}

/// The start of a packet, as an ICMP error quotes it.
fn quoting(message: Packet, input: &mut Input<'_>) -> Packet {
    let quoted = match input.byte() % 4 {
        1 => Packet::bare().ipv4(input.address(), input.address()),
        2 => Packet::bare().ipv6(input.address6(), input.address6()),
        _ => return message,
    };
    let whole = transport_of_a_quote(quoted, input).build();
    message.payload(&whole[..whole.len().min(usize::from(input.byte()))])
}

fn transport_of_a_quote(packet: Packet, input: &mut Input<'_>) -> Packet {
    match input.byte() % 4 {
        0 => packet.tcp(Tcp { src: input.word(), dst: input.word(), ..Tcp::default() }),
        1 => packet.udp(input.word(), input.word()),
        2 => packet.icmp(input.byte() % 20, 0, [0; 4]),
        _ => packet.protocol(input.byte(), input.some(20)),
    }
}

fn gre(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    use Place::{End, EtherType, Frame, Ppp};
    match input.byte() % 10 {
        0 => (packet.gre(), EtherType),
        1 => (packet.gre(), Frame),
        2 | 3 => {
            let (key, sequence, route) = (input.optional_long(), input.optional_long(), input.some(12));
            let entries = [(input.word(), input.byte(), route)];
            let routing = if route.is_empty() { &[][..] } else { &entries };
            (packet.gre_with(Gre { checksum: input.one_in(2), key, sequence, routing }), EtherType)
        }
        4 => (packet.pptp(input.word(), input.optional_long(), input.optional_long()), Ppp),
        5 => (packet.nvgre(input.long(), input.byte()), Frame),
        6 => (packet.erspan_1(), Frame),
        7 => (packet.erspan(input.word(), input.word() & 0x0fff), Frame),
        8 => {
            let subheader = input.one_in(2).then(|| [input.byte(); 8]);
            (packet.erspan_3(input.word(), input.word() & 0x0fff, subheader), Frame)
        }
        _ => (packet.gre_as_given(input.word(), input.word(), input.some(20)), End),
    }
}

fn ip_protocol(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    match input.byte() % 6 {
        0..3 => ip(packet, input),
        3 => (packet.etherip(), Place::Frame),
        4 => {
            let cookie = [0; 8];
            let len = usize::from(input.byte() % 3) * 4;
            (packet.l2tpv3(input.long(), &cookie[..len], input.optional_long()), Place::Frame)
        }
        _ => (packet.mpls(input.long() >> 12), Place::Label),
    }
}

fn extension(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    let packet = match input.byte() % 8 {
        0 => packet.hop_by_hop(input.some(30)),
        1 => packet.destination_options(input.some(30)),
        2 => packet.routing(input.byte()),
        3 => {
            let field = input.word();
            packet.fragment_v6(u32::from(input.byte() % 4), usize::from(field & !7), field & 1 == 1)
        }
        4 => packet.ah(input.long(), input.long()),
        5 => packet.segment_routing(&[[1; 16]; 4][..usize::from(input.byte() % 5)]),
        6 => packet.extension(input.byte(), &[59, input.byte() % 4, 0, 0, 0, 0, 0, 0]),
        _ => packet.hop_by_hop(&[5, 2, 0, 0]),
    };
    (packet, Place::Protocol)
}

fn over_udp(packet: Packet, input: &mut Input<'_>) -> (Packet, Place) {
    use Place::{End, EtherType, Frame, Label, OnlyIp, Ppp, Protocol};
    match input.byte() % 18 {
        0..3 => (packet.vxlan(input.long()), Frame),
        3 => (packet.vxlan_gpe(input.long()), EtherType),
        4 => (packet.vxlan_gpe(input.long()), Frame),
        5 => (packet.geneve(input.long()), Frame),
        6 => {
            let options = [(input.word(), input.byte(), input.some(40)), (input.word(), input.byte(), input.some(40))];
            (packet.geneve_with(input.long(), &options), EtherType)
        }
        7 => (packet.teredo(), OnlyIp),
        8 => (packet.teredo().teredo_origin(input.address(), input.word()), OnlyIp),
        9 => (packet.teredo().teredo_authentication(input.some(20), input.some(20)), OnlyIp),
        10 | 11 => {
            let extensions = [(input.byte(), input.some(20)), (input.byte(), input.some(20))];
            let count = usize::from(input.byte() % 3);
            let sequence = input.optional_word();
            (packet.gtp(input.long(), Gtp { sequence, extensions: &extensions[..count] }), OnlyIp)
        }
        12 => (packet.gue(), Protocol),
        13 => (packet.fou(if input.one_in(2) { 5_555 } else { 6_080 }), OnlyIp),
        14 => (packet.mpls_in_udp(), Label),
        15 => {
            let (length, sequence) = (input.one_in(2), input.one_in(2).then(|| (input.word(), input.word())));
            let offset = input.one_in(4).then(|| input.word() % 32);
            (packet.l2tp(input.word(), input.word(), L2tp { length, sequence, offset }), Ppp)
        }
        16 => (packet.l2tpv3_in_udp(input.long(), &[], input.optional_long()), Frame),
        _ => {
            let message = match input.byte() % 4 {
                0 => WireGuard::Initiation(input.long()),
                1 => WireGuard::Response(input.long(), input.long()),
                2 => WireGuard::Cookie(input.long()),
                _ => WireGuard::Data(input.long(), 1, input.some(60)),
            };
            (packet.wireguard(message), End)
        }
    }
}

/// A field of the last header that is not what it should be; checksums cover it.
fn lie(packet: Packet, input: &mut Input<'_>) -> Packet {
    let len = packet.last_header_len();
    if len == 0 {
        return packet;
    }
    let at = usize::from(input.byte()) % len;
    packet.patch(at, &[input.byte()])
}

/// A change to the finished frame.
fn change(frame: &mut Vec<u8>, input: &mut Input<'_>) {
    let at = usize::from(input.word()) % (frame.len() + 1);
    match input.byte() % 4 {
        0 => frame.truncate(at),
        1 => frame.extend(input.some(64)),
        2 => {
            let bit = input.byte() % 8;
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        _ => {
            let value = input.byte();
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Rng;

    #[test]
    fn no_bytes_then_a_small_packet_of_the_first_link_type() {
        let (link, frame) = packet(&[]);
        assert_eq!(link, Link::Ethernet);
        assert_eq!((frame.len(), frame[23]), (14 + 20 + 20, 6));
    }

    #[test]
    fn random_bytes_then_packets_without_panic_the_same_each_time_and_of_every_link_type() {
        let mut rng = Rng::new(7);
        let (mut links, mut longest) = (HashSet::new(), 0);
        for _ in 0..100_000 {
            let len = rng.below(200) as usize;
            let bytes = rng.bytes(len);
            let (link, frame) = packet(&bytes);
            assert_eq!((link, &frame), (packet(&bytes).0, &packet(&bytes).1));
            links.insert(link);
            longest = longest.max(frame.len());
        }
        assert_eq!(links.len(), Link::ALL.len());
        assert!((400..65_536).contains(&longest), "{longest} bytes");
    }
}
