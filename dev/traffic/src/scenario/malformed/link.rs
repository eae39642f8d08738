//! What can be wrong before the IP header.

use super::{A, B, Case, ether, udp};
use crate::{Link, Packet};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = link_headers();
    cases.extend(ppp());
    cases.extend(tags());
    cases.extend(mpls());
    cases.extend(nsh());
    cases.extend(arp());
    cases
}

fn link_headers() -> Vec<Case> {
    let on = |link: Link, event, len| Case::on(link, event, udp(Packet::on(link).ipv4(A, B))[..len].to_vec());
    vec![
        on(Link::Ethernet, "ethernet.pkt_too_small", 13),
        Case::ethernet("ethernet.unknown_ethertype", ether().ether_type(0x9999, &[0; 46]).build()),
        on(Link::Sll, "sll.pkt_too_small", 15),
        on(Link::Sll2, "sll2.pkt_too_small", 19),
        on(Link::Null, "ltnull.pkt_too_small", 3),
        Case::on(Link::Null, "ltnull.unsupported_type", udp(Packet::on(Link::Null).patch(0, &[99]).ipv4(A, B))),
        on(Link::Chdlc, "chdlc.pkt_too_small", 3),
        Case::on(Link::Raw, "ipraw.invalid_ip_version", udp(Packet::bare().ipv4(A, B).patch(0, &[0x75]))),
    ]
}

fn ppp() -> Vec<Case> {
    let ppp = |protocol, bytes: &[u8]| Packet::on(Link::Ppp).ppp_protocol(protocol, bytes).build();
    let on = |event, frame| Case::on(Link::Ppp, event, frame);
    // A service name, and a host's own tag that ends outside the message.
    let overrun = [1, 1, 0, 0, 1, 3, 0, 60, 0, 0];
    vec![
        on("ppp.pkt_too_small", vec![0xff, 3, 0]),
        on("ppp.vju_pkt_too_small", ppp(0x002f, &[0x45; 10])),
        on("ppp.ip4_pkt_too_small", ppp(0x0021, &[0x45; 19])),
        on("ppp.ip6_pkt_too_small", ppp(0x0057, &[0x60; 39])),
        on("ppp.wrong_type", ppp(0x1235, &[0; 40])),
        on("ppp.unsup_proto", ppp(0x0029, &[0; 40])),
        Case::ethernet("pppoe.pkt_too_small", ether().ether_type(0x8864, &[0x11, 0, 0, 1]).build()),
        Case::ethernet("pppoe.wrong_code", ether().pppoe_discovery(0x55, &[1, 1, 0, 0]).build()),
        Case::ethernet("pppoe.malformed_tags", ether().pppoe_discovery(9, &overrun).patch(4, &[0, 68]).build()),
    ]
}

fn tags() -> Vec<Case> {
    let short = |ether_type, len| ether().ether_type(ether_type, &[0; 17][..len]).build();
    vec![
        Case::ethernet("vlan.header_too_small", short(0x8100, 3)),
        Case::ethernet("vlan.unknown_type", ether().vlan(5).ether_type(0x9999, &[0; 46]).build()),
        Case::ethernet("vlan.too_many_layers", udp(ether().vlan(1).vlan(2).vlan(3).vlan(4).ipv4(A, B))),
        Case::ethernet("ieee8021ah.header_too_small", short(0x88e7, 17)),
        Case::ethernet("vntag.header_too_small", short(0x8926, 5)),
        Case::ethernet("vntag.unknown_type", ether().vntag(1).ether_type(0x9999, &[0; 46]).build()),
        Case::ethernet("etag.header_too_small", short(0x893f, 7)),
        Case::ethernet("etag.unknown_type", ether().etag(1).ether_type(0x9999, &[0; 46]).build()),
        Case::ethernet("dce.pkt_too_small", short(0x8903, 1)),
    ]
}

fn mpls() -> Vec<Case> {
    let label = |label| udp(ether().mpls(label).ipv4(A, B));
    vec![
        Case::ethernet("mpls.header_too_small", ether().ether_type(0x8847, &[0, 1, 1]).build()),
        Case::ethernet("mpls.pkt_too_small", ether().mpls(100).payload(&[0x45, 0, 0]).build()),
        Case::ethernet("mpls.bad_label_router_alert", label(1)),
        Case::ethernet("mpls.bad_label_implicit_null", label(3)),
        Case::ethernet("mpls.bad_label_reserved", label(9)),
        Case::ethernet("mpls.unknown_payload_type", ether().mpls(100).payload(&[0x95; 40]).build()),
    ]
}

fn nsh() -> Vec<Case> {
    let patched = |offset, byte| udp(ether().nsh(1).patch(offset, &[byte]).ipv4(A, B));
    vec![
        Case::ethernet("nsh.header_too_small", ether().ether_type(0x894f, &[0x0f, 0xc2, 2, 1, 0, 0, 1]).build()),
        // Version in the upper two bits of the first byte; length in the lower six of the second, in words.
        Case::ethernet("nsh.unsupported_version", patched(0, 0x4f)),
        Case::ethernet("nsh.bad_header_length", patched(1, 0xff)),
        Case::ethernet("nsh.reserved_type", patched(2, 0)),
        Case::ethernet("nsh.unsupported_type", patched(2, 7)),
        Case::ethernet("nsh.unknown_payload", patched(3, 99)),
    ]
}

fn arp() -> Vec<Case> {
    let mac = [2, 0, 0, 0, 0, 1];
    let request = || ether().arp(1, (mac, A), ([0; 6], B));
    vec![
        Case::ethernet("arp.pkt_too_small", request().cut(7).build()),
        Case::ethernet("arp.unsupported_hardware", request().patch(0, &[0, 6]).build()),
        Case::ethernet("arp.unsupported_protocol", request().patch(2, &[0x86, 0xdd]).build()),
        Case::ethernet("arp.invalid_pkt", request().cut(27).build()),
        Case::ethernet("arp.invalid_hardware_size", request().patch(4, &[8]).build()),
        Case::ethernet("arp.invalid_protocol_size", request().patch(5, &[16]).build()),
        Case::ethernet("arp.unsupported_opcode", request().patch(6, &[0, 77]).build()),
    ]
}
