//! Records a second, nanoseconds and bytes a record: encoder and writer, into `/dev/null` and into a file, next to
//! `serde_json` over a ready-made tree of the same fields.
//!
//! Run with `cargo bench -p flumen-output`. Half of the flows are TCP, half UDP; half IPv4, half IPv6; numbers have one to
//! nine digits. Best of many short rounds, as the machine may be shared.

use flumen_model::record::{Endpoint, TcpRecord, Traffic};
use flumen_model::sink::RecordSink;
use flumen_model::{
    Address, EndReason, FlowRecord, FlowState, IpVersion, Ports, TcpFlags, TcpState, Timestamp, VlanTags,
};
use flumen_output::Summary;
use flumen_output::eve::{CommunityId, EveConfig, EveWriter, Ipv6Form};
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::time::Instant;

/// Records of a round: some megabytes of lines.
const RECORDS: u64 = 5_000;
const ROUNDS: usize = 200;

fn main() {
    let records: Vec<FlowRecord> = (0..RECORDS).map(record).collect();
    let flow = EveConfig::default();
    let settings = [
        ("flow", flow.clone()),
        ("flow, community_id", EveConfig { community_id: Some(CommunityId::default()), ..flow.clone() }),
        ("flow, IPv6 compressed", EveConfig { ipv6: Ipv6Form::Compressed, ..flow.clone() }),
        ("netflow", EveConfig { flow: false, netflow: true, ..flow.clone() }),
        ("flow and netflow", EveConfig { netflow: true, ..flow.clone() }),
    ];
    println!("{:<24} {:>10} {:>12} {:>12} {:>12}", "into /dev/null", "M rec/s", "ns/record", "bytes/record", "MB/s");
    for (name, config) in &settings {
        let null = OpenOptions::new().write(true).open("/dev/null").expect("it is always there");
        report(name, bytes(&records, config), write_all(&records, config, null));
    }
    println!("into a file");
    let path = std::env::temp_dir().join(format!("flumen-bench-{}.json", std::process::id()));
    for (name, config) in &settings {
        let file = File::create(&path).expect("the directory for temporary files takes one");
        report(name, bytes(&records, config), write_all(&records, config, file));
    }
    std::fs::remove_file(&path).expect("it was made above");
    println!("others");
    report("summary", 0, summary(records.chunks(RECORDS as usize).cycle()));
    let flood: Vec<FlowRecord> = (0..RECORDS * ROUNDS as u64).map(lone_syn).collect();
    report("summary of a SYN flood", 0, summary(flood.chunks(RECORDS as usize)));
    trees(&records);
}

/// The way that does without an encoder: a tree for each record, made beforehand.
fn trees(records: &[FlowRecord]) {
    let lines = lines(records, &EveConfig::default());
    let trees: Vec<serde_json::Value> =
        lines.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let mut out = Vec::with_capacity(lines.len());
    let nanos = best(0..ROUNDS, |_| {
        out.clear();
        for tree in &trees {
            serde_json::to_writer(&mut out, black_box(tree)).expect("memory takes all");
        }
    });
    report("serde_json, tree ready", lines.len() as u64 / RECORDS, nanos);
}

fn write_all(records: &[FlowRecord], config: &EveConfig, file: File) -> f64 {
    let mut writer = EveWriter::new(file, "file", config.clone());
    let nanos = best(0..ROUNDS, |_| {
        // As many at a time as the engine hands over.
        for batch in records.chunks(256) {
            writer.flows(black_box(batch)).expect("the file takes all");
        }
    });
    writer.finish().expect("the file takes all");
    nanos
}

fn summary<'r>(rounds: impl Iterator<Item = &'r [FlowRecord]>) -> f64 {
    let mut summary = Summary::new();
    best(rounds.take(ROUNDS), |records| records.iter().for_each(|record| summary.add(black_box(record))))
}

fn lines(records: &[FlowRecord], config: &EveConfig) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut writer = EveWriter::new(&mut lines, "memory", config.clone());
    writer.flows(records).and_then(|()| writer.finish()).expect("memory takes all");
    drop(writer);
    lines
}

/// Bytes a record.
fn bytes(records: &[FlowRecord], config: &EveConfig) -> u64 {
    lines(records, config).len() as u64 / RECORDS
}

/// Nanoseconds a record of the best of `rounds`.
fn best<R>(rounds: impl Iterator<Item = R>, mut work: impl FnMut(R)) -> f64 {
    let nanos = rounds.map(|round| {
        let start = Instant::now();
        work(round);
        start.elapsed().as_nanos() as f64
    });
    nanos.fold(f64::MAX, f64::min) / RECORDS as f64
}

fn report(what: &str, bytes: u64, nanos: f64) {
    println!("{what:<24} {:10.2} {nanos:12.1} {bytes:12} {:12.0}", 1e3 / nanos, bytes as f64 / nanos * 1e3);
}

/// Splitmix64: the same records in every run.
fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn record(n: u64) -> FlowRecord {
    let random = spread(n);
    let start = 1_600_000_000_123_456_000 + n * 1_234_567;
    let (tcp, v6) = (random & 1 == 0, random & 2 == 0);
    let packets = 1 + (random >> 8 & 0xffff >> (random >> 24 & 15));
    let address = |net: u8, host: u64| match v6 {
        true => Address([0x20, 1, 0xd, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, (host >> 8) as u8, host as u8]),
        false => Address::v4([10, net, (host >> 8) as u8, host as u8]),
    };
    FlowRecord {
        flow_id: random >> 13,
        logged: Timestamp::from_nanos(start + 61_000_000_000),
        ip_version: if v6 { IpVersion::V6 } else { IpVersion::V4 },
        client: address(1, random >> 32),
        server: address(250, random >> 48),
        protocol: if tcp { 6 } else { 17 },
        endpoint: Endpoint::Ports(Ports { src: (random >> 40) as u16, dst: if tcp { 443 } else { 53 } }),
        to_server: Traffic { packets, bytes: packets * 60, ttl: Some((64, 64)) },
        to_client: Traffic { packets: packets - 1, bytes: (packets - 1) * 1400, ttl: Some((55, 55)) },
        start: Timestamp::from_nanos(start),
        end: Timestamp::from_nanos(start + (random >> 32)),
        state: if tcp { FlowState::Closed } else { FlowState::Established },
        reason: EndReason::Timeout,
        tcp: tcp.then_some(TcpRecord { flags: [0x1b, 0x1b], state: Some(TcpState::Closed) }),
        ..lone_syn(n)
    }
}

/// A SYN from anybody to anybody that nobody answered.
fn lone_syn(n: u64) -> FlowRecord {
    let random = spread(n);
    let at = Timestamp::from_nanos(1_600_000_000_000_000_000 + n * 5_000);
    FlowRecord {
        nesting: None,
        flow_id: random >> 13,
        logged: at,
        device: 0,
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        client: Address::v4((random as u32).to_be_bytes()),
        server: Address::v4(((random >> 32) as u32).to_be_bytes()),
        protocol: 6,
        endpoint: Endpoint::Ports(Ports { src: (random >> 7) as u16, dst: 80 }),
        to_server: Traffic { packets: 1, bytes: 60, ttl: Some((64, 64)) },
        to_client: Traffic::default(),
        start: at,
        end: at,
        state: FlowState::New,
        reason: EndReason::Timeout,
        emergency: false,
        wrong_thread: false,
        elephant: [false; 2],
        midstream_policy: false,
        tcp: Some(TcpRecord { flags: [TcpFlags::SYN, 0], state: Some(TcpState::SynSent) }),
        macs: None,
        interim: None,
    }
}
