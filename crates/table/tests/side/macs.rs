//! MAC addresses.

use flumen_model::record::MacSet;
use flumen_table::TableConfig;
use flumen_wire::{FlowPacket, Macs, TcpFlags};

use crate::support::{Bench, at, mac, small, table, tcp, udp};

const LONG_AFTER: u64 = 10_000_000;

fn config(max: usize) -> TableConfig {
    TableConfig { macs_max: Some(max), ..small() }
}

#[test]
fn packets_of_both_directions_then_the_record_has_both_sides() {
    let table = table(config(10));
    let mut bench = Bench::new(&table);
    assert_eq!(bench.send(at(0), &udp(1, 2, 1000, 53), 60), flumen_table::Verdict::Counted);
    for (ms, packet) in [(1, udp(2, 1, 53, 1000)), (2, FlowPacket { macs: None, ..udp(1, 2, 1000, 53) })] {
        let _ = bench.send(at(ms), &packet, 60);
    }
    let other_router = FlowPacket { macs: Some(Macs::new(mac(9), mac(1))), ..udp(2, 1, 53, 1000) };
    let _ = bench.send(at(3), &other_router, 60);
    let records = bench.expire(at(LONG_AFTER));
    assert_eq!(records.len(), 1);
    let expected = MacSet { src: vec![mac(1)], dst: vec![mac(2), mac(9)] };
    assert_eq!(records[0].macs.as_deref(), Some(&expected));
    assert_eq!((bench.lookup.counters.max_macs_src, bench.lookup.counters.max_macs_dst), (1, 2));
}

#[test]
fn a_slot_that_is_used_again_then_its_old_addresses_are_forgotten() {
    let table = table(config(10));
    let mut bench = Bench::new(&table);
    for round in 0..(if cfg!(miri) { 3 } else { 300_u64 }) {
        let host = (round % 100) as u8;
        let _ = bench.send(at(round * LONG_AFTER), &udp(host, 200, 1, 2), 60);
        let records = bench.expire(at((round + 1) * LONG_AFTER - 1));
        let expected = MacSet { src: vec![mac(host)], dst: vec![mac(200)] };
        assert_eq!(records[0].macs.as_deref(), Some(&expected), "round {round}");
    }
}

#[test]
fn a_session_opened_by_its_syn_ack_then_the_sides_are_swapped_with_it() {
    let table = table(config(2));
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(1), &tcp(false, TcpFlags::SYN | TcpFlags::ACK, 100, 200, 0), 60);
    let _ = bench.send(at(2), &tcp(true, TcpFlags::ACK, 200, 101, 0), 60);
    let records = bench.expire(at(LONG_AFTER));
    assert_eq!((records[0].to_server.packets, records[0].to_client.packets), (1, 1));
    let expected = MacSet { src: vec![mac(1)], dst: vec![mac(2)] };
    assert_eq!(records[0].macs.as_deref(), Some(&expected));
}

#[test]
fn a_syn_ack_on_a_flow_without_a_session_then_what_was_collected_is_swapped_too() {
    let table = table(config(2));
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(0), &tcp(true, TcpFlags::RST, 77, 0, 0), 60);
    let router = FlowPacket { macs: Some(Macs::new(mac(9), mac(1))), ..tcp(false, TcpFlags::RST, 77, 0, 0) };
    let _ = bench.send(at(1), &router, 60);
    let _ = bench.send(at(2), &tcp(false, TcpFlags::SYN | TcpFlags::ACK, 100, 200, 0), 60);
    let records = bench.expire(at(LONG_AFTER));
    assert_eq!((records[0].to_server.packets, records[0].to_client.packets), (2, 1));
    let expected = MacSet { src: vec![mac(2), mac(9)], dst: vec![mac(1)] };
    assert_eq!(records[0].macs.as_deref(), Some(&expected));
}

#[test]
fn not_asked_for_then_records_have_none() {
    for config in [small(), config(0)] {
        let table = table(config);
        let mut bench = Bench::new(&table);
        let _ = bench.send(at(0), &udp(1, 2, 1000, 53), 60);
        assert_eq!(bench.expire(at(LONG_AFTER))[0].macs, None);
    }
}
