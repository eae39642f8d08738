//! Elephants: directions that carry many bytes within an interval.

use flumen_table::{RateTracking, TableConfig};
use flumen_wire::TcpFlags;

use crate::support::{Bench, at, small, table, tcp, udp};

const LONG_AFTER: u64 = 10_000_000;

fn config(bytes: u64, interval_secs: u32) -> TableConfig {
    TableConfig { rate_tracking: Some(RateTracking { bytes, interval_secs }), ..small() }
}

#[test]
fn limit_reached_within_the_interval_then_the_direction_is_marked_once() {
    let table = table(config(1000, 10));
    let mut bench = Bench::new(&table);
    for ms in [0, 4000, 9999] {
        let _ = bench.send(at(ms), &udp(1, 2, 7, 8), 333);
        let _ = bench.send(at(ms), &udp(2, 1, 8, 7), 333);
    }
    assert_eq!(bench.lookup.counters.elephant, 0, "999 bytes");
    for _ in 0..3 {
        let _ = bench.send(at(9999), &udp(2, 1, 8, 7), 1);
    }
    let counters = &bench.lookup.counters;
    assert_eq!((counters.elephant, counters.elephant_toserver, counters.elephant_toclient), (1, 0, 1));
    let _ = bench.send(at(9999), &udp(1, 2, 7, 8), 1);
    let counters = &bench.lookup.counters;
    assert_eq!((counters.elephant, counters.elephant_toserver, counters.elephant_toclient), (1, 1, 1));
    assert_eq!(bench.expire(at(LONG_AFTER))[0].elephant, [true, true]);
}

#[test]
fn the_same_bytes_over_more_than_the_interval_then_no_elephant() {
    let table = table(config(1000, 10));
    let mut bench = Bench::new(&table);
    for second in 0..100 {
        let _ = bench.send(at(second * 1000), &udp(1, 2, 7, 8), 99);
    }
    let _ = bench.send(at(200_000), &udp(1, 2, 7, 8), 999);
    let _ = bench.send(at(210_000), &udp(1, 2, 7, 8), 999);
    assert_eq!(bench.expire(at(LONG_AFTER))[0].elephant, [false; 2]);
    assert_eq!(bench.lookup.counters.elephant, 0);
}

#[test]
fn a_slot_that_is_used_again_then_its_old_bytes_do_not_count() {
    let table = table(config(1000, 10));
    let mut bench = Bench::new(&table);
    for round in 0..(if cfg!(miri) { 3 } else { 300 }) {
        let _ = bench.send(at(round * LONG_AFTER), &udp(1, 2, 7, 8), 999);
        assert_eq!(bench.expire(at((round + 1) * LONG_AFTER - 1))[0].elephant, [false; 2]);
    }
}

#[test]
fn an_elephant_that_turns_out_to_be_the_server_then_its_direction_is_to_the_client() {
    let table = table(config(1000, 10));
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(0), &tcp(true, TcpFlags::RST, 77, 0, 0), 1000);
    let _ = bench.send(at(1), &tcp(false, TcpFlags::SYN | TcpFlags::ACK, 100, 200, 0), 60);
    assert_eq!(bench.expire(at(LONG_AFTER))[0].elephant, [false, true]);
}
