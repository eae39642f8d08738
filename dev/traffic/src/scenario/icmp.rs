//! ICMP and ICMPv6: errors about flows, and the questions and answers that are flows themselves.
//!
//! Each capture restates a worked example that was tried on Suricata; what it made of it:
//! * `icmp-errors`: one flow, 2 packets each way, 132 and 140 bytes, state new: the errors about it count as its packets,
//!   except time exceeded; the error about an unknown tuple has no flow.
//! * `icmp-echo`: four flows: echoes with ids 1 and 2 and their replies (2/2), the echo the other way, its reply and a
//!   stray reply (1/2), time stamps (1/1), a router solicitation (1/0).
//! * `icmpv6`: the echo pair is a flow (1/1); unreachable and time exceeded about a live UDP flow are two more flows.

use std::io;

use super::script::Script;
use super::{MILLI_NS, Options, Output, Scenario, over_ethernet};
use crate::{Ends, Packet, Side, mac_of};

pub(super) const ERRORS: Scenario =
    over_ethernet("icmp-errors", "ICMP errors about a UDP flow, and about nothing", errors);
pub(super) const ECHO: Scenario =
    over_ethernet("icmp-echo", "pings of several ids both ways, time stamps, solicitation", echo);
pub(super) const V6: Scenario = over_ethernet("icmpv6", "ICMPv6: ping, errors about a UDP flow, neighbours", v6);

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const ROUTER: [u8; 4] = [10, 0, 0, 254];

/// An ICMP error from `from` to `to` that quotes the IP header and eight bytes of `about` (a packet over Ethernet).
fn error_about(from: [u8; 4], to: [u8; 4], kind: u8, code: u8, about: &Packet) -> Packet {
    let frame = Packet::ethernet(mac_of(from.into()), mac_of(to.into())).ipv4(from, to);
    frame.icmp(kind, code, [0; 4]).payload(&about.clone().build()[14..42])
}

fn errors(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 100 * MILLI_NS);
    let ends = Ends::v4(A, 1_111, B, 53);
    let asked = ends.udp(Side::Client, &[0; 20]);
    let answered = ends.udp(Side::Server, &[0; 20]);
    let unknown = Ends::v4(A, 2_222, B, 53).udp(Side::Client, &[0; 20]);
    script.send(asked.clone())?;
    script.send(error_about(B, A, 3, 3, &asked))?;
    script.send(error_about(ROUTER, A, 3, 1, &asked))?;
    script.send(error_about(ROUTER, A, 11, 0, &asked))?;
    script.send(error_about(A, B, 3, 3, &answered))?;
    script.send(error_about(B, A, 3, 3, &unknown))
}

fn echo(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 100 * MILLI_NS);
    let ends = Ends::v4(A, 0, B, 0);
    let echo = |from, kind, id| ends.packet(from).icmp_echo(kind, id, 1).payload(&[0; 32]);
    for id in [1, 2] {
        script.send(echo(Side::Client, 8, id))?;
        script.send(echo(Side::Server, 0, id))?;
    }
    script.send(echo(Side::Server, 8, 7))?;
    script.send(echo(Side::Client, 0, 7))?;
    script.send(echo(Side::Client, 0, 55))?;
    for (side, kind) in [(Side::Client, 13), (Side::Server, 14)] {
        script.send(ends.packet(side).icmp(kind, 0, [0, 9, 0, 1]).payload(&[0; 12]))?;
    }
    let all_routers = [224, 0, 0, 2];
    let solicitation = Packet::ethernet(mac_of(A.into()), mac_of(all_routers.into())).ipv4(A, all_routers);
    script.send(solicitation.icmp(10, 0, [0; 4]))
}

/// An address of the documentation network.
pub(super) const fn host6(number: u8) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number]
}

fn v6(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 100 * MILLI_NS);
    let ends = Ends::v6(host6(1), 1_111, host6(2), 53);
    script.send(ends.packet(Side::Client).icmp6_echo(128, 1, 1).payload(&[0; 32]))?;
    script.send(ends.packet(Side::Server).icmp6_echo(129, 1, 1).payload(&[0; 32]))?;
    let asked = ends.udp(Side::Client, &[0; 20]);
    let quoted = asked.clone().build();
    script.send(asked)?;
    script.send(ends.udp(Side::Server, &[0; 20]))?;
    // What an error quotes: the IPv6 packet, as much as fits.
    script.send(ends.packet(Side::Server).icmp6(1, 4, [0; 4]).payload(&quoted[14..]))?;
    script.send(ends.packet(Side::Server).icmp6(3, 0, [0; 4]).payload(&quoted[14..]))?;
    script.send(neighbour_solicitation(host6(1), host6(2)))?;
    script.send(neighbour_advertisement(host6(2), host6(1)))
}

/// Who has `target`? (RFC 4861 §4.3), to the solicited-node group of the target.
pub(super) fn neighbour_solicitation(from: [u8; 16], target: [u8; 16]) -> Packet {
    let [.., a, b, c] = target;
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    let frame = Packet::ethernet(mac_of(from.into()), mac_of(group.into())).ipv6(from, group).ttl(255);
    frame.icmp6(135, 0, [0; 4]).payload(&target).payload(&[1, 1]).payload(&mac_of(from.into()))
}

/// `from` is here (RFC 4861 §4.4), an answer to a solicitation.
pub(super) fn neighbour_advertisement(from: [u8; 16], to: [u8; 16]) -> Packet {
    let frame = Packet::ethernet(mac_of(from.into()), mac_of(to.into())).ipv6(from, to).ttl(255);
    frame.icmp6(136, 0, [0x60, 0, 0, 0]).payload(&from).payload(&[2, 1]).payload(&mac_of(from.into()))
}
