//! What tells flows apart, and the switches for it. Flow ids.

use crate::bed::*;
use flumen_model::Timestamp;
use flumen_table::{FlowIds, FlowTable, PacketKey, TableConfig, TrackTunnel};
use flumen_wire::{Tunnel, TunnelKind, VlanTags};

fn tagged(ids: [u16; 3], count: u8) -> Packet {
    let mut packet = Packet::udp(A, 1, B, 2);
    packet.wire.vlan = VlanTags { ids, count };
    packet
}
fn inner(recursion: u8) -> Packet {
    let mut packet = Packet::udp(A, 1, B, 2);
    packet.wire.recursion = recursion;
    packet
}

#[test]
fn tags_tell_flows_apart_unless_that_is_switched_off() {
    let packets = [tagged([0; 3], 0), tagged([5, 0, 0], 1), tagged([5, 6, 0], 2), tagged([6, 5, 0], 2)];
    let records = run(small(), &packets);
    assert_eq!(records.len(), 4);
    assert_eq!((records[2].vlan.ids, records[2].vlan.count), ([5, 6, 0], 2));
    let record = run_one(TableConfig { track_vlan: false, ..small() }, &packets);
    assert_eq!((record.to_server.packets, record.vlan.count), (4, 0));
}

#[test]
fn depth_of_tunnels_tells_flows_apart_unless_that_is_switched_off() {
    assert_eq!(run(small(), &[inner(0), inner(1)]).len(), 2);
    run_one(TableConfig { track_recursion: false, ..small() }, &[inner(0), inner(1)]);
}

#[test]
fn numbers_of_tunnels_tell_flows_apart_as_far_as_they_are_tracked() {
    let through = |kind, id| {
        let mut packet = inner(1);
        packet.wire.tunnel = Tunnel { kind, id };
        packet
    };
    use TunnelKind::{None, Teid, Vni};
    let packets = [through(None, 0), through(Vni, 1), through(Vni, 2), through(Teid, 1), through(Teid, 2)];
    for (track_tunnel, flows) in [(TrackTunnel::Yes, 5), (TrackTunnel::TwoWay, 3), (TrackTunnel::No, 1)] {
        let records = run(TableConfig { track_tunnel, ..small() }, &packets);
        assert_eq!(records.len(), flows, "{track_tunnel:?}");
        assert!(records.iter().all(|record| record.nesting.is_some_and(|nesting| nesting.depth == 1)));
    }
}

#[test]
fn devices_tell_flows_apart_unless_that_is_switched_off() {
    let packet = Packet::udp(A, 1, B, 2).wire;
    let key = |device, config: &TableConfig| match PacketKey::of(&packet, device, config) {
        PacketKey::Own(key) => key,
        other => panic!("{other:?}"),
    };
    let hashes = |config: TableConfig| {
        let table = FlowTable::new(config, [1, 2]).expect("a table");
        [1, 2].map(|device| table.hash(&key(device, table.config())))
    };
    let [one, other] = hashes(small());
    assert_ne!(one, other);
    let [one, other] = hashes(TableConfig { track_device: false, ..small() });
    assert_eq!(one, other);
}

#[test]
fn ip_versions_and_protocols_are_told_apart() {
    let records = run(small(), &[Packet::udp(A, 1, B, 2), Packet::udp(A, 1, B, 2).v6(), Packet::sctp(A, 1, B, 2)]);
    assert_eq!(records.len(), 3);
}

#[test]
fn ids_are_unique_in_a_run_and_the_same_under_another_secret() {
    let packets: Vec<_> = (0..200).map(|port| Packet::udp(A, port, B, 53)).collect();
    let ids =
        |seed| run(TableConfig { hash_seed: Some(seed), ..small() }, &packets).iter().map(|r| r.flow_id).collect();
    let (one, two): (Vec<u64>, Vec<u64>) = (ids(1), ids(99));
    assert_eq!(one, two);
    let mut unique = one.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 200);
    assert!(one.iter().all(|&id| id < 1 << 51));
}

#[test]
fn ids_of_runs_that_began_at_other_times_differ() {
    let other = Timestamp::from_nanos(at(0).nanos() + 1000);
    assert!((0..1000).all(|origin| FlowIds::new(at(0)).id(origin) != FlowIds::new(other).id(origin)));
}
