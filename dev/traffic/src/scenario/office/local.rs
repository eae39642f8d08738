//! What stays in the building: addresses, neighbours, names of services, time.

use super::{FILES, PRINTER, ROUTER, Scene, workstation};
use crate::scenario::icmp::{neighbour_advertisement, neighbour_solicitation};
use crate::{Ends, Packet, Side, mac_of};

const ANY: [u8; 4] = [0; 4];
const ALL: [u8; 4] = [255; 4];

/// A workstation comes up: DHCP, ARP, IPv6 neighbours.
pub(super) fn morning(scene: &mut Scene<'_>, number: u8) {
    let address = workstation(number);
    let transaction = scene.rng.word();
    for (kind, from_client) in [(1, true), (2, false), (3, true), (5, false)] {
        let message = dhcp(kind, transaction, address);
        let frame = if from_client {
            Packet::ethernet(mac_of(address.into()), [0xff; 6]).ipv4(ANY, ALL).udp(68, 67)
        } else {
            Packet::ethernet(mac_of(ROUTER.into()), mac_of(address.into())).ipv4(ROUTER, address).udp(67, 68)
        };
        scene.send(frame.payload(&message));
        scene.wait_micros(300, 9_000);
    }
    arp(scene, address, ROUTER);
    arp(scene, address, FILES);
    scene.wait_micros(1_000, 400_000);
    let (own, router) = (link_local(address), link_local(ROUTER));
    scene.send(neighbour_solicitation(own, router));
    scene.wait_micros(200, 900);
    scene.send(neighbour_advertisement(router, own));
}

/// A DHCP message (RFC 2131 §2) with its type and the address that is offered.
fn dhcp(kind: u8, transaction: u32, address: [u8; 4]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[0] = if matches!(kind, 1 | 3) { 1 } else { 2 };
    message[1..4].copy_from_slice(&[1, 6, 0]);
    message[4..8].copy_from_slice(&transaction.to_be_bytes());
    if message[0] == 2 {
        message[16..20].copy_from_slice(&address);
        message[20..24].copy_from_slice(&ROUTER);
    }
    message[28..34].copy_from_slice(&mac_of(address.into()));
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
    message.extend([54, 4].into_iter().chain(ROUTER));
    if kind == 5 {
        message.extend([51, 4, 0, 1, 0x51, 0x80, 1, 4, 255, 255, 255, 0, 3, 4].into_iter().chain(ROUTER));
    }
    message.push(255);
    message.resize(300, 0);
    message
}

/// Who has that address, and the answer.
pub(super) fn arp(scene: &mut Scene<'_>, asker: [u8; 4], asked: [u8; 4]) {
    let [ours, theirs] = [asker, asked].map(|address| mac_of(address.into()));
    scene.send(Packet::ethernet(ours, [0xff; 6]).arp(1, (ours, asker), ([0; 6], asked)).padded());
    scene.wait_micros(100, 700);
    scene.send(Packet::ethernet(theirs, ours).arp(2, (theirs, asked), (ours, asker)).padded());
}

/// The link-local IPv6 address of a host.
const fn link_local(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, a, b, c, d]
}

/// A question to a time server and its answer (RFC 5905 §7.3).
pub(super) fn tell_time(scene: &mut Scene<'_>, number: u8) {
    let ends = Ends::v4(workstation(number), 123, [162, 159, 200, 1], 123);
    let mut message = [0; 48];
    message[0] = 0x23;
    scene.rng.fill(&mut message[40..]);
    scene.send(ends.udp(Side::Client, &message));
    scene.wait_micros(8_000, 30_000);
    message[0] = 0x24;
    message[1] = 3;
    scene.rng.fill(&mut message[24..]);
    scene.send(ends.udp(Side::Server, &message));
}

/// Four pings, a second apart; the file server misses one.
pub(super) fn ping(scene: &mut Scene<'_>, number: u8) {
    let ends = Ends::v4(workstation(number), 0, FILES, 0);
    let id = scene.rng.word() as u16;
    for sequence in 1..=4 {
        let text = *b"abcdefghijklmnopqrstuvwabcdefghi";
        scene.send(ends.packet(Side::Client).icmp_echo(8, id, sequence).payload(&text));
        scene.wait_micros(150, 600);
        if sequence != 3 {
            scene.send(ends.packet(Side::Server).icmp_echo(0, id, sequence).payload(&text));
        }
        scene.wait_micros(999_000, 1_001_000);
    }
}

/// Multicast DNS (RFC 6762): who prints here? The printer tells everyone.
pub(super) fn find_printer(scene: &mut Scene<'_>, number: u8) {
    let question = super::apps::dns_question(0, &["_ipp", "_tcp", "local"], 12);
    let mut answer = question.clone();
    answer[2] = 0x84;
    let group = [224, 0, 0, 251];
    for (from, message) in [(workstation(number), question), (PRINTER, answer)] {
        let frame = Packet::ethernet(mac_of(from.into()), mac_of(group.into())).ipv4(from, group).ttl(255);
        scene.send(frame.udp(5_353, 5_353).payload(&message));
        scene.wait_micros(20_000, 120_000);
    }
}
