//! Packets in tunnels, and datagrams put together from fragments: which flows they have, and what their records say of
//! the packets around them.

use std::collections::HashMap;

use serde_json::Value;
use traffic::{Frame, FramePool, FrameSink, Link, Packet, PcapShape, PcapWriter, fragments_v4};

use crate::support::{Scratch, Written, capture, count};

const SECOND_NS: u64 = 1_000_000_000;
const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

/// A frame from a host to another, with something inside.
fn outside() -> Packet {
    Packet::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
}

/// UDP of `len` bytes between two hosts behind a tunnel.
fn inside(packet: Packet, len: usize) -> Packet {
    packet.ipv4([192, 168, 0, 1], [192, 168, 0, 2]).udp(5000, 53).payload(&vec![7; len])
}

/// Packets, each a millisecond after the one before.
fn written(packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    let pool = FramePool::new(16).expect("sixteen frames");
    let frames: Vec<_> = packets.into_iter().map(|packet| packet.build_in(&pool).to_vec()).collect();
    written_bytes(&frames)
}

fn written_bytes(frames: &[Vec<u8>]) -> Vec<u8> {
    let pool = FramePool::new(16).expect("sixteen frames");
    let mut writer = PcapWriter::new(Vec::new(), PcapShape::of(Link::Ethernet)).expect("in memory");
    for (n, bytes) in frames.iter().enumerate() {
        let at_ns = 1_700_000_000 * SECOND_NS + n as u64 * 1_000_000;
        writer.frame(Frame { at_ns, interface: 0, bytes: pool.copy(bytes) }).expect("in memory");
    }
    writer.finish().expect("in memory")
}

/// The fragments of a datagram of 3,008 bytes.
fn cut() -> Vec<Vec<u8>> {
    let whole = Packet::bare().ipv4(A, B).udp(1111, 53).payload(&[1; 3000]).build();
    fragments_v4(&whole, 7, 1000).iter().map(|fragment| outside().ip_packet(fragment).build()).collect()
}

fn read(name: &str, capture: &[u8], arguments: &[&str]) -> Written {
    let scratch = Scratch::new(name);
    scratch.put("made.pcap", capture);
    let written = scratch.read(&[&["made.pcap", "--audit"], arguments].concat(), 0);
    written.assert_conserves(name);
    written
}

fn bytes(flow: &Value) -> u64 {
    count(&flow["flow"]["bytes_toserver"]) + count(&flow["flow"]["bytes_toclient"])
}

#[test]
fn the_same_addresses_in_two_networks_then_a_flow_in_each_and_one_for_suricata() {
    let packets = || [1, 2, 1].map(|vni| inside(outside().ipv4(A, B).vxlan(vni).ethernet_inside([4; 6], [6; 6]), 10));
    let capture = written(packets());
    let own = read("networks", &capture, &[]);
    assert_eq!(
        own.short(),
        [
            "UDP 10.0.0.1:49152 > 10.0.0.2:4789 3/0 306/0 new",
            "UDP 192.168.0.1:5000 > 192.168.0.2:53 1/0 52/0 new",
            "UDP 192.168.0.1:5000 > 192.168.0.2:53 2/0 104/0 new",
        ]
    );
    let mut tunnels: Vec<_> = own.flows.iter().map(|flow| flow["tunnel"].to_string()).collect();
    tunnels.sort();
    assert_eq!(tunnels, [r#"{"depth":0,"outside":true}"#, r#"{"depth":1,"vni":1}"#, r#"{"depth":1,"vni":2}"#]);
    for arguments in [&["--set", "flumen.tunnel.use-for-tracking=no"][..], &["--compat", "suricata"]] {
        let merged = read("networks-merged", &capture, arguments);
        assert_eq!(merged.short()[1..], ["UDP 192.168.0.1:5000 > 192.168.0.2:53 3/0 156/0 new"], "{arguments:?}");
    }
    let suricata = read("networks-suricata", &capture, &["--compat", "suricata"]);
    assert!(suricata.flows.iter().all(|flow| flow["tunnel"].is_null() && flow["parent_id"].is_null()));
}

#[test]
fn tunnel_numbers_of_one_direction_left_out_then_a_conversation_stays_in_one_flow() {
    let there = |teid| inside(outside().ipv4(A, B).gtp(teid, traffic::Gtp::default()), 10);
    let back = |teid| {
        let gtp = outside().ipv4(B, A).gtp(teid, traffic::Gtp::default());
        gtp.ipv4([192, 168, 0, 2], [192, 168, 0, 1]).udp(53, 5000).payload(&[7; 20])
    };
    let capture = written([there(1), back(2)]);
    let inner = |written: &Written| written.flows.iter().filter(|flow| flow["tunnel"]["depth"] == 1).count();
    assert_eq!(inner(&read("teid", &capture, &[])), 2);
    let two_way = read("teid-two-way", &capture, &["--set", "flumen.tunnel.use-for-tracking=two-way"]);
    assert_eq!(inner(&two_way), 1);
}

/// Sums leave out the outsides or the insides; and whoever has a parent is of its time and not larger.
#[test]
fn tunnels_of_every_kind_then_parents_exist_and_depth_0_has_every_byte_once() {
    let capture = capture("tunnels");
    for threads in ["1", "3"] {
        let written = read(&format!("kinds-{threads}"), &capture, &["--threads", threads]);
        let ids: HashMap<u64, &Value> = written.flows.iter().map(|flow| (count(&flow["flow_id"]), flow)).collect();
        let depth = |flow: &Value| flow["tunnel"]["depth"].as_u64().unwrap_or(0);
        for flow in &written.flows {
            let Some(parent) = flow["parent_id"].as_u64() else {
                assert_eq!(depth(flow), 0, "{flow}");
                continue;
            };
            let parent = ids.get(&parent).unwrap_or_else(|| panic!("no flow is the parent of {flow}"));
            assert_eq!((depth(parent) + 1, &parent["tunnel"]["outside"]), (depth(flow), &Value::Bool(true)), "{flow}");
            assert!(parent["flow"]["start"].as_str() <= flow["flow"]["start"].as_str(), "{parent} {flow}");
        }
        let outer: u64 = written.flows.iter().filter(|flow| depth(flow) == 0).map(bytes).sum();
        assert_eq!(outer, count(&written.stats["decoder"]["bytes"]), "{threads} threads");
    }
}

#[test]
fn icmp_error_about_a_flow_in_a_tunnel_then_a_packet_of_that_flow() {
    let udp = inside(outside().ipv4(A, B).gre(), 10);
    let quoted = Packet::bare().ipv4([192, 168, 0, 1], [192, 168, 0, 2]).udp(5000, 53).payload(&[7; 10]).build();
    let error = outside().ipv4(B, A).gre().ipv4([192, 168, 0, 2], [192, 168, 0, 1]).icmp(3, 3, [0; 4]).payload(&quoted);
    let found = read("icmp-inside", &written([udp, error]), &[]);
    assert!(
        found.short().iter().any(|line| line.starts_with("UDP 192.168.0.1:5000 > 192.168.0.2:53 1/1 ")),
        "{:?}",
        found.short()
    );
}

#[test]
fn datagram_in_fragments_then_one_packet_of_its_flow_at_the_time_of_the_last_fragment() {
    let frames = cut();
    let count_of = frames.len();
    for frames in [frames.clone(), frames.iter().rev().cloned().collect()] {
        let found = read("fragments", &written_bytes(&frames), &[]);
        assert_eq!(found.short(), [format!("UDP 10.0.0.1:1111 > 10.0.0.2:53 1/0 {}/0 new", 14 + 20 + 8 + 3000)]);
        assert_eq!(found.non_flow("fragment"), count_of as u64);
        let end = format!("2023-11-14T22:13:20.{:03}000+0000", count_of - 1);
        assert_eq!(found.flows[0]["flow"]["start"], end);
    }
}

#[test]
fn fragments_without_the_rest_then_a_flow_without_ports_when_it_is_asked_for() {
    let mut frames = cut();
    frames.pop();
    let capture = written_bytes(&frames);
    assert_eq!(read("incomplete-off", &capture, &[]).flows.len(), 0);
    for threads in ["1", "2"] {
        let asked = ["--set", "flumen.incomplete-datagrams=yes", "--threads", threads];
        let found = read("incomplete", &capture, &asked);
        let held: usize = frames.iter().map(Vec::len).sum();
        assert_eq!(found.short(), [format!("UDP 10.0.0.1:0 > 10.0.0.2:0 {}/0 {held}/0 new", frames.len())]);
        assert_eq!(found.stats["defrag"]["fragments_unfinished"], frames.len());
    }
}

#[test]
fn odd_packets_with_the_type_enabled_then_an_anomaly_for_each_event() {
    let scratch = Scratch::new("anomaly");
    scratch.put("made.pcap", &capture("malformed"));
    let enabled = ["--set", "outputs.eve-log.types.anomaly.enabled=yes"];
    for threads in ["1", "2"] {
        let found = scratch.read(&[&["made.pcap", "--threads", threads][..], &enabled].concat(), 0);
        let log = std::fs::read_to_string(scratch.path("records/eve.json")).expect("eve.json");
        let anomalies: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|event: &Value| event["event_type"] == "anomaly")
            .collect();
        let mut events: HashMap<&str, u64> = HashMap::new();
        for anomaly in &anomalies {
            *events.entry(anomaly["anomaly"]["event"].as_str().expect("a name")).or_default() += 1;
        }
        let raised = &found.stats["decoder"]["event"];
        for (name, times) in &events {
            let counter =
                name.strip_prefix("decoder.").expect("a decoder's").split('.').fold(raised, |at, key| &at[key]);
            if let Some(counted) = counter.as_u64() {
                assert_eq!(counted, *times, "{name}");
            }
        }
        assert!(events.len() > 80, "only {} events", events.len());
        assert!(anomalies.iter().any(|odd| odd["src_ip"].is_string() && odd["proto"].is_string()));
    }
    let compatible = scratch.read(&[&["made.pcap", "--compat", "suricata"][..], &enabled].concat(), 0);
    assert!(compatible.lines.iter().all(|line| !line.contains("\"anomaly\"")));
}
