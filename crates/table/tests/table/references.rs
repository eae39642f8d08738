//! References: what they keep from happening, and that no way loses one.

use crate::bed::*;
use flumen_model::{EndReason, FlowKey};
use flumen_table::{FlowRef, FlowTable, PacketKey, TableConfig};

fn key_of(worker: &Worker<'_>, packet: &Packet) -> FlowKey {
    match PacketKey::of(&packet.wire, 0, worker.table.config()) {
        PacketKey::Own(key) => key,
        other => panic!("{other:?}"),
    }
}
/// A reference to the flow of a packet, if there is one.
pub(crate) fn find(worker: &mut Worker<'_>, packet: &Packet) -> Option<FlowRef> {
    let key = key_of(worker, packet);
    let hash = worker.table.hash(&key);
    worker.lookup.lock(worker.table.row(hash)).find(&key, hash).map(|guard| guard.reference())
}
pub(crate) fn hold(worker: &mut Worker<'_>, packet: &Packet) -> FlowRef {
    find(worker, packet).expect("the flow of the packet")
}
fn query() -> Packet {
    Packet::udp(A, 1, B, 53)
}
/// All slots of the table are spare in its pool.
fn assert_all_home(table: &FlowTable) {
    table.maintain();
    assert_eq!(table.spare() as u64, table.slots());
}

#[test]
fn a_reference_held_across_the_timeout_keeps_the_flow_until_it_is_dropped() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let held = hold(&mut worker, &query());
    assert_eq!(worker.sweep(at(30)), 0);
    assert_eq!(worker.sweep_rows(at(1000), true), 0);
    assert_eq!(table.lock(&held).expect("still in its row").body().first_seen(), at(0));
    drop(held);
    assert_eq!(worker.sweep(at(1000)), 1);
    let record = &worker.records[0];
    assert_eq!((record.reason, record.logged, record.end), (EndReason::Timeout, at(30), at(0)));
    worker.finish();
    assert_all_home(&table);
}

#[test]
fn a_packet_of_a_referenced_flow_goes_on_with_it_beyond_its_timeout() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let held = hold(&mut worker, &query());
    worker.count(at(500), &query());
    assert_eq!(table.lock(&held).expect("the same").body().last_seen(), at(500));
    assert_eq!(worker.lookup.counters.total, 1);
    drop(held);
    worker.count(at(530), &query());
    assert_eq!(worker.lookup.counters.total, 2);
}

// FlowReference and FlowDeReference.

#[test]
fn taking_a_reference_counts_up_and_sets_the_place_where_it_is_kept() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let mut kept: Option<FlowRef> = None;
    assert!(kept.is_none());
    kept.replace(hold(&mut worker, &query()));
    let first = kept.as_ref().expect("set");
    assert_eq!((first.count(), first.key().client()), (2, A), "the table's and ours");
    let second = first.clone();
    assert_eq!((first.count(), second.count()), (3, 3));
}

#[test]
fn giving_a_reference_back_counts_down_and_clears_the_place() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let witness = hold(&mut worker, &query());
    let mut kept = Some(witness.clone());
    assert_eq!(witness.count(), 3);
    drop(kept.take());
    assert_eq!((witness.count(), kept.is_none()), (2, true));
    drop(kept.take());
    assert_eq!(witness.count(), 2, "giving nothing back is nothing");
}

#[test]
fn a_flow_that_is_not_there_gives_no_reference() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    assert!(find(&mut worker, &query()).is_none());
    worker.count(at(0), &query());
    assert!(find(&mut worker, &Packet::udp(A, 2, B, 53)).is_none());
    assert!(find(&mut worker, &query()).is_some());
}

#[test]
fn moving_a_reference_to_another_place_or_thread_changes_no_count() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let witness = hold(&mut worker, &query());
    let moved = witness.clone();
    let back = std::thread::scope(|scope| scope.spawn(move || (moved.count(), moved)).join().expect("no panic"));
    assert_eq!((back.0, witness.count()), (3, 3));
    drop(back);
    assert_eq!(witness.count(), 2);
}

#[test]
fn no_way_a_flow_can_take_leaks_a_count() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let mut kept = Vec::new();
    for round in 0..if cfg!(miri) { 6 } else { 50_u64 } {
        let now = at(round * 10);
        for port in 0..30 {
            let _ = worker.send(now, &Packet::udp(A, port, B, 53));
            let _ = worker.send(now, &Packet::icmp_error(B, A, 3, 3, Some(&Packet::udp(A, port, B, 53))));
        }
        worker
            .send(now, &c("S", round as u32 * 1000, 0, 0))
            .eq(&flumen_table::Verdict::Counted)
            .then_some(())
            .expect("counted");
        worker.count(now, &s("RA", 0, round as u32 * 1000 + 1, 0));
        for port in 0..3 {
            let packet = Packet::udp(A, (round as u16 * 7 + port) % 30, B, 53);
            kept.push(hold(&mut worker, &packet));
        }
        kept.push(hold(&mut worker, &c("S", 0, 0, 0)));
        if kept.len() > 20 {
            kept.drain(..10);
        }
        worker.sweep(now);
    }
    kept.clear();
    worker.finish();
    assert_all_home(&table);
}

#[test]
fn a_flow_that_the_end_of_the_run_took_is_not_recycled_before_its_reference_is_dropped() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let held = hold(&mut worker, &query());
    let records = worker.finish();
    assert_eq!((records.len(), records[0].reason), (1, EndReason::Shutdown));
    table.maintain();
    assert_eq!(table.spare() as u64, table.slots() - 1, "one slot waits");
    assert!(table.lock(&held).is_none());
    assert_eq!((held.key().client(), held.count()), (A, 1), "who it was can still be read");
    drop(held);
    assert_all_home(&table);
}

#[test]
fn the_slot_of_a_flow_that_outlived_its_record_is_used_again() {
    let table = table(TableConfig { prealloc: 0, memcap: 16 * 64 + 4 + 20_480, ..small() });
    let mut worker = Worker::new(&table);
    let mut kept = Vec::new();
    for port in 0..100 {
        worker.count(at(0), &Packet::udp(A, port, B, 1));
        kept.push(hold(&mut worker, &Packet::udp(A, port, B, 1)));
    }
    let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
    ended.into_iter().for_each(|flow| worker.record(flow));
    assert_eq!(worker.send(at(2), &query()), flumen_table::Verdict::NonFlow(flumen_wire::NonFlow::Memcap));
    kept.pop();
    worker.count(at(4), &query());
    assert_eq!(
        worker.send(at(4), &Packet::udp(A, 2, B, 53)),
        flumen_table::Verdict::NonFlow(flumen_wire::NonFlow::Memcap)
    );
}

#[test]
fn a_reference_outlives_the_table() {
    let held = {
        let table = table(small());
        let mut worker = Worker::new(&table);
        worker.count(at(0), &query());
        hold(&mut worker, &query())
    };
    assert_eq!((held.key().client(), held.count()), (A, 1));
    let other = held.clone();
    drop(held);
    assert_eq!(other.key().server(), B);
}

#[test]
fn an_ended_flow_outlives_the_table() {
    let ended = {
        let table = table(small());
        let mut worker = Worker::new(&table);
        worker.count(at(0), &query());
        let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
        ended
    };
    assert_eq!(ended[0].body().first_seen(), at(0));
    drop(ended);
}

#[test]
fn an_ended_flow_that_is_dropped_comes_home_all_the_same() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    worker.count(at(0), &query());
    let ended: Vec<_> = table.drain(at(1), Vec::new()).collect();
    drop(ended);
    worker.finish();
    assert_all_home(&table);
}

#[test]
fn an_ended_flow_that_was_dropped_and_its_reference_outlive_the_table() {
    let held = {
        let table = table(small());
        let mut worker = Worker::new(&table);
        worker.count(at(0), &query());
        let held = hold(&mut worker, &query());
        drop(table.drain(at(1), Vec::new()));
        held
    };
    assert_eq!((held.count(), held.key().client()), (1, A));
}

#[test]
fn what_remains_and_what_had_ended_then_one_by_one_in_the_order_of_records() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    let mut held = Vec::new();
    for port in 0..200 {
        // Every tenth packet came late: its flow times out at the very end of the run, in the midst of those that are left.
        let now = if port % 10 == 0 { at(0) } else { ms(u64::from(port)) };
        worker.count(now, &Packet::udp(A, port, B, 53));
        if port % 7 == 0 {
            held.push(hold(&mut worker, &Packet::udp(A, port, B, 53)));
        }
    }
    let mut ended = Vec::new();
    table.set_now(at(30));
    table.sweep(0..table.groups(), false, &mut ended);
    assert_eq!(ended.len(), 17, "all but those that are referenced");
    let mut rest = table.drain(at(30), ended);
    assert_eq!((rest.len(), table.count_flows()), (200, 0));
    assert!(held.iter().all(|held| table.lock(held).is_none()));
    for origin in 1..=150 {
        let flow = rest.next().expect("another");
        assert_eq!((flow.at, flow.body().origin()), (at(30), origin));
        rest.retire(flow);
    }
    drop(rest);
    drop(worker);
    held.clear();
    assert_all_home(&table);
}

#[test]
fn what_remains_in_no_order_then_each_once_and_all_spare() {
    let table = table(small());
    let mut worker = Worker::new(&table);
    for port in 0..200 {
        let packet = Packet::udp(A, port, B, 53);
        worker.count(at(if port % 10 == 0 { 0 } else { 1 }), &if port % 3 == 0 { packet.v6() } else { packet });
    }
    let held = hold(&mut worker, &Packet::udp(A, 1, B, 53));
    let mut ended = Vec::new();
    table.set_now(at(30));
    table.sweep(0..table.groups(), false, &mut ended);
    assert_eq!(ended.len(), 20);
    let mut seen = std::collections::BTreeMap::new();
    table.drain_unordered(0..table.groups(), at(31), ended, |flow| {
        assert_eq!(seen.insert(flow.body().origin(), (flow.at, flow.body().tally().packets)), None);
    });
    let timed_out = |origin: u64| origin % 10 == 1;
    let expected = (1..=200).map(|origin| (origin, (at(if timed_out(origin) { 30 } else { 31 }), 1)));
    assert!(seen.into_iter().eq(expected), "what had ended before, and what was there");
    assert_eq!((table.count_flows(), table.lock(&held).is_none()), (0, true));
    drop(worker);
    drop(held);
    assert_all_home(&table);
}

#[test]
fn a_flow_of_another_table_is_not_taken_for_ones_own() {
    let (one, two) = (table(small()), table(small()));
    let mut worker = Worker::new(&one);
    worker.count(at(0), &query());
    let held = hold(&mut worker, &query());
    assert!(two.lock(&held).is_none());
    drop(held);
    let ended: Vec<_> = one.drain(at(1), Vec::new()).collect();
    two.recycle(ended);
    assert_eq!(two.spare() as u64, two.slots());
    drop(worker);
    assert_all_home(&one);
}
