//! The malformed scenario against Flumen's own decoder: each case raises the event it is made for.

use std::collections::HashSet;

use flumen_wire::{DecodeOptions, Decoded, Decoder, Event, LinkType};
use traffic::Rng;
use traffic::arbitrary::packet;
use traffic::scenario::malformed::cases;

/// Events that no frame of a file can raise by being decoded: a kernel's, one that needs memory to run out, and one that
/// Suricata never raises.
const NONE: [Event; 4] =
    [Event::AfpacketTruncPkt, Event::Ipv4FragIgnored, Event::Ipv6FragIgnored, Event::Ipv4OptUnknown];

/// Events that are raised when fragments are put together or tunnels are opened, and those that are hidden by another: not
/// by this decoder alone.
const LATER: [Event; 12] = [
    Event::Ipv6ExthdrDuplEh,
    Event::Ipv4FragPktTooLarge,
    Event::Ipv4FragOverlap,
    Event::Ipv6FragPktTooLarge,
    Event::Ipv6FragOverlap,
    Event::GreVersion1MalformedSreHdr,
    Event::UdpHlenInvalid,
    Event::VxlanUnknownPayloadType,
    Event::GeneveUnknownPayloadType,
    Event::ErspanHeaderTooSmall,
    Event::ErspanUnsupportedVersion,
    Event::ErspanTooManyVlanLayers,
];

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
    let options = DecodeOptions { flow_for_every_protocol: false, ..DecodeOptions::default() };
    let mut wrong = Vec::new();
    for case in cases() {
        let event = event_of(case.event).expect("an event of this name");
        let mut decoder = Decoder::new(options);
        let _ = decoder.decode(LinkType::from_dlt(case.link.dlt()), &case.frame, case.frame.len() as u32);
        if decoder.counters.event(event) == 0 && !LATER.contains(&event) {
            let raised: Vec<_> = Event::ALL.into_iter().filter(|&other| decoder.counters.event(other) > 0).collect();
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
        match decoder.decode(LinkType::from_dlt(link.dlt()), &frame, frame.len() as u32) {
            Decoded::Flow(_) => flows += 1,
            Decoded::Fragment(_) => fragments += 1,
            Decoded::NonFlow(_) => {}
        }
    }
    let events = Event::ALL.into_iter().filter(|&event| decoder.counters.event(event) > 0).count();
    println!("{flows} flows, {fragments} fragments, {events} events of {}", Event::COUNT);
    assert!(flows > COUNT / 4 && fragments > COUNT / 100 && events > Event::COUNT / 2, "{flows} {fragments} {events}");
}
