//! Fragments of IPv4 and IPv6: whole, out of order, overlapping, hostile, and never completed.
//!
//! `fragments`: each datagram has an identification of its own. The first three packets restate a worked example that was
//! tried on Suricata: one UDP flow of one packet and 2,034 bytes. Then, in both versions of IP: backwards; one sent twice;
//! two datagrams of one identification between different hosts; the six ways in which a fragment can overlap an earlier
//! one ([`OVERLAPS`]), each completed by what is missing; a first fragment of eight bytes; an end beyond 65,535 bytes; an
//! atomic fragment; a middle that is no multiple of eight bytes; packets of VXLAN cut outside; a datagram whose rest comes
//! after 61 seconds; and `flows` first fragments (default 1,000) of which nothing else comes.
//!
//! `fragment-flood`: `packets` first fragments (default 1,000,000) at `rate` a second (default 1,000,000), addresses and
//! identifications random, one in sixteen IPv6, nothing ever completed; before them a UDP question, and behind them its
//! answer: what is to survive.

use std::io;

use super::icmp::host6;
use super::script::Script;
use super::{MILLI_NS, Options, Output, SECOND_NS, START_NS, Scenario, emit, over_ethernet};
use crate::{Ends, Packet, Rng, Side, fragments_v4, fragments_v6, mac_of};

pub(super) const SCENARIO: Scenario = over_ethernet(
    "fragments",
    "whole, mixed up, overlapping and never completed datagrams (--flows of these)",
    fragments,
);
pub(super) const FLOOD: Scenario =
    over_ethernet("fragment-flood", "1,000,000 first fragments of which nothing else comes", flood);

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const MTU: usize = 820;
const UDP: u8 = 17;

/// Where a later fragment lies that overlaps an earlier one at bytes 32 to 64, in eights.
const OVERLAPS: [(&str, std::ops::Range<usize>); 6] = [
    ("begins before it, ends in it", 3..6),
    ("begins in it, ends behind it", 6..10),
    ("within it", 5..7),
    ("around it", 3..10),
    ("the same place", 4..8),
    ("begins with it, ends behind it", 4..10),
];
/// Eights in a datagram of the overlaps.
const EIGHTS: usize = 12;

/// Fragments of one version of IP between two hosts.
#[derive(Clone, Copy)]
enum Version {
    V4,
    V6,
}

impl Version {
    /// A fragment: identification, offset in bytes, whether more follow, bytes of the datagram.
    fn fragment(self, id: u16, offset: usize, more: bool, bytes: &[u8]) -> Packet {
        match self {
            Self::V4 => link().ipv4(A, B).fragment_v4(id, offset, more).protocol(UDP, bytes),
            Self::V6 => link().ipv6(host6(1), host6(2)).fragment_v6(id.into(), offset, more).protocol(UDP, bytes),
        }
    }

    /// A UDP datagram of `len` bytes of payload, cut into fragments.
    fn cut(self, port: u16, len: usize) -> Vec<Packet> {
        let bytes = match self {
            Self::V4 => Packet::bare().ipv4(A, B),
            Self::V6 => Packet::bare().ipv6(host6(1), host6(2)),
        };
        let datagram = bytes.udp(port, 53).payload(&vec![0x61; len]).build();
        let fragments = match self {
            Self::V4 => fragments_v4(&datagram, port, MTU),
            Self::V6 => fragments_v6(&datagram, port.into(), MTU),
        };
        fragments.iter().map(|fragment| link().ip_packet(fragment)).collect()
    }
}

fn link() -> Packet {
    Packet::ethernet(mac_of(A.into()), mac_of(B.into()))
}

fn fragments(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, 10 * MILLI_NS);
    // The worked example: whole and in order.
    send_all(&mut script, Version::V4.cut(1, 1_992))?;
    send_all(&mut script, Version::V6.cut(1, 1_992))?;
    for version in [Version::V4, Version::V6] {
        send_all(&mut script, version.cut(2, 3_000).into_iter().rev())?;
        let [first, last] = <[Packet; 2]>::try_from(version.cut(3, 1_500)).expect("two fragments");
        send_all(&mut script, [first.clone(), first, last])?;
        overlaps(version, &mut script)?;
        hostile(version, &mut script)?;
    }
    between_others(&mut script)?;
    script.send(link().ipv6(host6(1), host6(2)).fragment_v6(40, 0, false).udp(40, 53).payload(b"atomic"))?;
    in_vxlan(&mut script)?;
    let mut late = Version::V4.cut(50, 1_500).into_iter();
    send_all(&mut script, late.by_ref().take(1))?;
    script.wait(61 * SECOND_NS);
    send_all(&mut script, late)?;
    never_completed(options, &mut script)
}

fn send_all(script: &mut Script<'_>, packets: impl IntoIterator<Item = Packet>) -> io::Result<()> {
    packets.into_iter().try_for_each(|packet| script.send(packet))
}

/// Each way to overlap: the head, the earlier fragment, the later one, and then what is missing. Each fragment has bytes
/// of its own, so that what is put together tells which of them won.
fn overlaps(version: Version, script: &mut Script<'_>) -> io::Result<()> {
    for (number, (_, later)) in OVERLAPS.into_iter().enumerate() {
        let id = 10 + number as u16;
        let mut is_there = [false; EIGHTS];
        let mut send = |eights: std::ops::Range<usize>, byte: u8| {
            is_there[eights.clone()].fill(true);
            let mut bytes = vec![byte; 8 * eights.len()];
            if eights.start == 0 {
                bytes[..8].copy_from_slice(&[0, id as u8, 0, 53, 0, 8 * EIGHTS as u8, 0, 0]);
            }
            script.send(version.fragment(id, 8 * eights.start, eights.end < EIGHTS, &bytes))?;
            Ok::<_, io::Error>(is_there)
        };
        send(0..2, 1)?;
        send(4..8, 2)?;
        let mut covered = send(later, 3)?;
        while let Some(start) = covered.iter().position(|&there| !there) {
            let len = covered[start..].iter().take_while(|&&there| !there).count();
            covered = send(start..start + len, 4)?;
        }
    }
    Ok(())
}

/// A first fragment without the whole transport header (RFC 1858, RFC 7112), an end beyond what a datagram may have, and a
/// middle that no datagram has.
fn hostile(version: Version, script: &mut Script<'_>) -> io::Result<()> {
    let mut segment = Packet::bare().udp(20, 53).payload(&[5; 56]).build();
    segment.truncate(64);
    script.send(version.fragment(20, 0, true, &segment[..8]))?;
    script.send(version.fragment(20, 8, false, &segment[8..]))?;
    script.send(version.fragment(21, 0, true, &[6; 400]))?;
    script.send(version.fragment(21, 65_528, false, &[6; 400]))?;
    script.send(version.fragment(22, 0, true, &[7; 13]))
}

/// Two datagrams with the same identification between different hosts, interleaved; and one in a VLAN.
fn between_others(script: &mut Script<'_>) -> io::Result<()> {
    let other = Packet::bare().ipv4(B, A).udp(30, 53).payload(&[0x62; 1_500]).build();
    for (one, two) in Version::V4.cut(30, 1_500).into_iter().zip(fragments_v4(&other, 30, MTU)) {
        script.send(one)?;
        script.send(link().ip_packet(&two))?;
    }
    let tagged = Packet::bare().ipv4(A, B).udp(31, 53).payload(&[0x63; 1_500]).build();
    send_all(script, fragments_v4(&tagged, 31, MTU).iter().map(|fragment| link().vlan(256).ip_packet(fragment)))
}

/// VXLAN packets that were cut on their way: the outer datagram is in fragments, the inner one whole.
fn in_vxlan(script: &mut Script<'_>) -> io::Result<()> {
    let inner = Ends::v4([10, 9, 0, 1], 1_000, [10, 9, 0, 2], 2_000).udp(Side::Client, &[0x64; 1_400]).build();
    let v4 = Packet::bare().ipv4(A, B).vxlan(7).frame(&inner).build();
    send_all(script, fragments_v4(&v4, 41, MTU).iter().map(|fragment| link().ip_packet(fragment)))?;
    let v6 = Packet::bare().ipv6(host6(1), host6(2)).vxlan(7).frame(&inner).build();
    send_all(script, fragments_v6(&v6, 41, MTU).iter().map(|fragment| link().ip_packet(fragment)))
}

/// First fragments of datagrams of which nothing else comes.
fn never_completed(options: &Options, script: &mut Script<'_>) -> io::Result<()> {
    let mut rng = Rng::new(options.seed);
    for number in 0..options.flows.unwrap_or(1_000) {
        script.send(lone_first(&mut rng, number.is_multiple_of(16)))?;
    }
    Ok(())
}

fn flood(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut rng = Rng::new(options.seed);
    let packets = options.packets.unwrap_or(1_000_000);
    let rate = u128::from(options.rate.unwrap_or(1_000_000).max(1));
    let time_of = |number: u64| START_NS + (u128::from(number) * u128::from(SECOND_NS) / rate) as u64;
    let bystander = Ends::v4([10, 1, 0, 1], 1_000, [10, 1, 0, 2], 53);
    emit(out, START_NS, bystander.udp(Side::Client, b"question"))?;
    for number in 0..packets {
        emit(out, time_of(number), lone_first(&mut rng, number.is_multiple_of(16)))?;
    }
    emit(out, time_of(packets), bystander.udp(Side::Server, b"answer"))
}

/// A first fragment from a random address with a random identification.
fn lone_first(rng: &mut Rng, is_v6: bool) -> Packet {
    let mut bytes = [0; 64];
    bytes[..4].copy_from_slice(&rng.word().to_be_bytes());
    let [a, b, c, d] = rng.word().to_be_bytes();
    if is_v6 {
        let mut src = host6(0);
        src[8..12].copy_from_slice(&[a, b, c, d]);
        return link().ipv6(src, host6(2)).fragment_v6(rng.word(), 0, true).protocol(UDP, &bytes);
    }
    link().ipv4([a % 223 + 1, b, c, d], B).fragment_v4(rng.word() as u16, 0, true).protocol(UDP, &bytes)
}
