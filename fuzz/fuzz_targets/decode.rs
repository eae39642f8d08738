//! Frames of any link type, whole or cut: nothing panics, every frame ends in one way, nothing points outside of it, and
//! the shortcut for common Ethernet frames agrees with the walk.
//!
//! Input: one byte for the link type, one for how many bytes the capture cut (in steps of four), then the frame.
//! `cargo run -p flumen-wire --example seeds -- fuzz/corpus/decode` writes the seeds.
#![no_main]

use flumen_wire::{Aside, DecodeOptions, Decoded, Decoder, FlowPacket, Inner, LinkType, tcp_checksum_ok};
use libfuzzer_sys::fuzz_target;

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
const ETHERNET_LEN: usize = 14;

fuzz_target!(|input: &[u8]| {
    let [link, cut, frame @ ..] = input else { return };
    let link = LINKS[usize::from(*link) % LINKS.len()];
    let wire_len = frame.len() as u32 + u32::from(*cut) * 4;
    let decoded = decode(link, frame, wire_len);
    if link == LinkType::Ethernet && matches!(frame.get(12..14), Some([0x08, 0x00] | [0x86, 0xdd])) {
        agrees_without_its_link_layer(&decoded, &frame[ETHERNET_LEN..], wire_len - ETHERNET_LEN as u32);
    }
});

fn decode(link: LinkType, frame: &[u8], wire_len: u32) -> Decoded {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let decoded = decoder.decode(link, frame, wire_len);
    let counters = &decoder.counters;
    assert_eq!((counters.layers.pkts, counters.layers.bytes), (1, frame.len() as u64));
    assert!(counters.layers.invalid <= 1 && counters.events.iter().sum::<u64>() <= 15);
    match decoded {
        Decoded::Flow(packet) => {
            assert!(packet.transport_offset + packet.transport_len <= wire_len);
            let judged = tcp_checksum_ok(frame, &packet).is_some();
            assert!(!judged || (packet.transport_offset + packet.transport_len) as usize <= frame.len());
            follow(&mut decoder, packet.inner, frame, wire_len);
        }
        Decoded::Tunnel(inner) => follow(&mut decoder, Some(inner), frame, wire_len),
        Decoded::Fragment(fragment) => assert!(fragment.payload_offset + fragment.payload_len <= wire_len),
        Decoded::NonFlow(reason) => assert!(!reason.name().is_empty()),
    }
    decoded
}

/// The packets inside, one in another: no more than there may be headers, and each within the frame.
fn follow(decoder: &mut Decoder, first: Option<Inner>, frame: &[u8], wire_len: u32) {
    let (mut next, mut depth, mut packet) = (first, 0, FlowPacket::EMPTY);
    while let Some(inner) = next {
        depth += 1;
        assert!(depth <= u32::from(decoder.options().max_layers) && inner.len() <= wire_len);
        next = match decoder.decode_inner(&inner, frame, wire_len, &mut packet) {
            Ok(()) => {
                assert!(packet.transport_offset + packet.transport_len <= wire_len);
                assert_eq!(u32::from(packet.recursion), depth);
                packet.inner
            }
            Err(Aside::Tunnel(inner)) => Some(inner),
            Err(Aside::Fragment(fragment)) => {
                assert!(fragment.payload_offset + fragment.payload_len <= wire_len);
                None
            }
            Err(Aside::NonFlow(_)) => None,
        };
    }
}

/// An IP packet is the same one whether it comes in Ethernet, mostly by the shortcut, or bare, always by the walk.
fn agrees_without_its_link_layer(decoded: &Decoded, datagram: &[u8], wire_len: u32) {
    let mut decoder = Decoder::new(DecodeOptions::default());
    match (decoded, decoder.decode(LinkType::Raw, datagram, wire_len)) {
        (Decoded::Flow(framed), Decoded::Flow(bare)) => {
            assert_eq!((framed.src, framed.dst, framed.transport), (bare.src, bare.dst, bare.transport));
            assert_eq!((framed.ttl, framed.protocol, framed.event), (bare.ttl, bare.protocol, bare.event));
            assert_eq!(framed.transport_offset, bare.transport_offset + ETHERNET_LEN as u32);
        }
        (Decoded::Flow(_), other) => panic!("a flow in Ethernet, {other:?} without"),
        _ => {}
    }
}
