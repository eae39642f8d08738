//! Frames against bytes worked out by hand, and against checks that do not use the builder.

use super::*;
use crate::Link;
use crate::checksum::internet;

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn sum_of_transport(frame: &[u8], ip: usize, transport: usize, protocol: u8) -> u16 {
    let len = (frame.len() - transport) as u32;
    internet(&[&frame[ip + 12..ip + 20], &[0, protocol], &len.to_be_bytes(), &frame[transport..]])
}

#[test]
fn ipv4_header_has_the_checksum_of_a_known_example() {
    // The header that textbooks show: 45 00 00 73 …, checksum b861.
    let frame = Packet::bare().ipv4([192, 168, 0, 1], [192, 168, 0, 199]).udp(0, 0).payload(&[0; 87]).build();
    assert_eq!(frame[..10], [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11]);
    assert_eq!(frame[10..12], [0xb8, 0x61]);
}

#[test]
fn tcp_in_vlan_names_every_next_protocol_and_sums_to_zero() {
    let tcp = Tcp { src: 1, dst: 2, flags: flags::SYN, options: &[2, 4, 5, 0xb4], ..Tcp::default() };
    let frame = Packet::ethernet([1; 6], [2; 6]).vlan(7).ipv4(A, B).tcp(tcp).payload(b"odd").build();
    assert_eq!(frame[12..18], [0x81, 0, 0, 7, 8, 0]);
    assert_eq!(frame[18 + 9], 6);
    assert_eq!(frame[38 + 12] >> 4, 6);
    assert_eq!(internet(&[&frame[18..38]]), 0);
    assert_eq!(sum_of_transport(&frame, 18, 38, 6), 0);
}

#[test]
fn udp_checksum_of_zero_is_sent_as_ones() {
    // The payload is chosen so that the sum comes out as zero.
    let sum = |payload: [u8; 2]| Packet::bare().ipv4(A, B).udp(1, 2).payload(&payload).build()[26..28].to_vec();
    let first = sum([0, 0]);
    assert_eq!(sum([first[0], first[1]]), [0xff, 0xff]);
}

#[test]
fn icmp6_checksum_covers_the_pseudo_header() {
    let frame = Packet::bare().ipv6([1; 16], [2; 16]).icmp6_echo(128, 1, 2).payload(b"ping").build();
    let len = (frame.len() as u32 - 40).to_be_bytes();
    assert_eq!(internet(&[&frame[8..40], &len, &[0, 58], &frame[40..]]), 0);
    assert_eq!((frame[6], &frame[4..6]), (58, &[0, 12][..]));
}

#[test]
fn patch_is_covered_by_the_checksum_and_damage_is_not() {
    let patched = Packet::bare().ipv4(A, B).patch(8, &[1]).udp(1, 2).build();
    assert_eq!((patched[8], internet(&[&patched[..20]])), (1, 0));
    let damaged = Packet::bare().ipv4(A, B).damage(8, &[1]).udp(1, 2).build();
    assert_eq!(damaged[8], 1);
    assert_ne!(internet(&[&damaged[..20]]), 0);
}

#[test]
fn cut_and_padding_set_the_length_of_the_frame_alone() {
    let cut = Packet::bare().ipv4(A, B).udp(1, 2).payload(&[0; 100]).cut(4).build();
    assert_eq!((cut.len(), cut[2..4].to_vec()), (24, vec![0, 128]));
    let padded = Packet::ethernet([1; 6], [2; 6]).ipv4(A, B).udp(1, 2).padded().build();
    assert_eq!((padded.len(), padded[16..18].to_vec()), (60, vec![0, 28]));
}

#[test]
fn tunnels_name_what_they_carry() {
    let gre = Packet::bare().ipv4(A, B).gre().ipv6([0; 16], [1; 16]).build();
    assert_eq!((gre[9], &gre[22..24]), (47, &[0x86, 0xdd][..]));
    let ipip = Packet::bare().ipv4(A, B).ipv4(B, A).udp(5, 6).build();
    assert_eq!((ipip[9], ipip[29], &ipip[2..4]), (4, 17, &[0, 48][..]));
    let geneve = Packet::bare().ipv4(A, B).geneve(9).ethernet_inside([1; 6], [2; 6]).ipv4(A, B).build();
    assert_eq!(geneve[30..32], [0x65, 0x58]);
    let labels = Packet::ethernet([1; 6], [2; 6]).mpls(16).mpls(17).ipv4(A, B).build();
    assert_eq!((labels[16] & 1, labels[20] & 1), (0, 1));
    let pppoe = Packet::ethernet([1; 6], [2; 6]).pppoe(3).ipv4(A, B).build();
    assert_eq!((&pppoe[18..20], &pppoe[20..22]), (&[0, 22][..], &[0, 0x21][..]));
}

#[test]
fn fragments_put_together_are_the_datagram() {
    let payload: Vec<u8> = (0..=255).cycle().take(3_001).collect();
    let datagram = Packet::bare().ipv4(A, B).udp(1, 2).payload(&payload).build();
    let fragments = fragments_v4(&datagram, 9, 1_500);
    assert_eq!(fragments.len(), 3);
    let together: Vec<u8> = fragments.iter().flat_map(|fragment| fragment[20..].to_vec()).collect();
    assert_eq!(together, datagram[20..]);
    for (fragment, more) in fragments.iter().zip([true, true, false]) {
        assert_eq!((internet(&[&fragment[..20]]), fragment[6] & 0x20 != 0), (0, more));
    }

    let packet = Packet::bare().ipv6([1; 16], [2; 16]).udp(1, 2).payload(&payload).build();
    let fragments = fragments_v6(&packet, 9, 1_500);
    let together: Vec<u8> = fragments.iter().flat_map(|fragment| fragment[48..].to_vec()).collect();
    assert_eq!(together, packet[40..]);
    assert!(fragments.iter().all(|fragment| fragment[6] == 44 && fragment[40] == 17));
}

#[test]
fn sctp_checksum_is_a_crc_in_little_endian() {
    let frame = Packet::bare().ipv4(A, B).sctp(7, 8, 0).sctp_chunk(1, 0, &[0; 16]).build();
    let mut message = frame[20..].to_vec();
    let sum = u32::from_le_bytes([message[8], message[9], message[10], message[11]]);
    message[8..12].fill(0);
    assert_eq!(sum, crate::checksum::crc32c(&message));
}

#[test]
fn link_headers_have_the_bytes_of_their_standards() {
    let after = |packet: Packet, at: usize| packet.ipv4(A, B).build()[at..].to_vec();
    let ether = || Packet::ethernet([2; 6], [4; 6]);
    assert_eq!(after(ether().provider_backbone(0x0001_0203), 12)[..7], [0x88, 0xe7, 0, 1, 2, 3, 0]);
    assert_eq!(after(ether().provider_backbone(1), 30)[..3], [8, 0, 0x45]);
    assert_eq!(after(ether().etag(12), 12)[..11], [0x89, 0x3f, 0, 0, 0, 12, 0, 0, 8, 0, 0x45]);
    assert_eq!(after(ether().vntag(13), 12)[..9], [0x89, 0x26, 0, 0, 0, 13, 8, 0, 0x45]);
    let dce = after(ether().fabric_path(0x0abc).ethernet_inside([2; 6], [6; 6]), 12);
    assert_eq!((&dce[..5], &dce[16..19]), (&[0x89, 0x03, 0x0a, 0xbc, 6][..], &[8, 0, 0x45][..]));
    let wire = after(ether().mpls(16).pseudo_wire(7).ethernet_inside([2; 6], [6; 6]), 12);
    assert_eq!(wire[..11], [0x88, 0x47, 0, 1, 1, 64, 0, 0, 0, 7, 6]);
    assert_eq!(after(Packet::on(Link::Ppp), 0)[..5], [0xff, 3, 0, 0x21, 0x45]);
    assert_eq!(after(Packet::on(Link::Chdlc), 0)[..5], [0x0f, 0, 8, 0, 0x45]);
}

#[test]
fn frame_with_a_length_then_llc_or_snap_behind_it() {
    let snap = Packet::ethernet_sized([2; 6], [4; 6]).snap().ipv4(A, B).build();
    assert_eq!(snap[12..23], [0, 28, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45]);
    let bridge = Packet::ethernet_sized([2; 6], [4; 6]).llc(0x42, 0x42, 3).payload(&[0; 35]).padded().build();
    assert_eq!((bridge.len(), &bridge[12..17]), (60, &[0, 38, 0x42, 0x42, 3][..]));
}

#[test]
fn ah_and_extension_headers_name_what_follows_in_both_versions_of_ip() {
    let v4 = Packet::bare().ipv4(A, B).ah(0x77, 1).udp(5, 6).build();
    assert_eq!((v4[9], &v4[20..32]), (51, &[17, 4, 0, 0, 0, 0, 0, 0x77, 0, 0, 0, 1][..]));
    let chain = Packet::bare().ipv6([1; 16], [2; 16]).hop_by_hop(&[5, 2, 0, 0]).routing(2).destination_options(&[]);
    let chain = chain.fragment_v6(9, 0, false).ah(1, 2).ipv4(A, B).build();
    assert_eq!(chain[6], 0);
    assert_eq!(chain[40..48], [43, 0, 5, 2, 0, 0, 0, 0]);
    assert_eq!(chain[48..56], [60, 0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(chain[56..64], [44, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(chain[64..72], [51, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!((chain[72], chain[73], chain[96]), (4, 4, 0x45));
    let segments = Packet::bare().ipv6([1; 16], [2; 16]).segment_routing(&[[2; 16], [3; 16]]).udp(5, 6).build();
    assert_eq!((segments[6], &segments[40..48]), (43, &[17, 4, 4, 0, 1, 0, 0, 0][..]));
    assert_eq!((&segments[48..64], &segments[64..80]), (&[2; 16][..], &[3; 16][..]));
}
