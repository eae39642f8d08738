//! Frames to decode, put together header by header. Shared by the tests and by the generator of fuzzing seeds.
#![allow(dead_code, reason = "each test uses a part of it")]

mod tunnels;

use flumen_wire::LinkType;
use std::{vec, vec::Vec};

pub(crate) use tunnels::*;

pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(crate) const SERVER: [u8; 4] = [10, 0, 0, 2];
pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const CLIENT_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(crate) const SERVER_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub(crate) fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&SERVER_MAC, &CLIENT_MAC, &kind.to_be_bytes(), payload])
}

pub(crate) fn vlan(id: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&id.to_be_bytes(), &kind.to_be_bytes(), payload])
}

/// Ethernet and IPv4 from the client to the server.
pub(crate) fn eth4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(protocol, payload))
}

/// Ethernet and IPv6 from the client to the server.
pub(crate) fn eth6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x86dd, &ipv6(next_header, payload))
}

pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, 0x4000, &[], payload)
}

/// `fragment` is the word with flags and offset.
pub(crate) fn ipv4_with(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4));
    let version_len = 0x45 + (options.len() / 4) as u8;
    let len = ((20 + options.len() + payload.len()) as u16).to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let start = [version_len, 0, len[0], len[1], 0x12, 0x34, fragment[0], fragment[1], 64, protocol, 0, 0];
    cat(&[&start, &CLIENT, &SERVER, options, payload])
}

pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    cat(&[&[0x60, 0, 0, 0, len[0], len[1], next_header, 64], &CLIENT_V6, &SERVER_V6, payload])
}

/// An extension header of the usual shape, padded to eight bytes with zeros.
pub(crate) fn extension(next_header: u8, body: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (2 + body.len()).next_multiple_of(8);
    let mut header = cat(&[&[next_header, (len / 8 - 1) as u8], body]);
    header.resize(len, 0);
    cat(&[&header, payload])
}

/// A fragment header; `word` holds offset and the bit for more.
pub(crate) fn fragment_header(next_header: u8, word: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&[next_header, 0], &word.to_be_bytes(), &[0, 0, 0, 7], payload])
}

pub(crate) fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4));
    let offset = (((20 + options.len()) / 4) << 4) as u8;
    let start = [0xc0, 1, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, offset, flags, 0x20, 0, 0, 0, 0, 0];
    cat(&[&start, options, payload])
}

pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let len = ((8 + payload.len()) as u16).to_be_bytes();
    cat(&[&[0xc0, 1, 0, 53, len[0], len[1], 0, 0], payload])
}

pub(crate) fn sctp(tag: u32, chunks: &[u8]) -> Vec<u8> {
    cat(&[&[0, 7, 0, 8], &tag.to_be_bytes(), &[0; 4], chunks])
}

pub(crate) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = ((4 + body.len()) as u16).to_be_bytes();
    let mut chunk = cat(&[&[kind, 0, len[0], len[1]], body]);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

pub(crate) fn icmp(kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    cat(&[&[kind, code, 0, 0, 0, 0, 0, 0], rest])
}

pub(crate) fn arp(opcode: u8) -> Vec<u8> {
    cat(&[&[0, 1, 8, 0, 6, 4, 0, opcode], &CLIENT_MAC, &CLIENT, &[0; 6], &SERVER])
}

/// An entry of an MPLS stack.
pub(crate) fn label(label: u32, bottom: bool) -> [u8; 4] {
    ((label << 12) | (u32::from(bottom) << 8) | 64).to_be_bytes()
}

/// A service header of metadata type 2 without metadata.
pub(crate) fn nsh(next_protocol: u8, payload: &[u8]) -> Vec<u8> {
    cat(&[&[0, 2, 2, next_protocol, 0, 0, 1, 255], payload])
}

pub(crate) fn pppoe(payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    cat(&[&[0x11, 0, 0, 9, len[0], len[1]], payload])
}

/// One well-formed frame of each protocol, of each way to carry it, and of each tunnel.
pub(crate) fn samples() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    [plain(), passed_by(), tunnels()].concat()
}

fn plain() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let syn_options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let segment = tcp(0x18, &timestamps, b"hello");
    let (v4, v6) = (ipv4(6, &segment), ipv6(6, &segment));
    let quote = ipv4(17, &udp(b"dns"));
    let quote6 = ipv6(17, &udp(b"dns"));
    let alert = [5, 2, 0, 0, 0, 0];
    let hop_by_hop = extension(60, &alert, &extension(43, &alert, &extension(6, &[2, 0], &segment)));
    vec![
        ("ethernet-ipv4-tcp-syn", LinkType::Ethernet, eth4(6, &tcp(2, &syn_options, &[]))),
        ("ethernet-ipv4-tcp", LinkType::Ethernet, ethernet(0x0800, &v4)),
        (
            "ethernet-ipv4-tcp-fast-open",
            LinkType::Ethernet,
            eth4(6, &tcp(2, &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0], b"x")),
        ),
        ("ethernet-ipv4-udp", LinkType::Ethernet, eth4(17, &udp(b"dns"))),
        (
            "ethernet-ipv4-options",
            LinkType::Ethernet,
            ethernet(0x0800, &ipv4_with(17, 0, &[148, 4, 0, 0, 7, 3, 4, 0], &udp(b""))),
        ),
        ("ethernet-ipv4-fragment", LinkType::Ethernet, ethernet(0x0800, &ipv4_with(17, 0x2001, &[], &[7; 16]))),
        ("ethernet-ipv4-icmp-echo", LinkType::Ethernet, eth4(1, &icmp(8, 0, b"ping"))),
        ("ethernet-ipv4-icmp-unreachable", LinkType::Ethernet, eth4(1, &icmp(3, 3, &quote))),
        ("ethernet-ipv4-sctp", LinkType::Ethernet, eth4(132, &sctp(0, &chunk(1, &[0; 16])))),
        ("ethernet-ipv4-esp", LinkType::Ethernet, eth4(50, &[0, 0, 0, 9, 0, 0, 0, 1, 5, 5])),
        (
            "ethernet-ipv4-igmp",
            LinkType::Ethernet,
            eth4(2, &[0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 1, 224, 0, 0, 1, 10, 0, 0, 9]),
        ),
        ("ethernet-ipv4-ospf", LinkType::Ethernet, eth4(89, &[2, 1, 0, 44])),
        ("ethernet-ipv6-tcp", LinkType::Ethernet, ethernet(0x86dd, &v6)),
        ("ethernet-ipv6-udp", LinkType::Ethernet, eth6(17, &udp(b"dns"))),
        ("ethernet-ipv6-extensions", LinkType::Ethernet, eth6(0, &hop_by_hop)),
        ("ethernet-ipv6-fragment", LinkType::Ethernet, eth6(44, &fragment_header(17, 0x0009, &[7; 16]))),
        ("ethernet-ipv6-icmp-echo", LinkType::Ethernet, eth6(58, &icmp(128, 0, b"ping"))),
        ("ethernet-ipv6-icmp-unreachable", LinkType::Ethernet, eth6(58, &icmp(1, 4, &quote6))),
        ("ethernet-arp", LinkType::Ethernet, ethernet(0x0806, &arp(1))),
        ("ethernet-vlan", LinkType::Ethernet, ethernet(0x8100, &vlan(5, 0x0800, &v4))),
        ("ethernet-vlan-twice", LinkType::Ethernet, ethernet(0x88a8, &vlan(5, 0x8100, &vlan(6, 0x86dd, &v6)))),
        ("ethernet-8021ah", LinkType::Ethernet, ethernet(0x88e7, &cat(&[&[0; 16], &[8, 0], &v4]))),
        ("ethernet-etag", LinkType::Ethernet, ethernet(0x893f, &cat(&[&[0; 6], &[8, 0], &v4]))),
        ("ethernet-vntag", LinkType::Ethernet, ethernet(0x8926, &cat(&[&[0; 4], &[8, 0], &v4]))),
        ("ethernet-dce", LinkType::Ethernet, ethernet(0x8903, &cat(&[&[0, 0], &ethernet(0x0800, &v4)]))),
        (
            "ethernet-mpls-ipv4",
            LinkType::Ethernet,
            ethernet(0x8847, &cat(&[&label(100, false), &label(16, true), &v4])),
        ),
        (
            "ethernet-mpls-pseudowire",
            LinkType::Ethernet,
            ethernet(0x8848, &cat(&[&label(16, true), &[0; 4], &ethernet(0x0800, &v4)])),
        ),
        ("ethernet-nsh", LinkType::Ethernet, ethernet(0x894f, &nsh(1, &v4))),
        ("ethernet-pppoe-session", LinkType::Ethernet, ethernet(0x8864, &pppoe(&cat(&[&[0, 0x21], &v4])))),
        ("ethernet-pppoe-discovery", LinkType::Ethernet, ethernet(0x8863, &[0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0])),
        ("null-ipv4", LinkType::Null, cat(&[&[2, 0, 0, 0], &v4])),
        ("null-ipv6", LinkType::Null, cat(&[&[30, 0, 0, 0], &v6])),
        ("raw-ipv4", LinkType::Raw, v4.clone()),
        ("raw-ipv6", LinkType::Ipv6, v6.clone()),
        ("gre-over-ip", LinkType::GreOverIp, ipv4(47, &[0, 0, 8, 0])),
        ("ppp-ipv4", LinkType::Ppp, cat(&[&[0xff, 3, 0, 0x21], &v4])),
        ("ppp-ipv6-compressed", LinkType::Ppp, cat(&[&[0x57], &v6])),
        ("chdlc-ipv4", LinkType::Chdlc, cat(&[&[0x0f, 0, 8, 0], &v4])),
        ("sll-ipv4", LinkType::Sll, cat(&[&[0; 14], &[8, 0], &v4])),
        ("sll2-ipv6", LinkType::Sll2, cat(&[&[0x86, 0xdd], &[0; 18], &v6])),
    ]
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Changes a frame a little: bytes, bits, length, or a splice with another.
pub(crate) fn mutate(random: &mut Random, frame: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        match random.below(6) {
            0 if !frame.is_empty() => frame.truncate(random.below(frame.len() + 1)),
            1 => frame.extend((0..random.below(40)).map(|i| i as u8)),
            2 if !other.is_empty() => {
                let (at, from) = (random.below(frame.len() + 1), random.below(other.len()));
                frame.truncate(at);
                frame.extend_from_slice(&other[from..]);
            }
            3 if !frame.is_empty() => {
                let at = random.below(frame.len());
                frame[at] ^= 1 << random.below(8);
            }
            _ if !frame.is_empty() => {
                let at = random.below(frame.len());
                frame[at] = [0, 1, 4, 0x7f, 0x80, 0xff, random.next() as u8][random.below(7)];
            }
            _ => {}
        }
    }
}
