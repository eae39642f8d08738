//! What comes over a wire has the records that reading it from a file has.

use serde_json::json;

use crate::net::{Sender, in_namespace};
use crate::sensor::{Scratch, assert_same_flows, frames, pcap};

/// What both runs are told: one TCP checksum is judged as another, whoever sees it, and several rings leave fragments alone
/// as one does anyway.
fn configuration(rings: usize) -> Vec<u8> {
    let defrag = if rings > 1 { "no" } else { "yes" };
    format!(
        "capture: {{checksum-validation: all}}\nstream: {{midstream: yes}}\naf-packet:\n\
         - {{interface: b, threads: {rings}, defrag: {defrag}, ring-size: 8000}}\n"
    )
    .into_bytes()
}

fn assert_live_is_as_read(scenario: &'static str, rings: usize) {
    in_namespace(move |net| {
        net.cable("a", "b");
        let scratch = Scratch::new(&format!("{scenario}-{rings}"));
        let frames = frames(scenario, 3_000);
        scratch.put("frames.pcap", &pcap(&frames));
        scratch.put("flumen.yaml", &configuration(rings));
        let read = scratch.read(&["frames.pcap", "-c", "flumen.yaml"]);

        let sensor = scratch.capture(&["-i", "b", "-c", "flumen.yaml"]);
        let sender = Sender::on("a");
        frames.iter().for_each(|frame| sender.send(frame));
        sensor.wait_for_packets("b", frames.len());
        sensor.signal(libc::SIGTERM);
        let live = sensor.end(0);

        assert!(!read.flows.is_empty());
        assert_same_flows(&live, &read);
        assert!(live.flows.iter().all(|flow| flow["in_iface"] == "b"));
        let ledger = live.ledger();
        assert_eq!(ledger["kernel"], json!({"packets": frames.len(), "dropped": 0, "lost": 0}));
        for part in ["read", "found", "in_flows", "non_flow", "unaccounted"] {
            assert_eq!(ledger[part], read.ledger()[part], "{part}");
        }
    });
}

#[test]
fn office_on_one_ring_then_records_as_read() {
    assert_live_is_as_read("office", 1);
}

#[test]
fn office_on_two_rings_then_records_as_read() {
    assert_live_is_as_read("office", 2);
}

#[test]
fn tunnels_and_vlans_on_one_ring_then_records_as_read() {
    assert_live_is_as_read("tunnels", 1);
}

#[test]
fn tunnels_and_vlans_on_two_rings_then_records_as_read() {
    assert_live_is_as_read("tunnels", 2);
}

#[test]
fn fragments_on_one_ring_then_records_as_read() {
    assert_live_is_as_read("fragments", 1);
}

#[test]
fn fragments_on_two_rings_then_records_as_read() {
    assert_live_is_as_read("fragments", 2);
}

#[test]
fn protocols_without_ports_on_two_rings_then_records_as_read() {
    assert_live_is_as_read("e7", 2);
}

#[test]
fn filter_on_a_ring_then_records_as_with_the_filter_on_read() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("filter");
        let frames = frames("office", 3_000);
        scratch.put("frames.pcap", &pcap(&frames));
        let filter = ["udp", "port", "53", "and", "not", "vlan"];
        let read = scratch.read(&[&["frames.pcap", "--"], &filter[..]].concat());
        let wanted = read.ledger()["read"]["packets"].as_u64().unwrap_or(0)
            - read.ledger()["non_flow"]["filtered"]["packets"].as_u64().unwrap_or(0);

        let sensor = scratch.capture(&[&["-i", "b"], &filter[..]].concat());
        let sender = Sender::on("a");
        frames.iter().for_each(|frame| sender.send(frame));
        sensor.wait_for_packets("b", wanted as usize);
        sensor.signal(libc::SIGINT);
        let live = sensor.end(0);
        assert!(!live.flows.is_empty());
        assert_same_flows(&live, &read);
    });
}

#[test]
fn two_interfaces_then_each_flow_says_where_it_was() {
    in_namespace(|net| {
        net.cable("a", "b");
        net.cable("c", "d");
        let scratch = Scratch::new("two");
        let frames = frames("office", 500);
        let sensor = scratch.capture(&["-i", "b", "-i", "d"]);
        let (one, other) = (Sender::on("a"), Sender::on("c"));
        for frame in &frames {
            one.send(frame);
            other.send(frame);
        }
        sensor.wait_for_packets("b", frames.len());
        sensor.wait_for_packets("d", frames.len());
        sensor.signal(libc::SIGTERM);
        let live = sensor.end(0);
        let on = |name: &str| live.flows.iter().filter(|flow| flow["in_iface"] == name).count();
        assert!(on("b") > 0 && on("b") == on("d") && on("b") + on("d") == live.flows.len());
        let ids: std::collections::HashSet<_> = live.flows.iter().map(|flow| flow["flow_id"].as_u64()).collect();
        assert_eq!(ids.len(), live.flows.len(), "an id for each");
    });
}
