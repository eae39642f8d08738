//! Bytes that mean harm: no input panics, every frame ends in one way, and the counters add up.

mod frames;

use flumen_wire::{DecodeOptions, Decoded, Decoder, Event, LinkType};
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

/// Decodes, and checks what must hold of any frame.
fn decode(decoder: &mut Decoder, link: LinkType, frame: &[u8], wire_len: u32) {
    let before = decoder.counters.clone();
    let decoded = decoder.decode(link, frame, wire_len);
    let after = &decoder.counters;
    assert_eq!(after.layers.pkts, before.layers.pkts + 1);
    assert_eq!(after.layers.bytes, before.layers.bytes + frame.len() as u64);
    assert!(after.layers.invalid - before.layers.invalid <= 1);
    let raised: u64 = Event::ALL.iter().map(|&event| after.event(event) - before.event(event)).sum();
    assert!(raised <= EVENTS_MAX);
    let counted = |event| raised == EVENTS_MAX || after.event(event) > before.event(event);
    let wire_len = frame.len().max(wire_len as usize);
    match decoded {
        Decoded::Flow(packet) => {
            let end = packet.transport_offset as usize + packet.transport_len as usize;
            assert!(end <= wire_len, "{packet:?}");
            assert!(packet.vlan.count <= 3);
            if let Some(inner) = packet.inner {
                assert!(inner.len() as usize <= wire_len);
            }
            if let Some(event) = packet.event {
                assert!(counted(event));
            }
            let judged = flumen_wire::tcp_checksum_ok(frame, &packet).is_some();
            assert!(!judged || end <= frame.len());
        }
        Decoded::Fragment(fragment) => {
            assert!(fragment.payload_offset as usize + fragment.payload_len as usize <= wire_len, "{fragment:?}");
            assert!(fragment.ip_offset < fragment.payload_offset);
        }
        Decoded::Tunnel(inner) => assert!(inner.len() as usize <= wire_len),
        Decoded::NonFlow(flumen_wire::NonFlow::Invalid(event)) => assert!(counted(event)),
        Decoded::NonFlow(_) => {}
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

#[test]
fn mutated_frames_end_in_one_way() {
    let seed = 0x666c_756d_656e;
    println!("seed {seed:#x}");
    let (mut random, samples) = (Random(seed), samples());
    let mut decoder = Decoder::default();
    for _ in 0..200_000 {
        let (_, link, frame) = &samples[random.below(samples.len())];
        let mut frame = frame.clone();
        let other = random.below(samples.len());
        mutate(&mut random, &mut frame, &samples[other].2);
        let missing = if random.below(3) == 0 { random.below(2000) } else { 0 };
        decode(&mut decoder, *link, &frame, (frame.len() + missing) as u32);
    }
    let silent: Vec<_> = Event::ALL.iter().filter(|&&event| decoder.counters.event(event) == 0).collect();
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
}
