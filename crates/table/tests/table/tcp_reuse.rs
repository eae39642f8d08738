//! When a SYN on a known tuple begins another flow: example e21 of the reference and its neighbours.

use crate::bed::*;
use flumen_model::{EndReason, FlowRecord, FlowState, TcpState};
use flumen_table::{Compat, TableConfig, Verdict};
use flumen_wire::NonFlow;

fn suricata() -> TableConfig {
    TableConfig { compat: Compat::Suricata, ..small() }
}
fn strict() -> TableConfig {
    TableConfig { midstream: false, ..small() }
}
fn packets(record: &FlowRecord) -> (u64, u64) {
    (record.to_server.packets, record.to_client.packets)
}
/// A SYN of the client with another initial number.
fn syn() -> Packet {
    c("S", 70_000, 0, 0)
}
fn reused(config: TableConfig, before: &[Packet], syn: Packet) -> Vec<FlowRecord> {
    let records = run(config, &[before, &[syn]].concat());
    assert_eq!(records.len(), 2, "{records:#?}");
    assert_eq!((records[0].reason, records[1].reason), (EndReason::TcpReuse, EndReason::Shutdown));
    assert_eq!(records[1].tcp.and_then(|tcp| tcp.state), Some(TcpState::SynSent));
    assert_eq!(records[1].client, syn.wire.src);
    assert_eq!(records[0].logged, records[1].start);
    records
}
fn closed_by_fins() -> Vec<Packet> {
    after_handshake(&[c("FA", 101, 301, 0), s("FA", 301, 102, 0), c("A", 102, 302, 0)])
}
fn time_wait() -> Vec<Packet> {
    after_handshake(&[s("FA", 301, 101, 0), c("A", 101, 302, 0), c("FA", 101, 302, 0)])
}

#[test]
fn after_close_wait_last_ack_closing_or_closed_a_syn_begins_another_flow() {
    let closing = after_handshake(&[s("FA", 301, 101, 0), c("F", 101, 0, 0)]);
    let last_ack = &closed_by_fins()[..5];
    let close_wait = after_handshake(&[c("FA", 101, 301, 0)]);
    for before in [&close_wait[..], last_ack, &closing, &closed_by_fins()] {
        let records = reused(suricata(), before, syn());
        assert_eq!(packets(&records[0]).0 + packets(&records[0]).1, before.len() as u64);
    }
}

#[test]
fn a_reused_tuple_counts() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count_all(&closed_by_fins());
    worker.count(ms(50), &syn());
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.tcp_reuse, counters.total, counters.tcp, counters.sessions), (1, 2, 2, 2));
}

#[test]
fn a_flow_without_session_is_reused_by_any_syn() {
    reused(strict(), &[c("A", 1, 1, 0)], c("S", 9, 0, 0));
    reused(strict(), &[c("A", 1, 1, 0)], s("S", 9, 0, 0));
    reused(strict(), &[c("R", 1, 1, 0)], c("S", 9, 0, 0));
}

#[test]
fn after_a_rst_a_syn_of_the_other_side_begins_a_flow_with_roles_swapped() {
    let records = reused(suricata(), &after_handshake(&[c("R", 101, 0, 0)]), s("S", 9000, 0, 0));
    assert_eq!((records[0].client, records[1].client), (A, B));
}

#[test]
fn after_a_rst_a_syn_with_the_same_number_is_a_retransmission() {
    let record = run_one(
        suricata(),
        &after_handshake(&[c("A", 101, 301, 1), s("A", 301, 102, 0), c("R", 102, 0, 0), c("S", 100, 0, 0)]),
    );
    assert_eq!((packets(&record), record.state), ((5, 2), FlowState::Closed));
}

#[test]
fn after_time_wait_a_syn_is_just_a_packet_with_compat_and_begins_a_flow_without() {
    let record = run_one(suricata(), &[&time_wait()[..], &[syn()]].concat());
    assert_eq!(record.tcp.and_then(|tcp| tcp.state), Some(TcpState::TimeWait));
    reused(small(), &time_wait(), syn());
}

#[test]
fn in_an_open_session_and_after_fin_wait_a_syn_is_just_a_packet() {
    let fin_wait1 = after_handshake(&[s("FA", 301, 101, 0)]);
    let fin_wait2 = after_handshake(&[s("FA", 301, 101, 0), c("A", 101, 302, 0)]);
    for before in [handshake(), handshake()[..1].to_vec(), handshake()[..2].to_vec(), fin_wait1, fin_wait2] {
        for config in [suricata(), small()] {
            run_one(config, &[&before[..], &[syn()]].concat());
        }
    }
}

#[test]
fn a_syn_with_a_fin_or_rst_reuses_nothing() {
    for flags in ["SF", "SR"] {
        run_one(small(), &[&closed_by_fins()[..], &[c(flags, 70_000, 0, 0)]].concat());
    }
}

#[test]
fn a_syn_ack_reuses_what_is_over_when_sessions_may_begin_with_one() {
    let again = s("SA", 90_000, 80_001, 0);
    let records = run(small(), &[&closed_by_fins()[..], &[again]].concat());
    assert_eq!((records.len(), records[1].client), (2, A), "turned round");
    run_one(strict(), &[&closed_by_fins()[..], &[again]].concat());
    run_one(small(), &[&closed_by_fins()[..], &[s("SA", 300, 101, 0)]].concat());
}

#[test]
fn fast_open_data_that_was_ignored_then_the_clients_syn_begins_another_flow() {
    let open = [c("S", 100, 0, 20).fast_open(), s("SA", 300, 101, 0)];
    reused(suricata(), &open, c("S", 100, 0, 0));
}

#[test]
fn a_reused_flow_that_is_referenced_ends_all_the_same_and_its_slot_waits() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count_all(&closed_by_fins());
    let held = crate::references::hold(&mut worker, &c("S", 0, 0, 0));
    worker.count(ms(50), &syn());
    assert_eq!((worker.records.len(), worker.records[0].reason), (1, EndReason::TcpReuse));
    assert_eq!(held.key().client(), A);
    assert!(table.lock(&held).is_none(), "what it refers to has ended");
    drop(held);
    worker.finish();
    table.maintain();
    assert_eq!(table.spare() as u64, table.slots());
}

#[test]
fn in_emergency_a_syn_ack_is_refused_and_what_it_would_have_replaced_stays() {
    let table = table(TableConfig { prealloc: 1, memcap: 16 * 64 + 4 + 20_480, ..small() });
    let mut worker = Worker::new(&table);
    worker.count_all(&closed_by_fins());
    for port in 0..110 {
        let _ = worker.send(ms(100), &Packet::udp(A, port, R, 1));
    }
    assert!(table.is_emergency());
    assert_eq!(worker.send(ms(101), &s("SA", 90_000, 80_001, 0)), Verdict::NonFlow(NonFlow::Emergency));
    assert!(worker.records.iter().all(|record| record.reason != EndReason::TcpReuse));
}
