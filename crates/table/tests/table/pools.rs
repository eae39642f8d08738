//! Spare flows: blocks of a hundred in a shared pool, a queue of at most two hundred in a worker, growth and trimming.

use crate::bed::*;
use flumen_table::{FlowTable, TableConfig, TableError};

/// What blocks cost: four pages each, and a fifth for the first of every eight, which has room for IPv6 addresses.
const fn cost(blocks: u64) -> u64 {
    (4 * blocks + blocks.div_ceil(8)) * 4096
}
/// What the sixteen rows of a small table cost, with their summary.
const ROWS: u64 = 16 * 64 + 4;

fn prealloc(prealloc: u32) -> TableConfig {
    TableConfig { prealloc, memcap: 4 << 20, ..small() }
}
/// Flows at a peak.
const PEAK: u16 = if cfg!(miri) { 330 } else { 5000 };

/// Opens `flows` flows from distinct ports.
fn open(worker: &mut Worker<'_>, flows: u16) {
    for port in 0..flows {
        worker.count(at(0), &Packet::udp(A, port, B, 53));
    }
}

#[test]
fn a_new_table_has_whole_blocks_for_what_is_preallocated_and_charges_them() {
    for (wanted, blocks) in [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)] {
        let table = table(prealloc(wanted));
        assert_eq!(
            (table.spare() as u64, table.slots(), table.memuse()),
            (blocks * 100, blocks * 100, ROWS + cost(blocks))
        );
    }
}

#[test]
fn a_memcap_that_the_rows_alone_exceed_is_refused_and_says_what_is_needed() {
    let error = FlowTable::new(TableConfig { memcap: ROWS - 1, ..small() }, [1, 2]).expect_err("too small");
    assert_eq!(error, TableError::MemcapTooSmall { memcap: ROWS - 1, rows: 16, needed: ROWS });
    assert!(error.to_string().contains("flow.memcap"), "{error}");
    let bare = table(TableConfig { memcap: ROWS, ..small() });
    assert_eq!((bare.spare(), bare.memuse()), (0, ROWS), "what is preallocated stays within the memcap");
}

#[test]
fn a_worker_fetches_a_block_at_a_time() {
    let table = table(prealloc(300));
    let mut worker = Worker::new(&table);
    open(&mut worker, 100);
    assert_eq!((table.spare(), worker.lookup.counters.spare_sync), (200, 1));
    worker.count(at(0), &Packet::udp(A, 1000, B, 53));
    let counters = &worker.lookup.counters;
    assert_eq!((table.spare(), counters.spare_sync, counters.spare_sync_flows), (100, 2, 200));
    assert_eq!((counters.spare_sync_incomplete, counters.spare_sync_empty), (0, 0));
}

#[test]
fn the_pool_hands_out_its_first_block_if_full_else_the_second_and_the_first_as_it_is_when_alone() {
    let table = table(prealloc(300));
    let mut first = Worker::new(&table);
    open(&mut first, 60);
    drop(first);
    assert_eq!(table.spare(), 240, "two full blocks and one of forty, which is the first");
    let mut lookups: Vec<_> = (1..=4).map(|n| Worker::number(&table, n)).collect();
    let mut fetch = |n: usize| {
        lookups[n].lookup.prepare(1, at(0));
        let counters = &lookups[n].lookup.counters;
        (counters.spare_sync_flows, counters.spare_sync_incomplete, counters.spare_sync_empty)
    };
    assert_eq!(fetch(0), (100, 0, 0));
    assert_eq!(fetch(1), (100, 0, 0));
    assert_eq!(fetch(2), (40, 1, 0));
    assert_eq!(fetch(3), (0, 0, 1));
    assert_eq!((table.spare(), table.slots()), (0, 400), "the last one took a block from the operating system");
}

#[test]
fn a_worker_keeps_two_hundred_flows_and_gives_surplus_back_by_the_block() {
    let table = table(prealloc(300));
    let mut worker = Worker::new(&table);
    open(&mut worker, 250);
    assert_eq!(table.spare(), 0);
    let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
    let mut given = Vec::new();
    for flow in ended {
        worker.record(flow);
        given.push(table.spare());
    }
    // Fifty were left; the private queue is full with the hundred and fiftieth that comes back.
    assert_eq!((given[149], given[150], given[249]), (0, 100, 100));
    drop(worker);
    assert_eq!(table.spare(), 300);
}

#[test]
fn a_pool_below_ninety_percent_grows_by_what_is_missing_and_a_block() {
    let table = table(prealloc(1000));
    let mut worker = Worker::new(&table);
    open(&mut worker, 100);
    assert_eq!(table.spare(), 900);
    table.maintain();
    assert_eq!(table.spare(), 900, "ninety percent is enough");
    worker.count(at(0), &Packet::udp(A, 1000, B, 53));
    table.maintain();
    assert_eq!((table.spare(), table.slots()), (1100, 1300));
}

#[test]
fn a_pool_at_a_hundred_and_ten_percent_stays_and_above_that_is_trimmed() {
    let table = table(prealloc(1000));
    let mut worker = Worker::new(&table);
    open(&mut worker, 100);
    worker.count(at(0), &Packet::udp(A, 1000, B, 53));
    table.maintain();
    table.maintain();
    assert_eq!(table.spare(), 1100);
    drop(table.drain(at(1), Vec::new()));
    drop(worker);
    let before = table.slots();
    table.maintain();
    assert_eq!(table.slots(), before - 100, "a tenth of the surplus, but a block at least");
    settle(&table);
    assert_eq!((table.spare(), table.slots(), table.memuse()), (1100, 1100, ROWS + cost(11)));
}

/// As many passes of the manager as a surplus needs to go, a tenth of it with each.
fn settle(table: &FlowTable) {
    (0..100).for_each(|_| {
        table.maintain();
    });
}

#[test]
fn memory_is_given_back_after_a_peak_and_can_be_had_again() {
    let table = table(prealloc(200));
    let start = table.memuse();
    for peak in 0..if cfg!(miri) { 2 } else { 3 } {
        let mut worker = Worker::new(&table);
        for port in 0..PEAK {
            worker.count(at(peak * 100), &Packet::udp(A, port, B, 53));
        }
        assert!(table.memuse() >= ROWS + cost(u64::from(PEAK) / 100), "peak {peak}");
        assert_eq!(worker.sweep(at(peak * 100 + 30)), usize::from(PEAK));
        drop(worker);
        settle(&table);
        assert_eq!((table.memuse(), table.slots(), table.spare()), (start, 200, 200), "peak {peak}");
    }
}

#[test]
fn a_block_with_a_flow_in_use_stays_whole_when_the_rest_is_trimmed() {
    const EACH: u16 = if cfg!(miri) { 40 } else { 500 };
    let table = table(prealloc(100));
    let mut worker = Worker::new(&table);
    open(&mut worker, 6 * EACH);
    for port in (0..6 * EACH).step_by(usize::from(EACH)) {
        worker.count(at(20), &Packet::udp(A, port, B, 53));
    }
    assert_eq!(worker.sweep(at(30)), usize::from(6 * EACH - 6));
    drop(worker);
    settle(&table);
    assert!(table.slots() <= 800, "{} slots for six flows and a hundred spare", table.slots());
    assert_eq!(table.spare() as u64 + 6, table.slots());
    let mut worker = Worker::new(&table);
    for port in (0..6 * EACH).step_by(usize::from(EACH)) {
        worker.count(at(31), &Packet::udp(A, port, B, 53));
    }
    assert_eq!((worker.lookup.counters.total, table.count_flows()), (0, 6), "they are where they were");
}

#[test]
fn another_memcap_counts_at_once_and_one_below_what_is_in_use_is_refused() {
    let table = table(TableConfig { memcap: ROWS + cost(1), prealloc: 100, ..small() });
    assert!(!table.set_memcap(ROWS + cost(1) - 1));
    assert_eq!(table.memcap(), ROWS + cost(1));
    let mut worker = Worker::new(&table);
    open(&mut worker, 100);
    assert!(table.set_memcap(ROWS + cost(2)));
    worker.count(at(0), &Packet::udp(A, 1000, B, 53));
    assert_eq!(table.memuse(), ROWS + cost(2));
}
