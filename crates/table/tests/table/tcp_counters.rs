//! What segments show of their sessions beside moving them: data acknowledged that was not seen, data that was lost,
//! directions that have reached the depth.

use crate::bed::*;
use flumen_table::{LookupCounters, TableConfig};

/// Counters after a handshake and `more`. The client goes on at 101, the server at 301.
fn after(config: TableConfig, more: &[Packet]) -> LookupCounters {
    let table = table(config);
    let mut worker = Worker::new(&table);
    worker.count_all(&after_handshake(more));
    worker.lookup.counters.clone()
}
fn acks_of_unseen_data(more: &[Packet]) -> u64 {
    after(TableConfig { midstream: false, ..small() }, more).ack_unseen_data
}
fn gaps(more: &[Packet]) -> u64 {
    after(TableConfig { midstream: false, ..small() }, more).reassembly_gap
}
fn depths(depth: u32, more: &[Packet]) -> u64 {
    after(TableConfig { midstream: false, depth, ..small() }, more).stream_depth_reached
}

#[test]
fn acknowledgements_of_what_was_seen_then_none_is_counted() {
    let more = [c("PA", 101, 301, 50), s("A", 301, 151, 0), s("PA", 301, 151, 20), c("A", 151, 321, 0)];
    assert_eq!(acks_of_unseen_data(&more), 0);
    let close = [s("FA", 301, 101, 0), c("A", 101, 302, 0), c("FA", 101, 302, 0), s("A", 302, 102, 0)];
    assert_eq!(acks_of_unseen_data(&close), 0, "FINs are no data");
    let close = [c("FA", 101, 301, 0), s("A", 301, 102, 0), s("FA", 301, 102, 0), c("A", 102, 302, 0)];
    assert_eq!(acks_of_unseen_data(&close), 0);
}

#[test]
fn each_acknowledgement_ahead_of_the_data_is_counted_until_the_data_comes() {
    let ahead = [s("A", 301, 151, 0), s("A", 301, 151, 0), s("A", 301, 161, 0)];
    assert_eq!(acks_of_unseen_data(&ahead), 3, "one that is repeated too");
    let overtaken = [s("A", 301, 151, 0), c("PA", 101, 301, 50), s("A", 301, 151, 0), c("A", 151, 301, 0)];
    assert_eq!((acks_of_unseen_data(&overtaken), gaps(&overtaken)), (1, 0));
}

#[test]
fn an_acknowledgement_ahead_in_a_fin_or_after_one_or_beyond_the_window_is_not_counted() {
    assert_eq!(acks_of_unseen_data(&[s("FA", 301, 151, 0)]), 0);
    assert_eq!(acks_of_unseen_data(&[s("FA", 301, 101, 0), s("A", 302, 151, 0)]), 0);
    assert_eq!(acks_of_unseen_data(&[s("A", 301, 101 + 1_000_000, 0)]), 0, "not believed");
}

#[test]
fn each_hole_that_is_acknowledged_is_a_gap_once() {
    let lost = [c("PA", 101, 301, 50), c("PA", 201, 301, 50), s("A", 301, 251, 0), s("A", 301, 251, 0)];
    assert_eq!((gaps(&lost), acks_of_unseen_data(&lost)), (1, 0));
    let twice = [&lost[..], &[c("PA", 300, 301, 10), s("A", 301, 310, 0)]].concat();
    assert_eq!(gaps(&twice), 2);
    let both_ways = [&lost[..], &[s("PA", 401, 251, 10), c("A", 251, 411, 0)]].concat();
    assert_eq!(gaps(&both_ways), 2);
    let refilled = [c("PA", 201, 301, 50), s("A", 301, 101, 0), c("PA", 101, 301, 100), s("A", 301, 251, 0)];
    assert_eq!(gaps(&refilled), 0, "out of order is not lost");
}

#[test]
fn each_direction_reaches_the_depth_once() {
    let client = [c("PA", 101, 301, 999), c("PA", 1100, 301, 1), c("PA", 1101, 301, 500)];
    assert_eq!(depths(1000, &client[..1]), 0);
    assert_eq!(depths(1000, &client[..2]), 1);
    assert_eq!(depths(1000, &client), 1);
    let both = [&client[..], &[s("PA", 301, 1601, 1200), s("PA", 1501, 1601, 10)]].concat();
    assert_eq!(depths(1000, &both), 2);
    assert_eq!(depths(0, &both), 0, "no limit");
}

#[test]
fn data_that_only_its_acknowledgement_shows_reaches_no_depth_until_later_data_comes() {
    let more = [s("A", 301, 2101, 0), c("A", 2101, 301, 0), c("PA", 2101, 301, 1)];
    assert_eq!(depths(1000, &more[..2]), 0);
    assert_eq!(depths(1000, &more), 1);
}
