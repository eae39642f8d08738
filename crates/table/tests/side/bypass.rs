//! Local bypass: a TCP session of which both directions have reached the depth.

use flumen_model::{FlowState, TcpState};
use flumen_table::{FlowTable, TableConfig};
use flumen_wire::TcpFlags;

use crate::support::{Bench, at, small, table, tcp};

const ACK: u8 = TcpFlags::ACK;
const SYN: u8 = TcpFlags::SYN;
const FIN: u8 = TcpFlags::FIN;

fn config(depth: u32) -> TableConfig {
    TableConfig { bypass: true, depth, ..small() }
}

/// A session that is established: the client goes on at 101, the server at 501.
fn established(table: &FlowTable) -> Bench<'_> {
    let mut bench = Bench::new(table);
    let _ = bench.send(at(0), &tcp(true, SYN, 100, 0, 0), 60);
    let _ = bench.send(at(1), &tcp(false, SYN | ACK, 500, 101, 0), 60);
    let _ = bench.send(at(2), &tcp(true, ACK, 101, 501, 0), 60);
    bench
}

#[test]
fn both_directions_at_the_depth_then_packets_are_only_counted() {
    let table = table(config(1000));
    let mut bench = established(&table);
    let _ = bench.send(at(3), &tcp(true, ACK, 101, 501, 1000), 1060);
    let _ = bench.send(at(4), &tcp(false, ACK, 501, 1101, 999), 1059);
    let _ = bench.send(at(5), &tcp(true, ACK, 1101, 1500, 0), 60);
    assert_eq!(bench.lookup.counters.bypassed_packets, 0);
    let _ = bench.send(at(6), &tcp(false, ACK, 1500, 1101, 1), 61);
    assert_eq!(bench.lookup.counters.bypassed_packets, 0, "the packet that reached it was looked at");
    let _ = bench.send(at(7), &tcp(true, FIN | ACK, 1101, 1501, 0), 60);
    let _ = bench.send(at(8), &tcp(false, TcpFlags::RST, 1501, 0, 0), 40);
    assert_eq!((bench.lookup.counters.bypassed_packets, bench.lookup.counters.bypassed_bytes), (2, 100));
    assert_eq!(bench.lookup.counters.rst, 0);

    assert!(bench.expire(at(100_007)).is_empty(), "the timeout of bypassed flows is 100 s");
    let records = bench.expire(at(100_008));
    assert_eq!(records[0].state, FlowState::LocalBypassed);
    let tcp = records[0].tcp.expect("a TCP flow");
    assert_eq!((tcp.state, tcp.flags), (Some(TcpState::Established), [SYN | ACK; 2]));
    assert_eq!((records[0].to_server.packets, records[0].to_client.packets), (5, 4));
}

#[test]
fn one_direction_at_the_depth_then_the_session_is_followed_to_its_end() {
    let table = table(config(1000));
    let mut bench = established(&table);
    let _ = bench.send(at(3), &tcp(true, ACK, 101, 501, 5000), 5060);
    let _ = bench.send(at(4), &tcp(false, ACK, 501, 5101, 0), 60);
    let _ = bench.send(at(5), &tcp(true, FIN | ACK, 5101, 501, 0), 60);
    let _ = bench.send(at(6), &tcp(false, FIN | ACK, 501, 5102, 0), 60);
    let _ = bench.send(at(7), &tcp(true, ACK, 5102, 502, 0), 60);
    let records = bench.expire(at(10_000_000));
    assert_eq!(records[0].state, FlowState::Closed);
    assert_eq!(bench.lookup.counters.bypassed_packets, 0);
}

#[test]
fn no_limit_or_not_asked_for_then_no_bypass() {
    for config in [config(0), TableConfig { bypass: false, ..config(10) }] {
        let table = table(config);
        let mut bench = established(&table);
        let _ = bench.send(at(3), &tcp(true, ACK, 101, 501, 1000), 1060);
        let _ = bench.send(at(4), &tcp(false, ACK, 501, 1101, 1000), 1060);
        let _ = bench.send(at(5), &tcp(true, ACK, 1101, 1501, 0), 60);
        assert_eq!(bench.expire(at(10_000_000))[0].state, FlowState::Established);
    }
}

#[test]
fn a_close_that_has_begun_then_it_is_followed_to_its_end() {
    let table = table(config(1000));
    let mut bench = established(&table);
    let _ = bench.send(at(3), &tcp(true, ACK, 101, 501, 1000), 1060);
    let _ = bench.send(at(4), &tcp(true, FIN | ACK, 1101, 501, 0), 60);
    let _ = bench.send(at(5), &tcp(false, ACK, 501, 1102, 1000), 1060);
    assert_eq!(bench.expire(at(10_000_000))[0].state, FlowState::Established);
    assert_eq!(bench.lookup.counters.bypassed_packets, 0);
}

#[test]
#[cfg_attr(miri, ignore = "four billion bytes take too long")]
fn numbers_that_have_wrapped_then_the_depth_stays_reached() {
    let table = table(config(1 << 20));
    let mut bench = established(&table);
    // The server sends more than all sequence numbers there are, each piece acknowledged, as windows demand.
    let piece = 60_000_u16;
    let pieces = (1_u64 << 32).div_ceil(u64::from(piece)) as u32;
    let mut seq = 501_u32;
    for _ in 0..pieces {
        let _ = bench.send(at(3), &tcp(false, ACK, seq, 101, piece), 60_060);
        seq = seq.wrapping_add(u32::from(piece));
        let _ = bench.send(at(3), &tcp(true, ACK, 101, seq, 0), 60);
    }
    assert!(seq.wrapping_sub(501) < u32::from(piece), "once around");
    let mut sent = 101_u32;
    for _ in 0..=17 {
        assert_eq!(bench.lookup.counters.bypassed_packets, 0);
        let _ = bench.send(at(5), &tcp(true, ACK, sent, seq, piece), 60_060);
        sent += u32::from(piece);
        let _ = bench.send(at(5), &tcp(false, ACK, seq, sent, 0), 60);
    }
    assert_eq!(bench.lookup.counters.bypassed_packets, 1);
}
