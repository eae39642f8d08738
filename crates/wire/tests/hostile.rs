//! Bytes that mean harm: no input panics, every frame ends in one way, and the counters add up.

mod frames;

use flumen_wire::{
    Aside, DecodeCounters, DecodeOptions, Decoder, Event, FlowPacket, Inner, LinkType, NonFlow, ReservedBits,
    TunnelOptions, TunnelPorts,
};
use frames::{Random, mutate, samples};

const LINKS: [LinkType; 11] = [
    LinkType::Ethernet,
    LinkType::Null,
    LinkType::Raw,
    LinkType::Ipv4,
    LinkType::Ipv6,
    LinkType::Ppp,
    LinkType::Chdlc,
    LinkType::Sll,
    LinkType::Sll2,
    LinkType::GreOverIp,
    LinkType::Unsupported,
];

/// Past so many events of one packet the rest is not counted.
const EVENTS_MAX: u64 = 15;

/// Decodes a frame and every packet inside, and checks what must hold of any.
fn decode(decoder: &mut Decoder, link: LinkType, frame: &[u8], wire_len: u32) {
    let before = decoder.counters.clone();
    let mut packet = FlowPacket::EMPTY;
    let outcome = decoder.decode_into(link, frame, wire_len, &mut packet);
    let after = &decoder.counters;
    assert_eq!(after.layers.pkts, before.layers.pkts + 1);
    assert_eq!(after.layers.bytes, before.layers.bytes + frame.len() as u64);
    assert!(after.layers.invalid - before.layers.invalid <= 1);
    let wire_len = frame.len().max(wire_len as usize) as u32;
    check(&before, after, outcome, &packet, frame, wire_len);
    let invalid = after.layers.invalid;
    let (mut next, mut len, mut depth) = (inside(outcome, &packet), wire_len, 0);
    while let Some(inner) = next {
        depth += 1;
        assert!(depth < decoder.options().max_layers, "{frame:02x?}");
        assert_eq!(inner.recursion(), depth);
        assert!(inner.len() < len, "a packet inside is smaller");
        len = inner.len();
        let before = decoder.counters.clone();
        let outcome = decoder.decode_inner(&inner, frame, wire_len, &mut packet);
        check(&before, &decoder.counters, outcome, &packet, frame, wire_len);
        next = inside(outcome, &packet);
        if outcome.is_ok() {
            assert_eq!(packet.recursion, depth);
        }
        if let Err(Aside::Fragment(fragment)) = outcome {
            assert_eq!(fragment.recursion, depth);
            let data = frame.get(fragment.ip_offset as usize..).unwrap_or(&[]);
            let _ = decoder.decode_datagram(&fragment, data, &mut { FlowPacket::EMPTY });
        }
    }
    assert_eq!(decoder.counters.layers.invalid, invalid, "only frames count as invalid");
}

fn inside(outcome: Result<(), Aside>, packet: &FlowPacket) -> Option<Inner> {
    match outcome {
        Ok(()) => packet.inner,
        Err(Aside::Tunnel(inner)) => Some(inner),
        Err(Aside::Fragment(_) | Aside::NonFlow(_)) => None,
    }
}

fn check(
    before: &DecodeCounters,
    after: &DecodeCounters,
    outcome: Result<(), Aside>,
    packet: &FlowPacket,
    frame: &[u8],
    wire_len: u32,
) {
    let raised: u64 = Event::ALL.iter().map(|&event| after.event(event) - before.event(event)).sum();
    assert!(raised <= EVENTS_MAX);
    let counted = |event| raised == EVENTS_MAX || after.event(event) > before.event(event);
    match outcome {
        Ok(()) => {
            let end = packet.transport_offset + packet.transport_len;
            assert!(end <= wire_len, "{packet:?}");
            assert!(packet.vlan.count <= 3);
            assert!(packet.event.is_none_or(counted));
            let judged = flumen_wire::tcp_checksum_ok(frame, packet).is_some();
            assert!(!judged || end as usize <= frame.len());
        }
        Err(Aside::Tunnel(inner)) => assert!(inner.len() <= wire_len),
        Err(Aside::Fragment(fragment)) => {
            assert!(fragment.payload_offset + fragment.payload_len <= wire_len, "{fragment:?}");
            assert!(fragment.ip_offset < fragment.payload_offset && fragment.link_len <= fragment.ip_offset);
            assert!((fragment.ip_offset..fragment.payload_offset).contains(&fragment.protocol_offset));
            assert!(fragment.layers > 0);
        }
        // Of what shows to be no packet the events are taken back.
        Err(Aside::NonFlow(NonFlow::Invalid(event))) => {
            assert!(counted(event) || (raised == 0 && after.layers.pkts == before.layers.pkts));
        }
        Err(Aside::NonFlow(_)) => {}
    }
}

#[test]
fn frames_cut_at_every_byte_end_in_one_way() {
    let mut decoder = Decoder::default();
    for (_, link, frame) in samples() {
        for len in 0..=frame.len() {
            decode(&mut decoder, link, &frame[..len], len as u32);
            decode(&mut decoder, link, &frame[..len], frame.len() as u32);
        }
    }
}

#[test]
fn a_frame_under_another_link_type_ends_in_one_way() {
    let mut decoder = Decoder::default();
    for (_, _, frame) in samples() {
        for link in LINKS {
            decode(&mut decoder, link, &frame, 0);
        }
    }
}

/// Every port may be every tunnel.
const WIDE_OPEN: TunnelOptions = TunnelOptions {
    teredo: TunnelPorts::Any,
    geneve: TunnelPorts::Any,
    vxlan: TunnelPorts::Any,
    vxlan_reserved: ReservedBits::Permissive,
    fou: TunnelPorts::Any,
};

#[test]
fn mutated_frames_end_in_one_way() {
    let seed = 0x666c_756d_656e;
    println!("seed {seed:#x}");
    let (mut random, samples) = (Random(seed), samples());
    let wide_open = DecodeOptions { tunnels: WIDE_OPEN, max_layers: 255, ..DecodeOptions::default() };
    let mut decoders = [DecodeOptions::default(), DecodeOptions::SURICATA, wide_open].map(Decoder::new);
    for round in 0..240_000 {
        let (_, link, frame) = &samples[random.below(samples.len())];
        let mut frame = frame.clone();
        let other = random.below(samples.len());
        mutate(&mut random, &mut frame, &samples[other].2);
        let missing = if random.below(3) == 0 { random.below(2000) } else { 0 };
        decode(&mut decoders[round % 3], *link, &frame, (frame.len() + missing) as u32);
    }
    let silent: Vec<_> = Event::ALL.iter().filter(|&&event| decoders[0].counters.event(event) == 0).collect();
    assert!(silent.len() < 60, "the mutations hardly reach anything: {silent:?} are silent");
}

#[test]
fn random_bytes_end_in_one_way() {
    let seed = 0x7769_7265;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    for _ in 0..100_000 {
        let frame: Vec<u8> = (0..random.below(120)).map(|_| random.next() as u8).collect();
        let wire_len = random.next() as u32 >> random.below(32);
        decode(&mut decoder, LINKS[random.below(LINKS.len())], &frame, wire_len);
    }
}

#[test]
fn the_longest_chains_end() {
    let mut decoder = Decoder::default();
    let backbone = [[0; 16].as_slice(), &[0x88, 0xe7]].concat().repeat(14_000);
    decode(&mut decoder, LinkType::Ethernet, &frames::ethernet(0x88e7, &backbone), u32::MAX);
    let labels = [0, 1, 0, 64].repeat(60_000);
    decode(&mut decoder, LinkType::Ethernet, &frames::ethernet(0x8847, &labels), u32::MAX);
    let headers = [60, 0, 5, 2, 0, 0, 0, 0].repeat(8_000);
    decode(&mut decoder, LinkType::Ethernet, &frames::eth6(60, &headers), 0);
    let chunks = frames::sctp(0, &frames::chunk(0, &[]).repeat(16_000));
    decode(&mut decoder, LinkType::Ethernet, &frames::eth4(132, &chunks), 0);
    let authentication = [51, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0].repeat(5_000);
    decode(&mut decoder, LinkType::Ethernet, &frames::eth4(51, &authentication), 0);
    let extensions = frames::cat(&[&frames::gtpu(4, 255, 1, &[0, 0, 0, 1], &[1, 0, 0, 1].repeat(16_000))]);
    decode(&mut decoder, LinkType::Ethernet, &frames::eth4(17, &frames::udp_to(2152, &extensions)), 0);
}

#[test]
fn tunnels_in_tunnels_end_at_the_limit_of_layers() {
    let nested = (0..1_500).fold(frames::ipv4(17, &frames::udp(b"")), |inner, _| frames::ipv4(4, &inner));
    for max_layers in [0, 1, 2, 3, 16, 255] {
        for options in [DecodeOptions::default(), DecodeOptions::SURICATA] {
            let mut decoder = Decoder::new(DecodeOptions { max_layers, ..options });
            decode(&mut decoder, LinkType::Ethernet, &frames::ethernet(0x0800, &nested), 0);
            assert_eq!(decoder.counters.event(Event::TooManyLayers), 1, "{max_layers}");
        }
    }
}
