//! VLAN ids, device and depth of tunnels: whether they tell flows apart, and what the record shows.

use flumen_table::TableConfig;
use flumen_wire::{FlowPacket, VlanTags};

use crate::support::{Bench, at, small, table, udp};

fn tagged(ids: [u16; 3], count: u8) -> VlanTags {
    VlanTags { ids, count }
}

#[test]
fn vlans_not_tracked_then_one_flow_that_shows_those_of_its_first_packet() {
    let table = table(TableConfig { track_vlan: false, ..small() });
    let mut bench = Bench::new(&table);
    let tags = [tagged([7, 8, 9], 3), tagged([0; 3], 0), tagged([1, 0, 0], 1)];
    for (ms, vlan) in tags.into_iter().enumerate() {
        let _ = bench.send(at(ms as u64), &FlowPacket { vlan, ..udp(1, 2, 7, 8) }, 100);
        let _ = bench.send(at(ms as u64), &FlowPacket { vlan, ..udp(2, 1, 8, 7) }, 100);
    }
    let records = bench.expire(at(10_000_000));
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].to_server.packets, records[0].to_client.packets), (3, 3));
    assert_eq!(records[0].vlan, tags[0]);
}

#[test]
fn tracked_then_a_flow_for_each() {
    let table = table(small());
    let mut bench = Bench::new(&table);
    let plain = udp(1, 2, 7, 8);
    let others = [
        FlowPacket { vlan: tagged([7, 0, 0], 1), ..plain },
        FlowPacket { vlan: tagged([7, 8, 0], 2), ..plain },
        FlowPacket { vlan: tagged([7, 8, 9], 3), ..plain },
        FlowPacket { recursion: 1, ..plain },
    ];
    for _ in 0..2 {
        let _ = bench.send(at(0), &plain, 100);
        let _ = bench.send_on(1, at(0), &plain, 100);
        for packet in &others {
            let _ = bench.send(at(0), packet, 100);
        }
    }
    let records = bench.expire(at(10_000_000));
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record.to_server.packets == 2));
}

/// Every combination of switches against the plain rule: two packets belong to one flow when they agree in what is
/// tracked.
#[test]
fn any_switches_then_packets_meet_that_agree_in_what_is_tracked() {
    let plain = udp(1, 2, 7, 8);
    let kinds: Vec<(u16, FlowPacket)> = (0..16_u16)
        .map(|n| {
            let vlan = tagged([n & 1, (n >> 1) & 1, 0], 2);
            ((n >> 2) & 1, FlowPacket { vlan, recursion: (n >> 3) as u8, ..plain })
        })
        .collect();
    for switches in 0..8 {
        let (track_vlan, track_device, track_recursion) = (switches & 1 != 0, switches & 2 != 0, switches & 4 != 0);
        let table = table(TableConfig { track_vlan, track_device, track_recursion, ..small() });
        let mut bench = Bench::new(&table);
        for (device, packet) in &kinds {
            let _ = bench.send_on(*device, at(0), packet, 100);
        }
        let mut expected = std::collections::HashSet::new();
        for (device, packet) in &kinds {
            let vlan = if track_vlan { packet.vlan.ids } else { [0; 3] };
            let device = if track_device { *device } else { 0 };
            expected.insert((vlan, device, if track_recursion { packet.recursion } else { 0 }));
        }
        assert_eq!(table.count_flows() as usize, expected.len(), "switches {switches:#b}");
    }
}

#[test]
fn a_priority_tag_then_the_record_shows_vlan_zero() {
    let table = table(small());
    let mut bench = Bench::new(&table);
    let _ = bench.send(at(0), &FlowPacket { vlan: tagged([0; 3], 1), ..udp(1, 2, 7, 8) }, 100);
    assert_eq!(bench.expire(at(10_000_000))[0].vlan, tagged([0; 3], 1));
}
