//! Interim records.

use flumen_model::record::Interim;
use flumen_model::{EndReason, FlowRecord, Span, Timestamp};
use flumen_table::{FlowIds, TableConfig};

use crate::support::{Bench, at, small, table, udp};

const IDS: FlowIds = FlowIds::new(Timestamp::ZERO);

fn config(secs: u64) -> TableConfig {
    TableConfig { active_timeout: Some(Span::from_secs(secs)), ..small() }
}

fn updates(bench: &Bench<'_>, ms: u64) -> Vec<FlowRecord> {
    let mut records = Vec::new();
    while bench.table.updates(0..bench.table.groups(), at(ms), &mut records, IDS) {}
    records
}

/// Sequence number, and new packets and bytes of both directions.
fn news(record: &FlowRecord) -> (u32, [u64; 2], [u64; 2]) {
    let Interim { sequence, delta } = record.interim.as_deref().expect("an interim record");
    (*sequence, delta.map(|d| d.packets), delta.map(|d| d.bytes))
}

#[test]
fn a_flow_that_goes_on_then_every_timeout_has_an_update_with_what_is_new() {
    let table = table(config(60));
    let mut bench = Bench::new(&table);
    let mut seen = Vec::new();
    for second in 0..=200 {
        // The tick of a second comes before its packets.
        seen.extend(updates(&bench, second * 1000).into_iter().map(|record| (second, record)));
        let _ = bench.send(at(second * 1000), &udp(1, 2, 7, 8), 100);
        if second % 10 == 0 {
            let _ = bench.send(at(second * 1000), &udp(2, 1, 8, 7), 50);
        }
    }
    let told: Vec<_> = seen.iter().map(|(second, record)| (*second, news(record))).collect();
    let expected = [60, 120, 180].map(|second| (second, (second as u32 / 60, [60, 6], [6000, 300])));
    assert_eq!(told, expected);
    for (second, record) in &seen {
        assert_eq!((record.to_server.packets, record.to_client.bytes), (*second, second / 10 * 50), "cumulative");
        assert_eq!((record.reason, record.logged, record.start), (EndReason::Unknown, at(second * 1000), at(0)));
        assert_eq!(record.end, at(second * 1000 - 1000));
    }
    let end = bench.expire(at(10_000_000));
    assert_eq!((end[0].flow_id, &end[0].interim), (seen[0].1.flow_id, &None));
    assert_eq!((end[0].to_server.packets, end[0].to_client.packets), (201, 21), "updates took nothing away");
}

#[test]
fn due_times_lie_within_the_second() {
    let table = table(config(60));
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(500), &udp(1, 2, 7, 8), 100);
    let _ = bench.send(at(500), &udp(2, 1, 8, 7), 100);
    assert_eq!(updates(&bench, 60_499).len(), 0);
    assert_eq!(updates(&bench, 60_500).len(), 1);
    let _ = bench.send(at(60_600), &udp(1, 2, 7, 8), 100);
    assert_eq!(updates(&bench, 120_499).len(), 0);
    assert_eq!(news(&updates(&bench, 120_500)[0]), (2, [1, 0], [100, 0]));
}

#[test]
fn nothing_new_or_a_moment_that_was_missed_then_no_update_and_the_moments_stay() {
    let table = table(config(10));
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(0), &udp(1, 2, 7, 8), 100);
    let _ = bench.send(at(1), &udp(2, 1, 8, 7), 100);
    assert_eq!(updates(&bench, 25_000).len(), 1, "one for two moments");
    assert_eq!(updates(&bench, 25_000).len(), 0);
    assert_eq!(updates(&bench, 47_000).len(), 0, "silence");
    let _ = bench.send(at(48_000), &udp(1, 2, 7, 8), 100);
    assert_eq!(updates(&bench, 49_999).len(), 0);
    assert_eq!(news(&updates(&bench, 50_000)[0]), (2, [1, 0], [100, 0]));
}

#[test]
fn many_flows_then_all_are_told_in_order_whatever_the_hash_is() {
    let flows = if cfg!(miri) { 20 } else { 20_000_u64 };
    let order = |seed| {
        let (memcap, hash_size) = if cfg!(miri) { (4 << 20, 64) } else { (64 << 20, 4096) };
        let config = TableConfig { hash_seed: Some(seed), memcap, hash_size, ..config(60) };
        let table = table(config);
        let mut bench = Bench::new(&table);
        for n in 0..flows {
            let _ = bench.send(at(n * 7919 % 1000), &udp(1, 2, n as u16, 8), 100);
        }
        let records = updates(&bench, 61_000);
        assert!(updates(&bench, 61_000).is_empty());
        records.iter().map(|record| record.flow_id).collect::<Vec<_>>()
    };
    let ids = order(1);
    assert_eq!(ids.len() as u64, flows);
    assert_eq!(ids, order(2));
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn not_asked_for_then_no_update() {
    let table = table(small());
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(0), &udp(1, 2, 7, 8), 100);
    assert_eq!(updates(&bench, 10_000_000).len(), 0);
}

/// Deltas of updates never lose or repeat anything: with every tuple's packets at random times, and walks at random
/// moments, the deltas told of a flow add up to what its last update says.
#[test]
fn random_packets_and_walks_then_deltas_add_up() {
    let seed = 0x5eed_u64;
    let mut random = seed;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let table = table(TableConfig { hash_size: 3, ..config(7) });
    let mut bench = Bench::new(&table);
    let mut told = std::collections::HashMap::new();
    let mut now = 0;
    for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
        now += next(700);
        let (a, b) = if next(2) == 0 { (1, 2) } else { (2, 1) };
        let _ = bench.send(at(now), &udp(a, b, next(5) as u16, 9), next(1500));
        if next(4) == 0 {
            bench.expire(at(now));
            for record in updates(&bench, now) {
                let (sequence, packets, bytes) = news(&record);
                let sum = told.entry(record.flow_id).or_insert((0, [0; 2], [0; 2]));
                assert_eq!(sequence, sum.0 + 1, "seed {seed}");
                *sum = (sequence, [0, 1].map(|i| sum.1[i] + packets[i]), [0, 1].map(|i| sum.2[i] + bytes[i]));
                let both = [record.to_server, record.to_client];
                assert_eq!((sum.1, sum.2), (both.map(|t| t.packets), both.map(|t| t.bytes)), "seed {seed}");
            }
        }
    }
    assert!(!told.is_empty());
}
