//! When a flow is over: at the exact moment, by protocol and state, found by the packet, the sweep, or a neighbour.

use crate::bed::*;
use flumen_model::{EndReason, FlowState};
use flumen_table::{StateTimeouts, TableConfig, Timeouts};

#[test]
fn a_gap_of_exactly_the_timeout_e5_ends_the_flow_and_one_nanosecond_less_does_not() {
    for (gap, flows) in [(just_before(at(30)), 1), (at(30), 2)] {
        let table = table(small());
        let mut worker = Worker::new(&table);
        let packet = Packet::udp(A, 1, B, 2);
        worker.count(at(0), &packet);
        worker.count(gap, &packet);
        let records = worker.finish();
        assert_eq!(records.len(), flows);
        if flows == 2 {
            assert_eq!((records[0].reason, records[0].logged), (EndReason::Timeout, at(30)));
            assert_eq!(records[1].reason, EndReason::Shutdown);
        }
    }
}

#[test]
fn the_sweep_ends_a_flow_at_the_exact_moment() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(ms(500), &Packet::udp(A, 1, B, 2));
    assert_eq!(worker.sweep(just_before(ms(30_500))), 0);
    assert_eq!(worker.sweep(ms(30_500)), 1);
    assert_eq!((worker.records[0].reason, worker.records[0].logged), (EndReason::Timeout, ms(30_500)));
    assert_eq!(table.count_flows(), 0);
}

/// Packets that bring a flow to a state, and how long it then stays.
fn stays(config: TableConfig, packets: &[Packet], state: FlowState, timeout: u64) {
    let table = table(config);
    let mut worker = Worker::new(&table);
    for packet in packets {
        worker.count(at(0), packet);
    }
    assert_eq!(worker.sweep(just_before(at(timeout))), 0, "{state:?} ended before {timeout} s");
    assert_eq!(worker.sweep(at(timeout)), 1, "{state:?} stays beyond {timeout} s");
    assert_eq!(worker.records[0].state, state);
}

#[test]
fn every_protocol_and_state_has_its_timeout() {
    let udp = [Packet::udp(A, 1, B, 2), Packet::udp(B, 2, A, 1)];
    stays(small(), &udp[..1], FlowState::New, 30);
    stays(small(), &udp, FlowState::Established, 300);
    let icmp = [Packet::icmp(A, B, 8, 0), Packet::icmp(B, A, 0, 8)];
    stays(small(), &icmp[..1], FlowState::New, 30);
    stays(small(), &icmp, FlowState::Established, 300);
    stays(small(), &handshake()[..1], FlowState::New, 60);
    stays(small(), &handshake(), FlowState::Established, 600);
    stays(small(), &[c("S", 1, 0, 0), s("RA", 0, 2, 0)], FlowState::Closed, 60);
}

#[test]
fn classes_have_timeouts_of_their_own_and_icmpv6_has_the_default() {
    let mut timeouts = Timeouts::default();
    for (n, class) in timeouts.normal.iter_mut().enumerate() {
        *class = StateTimeouts::secs(10 + n as u64, 100, 1, 100);
    }
    let config = TableConfig { timeouts, ..small() };
    stays(config.clone(), &[Packet::sctp(A, 1, B, 2)], FlowState::New, 10);
    stays(config.clone(), &[Packet::icmp(A, B, 128, 129).v6()], FlowState::New, 10);
    stays(config.clone(), &handshake()[..1], FlowState::New, 11);
    stays(config.clone(), &[Packet::udp(A, 1, B, 2)], FlowState::New, 12);
    stays(config, &[Packet::icmp(A, B, 8, 0)], FlowState::New, 13);
}

#[test]
fn a_state_with_a_shorter_timeout_brings_the_rows_deadline_forward() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    for packet in handshake() {
        worker.count(at(0), &packet);
    }
    assert_eq!(worker.sweep(at(300)), 0, "the deadline of the row is now ten minutes");
    worker.count(at(300), &s("RA", 301, 101, 0));
    assert_eq!(worker.sweep(just_before(at(360))), 0);
    assert_eq!(worker.sweep(at(360)), 1);
}

#[test]
fn a_packet_finds_its_own_flow_over_before_the_sweep_does() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &Packet::udp(A, 1, B, 2));
    worker.count(at(100), &Packet::udp(B, 2, A, 1));
    let records = worker.finish();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].client, records[1].client), (A, B), "who speaks first after the end is the client");
}

#[test]
fn a_row_that_cannot_hold_anything_due_is_not_looked_at() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &Packet::udp(A, 1, B, 2));
    let mut ended = Vec::new();
    table.set_now(at(20));
    assert_eq!(table.sweep(0..table.groups(), false, &mut ended).rows, 0);
    let all = table.sweep(0..table.groups(), true, &mut ended);
    assert_eq!((all.rows, all.checked, all.notimeout, all.rows_maxlen), (16, 1, 1, 1));
    table.set_now(at(30));
    let due = table.sweep(0..table.groups(), false, &mut ended);
    assert_eq!((due.rows, due.timeout, ended.len()), (1, 1, 1));
    worker.record(ended.remove(0));
}

#[test]
fn a_neighbour_in_the_row_ends_by_the_time_all_workers_have_reached_only() {
    let table = table(TableConfig { hash_size: 1, ..small() });
    let mut worker = Worker::new(&table);
    worker.count(at(0), &Packet::udp(A, 1, B, 2));
    worker.count(at(100), &Packet::udp(A, 3, B, 4));
    assert_eq!(table.count_flows(), 2, "nobody has said that all workers are past 30 s");
    table.set_now(at(100));
    worker.count(at(100), &Packet::udp(A, 3, B, 4));
    assert_eq!((table.count_flows(), worker.records.len()), (1, 1));
    assert_eq!(worker.lookup.counters.flows_evicted, 1);
}

#[test]
fn random_lives_then_each_flow_ends_at_its_deadline_to_the_nanosecond() {
    let mut random = Random(0x5eed);
    for hash_size in [1, 3, 200] {
        let table = table(TableConfig { hash_size, ..small() });
        let mut worker = Worker::new(&table);
        for n in 0..if cfg!(miri) { 20 } else { 150_u16 } {
            let now = ms(random.below(40_000));
            worker.count(now, &Packet::udp(A, n, B, 53));
            if random.below(2) == 0 {
                worker.count(ms(random.below(29_000)), &Packet::udp(B, 53, A, n));
            }
        }
        worker.lookup.work_queue().clear();
        let mut now = 0;
        while table.count_flows() > 0 {
            now += random.below(2000);
            let before = worker.records.len();
            worker.sweep(ms(now));
            for record in &worker.records[before..] {
                let timeout = if record.state == FlowState::New { secs(30) } else { secs(300) };
                let due = record.end + timeout;
                assert!(record.logged == due && due <= ms(now), "found late or early: {record:?} at {now}");
                assert!(now < 2000 || due > ms(now - 2000), "found late: {record:?} at {now}");
            }
        }
        assert_eq!(worker.records.iter().filter(|r| r.reason == EndReason::Timeout).count(), worker.records.len());
    }
}
