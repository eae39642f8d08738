//! Tunnels, put together header by header, and one well-formed frame of each.

use super::*;

/// UDP to and from a port, as tunnels use it.
pub(crate) fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = ((8 + payload.len()) as u16).to_be_bytes();
    cat(&[&[0xc0, 1], &port.to_be_bytes(), &len, &[0, 0], payload])
}

/// GRE: the two bytes of flags, the protocol, and what the flags announce.
pub(crate) fn gre(flags: [u8; 2], protocol: u16, optional: &[u8], payload: &[u8]) -> Vec<u8> {
    cat(&[&flags, &protocol.to_be_bytes(), optional, payload])
}

pub(crate) fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    cat(&[&[8, 0, 0, 0], &(vni << 8).to_be_bytes(), frame])
}

/// VXLAN-GPE with a protocol.
pub(crate) fn vxlan_gpe(vni: u32, protocol: u8, payload: &[u8]) -> Vec<u8> {
    cat(&[&[0x0c, 0, 0, protocol], &(vni << 8).to_be_bytes(), payload])
}

pub(crate) fn geneve(vni: u32, kind: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let start = [(options.len() / 4) as u8, 0];
    cat(&[&start, &kind.to_be_bytes(), &(vni << 8).to_be_bytes(), options, payload])
}

/// GTP-U; `optional` is what the flags announce.
pub(crate) fn gtpu(flags: u8, message: u8, teid: u32, optional: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = ((optional.len() + payload.len()) as u16).to_be_bytes();
    cat(&[&[0x30 | flags, message], &len, &teid.to_be_bytes(), optional, payload])
}

/// GUE of version 0 without extensions.
pub(crate) fn gue(protocol: u8, payload: &[u8]) -> Vec<u8> {
    cat(&[&[0, protocol, 0, 0], payload])
}

/// L2TP version 2 with a length, around PPP.
pub(crate) fn l2tp_2(tunnel: u16, session: u16, payload: &[u8]) -> Vec<u8> {
    let len = ((8 + payload.len()) as u16).to_be_bytes();
    cat(&[&[0x40, 2], &len, &tunnel.to_be_bytes(), &session.to_be_bytes(), payload])
}

/// L2TP version 3 over UDP with a cookie.
pub(crate) fn l2tp_3(session: u32, cookie: &[u8], payload: &[u8]) -> Vec<u8> {
    cat(&[&[0, 3, 0, 0], &session.to_be_bytes(), cookie, payload])
}

/// An authentication header with a check value of twelve bytes.
pub(crate) fn ah(next_header: u8, spi: u32, payload: &[u8]) -> Vec<u8> {
    cat(&[&[next_header, 4, 0, 0], &spi.to_be_bytes(), &[0, 0, 0, 1], &[9; 12], payload])
}

/// ERSPAN of version 1 (type II).
pub(crate) fn erspan_2(vlan: u16, session: u16, frame: &[u8]) -> Vec<u8> {
    cat(&[&(0x1000 | vlan).to_be_bytes(), &session.to_be_bytes(), &[0; 4], frame])
}

/// ERSPAN of version 2 (type III); `last` holds the frame type and whether a subheader follows.
pub(crate) fn erspan_3(vlan: u16, session: u16, last: [u8; 2], rest: &[u8]) -> Vec<u8> {
    cat(&[&(0x2000 | vlan).to_be_bytes(), &session.to_be_bytes(), &[0; 6], &last, rest])
}

/// A SNAP frame behind an Ethernet header.
pub(crate) fn snap(kind: u16, payload: &[u8]) -> Vec<u8> {
    let llc = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0], &kind.to_be_bytes(), payload]);
    ethernet(llc.len() as u16, &llc)
}

/// The segment that every tunnel below holds.
pub(crate) fn segment() -> Vec<u8> {
    tcp(0x18, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], b"hello")
}

/// One well-formed frame of each tunnel, with [`segment`] inside.
pub(crate) fn tunnels() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let (v4, v6) = (ipv4(6, &segment()), ipv6(6, &segment()));
    let frame = ethernet(0x0800, &v4);
    let mpls = cat(&[&label(16, true), &v4]);
    let key = [0, 0, 1, 2];
    let ppp = cat(&[&[0xff, 3, 0, 0x21], &v4]);
    let over_gre =
        |flags, protocol, optional: &[u8], payload: &[u8]| eth4(47, &gre(flags, protocol, optional, payload));
    let over_udp = |port, payload: &[u8]| eth4(17, &udp_to(port, payload));
    let pptp = cat(&[&(ppp.len() as u16).to_be_bytes(), &[0, 7], &[0, 0, 0, 1]]);
    let in_vlan = |payload: &[u8]| ethernet(0x8100, &vlan(9, 0x0800, &ipv4(17, &udp_to(4789, payload))));
    let alert = [5, 2, 0, 0, 0, 0];
    [
        ("tunnel-gre-ipv4", over_gre([0, 0], 0x0800, &[], &v4)),
        ("tunnel-gre-key-ipv6", over_gre([0x20, 0], 0x86dd, &key, &v6)),
        ("tunnel-gre-all-bridged", over_gre([0xb0, 0], 0x6558, &[0; 12], &frame)),
        ("tunnel-gre-ppp", over_gre([0, 0], 0x880b, &[], &ppp)),
        ("tunnel-gre-pptp", over_gre([0x30, 1], 0x880b, &pptp, &ppp)),
        ("tunnel-gre-vlan", over_gre([0, 0], 0x8100, &[], &vlan(5, 0x0800, &v4))),
        ("tunnel-gre-mpls", over_gre([0, 0], 0x8847, &[], &mpls)),
        ("tunnel-gre-nsh", over_gre([0, 0], 0x894f, &[], &nsh(1, &v4))),
        ("tunnel-gre-over-ipv6", eth6(47, &gre([0, 0], 0x0800, &[], &v4))),
        ("tunnel-gre-behind-options", eth6(60, &extension(47, &alert, &gre([0, 0], 0x0800, &[], &v4)))),
        ("tunnel-nvgre", over_gre([0x20, 0], 0x6558, &[0, 0, 5, 7], &frame)),
        ("tunnel-erspan-1", over_gre([0, 0], 0x88be, &[], &frame)),
        ("tunnel-erspan-2", over_gre([0x10, 0], 0x88be, &[0, 0, 0, 1], &erspan_2(7, 3, &frame))),
        ("tunnel-erspan-3", over_gre([0x10, 0], 0x22eb, &[0, 0, 0, 1], &erspan_3(7, 3, [0, 0], &frame))),
        (
            "tunnel-erspan-3-ip",
            over_gre([0x10, 0], 0x22eb, &[0, 0, 0, 1], &erspan_3(0, 3, [2 << 2, 1], &cat(&[&[0; 8], &v4]))),
        ),
        ("tunnel-ipv4-in-ipv4", eth4(4, &v4)),
        ("tunnel-ipv6-in-ipv4", eth4(41, &v6)),
        ("tunnel-ipv4-in-ipv6", eth6(4, &v4)),
        ("tunnel-ipv6-in-ipv6", eth6(41, &v6)),
        ("tunnel-ipv4-behind-options", eth6(60, &extension(4, &alert, &v4))),
        ("tunnel-ipv6-behind-options", eth6(60, &extension(41, &alert, &v6))),
        ("tunnel-teredo", over_udp(3544, &v6)),
        ("tunnel-teredo-origin", over_udp(40000, &cat(&[&[0; 8], &v6]))),
        ("tunnel-teredo-authenticated", over_udp(3544, &cat(&[&[0, 1, 2, 3], &[9; 5], &[9; 8], &[0], &[0; 8], &v6]))),
        ("tunnel-vxlan", over_udp(4789, &vxlan(77, &frame))),
        ("tunnel-vxlan-in-vlan", in_vlan(&vxlan(77, &frame))),
        ("tunnel-vxlan-gpe-ipv6", over_udp(4790, &vxlan_gpe(78, 2, &v6))),
        ("tunnel-vxlan-gpe-frame", over_udp(4790, &vxlan_gpe(78, 3, &frame))),
        ("tunnel-vxlan-gpe-nsh", over_udp(4790, &vxlan_gpe(78, 4, &nsh(1, &v4)))),
        ("tunnel-geneve-ipv4", over_udp(6081, &geneve(79, 0x0800, &[], &v4))),
        ("tunnel-geneve-options", over_udp(6081, &geneve(79, 0x6558, &[0, 1, 2, 1, 9, 9, 9, 9, 0, 1, 3, 0], &frame))),
        ("tunnel-gtpu", over_udp(2152, &gtpu(0, 255, 0x1234, &[], &v4))),
        ("tunnel-gtpu-extension", over_udp(2152, &gtpu(4, 255, 0x1234, &[0, 0, 0, 0x85, 1, 0, 9, 0], &v6))),
        ("tunnel-gue", over_udp(6080, &gue(4, &v4))),
        ("tunnel-gue-version-1", over_udp(6080, &v4)),
        ("tunnel-l2tp-2", over_udp(1701, &l2tp_2(5, 6, &ppp))),
        ("tunnel-l2tp-3", over_udp(1701, &l2tp_3(8, &[1, 2, 3, 4, 5, 6, 7, 8], &frame))),
        ("tunnel-l2tp-3-over-ip", eth4(115, &cat(&[&[0, 0, 0, 8], &frame]))),
        ("tunnel-etherip", eth4(97, &cat(&[&[0x30, 0], &frame]))),
        ("tunnel-mpls-in-ip", eth4(137, &mpls)),
        ("tunnel-mpls-in-udp", over_udp(6635, &mpls)),
        ("tunnel-gre-in-vxlan", over_udp(4789, &vxlan(77, &over_gre([0, 0], 0x0800, &[], &v4)))),
    ]
    .map(|(name, frame)| (name, LinkType::Ethernet, frame))
    .into()
}

/// What is passed by, not opened: the segment is in the frame's own datagram.
pub(crate) fn passed_by() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let v4 = ipv4(6, &segment());
    [
        ("passed-ah", eth4(51, &ah(6, 0x99, &segment()))),
        ("passed-ah-over-ipv6", eth6(51, &ah(6, 0x99, &segment()))),
        ("passed-snap", snap(0x0800, &v4)),
        ("passed-snap-in-vlan", {
            let llc = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4]);
            ethernet(0x8100, &vlan(3, llc.len() as u16, &llc))
        }),
    ]
    .map(|(name, frame)| (name, LinkType::Ethernet, frame))
    .into()
}
