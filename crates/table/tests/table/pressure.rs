//! The memcap is met: refusal, emergency, forced reuse.

use crate::bed::*;
use crate::references::hold;
use flumen_model::{Address, EndReason, FlowState};
use flumen_table::{FlowTable, PacketKey, TableConfig, Verdict};
use flumen_wire::NonFlow;

const MEMCAP: Verdict = Verdict::NonFlow(NonFlow::Memcap);
const EMERGENCY: Verdict = Verdict::NonFlow(NonFlow::Emergency);

/// A table with room for exactly one block, in `rows` rows.
fn one_block(rows: u32) -> TableConfig {
    let memcap = u64::from(rows) * 64 + u64::from(rows.div_ceil(64)) * 4 + 20_480;
    TableConfig { memcap, hash_size: rows, prealloc: 100, ..small() }
}
fn query(port: u16) -> Packet {
    Packet::udp(A, port, B, 53)
}
/// A worker whose hundred flows are in use, the flow of port `n` since `n` milliseconds.
fn full(table: &FlowTable) -> Worker<'_> {
    let mut worker = Worker::new(table);
    for port in 0..100 {
        worker.count(ms(u64::from(port)), &query(port));
    }
    assert_eq!((table.spare(), table.count_flows(), table.memuse()), (0, 100, table.memcap()));
    assert!(!table.is_emergency());
    worker
}

#[test]
fn all_flows_alive_then_the_packet_is_refused_and_nothing_has_changed() {
    let table = table(one_block(4));
    let mut worker = full(&table);
    assert_eq!(worker.send(ms(500), &query(1000)), MEMCAP);
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.memcap, counters.get_used, counters.get_used_failed), (1, 0, 1));
    assert_eq!((counters.get_used_eval, counters.get_used_eval_reject, counters.total), (4, 4, 100));
    assert!(table.is_emergency() && worker.records.is_empty());
    assert_eq!((table.count_flows(), table.memuse()), (100, table.memcap()));
    worker.count(ms(501), &query(7));
    let records = worker.finish();
    assert_eq!(records.iter().map(|r| r.to_server.packets).sum::<u64>(), 101);
}

#[test]
fn the_least_alive_flow_of_the_rows_tried_makes_room() {
    let table = table(one_block(1));
    let mut worker = full(&table);
    // The oldest goes on talking and is established; the next is the one that would time out first.
    worker.count(ms(100), &Packet::udp(B, 53, A, 0));
    worker.count(ms(1500), &query(1000));
    let record = &worker.records[0];
    assert_eq!((worker.records.len(), record.reason, record.emergency), (1, EndReason::Forced, true));
    assert_eq!((record.start, record.logged), (ms(1), ms(1500)));
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.get_used, counters.get_used_eval, counters.memcap, counters.total), (1, 1, 0, 101));
    worker.count(ms(1501), &query(1001));
    assert_eq!(worker.records[1].start, ms(2));
    assert_eq!(table.count_flows(), 100);
}

/// A table of which a row may have 64 flows, and so many packets of flows that share one.
fn one_row(packets: usize) -> (FlowTable, Vec<Packet>) {
    let config = TableConfig { memcap: 1 << 20, hash_size: 1024, prealloc: 100, hash_seed: Some(7), ..small() };
    let table = table(config);
    assert_eq!(table.row_limit(), 64, "eight times the average would be less");
    let all = (0..=255).flat_map(|host| (0..=u16::MAX).map(move |port| (host, port)));
    let udp = all.map(|(host, port)| Packet::udp(Address::v4([10, 9, 9, host]), port, B, 53));
    let in_first_row = |packet: &Packet| match PacketKey::of(&packet.wire, 0, table.config()) {
        PacketKey::Own(key) => table.row(table.hash(&key)) == 0,
        _ => false,
    };
    let found = udp.filter(in_first_row).take(packets).collect();
    (table, found)
}

/// Who knows the secret of the hash can fill one row; he then ends his own flows.
#[test]
#[cfg_attr(miri, ignore = "looks through many keys for those of one row")]
fn a_row_as_long_as_it_may_be_then_its_flows_make_room_for_each_other() {
    let (table, packets) = one_row(74);
    let mut worker = Worker::new(&table);
    for (sent, packet) in (0..).zip(&packets) {
        worker.count(ms(sent), packet);
    }
    assert_eq!((table.count_flows(), worker.lookup.counters.rows_full), (64, 10));
    assert!(!table.is_emergency());
    let reasons: Vec<_> = worker.records.iter().map(|record| (record.reason, record.start)).collect();
    assert_eq!(reasons, (0..10).map(|n| (EndReason::Forced, ms(n))).collect::<Vec<_>>(), "the oldest goes first");
    assert_eq!(worker.finish().len(), 74);
}

#[test]
#[cfg_attr(miri, ignore = "looks through many keys for those of one row")]
fn a_row_as_long_as_it_may_be_then_who_takes_the_tuple_of_a_flow_that_is_over_ends_that_one_once() {
    let (table, packets) = one_row(64);
    let mut worker = Worker::new(&table);
    for (sent, packet) in (0..).zip(&packets) {
        worker.count(ms(sent), packet);
    }
    // The first flow is also the one that would make room.
    worker.count(at(30), &packets[0]);
    let ended: Vec<_> = worker.records.iter().map(|record| (record.reason, record.start)).collect();
    assert_eq!(ended, [(EndReason::Timeout, ms(0))]);
    assert_eq!((table.count_flows(), worker.lookup.counters.rows_full), (64, 0));
    assert_eq!(worker.finish().len(), 65);
}

#[test]
fn a_referenced_flow_never_makes_room() {
    let table = table(one_block(1));
    let mut worker = full(&table);
    let held: Vec<_> = (0..99).map(|port| hold(&mut worker, &query(port))).collect();
    worker.count(at(5), &query(1000));
    assert_eq!(worker.records[0].start, ms(99), "the only one that nobody holds, though the newest");
    let last = hold(&mut worker, &query(1000));
    assert_eq!(worker.send(at(25), &query(1001)), MEMCAP);
    drop(last);
    worker.count(at(26), &query(1001));
    assert!(held.iter().all(|flow| table.lock(flow).is_some()));
}

#[test]
fn a_flow_is_alive_for_a_time_that_its_state_decides_to_the_nanosecond() {
    let one = |packets: &[Packet], alive: u64| {
        for (now, verdict) in [(just_before(at(alive)), MEMCAP), (at(alive), Verdict::Counted)] {
            let table = table(one_block(1));
            let mut worker = Worker::new(&table);
            for packet in packets {
                worker.count(at(0), packet);
            }
            // The others are held, so that only this one could make room.
            let mut held = Vec::new();
            for port in 100..199 {
                worker.count(at(0), &query(port));
                held.push(hold(&mut worker, &query(port)));
            }
            assert_eq!(worker.send(now, &query(1)), verdict, "{packets:?}");
            assert!(worker.records.iter().all(|record| record.reason == EndReason::Forced));
            assert_eq!(worker.records.len(), usize::from(verdict == Verdict::Counted));
        }
    };
    one(&[query(0)], 1);
    one(&[query(0), Packet::udp(B, 53, A, 0)], 5);
    one(&[c("S", 1, 0, 0), s("RA", 0, 2, 0)], 3);
}

#[test]
fn at_most_six_rows_are_tried_and_each_call_begins_five_rows_on() {
    let table = table(one_block(1000));
    let mut worker = full(&table);
    let mut tried = 0;
    for port in 0..50 {
        let _ = worker.send(ms(200 + 2 * u64::from(port)), &query(1000 + port));
        tried += 6;
        assert_eq!(worker.lookup.counters.get_used_eval, tried);
    }
    assert_eq!(worker.lookup.counters.get_used_failed, 50, "all are alive");
}

#[test]
fn after_a_scan_in_vain_no_row_is_looked_at_for_a_millisecond() {
    let table = table(one_block(4));
    let mut worker = full(&table);
    for (now, tried) in [(ms(500), 4), (ms(500), 4), (just_before(ms(501)), 4), (ms(501), 8)] {
        assert_eq!(worker.send(now, &query(1000)), MEMCAP);
        assert_eq!(worker.lookup.counters.get_used_eval, tried);
    }
    assert_eq!((worker.lookup.counters.memcap, worker.lookup.counters.get_used_failed), (4, 4));
}

#[test]
fn one_scan_makes_room_for_as_many_flows_as_it_tried_rows() {
    let table = table(one_block(4));
    let mut worker = full(&table);
    for n in 0..8 {
        worker.count(at(5), &query(1000 + n));
    }
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.get_used, counters.get_used_eval), (8, 8), "two scans of four rows");
    assert!(worker.records.iter().all(|record| record.reason == EndReason::Forced && record.start < ms(100)));
}

#[test]
fn a_row_that_a_scan_has_listed_and_that_has_nothing_any_more_gives_nothing() {
    let table = table(one_block(2));
    let mut worker = full(&table);
    worker.count(at(5), &query(1000));
    let held: Vec<_> = (0..100).filter_map(|port| crate::references::find(&mut worker, &query(port))).collect();
    assert_eq!(held.len(), 99);
    assert_eq!(worker.send(at(5), &query(1001)), MEMCAP, "all the rest is held by now");
    drop(held);
    worker.count(at(6), &query(1001));
}

#[test]
fn many_more_flows_than_memory_e20_then_each_packet_is_counted_or_refused() {
    let table = table(TableConfig { memcap: 200_000, hash_size: 1024, prealloc: 100, ..small() });
    let mut worker = Worker::new(&table);
    let (mut counted, mut refused) = (0, 0);
    for n in 0..6000_u64 {
        let packet = Packet::udp(A, (n % 60_000) as u16, B, 53);
        match worker.send(ms(n * 10), &packet) {
            Verdict::Counted => counted += 1,
            verdict => {
                assert_eq!(verdict, MEMCAP);
                refused += 1;
            }
        }
        assert!(table.memuse() <= 200_000);
    }
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.total, counters.memcap, counted + refused), (counted, refused, 6000));
    assert_eq!(counters.get_used_failed, refused);
    let records = worker.finish();
    let forced = records.iter().filter(|r| r.reason == EndReason::Forced).count() as u64;
    assert_eq!((records.len() as u64, forced), (counted, counters.get_used));
    assert!(forced > 3000 && refused < 2000, "forced {forced} refused {refused}");
    assert_eq!(table.spare() as u64, table.slots());
}

#[test]
fn emergency_then_the_empty_pool_is_asked_once_a_packet_second() {
    let table = table(one_block(4));
    let mut worker = full(&table);
    for n in 0..10 {
        assert_eq!(worker.send(ms(500 + n), &query(1000)), MEMCAP);
    }
    let first = worker.lookup.counters.spare_sync_empty;
    assert_eq!(worker.send(ms(999), &query(1000)), MEMCAP);
    assert_eq!(worker.lookup.counters.spare_sync_empty, first, "the same second");
    let _ = worker.send(ms(1000), &query(1000));
    assert_eq!(worker.lookup.counters.spare_sync_empty, first + 1);
    assert_eq!(first, 1);
}

/// A worker in a table that is in emergency mode.
fn in_emergency(table: &FlowTable) -> Worker<'_> {
    let mut worker = full(table);
    let _ = worker.send(ms(500), &query(1000));
    assert!(table.is_emergency());
    assert_eq!(table.emergency_counts(), (1, 0));
    worker
}

#[test]
fn emergency_then_only_a_lone_syn_opens_a_tcp_flow() {
    let table = table(one_block(4));
    let mut worker = in_emergency(&table);
    for refused in
        [c("A", 1, 1, 0), s("SA", 1, 1, 0), c("FA", 1, 1, 5), c("R", 1, 0, 0), c("", 1, 0, 0), c("SF", 1, 0, 0)]
    {
        assert_eq!(worker.send(at(5), &refused), EMERGENCY, "{refused:?}");
    }
    assert_eq!(worker.lookup.counters.memcap, 1);
    worker.count(at(5), &c("S", 100, 0, 0));
    worker.count(at(5), &s("SA", 300, 101, 0));
    worker.count(at(5), &c("A", 101, 301, 0));
}

#[test]
fn emergency_without_midstream_then_any_tcp_packet_may_open_a_flow() {
    let table = table(TableConfig { midstream: false, ..one_block(4) });
    let mut worker = in_emergency(&table);
    worker.count(at(5), &c("A", 1, 1, 0));
}

#[test]
fn emergency_then_short_timeouts_count_for_the_packets_own_flow_and_in_the_sweep_of_every_row() {
    let table = table(one_block(4));
    let mut worker = in_emergency(&table);
    worker.count(at(1), &Packet::udp(B, 53, A, 7));
    assert_eq!(worker.sweep_rows(just_before(ms(10_000)), true), 0);
    assert_eq!(worker.sweep_rows(ms(10_099), true), 99, "new for ten seconds");
    assert!(worker.records.iter().all(|r| r.state == FlowState::New && !r.emergency));
    worker.count(just_before(at(101)), &query(7));
    assert_eq!(worker.lookup.counters.total, 100);
    worker.count(at(300), &query(7));
    assert_eq!((worker.lookup.counters.total, worker.records.len()), (101, 100), "established for a hundred");
}

#[test]
fn emergency_ends_after_thirty_passes_in_a_row_with_enough_spare_flows() {
    let table = table(one_block(4));
    let mut worker = in_emergency(&table);
    for _ in 0..100 {
        assert!(!table.maintain(), "nothing is spare");
    }
    worker.sweep_rows(at(40), true);
    drop(worker);
    assert_eq!(table.spare(), 100);
    for pass in 1..30 {
        assert!(!table.maintain(), "pass {pass}");
    }
    assert!(table.is_emergency());
    assert!(table.maintain() && !table.is_emergency());
    assert_eq!(table.emergency_counts(), (1, 1));
    assert!(!table.maintain());
}

#[test]
fn a_pass_with_just_the_recovery_share_of_spare_flows_does_not_count() {
    let table = table(TableConfig { emergency_recovery: 30, ..one_block(4) });
    let mut worker = in_emergency(&table);
    // Thirty of the hundred are dropped where they come home to the pool.
    let mut ended: Vec<_> = table.drain(at(20), Vec::new()).collect();
    let rest = ended.split_off(30);
    table.recycle(ended);
    assert_eq!(table.spare(), 30);
    assert!((0..100).all(|_| !table.maintain()), "thirty percent is not above thirty percent");
    table.recycle(rest);
    assert_eq!((0..100).position(|_| table.maintain()), Some(29));
    worker.record_ended();
}
