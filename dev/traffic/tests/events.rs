//! The malformed scenario against Flumen's own decoder: each case raises the event it is made for.

use std::collections::HashSet;

use flumen_wire::{Aside, DecodeOptions, Decoder, Event, FlowPacket, LinkType};
use traffic::Rng;
use traffic::arbitrary::packet;
use traffic::scenario::malformed::cases;

/// Events that no frame of a file can raise by being decoded: a kernel's, one that needs memory to run out, and one that
/// Suricata never raises.
const NONE: [Event; 4] =
    [Event::AfpacketTruncPkt, Event::Ipv4FragIgnored, Event::Ipv6FragIgnored, Event::Ipv4OptUnknown];

/// Events that are raised when fragments are put together, and those that stand for what another event says first, so that
/// they are never raised, by Suricata neither.
const LATER: [Event; 8] = [
    Event::Ipv4FragPktTooLarge,
    Event::Ipv4FragOverlap,
    Event::Ipv6FragPktTooLarge,
    Event::Ipv6FragOverlap,
    Event::Ipv6ExthdrDuplEh,
    Event::UdpHlenInvalid,
    Event::GreVersion1MalformedSreHdr,
    Event::ErspanTooManyVlanLayers,
];

/// Decodes a frame and all packets inside of it; says what became of the frame.
fn decode_all(decoder: &mut Decoder, dlt: u32, frame: &[u8]) -> Result<(), Aside> {
    let mut packet = FlowPacket::EMPTY;
    let wire_len = frame.len() as u32;
    let outside = decoder.decode_into(LinkType::from_dlt(dlt), frame, wire_len, &mut packet);
    let mut decoded = outside;
    loop {
        let inner = match decoded {
            Ok(()) => packet.inner,
            Err(Aside::Tunnel(inner)) => Some(inner),
            Err(_) => None,
        };
        let Some(inner) = inner else { return outside };
        decoded = decoder.decode_inner(&inner, frame, wire_len, &mut packet);
    }
}

fn event_of(name: &str) -> Option<Event> {
    Event::ALL.into_iter().find(|event| {
        let full = event.name();
        full.strip_prefix("decoder.event.").or_else(|| full.strip_prefix("decoder.")) == Some(name)
    })
}

#[test]
fn every_event_of_the_decoder_has_a_case_and_every_case_an_event() {
    let aimed_at: HashSet<Event> =
        cases().iter().map(|case| event_of(case.event).unwrap_or_else(|| panic!("no event {}", case.event))).collect();
    let missing: Vec<_> =
        Event::ALL.into_iter().filter(|event| !aimed_at.contains(event) && !NONE.contains(event)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn case_decoded_then_its_event_counted() {
    // Unknown payload of VXLAN is an Ethernet type in Flumen's mode; what is bad in ERSPAN is no packet in Suricata's.
    let modes = [DecodeOptions::SURICATA, DecodeOptions { flow_for_every_protocol: false, ..DecodeOptions::default() }];
    let mut wrong = Vec::new();
    for case in cases() {
        let event = event_of(case.event).expect("an event of this name");
        let raised = modes.map(|options| {
            let mut decoder = Decoder::new(options);
            let _ = decode_all(&mut decoder, case.link.dlt(), &case.frame);
            Event::ALL.into_iter().filter(|&other| decoder.counters.event(other) > 0).collect::<Vec<_>>()
        });
        if !raised.iter().flatten().any(|&other| other == event) && !LATER.contains(&event) {
            wrong.push(format!("{} raises {raised:?}", case.event));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arbitrary_packets_decoded_then_a_quarter_has_a_flow_and_half_of_all_events_are_met() {
    let mut rng = Rng::new(1);
    let mut decoder = Decoder::new(DecodeOptions::default());
    let (mut flows, mut fragments) = (0, 0);
    const COUNT: usize = 40_000;
    for _ in 0..COUNT {
        let len = rng.below(160) as usize;
        let (link, frame) = packet(&rng.bytes(len));
        match decode_all(&mut decoder, link.dlt(), &frame) {
            Ok(()) => flows += 1,
            Err(Aside::Fragment(_)) => fragments += 1,
            Err(Aside::Tunnel(_) | Aside::NonFlow(_)) => {}
        }
    }
    let events = Event::ALL.into_iter().filter(|&event| decoder.counters.event(event) > 0).count();
    println!("{flows} flows, {fragments} fragments, {events} events of {}", Event::COUNT);
    assert!(flows > COUNT / 4 && fragments > COUNT / 100 && events > Event::COUNT / 2, "{flows} {fragments} {events}");
}
