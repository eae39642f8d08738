//! Rows with more flows than fit into a line, and what another worker's flows do in them.

use crate::bed::*;
use flumen_model::EndReason;
use flumen_table::TableConfig;

fn one_row() -> TableConfig {
    TableConfig { hash_size: 1, ..small() }
}
fn query(port: u16) -> Packet {
    Packet::udp(A, port, B, 53)
}
fn answer(port: u16) -> Packet {
    Packet::udp(B, 53, A, port)
}

#[test]
fn a_hundred_flows_in_one_row_are_all_found_in_both_directions() {
    let table = table(one_row());
    let mut worker = Worker::new(&table);
    for round in 0..3 {
        for port in 0..100 {
            worker.count(at(round), &query(port));
            worker.count(at(round), &answer(port));
        }
    }
    assert_eq!((table.count_flows(), worker.lookup.counters.total), (100, 100));
    let records = worker.finish();
    assert!(records.iter().all(|r| (r.to_server.packets, r.to_client.packets) == (3, 3)));
    assert_eq!(records.len(), 100);
}

#[test]
fn flows_of_the_chain_move_up_when_places_become_free_and_are_still_found() {
    let table = table(one_row());
    let mut worker = Worker::new(&table);
    // Eight fill the line; of the thirty behind them every third keeps talking.
    for port in 0..38 {
        worker.count(at(0), &query(port));
    }
    let talks = |port: u16| port >= 8 && port.is_multiple_of(3);
    for port in (0..38).filter(|&port| talks(port)) {
        worker.count(at(20), &query(port));
    }
    assert_eq!(worker.sweep(at(30)), 28);
    assert_eq!(table.count_flows(), 10);
    for port in (0..38).filter(|&port| talks(port)) {
        worker.count(at(31), &answer(port));
    }
    assert_eq!((table.count_flows(), worker.lookup.counters.total), (10, 38));
    assert_eq!(worker.sweep(at(330)), 0);
    assert_eq!(worker.sweep(at(331)), 10);
}

#[test]
fn flows_end_from_every_place_of_a_chain() {
    for end in 0..20_u16 {
        let table = table(one_row());
        let mut worker = Worker::new(&table);
        for port in 0..20 {
            worker.count(if port == end { at(0) } else { at(10) }, &query(port));
        }
        assert_eq!(worker.sweep(at(30)), 1, "port {end}");
        for port in (0..20).filter(|&port| port != end) {
            worker.count(at(31), &query(port));
        }
        assert_eq!((table.count_flows(), worker.lookup.counters.total), (19, 20), "port {end}");
    }
}

#[test]
fn one_row_then_every_flow_is_its_neighbour_and_ends_by_the_common_time() {
    let table = table(one_row());
    let mut worker = Worker::new(&table);
    for port in 0..30 {
        worker.count(at(u64::from(port)), &query(port));
    }
    table.set_now(at(45));
    worker.count(at(45), &query(29));
    assert_eq!(worker.records.len(), 16, "those of 0 to 15 seconds");
    assert!(worker.records.iter().all(|r| r.reason == EndReason::Timeout && r.logged == r.end + secs(30)));
}

#[test]
fn a_tcp_flow_of_another_worker_is_put_aside_for_the_sweep() {
    let table = table(one_row());
    let mut owner = Worker::number(&table, 0);
    let mut other = Worker::number(&table, 1);
    owner.count(at(0), &c("S", 1, 0, 0));
    owner.count(at(0), &query(1));
    table.set_now(at(60));
    other.count(at(60), &query(2));
    assert_eq!((other.records.len(), table.count_flows()), (1, 1), "a UDP flow is anyone's");
    let mut ended = Vec::new();
    table.sweep(0..table.groups(), false, &mut ended);
    assert_eq!((ended.len(), ended[0].reason, ended[0].at), (1, EndReason::Timeout, at(60)));
    owner.record(ended.remove(0));
}

#[test]
fn a_flow_that_was_put_aside_is_found_by_the_sweep_even_after_more_packets_of_its_row() {
    let table = table(one_row());
    let mut owner = Worker::number(&table, 0);
    let mut other = Worker::number(&table, 1);
    owner.count(at(0), &c("S", 1, 0, 0));
    table.set_now(at(60));
    for n in 0..3 {
        other.count(at(60 + n), &query(2));
    }
    let mut ended = Vec::new();
    table.sweep(0..table.groups(), false, &mut ended);
    assert_eq!(ended.len(), 1, "nobody else would find it before the end of the run");
    owner.record(ended.remove(0));
}

#[test]
fn a_flow_that_was_put_aside_comes_out_at_the_end_of_the_run_as_timed_out() {
    let table = table(one_row());
    let mut owner = Worker::number(&table, 0);
    owner.count(at(0), &c("S", 1, 0, 0));
    table.set_now(at(60));
    let mut other = Worker::number(&table, 1);
    other.count(at(60), &query(2));
    other.records.clear();
    drop(owner);
    let records = other.finish();
    assert_eq!((records[0].reason, records[1].reason), (EndReason::Timeout, EndReason::Shutdown));
}

#[test]
fn a_flow_that_was_put_aside_in_an_emergency_did_not_end_in_the_future() {
    let config = one_row();
    let memcap = table(TableConfig { memcap: 1 << 14, prealloc: 0, ..config.clone() }).memuse();
    let table = table(TableConfig { memcap: memcap + 20_480, prealloc: 0, ..config });
    let (mut owner, mut other) = (Worker::number(&table, 0), Worker::number(&table, 1));
    owner.count(at(0), &c("S", 1, 0, 0));
    let _ = other.send(at(0), &query(1));
    assert!(table.is_emergency(), "the only block is the owner's");
    assert_eq!(owner.sweep_rows(at(1), true), 0, "but now the row knows of the short timeouts");
    table.set_now(at(6));
    let _ = other.send(at(6), &query(2));
    assert_eq!(table.count_flows(), 0, "put aside after 5 seconds");
    let mut ended = Vec::new();
    table.sweep(0..table.groups(), true, &mut ended);
    assert_eq!((ended.len(), ended[0].reason, ended[0].at), (1, EndReason::Timeout, at(5)));
}

#[test]
fn a_tcp_packet_on_another_worker_marks_the_flow_and_a_udp_packet_does_not() {
    let table = table(small());
    let mut owner = Worker::number(&table, 0);
    let mut other = Worker::number(&table, 1);
    owner.count(at(0), &c("S", 100, 0, 0));
    owner.count(at(0), &query(1));
    other.count(at(1), &s("SA", 300, 101, 0));
    other.count(at(1), &answer(1));
    assert_eq!(other.lookup.counters.pkt_on_wrong_thread, 1);
    drop(other);
    let records = owner.finish();
    let marked: Vec<_> = records.iter().map(|r| (r.protocol, r.wrong_thread)).collect();
    assert!(marked.contains(&(6, true)) && marked.contains(&(17, false)), "{marked:?}");
}
