//! What sides cost, and that it is given back.

use flumen_table::{RateTracking, TableConfig};

use crate::support::{Bench, at, small, table, udp};

/// Bytes charged for one block of flows.
fn block(config: TableConfig) -> u64 {
    let rows = table(TableConfig { prealloc: 0, ..config.clone() }).memuse();
    table(TableConfig { prealloc: 100, ..config }).memuse() - rows
}

fn all() -> TableConfig {
    let rate_tracking = Some(RateTracking { bytes: 1 << 30, interval_secs: 10 });
    TableConfig { macs_max: Some(10), rate_tracking, ..small() }
}

#[test]
fn a_block_costs_what_the_configuration_asks_for() {
    let page = 4096;
    assert_eq!(block(small()), 5 * page);
    assert_eq!(block(TableConfig { macs_max: Some(10), ..small() }), 5 * page + 4 * page);
    assert_eq!(block(TableConfig { macs_max: Some(usize::MAX), ..small() }), 5 * page + 4 * page);
    let interval =
        |interval_secs| TableConfig { rate_tracking: Some(RateTracking { bytes: 1, interval_secs }), ..small() };
    assert_eq!(block(interval(1)), 5 * page + 2 * page);
    assert_eq!(block(interval(10)), 5 * page + 5 * page);
    assert!(block(interval(u32::MAX)) <= 5 * page + 26 * page);
}

#[test]
fn a_peak_then_sides_are_within_the_memcap_and_given_back_with_their_blocks() {
    let table = table(TableConfig { memcap: 400_000, ..all() });
    let start = table.memuse();
    let mut bench = Bench::new(&table);
    let flows = if cfg!(miri) { 350 } else { 5000 };
    for n in 0..flows {
        let _ = bench.send(at(n), &udp(1, 2, n as u16, 9), 60);
        assert!(table.memuse() <= 400_000);
    }
    let peak = table.memuse();
    assert!(peak > start);
    bench.expire(at(10_000_000));
    drop(bench);
    for _ in 0..100 {
        let _ = table.maintain();
    }
    assert_eq!(table.memuse(), start);
}
