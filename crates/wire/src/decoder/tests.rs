//! The fast path and the walk: each must answer and count as the other does.

use super::frames::{Random, mutate, samples, tunnels};
use super::*;
use crate::{TunnelOptions, TunnelPorts};
use std::vec::Vec;

/// Some decoders that differ in what they open, and as many to walk.
fn pairs() -> [(Decoder, Decoder); 3] {
    let all_ports = TunnelOptions { vxlan: TunnelPorts::Any, geneve: TunnelPorts::Any, ..TunnelOptions::DEFAULT };
    let options = [
        DecodeOptions::default(),
        DecodeOptions::SURICATA,
        DecodeOptions { tunnels: all_ports, max_layers: 5, ..DecodeOptions::default() },
    ];
    options.map(|options| (Decoder::new(options), Decoder::new(options)))
}

/// A sample, most often changed, and a length that it may have had on the wire.
fn frame(random: &mut Random, samples: &[(&str, LinkType, Vec<u8>)]) -> (LinkType, Vec<u8>, u32) {
    let (_, link, frame) = &samples[random.below(samples.len())];
    let mut frame = frame.clone();
    if random.below(20) > 0 {
        let other = random.below(samples.len());
        mutate(random, &mut frame, &samples[other].2);
    }
    let wire_len = (frame.len() + random.below(3) * random.below(100)) as u32;
    (*link, frame, wire_len)
}

/// Law of the fast path: whatever it answers, the walk would have answered, and counted, the same.
#[test]
fn the_fast_path_and_the_walk_agree_on_every_frame() {
    let seed = 0x6661_7374;
    std::println!("seed {seed:#x}");
    let (mut random, samples, mut pairs) = (Random(seed), samples(), pairs());
    let (mut fast, mut fast_fragments) = (0, [0, 0]);
    for round in 0..300_000 {
        let (link, frame, wire_len) = frame(&mut random, &samples);
        if link != LinkType::Ethernet {
            continue;
        }
        let (with, without) = &mut pairs[round % 3];
        let mut slow = FlowPacket::EMPTY;
        let mut outcome = Ok(());
        without.decode_slow(link, View::new(&frame, wire_len), &mut slow, &mut outcome);
        let mut parts = with.clone();
        let mut packet = FlowPacket::EMPTY;
        let straight = parts.decode_straight(link, &frame, wire_len, Write(&mut packet));
        fast += u32::from(straight.is_some());
        let mut fragments = with.clone();
        if let Some(fragment) = fragments.decode_fragment(link, &frame, wire_len) {
            fast_fragments[usize::from(fragment.ip_version == IpVersion::V6)] += 1;
            assert_eq!(Decoded::Fragment(fragment), decoded(outcome, slow), "{frame:02x?} of {wire_len}");
        } else {
            assert_eq!(fragments.counters, with.counters, "nothing is touched: {frame:02x?} of {wire_len}");
        }
        if straight.is_some() {
            assert_eq!((packet.inner, packet.event), (None, None), "{frame:02x?} of {wire_len}");
            assert_eq!(Decoded::Flow(packet), decoded(outcome, slow), "{frame:02x?} of {wire_len}");
        } else {
            assert_eq!(parts.counters, with.counters, "nothing is touched: {frame:02x?} of {wire_len}");
            let otherwise = parts.decode_otherwise(link, &frame, wire_len, &mut packet);
            assert_eq!(decoded(otherwise, packet), decoded(outcome, slow), "{frame:02x?} of {wire_len}");
        }
        assert_eq!(with.decode(link, &frame, wire_len), decoded(outcome, slow), "{frame:02x?} of {wire_len}");
        let seen = &mut without.counters.layers;
        seen.pkts += 1;
        seen.bytes += frame.len() as u64;
        seen.max_pkt_size = seen.max_pkt_size.max(frame.len() as u64);
        assert_eq!(with.counters, without.counters, "{frame:02x?} of {wire_len}");
        assert_eq!(parts.counters, without.counters, "{frame:02x?} of {wire_len}");
        if fragments.counters.layers.pkts == with.counters.layers.pkts {
            assert_eq!(fragments.counters, without.counters, "{frame:02x?} of {wire_len}");
        }
    }
    assert!(fast > 10_000, "the fast path took only {fast} frames");
    assert!(fast_fragments.iter().all(|count| *count > 300), "the fast path took only {fast_fragments:?} fragments");
}

/// The same law of packets inside of others.
#[test]
fn the_fast_path_and_the_walk_agree_on_every_packet_inside() {
    let seed = 0x6661_7375;
    std::println!("seed {seed:#x}");
    let (mut random, samples, mut pairs, mut fast) = (Random(seed), tunnels(), pairs(), 0);
    for round in 0..200_000 {
        let (link, frame, wire_len) = frame(&mut random, &samples);
        let (with, without) = &mut pairs[round % 3];
        let mut outside = with.decode(link, &frame, wire_len);
        while let Decoded::Flow(FlowPacket { inner: Some(inner), .. }) | Decoded::Tunnel(inner) = outside {
            without.counters = with.counters.clone();
            let view = View::new(&frame, wire_len).skip(inner.offset as usize).limit(inner.len as usize);
            let (mut slow, mut outcome) = (FlowPacket::EMPTY, Ok(()));
            without.decode_inner_slow(&inner, view, &mut slow, &mut outcome);
            let mut packet = FlowPacket::EMPTY;
            fast += u32::from(with.clone().decode_inner_fast(&inner, view, &mut packet).is_some());
            let found = with.decode_inner(&inner, &frame, wire_len, &mut packet);
            outside = decoded(found, packet);
            assert_eq!(outside, decoded(outcome, slow), "{frame:02x?} of {wire_len}");
            assert_eq!(with.counters, without.counters, "{frame:02x?} of {wire_len}");
        }
    }
    assert!(fast > 10_000, "the fast path took only {fast} packets");
}

#[test]
fn what_a_frame_becomes_fits_three_cache_lines() {
    assert!(size_of::<Decoded>() <= 192);
}
