//! What comes out of well-formed frames, protocol by protocol, and out of frames that the capture cut.

mod frames;

use flumen_wire::*;
use frames::*;

fn decode(link: LinkType, frame: &[u8]) -> (Decoded, DecodeCounters) {
    decode_cut(link, frame, frame.len())
}

/// Decodes the first `captured` bytes of a frame.
fn decode_cut(link: LinkType, frame: &[u8], captured: usize) -> (Decoded, DecodeCounters) {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let decoded = decoder.decode(link, &frame[..captured], frame.len() as u32);
    (decoded, decoder.counters)
}

fn flow(link: LinkType, frame: &[u8]) -> FlowPacket {
    match decode(link, frame).0 {
        Decoded::Flow(packet) => packet,
        other => panic!("no flow: {other:?}"),
    }
}

fn tcp_of(packet: &FlowPacket) -> TcpSegment {
    match packet.transport {
        Transport::Tcp(segment) => segment,
        other => panic!("no TCP: {other:?}"),
    }
}

#[test]
fn every_sample_ends_without_an_event() {
    for (name, link, frame) in samples() {
        let (decoded, counters) = decode(link, &frame);
        let unknown = counters.event(Event::Ipv4UnknownProtocol);
        assert_eq!(counters.events.iter().sum::<u64>(), unknown, "{name}: {decoded:?}");
        assert_eq!((counters.layers.pkts, counters.layers.bytes), (1, frame.len() as u64), "{name}");
        assert_eq!(counters.layers.invalid, 0, "{name}");
    }
}

#[test]
fn every_way_to_carry_the_segment_gives_the_same_segment() {
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let expected = tcp(0x18, &timestamps, b"hello");
    let mut found = 0;
    for (name, link, frame) in samples() {
        let Decoded::Flow(packet) = decode(link, &frame).0 else { continue };
        if packet.inner.is_some() || !matches!(packet.transport, Transport::Tcp(s) if s.payload_len == 5) {
            continue;
        }
        let start = packet.transport_offset as usize;
        assert_eq!(frame[start..start + packet.transport_len as usize], expected, "{name}");
        let segment = tcp_of(&packet);
        assert_eq!(segment.ports, Ports { src: 0xc001, dst: 443 }, "{name}");
        assert_eq!((segment.seq, segment.ack, segment.window), (1, 2, 0x2000), "{name}");
        assert_eq!((segment.flags, segment.timestamps), (TcpFlags(0x18), Some((1, 2))), "{name}");
        assert_eq!(packet.macs.is_some(), link == LinkType::Ethernet, "{name}");
        match packet.ip_version {
            IpVersion::V4 => assert_eq!((packet.src, packet.dst), (Address::v4(CLIENT), Address::v4(SERVER)), "{name}"),
            IpVersion::V6 => assert_eq!((packet.src, packet.dst), (Address(CLIENT_V6), Address(SERVER_V6)), "{name}"),
        }
        found += 1;
    }
    assert_eq!(found, 26);
}

#[test]
fn tcp_options_of_a_syn_are_read() {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 15];
    let segment = tcp_of(&flow(LinkType::Ethernet, &eth4(6, &tcp(2, &options, b"ab"))));
    assert_eq!((segment.window_scale, segment.timestamps), (Some(15), Some((7, 0))));
    assert!(segment.sack_permitted && segment.fast_open.is_none());
    assert_eq!(segment.payload_len, 2);
    assert!(segment.flags.has(TcpFlags::SYN) && !segment.flags.any(TcpFlags::ACK | TcpFlags::RST));
}

#[test]
fn tcp_fast_open_is_read_in_both_forms() {
    let of = |options: &[u8]| tcp_of(&flow(LinkType::Ethernet, &eth4(6, &tcp(2, options, &[])))).fast_open;
    assert_eq!(of(&[34, 2, 1, 1]), Some(FastOpen::Request));
    assert_eq!(of(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0]), Some(FastOpen::Cookie(8)));
    assert_eq!(of(&[254, 4, 0xf9, 0x89]), Some(FastOpen::Request));
    assert_eq!(of(&[253, 12, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 7, 8]), Some(FastOpen::Cookie(8)));
    assert_eq!(of(&[254, 4, 0xe2, 0xd4]), None);
}

#[test]
fn the_first_of_two_equal_options_counts() {
    let segment = tcp_of(&flow(LinkType::Ethernet, &eth4(6, &tcp(2, &[3, 3, 7, 3, 3, 8, 0, 0], &[]))));
    assert_eq!(segment.window_scale, Some(7));
}

#[test]
fn vlan_ids_keep_twelve_bits_and_their_order() {
    let v4 = ipv4(17, &udp(b""));
    let one = flow(LinkType::Ethernet, &ethernet(0x8100, &vlan(0xe000, 0x0800, &v4)));
    assert_eq!(one.vlan, VlanTags { ids: [0, 0, 0], count: 1 });
    let three = vlan(0x1001, 0x8100, &vlan(2, 0x8100, &vlan(0xffff, 0x0800, &v4)));
    let (decoded, counters) = decode(LinkType::Ethernet, &ethernet(0x9100, &three));
    let Decoded::Flow(packet) = decoded else { panic!() };
    assert_eq!(packet.vlan, VlanTags { ids: [1, 2, 4095], count: 3 });
    let layers = counters.layers;
    assert_eq!((layers.vlan, layers.vlan_qinq, layers.vlan_qinqinq), (1, 1, 1));
}

#[test]
fn mac_addresses_are_those_of_the_outermost_header() {
    let inner = cat(&[&[9; 12], &[8, 0], &ipv4(17, &udp(b""))]);
    let packet = flow(LinkType::Ethernet, &ethernet(0x8903, &cat(&[&[0, 0], &inner])));
    assert_eq!(packet.macs, Some(Macs::new(CLIENT_MAC, SERVER_MAC)));
}

#[test]
fn padding_behind_the_datagram_is_no_payload() {
    let mut frame = eth4(6, &tcp(0x10, &[], &[]));
    frame.resize(60, 0);
    assert_eq!(tcp_of(&flow(LinkType::Ethernet, &frame)).payload_len, 0);
}

#[test]
fn fragments_say_where_they_belong() {
    let (decoded, counters) = decode(LinkType::Ethernet, &ethernet(0x0800, &ipv4_with(17, 0x2003, &[], &[7; 16])));
    let expected = Fragment {
        ip_version: IpVersion::V4,
        src: Address::v4(CLIENT),
        dst: Address::v4(SERVER),
        id: 0x1234,
        offset: 24,
        more: true,
        vlan: VlanTags::default(),
        protocol: 17,
        ip_offset: 14,
        payload_offset: 34,
        payload_len: 16,
        protocol_offset: 23,
        link_len: 14,
        ttl: 64,
        macs: Some(Macs::new(CLIENT_MAC, SERVER_MAC)),
        recursion: 0,
        layers: 2,
        tunnel: Tunnel::NONE,
    };
    assert_eq!(decoded, Decoded::Fragment(expected));
    assert_eq!((counters.layers.ipv4, counters.layers.udp), (1, 0));
    let (decoded, _) =
        decode(LinkType::Ethernet, &eth6(0, &extension(44, &[5, 2, 0, 0, 0, 0], &fragment_header(6, 0x18, &[7; 3]))));
    let expected = Fragment {
        ip_version: IpVersion::V6,
        src: Address(CLIENT_V6),
        dst: Address(SERVER_V6),
        id: 7,
        offset: 24,
        more: false,
        protocol: 6,
        payload_offset: 70,
        payload_len: 3,
        protocol_offset: 54,
        ..expected
    };
    assert_eq!(decoded, Decoded::Fragment(expected));
}

#[test]
fn icmp_errors_quote_the_tuple_they_are_about() {
    let quoted = |src, dst, protocol| Quoted { src, dst, protocol, ports: Ports { src: 0xc001, dst: 53 } };
    let v4 = |kind, code, quote: &[u8]| match flow(LinkType::Ethernet, &eth4(1, &icmp(kind, code, quote))).transport {
        Transport::Icmp4(icmp) => icmp,
        other => panic!("{other:?}"),
    };
    let quote = ipv4(17, &udp(b""));
    for kind in [3, 4, 5, 11, 12] {
        let icmp = v4(kind, 0, &quote);
        assert!(icmp.is_error && icmp.counterpart.is_none());
        assert_eq!(icmp.quoted, Some(quoted(Address::v4(CLIENT), Address::v4(SERVER), 17)));
    }
    let sctp_quote = v4(3, 2, &ipv4(132, &[0xc0, 1, 0, 53])).quoted;
    assert_eq!(sctp_quote, Some(quoted(Address::v4(CLIENT), Address::v4(SERVER), 132)));
    let with_options = ipv4_with(6, 0, &[1, 1, 1, 1], &[0xc0, 1, 0, 53]);
    assert_eq!(v4(3, 1, &with_options).quoted, Some(quoted(Address::v4(CLIENT), Address::v4(SERVER), 6)));
    assert_eq!(v4(3, 1, &ipv4(17, &[0xc0, 1, 0, 53])).quoted, None, "too little of UDP");
    assert_eq!(v4(3, 1, &ipv4_with(17, 1, &[], &udp(b""))).quoted, None, "a later fragment has no ports");
    assert!(v4(3, 16, &quote).quoted.is_some(), "a code that Suricata does not know");
    assert_eq!(v4(3, 1, &[]).quoted, None);
    let bad_options = ethernet(0x0800, &ipv4_with(1, 0, &[7, 9, 4, 0, 0, 0, 0, 0], &icmp(3, 1, &quote)));
    let Transport::Icmp4(message) = flow(LinkType::Ethernet, &bad_options).transport else { panic!() };
    assert_eq!(message.quoted, None, "a message that is invalid itself");
    let packet = flow(LinkType::Ethernet, &eth6(58, &icmp(1, 4, &ipv6(17, &udp(b"")))));
    let Transport::Icmp6(icmp) = packet.transport else { panic!() };
    assert!(icmp.is_error);
    assert_eq!(icmp.quoted, Some(quoted(Address(CLIENT_V6), Address(SERVER_V6), 17)));
}

#[test]
fn icmp_errors_quote_what_stands_for_ports_in_the_key() {
    let ports = |frame: &[u8]| match flow(LinkType::Ethernet, frame).transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
            icmp.quoted.map(|quoted| (quoted.protocol, quoted.ports.src, quoted.ports.dst))
        }
        other => panic!("{other:?}"),
    };
    let v4 = |protocol: u8, payload: &[u8]| ports(&eth4(1, &icmp(11, 0, &ipv4(protocol, payload))));
    assert_eq!(v4(1, &[8, 0, 1, 2]), Some((1, 8, 0)));
    assert_eq!(v4(1, &[13]), Some((1, 13, 14)));
    assert_eq!(v4(50, &[1, 2, 3, 4]), Some((50, 0x0102, 0x0304)));
    assert_eq!((v4(50, &[1, 2, 3]), v4(6, &[1, 2, 3]), v4(1, &[])), (None, None, None));
    assert_eq!(v4(47, &[]), Some((47, 0, 0)));
    let v6 = |next: u8, payload: &[u8]| ports(&eth6(58, &icmp(4, 9, &ipv6(next, payload))));
    assert_eq!(v6(58, &[128, 1]), Some((58, 0x8001, 0x8100)));
    let chain =
        |inner: &[u8]| extension(60, &[1, 4, 0, 0, 0, 0], &extension(43, &[0; 14], &extension(44, &[0, 0], inner)));
    assert_eq!(v6(0, &chain(&[])), None);
    assert_eq!(v6(0, &chain(&fragment_header(51, 1, &ah(17, 9, &udp(b""))))), Some((17, 0xc001, 53)));
    assert_eq!(v6(0, &chain(&fragment_header(17, 9, &udp(b"")))), None, "a later fragment");
    assert_eq!(v6(60, &[17, 0, 1]), None, "cut within a header");
    assert_eq!(v6(59, &[]), Some((59, 0, 0)));
}

#[test]
fn icmp_counterparts_go_both_ways() {
    let v4 = |kind| match flow(LinkType::Ethernet, &eth4(1, &icmp(kind, 0, &[0; 12]))).transport {
        Transport::Icmp4(icmp) => icmp.counterpart,
        other => panic!("{other:?}"),
    };
    for (a, b) in [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)] {
        assert_eq!((v4(a), v4(b)), (Some(b), Some(a)));
    }
    assert_eq!((v4(3), v4(11), v4(42)), (None, None, None));
    let v6 = |kind| match flow(LinkType::Ethernet, &eth6(58, &icmp(kind, 0, &[0; 40]))).transport {
        Transport::Icmp6(icmp) => icmp.counterpart,
        other => panic!("{other:?}"),
    };
    for (a, b) in
        [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145), (146, 147), (148, 149), (151, 152)]
    {
        assert_eq!((v6(a), v6(b)), (Some(b), Some(a)));
    }
    assert_eq!((v6(132), v6(137), v6(143)), (None, None, None));
}

#[test]
fn another_protocol_has_a_flow_unless_told_otherwise() {
    let frame = eth4(89, &[2, 1, 0, 44]);
    let packet = flow(LinkType::Ethernet, &frame);
    assert_eq!(
        (packet.protocol, packet.transport, packet.event),
        (89, Transport::Other, Some(Event::Ipv4UnknownProtocol))
    );
    let packet = flow(LinkType::Ethernet, &eth6(89, &[2, 1]));
    assert_eq!((packet.protocol, packet.event), (89, Some(Event::Ipv6UnknownNextHeader)));
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    assert_eq!(decoder.decode(LinkType::Ethernet, &frame, 0), Decoded::NonFlow(NonFlow::UnknownProtocol));
    let igmp = eth4(2, &[0x16, 0, 0, 0, 224, 0, 0, 1]);
    assert_eq!(decode(LinkType::Ethernet, &igmp).0, Decoded::NonFlow(NonFlow::Igmp));
}

#[test]
fn what_is_no_flow_says_why() {
    let reason = |link, frame: &[u8]| match decode(link, frame).0 {
        Decoded::NonFlow(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(LinkType::Ethernet, &ethernet(0x0806, &arp(2))), NonFlow::Arp);
    assert_eq!(reason(LinkType::Ethernet, &ethernet(0x88cc, &[])), NonFlow::UnknownEthertype);
    assert_eq!(reason(LinkType::Sll, &[0; 16]), NonFlow::UnknownEthertype);
    assert_eq!(reason(LinkType::Unsupported, &[1, 2, 3]), NonFlow::UnsupportedLink);
    assert_eq!(reason(LinkType::Ppp, &[0xff, 3, 0xc0, 0x21, 1]), NonFlow::LinkControl);
    assert_eq!(reason(LinkType::Ethernet, &ethernet(0x8864, &pppoe(&[0xc0, 0x21, 1]))), NonFlow::LinkControl);
    assert_eq!(reason(LinkType::Ethernet, &ethernet(0x8864, &[0x11, 0, 0, 9, 0, 0, 0])), NonFlow::LinkControl);
    assert_eq!(reason(LinkType::Ethernet, &eth6(59, &[])), NonFlow::UnknownProtocol);
}

#[test]
fn sctp_chunks_are_counted_once_a_packet() {
    let chunks = cat(&[&chunk(0, &[1; 13]), &chunk(0, &[1; 12]), &chunk(6, &[]), &chunk(7, &[0; 4])]);
    let (decoded, counters) = decode(LinkType::Ethernet, &eth4(132, &sctp(9, &chunks)));
    assert!(matches!(decoded, Decoded::Flow(FlowPacket { transport: Transport::Sctp(Ports { src: 7, dst: 8 }), .. })));
    let expected = SctpCounters { data: 1, abort: 1, shutdown: 1, ..SctpCounters::default() };
    assert_eq!(counters.sctp, expected);
}

#[test]
fn ppp_with_van_jacobson_headers_finds_the_first_connection() {
    let vj = ipv4(0, &tcp(0x10, &[], b"x"));
    let packet = flow(LinkType::Ppp, &cat(&[&[0x2f], &vj]));
    assert_eq!((packet.protocol, tcp_of(&packet).payload_len), (6, 1));
    assert_eq!(flow(LinkType::Ppp, &cat(&[&[0xff, 3, 0, 0x2f], &vj])).transport, Transport::Other);
}

#[test]
fn more_layers_than_allowed_end_the_packet() {
    let frame = ethernet(0x8100, &vlan(1, 0x0800, &ipv4(17, &udp(b""))));
    for (max_layers, accepted) in [(4, true), (3, false), (1, false), (0, false)] {
        let mut decoder = Decoder::new(DecodeOptions { max_layers, ..DecodeOptions::default() });
        let decoded = decoder.decode(LinkType::Ethernet, &frame, 0);
        let refused = decoded == Decoded::NonFlow(NonFlow::Invalid(Event::TooManyLayers));
        assert_eq!(refused, !accepted, "{max_layers}");
        assert_eq!(decoder.counters.layers.invalid, u64::from(!accepted));
    }
}

#[test]
fn a_cut_payload_is_no_error_and_lengths_are_those_of_the_wire() {
    let frame = eth4(6, &tcp(0x18, &[], &[7; 1000]));
    let (decoded, counters) = decode_cut(LinkType::Ethernet, &frame, 54);
    let Decoded::Flow(packet) = decoded else { panic!("{decoded:?}") };
    assert_eq!((tcp_of(&packet).payload_len, packet.transport_len), (1000, 1020));
    assert_eq!((counters.layers.invalid, counters.layers.bytes), (0, 54));
    assert_eq!(tcp_checksum_ok(&frame[..54], &packet), None);
    let frame = eth6(17, &udp(&[7; 500]));
    assert!(matches!(decode_cut(LinkType::Ethernet, &frame, 62).0, Decoded::Flow(_)));
}

#[test]
fn cut_options_are_left_out_without_an_event() {
    let options = [8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 9, 1, 0];
    let frame = eth4(6, &tcp(2, &options, b"data"));
    for captured in 54..frame.len() {
        let (decoded, counters) = decode_cut(LinkType::Ethernet, &frame, captured);
        let Decoded::Flow(packet) = decoded else { panic!("{captured}: {decoded:?}") };
        assert_eq!(tcp_of(&packet).timestamps, (captured >= 64).then_some((7, 0)), "{captured}");
        assert_eq!(tcp_of(&packet).window_scale, (captured >= 68).then_some(9), "{captured}");
        assert_eq!(counters.events.iter().sum::<u64>(), 0);
    }
    let ip_options = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let frame = ethernet(0x0800, &ipv4_with(17, 0, &ip_options, &udp(b"data")));
    let (decoded, counters) = decode_cut(LinkType::Ethernet, &frame, 40);
    // The transport header was cut as well, and that cannot be guessed.
    assert_eq!(decoded, Decoded::NonFlow(NonFlow::Invalid(Event::UdpHlenTooSmall)));
    assert_eq!(counters.events.iter().sum::<u64>(), 1);
}

#[test]
fn a_length_beyond_the_wire_is_an_error_however_much_was_cut() {
    let frame = eth4(6, &tcp(0x18, &[], &[7; 1000]));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(LinkType::Ethernet, &frame[..54], frame.len() as u32 - 1);
    assert_eq!(decoded, Decoded::NonFlow(NonFlow::Invalid(Event::Ipv4TruncPkt)));
    let decoded = decoder.decode(LinkType::Ethernet, &frame[..54], 54);
    assert_eq!(decoded, Decoded::NonFlow(NonFlow::Invalid(Event::Ipv4TruncPkt)));
}

#[test]
fn tcp_checksums_are_told_right_from_wrong() {
    for (payload, v6) in [(&b""[..], false), (b"odd", false), (b"even", true), (&[0xff; 1001], true)] {
        let mut frame = if v6 { eth6(6, &tcp(0x18, &[], payload)) } else { eth4(6, &tcp(0x18, &[], payload)) };
        let start = if v6 { 54 } else { 34 };
        let sum = slow_checksum(&frame[if v6 { 22..54 } else { 26..34 }], &frame[start..]);
        frame[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
        let packet = flow(LinkType::Ethernet, &frame);
        assert_eq!(tcp_checksum_ok(&frame, &packet), Some(true));
        for at in start..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= 1;
            assert_eq!(tcp_checksum_ok(&changed, &packet), Some(false), "byte {at}");
        }
    }
    let frame = eth4(17, &udp(b""));
    assert_eq!(tcp_checksum_ok(&frame, &flow(LinkType::Ethernet, &frame)), None);
}

/// RFC 1071, a word at a time.
fn slow_checksum(addresses: &[u8], segment: &[u8]) -> u16 {
    let pseudo = cat(&[addresses, &[0, 6], &(segment.len() as u16).to_be_bytes()]);
    let words = |bytes: &[u8]| {
        let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        bytes.chunks(2).map(word).sum::<u32>()
    };
    let mut sum = words(&pseudo) + words(segment);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
