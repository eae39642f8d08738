//! The decoder against `etherparse`, on packets that both understand: whatever both take for TCP or UDP they must read
//! alike, and where only one of them finds a packet the reason must be one of those listed here.

mod frames;

use etherparse::{NetSlice, SlicedPacket, TcpOptionElement, TransportSlice, err};
use flumen_wire::*;
use frames::*;

/// What there is to compare of a packet.
#[derive(PartialEq, Debug)]
struct Seen {
    src: Vec<u8>,
    dst: Vec<u8>,
    vlan: Vec<u16>,
    ttl: u8,
    protocol: u8,
    ports: (u16, u16),
    transport_offset: usize,
    tcp: Option<Tcp>,
}

#[derive(PartialEq, Debug)]
struct Tcp {
    seq: u32,
    ack: u32,
    window: u16,
    flags: u8,
    payload_len: usize,
    /// `None` when there is an option that is not well formed, or unknown: `etherparse` stops there.
    options: Option<Options>,
}

#[derive(PartialEq, Default, Debug)]
struct Options {
    window_scale: Option<u8>,
    timestamps: Option<(u32, u32)>,
    sack_permitted: bool,
}

fn mine(decoded: &Decoded) -> Option<Seen> {
    let Decoded::Flow(packet) = decoded else { return None };
    let len = if packet.ip_version == IpVersion::V4 { 4 } else { 16 };
    let (ports, tcp) = match packet.transport {
        Transport::Udp(ports) => (ports, None),
        Transport::Tcp(segment) => {
            let TcpSegment { seq, ack, window, window_scale, timestamps, sack_permitted, .. } = segment;
            let options = Some(Options { window_scale, timestamps, sack_permitted });
            let payload_len = usize::from(segment.payload_len);
            (segment.ports, Some(Tcp { seq, ack, window, flags: segment.flags.0, payload_len, options }))
        }
        _ => return None,
    };
    Some(Seen {
        src: packet.src.0[..len].to_vec(),
        dst: packet.dst.0[..len].to_vec(),
        vlan: packet.vlan.ids[..usize::from(packet.vlan.count)].to_vec(),
        ttl: packet.ttl,
        protocol: packet.protocol,
        ports: (ports.src, ports.dst),
        transport_offset: packet.transport_offset as usize,
        tcp,
    })
}

fn theirs(frame: &[u8]) -> Option<Seen> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (src, dst, ttl) = match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => (ip.header().source().to_vec(), ip.header().destination().to_vec(), ip.header().ttl()),
        NetSlice::Ipv6(ip) => {
            (ip.header().source().to_vec(), ip.header().destination().to_vec(), ip.header().hop_limit())
        }
        NetSlice::Arp(_) => return None,
    };
    let at = |slice: &[u8]| slice.as_ptr() as usize - frame.as_ptr() as usize;
    let (ports, transport_offset, protocol, tcp) = match packet.transport.as_ref()? {
        TransportSlice::Udp(udp) => ((udp.source_port(), udp.destination_port()), at(udp.slice()), 17, None),
        TransportSlice::Tcp(tcp) => {
            let seen = Tcp {
                seq: tcp.sequence_number(),
                ack: tcp.acknowledgment_number(),
                window: tcp.window_size(),
                flags: tcp.slice()[13],
                payload_len: tcp.payload().len(),
                options: options(tcp.options_iterator()),
            };
            ((tcp.source_port(), tcp.destination_port()), at(tcp.slice()), 6, Some(seen))
        }
        _ => return None,
    };
    let vlan = packet.vlan_ids().iter().map(|id| id.value()).collect();
    Some(Seen { src, dst, vlan, ttl, protocol, ports, transport_offset, tcp })
}

/// The first of each option.
fn options<E>(iterator: impl Iterator<Item = Result<TcpOptionElement, E>>) -> Option<Options> {
    let mut options = Options::default();
    for option in iterator {
        match option.ok()? {
            TcpOptionElement::WindowScale(shift) => _ = options.window_scale.get_or_insert(shift),
            TcpOptionElement::Timestamp(value, echo) => _ = options.timestamps.get_or_insert((value, echo)),
            TcpOptionElement::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
            _ => {}
        }
    }
    Some(options)
}

/// Why `etherparse` finds no packet where this decoder does: it asks for hop-by-hop options to come first (RFC 8200 §4.1),
/// which Suricata lets pass.
fn is_stricter(frame: &[u8]) -> bool {
    let misplaced = err::ipv6_exts::HeaderError::HopByHopNotAtStart;
    matches!(SlicedPacket::from_ethernet(frame), Err(err::packet::SliceError::Ipv6Exts(error)) if error == misplaced)
}

/// Why it finds one where this decoder does not: it takes a length of zero for one that is said elsewhere, in IPv6 (RFC
/// 2675) and so in UDP; to Suricata it is a length like any other.
fn is_laxer(frame: &[u8], decoded: &Decoded) -> bool {
    let jumbo = match SlicedPacket::from_ethernet(frame).map(|packet| packet.net) {
        Ok(Some(NetSlice::Ipv6(ip))) => ip.header().payload_length() == 0,
        _ => false,
    };
    jumbo || *decoded == Decoded::NonFlow(NonFlow::Invalid(Event::UdpLenInvalid))
}

/// A packet of a plain stack with random fields: Ethernet, up to three VLAN tags, IPv4 with options or IPv6 with extension
/// headers, TCP with options or UDP.
fn packet(random: &mut Random) -> Vec<u8> {
    let payload: Vec<u8> = (0..random.below(40)).map(|_| 0x20 | random.next() as u8).collect();
    let is_tcp = random.below(2) == 0;
    let mut transport = if is_tcp { tcp(0, tcp_options(random), &payload) } else { udp(&payload) };
    let fixed = if is_tcp { 12 } else { 4 };
    for byte in &mut transport[..fixed] {
        *byte = random.next() as u8;
    }
    if is_tcp {
        transport[13..20].copy_from_slice(&random.next().to_be_bytes()[1..]);
    }
    let protocol = if is_tcp { 6 } else { 17 };
    let (kind, mut ip) = if random.below(2) == 0 {
        let options: &[u8] = [&[][..], &[148, 4, 0, 0], &[7, 7, 4, 0, 0, 0, 0, 0], &[1, 1, 1, 0]][random.below(4)];
        (0x0800, ipv4_with(protocol, 0x4000, options, &transport))
    } else {
        let (next, chain) = extensions(random, protocol, &transport);
        (0x86dd, ipv6(next, &chain))
    };
    let addresses = if kind == 0x0800 { 12..20 } else { 8..40 };
    ip[if kind == 0x0800 { 8 } else { 7 }] = random.next() as u8;
    for byte in &mut ip[addresses] {
        *byte = random.next() as u8;
    }
    let tags = random.below(4);
    let (kind, payload) = (0..tags).fold((kind, ip), |(kind, inner), _| {
        ([0x8100, 0x88a8, 0x9100][random.below(3)], vlan(random.next() as u16, kind, &inner))
    });
    ethernet(kind, &payload)
}

fn tcp_options(random: &mut Random) -> &'static [u8] {
    [
        &[][..],
        &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
        &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
        &[3, 3, 9, 4, 2, 0, 0, 0],
    ][random.below(4)]
}

fn extensions(random: &mut Random, protocol: u8, transport: &[u8]) -> (u8, Vec<u8>) {
    let alert = [5, 2, 0, 0, 0, 0];
    match random.below(4) {
        0 => (0, extension(protocol, &alert, transport)),
        1 => (0, extension(43, &alert, &extension(protocol, &[2, 0], transport))),
        2 => (60, extension(protocol, &alert, transport)),
        _ => (protocol, transport.to_vec()),
    }
}

#[test]
fn plain_packets_are_read_as_etherparse_reads_them() {
    let seed = 0x6574_6870;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut decoder = Decoder::default();
    for _ in 0..50_000 {
        let frame = packet(&mut random);
        let decoded = decoder.decode(LinkType::Ethernet, &frame, 0);
        let seen = mine(&decoded);
        assert!(seen.is_some(), "{decoded:?} of {frame:02x?}");
        assert_eq!(seen, theirs(&frame), "{frame:02x?}");
    }
}

#[test]
fn mutated_packets_are_read_as_etherparse_reads_them() {
    let seed = 0x6574_6871;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut decoder = Decoder::default();
    let (mut alike, mut neither) = (0, 0);
    for _ in 0..200_000 {
        let mut frame = packet(&mut random);
        let other = packet(&mut random);
        mutate(&mut random, &mut frame, &other);
        let decoded = decoder.decode(LinkType::Ethernet, &frame, 0);
        match (mine(&decoded), theirs(&frame)) {
            (Some(mut mine), Some(theirs)) => {
                if let (Some(mine), Some(Tcp { options: None, .. })) = (&mut mine.tcp, &theirs.tcp) {
                    mine.options = None;
                }
                assert_eq!(mine, theirs, "{frame:02x?}");
                alike += 1;
            }
            (Some(mine), None) => assert!(is_stricter(&frame), "only here: {mine:?} of {frame:02x?}"),
            (None, Some(theirs)) => assert!(is_laxer(&frame, &decoded), "{decoded:?}, not {theirs:?} of {frame:02x?}"),
            (None, None) => neither += 1,
        }
    }
    println!("{alike} read alike, {neither} by neither");
    assert!(alike > 50_000 && neither > 50_000);
}
