//! What can be wrong in IPv4 and IPv6 headers.

use super::super::icmp::host6;
use super::{A, B, Case, ether, udp, v4, v6};
use crate::Packet;

pub(super) fn v4_cases() -> Vec<Case> {
    let options = |options: &[u8]| udp(ether().ipv4_with_options(A, B, options));
    let fragment = |offset, more, bytes: &[u8]| v4().fragment_v4(77, offset, more).protocol(17, bytes).build();
    [
        ("ipv4.pkt_too_small", v4().cut(19).build()),
        ("ipv4.hlen_too_small", udp(v4().patch(0, &[0x44]))),
        ("ipv4.iplen_smaller_than_hlen", udp(v4().patch(2, &[0, 19]))),
        ("ipv4.trunc_pkt", udp(v4().patch(2, &[5, 0]))),
        ("ipv4.wrong_ip_version", udp(v4().patch(0, &[0x55]))),
        ("ipv4.icmpv6", v4().icmp6_echo(128, 1, 1).build()),
        ("ipv4.unknown_protocol", v4().protocol(253, &[0; 20]).build()),
        ("ipv4.opt_invalid", options(&[0xdf, 4, 0, 0, 0, 0, 0, 0])),
        ("ipv4.opt_invalid_len", options(&[0x83, 30, 4, 0, 0, 0, 0, 0])),
        // Loose source route whose pointer lies before its addresses.
        ("ipv4.opt_malformed", options(&[0x83, 7, 2, 1, 2, 3, 4, 0])),
        ("ipv4.opt_pad_required", options(&[0x94, 4, 0, 0])),
        ("ipv4.opt_eol_required", options(&[1, 1, 1, 1, 1, 1, 1, 0x94])),
        ("ipv4.opt_duplicate", options(&[0x94, 4, 0, 0, 0x94, 4, 0, 0])),
        ("ipv4.frag_pkt_too_large", fragment(65_528, false, &[0; 64])),
        ("ipv4.frag_overlap", fragment(0, true, &[1; 32])),
        ("ipv4.frag_overlap", fragment(24, false, &[2; 32])),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}

pub(super) fn v6_cases() -> Vec<Case> {
    let mut cases = v6_headers();
    cases.extend(v6_extensions());
    cases.extend(v6_fragments());
    cases
}

fn v6_headers() -> Vec<Case> {
    let inside = |protocol, bytes: &[u8]| v6().protocol(protocol, bytes).build();
    [
        ("ipv6.pkt_too_small", v6().cut(39).build()),
        ("ipv6.trunc_pkt", udp(v6().patch(4, &[5, 0]))),
        ("ipv6.wrong_ip_version", udp(v6().patch(0, &[0x50]))),
        ("ipv6.icmpv4", v6().icmp_echo(8, 1, 1).build()),
        ("ipv6.unknown_next_header", inside(253, &[0; 20])),
        ("ipv6.data_after_none_header", v6().payload(&[0; 8]).build()),
        ("ipv6.ipv4_in_ipv6_too_small", inside(4, &[0x45; 19])),
        ("ipv6.ipv4_in_ipv6_wrong_version", inside(4, &[0x65; 40])),
        ("ipv6.ipv6_in_ipv6_too_small", inside(41, &[0x60; 39])),
        ("ipv6.ipv6_in_ipv6_wrong_version", inside(41, &[0x45; 60])),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}

fn v6_extensions() -> Vec<Case> {
    // Option type, length: 0x1e is not assigned and may be skipped; 1 is PadN.
    const UNKNOWN: [u8; 6] = [0x1e, 4, 0, 0, 0, 0];
    const ROUTER_ALERT: [u8; 6] = [5, 2, 0, 0, 0, 0];
    const PADDING: [u8; 6] = [1, 4, 0, 0, 0, 0];
    const TOO_LONG: [u8; 6] = [5, 60, 0, 0, 0, 0];
    let esp = |packet: Packet| packet.extension(50, &[59, 0, 0, 0, 0, 0, 0, 1]).payload(&[0; 16]).build();
    [
        ("ipv6.trunc_exthdr", v6().hop_by_hop(&ROUTER_ALERT).patch(1, &[40]).udp(1, 2).build()),
        ("ipv6.exthdr_dupl_rh", udp(v6().routing(2).routing(2))),
        ("ipv6.exthdr_dupl_hh", udp(v6().hop_by_hop(&ROUTER_ALERT).hop_by_hop(&ROUTER_ALERT))),
        (
            "ipv6.exthdr_dupl_dh",
            udp(v6()
                .destination_options(&ROUTER_ALERT)
                .destination_options(&ROUTER_ALERT)
                .destination_options(&ROUTER_ALERT)),
        ),
        ("ipv6.exthdr_dupl_ah", udp(v6().ah(1, 1).ah(2, 2))),
        ("ipv6.exthdr_dupl_eh", esp(v6().extension(50, &[50, 0, 0, 0, 0, 0, 0, 1]))),
        ("ipv6.exthdr_invalid_optlen", udp(v6().hop_by_hop(&TOO_LONG))),
        ("ipv6.exthdr_ah_res_not_null", udp(v6().ah(1, 1).patch(2, &[0, 7]))),
        ("ipv6.hopopts_unknown_opt", udp(v6().hop_by_hop(&UNKNOWN))),
        ("ipv6.hopopts_only_padding", udp(v6().hop_by_hop(&PADDING))),
        ("ipv6.dstopts_unknown_opt", udp(v6().destination_options(&UNKNOWN))),
        ("ipv6.dstopts_only_padding", udp(v6().destination_options(&PADDING))),
        ("ipv6.rh_type_0", udp(v6().routing(0))),
        ("ipv6.zero_len_padn", udp(v6().destination_options(&[1, 0, 5, 2, 0, 0]))),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}

fn v6_fragments() -> Vec<Case> {
    let fragment = |id, offset, more, bytes: &[u8]| v6().fragment_v6(id, offset, more).protocol(17, bytes).build();
    // The offset field is set by hand: a first fragment of which more follow.
    let reserved = v6().fragment_v6(1, 0, true).patch(1, &[9]).protocol(17, &[0; 16]).build();
    let inner = Packet::bare().ipv6(host6(3), host6(4)).udp(1, 2).build();
    [
        ("ipv6.exthdr_dupl_fh", udp(v6().fragment_v6(2, 0, false).fragment_v6(2, 0, false))),
        ("ipv6.exthdr_useless_fh", udp(v6().fragment_v6(3, 0, false))),
        ("ipv6.fh_non_zero_reserved_field", reserved),
        ("ipv6.frag_pkt_too_large", fragment(4, 65_528, false, &[0; 64])),
        ("ipv6.frag_overlap", fragment(5, 0, true, &[1; 32])),
        ("ipv6.frag_overlap", fragment(5, 24, false, &[2; 32])),
        ("ipv6.frag_invalid_length", fragment(6, 0, true, &inner[..45])),
    ]
    .map(|(event, frame)| Case::ethernet(event, frame))
    .to_vec()
}
