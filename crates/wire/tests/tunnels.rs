//! Packets inside of packets: what the outside becomes, what comes out, and what tells tunnels apart.

mod frames;

use flumen_wire::*;
use frames::*;

/// A packet and all packets inside of it, outermost first.
fn unwrap(decoder: &mut Decoder, link: LinkType, frame: &[u8]) -> Vec<Decoded> {
    let wire_len = frame.len() as u32;
    let mut packets = vec![decoder.decode(link, frame, wire_len)];
    while let Some(inner) = inside(packets.last().expect("one at least")) {
        let mut packet = FlowPacket::EMPTY;
        packets.push(match decoder.decode_inner(&inner, frame, wire_len, &mut packet) {
            Ok(()) => Decoded::Flow(packet),
            Err(Aside::Tunnel(inner)) => Decoded::Tunnel(inner),
            Err(Aside::Fragment(fragment)) => Decoded::Fragment(fragment),
            Err(Aside::NonFlow(reason)) => Decoded::NonFlow(reason),
        });
    }
    packets
}

fn inside(decoded: &Decoded) -> Option<Inner> {
    match decoded {
        Decoded::Flow(packet) => packet.inner,
        Decoded::Tunnel(inner) => Some(*inner),
        Decoded::Fragment(_) | Decoded::NonFlow(_) => None,
    }
}

fn all(frame: &[u8]) -> (Vec<Decoded>, DecodeCounters) {
    let mut decoder = Decoder::default();
    (unwrap(&mut decoder, LinkType::Ethernet, frame), decoder.counters)
}

fn flow(decoded: &Decoded) -> &FlowPacket {
    match decoded {
        Decoded::Flow(packet) => packet,
        other => panic!("no flow: {other:?}"),
    }
}

/// The innermost packet of a frame.
fn innermost(frame: &[u8]) -> FlowPacket {
    *flow(all(frame).0.last().expect("one at least"))
}

#[test]
fn every_tunnel_gives_the_segment_inside_and_its_outside_a_flow() {
    let expected = segment();
    for (name, link, frame) in tunnels() {
        let mut decoder = Decoder::default();
        let packets = unwrap(&mut decoder, link, &frame);
        let depth = packets.len() - 1;
        assert_eq!(depth, if name == "tunnel-gre-in-vxlan" { 2 } else { 1 }, "{name}: {packets:?}");
        for (recursion, packet) in packets.iter().enumerate() {
            assert_eq!(usize::from(flow(packet).recursion), recursion, "{name}");
            assert_eq!(flow(packet).event, None, "{name}");
        }
        let (outside, packet) = (flow(&packets[0]), flow(&packets[depth]));
        assert!(matches!(outside.transport, Transport::Other | Transport::Udp(_)), "{name}");
        assert!(matches!(packet.transport, Transport::Tcp(segment) if segment.payload_len == 5), "{name}: {packet:?}");
        let start = packet.transport_offset as usize;
        assert_eq!(frame[start..start + packet.transport_len as usize], expected, "{name}");
        let counters = &decoder.counters;
        assert_eq!((counters.layers.pkts, counters.layers.bytes), (1, frame.len() as u64), "{name}");
        assert_eq!(counters.layers.invalid + counters.events.iter().sum::<u64>(), 0, "{name}");
    }
}

#[test]
fn an_inner_packet_counts_with_its_bytes_from_its_first_header_on() {
    let v4 = ipv4(6, &segment());
    let len = |name: &str| {
        let (_, _, frame) = tunnels().into_iter().find(|(n, _, _)| *n == name).expect("a sample");
        inside(&all(&frame).0[0]).map(|inner| (inner.len() as usize, inner.recursion()))
    };
    assert_eq!(len("tunnel-ipv4-in-ipv4"), Some((v4.len(), 1)));
    assert_eq!(len("tunnel-gre-ipv4"), Some((v4.len(), 1)));
    assert_eq!(len("tunnel-vxlan"), Some((14 + v4.len(), 1)), "with the Ethernet header");
    assert_eq!(len("tunnel-erspan-2"), Some((8 + 14 + v4.len(), 1)), "with ERSPAN's own header");
    assert_eq!(len("tunnel-l2tp-2"), Some((4 + v4.len(), 1)), "with the PPP header");
}

#[test]
fn tunnels_have_the_numbers_that_tell_them_apart() {
    let of = |name: &str| {
        let (_, _, frame) = tunnels().into_iter().find(|(n, _, _)| *n == name).expect("a sample");
        let tunnel = innermost(&frame).tunnel;
        (tunnel.kind, tunnel.id)
    };
    for (name, kind, id) in [
        ("tunnel-vxlan", TunnelKind::Vni, 77),
        ("tunnel-vxlan-gpe-ipv6", TunnelKind::Vni, 78),
        ("tunnel-geneve-options", TunnelKind::Vni, 79),
        ("tunnel-nvgre", TunnelKind::Vni, 5),
        ("tunnel-gre-key-ipv6", TunnelKind::GreKey, 258),
        ("tunnel-gre-ipv4", TunnelKind::None, 0),
        ("tunnel-gre-pptp", TunnelKind::Session, 7),
        ("tunnel-gtpu-extension", TunnelKind::Teid, 0x1234),
        ("tunnel-l2tp-2", TunnelKind::Session, 0x5_0006),
        ("tunnel-l2tp-3", TunnelKind::Session, 8),
        ("tunnel-erspan-2", TunnelKind::Session, 3),
        ("tunnel-erspan-3-ip", TunnelKind::Session, 3),
        ("tunnel-teredo", TunnelKind::None, 0),
        ("tunnel-ipv4-in-ipv4", TunnelKind::None, 0),
        ("tunnel-gre-in-vxlan", TunnelKind::Vni, 77),
    ] {
        assert_eq!(of(name), (kind, id), "{name}");
    }
    for (name, _, frame) in passed_by().into_iter().take(2) {
        let packet = innermost(&frame);
        assert_eq!((packet.tunnel, packet.recursion), (Tunnel { kind: TunnelKind::Spi, id: 0x99 }, 0), "{name}");
    }
}

#[test]
fn only_a_mirrored_frame_brings_vlan_ids_along() {
    let of = |name: &str| {
        let (_, _, frame) = tunnels().into_iter().find(|(n, _, _)| *n == name).expect("a sample");
        let packets = all(&frame).0;
        (flow(&packets[0]).vlan, flow(&packets[1]).vlan, flow(&packets[1]).macs.is_some())
    };
    let tagged = |id| VlanTags { ids: [id, 0, 0], count: 1 };
    assert_eq!(of("tunnel-vxlan-in-vlan"), (tagged(9), VlanTags::default(), true));
    assert_eq!(of("tunnel-erspan-2"), (VlanTags::default(), tagged(7), true));
    assert_eq!(of("tunnel-erspan-3"), (VlanTags::default(), tagged(7), true));
    assert_eq!(of("tunnel-gre-vlan"), (VlanTags::default(), tagged(5), false));
    assert!(!of("tunnel-ipv4-in-ipv4").2, "the outside's addresses are not its own");
}

#[test]
fn each_tunnel_is_counted_by_its_name() {
    let mut decoder = Decoder::default();
    for (_, link, frame) in [tunnels(), passed_by()].concat() {
        unwrap(&mut decoder, link, &frame);
    }
    let (layers, beyond) = (decoder.counters.layers, decoder.counters.beyond);
    assert_eq!((layers.gre, layers.erspan, layers.geneve, layers.vxlan, layers.teredo), (16, 4, 2, 3, 3));
    let ip_in_ip = (layers.ipv4_in_ipv4, layers.ipv6_in_ipv4, layers.ipv4_in_ipv6, layers.ipv6_in_ipv6);
    assert_eq!(ip_in_ip, (1, 1, 2, 2));
    let expected =
        BeyondCounters { vxlan_gpe: 3, gtpu: 2, gue: 2, fou: 0, l2tp: 3, etherip: 1, ah: 2, llc: 2, wireguard: 0 };
    assert_eq!(beyond, expected);
}

#[test]
fn suricata_leaves_closed_what_it_does_not_know_and_gives_gre_no_flow() {
    for (name, link, frame) in tunnels() {
        let mut decoder = Decoder::new(DecodeOptions::SURICATA);
        let packets = unwrap(&mut decoder, link, &frame);
        let opened = packets.len() - 1;
        let known = ![
            "nvgre",
            "gtpu",
            "gue",
            "gpe",
            "l2tp",
            "etherip",
            "erspan-3",
            "mpls",
            "nsh",
            "gre-behind",
            "authenticated",
            "ipv6-behind",
        ]
        .iter()
        .any(|word| name.contains(word) && name != "tunnel-nvgre");
        let expected = if name == "tunnel-gre-in-vxlan" { 2 } else { usize::from(known) };
        assert_eq!(opened, expected, "{name}: {packets:?}");
        if name.contains("tunnel-gre") && known && opened == 1 {
            assert!(matches!(packets[0], Decoded::Tunnel(_)), "{name}");
        }
        assert_eq!(decoder.counters.beyond, BeyondCounters::default(), "{name}");
    }
    let key = innermost_in_suricata(&eth4(
        47,
        &gre([0x20, 0], 0x6558, &[0, 0, 5, 7], &ethernet(0x0800, &ipv4(17, &udp(b"")))),
    ));
    assert_eq!(key.tunnel, Tunnel { kind: TunnelKind::GreKey, id: 0x507 });
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    let closed = decoder.decode(LinkType::Ethernet, &eth4(47, &[0, 0, 0x88, 0x47]), 0);
    assert_eq!(closed, Decoded::NonFlow(NonFlow::Tunnel));
}

fn innermost_in_suricata(frame: &[u8]) -> FlowPacket {
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    *flow(unwrap(&mut decoder, LinkType::Ethernet, frame).last().expect("one at least"))
}

#[test]
fn layers_of_the_outside_count_inside() {
    // Ethernet, IPv4, then three times IPv4: five headers, of which the limit allows one less than it says.
    let frame = (0..3).fold(ipv4(17, &udp(b"")), |inner, _| ipv4(4, &inner));
    let frame = ethernet(0x0800, &frame);
    for (max_layers, depth, too_deep) in [(6, 3, false), (5, 2, true), (4, 1, true), (3, 0, true)] {
        for flow_for_every_protocol in [true, false] {
            let options = DecodeOptions { max_layers, flow_for_every_protocol, ..DecodeOptions::default() };
            let mut decoder = Decoder::new(options);
            let packets = unwrap(&mut decoder, LinkType::Ethernet, &frame);
            assert_eq!(packets.len() - 1, depth, "{max_layers}: {packets:?}");
            let last = flow(packets.last().expect("one at least"));
            assert_eq!(last.event, too_deep.then_some(Event::TooManyLayers), "{max_layers}");
            assert_eq!(decoder.counters.event(Event::TooManyLayers), u64::from(too_deep));
            // Only a frame is invalid, not what is inside of it.
            assert_eq!(decoder.counters.layers.invalid, u64::from(too_deep && depth == 0));
        }
    }
    let mut decoder = Decoder::new(DecodeOptions { max_layers: 4, ..DecodeOptions::SURICATA });
    let frame = eth4(47, &gre([0, 0], 0x0800, &[], &ipv4(17, &udp(b""))));
    let reason = Decoded::NonFlow(NonFlow::Invalid(Event::TooManyLayers));
    assert_eq!(unwrap(&mut decoder, LinkType::Ethernet, &frame), [reason], "a tunnel without a flow");
}

#[test]
fn the_ports_are_those_that_were_chosen() {
    let frame = ethernet(0x0800, &ipv4(6, &segment()));
    let opened = |options: TunnelOptions, port: u16, payload: &[u8]| {
        let mut decoder = Decoder::new(DecodeOptions { tunnels: options, ..DecodeOptions::default() });
        unwrap(&mut decoder, LinkType::Ethernet, &eth4(17, &udp_to(port, payload))).len() > 1
    };
    let default = TunnelOptions::DEFAULT;
    let ports = TunnelPorts::Only(PortList::new(&[4789, 8472]).expect("two ports"));
    let v = vxlan(1, &frame);
    assert!(opened(default, 4789, &v) && !opened(default, 8472, &v));
    let chosen = TunnelOptions { vxlan: ports, ..default };
    assert!(opened(chosen, 8472, &v) && opened(chosen, 4789, &v) && !opened(chosen, 8473, &v));
    assert!(!opened(TunnelOptions { vxlan: TunnelPorts::Off, ..default }, 4789, &v));
    assert!(opened(TunnelOptions { vxlan: TunnelPorts::Any, ..default }, 7, &v));
    let mut with_policy = v.clone();
    with_policy[0] = 0x88;
    let permissive = TunnelOptions { vxlan_reserved: ReservedBits::Permissive, ..default };
    assert!(!opened(default, 4789, &with_policy) && opened(permissive, 4789, &with_policy));
    let v6 = ipv6(6, &segment());
    assert!(opened(default, 1, &v6));
    let teredo = |teredo| TunnelOptions { teredo, ..default };
    assert!(!opened(teredo(TunnelPorts::Off), 1, &v6));
    assert!(opened(teredo(TunnelPorts::only(3544)), 3544, &v6) && !opened(teredo(TunnelPorts::only(3544)), 1, &v6));
    let g = geneve(1, 0x6558, &[], &frame);
    assert!(opened(default, 6081, &g) && !opened(TunnelOptions { geneve: TunnelPorts::only(1), ..default }, 6081, &g));
    let fou = TunnelOptions { fou: TunnelPorts::only(5555), ..default };
    let v4 = ipv4(6, &segment());
    assert!(opened(fou, 5555, &v4) && !opened(default, 5555, &v4));
}

#[test]
fn vxlan_has_its_port_at_the_destination_only_and_geneve_at_either_end() {
    let frame = ethernet(0x0800, &ipv4(6, &segment()));
    let from = |port: u16, payload: &[u8]| {
        let mut datagram = udp_to(7, payload);
        datagram[..2].copy_from_slice(&port.to_be_bytes());
        all(&eth4(17, &datagram)).0.len() > 1
    };
    assert!(!from(4789, &vxlan(1, &frame)));
    assert!(from(6081, &geneve(1, 0x6558, &[], &frame)));
}

#[test]
fn what_only_looks_like_a_tunnel_stays_closed() {
    let v6 = ipv6(6, &segment());
    let closed = |port: u16, payload: &[u8]| {
        let (packets, counters) = all(&eth4(17, &udp_to(port, payload)));
        assert!(matches!(packets[..], [Decoded::Flow(FlowPacket { inner: None, .. })]), "{packets:?}");
        assert_eq!(counters.layers.invalid, 0);
    };
    closed(9, &cat(&[&v6, &[0]]));
    closed(9, &v6[..v6.len() - 1]);
    closed(9, &{
        let mut dead = v6.clone();
        dead[7] = 0;
        dead
    });
    closed(9, &cat(&[&[0, 1, 0, 0, 0, 0, 0, 0], &v6]));
    let frame = ethernet(0x0800, &ipv4(6, &segment()));
    closed(4789, &vxlan(1, &frame)[..21]);
    closed(4789, &cat(&[&[0; 8], &frame]));
    closed(6081, &cat(&[&[0x40, 0, 0x65, 0x58, 0, 0, 0, 0], &frame]));
    closed(6081, &geneve(1, 0x6558, &[0, 0, 0, 2, 0, 0, 0, 0], &[]));
    closed(2152, &gtpu(0, 1, 0, &[0, 0, 0, 0], &[]));
    closed(2152, &gtpu(4, 255, 1, &[0, 0, 0, 0x85, 0, 0, 9, 0], &[]));
    closed(1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
    closed(51820, &[4; 32]);
}

#[test]
fn a_tunnel_with_its_port_at_both_ends_is_counted_once() {
    let between = |port: u16, payload: &[u8]| {
        let mut datagram = udp_to(port, payload);
        datagram[..2].copy_from_slice(&port.to_be_bytes());
        all(&eth4(17, &datagram)).1.beyond
    };
    assert_eq!(between(2152, &gtpu(0, 1, 0, &[0; 4], &[])).gtpu, 1, "an echo request");
    assert_eq!(between(2152, &gtpu(0, 255, 1, &[], &ipv4(6, &segment()))).gtpu, 1);
    assert_eq!(between(1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]).l2tp, 1);
    assert_eq!(between(51820, &[[4, 0, 0, 0], [0; 4], [0; 4], [0; 4]].concat().repeat(2)).wireguard, 1);
}

#[test]
fn wireguard_is_counted_by_its_messages() {
    let message = |kind: u8, len: usize| {
        let mut payload = vec![kind, 0, 0, 0];
        payload.resize(len, 9);
        all(&eth4(17, &udp_to(51820, &payload))).1.beyond.wireguard
    };
    assert_eq!([message(1, 148), message(2, 92), message(3, 64), message(4, 32), message(4, 96)], [1; 5]);
    assert_eq!([message(1, 147), message(5, 64), message(4, 31), message(4, 33)], [0; 4]);
}

#[test]
fn what_was_taken_for_teredo_and_is_broken_was_none() {
    let frame = eth4(17, &udp_to(9, &ipv6(6, &tcp(2, &[3, 5, 7, 0], &[]))));
    for options in [DecodeOptions::default(), DecodeOptions::SURICATA] {
        let mut decoder = Decoder::new(options);
        let packets = unwrap(&mut decoder, LinkType::Ethernet, &frame);
        assert_eq!(packets[1], Decoded::NonFlow(NonFlow::Invalid(Event::TcpOptInvalidLen)));
        let counters = &decoder.counters;
        assert_eq!((counters.layers.teredo, counters.layers.ipv6, counters.layers.tcp), (0, 1, 1));
        assert_eq!(counters.layers.invalid + counters.events.iter().sum::<u64>(), 0);
    }
}

#[test]
fn an_inner_packet_with_a_bad_first_header_counts_only_beyond_suricata() {
    let frame = eth4(4, &ipv4(17, &udp(b""))[..19]);
    let mut decoder = Decoder::default();
    let bad = Decoded::NonFlow(NonFlow::Invalid(Event::Ipv4PktTooSmall));
    assert_eq!(unwrap(&mut decoder, LinkType::Ethernet, &frame)[1], bad);
    assert_eq!((decoder.counters.event(Event::Ipv4PktTooSmall), decoder.counters.layers.ipv4_in_ipv4), (1, 0));
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    assert_eq!(unwrap(&mut decoder, LinkType::Ethernet, &frame)[1], bad);
    assert_eq!((decoder.counters.event(Event::Ipv4PktTooSmall), decoder.counters.layers.ipv4_in_ipv4), (0, 0));
    // An error further in is one of the packet's.
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    let short = Decoded::NonFlow(NonFlow::Invalid(Event::TcpPktTooSmall));
    assert_eq!(unwrap(&mut decoder, LinkType::Ethernet, &eth4(4, &ipv4(6, &[0; 9])))[1], short);
    assert_eq!((decoder.counters.event(Event::TcpPktTooSmall), decoder.counters.layers.ipv4_in_ipv4), (1, 1));
}

#[test]
fn a_cut_capture_opens_what_is_left_of_it() {
    let frame = eth4(17, &udp_to(4789, &vxlan(7, &ethernet(0x0800, &ipv4(6, &tcp(0x18, &[], &[7; 900]))))));
    let wire_len = frame.len() as u32;
    let mut decoder = Decoder::default();
    let outside = decoder.decode(LinkType::Ethernet, &frame[..120], wire_len);
    let inner = inside(&outside).expect("a tunnel");
    assert_eq!(inner.len(), wire_len - 50);
    let mut packet = FlowPacket::EMPTY;
    assert_eq!(decoder.decode_inner(&inner, &frame[..120], wire_len, &mut packet), Ok(()));
    assert!(matches!(packet.transport, Transport::Tcp(segment) if segment.payload_len == 900));
}

#[test]
fn a_fragment_inside_of_a_tunnel_says_where_it_came_from() {
    let piece = ipv4_with(17, 0x2000, &[], &[7; 16]);
    let (packets, counters) = all(&eth4(17, &udp_to(4789, &vxlan(7, &ethernet(0x8100, &vlan(3, 0x0800, &piece))))));
    let Decoded::Fragment(fragment) = packets[1] else { panic!("{packets:?}") };
    assert_eq!((fragment.recursion, fragment.tunnel), (1, Tunnel { kind: TunnelKind::Vni, id: 7 }));
    assert_eq!((fragment.ip_offset, fragment.link_len, fragment.layers), (14 + 28 + 8 + 18, 18, 6));
    assert_eq!(fragment.vlan, VlanTags { ids: [3, 0, 0], count: 1 });
    assert_eq!((counters.fragments.ipv4, counters.layers.invalid), (1, 0));
}

#[test]
fn a_datagram_put_together_is_decoded_as_if_it_had_come_whole() {
    let mut decoder = Decoder::default();
    let piece = ethernet(0x8100, &vlan(3, 0x0800, &ipv4_with(6, 0x2000, &[], &segment()[..24])));
    let Decoded::Fragment(fragment) = decoder.decode(LinkType::Ethernet, &piece, 0) else { panic!() };
    let whole = ethernet(0x8100, &vlan(3, 0x0800, &ipv4(6, &segment())));
    let Decoded::Flow(expected) = decoder.decode(LinkType::Ethernet, &whole, 0) else { panic!() };
    let mut packet = FlowPacket::EMPTY;
    assert_eq!(decoder.decode_datagram(&fragment, &whole[18..], &mut packet), Ok(()));
    assert_eq!(packet, FlowPacket { transport_offset: 20, ..expected });
    let layers = decoder.counters.layers;
    assert_eq!((layers.pkts, layers.ipv4, layers.tcp, layers.vlan, layers.ethernet), (2, 3, 2, 2, 2));
}

#[test]
fn a_datagram_put_together_may_be_a_tunnel_and_its_layers_go_on() {
    let options = DecodeOptions { max_layers: 5, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options);
    let piece = eth6(44, &fragment_header(4, 1, &[0; 8]));
    let Decoded::Fragment(fragment) = decoder.decode(LinkType::Ethernet, &piece, 0) else { panic!() };
    let data = ipv6(4, &ipv4(4, &ipv4(17, &udp(b"x"))));
    let mut packet = FlowPacket::EMPTY;
    assert_eq!(decoder.decode_datagram(&fragment, &data, &mut packet), Ok(()));
    let inner = packet.inner.expect("IPv4 in IPv6");
    assert_eq!(decoder.decode_inner(&inner, &data, data.len() as u32, &mut packet), Ok(()));
    assert_eq!((packet.recursion, packet.transport_offset, packet.macs), (1, 60, None));
    let inner = packet.inner.expect("IPv4 in IPv4");
    assert_eq!(decoder.decode_inner(&inner, &data, data.len() as u32, &mut packet), Ok(()));
    assert_eq!((packet.recursion, packet.transport_offset), (2, 80));
    assert!(matches!(packet.transport, Transport::Udp(_)));
}

#[test]
fn pptp_acknowledgements_carry_nothing() {
    let frame = eth4(47, &gre([0x20, 0x81], 0x880b, &[0, 0, 0, 7, 0, 0, 0, 1], &[]));
    assert!(inside(&all(&frame).0[0]).is_none());
}
