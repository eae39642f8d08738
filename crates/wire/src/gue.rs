//! Generic UDP encapsulation (draft-ietf-intarea-gue) and foo over UDP, which is the same without a header.

use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::view::View;
use crate::{Tunnel, etherip, gtpu, ipv4, ipv6, mpls};

pub(crate) const PORT: u16 = 6080;

const HEADER_LEN: usize = 4;
const CONTROL: u8 = 0x20;
const LEN_MASK: u8 = 0x1f;

pub(crate) fn decode(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let &[start, protocol, ..] = view.header::<HEADER_LEN>()?;
    match start >> 6 {
        0 => {}
        // Version 1 is no header: these are the first two bits of IPv4 and of IPv6.
        1 => return bare(cx, view),
        _ => return None,
    }
    let header_len = HEADER_LEN + usize::from(start & LEN_MASK) * 4;
    if header_len > view.len() {
        return None;
    }
    cx.enter().ok()?;
    cx.counters.beyond.gue += 1;
    let payload = view.skip(header_len);
    match protocol {
        _ if start & CONTROL != 0 => None,
        ipv4::PROTOCOL_IN_IP => cx.open(InnerKind::Ipv4, payload, Tunnel::NONE),
        ipv6::PROTOCOL_IN_IP => cx.open(InnerKind::Ipv6, payload, Tunnel::NONE),
        mpls::PROTOCOL => cx.open(InnerKind::Mpls, payload, Tunnel::NONE),
        etherip::PROTOCOL => {
            etherip::frame(payload).and_then(|frame| cx.open(InnerKind::Ethernet, frame, Tunnel::NONE))
        }
        _ => None,
    }
}

fn bare(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let kind = gtpu::ip_kind(view)?;
    cx.counters.beyond.gue += 1;
    cx.open(kind, view, Tunnel::NONE)
}

/// A bare IP packet.
pub(crate) fn decode_fou(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let kind = gtpu::ip_kind(view)?;
    cx.counters.beyond.fou += 1;
    cx.open(kind, view, Tunnel::NONE)
}
