//! What can be wrong in headers that carry another packet.

use super::{A, B, Case, ether, udp, v4};
use crate::Packet;

const IPV4: u16 = 0x0800;
const PPP: u16 = 0x880b;

pub(super) fn cases() -> Vec<Case> {
    [gre().as_slice(), &others()].concat()
}

fn gre() -> Vec<Case> {
    let inner = udp(Packet::bare().ipv4(A, B));
    let gre = |flags, protocol, rest: &[u8]| v4().gre_as_given(flags, protocol, rest).payload(&inner).build();
    let cut = |flags, protocol, rest: &[u8]| v4().gre_as_given(flags, protocol, rest).build();
    // Address family 1, offset 0, length 200: a source route entry that ends outside the packet.
    let route = [0, 0, 0, 0, 0, 1, 0, 200];
    // Flag bits of the first word: checksum 8000, routing 4000, key 2000, sequence 1000, strict route 0800, recursion 0700.
    [
        ("gre.pkt_too_small", v4().protocol(47, &[0, 0, 8]).build()),
        ("gre.wrong_version", gre(0x0003, IPV4, &[])),
        ("gre.version0_recur", gre(0x0100, IPV4, &[])),
        ("gre.version0_flags", gre(0x0008, IPV4, &[])),
        ("gre.version0_hdr_too_big", cut(0xb000, IPV4, &[])),
        ("gre.version0_malformed_sre_hdr", cut(0x4000, IPV4, &route)),
        ("gre.version1_chksum", gre(0xa001, PPP, &[0; 8])),
        ("gre.version1_route", gre(0x6001, PPP, &[0; 8])),
        ("gre.version1_ssr", gre(0x2801, PPP, &[0; 4])),
        ("gre.version1_recur", gre(0x2101, PPP, &[0; 4])),
        ("gre.version1_flags", gre(0x2009, PPP, &[0; 4])),
        ("gre.version1_no_key", gre(0x0001, PPP, &[0; 4])),
        ("gre.version1_wrong_protocol", gre(0x2001, IPV4, &[0; 4])),
        ("gre.version1_hdr_too_big", cut(0x3001, PPP, &[0; 4])),
        ("gre.version1_malformed_sre_hdr", cut(0x6001, PPP, &route)),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}

fn others() -> Vec<Case> {
    let macs = ([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]);
    let in_erspan = |packet: Packet| udp(packet.ethernet_inside(macs.0, macs.1).ipv4(A, B));
    let erspan_vlans = v4().erspan(1, 9).ethernet_inside(macs.0, macs.1).vlan(1).vlan(2).vlan(3).ipv4(A, B);
    let in_wire = |packet: Packet| packet.mpls(16).pseudo_wire(0).ethernet_inside(macs.0, macs.1);
    let nested = (0..8).fold(ether(), |packet, _| in_wire(packet)).ipv4(A, B);
    [
        (
            "vxlan.unknown_payload_type",
            v4().vxlan(1).ethernet_inside(macs.0, macs.1).ether_type(0x9999, &[0; 46]).build(),
        ),
        ("geneve.unknown_payload_type", v4().geneve(1).ether_type(0x9999, &[0; 46]).build()),
        ("erspan.header_too_small", v4().gre_as_given(0x1000, 0x88be, &[0, 0, 0, 1]).payload(&[0x10, 0, 0]).build()),
        ("erspan.unsupported_version", in_erspan(v4().erspan(1, 9).patch(0, &[0x30]))),
        ("erspan.too_many_vlan_layers", udp(erspan_vlans)),
        ("too_many_layers", udp(nested)),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}
