//! `links`: the same conversation over every link type, one interface each, in one pcapng file; `--link` and `--split`
//! write classic pcap files of one link type.
//!
//! On each link: a UDP question and answer, a whole TCP connection of seven packets, a ping, all in IPv4; the same in
//! IPv6; 22 packets in 6 flows. The links that carry one version of IP have that half alone. Frames of the wireless link
//! have a header that no flow tool decodes.

use std::io;

use super::icmp::host6;
use super::{MILLI_NS, Options, Output, START_NS, Scenario};
use crate::{Ends, Link, Packet, Session, Side};

use Side::{Client, Server};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "links",
    summary: "the same conversation over every link type",
    links: &Link::ALL,
    snaplen: 262_144,
    buffers: super::BUFFERS,
    run,
};

/// Length of the Ethernet header that [`Ends::packet`] begins with.
const ETHERNET: usize = 14;

fn run(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut at_ns = START_NS;
    for (interface, link) in Link::ALL.into_iter().enumerate() {
        let v4 = (link != Link::Ipv6).then(|| Ends::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80));
        let v6 = (link != Link::Ipv4).then(|| Ends::v6(host6(1), 40_000, host6(2), 80));
        for ends in [v4, v6].into_iter().flatten() {
            for packet in conversation(ends) {
                out.send(at_ns, interface as u32, relinked(link, packet))?;
                at_ns += MILLI_NS;
            }
        }
    }
    Ok(())
}

/// The packet with the first header of `link` in place of its Ethernet header.
fn relinked(link: Link, packet: Packet) -> Packet {
    if link == Link::Ethernet {
        return packet;
    }
    let frame = packet.build();
    Packet::on(link).ip_packet(&frame[ETHERNET..])
}

fn conversation(ends: Ends) -> Vec<Packet> {
    // One time for the TCP time stamps of all links, so that nothing but the first header differs.
    let at_ns = START_NS;
    let mut tcp = Session::new(ends, 100, 200);
    let echo = |side, kind4: u8, kind6: u8| {
        let packet = ends.packet(side);
        let packet = if ends.client.is_ipv4() { packet.icmp_echo(kind4, 1, 1) } else { packet.icmp6_echo(kind6, 1, 1) };
        packet.payload(&[0; 32])
    };
    vec![
        ends.udp(Client, b"question"),
        ends.udp(Server, b"answer"),
        tcp.syn(at_ns),
        tcp.syn_ack(at_ns),
        tcp.ack(Client, at_ns),
        tcp.data(Client, b"hello", at_ns),
        tcp.fin(Client, at_ns),
        tcp.fin(Server, at_ns),
        tcp.ack(Client, at_ns),
        echo(Client, 8, 128),
        echo(Server, 0, 129),
    ]
}
