//! IP protocols other than TCP, UDP and ICMP, tunnels, and fragments.
//!
//! `e7` and the first three packets of `fragments` restate worked examples that were tried on Suricata:
//! * `e7`: ESP there and back and another SPI are three flows (2, 1 and 1 packets); SCTP is one; IGMP, OSPF and AH have
//!   none; of GRE only what is inside; of IP in IP (4 and 41) both the outer packet and the inner one.
//! * `fragments`: the three fragments are one UDP flow of one packet and 2,034 bytes.

use std::io;

use super::icmp::host6;
use super::script::Script;
use super::{MILLI_NS, Options, Output, SECOND_NS, Scenario, over_ethernet};
use crate::{Ends, Packet, Rng, Side, fragments_v4, fragments_v6, mac_of};

pub(super) const E7: Scenario = over_ethernet("e7", "ESP, SCTP, IGMP, OSPF, AH, GRE, IP in IP", protocols);
pub(super) const FRAGMENTS: Scenario = over_ethernet(
    "fragments",
    "whole, mixed up, overlapping and never completed datagrams (--flows of these)",
    fragments,
);
pub(super) const TUNNELS: Scenario = over_ethernet(
    "tunnels",
    "one tuple in VXLAN, Geneve, GRE, ERSPAN, MPLS, PPPoE, NSH, Q-in-Q, 802.1ah, IP in IP",
    tunnels,
);

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const C: [u8; 4] = [172, 16, 0, 1];
const D: [u8; 4] = [172, 16, 0, 2];

fn a_to_b() -> Packet {
    Ends::v4(A, 0, B, 0).packet(Side::Client)
}

fn protocols(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 100 * MILLI_NS);
    let esp = |side, spi, sequence| Ends::v4(A, 0, B, 0).packet(side).esp(spi, sequence).payload(&[0xe5; 24]);
    script.send(esp(Side::Client, 0x11, 1))?;
    script.send(esp(Side::Client, 0x11, 2))?;
    script.send(esp(Side::Server, 0x11, 1))?;
    script.send(esp(Side::Client, 0x99, 1))?;
    script.send(a_to_b().sctp(7, 8, 0).sctp_chunk(1, 0, &[0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]))?;
    let group = [224, 0, 0, 22];
    let membership = Packet::ethernet(mac_of(A.into()), mac_of(group.into())).ipv4(A, group).ttl(1);
    script.send(membership.igmp(0x16, 0, [239, 1, 1, 1]))?;
    // An OSPF hello: version 2, type 1, 44 bytes; the rest is not looked at.
    let mut hello = [0; 44];
    hello[..4].copy_from_slice(&[2, 1, 0, 44]);
    script.send(a_to_b().ttl(1).protocol(89, &hello))?;
    script.send(a_to_b().ah(0x77, 1).udp(5, 6).payload(&[0; 20]))?;
    script.send(a_to_b().gre().ipv4(C, D).udp(5, 6).payload(&[0; 20]))?;
    script.send(a_to_b().ipv4(C, D).udp(7, 8).payload(&[0; 20]))?;
    script.send(a_to_b().ipv6(host6(1), host6(2)).udp(9, 10).payload(&[0; 20]))
}

fn tunnels(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 100 * MILLI_NS);
    let macs = ([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]);
    let inside = |packet: Packet| packet.ipv4(C, D).udp(1_000, 2_000).payload(b"the same tuple");
    let framed = |packet: Packet| inside(packet.ethernet_inside(macs.0, macs.1));
    let plain = || Packet::ethernet(macs.0, macs.1);
    script.send(inside(plain()))?;
    script.send(framed(a_to_b().vxlan(100)))?;
    script.send(framed(a_to_b().vxlan(200)))?;
    script.send(framed(a_to_b().geneve(100)))?;
    script.send(inside(a_to_b().geneve(101)))?;
    script.send(inside(a_to_b().gre()))?;
    script.send(inside(a_to_b().gre_keyed(5, 1)))?;
    script.send(framed(a_to_b().gre()))?;
    script.send(framed(a_to_b().erspan(3, 44)))?;
    script.send(inside(a_to_b()))?;
    script.send(inside(Ends::v6(host6(1), 0, host6(2), 0).packet(Side::Client)))?;
    let inner6 = Packet::bare().ipv6(host6(3), host6(4)).udp(3, 4).payload(b"teredo").build();
    script.send(a_to_b().udp(3_544, 3_544).payload(&inner6))?;
    script.send(inside(plain().mpls(100).mpls(200)))?;
    script.send(inside(plain().pppoe(9)))?;
    script.send(inside(plain().nsh(6)))?;
    script.send(inside(plain().vlan_tagged_as(0x88a8, 10).vlan(20)))?;
    script.send(inside(plain().vlan_tagged_as(0x9100, 10).vlan(20).vlan(30)))?;
    script.send(inside(plain().provider_backbone(77)))?;
    script.send(inside(plain().etag(12)))?;
    script.send(inside(plain().vntag(13)))?;
    script.send(framed(plain().fabric_path(0x0aaa)))
}

fn fragments(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 10 * MILLI_NS);
    let link = || Packet::ethernet(mac_of(A.into()), mac_of(B.into()));
    let datagram = |port: u16, len: usize| Packet::bare().ipv4(A, B).udp(port, 53).payload(&vec![0x61; len]).build();
    let framed = |ip: &[u8]| link().ether_type(0x0800, ip);
    let framed6 = |ip: &[u8]| link().ether_type(0x86dd, ip);

    // Whole and in order.
    for fragment in fragments_v4(&datagram(1, 1_992), 1, 820) {
        script.send(framed(&fragment))?;
    }
    // Backwards; then one sent twice; then in a VLAN.
    for fragment in fragments_v4(&datagram(2, 3_000), 2, 820).iter().rev() {
        script.send(framed(fragment))?;
    }
    let twice = fragments_v4(&datagram(3, 1_500), 3, 820);
    for fragment in [&twice[0], &twice[0], &twice[1]] {
        script.send(framed(fragment))?;
    }
    for fragment in fragments_v4(&datagram(4, 1_500), 4, 820) {
        script.send(link().vlan(9).ether_type(0x0800, &fragment))?;
    }
    // Two datagrams with the same identification between different hosts, interleaved.
    let other = Packet::bare().ipv4(B, A).udp(5, 53).payload(&[0x62; 1_500]).build();
    for (one, two) in fragments_v4(&datagram(5, 1_500), 5, 820).iter().zip(&fragments_v4(&other, 5, 820)) {
        script.send(framed(one))?;
        script.send(framed(two))?;
    }
    // Overlap with other bytes: the second fragment begins eight bytes too early.
    let first =
        link().ipv4(A, B).fragment_v4(6, 0, true).protocol(17, &[0, 6, 0, 53, 0, 40, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let second = link().ipv4(A, B).fragment_v4(6, 8, false).protocol(17, &[2; 32]);
    script.send(first)?;
    script.send(second)?;
    // Ends beyond 65,535 bytes.
    script.send(link().ipv4(A, B).fragment_v4(7, 65_528, false).protocol(17, &[3; 400]))?;
    // IPv6: whole, then an atomic fragment (RFC 6946), then one whose middle has no multiple of eight bytes.
    let six = Packet::bare().ipv6(host6(1), host6(2)).udp(8, 53).payload(&[0x63; 2_000]).build();
    for fragment in fragments_v6(&six, 8, 1_280) {
        script.send(framed6(&fragment))?;
    }
    let six_link = || link().ipv6(host6(1), host6(2));
    script.send(six_link().fragment_v6(9, 0, false).udp(9, 53).payload(b"atomic"))?;
    script.send(six_link().fragment_v6(10, 0, true).protocol(17, &[0; 13]))?;
    // A datagram whose rest comes after the time-out of 60 seconds.
    let late = fragments_v4(&datagram(11, 1_500), 11, 820);
    script.send(framed(&late[0]))?;
    script.wait(61 * SECOND_NS);
    script.send(framed(&late[1]))?;
    never_completed(options, &mut script)
}

/// First fragments of datagrams of which nothing else comes.
fn never_completed(options: &Options, script: &mut Script<'_>) -> io::Result<()> {
    let mut rng = Rng::new(options.seed);
    for number in 0..options.flows.unwrap_or(1_000) {
        let [a, b, c, d] = rng.word().to_be_bytes();
        let frame = Packet::ethernet(mac_of(A.into()), mac_of(B.into())).ipv4([a % 223 + 1, b, c, d], B);
        script.send(frame.fragment_v4(number as u16, 0, true).protocol(17, &[0; 64]))?;
    }
    Ok(())
}
