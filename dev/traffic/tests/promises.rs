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
fn zipf_flows_are_never_quiet_for_more_than_three_seconds() {
    let bytes = make("zipf", &Options { seed: 1, packets: Some(50_000), ..Options::default() });
    let mut last = std::collections::HashMap::new();
    for frame in &Capture::read(&bytes).frames {
        let key = parse(frame.bytes).expect("a packet").key();
        let before = last.insert(key, frame.at_ns).unwrap_or(frame.at_ns);
        assert!(frame.at_ns - before <= 3_000_000_000, "quiet for {} ns", frame.at_ns - before);
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

#[test]
fn uniform_draws_each_flow_as_often_as_chance_has_it() {
    let bytes = make("uniform", &Options { seed: 5, packets: Some(40_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    assert_eq!(capture.frames.len(), 40_000);
    assert!(capture.frames.is_sorted_by_key(|frame| frame.at_ns));
    let mut flows = std::collections::HashMap::<_, u32>::new();
    for frame in &capture.frames {
        assert!((60..=96).contains(&frame.bytes.len()) && frame.bytes.len() == frame.wire_len);
        let packet = parse(frame.bytes).expect("a packet");
        packet.assert_checksums();
        *flows.entry(packet.key()).or_default() += 1;
    }
    // Of 10,000 flows that are drawn four times on average, e⁻⁴ or 183 never are, and the variance is four.
    assert!((9_760..=9_870).contains(&flows.len()), "{} flows", flows.len());
    let squares: u32 = flows.values().map(|count| count * count).sum();
    assert!((195_000..=205_000).contains(&squares), "{squares}");
}

#[test]
fn elephant_is_one_tcp_flow_from_its_syn_to_its_last_ack() {
    for packets in [1, 6, 5_000] {
        let bytes = make("elephant", &Options { seed: 5, packets: Some(packets), ..Options::default() });
        let capture = Capture::read(&bytes);
        assert_eq!((capture.frames.len() as u64, flow_keys(&bytes).len()), (packets, 1));
        let flags = capture.frames.iter().map(|frame| {
            assert!((60..=96).contains(&frame.bytes.len()));
            let packet = parse(frame.bytes).expect("a packet");
            packet.assert_checksums();
            let Transport::Tcp { flags, .. } = packet.transport else { panic!("not TCP") };
            flags
        });
        let flags: Vec<u8> = flags.collect();
        let (syns, fins) = (flags.iter().filter(|&f| f & 2 != 0).count(), flags.iter().filter(|&f| f & 1 != 0).count());
        assert_eq!((syns, fins), if packets == 1 { (1, 0) } else { (2, 2) });
    }
}

#[test]
fn imix_has_its_packets_and_flows_and_three_lengths_in_proportion() {
    let bytes = make("imix", &Options { seed: 5, packets: Some(60_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    assert_eq!((capture.frames.len(), flow_keys(&bytes).len()), (60_000, 600));
    let mut long = [0_usize; 2];
    for frame in &capture.frames {
        assert_eq!(frame.bytes.len(), frame.wire_len);
        parse(frame.bytes).expect("a packet").assert_checksums();
        match frame.bytes.len() {
            ..=106 => {}
            590 => long[0] += 1,
            1_514 => long[1] += 1,
            other => panic!("{other} bytes"),
        }
    }
    // Handshakes and ends are short, so a little less than 4 and 1 in 12.
    assert!((18_500..=20_000).contains(&long[0]) && (4_500..=5_000).contains(&long[1]), "{long:?}");
}

/// Keys of the flows in a capture over Ethernet, ARP and the like left out.
fn flow_keys(bytes: &[u8]) -> HashSet<naive::Key> {
    Capture::read(bytes).frames.iter().filter_map(|frame| parse(frame.bytes)).map(|packet| packet.key()).collect()
}

#[test]
fn office_capture_in_examples_is_what_seed_1_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/office.pcap");
    let kept = std::fs::read(path).expect("examples/office.pcap");
    assert!(make("office", &Options { seed: 1, ..Options::default() }) == kept, "regenerate examples/office.pcap");
    assert!((1_000_000..=2_000_000).contains(&kept.len()), "{} bytes", kept.len());
}

#[test]
fn office_has_every_kind_of_traffic_in_order_and_with_right_checksums() {
    let bytes = make("office", &Options { seed: 9, ..Options::default() });
    let capture = Capture::read(&bytes);
    assert!(capture.frames.is_sorted_by_key(|frame| frame.at_ns));
    let seconds = (capture.frames.last().unwrap().at_ns - capture.frames[0].at_ns) / 1_000_000_000;
    assert!((1_200..1_500).contains(&seconds), "{seconds} seconds");
    let mut seen = HashSet::new();
    for frame in &capture.frames {
        let Some(packet) = parse(frame.bytes) else {
            seen.insert("arp");
            continue;
        };
        packet.assert_checksums();
        let (src, dst) = packet.ports();
        seen.insert(match (packet.protocol, src.min(dst)) {
            (6, 80) => "http",
            (6, 443) if packet.src.is_ipv6() => "tls6",
            (6, 443) => "tls",
            (6, _) => "tcp",
            (17, 53) => "dns",
            (17, 67) => "dhcp",
            (17, 123) => "ntp",
            (17, 5_353) => "mdns",
            (17, _) => "call",
            (1, _) => "ping",
            (58, _) => "neighbours",
            _ => "other",
        });
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
    assert!(!seen.contains("other"));
}

#[test]
fn snapped_keeps_64_bytes_and_says_how_long_frames_were() {
    let (whole, snapped) = (make("office", &small(4)), make("snapped", &small(4)));
    let (whole, snapped) = (Capture::read(&whole), Capture::read(&snapped));
    assert_eq!(whole.frames.len(), snapped.frames.len());
    for (whole, snapped) in whole.frames.iter().zip(&snapped.frames) {
        assert_eq!(snapped.wire_len, whole.bytes.len());
        assert_eq!(snapped.bytes, &whole.bytes[..whole.bytes.len().min(64)]);
    }
}

#[test]
fn syn_flood_has_its_syns_and_its_established_flows_talk_to_the_end() {
    let options = Options {
        seed: 2,
        packets: Some(5_000),
        rate: Some(1_000),
        established: 10,
        tail_seconds: 3,
        ..Options::default()
    };
    let bytes = make("syn-flood", &options);
    let capture = Capture::read(&bytes);
    assert!(capture.frames.is_sorted_by_key(|frame| frame.at_ns));
    let (mut flood, mut talk) = (0, std::collections::HashMap::<_, Vec<u64>>::new());
    for frame in &capture.frames {
        let packet = parse(frame.bytes).expect("a packet");
        packet.assert_checksums();
        match packet.ports() {
            (443, _) | (_, 443)
                if packet.src.to_string().starts_with("203.") || packet.src.to_string().starts_with("192.168.") =>
            {
                talk.entry(packet.key()).or_default().push(frame.at_ns);
            }
            _ => flood += 1,
        }
    }
    assert_eq!((flood, talk.len()), (5_000, 10));
    // Handshake, five seconds of flood and three of quiet, once a second each.
    for times in talk.values() {
        assert_eq!(times.len(), 3 + 5 + 3);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 2_000_000_000));
    }
}

#[test]
fn syn_flood_over_ipv6_has_a_flow_for_each_syn() {
    let bytes = make("syn-flood6", &Options { seed: 2, packets: Some(5_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    for frame in &capture.frames {
        let packet = parse(frame.bytes).expect("a packet");
        packet.assert_checksums();
        assert!(packet.src.is_ipv6() && matches!(packet.transport, Transport::Tcp { flags: 2, .. }));
    }
    assert_eq!((capture.frames.len(), flow_keys(&bytes).len()), (5_000, 5_000));
}

#[test]
fn floods_and_storms_have_the_flows_they_promise() {
    let options = Options { seed: 2, flows: Some(5_000), rounds: Some(3), ..Options::default() };
    for (name, packets, flows) in [
        ("hash-flood", 15_000, 5_000),
        ("hash-flood-sum", 15_000, 5_000),
        ("timer-storm", 15_003, 15_001),
        ("sctp-ports", 10_000, 5_000),
        ("icmp-sweep", 0, 5_000),
        ("midstream", 13_000, 5_000),
    ] {
        let bytes = make(name, &options);
        assert_eq!(flow_keys(&bytes).len(), flows, "flows of {name}");
        if packets > 0 {
            assert_eq!(Capture::read(&bytes).frames.len(), packets, "packets of {name}");
        }
    }
    let bytes = make("esp-spis", &options);
    let spis: HashSet<_> = Capture::read(&bytes).frames.iter().map(|frame| frame.bytes[34..38].to_vec()).collect();
    assert_eq!((spis.len(), Capture::read(&bytes).frames.len()), (5_000, 10_000));
}

#[test]
fn hash_flood_sum_keeps_sum_and_exclusive_or_of_every_tuple() {
    let bytes = make("hash-flood-sum", &Options { flows: Some(3_000), rounds: Some(1), ..Options::default() });
    let mut hashes = HashSet::new();
    for frame in &Capture::read(&bytes).frames {
        let word = |at: usize| u32::from_be_bytes(frame.bytes[at..at + 4].try_into().unwrap());
        let port = |at: usize| u32::from(u16::from_be_bytes([frame.bytes[at], frame.bytes[at + 1]]));
        let (src, dst, sport, dport) = (word(26), word(30), port(34), port(36));
        hashes.insert((src.wrapping_add(dst), src ^ dst, sport + dport, sport ^ dport));
    }
    assert_eq!(hashes.len(), 1);
}

#[test]
fn timer_storm_waves_are_one_instant_each() {
    let bytes = make("timer-storm", &Options { flows: Some(100), rounds: Some(4), ..Options::default() });
    let times: HashSet<_> = Capture::read(&bytes).frames.iter().map(|frame| frame.at_ns).collect();
    assert_eq!(times.len(), 8, "four waves and four ticks");
}

#[test]
fn idle_gaps_come_in_threes_around_each_timeout() {
    let bytes = make("idle-gaps", &Options::default());
    let mut last = std::collections::HashMap::new();
    let mut gaps = Vec::new();
    for frame in &Capture::read(&bytes).frames {
        let key = parse(frame.bytes).expect("a packet").key();
        if let Some(before) = last.insert(key, frame.at_ns) {
            gaps.push((frame.at_ns - before) / 1_000);
        }
    }
    for seconds in [30_u64, 60, 300, 600] {
        for micros in [seconds * 1_000_000 - 1, seconds * 1_000_000, seconds * 1_000_000 + 1] {
            assert!(gaps.contains(&micros), "no gap of {micros} microseconds");
        }
    }
}

#[test]
fn backwards_goes_back_and_to_both_ends_of_time() {
    let bytes = make("backwards", &Options::default());
    let capture = Capture::read(&bytes);
    let times: Vec<u64> = capture.frames.iter().map(|frame| frame.at_ns).collect();
    assert!(!times.is_sorted());
    assert_eq!(
        (times.iter().min(), times.iter().max().map(|t| t / 1_000_000_000)),
        (Some(&0), Some(u64::from(u32::MAX)))
    );
}

#[test]
fn icmp_errors_have_the_bytes_of_the_worked_example() {
    let bytes = make("icmp-errors", &Options::default());
    let lengths: Vec<usize> = Capture::read(&bytes).frames.iter().map(|frame| frame.bytes.len()).collect();
    assert_eq!(lengths, [62, 70, 70, 70, 70, 70]);
}

#[test]
fn links_carry_the_same_packets_over_every_link_type() {
    let bytes = make("links", &Options::default());
    let capture = Capture::read(&bytes);
    assert_eq!(capture.links, [1, 0, 101, 228, 229, 9, 104, 113, 276, 778, 105]);
    for (interface, count) in [(0, 22), (1, 22), (2, 22), (3, 11), (4, 11), (9, 22)] {
        assert_eq!(capture.frames.iter().filter(|frame| frame.interface == interface).count(), count);
    }
    // Behind its first header a frame is the Ethernet frame of the same place without its own.
    let of =
        |interface| capture.frames.iter().filter(move |frame| frame.interface == interface).map(|frame| frame.bytes);
    for (interface, header) in [(1, 4), (2, 0), (5, 4), (6, 4), (7, 16), (8, 20), (9, 24), (10, 34)] {
        for (ethernet, other) in of(0).zip(of(interface)) {
            assert_eq!(ethernet[14..], other[header..]);
        }
    }
}

#[test]
fn malformed_has_a_case_for_each_event_once_and_cuts_them_on_request() {
    let cases = traffic::scenario::malformed::cases();
    let mut events: Vec<_> = cases.iter().map(|case| case.event).collect();
    assert_eq!(events.len(), 147);
    events.sort_unstable();
    let before = events.len();
    events.dedup();
    // Overlaps take two fragments each, in IPv4 and IPv6.
    assert_eq!(before - events.len(), 2);
    let all = make("malformed", &small(1));
    assert!(Capture::read(&all).frames.len() > 5_000);
}

#[test]
fn fragments_of_the_worked_example_carry_2000_bytes() {
    let bytes = make("fragments", &Options { flows: Some(5), ..Options::default() });
    let capture = Capture::read(&bytes);
    let payload: usize = capture.frames[..3].iter().map(|frame| frame.bytes.len() - 34).sum();
    assert_eq!(payload, 2_000);
    assert!(capture.frames[..3].iter().all(|frame| frame.bytes[18..20] == [0, 1]), "one identification");
}

#[test]
fn scenarios_of_several_links_refuse_classic_pcap_and_give_one_link_of_them() {
    let scenario = Scenario::named("links").expect("links");
    let error = scenario.write(&Options::default(), Format::Pcap, 65_535, Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let totals = scenario.write_link(&Options::default(), traffic::Link::Sll, 65_535, Vec::new()).unwrap();
    assert_eq!(totals.packets, 22);
}

#[test]
fn tunnels_carry_ten_packets_for_each_kind_version_and_identity() {
    let kinds = traffic::scenario::tunnels::kinds();
    let conversations: usize =
        kinds.iter().map(|tunnel| tunnel.inner_ends().count() * if tunnel.has_identity { 2 } else { 1 }).sum();
    let bytes = make("tunnels", &Options::default());
    // And five packets of WireGuard.
    assert_eq!(Capture::read(&bytes).frames.len(), 10 * conversations + 5);
    assert!(kinds.len() >= 55, "{} kinds", kinds.len());
}

/// Version, source, destination, identification, VLAN and protocol of an IPv4 fragment over Ethernet, its offset and whether
/// more follow.
fn fragment_v4(frame: &[u8]) -> Option<(Vec<u8>, std::ops::Range<usize>, bool)> {
    let ip = if frame[12..14] == [0x81, 0] { 18 } else { 14 };
    if frame[ip] != 0x45 {
        return None;
    }
    let field = u16::from_be_bytes([frame[ip + 6], frame[ip + 7]]);
    let start = usize::from(field & 0x1fff) * 8;
    let key = [&frame[14..ip], &frame[ip + 4..ip + 6], &frame[ip + 12..ip + 20]].concat();
    Some((key, start..start + frame.len() - ip - 20, field & 0x2000 != 0))
}

#[test]
fn fragments_overlap_in_six_ways_and_each_of_these_datagrams_is_completed() {
    let bytes = make("fragments", &Options { flows: Some(0), ..Options::default() });
    let mut datagrams = std::collections::BTreeMap::<_, Vec<_>>::new();
    for frame in &Capture::read(&bytes).frames {
        if let Some((key, range, more)) = fragment_v4(frame.bytes) {
            datagrams.entry(key).or_default().push((range, more));
        }
    }
    let mut ways = HashSet::new();
    for pieces in datagrams.values() {
        let end = pieces.iter().find(|(_, more)| !more).map(|(range, _)| range.end);
        let Some(end) = end.filter(|&end| end == 96) else { continue };
        let (earlier, later) = (&pieces[1].0, &pieces[2].0);
        assert!(earlier.start < later.end && later.start < earlier.end, "{earlier:?} and {later:?} overlap");
        ways.insert((later.start.cmp(&earlier.start), later.end.cmp(&earlier.end)));
        assert!((0..end).all(|byte| pieces.iter().any(|(range, _)| range.contains(&byte))), "{pieces:?} has a hole");
    }
    assert_eq!(ways.len(), 6, "{ways:?}");
}

#[test]
fn fragment_flood_is_first_fragments_of_datagrams_that_differ() {
    let bytes = make("fragment-flood", &Options { packets: Some(16_000), ..Options::default() });
    let capture = Capture::read(&bytes);
    assert_eq!(capture.frames.len(), 1 + 16_000 + 1);
    let v4: Vec<_> = capture.frames[1..16_001].iter().filter_map(|frame| fragment_v4(frame.bytes)).collect();
    assert!(v4.iter().all(|(_, range, more)| range.start == 0 && *more));
    let keys: HashSet<_> = v4.iter().map(|(key, ..)| key).collect();
    assert_eq!((v4.len(), keys.len()), (15_000, 15_000));
}
