//! Echo and its answer, and errors about other flows: examples e1, e2 and e11 of the reference.

use crate::bed::*;
use flumen_model::record::Endpoint;
use flumen_model::{FlowRecord, FlowState};
use flumen_table::{Compat, TableConfig, Verdict};
use flumen_wire::NonFlow;

const REFUSED: Verdict = Verdict::NonFlow(NonFlow::IcmpError);

fn suricata() -> TableConfig {
    TableConfig { compat: Compat::Suricata, ..small() }
}
fn packets(record: &FlowRecord) -> (u64, u64) {
    (record.to_server.packets, record.to_client.packets)
}

#[test]
fn errors_e1_are_counted_in_the_flow_they_are_about() {
    let table = table(suricata());
    let mut worker = Worker::new(&table);
    let query = Packet::udp(A, 1111, B, 53).bytes(70);
    let answer = Packet::udp(B, 53, A, 1111);
    worker.count(ms(0), &query);
    worker.count(ms(1), &Packet::icmp_error(B, A, 3, 3, Some(&query)).bytes(70));
    worker.count(ms(2), &Packet::icmp_error(R, A, 3, 1, Some(&query)).bytes(70));
    assert_eq!(worker.send(ms(3), &Packet::icmp_error(R, A, 11, 0, Some(&query))), REFUSED, "time exceeded");
    worker.count(ms(4), &Packet::icmp_error(A, B, 3, 3, Some(&answer)).bytes(62));
    let unknown = Packet::udp(A, 9, B, 9);
    assert_eq!(worker.send(ms(5), &Packet::icmp_error(B, A, 3, 3, Some(&unknown))), REFUSED);
    assert_eq!(worker.send(ms(6), &Packet::icmp_error(B, A, 3, 3, None)), REFUSED);
    let records = worker.finish();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(packets(record), (2, 2));
    assert_eq!((record.to_server.bytes, record.to_client.bytes), (132, 140));
    assert_eq!((record.state, record.end), (FlowState::New, ms(4)));
}

#[test]
fn every_error_is_tied_to_its_flow_by_default() {
    let query = Packet::udp(A, 1111, B, 53);
    let record = run_one(small(), &[query, Packet::icmp_error(R, A, 11, 0, Some(&query))]);
    assert_eq!((packets(&record), record.state), ((1, 1), FlowState::New));
}

#[test]
fn an_error_about_a_reversed_session_goes_by_who_is_the_client_now() {
    let error = Packet::icmp_error(A, B, 3, 3, Some(&s("A", 1, 1, 0)));
    let record = run_one(small(), &[s("SA", 300, 101, 0), error]);
    assert_eq!((record.client, packets(&record)), (A, (1, 1)));
}

#[test]
fn an_error_keeps_its_flow_from_timing_out() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let query = Packet::udp(A, 1, B, 2);
    worker.count(at(0), &query);
    worker.count(at(29), &Packet::icmp_error(B, A, 3, 3, Some(&query)));
    assert_eq!(worker.sweep(at(58)), 0);
    assert_eq!(worker.sweep(at(59)), 1);
}

#[test]
fn an_error_about_a_flow_that_has_timed_out_is_about_nothing() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let query = Packet::udp(A, 1, B, 2);
    worker.count(at(0), &query);
    assert_eq!(worker.send(at(30), &Packet::icmp_error(B, A, 3, 3, Some(&query))), REFUSED);
    let records = worker.finish();
    assert_eq!((records.len(), packets(&records[0])), (1, (1, 0)));
}

#[test]
fn echoes_e2_are_one_flow_whatever_their_identifier() {
    let (request, reply) = (Packet::icmp(A, B, 8, 0), Packet::icmp(B, A, 0, 8));
    let record = run_one(small(), &[request, reply, request, reply]);
    assert_eq!((packets(&record), record.state), ((2, 2), FlowState::Established));
    assert_eq!(record.endpoint, Endpoint::Icmp { request: (8, 0), response: Some((0, 0)) });
}

#[test]
fn echoes_e2_of_the_other_host_are_another_flow_and_take_all_replies() {
    let (request, reply) = (Packet::icmp(B, A, 8, 0), Packet::icmp(A, B, 0, 8));
    let records = run(small(), &[Packet::icmp(A, B, 8, 0), request, reply, reply]);
    assert_eq!(records.len(), 2);
    assert_eq!((packets(&records[0]), packets(&records[1])), ((1, 0), (1, 2)));
}

#[test]
fn a_timestamp_and_its_answer_e2_are_one_established_flow() {
    let record = run_one(small(), &[Packet::icmp(A, B, 13, 14), Packet::icmp(B, A, 14, 13)]);
    assert_eq!((packets(&record), record.state), ((1, 1), FlowState::Established));
}

#[test]
fn icmpv6_errors_e11_make_their_own_flows_with_compat() {
    let query = Packet::udp(A, 1, B, 2).v6();
    let unreachable = Packet::icmp_error(B, A, 1, 4, Some(&query)).v6();
    let exceeded = Packet::icmp_error(B, A, 3, 0, Some(&query)).v6();
    let records = run(suricata(), &[query, unreachable, exceeded]);
    assert_eq!(records.len(), 3);
    assert_eq!(packets(&records[0]), (1, 0));
    assert_eq!(records[1].endpoint, Endpoint::Icmp { request: (1, 4), response: None });
    let echo = [Packet::icmp(A, B, 128, 129).v6(), Packet::icmp(B, A, 129, 128).v6()];
    assert_eq!(packets(&run_one(suricata(), &echo)), (1, 1));
}

#[test]
fn icmpv6_errors_are_tied_to_their_flow_by_default() {
    let query = Packet::udp(A, 1, B, 2).v6();
    let record = run_one(small(), &[query, Packet::icmp_error(R, A, 3, 0, Some(&query)).v6()]);
    assert_eq!(packets(&record), (1, 1));
}
