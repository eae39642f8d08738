//! L2TP: version 2 over UDP (RFC 2661), which carries PPP, and version 3 over UDP and IP (RFC 3931), which carries what
//! both ends have agreed upon.
//!
//! A data message of version 3 does not say what it carries, nor how long its cookie is. What is found behind any
//! possible cookie and is surely an Ethernet frame is taken for one; everything else stays closed.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::inner::{Inner, InnerKind};
use crate::view::{View, be16};
use crate::{Tunnel, TunnelKind, ethernet, ethertype, ipv4};

pub(crate) const PORT: u16 = 1701;
pub(crate) const PROTOCOL: u8 = 115;

/// In the first word: a control message; length, sequence and offset are there; the version.
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION_MASK: u16 = 0x000f;
/// Flags, a reserved word, and the session of version 3.
const V3_HEADER_LEN: usize = 8;
const SESSION_LEN: usize = 4;
/// No cookie, or one of either length, and any of them with the default sublayer of four bytes (§4.1).
const COOKIES: [usize; 4] = [0, 4, 8, 12];

pub(crate) fn decode_udp(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let &[hi, lo, ..] = view.header::<6>()?;
    let flags = be16(hi, lo);
    match flags & VERSION_MASK {
        2 => version_2(cx, flags, view),
        3 => version_3(cx, flags, view),
        _ => None,
    }
}

fn version_2(cx: &mut Context<'_>, flags: u16, view: View<'_>) -> Option<Inner> {
    let mut rest = view.skip(2);
    if flags & LENGTH != 0 {
        let len = usize::from(word(rest)?);
        if len > view.len() {
            return None;
        }
        rest = view.limit(len).skip(4);
    }
    let session = *rest.header::<4>()?;
    rest = rest.skip(4);
    cx.enter().ok()?;
    cx.counters.beyond.l2tp += 1;
    if flags & CONTROL != 0 {
        return None;
    }
    if flags & SEQUENCE != 0 {
        rest = rest.skip(4);
    }
    if flags & OFFSET != 0 {
        rest = rest.skip(2 + usize::from(word(rest)?));
    }
    // A message without a payload keeps the tunnel alive.
    if rest.len() == 0 {
        return None;
    }
    cx.open(InnerKind::Ppp, rest, Tunnel { kind: TunnelKind::Session, id: u32::from_be_bytes(session) })
}

fn word(view: View<'_>) -> Option<u16> {
    view.header().map(|&[hi, lo]| be16(hi, lo))
}

fn version_3(cx: &mut Context<'_>, flags: u16, view: View<'_>) -> Option<Inner> {
    let &[.., s0, s1, s2, s3] = view.header::<V3_HEADER_LEN>()?;
    cx.enter().ok()?;
    cx.counters.beyond.l2tp += 1;
    if flags & CONTROL != 0 {
        return None;
    }
    session_3(cx, [s0, s1, s2, s3], view.skip(V3_HEADER_LEN))
}

/// Version 3 right over IP. Session 0 is that of control messages.
pub(crate) fn decode_ip<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.beyond.l2tp += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let inner = match view.header::<SESSION_LEN>() {
        Some(&session) if session != [0; 4] => session_3(cx, session, view.skip(SESSION_LEN)),
        _ => None,
    };
    cx.tunnel(ip, view, inner)
}

fn session_3(cx: &mut Context<'_>, session: [u8; 4], payload: View<'_>) -> Option<Inner> {
    let frame = COOKIES.iter().map(|&len| payload.skip(len)).find(|&frame| is_ethernet(frame))?;
    cx.open(InnerKind::Ethernet, frame, Tunnel { kind: TunnelKind::Session, id: u32::from_be_bytes(session) })
}

/// Whether this is surely an Ethernet frame: its type is known and what follows agrees with it.
fn is_ethernet(frame: View<'_>) -> bool {
    let Some(header) = frame.header::<{ ethernet::HEADER_LEN + 4 }>() else { return false };
    let &[.., type_hi, type_lo, first, second, len_hi, len_lo] = header;
    let rest = frame.len() - ethernet::HEADER_LEN;
    match be16(type_hi, type_lo) {
        ethertype::IPV4 => first >> 4 == 4 && (ipv4::HEADER_LEN..=rest).contains(&usize::from(be16(len_hi, len_lo))),
        ethertype::IPV6 => first >> 4 == 6,
        // Hardware and protocol type of Ethernet and IPv4.
        ethertype::ARP => [first, second, len_hi, len_lo] == [0, 1, 8, 0],
        ethertype::VLAN | ethertype::PROVIDER_VLAN => {
            matches!(be16(len_hi, len_lo), ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP | ethertype::VLAN)
        }
        _ => false,
    }
}
