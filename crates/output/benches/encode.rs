//! Nanoseconds to encode one flow record, next to `serde_json` over a ready-made tree of the same fields.
//!
//! Run with `cargo bench -p flumen-output`. Best of several rounds, as the machine may be shared.

use flumen_model::record::{Endpoint, Traffic};
use flumen_model::sink::RecordSink;
use flumen_model::{
    Address, EndReason, FlowRecord, FlowState, IpVersion, Ports, TcpState, Timestamp, VlanTags, record::TcpRecord,
};
use flumen_output::Summary;
use flumen_output::eve::{CommunityId, EveConfig, EveWriter};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let records: Vec<FlowRecord> = (0..1000).map(record).collect();
    let plain = EveConfig::default();
    let with_id = EveConfig { community_id: Some(CommunityId::default()), ..EveConfig::default() };
    let both = EveConfig { netflow: true, ..with_id.clone() };

    let mut line = Vec::new();
    let mut one = EveWriter::new(&mut line, "memory", with_id.clone());
    one.flows(&records[..1]).and_then(|()| one.finish()).expect("memory takes all");
    drop(one);
    println!("flow event with community_id: {} bytes", line.len());
    let tree: serde_json::Value = serde_json::from_slice(&line).expect("the event is JSON");

    report("flow", measure(|| encode(&records, &plain)));
    report("flow + community_id", measure(|| encode(&records, &with_id)));
    report("flow + 2 netflow + community_id", measure(|| encode(&records, &both)));
    report(
        "summary",
        measure(|| {
            let mut summary = Summary::new();
            (0..100).for_each(|_| records.iter().for_each(|record| summary.add(black_box(record))));
            black_box(&summary);
        }),
    );
    let mut out = Vec::with_capacity(1 << 20);
    report(
        "serde_json, tree ready",
        measure(|| {
            out.clear();
            for _ in 0..1000 {
                serde_json::to_writer(&mut out, black_box(&tree)).expect("memory takes all");
            }
            black_box(&out);
        }),
    );
}

fn encode(records: &[FlowRecord], config: &EveConfig) {
    let mut writer = EveWriter::new(std::io::sink(), "nowhere", config.clone());
    for _ in 0..100 {
        writer.flows(black_box(records)).expect("nowhere takes all");
    }
    writer.finish().expect("nowhere takes all");
}

/// Best nanoseconds a call of `work`.
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_nanos() as f64);
    }
    best
}

fn report(what: &str, nanos: f64) {
    let calls = if what.starts_with("serde") { 1_000.0 } else { 100_000.0 };
    println!("{what:<34} {:7.1} ns a record", nanos / calls);
}

fn record(n: u64) -> FlowRecord {
    let start = 1_600_000_000_123_456_000 + n * 1_234_567;
    FlowRecord {
        nesting: None,
        flow_id: 0x000f_1234_5678_9abc ^ n,
        logged: Timestamp::from_nanos(start + 61_000_000_000),
        device: 0,
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        client: Address::v4([192, 168, (n >> 8) as u8, n as u8]),
        server: Address::v4([203, 0, 113, 80]),
        protocol: 6,
        endpoint: Endpoint::Ports(Ports { src: 50_000 + n as u16, dst: 443 }),
        to_server: Traffic { packets: 12 + n, bytes: 1_873 + n * 64, ttl: Some((64, 64)) },
        to_client: Traffic { packets: 15 + n, bytes: 18_334 + n * 1400, ttl: Some((55, 55)) },
        start: Timestamp::from_nanos(start),
        end: Timestamp::from_nanos(start + 1_700_000_000),
        state: FlowState::Closed,
        reason: EndReason::Timeout,
        emergency: false,
        wrong_thread: false,
        elephant: [false; 2],
        midstream_policy: false,
        tcp: Some(TcpRecord { flags: [0x1b, 0x1b], state: Some(TcpState::Closed) }),
        macs: None,
        interim: None,
    }
}
