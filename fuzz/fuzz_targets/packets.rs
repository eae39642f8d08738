//! Packets that the traffic generator builds, then spoils: stacks of real headers, which random bytes do not reach.
//!
//! Input: the decisions of [`traffic::arbitrary`]. Each packet is decoded whole, and as a capture that kept half of it:
//! nothing panics, every packet is counted once, nothing points outside of it.
#![no_main]

use flumen_wire::{DecodeOptions, Decoded, Decoder, LinkType, tcp_checksum_ok};
use libfuzzer_sys::fuzz_target;
use traffic::arbitrary;

fuzz_target!(|input: &[u8]| {
    let (link, frame) = arbitrary::packet(input);
    let link = LinkType::from_dlt(link.dlt());
    let mut decoder = Decoder::new(DecodeOptions::default());
    for kept in [frame.len(), frame.len() / 2] {
        decode(&mut decoder, link, &frame[..kept], frame.len() as u32);
    }
    let counters = &decoder.counters;
    assert_eq!(counters.layers.pkts, 2);
    assert!(counters.layers.invalid <= 2);
});

fn decode(decoder: &mut Decoder, link: LinkType, kept: &[u8], wire_len: u32) {
    match decoder.decode(link, kept, wire_len) {
        Decoded::Flow(packet) => {
            within(packet.transport_offset, packet.transport_len, wire_len);
            if tcp_checksum_ok(kept, &packet).is_some() {
                within(packet.transport_offset, packet.transport_len, kept.len() as u32);
            }
            if let Some(inner) = packet.inner {
                within(inner.offset, inner.len, wire_len);
            }
        }
        Decoded::Fragment(fragment) => within(fragment.payload_offset, fragment.payload_len, wire_len),
        Decoded::NonFlow(reason) => assert!(!reason.name().is_empty()),
    }
}

fn within(offset: u32, len: u32, whole: u32) {
    assert!(offset.checked_add(len).is_some_and(|end| end <= whole), "{offset} and {len} bytes in {whole}");
}
