//! Records that Suricata wrote, encoded again: every event of the corpus must come out byte for byte.
//!
//! The corpus lies beside the repository (`../shared/corpus`). Without it this test says so and ends; with
//! `FLUMEN_REQUIRE_CORPUS=1` it fails instead.

use flate2::read::GzDecoder;
use flumen_model::record::{Endpoint, TcpRecord, Traffic};
use flumen_model::sink::RecordSink;
use flumen_model::{Address, EndReason, FlowRecord, FlowState, IpVersion, Ports, TcpState, Timestamp, VlanTags};
use flumen_output::eve::{CommunityId, CommunityIdRule, EveConfig, EveWriter};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[test]
fn recorded_events_encoded_again_then_same_bytes() {
    let Some(corpus) = corpus() else { return };
    let (mut flows, mut netflows, mut unnormal) = (0, 0, 0);
    for recording in ["expected-default.jsonl.gz", "expected-midstream.jsonl.gz"] {
        let file = File::open(corpus.join(recording)).expect("the corpus has both recordings");
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let case: Value = serde_json::from_str(&line.expect("the recording is text")).expect("and JSON");
            let mut of_case = list(&case["netflow"]).iter();
            for flow in list(&case["flows"]) {
                let to_server = of_case.next().expect("a netflow event to the server for every flow");
                let answered = number(&flow["flow"]["pkts_toclient"]) > 0;
                let to_client = answered.then(|| of_case.next().expect("and one to the client when it was answered"));
                // One capture has packets with more than a million microseconds, which Suricata prints as they are
                // (seven digits) and a `Timestamp` carries over into the second.
                if unnormal_time(flow) {
                    unnormal += 1;
                    continue;
                }
                // The recorder wrote the two kinds of events at slightly different times.
                let netflow = |event| known_part(event, &flow["timestamp"]);
                let want: Vec<String> = std::iter::once(known_part(flow, &flow["timestamp"]))
                    .chain([Some(to_server), to_client].into_iter().flatten().map(netflow))
                    .collect();
                assert_eq!(encode(&record(flow, to_server, to_client)), want, "{}", case["pcap"]);
                flows += 1;
                netflows += 1 + usize::from(answered);
            }
            assert_eq!(of_case.next(), None, "netflow events without a flow in {}", case["pcap"]);
        }
    }
    assert_eq!((flows, netflows, unnormal), (2801, 4885, 4));
}

fn unnormal_time(flow: &Value) -> bool {
    let times = [&flow["timestamp"], &flow["flow"]["start"], &flow["flow"]["end"]];
    times.iter().any(|t| t.as_str().is_none_or(|t| t.len() != "2020-09-13T12:26:40.000000+0000".len()))
}

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if path.is_dir() {
        return Some(path);
    }
    let required = std::env::var_os("FLUMEN_REQUIRE_CORPUS").is_some_and(|v| v == "1");
    assert!(!required, "FLUMEN_REQUIRE_CORPUS=1, but {} is not there", path.display());
    eprintln!("SKIPPED: no corpus at {}", path.display());
    None
}

/// The lines of `record`, without the fields that the recording leaves out.
fn encode(record: &FlowRecord) -> Vec<String> {
    let config = EveConfig {
        netflow: true,
        community_id: Some(CommunityId { seed: 0, rule: CommunityIdRule::Suricata }),
        ..EveConfig::default()
    };
    let mut out = Vec::new();
    let mut writer = EveWriter::new(&mut out, "memory", config);
    writer.flows(std::slice::from_ref(record)).and_then(|()| writer.finish()).expect("memory takes all");
    drop(writer);
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    let removed = ["\"flow_id\":77,\"event_type\":\"flow\",", "\"flow_id\":77,\"event_type\":\"netflow\","];
    text.lines().map(|line| removed.iter().fold(line.to_owned(), |l, r| l.replacen(r, "", 1))).collect()
}

/// The text of a recorded event, as of `logged`, without what only rules, reassembly and application parsers know.
fn known_part(event: &Value, logged: &Value) -> String {
    let mut event = event.clone();
    let fields = event.as_object_mut().expect("an event is an object");
    fields.insert("timestamp".to_owned(), logged.clone());
    let is_flow = fields.contains_key("flow");
    fields.retain(|key, _| key != "parent_id" && !(key.starts_with("app_proto") && (is_flow || key != "app_proto")));
    if let Some(app) = fields.get_mut("app_proto") {
        *app = "unknown".into();
    }
    for (object, unknown) in [("flow", &["tx_cnt"][..]), ("netflow", &["tx_cnt"]), ("tcp", &["ts_gap", "tc_gap"])] {
        if let Some(object) = fields.get_mut(object).and_then(Value::as_object_mut) {
            object.retain(|key, _| !unknown.contains(&key.as_str()));
        }
    }
    if let Some(flow) = fields.get_mut("flow").and_then(Value::as_object_mut)
        && let Some(policies) = flow.get_mut("exception_policy").and_then(Value::as_array_mut)
    {
        policies.retain(|policy| policy["target"] != "app_layer_error");
        if policies.is_empty() {
            flow.shift_remove("exception_policy");
        }
    }
    event.to_string()
}

/// The record from which Suricata wrote these events.
fn record(event: &Value, to_server: &Value, to_client: Option<&Value>) -> FlowRecord {
    let flow = &event["flow"];
    let tcp = &event["tcp"];
    FlowRecord {
        nesting: None,
        flow_id: 77,
        logged: time(&event["timestamp"]),
        device: 0,
        vlan: vlan(&event["vlan"]),
        ip_version: if event["ip_v"] == 4 { IpVersion::V4 } else { IpVersion::V6 },
        client: address(&event["src_ip"]),
        server: address(&event["dest_ip"]),
        protocol: protocol(&event["proto"]),
        endpoint: endpoint(event),
        to_server: traffic(&flow["pkts_toserver"], &flow["bytes_toserver"], Some(to_server)),
        to_client: traffic(&flow["pkts_toclient"], &flow["bytes_toclient"], to_client),
        start: time(&flow["start"]),
        end: time(&flow["end"]),
        state: *FlowState::ALL.iter().find(|s| flow["state"] == s.name()).expect("a known state"),
        reason: *[EndReason::Timeout, EndReason::Shutdown, EndReason::Forced, EndReason::TcpReuse]
            .iter()
            .find(|r| flow["reason"] == r.name())
            .expect("a known reason"),
        emergency: false,
        wrong_thread: false,
        elephant: [false; 2],
        midstream_policy: list(&flow["exception_policy"]).iter().any(|p| p["target"] == "stream_midstream"),
        tcp: tcp.is_object().then(|| TcpRecord {
            flags: [hex(&tcp["tcp_flags_ts"]), hex(&tcp["tcp_flags_tc"])],
            state: TcpState::ALL.into_iter().find(|s| tcp["state"] == s.name()),
        }),
        macs: None,
        interim: None,
    }
}

fn traffic(packets: &Value, bytes: &Value, netflow: Option<&Value>) -> Traffic {
    let ttl = netflow.map(|event| &event["netflow"]).filter(|body| body["min_ttl"].is_u64());
    Traffic {
        packets: number(packets),
        bytes: number(bytes),
        ttl: ttl.map(|body| (number(&body["min_ttl"]) as u8, number(&body["max_ttl"]) as u8)),
    }
}

fn endpoint(event: &Value) -> Endpoint {
    let byte = |key: &str| number(&event[key]) as u8;
    if event["src_port"].is_u64() {
        let port = |key: &str| number(&event[key]) as u16;
        Endpoint::Ports(Ports { src: port("src_port"), dst: port("dest_port") })
    } else if event["icmp_type"].is_u64() {
        Endpoint::Icmp {
            request: (byte("icmp_type"), byte("icmp_code")),
            response: event["response_icmp_type"]
                .is_u64()
                .then(|| (byte("response_icmp_type"), byte("response_icmp_code"))),
        }
    } else if event["spi"].is_u64() {
        Endpoint::Spi(number(&event["spi"]) as u32)
    } else {
        Endpoint::None
    }
}

fn protocol(name: &Value) -> u8 {
    match name.as_str().expect("a protocol is text") {
        "ICMP" => 1,
        "IP-in-IP" => 4,
        "TCP" => 6,
        "UDP" => 17,
        "IPv6" => 41,
        "ESP" => 50,
        "IPv6-ICMP" => 58,
        "SCTP" => 132,
        other => other.parse().expect("a protocol without a name is its number"),
    }
}

fn address(text: &Value) -> Address {
    match text.as_str().and_then(|t| t.parse().ok()).expect("an address") {
        IpAddr::V4(v4) => Address::v4(v4.octets()),
        IpAddr::V6(v6) => Address(v6.octets()),
    }
}

fn vlan(ids: &Value) -> VlanTags {
    let mut tags = VlanTags::default();
    for id in list(ids) {
        tags.ids[usize::from(tags.count)] = number(id) as u16;
        tags.count += 1;
    }
    tags
}

/// `2020-09-13T12:26:40.000000+0000`, by counting days one by one.
fn time(text: &Value) -> Timestamp {
    let text = text.as_str().expect("a time is text");
    let part = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("digits");
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let (year, month) = (part(0..4), part(5..7));
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = (1970..year).map(|y| 365 + u64::from(leap(y))).sum::<u64>()
        + months[..month as usize - 1].iter().sum::<u64>()
        + part(8..10)
        - 1;
    let secs = days * 86_400 + part(11..13) * 3600 + part(14..16) * 60 + part(17..19);
    Timestamp::from_parts(secs, part(20..26) as u32 * 1000)
}

fn hex(text: &Value) -> u8 {
    u8::from_str_radix(text.as_str().expect("flags are text"), 16).expect("and hexadecimal")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
