//! Every event, raised by a literal frame: what becomes of the packet, and whether it counts as invalid.

#[path = "../frames/mod.rs"]
mod frames;
mod tables;

use Outcome::{FlowAndInvalid, FlowDespite, Invalid, Refused, Without};
use flumen_wire::{Aside, DecodeOptions, Decoded, Decoder, Event, FlowPacket, LinkType, NonFlow};
use frames::*;
use tables::*;

/// What becomes of a packet that raises an event.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// No flow because of it, counted as invalid.
    Invalid,
    /// No flow because of it, not counted as invalid.
    Refused,
    /// A flow, not counted as invalid.
    FlowDespite,
    /// A flow, and yet counted as invalid.
    FlowAndInvalid,
    /// No flow for another reason; or a fragment. Not counted as invalid.
    Without,
}

/// Events that no packet raises here, and who does.
const NOT_RAISED: [(Event, &str); 12] = [
    (Event::AfpacketTruncPkt, "the capture"),
    (Event::Ipv4FragPktTooLarge, "reassembly"),
    (Event::Ipv4FragOverlap, "reassembly"),
    (Event::Ipv4FragIgnored, "reassembly"),
    (Event::Ipv6FragPktTooLarge, "reassembly"),
    (Event::Ipv6FragOverlap, "reassembly"),
    (Event::Ipv6FragIgnored, "reassembly"),
    (Event::Ipv4OptUnknown, "nobody: an option that is not known is `opt_invalid`"),
    (Event::Ipv6ExthdrDuplEh, "nobody: what comes after the first ESP header is encrypted"),
    (Event::UdpHlenInvalid, "nobody: a length beyond the packet is `pkt_too_small`, one below eight `len_invalid`"),
    (Event::GreVersion1MalformedSreHdr, "nobody: a source route in version 1 is `version1_route`"),
    (Event::ErspanTooManyVlanLayers, "nobody: ERSPAN comes first in its packet, so no VLAN id is before its own"),
];

type Case = (Event, Outcome, Vec<u8>);

#[test]
fn each_event_is_raised_once_and_decides_what_becomes_of_the_packet() {
    let tables = [
        link_events(),
        arp_events(),
        ipv4_events(),
        ipv6_events(),
        icmp_events(),
        transport_events(),
        gre_events(),
        udp_tunnel_events(),
    ];
    let mut raised = Vec::from(NOT_RAISED.map(|(event, _)| event));
    for (event, outcome, frame) in tables.into_iter().flatten() {
        check(LinkType::Ethernet, event, outcome, &frame);
        raised.push(event);
    }
    for (link, event, outcome, frame) in other_link_events() {
        check(link, event, outcome, &frame);
        raised.push(event);
    }
    for (event, outcome, frame) in inner_events() {
        check_inner(event, outcome, &frame);
        raised.push(event);
    }
    // These two come with others: see below.
    raised.extend([Event::Ipv6ExthdrDuplFh, Event::SctpTooManyDataChunks]);
    let twice: Vec<_> =
        NOT_RAISED.iter().filter(|(event, _)| raised.iter().filter(|other| *other == event).count() > 1).collect();
    assert!(twice.is_empty(), "raised after all: {twice:?}");
    let missing: Vec<_> = Event::ALL.into_iter().filter(|event| !raised.contains(event)).collect();
    assert!(missing.is_empty(), "no case raises {missing:?}");
}

fn check(link: LinkType, event: Event, outcome: Outcome, frame: &[u8]) {
    let options = DecodeOptions::SURICATA;
    let mut decoder = Decoder::new(options);
    let decoded = decoder.decode(link, frame, frame.len() as u32);
    let invalid = decoder.counters.layers.invalid == 1;
    let found = match decoded {
        Decoded::NonFlow(NonFlow::Invalid(reason)) => {
            assert_eq!(reason, event);
            if invalid { Invalid } else { Refused }
        }
        Decoded::Flow(packet) => {
            assert_eq!(packet.event, Some(event));
            if invalid { FlowAndInvalid } else { FlowDespite }
        }
        Decoded::Tunnel(_) | Decoded::Fragment(_) | Decoded::NonFlow(_) => Without,
    };
    assert_eq!(found, outcome, "{} gives {decoded:?}", event.name());
    assert_eq!(decoder.counters.event(event), 1, "{}", event.name());
    assert_eq!(decoder.counters.events.iter().sum::<u64>(), 1, "{} raises others too", event.name());
}

/// The same of a packet inside of the frame, which raises nothing itself. Only frames count as invalid.
fn check_inner(event: Event, outcome: Outcome, frame: &[u8]) {
    let mut decoder = Decoder::default();
    let Decoded::Flow(outside) = decoder.decode(LinkType::Ethernet, frame, 0) else { panic!("no flow outside") };
    let inner = outside.inner.expect("a packet inside");
    assert_eq!(decoder.counters.events.iter().sum::<u64>(), 0);
    let mut packet = FlowPacket::EMPTY;
    let found = match decoder.decode_inner(&inner, frame, 0, &mut packet) {
        Err(Aside::NonFlow(NonFlow::Invalid(reason))) if reason == event => Invalid,
        Ok(()) if packet.event == Some(event) => FlowDespite,
        other => panic!("{other:?}"),
    };
    assert_eq!(found, outcome, "{}", event.name());
    assert_eq!((decoder.counters.event(event), decoder.counters.layers.invalid), (1, 0), "{}", event.name());
    assert_eq!(decoder.counters.events.iter().sum::<u64>(), 1, "{} raises others too", event.name());
}

#[test]
fn ipv6_second_fragment_header_is_skipped() {
    let frame = eth6(44, &fragment_header(44, 0, &fragment_header(17, 9, &udp(b""))));
    let mut decoder = Decoder::default();
    let Decoded::Flow(packet) = decoder.decode(LinkType::Ethernet, &frame, frame.len() as u32) else { panic!() };
    assert_eq!((packet.protocol, packet.event), (17, Some(Event::Ipv6ExthdrUselessFh)));
    assert_eq!(decoder.counters.event(Event::Ipv6ExthdrDuplFh), 1);
}

#[test]
fn many_data_chunks_raise_both_limits() {
    let frame = eth4(132, &sctp(1, &chunk(0, &[]).repeat(17)));
    let mut decoder = Decoder::default();
    assert!(matches!(decoder.decode(LinkType::Ethernet, &frame, 0), Decoded::Flow(_)));
    assert_eq!(decoder.counters.event(Event::SctpTooManyChunks), 1);
    assert_eq!(decoder.counters.event(Event::SctpTooManyDataChunks), 1);
    assert_eq!(decoder.counters.sctp.data, 1);
}

#[test]
fn a_packet_counts_fifteen_events_and_no_more() {
    let frame = eth4(132, &sctp(0, &chunk(0, &[]).repeat(16)));
    let mut decoder = Decoder::default();
    decoder.decode(LinkType::Ethernet, &frame, 0);
    assert_eq!(decoder.counters.event(Event::SctpDataWithZeroVtag), 15);
}
