//! IP protocols other than TCP, UDP and ICMP.
//!
//! `e7` restates a worked example that was tried on Suricata: ESP there and back and another SPI are three flows (2, 1 and 1
//! packets); SCTP is one; IGMP, OSPF and AH have none; of GRE only what is inside; of IP in IP (4 and 41) both the outer
//! packet and the inner one.

use std::io;

use super::icmp::host6;
use super::script::Script;
use super::{MILLI_NS, Options, Output, Scenario, over_ethernet};
use crate::{Ends, Packet, Side, mac_of};

pub(super) const E7: Scenario = over_ethernet("e7", "ESP, SCTP, IGMP, OSPF, AH, GRE, IP in IP", protocols);
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
