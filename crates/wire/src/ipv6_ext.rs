//! IPv6 extension headers (RFC 8200 §4), and what must come out at their end.
//!
//! Each header is at least eight bytes of the packet, so the walk is bounded by its length.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, Fragment, IpVersion, NonFlow, ah, esp, icmpv4, icmpv6, ipv4, ipv6, sctp, tcp, tunnel, udp};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
const NONE: u8 = 59;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

pub(crate) const FRAGMENT_HEADER_LEN: usize = 8;
pub(crate) const FRAGMENT_OFFSET_MASK: u16 = 0xfff8;

/// Whether a chain of extension headers begins with this one.
pub(crate) fn is_extension(next_header: u8) -> bool {
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | ah::PROTOCOL | NONE | DESTINATION | MOBILITY | HIP | SHIM6)
}

/// The protocol behind a chain of extension headers that begins with `protocol`, and its bytes, without a look at what
/// the headers say. `None` if the chain is cut, or belongs to a fragment that is not the first.
pub(crate) fn behind(mut protocol: u8, mut view: View<'_>) -> Option<(u8, View<'_>)> {
    while is_extension(protocol) && protocol != NONE {
        let &[next_header, len, hi, lo] = view.header()?;
        if protocol == FRAGMENT && be16(hi, lo) & FRAGMENT_OFFSET_MASK != 0 {
            return None;
        }
        view = view.skip(header_len(protocol, len));
        protocol = next_header;
    }
    Some((protocol, view))
}

/// Length of an extension header that says of itself `len`.
fn header_len(protocol: u8, len: u8) -> usize {
    match protocol {
        FRAGMENT => FRAGMENT_HEADER_LEN,
        ah::PROTOCOL => ah::header_len(len),
        _ => (usize::from(len) + 1) * 8,
    }
}

/// Headers that came before.
#[derive(Default)]
struct Seen {
    hop_by_hop: bool,
    destination: u8,
    routing: bool,
    fragment: bool,
    authentication: bool,
}

/// Walks the chain that begins with `ip.protocol`, behind the IPv6 header that `start` begins with.
pub(crate) fn decode<'a>(cx: &mut Context<'_>, mut ip: Ip, start: View<'a>, mut view: View<'a>) -> Step<'a> {
    let mut seen = Seen::default();
    let mut protocol_offset = start.offset() + ipv6::NEXT_HEADER_AT;
    loop {
        if ip.protocol == NONE {
            if view.len() > 0 {
                cx.note(Event::Ipv6DataAfterNoneHeader);
            }
            return cx.non_flow(NonFlow::UnknownProtocol);
        }
        let Some(&[next_header, len]) = view.header::<2>() else {
            return cx.invalid(Event::Ipv6TruncExthdr);
        };
        let header_len = match ip.protocol {
            tcp::PROTOCOL => return tcp::decode(cx, &ip, view),
            udp::PROTOCOL => return udp::decode(cx, &ip, view),
            icmpv6::PROTOCOL => return icmpv6::decode(cx, &ip, view),
            sctp::PROTOCOL => return sctp::decode(cx, &ip, view),
            esp::PROTOCOL => return esp::decode(cx, &ip, view),
            ipv4::PROTOCOL_IN_IP => return tunnel::ipv4_in_ipv6(cx, &ip, view),
            icmpv4::PROTOCOL => return ipv6::with_icmpv4(cx),
            extension if is_extension(extension) => header_len(extension, len),
            _ => return ipv6::unknown(cx, &ip, view),
        };
        if header_len > view.len() {
            return cx.invalid(Event::Ipv6TruncExthdr);
        }
        let header = view.limit(header_len);
        match ip.protocol {
            ROUTING => routing(cx, &mut seen, header),
            HOP_BY_HOP => hop_by_hop(cx, &mut seen, header),
            DESTINATION => destination(cx, &mut seen, header),
            ah::PROTOCOL => authentication(cx, &mut seen, header),
            FRAGMENT => {
                if let Some(fragment) = fragment(cx, &mut seen, &ip, start, view) {
                    return cx.fragment(Fragment { protocol_offset, ..fragment });
                }
            }
            _ => {}
        }
        ip.protocol = next_header;
        protocol_offset = view.offset();
        view = view.skip(header_len);
    }
}

fn routing(cx: &mut Context<'_>, seen: &mut Seen, header: View<'_>) {
    if core::mem::replace(&mut seen.routing, true) {
        cx.note(Event::Ipv6ExthdrDuplRh);
    } else if header.data().get(2) == Some(&0) {
        // RFC 5095: deprecated.
        cx.note(Event::Ipv6RhType0);
    }
}

fn authentication(cx: &mut Context<'_>, seen: &mut Seen, header: View<'_>) {
    ah::note(cx, header);
    if matches!(header.data(), [_, _, hi, lo, ..] if be16(*hi, *lo) != 0) {
        cx.note(Event::Ipv6ExthdrAhResNotNull);
    }
    if core::mem::replace(&mut seen.authentication, true) {
        cx.note(Event::Ipv6ExthdrDuplAh);
    }
}

fn hop_by_hop(cx: &mut Context<'_>, seen: &mut Seen, header: View<'_>) {
    if core::mem::replace(&mut seen.hop_by_hop, true) {
        cx.note(Event::Ipv6ExthdrDuplHh);
    } else {
        options(cx, header, Event::Ipv6HopoptsUnknownOpt, Event::Ipv6HopoptsOnlyPadding);
    }
}

/// Two are allowed: before a routing header and at the end (RFC 8200 §4.1).
fn destination(cx: &mut Context<'_>, seen: &mut Seen, header: View<'_>) {
    if seen.destination == 2 {
        cx.note(Event::Ipv6ExthdrDuplDh);
    } else {
        seen.destination += 1;
        options(cx, header, Event::Ipv6DstoptsUnknownOpt, Event::Ipv6DstoptsOnlyPadding);
    }
}

/// Options of a hop-by-hop or destination header (RFC 8200 §4.2). A bad one ends the check, not the packet.
fn options(cx: &mut Context<'_>, header: View<'_>, unknown: Event, only_padding: Event) {
    const PAD_1: u8 = 0;
    const PAD_N: u8 = 1;
    const ROUTER_ALERT: u8 = 0x05;
    const JUMBO: u8 = 0xc2;
    const HOME_ADDRESS: u8 = 0xc9;

    let total = header.len() - 2;
    let mut rest = header.skip(2);
    let (mut padding, mut other) = (false, false);
    while let Some(&kind) = rest.data().first() {
        if kind == PAD_1 {
            padding = true;
            rest = rest.skip(1);
            continue;
        }
        let Some(&[_, len]) = rest.header::<2>() else {
            if rest.len() < 2 {
                cx.fault(Event::Ipv6ExthdrInvalidOptlen);
            }
            break;
        };
        let (at, len) = (total - rest.len(), usize::from(len));
        let least_len = match kind {
            ROUTER_ALERT => 2,
            JUMBO => 4,
            HOME_ADDRESS => 16,
            _ => 0,
        };
        // The last option may end one byte late: that is where Suricata draws the line.
        if at + 1 + len > total || len < least_len {
            cx.fault(Event::Ipv6ExthdrInvalidOptlen);
            break;
        }
        match kind {
            PAD_N => {
                padding = true;
                if len == 0 {
                    cx.note(Event::Ipv6ZeroLenPadn);
                }
            }
            ROUTER_ALERT | HOME_ADDRESS => other = true,
            JUMBO => {}
            _ => {
                cx.note(unknown);
                other = true;
            }
        }
        rest = rest.skip(2 + len);
    }
    // Of a header that the capture cut, nobody knows what else was in it.
    if padding && !other && !rest.is_snapped() {
        cx.note(only_padding);
    }
}

/// The fragment, unless the header says that the datagram is whole (RFC 6946) or is one too many.
fn fragment(cx: &mut Context<'_>, seen: &mut Seen, ip: &Ip, start: View<'_>, view: View<'_>) -> Option<Fragment> {
    let &[next_header, reserved, hi, lo, ref id @ ..] = view.header::<FRAGMENT_HEADER_LEN>()?;
    if reserved != 0 {
        cx.note(Event::Ipv6FhNonZeroReservedField);
    }
    if core::mem::replace(&mut seen.fragment, true) {
        cx.note(Event::Ipv6ExthdrDuplFh);
        return None;
    }
    let word = be16(hi, lo);
    let (offset, more) = (word & FRAGMENT_OFFSET_MASK, word & 1 != 0);
    if offset == 0 && !more {
        cx.note(Event::Ipv6ExthdrUselessFh);
        return None;
    }
    if more && !view.len().is_multiple_of(8) {
        cx.note(Event::Ipv6FragInvalidLength);
    }
    let payload = view.skip(FRAGMENT_HEADER_LEN);
    Some(Fragment {
        ip_version: IpVersion::V6,
        src: ip.src,
        dst: ip.dst,
        id: u32::from_be_bytes(*id),
        offset: u32::from(offset),
        more,
        vlan: cx.vlan,
        protocol: next_header,
        ip_offset: start.offset(),
        payload_offset: payload.offset(),
        payload_len: payload.len() as u32,
        protocol_offset: start.offset(),
        link_len: cx.link_len(start),
        ttl: ip.ttl,
        macs: cx.macs,
        recursion: cx.recursion(),
        layers: cx.layers(),
        tunnel: cx.tunnel,
    })
}
