//! Flows that need more room than others, IPv6 ones: what they cost, and that others do not keep them out.

use crate::bed::*;
use flumen_model::{Address, EndReason, IpVersion};
use flumen_table::{TableConfig, Verdict};

const fn v6(n: u32) -> Address {
    let [a, b, c, d] = n.to_be_bytes();
    Address([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}
const fn v4(n: u32) -> Address {
    let [_, b, c, d] = n.to_be_bytes();
    Address::v4([10, b, c, d])
}
fn query(n: u32, version: IpVersion) -> Packet {
    match version {
        IpVersion::V4 => Packet::udp(v4(n), 1000, B, 53),
        IpVersion::V6 => Packet::udp(v6(n), 1000, v6(u32::MAX), 53).v6(),
    }
}

#[test]
fn addresses_that_differ_in_their_last_byte_then_each_has_its_flow_and_the_record_has_them_whole() {
    let packets = [1, 2, 3].map(|n| query(n, IpVersion::V6));
    let answer = Packet::udp(v6(u32::MAX), 53, v6(2), 1000).v6();
    let mut records = run(small(), &[packets[0], packets[1], answer, packets[2]]);
    records.sort_by_key(|record| record.client);
    assert_eq!(records.len(), 3);
    for (record, n) in records.iter().zip(1..) {
        assert_eq!((record.client, record.server, record.ip_version), (v6(n), v6(u32::MAX), IpVersion::V6));
        assert_eq!((record.to_server.packets, record.to_client.packets), (1, u64::from(n == 2)));
    }
}

/// Bytes for each of `flows` flows, which come in the versions in turn, in a table of four flows a row.
fn bytes_a_flow(flows: u32, versions: &[IpVersion]) -> f64 {
    let config = TableConfig { memcap: 1 << 40, hash_size: flows / 4, prealloc: 0, ..small() };
    let table = table(config);
    let mut worker = Worker::new(&table);
    for (n, &version) in (0..flows).zip(versions.iter().cycle()) {
        worker.count(at(0), &query(n, version));
    }
    table.memuse() as f64 / f64::from(flows)
}

#[test]
#[cfg_attr(miri, ignore = "many flows")]
fn a_flow_costs_192_bytes_at_most_and_256_with_ipv6_addresses_all_included() {
    use IpVersion::{V4, V6};
    let flows = 40_000;
    assert!(bytes_a_flow(flows, &[V4]) <= 192.0, "{}", bytes_a_flow(flows, &[V4]));
    assert!(bytes_a_flow(flows, &[V6]) <= 256.0, "{}", bytes_a_flow(flows, &[V6]));
    let mixed = bytes_a_flow(flows, &[V4, V4, V6]);
    assert!(mixed <= (2.0 * 192.0 + 256.0) / 3.0, "{mixed}");
}

#[test]
fn a_table_full_of_ipv4_flows_then_ipv6_flows_get_in_by_force_and_the_others_go_on() {
    // Eight blocks, of which one is wide.
    let blocks = if cfg!(miri) { 2 } else { 8 };
    let rows = 64;
    let memcap = rows * 64 + 4 + blocks * 4 * 4096 + 4096;
    let config = TableConfig { memcap, hash_size: rows as u32, prealloc: 100, ..small() };
    let table = table(config);
    let mut worker = Worker::new(&table);
    for n in 0..blocks as u32 * 100 {
        worker.count(ms(u64::from(n)), &query(n, IpVersion::V4));
    }
    assert_eq!((table.count_flows(), table.slots(), table.memuse()), (blocks * 100, blocks * 100, memcap));
    // All of them are old enough to make room, but only one in eight can for an IPv6 flow.
    let mut counted = 0;
    for n in 0..50_u32 {
        counted += u32::from(worker.send(ms(5000 + u64::from(n)), &query(n, IpVersion::V6)) == Verdict::Counted);
    }
    assert!(counted >= 40, "{counted} of 50 got in");
    assert!(
        worker.records.iter().all(|record| record.ip_version == IpVersion::V4 && record.reason == EndReason::Forced)
    );
    assert_eq!(table.slots(), blocks * 100, "no memory was had for it");
    worker.count(at(6), &query(1_000_000, IpVersion::V4));
    let records = worker.finish();
    let packets: u64 = records.iter().map(|record| record.to_server.packets).sum();
    assert_eq!(packets, blocks * 100 + u64::from(counted) + 1);
}

#[test]
fn wide_flows_are_given_back_when_they_are_spare() {
    let table = table(TableConfig { prealloc: 100, memcap: 1 << 22, ..small() });
    let start = table.memuse();
    let mut worker = Worker::new(&table);
    let flows = if cfg!(miri) { 250 } else { 2000 };
    for n in 0..flows {
        worker.count(at(0), &query(n, IpVersion::V6));
    }
    assert!(table.memuse() >= start + u64::from(flows) / 100 * 20_480 - 20_480);
    assert_eq!(worker.sweep(at(30)), flows as usize);
    drop(worker);
    for _ in 0..100 {
        table.maintain();
    }
    assert_eq!((table.memuse(), table.slots(), table.spare()), (start, 100, 100));
}
