//! Direction, counters, time to live, state: protocols without sessions.

use crate::bed::*;
use flumen_model::record::Endpoint;
use flumen_model::{EndReason, FlowState};
use flumen_wire::{Ports, Transport};

#[test]
fn packets_of_both_directions_are_counted_in_one_flow_by_direction() {
    let there = Packet::udp(A, 1111, B, 53);
    let back = Packet::udp(B, 53, A, 1111);
    let record = run_one(small(), &[there.bytes(70).ttl(64), back.bytes(200).ttl(55), there.bytes(80).ttl(63)]);
    assert_eq!((record.client, record.server), (A, B));
    assert_eq!(record.endpoint, Endpoint::Ports(Ports { src: 1111, dst: 53 }));
    assert_eq!((record.to_server.packets, record.to_server.bytes, record.to_server.ttl), (2, 150, Some((63, 64))));
    assert_eq!((record.to_client.packets, record.to_client.bytes, record.to_client.ttl), (1, 200, Some((55, 55))));
    assert_eq!((record.start, record.end), (ms(0), ms(2)));
    assert_eq!((record.state, record.reason), (FlowState::Established, EndReason::Shutdown));
    assert!(record.tcp.is_none() && !record.emergency && !record.wrong_thread && !record.midstream_policy);
}

#[test]
fn one_direction_alone_stays_new_and_the_other_has_no_ttl() {
    let there = Packet::udp(A, 1111, B, 53);
    let record = run_one(small(), &[there, there, there]);
    assert_eq!((record.state, record.to_server.packets, record.to_client.packets), (FlowState::New, 3, 0));
    assert_eq!(record.to_client.ttl, None);
}

#[test]
fn equal_ports_then_the_addresses_decide_the_direction() {
    let record = run_one(small(), &[Packet::udp(B, 500, A, 500), Packet::udp(A, 500, B, 500)]);
    assert_eq!((record.client, record.to_server.packets, record.to_client.packets), (B, 1, 1));
}

#[test]
fn a_packet_to_itself_goes_to_the_server() {
    let record = run_one(small(), &[Packet::udp(A, 7, A, 7), Packet::udp(A, 7, A, 7)]);
    assert_eq!((record.to_server.packets, record.to_client.packets, record.state), (2, 0, FlowState::New));
}

#[test]
fn an_older_packet_is_counted_and_moves_the_end_not_back() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let there = Packet::udp(A, 1, B, 2);
    worker.count(ms(500), &there);
    worker.count(ms(900), &there);
    worker.count(ms(600), &there);
    worker.count(ms(100), &there);
    let record = worker.finish().remove(0);
    assert_eq!((record.start, record.end, record.to_server.packets), (ms(500), ms(900), 4));
}

#[test]
fn esp_goes_one_way_and_the_index_tells_associations_apart() {
    let spi = |n| Packet::esp(A, B, n);
    let records = run(small(), &[spi(0x1234_5678), spi(0x1234_5678), Packet::esp(B, A, 0x1234_5678), spi(0x99)]);
    assert_eq!(records.len(), 3);
    assert_eq!((records[0].endpoint, records[0].to_server.packets), (Endpoint::Spi(0x1234_5678), 2));
    assert_eq!((records[1].client, records[1].to_server.packets, records[1].state), (B, 1, FlowState::New));
    assert_eq!(records[2].endpoint, Endpoint::Spi(0x99));
}

#[test]
fn sctp_of_both_directions_is_one_flow_by_its_ports() {
    let records = run(small(), &[Packet::sctp(A, 7, B, 8), Packet::sctp(B, 8, A, 7), Packet::sctp(A, 7, B, 9)]);
    assert_eq!(records.len(), 2);
    assert_eq!(
        (records[0].state, records[0].endpoint),
        (FlowState::Established, Endpoint::Ports(Ports { src: 7, dst: 8 }))
    );
    assert_eq!(records[1].state, FlowState::New);
}

#[test]
fn another_ip_protocol_is_one_flow_a_pair_of_hosts_without_endpoint() {
    let other = |a, b| Packet::new(a, b, 89, Transport::Other);
    let record = run_one(small(), &[other(A, B), other(B, A), other(A, B)]);
    assert_eq!((record.endpoint, record.protocol), (Endpoint::None, 89));
    assert_eq!((record.to_server.packets, record.to_client.packets, record.state), (2, 1, FlowState::Established));
}

#[test]
fn flows_are_counted_by_protocol() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let v6 = Packet::icmp(A, B, 128, 129).v6();
    worker.count_all(&[c("S", 1, 0, 0), Packet::udp(A, 1, B, 2), Packet::icmp(A, B, 8, 0), v6, Packet::esp(A, B, 1)]);
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.total, counters.tcp, counters.udp, counters.icmpv4, counters.icmpv6), (5, 1, 1, 1, 1));
    assert_eq!(table.count_flows(), 5);
}

#[test]
fn flags_of_segments_are_counted_once_a_segment() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count_all(&after_handshake(&[c("AU", 101, 301, 5), s("RA", 301, 106, 0), c("S", 9, 0, 0).bad_checksum()]));
    let counters = worker.lookup.counters.clone();
    assert_eq!((counters.syn, counters.synack, counters.rst, counters.urg), (1, 1, 1, 1));
    assert_eq!((counters.sessions, counters.invalid_checksum, counters.midstream_pickups), (1, 1, 0));
}
