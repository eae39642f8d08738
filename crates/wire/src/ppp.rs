//! PPP (RFC 1661), alone in HDLC-like framing (RFC 1662) or inside PPPoE.
//!
//! The protocol field has one byte when that byte is odd (§2), two otherwise.

use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::{View, be16};
use crate::{Event, NonFlow, ipv4, ipv6};

const IP: u16 = 0x0021;
const VJ_UNCOMPRESSED: u16 = 0x002f;
const IPV6: u16 = 0x0057;

/// Protocols that set up and keep a link: nothing to follow, nothing wrong. LCP, PAP, LQM, CBCP, CHAP, IPCP, IPV6CP,
/// CCP, compressed datagrams, and Cisco's discovery.
const CONTROL: [u16; 10] = [0xc021, 0xc023, 0xc025, 0xc029, 0xc223, 0x8021, 0x8057, 0x80fd, 0x00fd, 0x8207];

/// Protocols that are known and not decoded: VJ compressed TCP, OSI, XNS, DECnet, AppleTalk, IPX, bridging, Stream,
/// Vines, 802.1D hello, LUXCOM, SNS, MPLS, and the control protocols of those that have one.
const UNSUPPORTED: [u16; 22] = [
    0x002d, 0x0023, 0x0025, 0x0027, 0x0029, 0x002b, 0x0031, 0x0033, 0x0035, 0x0205, 0x0231, 0x0233, 0x0281, 0x0283,
    0x8023, 0x8025, 0x8027, 0x8029, 0x802b, 0x8033, 0x8035, 0x8281,
];

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ppp += 1;
    // Address 0xff and control byte of the framing may have been negotiated away.
    let start = if view.data().first() == Some(&0xff) { 2 } else { 0 };
    let view = view.skip(start);
    let Some((protocol, protocol_len)) = protocol(view) else {
        return cx.invalid(Event::PppPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let payload = view.skip(protocol_len);
    if protocol_len == 1 { compressed(cx, protocol, payload) } else { payload_of(cx, protocol, payload) }
}

/// The protocol field and its length in bytes.
pub(crate) fn protocol(view: View<'_>) -> Option<(u16, usize)> {
    match *view.data() {
        [first, ..] if first & 1 == 1 => Some((u16::from(first), 1)),
        [hi, lo, ..] => Some((be16(hi, lo), 2)),
        _ => None,
    }
}

/// What follows a protocol field of one byte, where Suricata knows three protocols and says of all others that they
/// are not supported.
fn compressed<'a>(cx: &mut Context<'_>, protocol: u16, payload: View<'a>) -> Step<'a> {
    match protocol {
        IP if payload.len() < ipv4::HEADER_LEN => cx.invalid(Event::PppVjuPktTooSmall),
        VJ_UNCOMPRESSED => {
            cx.vj_uncompressed = true;
            payload_of(cx, protocol, payload)
        }
        IP | IPV6 => payload_of(cx, protocol, payload),
        _ => unsupported(cx),
    }
}

/// What follows the protocol field.
pub(crate) fn payload_of<'a>(cx: &mut Context<'_>, protocol: u16, payload: View<'a>) -> Step<'a> {
    match protocol {
        IP if payload.len() < ipv4::HEADER_LEN => cx.invalid(Event::PppIp4PktTooSmall),
        IP => Step::Next(Layer::Ipv4, payload),
        IPV6 if payload.len() < ipv6::HEADER_LEN => cx.invalid(Event::PppIp6PktTooSmall),
        IPV6 => Step::Next(Layer::Ipv6, payload),
        VJ_UNCOMPRESSED if payload.len() < ipv4::HEADER_LEN => cx.invalid(Event::PppVjuPktTooSmall),
        VJ_UNCOMPRESSED => match payload.data().first() {
            Some(first) if first >> 4 == 4 => Step::Next(Layer::Ipv4, payload),
            _ => cx.non_flow(NonFlow::LinkControl),
        },
        _ if CONTROL.contains(&protocol) => cx.non_flow(NonFlow::LinkControl),
        _ if UNSUPPORTED.contains(&protocol) => unsupported(cx),
        _ => cx.invalid(Event::PppWrongType),
    }
}

fn unsupported<'a>(cx: &mut Context<'_>) -> Step<'a> {
    cx.note(Event::PppUnsupProto);
    cx.non_flow(NonFlow::LinkControl)
}
