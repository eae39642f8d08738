//! GRE (RFC 1701, RFC 2784, RFC 2890), and as PPTP uses it (RFC 2637).

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::inner::InnerKind;
use crate::view::{View, be16};
use crate::{Event, Tunnel, TunnelKind, ethertype};

pub(crate) const PROTOCOL: u8 = 47;

const HEADER_LEN: usize = 4;
const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const STRICT_ROUTE: u8 = 0x08;
const RECURSION_MASK: u8 = 0x07;
/// In the second byte: acknowledgement (version 1), flags that must be zero, version.
const ACKNOWLEDGEMENT: u8 = 0x80;
const RESERVED_MASK: u8 = 0x78;
const VERSION_MASK: u8 = 0x07;
const PPP: u16 = 0x880b;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.gre += 1;
    let Some(&[flags, flags_version, hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::GrePktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let protocol = be16(hi, lo);
    let payload = match flags_version & VERSION_MASK {
        0 => version_0(flags, flags_version, view),
        1 => version_1(flags, flags_version, protocol, view),
        _ => Err(Event::GreWrongVersion),
    };
    let payload = match payload {
        Ok(payload) => payload,
        Err(event) => return cx.invalid(event),
    };
    // An acknowledgement of PPTP carries nothing; of what the capture cut off nothing can be said.
    let is_acknowledgement = flags_version & VERSION_MASK == 1 && view.skip(HEADER_LEN).header() == Some(&[0, 0]);
    let is_empty = is_acknowledgement || (payload.data().is_empty() && view.is_snapped());
    let inner = match kind(cx, protocol, flags) {
        Some(kind) if !is_empty => cx.open(kind, payload, identity(cx, flags, flags_version, protocol, view)),
        _ => None,
    };
    cx.tunnel(ip, view, inner)
}

/// What a packet inside begins with.
fn kind(cx: &Context<'_>, protocol: u16, flags: u8) -> Option<InnerKind> {
    Some(match protocol {
        ethertype::IPV4 => InnerKind::Ipv4,
        ethertype::IPV6 => InnerKind::Ipv6,
        ethertype::VLAN => InnerKind::Vlan,
        ethertype::ARP => InnerKind::Arp,
        ethertype::BRIDGED => InnerKind::Ethernet,
        PPP => InnerKind::Ppp,
        // Type I has no header of its own, and no sequence number by which type II is known.
        ERSPAN if flags & SEQUENCE == 0 => InnerKind::Erspan1,
        ERSPAN => InnerKind::Erspan,
        ERSPAN_3 if cx.options.beyond_suricata => InnerKind::Erspan,
        ethertype::MPLS_UNICAST | ethertype::MPLS_MULTICAST if cx.options.beyond_suricata => InnerKind::Mpls,
        ethertype::NSH if cx.options.beyond_suricata => InnerKind::Nsh,
        _ => return None,
    })
}

/// What tells this tunnel from others between the same hosts: the key (RFC 2890), the upper part of it in NVGRE (RFC 7637
/// §3.2), which is a key and bridged Ethernet and nothing else, and the call of PPTP (RFC 2637 §4.1).
fn identity(cx: &Context<'_>, flags: u8, flags_version: u8, protocol: u16, view: View<'_>) -> Tunnel {
    let checksum_len = if flags & (CHECKSUM | ROUTING) != 0 { 4 } else { 0 };
    let (true, Some(&key)) = (flags & KEY != 0, view.skip(HEADER_LEN + checksum_len).header()) else {
        return Tunnel::NONE;
    };
    let key = u32::from_be_bytes(key);
    if flags_version & VERSION_MASK == 1 {
        Tunnel { kind: TunnelKind::Session, id: key & 0xffff }
    } else if cx.options.beyond_suricata && protocol == ethertype::BRIDGED && (flags, flags_version) == (KEY, 0) {
        Tunnel { kind: TunnelKind::Vni, id: key >> 8 }
    } else {
        Tunnel { kind: TunnelKind::GreKey, id: key }
    }
}

/// What follows a header of version 0.
fn version_0(flags: u8, flags_version: u8, view: View<'_>) -> Result<View<'_>, Event> {
    if flags & RECURSION_MASK != 0 {
        return Err(Event::GreVersion0Recur);
    }
    if flags_version & RESERVED_MASK != 0 {
        return Err(Event::GreVersion0Flags);
    }
    // Checksum and offset come together when either is there.
    let optional = [KEY, SEQUENCE, CHECKSUM | ROUTING];
    let header_len = HEADER_LEN + 4 * optional.iter().filter(|&&bit| flags & bit != 0).count();
    if header_len > view.len() {
        return Err(Event::GreVersion0HdrTooBig);
    }
    let rest = view.skip(header_len);
    if flags & ROUTING != 0 { behind_source_route(rest) } else { Ok(rest) }
}

/// RFC 1701: entries of four bytes and an address list, ended by one of family 0 and length 0.
fn behind_source_route(mut view: View<'_>) -> Result<View<'_>, Event> {
    loop {
        let Some(&[family_hi, family_lo, _, len]) = view.header::<4>() else {
            return if view.is_snapped() { Ok(view.skip(view.len())) } else { Err(Event::GreVersion0MalformedSreHdr) };
        };
        view = view.skip(4);
        if be16(family_hi, family_lo) == 0 && len == 0 {
            return Ok(view);
        }
        if usize::from(len) > view.len() {
            return Err(Event::GreVersion0MalformedSreHdr);
        }
        view = view.skip(usize::from(len));
    }
}

/// What follows a header of version 1 (RFC 2637 §4.1).
fn version_1(flags: u8, flags_version: u8, protocol: u16, view: View<'_>) -> Result<View<'_>, Event> {
    let forbidden = [
        (flags & CHECKSUM != 0, Event::GreVersion1Chksum),
        (flags & ROUTING != 0, Event::GreVersion1Route),
        (flags & STRICT_ROUTE != 0, Event::GreVersion1Ssr),
        (flags & RECURSION_MASK != 0, Event::GreVersion1Recur),
        (flags_version & RESERVED_MASK != 0, Event::GreVersion1Flags),
        (protocol != PPP, Event::GreVersion1WrongProtocol),
        (flags & KEY == 0, Event::GreVersion1NoKey),
    ];
    if let Some(&(_, event)) = forbidden.iter().find(|(found, _)| *found) {
        return Err(event);
    }
    let sequence = usize::from(flags & SEQUENCE != 0);
    let acknowledgement = usize::from(flags_version & ACKNOWLEDGEMENT != 0);
    let header_len = HEADER_LEN + 4 * (1 + sequence + acknowledgement);
    if header_len > view.len() { Err(Event::GreVersion1HdrTooBig) } else { Ok(view.skip(header_len)) }
}
