//! `tunnels`: every kind of encapsulation with conversations inside.
//!
//! Each kind ([`kinds`]) carries, between hosts of its own (10.0.k.1 and 10.0.k.2, or 2001:db8::k:1 and ::k:2), a TCP
//! connection of eight packets and a UDP question and answer, in IPv4 and, with other addresses, in IPv6; where a kind has
//! an identity (VNI, key, TEID, label, tag), everything comes twice, with the same five-tuples under two identities. So each kind
//! makes two inner flows for each version of IP and each identity, and none of two kinds have a tuple in common.
//! At the end a WireGuard handshake, a cookie and data, which nobody can look into: one flow.

use std::io;

use super::icmp::host6;
use super::script::Script;
use super::{MILLI_NS, Options, Output, Scenario, over_ethernet};
use crate::{Ends, Gre, Gtp, L2tp, Packet, Session, Side, WireGuard, mac_of};

use Side::{Client, Server};

pub(super) const SCENARIO: Scenario =
    over_ethernet("tunnels", "TCP and UDP in every kind of encapsulation, the same tuples under two identities", run);

/// Length of the Ethernet header that [`Ends::packet`] begins with.
const ETHERNET: usize = 14;

/// A kind of encapsulation.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// What it is called here.
    pub name: &'static str,
    /// What it lies in.
    pub over: Over,
    /// What it carries.
    pub carries: Carries,
    /// Whether it has something that tells two tunnels between the same hosts apart.
    pub has_identity: bool,
    /// Its place among all kinds, from 0: part of the addresses.
    pub number: u8,
    headers: fn(Packet, u32) -> Packet,
}

/// What an encapsulation lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// An Ethernet header.
    Ethernet,
    /// An Ethernet header with a length in place of the type.
    Sized,
    /// An IPv4 header.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
}

/// What an encapsulation carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carries {
    /// IPv4 or IPv6.
    Ip,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Whole Ethernet frames.
    Frames,
}

impl Tunnel {
    /// Ends of the conversations inside, IPv4 and IPv6; those that it does not carry are left out.
    pub fn inner_ends(&self) -> impl Iterator<Item = Ends> {
        let k = self.number;
        let v4 = (self.carries != Carries::Ipv6).then(|| Ends::v4([10, 0, k, 1], 40_000, [10, 0, k, 2], 80));
        let host = |last| {
            let mut address = host6(last);
            address[13] = k;
            address
        };
        let v6 = (self.carries != Carries::Ipv4).then(|| Ends::v6(host(1), 40_000, host(2), 80));
        v4.into_iter().chain(v6)
    }

    /// The packet that carries `frame` (Ethernet) from one side to the other, under one of the identities.
    #[must_use]
    pub fn wrap(&self, from: Side, identity: u32, frame: &[u8]) -> Packet {
        let k = self.number;
        let v4 = Ends::v4([172, 16, k, 1], 0, [172, 16, k, 2], 0);
        let (src, dst, ..) = v4.seen_from(from);
        let outer = match self.over {
            Over::Ethernet => Packet::ethernet(mac_of(src), mac_of(dst)),
            Over::Sized => Packet::ethernet_sized(mac_of(src), mac_of(dst)),
            Over::Ipv4 => v4.packet(from),
            Over::Ipv6 => Ends::v6(host6(100 + k), 0, host6(99), 0).packet(from),
        };
        let around = (self.headers)(outer, identity);
        if self.carries == Carries::Frames { around.frame(frame) } else { around.ip_packet(&frame[ETHERNET..]) }
    }
}

/// Every kind of encapsulation but those that are encrypted.
#[must_use]
pub fn kinds() -> Vec<Tunnel> {
    let tables = [LINK, GRE, IP_IN_IP, OVER_UDP];
    let all = tables.into_iter().flatten().enumerate();
    all.map(|(number, &tunnel)| Tunnel { number: number as u8, ..tunnel }).collect()
}

/// A kind without an identity.
const fn plain(name: &'static str, over: Over, carries: Carries, headers: fn(Packet, u32) -> Packet) -> Tunnel {
    Tunnel { name, over, carries, has_identity: false, number: 0, headers }
}

/// A kind with an identity.
const fn named(name: &'static str, over: Over, carries: Carries, headers: fn(Packet, u32) -> Packet) -> Tunnel {
    Tunnel { name, over, carries, has_identity: true, number: 0, headers }
}

/// Tags and headers below IP. Of tags the VLAN id is an identity; service and port tags are ones as well.
const LINK: &[Tunnel] = &[
    named("vlan", Over::Ethernet, Carries::Ip, |packet, id| packet.vlan(id as u16)),
    named("q-in-q", Over::Ethernet, Carries::Ip, |packet, id| packet.vlan_tagged_as(0x88a8, 10).vlan(id as u16)),
    named("three tags", Over::Ethernet, Carries::Ip, |packet, id| {
        packet.vlan_tagged_as(0x9100, 10).vlan(20).vlan(id as u16)
    }),
    named("802.1ah", Over::Ethernet, Carries::Ip, Packet::provider_backbone),
    named("e-tag", Over::Ethernet, Carries::Ip, |packet, id| packet.etag(id as u16)),
    named("vn-tag", Over::Ethernet, Carries::Ip, |packet, id| packet.vntag(id as u16)),
    named("fabricpath", Over::Ethernet, Carries::Frames, |packet, id| packet.fabric_path(id as u16)),
    plain("snap", Over::Sized, Carries::Ip, |packet, _| packet.snap()),
    named("pppoe", Over::Ethernet, Carries::Ip, |packet, id| packet.pppoe(id as u16)),
    named("mpls", Over::Ethernet, Carries::Ip, Packet::mpls),
    named("mpls, two labels", Over::Ethernet, Carries::Ip, |packet, id| packet.mpls(200).mpls(id)),
    named("pseudo-wire", Over::Ethernet, Carries::Frames, |packet, id| packet.mpls(id).pseudo_wire(1)),
    named("nsh", Over::Ethernet, Carries::Ip, Packet::nsh),
    named("nsh with context", Over::Ethernet, Carries::Frames, |packet, id| packet.nsh_context(id, [7; 16])),
    named("nsh, mpls", Over::Ethernet, Carries::Ip, |packet, id| packet.nsh(id).mpls(300)),
];

const GRE: &[Tunnel] = &[
    plain("gre", Over::Ipv4, Carries::Ip, |packet, _| packet.gre()),
    named("gre, key and sequence", Over::Ipv4, Carries::Ip, |packet, id| packet.gre_keyed(id, 1)),
    plain("gre, checksum", Over::Ipv4, Carries::Ip, |packet, _| {
        packet.gre_with(Gre { checksum: true, ..Gre::default() })
    }),
    plain("gre, source route", Over::Ipv4, Carries::Ip, |packet, _| {
        packet.gre_with(Gre { routing: &[(0x0800, 0, &[192, 0, 2, 1])], ..Gre::default() })
    }),
    plain("gre, frames", Over::Ipv4, Carries::Frames, |packet, _| packet.gre()),
    plain("gre over IPv6", Over::Ipv6, Carries::Ip, |packet, _| packet.gre()),
    named("gre, vlan", Over::Ipv4, Carries::Ip, |packet, id| packet.gre().vlan(id as u16)),
    named("mpls in gre", Over::Ipv4, Carries::Ip, |packet, id| packet.gre().mpls(id)),
    named("nvgre", Over::Ipv4, Carries::Frames, |packet, id| packet.nvgre(id, 1)),
    named("pptp", Over::Ipv4, Carries::Ip, |packet, id| packet.pptp(id as u16, Some(1), Some(2)).ppp()),
    named("pptp, compressed", Over::Ipv4, Carries::Ip, |packet, id| {
        packet.pptp(id as u16, Some(1), None).ppp_compressed()
    }),
    plain("erspan 1", Over::Ipv4, Carries::Frames, |packet, _| packet.erspan_1()),
    named("erspan 2", Over::Ipv4, Carries::Frames, |packet, id| packet.erspan(id as u16, 44)),
    named("erspan 3", Over::Ipv4, Carries::Frames, |packet, id| packet.erspan_3(id as u16, 44, None)),
    named("erspan 3, subheader", Over::Ipv4, Carries::Frames, |packet, id| {
        packet.erspan_3(id as u16, 44, Some([1; 8]))
    }),
];

const IP_IN_IP: &[Tunnel] = &[
    plain("ip in IPv4", Over::Ipv4, Carries::Ip, |packet, _| packet),
    plain("ip in IPv6", Over::Ipv6, Carries::Ip, |packet, _| packet),
    plain("ip in IPv6 with extensions", Over::Ipv6, Carries::Ip, |packet, _| {
        packet.hop_by_hop(&[5, 2, 0, 0]).segment_routing(&[host6(99)]).destination_options(&[])
    }),
    named("ah in IPv4", Over::Ipv4, Carries::Ip, |packet, id| packet.ah(id, 1)),
    named("ah in IPv6", Over::Ipv6, Carries::Ip, |packet, id| packet.ah(id, 1)),
    plain("etherip", Over::Ipv4, Carries::Frames, |packet, _| packet.etherip()),
    named("mpls in ip", Over::Ipv4, Carries::Ip, Packet::mpls),
    named("l2tpv3", Over::Ipv4, Carries::Frames, |packet, id| packet.l2tpv3(id, &[1, 2, 3, 4], Some(1))),
    named("l2tpv3 in udp", Over::Ipv4, Carries::Frames, |packet, id| packet.l2tpv3_in_udp(id, &[1, 2, 3, 4], None)),
    named("l2tp", Over::Ipv4, Carries::Ip, |packet, id| packet.l2tp(1, id as u16, L2tp::default()).ppp()),
    named("l2tp, all fields", Over::Ipv4, Carries::Ip, |packet, id| {
        packet.l2tp(1, id as u16, L2tp { length: true, sequence: Some((1, 2)), offset: Some(2) }).ppp()
    }),
];

const OVER_UDP: &[Tunnel] = &[
    named("vxlan", Over::Ipv4, Carries::Frames, Packet::vxlan),
    named("vxlan over IPv6", Over::Ipv6, Carries::Frames, Packet::vxlan),
    named("vxlan-gpe", Over::Ipv4, Carries::Ip, Packet::vxlan_gpe),
    named("vxlan-gpe, frames", Over::Ipv4, Carries::Frames, Packet::vxlan_gpe),
    named("vxlan-gpe, nsh", Over::Ipv4, Carries::Ip, |packet, id| packet.vxlan_gpe(id).nsh(1)),
    named("geneve", Over::Ipv4, Carries::Ip, Packet::geneve),
    named("geneve, frames", Over::Ipv4, Carries::Frames, Packet::geneve),
    named("geneve, options", Over::Ipv4, Carries::Frames, |packet, id| {
        packet.geneve_with(id, &[(0x0102, 1, &[1, 2, 3, 4]), (0x0103, 2, &[])])
    }),
    plain("teredo", Over::Ipv4, Carries::Ipv6, |packet, _| packet.teredo()),
    plain("teredo, origin", Over::Ipv4, Carries::Ipv6, |packet, _| {
        packet.teredo().teredo_origin([192, 0, 2, 45], 4_096)
    }),
    plain("teredo, authentication and origin", Over::Ipv4, Carries::Ipv6, |packet, _| {
        packet.teredo().teredo_authentication(b"client", b"value").teredo_origin([192, 0, 2, 45], 4_096)
    }),
    named("gtp-u", Over::Ipv4, Carries::Ip, |packet, id| packet.gtp(id, Gtp::default())),
    named("gtp-u, sequence", Over::Ipv4, Carries::Ip, |packet, id| {
        packet.gtp(id, Gtp { sequence: Some(9), ..Gtp::default() })
    }),
    named("gtp-u, extensions", Over::Ipv4, Carries::Ip, |packet, id| {
        packet.gtp(id, Gtp { sequence: None, extensions: &[(0x85, &[0, 9]), (0x40, &[8, 0x68])] })
    }),
    plain("gue", Over::Ipv4, Carries::Ip, |packet, _| packet.gue()),
    plain("gue without header", Over::Ipv4, Carries::Ip, |packet, _| packet.gue_direct()),
    plain("fou", Over::Ipv4, Carries::Ipv4, |packet, _| packet.fou(5_555)),
    named("mpls in udp", Over::Ipv4, Carries::Ip, |packet, id| packet.mpls_in_udp().mpls(id)),
];

fn run(_: &Options, out: &mut Output<'_>) -> io::Result<()> {
    let mut script = Script::new(out, MILLI_NS);
    for tunnel in kinds() {
        for identity in [101, 202].into_iter().take(if tunnel.has_identity { 2 } else { 1 }) {
            for ends in tunnel.inner_ends() {
                for (from, frame) in conversation(ends, script.now_ns) {
                    script.send(tunnel.wrap(from, identity, &frame.build()))?;
                }
            }
        }
    }
    let outer = Ends::v4([172, 16, 255, 1], 0, [172, 16, 255, 2], 0);
    for (from, message) in [
        (Client, WireGuard::Initiation(7)),
        (Server, WireGuard::Response(8, 7)),
        (Client, WireGuard::Data(8, 0, &[0xe5; 48])),
        (Server, WireGuard::Data(7, 0, &[0xe5; 48])),
        (Server, WireGuard::Cookie(7)),
    ] {
        script.send(outer.packet(from).wireguard(message))?;
    }
    Ok(())
}

/// What goes through each tunnel: who sends it, and the packet over Ethernet.
fn conversation(ends: Ends, at_ns: u64) -> Vec<(Side, Packet)> {
    let mut tcp = Session::new(ends, 100, 200);
    vec![
        (Client, tcp.syn(at_ns)),
        (Server, tcp.syn_ack(at_ns)),
        (Client, tcp.ack(Client, at_ns)),
        (Client, tcp.data(Client, b"question", at_ns)),
        (Server, tcp.data(Server, b"answer", at_ns)),
        (Client, tcp.fin(Client, at_ns)),
        (Server, tcp.fin(Server, at_ns)),
        (Client, tcp.ack(Client, at_ns)),
        (Client, ends.udp(Client, b"question")),
        (Server, ends.udp(Server, b"answer")),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn packet_wrapped_then_it_ends_with_what_it_carries() {
        for tunnel in kinds() {
            for ends in tunnel.inner_ends() {
                let inner = ends.udp(Client, b"question").build();
                let carried = if tunnel.carries == Carries::Frames { &inner } else { &inner[ETHERNET..] };
                let whole = tunnel.wrap(Client, 101, &inner).build();
                assert!(whole.ends_with(carried) && whole.len() > carried.len(), "{}", tunnel.name);
                let other = tunnel.wrap(Client, 202, &inner).build();
                assert_eq!(whole != other, tunnel.has_identity, "{}", tunnel.name);
            }
        }
    }

    #[test]
    fn no_two_kinds_have_a_name_or_an_inner_tuple_in_common() {
        let all = kinds();
        let names: HashSet<_> = all.iter().map(|tunnel| tunnel.name).collect();
        let ends: Vec<_> = all.iter().flat_map(Tunnel::inner_ends).collect();
        let clients: HashSet<_> = ends.iter().map(|ends| ends.client).collect();
        assert_eq!((names.len(), clients.len()), (all.len(), ends.len()));
    }
}
