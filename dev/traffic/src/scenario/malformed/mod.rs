//! `malformed`: for each decoder event that a file can produce, a frame made to raise it.
//!
//! Every frame is right in all but one thing. [`cases`] is public so that the decoder's tests can ask, case by case,
//! whether the event that was aimed at is the one that is raised. After the cases come the same frames cut short at every
//! length (`rounds` given), which is what decoders must survive rather than name.
//!
//! Not made: `afpacket.trunc_pkt` (no file can), `frag_ignored` (memory has to run out), `ipv4.opt_unknown` (an unknown
//! option is `opt_invalid`). Overlaps and oversize are found when fragments are put together, not by decoding one.

mod ip;
mod link;
mod transport;
mod tunnel;

use std::io;

use super::{MILLI_NS, Options, Output, START_NS, Scenario};
use crate::{Link, Packet};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "malformed",
    summary: "one frame for every decoder event; with --rounds also every frame cut at every length",
    links: &Link::ALL,
    snaplen: 262_144,
    buffers: super::BUFFERS,
    run,
};

/// A frame that is wrong in one thing.
#[derive(Clone, Debug)]
pub struct Case {
    /// The event it is aimed at: what follows `decoder.event.` in the counter's name.
    pub event: &'static str,
    /// Link type of the frame.
    pub link: Link,
    /// The frame. Where an event needs several (fragments), the case stands once for each, in order.
    pub frame: Vec<u8>,
}

impl Case {
    const fn on(link: Link, event: &'static str, frame: Vec<u8>) -> Self {
        Self { event, link, frame }
    }

    const fn ethernet(event: &'static str, frame: Vec<u8>) -> Self {
        Self::on(Link::Ethernet, event, frame)
    }
}

/// All cases, from the outermost header to the innermost.
#[must_use]
pub fn cases() -> Vec<Case> {
    [link::cases(), ip::v4_cases(), ip::v6_cases(), transport::cases(), tunnel::cases()].concat()
}

fn run(options: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut at_ns = START_NS;
    let cases = cases();
    for case in &cases {
        send(out, &mut at_ns, case.link, &case.frame)?;
    }
    if options.rounds.is_some() {
        for case in &cases {
            for len in 0..case.frame.len() {
                send(out, &mut at_ns, case.link, &case.frame[..len])?;
            }
        }
    }
    Ok(())
}

fn send(out: &mut Output<'_>, at_ns: &mut u64, link: Link, bytes: &[u8]) -> io::Result<()> {
    let interface = Link::ALL.iter().position(|&l| l == link).expect("every link type is listed") as u32;
    out.send(*at_ns, interface, Packet::bare().payload(bytes))?;
    *at_ns += MILLI_NS;
    Ok(())
}

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

/// An Ethernet header.
fn ether() -> Packet {
    Packet::on(Link::Ethernet)
}

/// Ethernet and IPv4.
fn v4() -> Packet {
    ether().ipv4(A, B)
}

/// Ethernet and IPv6.
fn v6() -> Packet {
    ether().ipv6(super::icmp::host6(1), super::icmp::host6(2))
}

/// A small UDP datagram to go inside something.
fn udp(packet: Packet) -> Vec<u8> {
    packet.udp(1_000, 2_000).payload(b"inside").build()
}
