//! Community ID version 1: a name for a conversation that other sensors compute to the same text.
//!
//! `"1:" + base64(sha1(seed, address, address, protocol, 0[, port, port]))`, the lower end first. By default it is
//! computed as the public specification (corelight/community-id-spec) says; [`Rule::Suricata`] repeats what Suricata
//! writes instead, which differs for everything but TCP, UDP, SCTP and two-way ICMP.

use flumen_model::record::Endpoint;
use flumen_model::{FlowRecord, IpVersion};
use sha1::{Digest, Sha1};

/// Whether and how `community_id` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommunityId {
    /// Number that is mixed in, so that two organisations' ids do not match by accident.
    pub seed: u16,
    /// Which rules to follow where the specification and Suricata disagree.
    pub rule: Rule,
}

/// Whose rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// The public specification: protocols without ports are hashed without them; a one-way ICMP message is hashed
    /// with its type and code, in its direction.
    #[default]
    Spec,
    /// As Suricata: every protocol is hashed with ports, which are zero where there are none and the low half of the
    /// SPI for ESP; for a one-way ICMP message they are its type and zero, and the ends are ordered.
    Suricata,
}

/// Length of an id in characters.
pub(crate) const TEXT_LEN: usize = 30;

impl CommunityId {
    /// The id of the conversation of `record`, the same in both directions.
    #[inline(never)]
    #[must_use]
    pub fn text(&self, record: &FlowRecord) -> [u8; TEXT_LEN] {
        let mut text = *b"1:0000000000000000000000000000";
        base64(&self.digest(record), &mut text[2..]);
        text
    }

    fn digest(&self, record: &FlowRecord) -> [u8; 20] {
        let (ports, order) = self.ports(record);
        let width = if record.ip_version == IpVersion::V4 { 4 } else { 16 };
        let (mut first, mut second) = (&record.client.0[..width], &record.server.0[..width]);
        let (mut low, mut high) = ports.unwrap_or_default();
        if order == Order::LowerFirst && (second, high) < (first, low) {
            (first, second, low, high) = (second, first, high, low);
        }

        let mut input = [0; 2 + 16 + 16 + 2 + 4];
        input[..2].copy_from_slice(&self.seed.to_be_bytes());
        input[2..2 + width].copy_from_slice(first);
        input[2 + width..2 + 2 * width].copy_from_slice(second);
        let mut len = 2 + 2 * width;
        input[len] = record.protocol;
        len += 2;
        if ports.is_some() {
            input[len..len + 2].copy_from_slice(&low.to_be_bytes());
            input[len + 2..len + 4].copy_from_slice(&high.to_be_bytes());
            len += 4;
        }
        Sha1::digest(&input[..len]).into()
    }

    /// What stands for the ports of client and server, if anything does, and whether the ends are ordered.
    fn ports(&self, record: &FlowRecord) -> (Option<(u16, u16)>, Order) {
        match (record.endpoint, self.rule) {
            (Endpoint::Ports(ports), _) => (Some((ports.src, ports.dst)), Order::LowerFirst),
            (Endpoint::Icmp { request: (kind, code), .. }, rule) => match (answer(record.ip_version, kind), rule) {
                (Some(answer), _) => (Some((kind.into(), answer.into())), Order::LowerFirst),
                (None, Rule::Spec) => (Some((kind.into(), code.into())), Order::AsIs),
                (None, Rule::Suricata) => (Some((kind.into(), 0)), Order::LowerFirst),
            },
            (_, Rule::Spec) => (None, Order::LowerFirst),
            (Endpoint::Spi(spi), Rule::Suricata) => (Some((spi as u16, 0)), Order::LowerFirst),
            (Endpoint::None, Rule::Suricata) => (Some((0, 0)), Order::LowerFirst),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Order {
    LowerFirst,
    AsIs,
}

/// The ICMP type that answers `kind`, as the specification pairs them (RFC 792, 950, 1256; RFC 4443, 2710, 4861, 4620,
/// 6275).
fn answer(version: IpVersion, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = match version {
        IpVersion::V4 => &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)],
        IpVersion::V6 => &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
    };
    pairs.iter().find_map(|&(ask, reply)| match kind {
        k if k == ask => Some(reply),
        k if k == reply => Some(ask),
        _ => None,
    })
}

/// Base64 (RFC 4648 §4) of 20 bytes: six groups of three, and one of two with one pad.
fn base64(digest: &[u8; 20], out: &mut [u8]) {
    for (chunk, quad) in digest.chunks(3).zip(out.chunks_exact_mut(4)) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (i, digit) in quad.iter_mut().enumerate() {
            *digit = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
        }
        if chunk.len() == 2 {
            quad[3] = b'=';
        }
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
