//! IPv6 (RFC 8200), the fixed header.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Address, Event, IpVersion, esp, gre, icmpv4, icmpv6, ipv4, ipv6_ext, sctp, tcp, tunnel, udp};

pub(crate) const HEADER_LEN: usize = 40;
/// Offset of the field that names what follows.
pub(crate) const NEXT_HEADER_AT: u32 = 6;

/// IPv6 in IP (RFC 2473, RFC 4213).
pub(crate) const PROTOCOL_IN_IP: u8 = 41;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ipv6 += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let Some(header) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::Ipv6PktTooSmall);
    };
    let &[version_class, _, _, _, len_hi, len_lo, next_header, hop_limit, ref addresses @ ..] = header;
    if version_class >> 4 != 6 {
        return cx.invalid(Event::Ipv6WrongIpVersion);
    }
    let payload_len = usize::from(be16(len_hi, len_lo));
    if view.len() < HEADER_LEN + payload_len {
        return cx.invalid(Event::Ipv6TruncPkt);
    }
    let (src, dst) = split_addresses(addresses);
    let ip = Ip { version: IpVersion::V6, src, dst, protocol: next_header, ttl: hop_limit };
    let payload = view.limit(HEADER_LEN + payload_len).skip(HEADER_LEN);
    match next_header {
        tcp::PROTOCOL => tcp::decode(cx, &ip, payload),
        udp::PROTOCOL => udp::decode(cx, &ip, payload),
        icmpv6::PROTOCOL => icmpv6::decode(cx, &ip, payload),
        sctp::PROTOCOL => sctp::decode(cx, &ip, payload),
        gre::PROTOCOL => gre::decode(cx, &ip, payload),
        ipv4::PROTOCOL_IN_IP => tunnel::ipv4_in_ipv6(cx, &ip, payload),
        PROTOCOL_IN_IP => tunnel::ipv6_in_ipv6(cx, &ip, payload),
        icmpv4::PROTOCOL => with_icmpv4(cx),
        next_header if next_header == esp::PROTOCOL || ipv6_ext::is_extension(next_header) => {
            ipv6_ext::decode(cx, ip, view, payload)
        }
        _ => unknown(cx, &ip, payload),
    }
}

/// Source and destination as they stand in the header.
#[inline]
pub(crate) fn split_addresses(addresses: &[u8; 32]) -> (Address, Address) {
    let (src, dst) = addresses.split_at(16);
    let address = |bytes: &[u8]| Address(bytes.try_into().unwrap_or_default());
    (address(src), address(dst))
}

/// ICMPv4 has no business in IPv6.
pub(crate) fn with_icmpv4<'a>(cx: &mut Context<'_>) -> Step<'a> {
    cx.refuse(Event::Ipv6Icmpv4)
}

/// A next header of which nothing is known but its number.
pub(crate) fn unknown<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    if let Some(step) = tunnel::beyond(cx, ip, view) {
        return step;
    }
    cx.note(Event::Ipv6UnknownNextHeader);
    ipv4::unknown(cx, ip, view)
}
