//! Packets that the traffic generator builds, then spoils: stacks of real headers, which random bytes do not reach.
//!
//! Input: the decisions of [`traffic::arbitrary`]. Each packet is decoded whole, and as a capture that kept half of it:
//! nothing panics, every packet is counted once, nothing points outside of it.
#![no_main]

use flumen_wire::{Aside, DecodeOptions, Decoder, FlowPacket, Fragment, LinkType, tcp_checksum_ok};
use libfuzzer_sys::fuzz_target;
use traffic::arbitrary;

fuzz_target!(|input: &[u8]| {
    let (link, frame) = arbitrary::packet(input);
    let link = LinkType::from_dlt(link.dlt());
    let mut decoder = Decoder::new(if input.len().is_multiple_of(4) { DecodeOptions::SURICATA } else { DecodeOptions::default() });
    for kept in [frame.len(), frame.len() / 2] {
        decode(&mut decoder, link, &frame[..kept], frame.len() as u32);
    }
    let counters = &decoder.counters;
    assert_eq!(counters.layers.pkts, 2);
    assert!(counters.layers.invalid <= 2);
});

/// The frame and all packets inside of it, of which there are no more than there may be headers.
fn decode(decoder: &mut Decoder, link: LinkType, kept: &[u8], wire_len: u32) {
    let mut packet = FlowPacket::EMPTY;
    let mut decoded = decoder.decode_into(link, kept, wire_len, &mut packet);
    for _ in 0..=decoder.options().max_layers {
        let inner = match decoded {
            Ok(()) => {
                within(packet.transport_offset, packet.transport_len, wire_len);
                if tcp_checksum_ok(kept, &packet).is_some() {
                    within(packet.transport_offset, packet.transport_len, kept.len() as u32);
                }
                packet.inner
            }
            Err(Aside::Tunnel(inner)) => Some(inner),
            Err(Aside::Fragment(fragment)) => {
                within(fragment.payload_offset, fragment.payload_len, wire_len);
                return datagram(decoder, &fragment, kept);
            }
            Err(Aside::NonFlow(reason)) => return assert!(!reason.name().is_empty()),
        };
        let Some(inner) = inner else { return };
        within(0, inner.len(), wire_len);
        decoded = decoder.decode_inner(&inner, kept, wire_len, &mut packet);
    }
    panic!("more packets in each other than headers are allowed");
}

/// A fragment's packet taken for a datagram that was put together: any bytes will do.
fn datagram(decoder: &mut Decoder, fragment: &Fragment, kept: &[u8]) {
    let mut packet = FlowPacket::EMPTY;
    let data = kept.get(fragment.ip_offset as usize..).unwrap_or(&[]);
    if decoder.decode_datagram(fragment, data, &mut packet).is_ok() {
        within(packet.transport_offset, packet.transport_len, data.len() as u32);
    }
}

fn within(offset: u32, len: u32, whole: u32) {
    assert!(offset.checked_add(len).is_some_and(|end| end <= whole), "{offset} and {len} bytes in {whole}");
}
