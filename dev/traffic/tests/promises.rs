//! What scenarios promise, counted again by a parser that shares nothing with the builder.

mod naive;

use std::collections::HashSet;

use naive::{Capture, Transport, parse};
use traffic::scenario::{ALL, Format, Options, Scenario};

fn make(name: &str, options: &Options) -> Vec<u8> {
    let scenario = Scenario::named(name).expect("a scenario of this name");
    let format = if scenario.links.len() > 1 { Format::Pcapng } else { Format::Pcap };
    let mut out = Vec::new();
    scenario.write(options, format, scenario.snaplen, &mut out).expect("writing to memory");
    out
}

/// Options that keep every scenario small.
fn small(seed: u64) -> Options {
    Options { seed, packets: Some(3_000), flows: Some(300), rounds: Some(2), ..Options::default() }
}

#[test]
fn same_seed_gives_the_same_bytes_for_every_scenario() {
    for scenario in ALL {
        assert!(
            make(scenario.name, &small(5)) == make(scenario.name, &small(5)),
            "{} differs from itself",
            scenario.name
        );
    }
}

#[test]
fn zipf_has_the_packets_and_flows_it_was_asked_for() {
    for (packets, flows) in [(40_000, 3_600), (5_000, 5_000), (3_000, 1), (20_000, 700)] {
        let options = Options { seed: 3, packets: Some(packets), flows: Some(flows), ..Options::default() };
        let bytes = make("zipf", &options);
        let capture = Capture::read(&bytes);
        assert_eq!(capture.frames.len() as u64, packets);
        let keys: HashSet<_> = capture.frames.iter().map(|frame| parse(frame.bytes).expect("a packet").key()).collect();
        assert_eq!(keys.len() as u64, flows);
    }
}

#[test]
fn zipf_frames_are_whole_in_order_and_of_60_to_96_bytes() {
    let bytes = make("zipf", &Options { seed: 1, packets: Some(50_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    assert!(capture.frames.is_sorted_by_key(|frame| frame.at_ns));
    for frame in &capture.frames {
        assert!((60..=96).contains(&frame.bytes.len()), "{} bytes", frame.bytes.len());
        assert_eq!(frame.bytes.len(), frame.wire_len);
        parse(frame.bytes).expect("a packet").assert_checksums();
    }
    let tcp =
        capture.frames.iter().filter(|f| matches!(parse(f.bytes).unwrap().transport, Transport::Tcp { .. })).count();
    assert!(tcp > 40_000, "{tcp} TCP packets");
}

#[test]
fn zipf_conversations_of_six_packets_open_and_close_with_right_numbers() {
    let bytes = make("zipf", &Options { seed: 2, packets: Some(30_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    let mut flows = std::collections::HashMap::<_, Vec<_>>::new();
    for frame in &capture.frames {
        let packet = parse(frame.bytes).expect("a packet");
        if matches!(packet.transport, Transport::Tcp { .. }) {
            flows.entry(packet.key()).or_default().push(packet);
        }
    }
    let mut whole = 0;
    for packets in flows.values().filter(|packets| packets.len() >= 6) {
        whole += 1;
        // Next expected number of each side; the first packet's sender is side 0.
        let first = &packets[0];
        let mut next: [Option<u32>; 2] = [None, None];
        let mut fins = 0;
        for packet in packets {
            let side = usize::from(packet.src != first.src || packet.ports() != first.ports());
            let Transport::Tcp { seq, ack, flags, payload } = packet.transport else { unreachable!() };
            assert_eq!(seq, next[side].unwrap_or(seq), "a gap in the numbers");
            if flags & 0x10 != 0 {
                assert_eq!(Some(ack), next[1 - side], "an acknowledgement of what was not sent");
            }
            let phantom = u32::from(flags & 3 != 0);
            fins += u32::from(flags & 1 != 0);
            next[side] = Some(seq.wrapping_add(payload as u32 + phantom));
        }
        assert_eq!(fins, 2, "both sides close");
    }
    assert!(whole > 100, "{whole} whole conversations");
}
