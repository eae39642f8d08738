//! What can be wrong after the IP header.

use super::{Case, v4, v6};
use crate::{Packet, Tcp, flags};

pub(super) fn cases() -> Vec<Case> {
    [icmp().as_slice(), &icmp6(), &tcp_and_udp(), &sctp(), &others()].concat()
}

fn named<const N: usize>(cases: [(&'static str, Vec<u8>); N]) -> Vec<Case> {
    cases.map(|(event, frame)| Case::ethernet(event, frame)).to_vec()
}

/// The start of an IP packet, to be quoted by an error.
fn quoted() -> Vec<u8> {
    v4().udp(1, 2).build()[14..].to_vec()
}

fn icmp() -> Vec<Case> {
    let wrong_version = [&[0x55], &quoted()[1..]].concat();
    named([
        ("icmpv4.pkt_too_small", v4().protocol(1, &[8, 0, 0, 0]).build()),
        ("icmpv4.unknown_type", v4().icmp(200, 0, [0; 4]).build()),
        ("icmpv4.unknown_code", v4().icmp(3, 99, [0; 4]).payload(&quoted()).build()),
        ("icmpv4.ipv4_trunc_pkt", v4().icmp(3, 1, [0; 4]).payload(&quoted()[..19]).build()),
        ("icmpv4.ipv4_unknown_ver", v4().icmp(3, 1, [0; 4]).payload(&wrong_version).build()),
    ])
}

fn icmp6() -> Vec<Case> {
    let quoted = v6().udp(1, 2).build()[14..].to_vec();
    let wrong_version = [&[0x50], &quoted[1..]].concat();
    named([
        ("icmpv6.pkt_too_small", v6().protocol(58, &[128, 0, 0, 0]).build()),
        ("icmpv6.unknown_type", v6().icmp6(127, 0, [0; 4]).build()),
        ("icmpv6.unknown_code", v6().icmp6(1, 99, [0; 4]).payload(&quoted).build()),
        ("icmpv6.ipv6_trunc_pkt", v6().icmp6(1, 4, [0; 4]).payload(&quoted[..39]).build()),
        ("icmpv6.ipv6_unknown_version", v6().icmp6(1, 4, [0; 4]).payload(&wrong_version).build()),
        // Listener discovery is valid with a hop limit of one alone (RFC 2710 §3).
        ("icmpv6.mld_message_with_invalid_hl", v6().ttl(64).icmp6(130, 0, [0; 4]).payload(&[0; 16]).build()),
        ("icmpv6.unassigned_type", v6().icmp6(50, 0, [0; 4]).build()),
        ("icmpv6.experimentation_type", v6().icmp6(100, 0, [0; 4]).build()),
    ])
}

fn tcp_and_udp() -> Vec<Case> {
    let tcp = |options| v4().tcp(Tcp { src: 1, dst: 2, flags: flags::SYN, options, ..Tcp::default() });
    let udp = || v4().udp(1, 2);
    // Suricata's names: a header that says less than its own size has options of an invalid length, one that says more
    // than there is is too small; a datagram shorter than a header likewise.
    named([
        ("tcp.pkt_too_small", v4().protocol(6, &[0; 19]).build()),
        ("tcp.invalid_optlen", tcp(&[]).patch(12, &[0x40]).build()),
        ("tcp.hlen_too_small", tcp(&[]).patch(12, &[0xf0]).build()),
        ("tcp.opt_invalid_len", tcp(&[2, 40, 5, 0xb4]).build()),
        ("tcp.opt_duplicate", tcp(&[2, 4, 5, 0xb4, 2, 4, 5, 0xb4]).build()),
        ("udp.hlen_too_small", v4().protocol(17, &[0; 7]).build()),
        ("udp.pkt_too_small", udp().patch(4, &[1, 0]).payload(&[0; 8]).build()),
        ("udp.hlen_invalid", udp().patch(4, &[0, 12]).payload(&[0; 32]).build()),
        ("udp.len_invalid", udp().patch(4, &[0, 7]).payload(&[0; 8]).build()),
    ])
}

fn sctp() -> Vec<Case> {
    let init = [0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    let data = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    let sctp = |tag| v4().sctp(7, 8, tag);
    let chunks = |kind, count| (0..count).fold(sctp(5), |packet: Packet, _| packet.sctp_chunk(kind, 3, &data)).build();
    named([
        ("sctp.pkt_too_small", v4().protocol(132, &[0; 11]).build()),
        ("sctp.chunk_too_small", sctp(5).payload(&[4, 0, 0]).build()),
        ("sctp.chunk_len_invalid", sctp(5).payload(&[4, 0, 0, 2, 0, 0, 0, 0]).build()),
        ("sctp.init_chunk_bundled", sctp(0).sctp_chunk(1, 0, &init).sctp_chunk(10, 0, &data).build()),
        ("sctp.init_with_non_zero_vtag", sctp(5).sctp_chunk(1, 0, &init).build()),
        ("sctp.data_with_zero_vtag", sctp(0).sctp_chunk(0, 3, &data).build()),
        ("sctp.too_many_chunks", chunks(4, 70)),
        ("sctp.too_many_data_chunks", chunks(0, 70)),
    ])
}

fn others() -> Vec<Case> {
    named([
        ("esp.pkt_too_small", v4().protocol(50, &[0; 7]).build()),
        ("igmp.pkt_too_small", v4().ttl(1).protocol(2, &[0x11, 0, 0, 0]).build()),
        // A version 3 report of one group record, of which nothing is there.
        ("igmp.v3_pkt_too_small", v4().ttl(1).igmp(0x22, 0, [0, 0, 0, 1]).build()),
        ("igmp.malformed", v4().ttl(1).igmp(0x22, 0, [0, 0, 0, 1]).payload(&[1, 0, 0, 200, 239, 1, 1, 1]).build()),
    ])
}
