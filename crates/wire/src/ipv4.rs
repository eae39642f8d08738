//! IPv4 (RFC 791).

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{
    Address, Event, Fragment, IpVersion, NonFlow, Transport, ah, esp, gre, icmpv4, icmpv6, igmp, ipv4_options, sctp,
    tcp, tunnel, udp,
};

pub(crate) const HEADER_LEN: usize = 20;
/// First byte of a header without options.
pub(crate) const VERSION_4_WITHOUT_OPTIONS: u8 = 0x45;
/// Offset and "more fragments" in the word that holds them.
pub(crate) const FRAGMENT_MASK: u16 = MORE_FRAGMENTS | OFFSET_MASK;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
pub(crate) const OFFSET_MASK: u16 = 0x1fff;

/// Offset of the protocol field.
pub(crate) const PROTOCOL_AT: u32 = 9;

/// IPv4 in IP (RFC 2003).
pub(crate) const PROTOCOL_IN_IP: u8 = 4;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ipv4 += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let Some(header) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::Ipv4PktTooSmall);
    };
    let &[version_len, _, len_hi, len_lo, id_hi, id_lo, frag_hi, frag_lo, ttl, protocol, _, _, a, b, c, d, e, f, g, h] =
        header;
    if version_len >> 4 != 4 {
        return cx.invalid(Event::Ipv4WrongIpVersion);
    }
    let header_len = usize::from(version_len & 0x0f) * 4;
    let datagram_len = usize::from(be16(len_hi, len_lo));
    if header_len < HEADER_LEN {
        return cx.invalid(Event::Ipv4HlenTooSmall);
    }
    if datagram_len < header_len {
        return cx.invalid(Event::Ipv4IplenSmallerThanHlen);
    }
    if view.len() < datagram_len {
        return cx.invalid(Event::Ipv4TruncPkt);
    }
    if header_len > HEADER_LEN {
        ipv4_options::decode(cx, view.limit(header_len).skip(HEADER_LEN));
    }
    let ip =
        Ip { version: IpVersion::V4, src: Address::v4([a, b, c, d]), dst: Address::v4([e, f, g, h]), protocol, ttl };
    let payload = view.limit(datagram_len).skip(header_len);
    let fragment = be16(frag_hi, frag_lo);
    if fragment & FRAGMENT_MASK != 0 {
        return cx.fragment(Fragment {
            ip_version: IpVersion::V4,
            src: ip.src,
            dst: ip.dst,
            id: u32::from(be16(id_hi, id_lo)),
            offset: u32::from(fragment & OFFSET_MASK) * 8,
            more: fragment & MORE_FRAGMENTS != 0,
            vlan: cx.vlan,
            protocol,
            ip_offset: view.offset(),
            payload_offset: payload.offset(),
            payload_len: payload.len() as u32,
            protocol_offset: view.offset() + PROTOCOL_AT,
            link_len: cx.link_len(view),
            ttl: ip.ttl,
            macs: cx.macs,
            recursion: cx.recursion(),
            layers: cx.layers(),
            tunnel: cx.tunnel,
        });
    }
    transport(cx, ip, payload)
}

fn transport<'a>(cx: &mut Context<'_>, mut ip: Ip, mut view: View<'a>) -> Step<'a> {
    while ip.protocol == ah::PROTOCOL && cx.options.beyond_suricata {
        let Some((protocol, protected)) = ah::decode(cx, view) else { break };
        (ip.protocol, view) = (protocol, protected);
    }
    let ip = &ip;
    match ip.protocol {
        tcp::PROTOCOL => tcp::decode(cx, ip, view),
        udp::PROTOCOL => udp::decode(cx, ip, view),
        icmpv4::PROTOCOL => icmpv4::decode(cx, ip, view),
        sctp::PROTOCOL => sctp::decode(cx, ip, view),
        esp::PROTOCOL => esp::decode(cx, ip, view),
        igmp::PROTOCOL => igmp::decode(cx, view),
        gre::PROTOCOL => gre::decode(cx, ip, view),
        PROTOCOL_IN_IP => tunnel::ipv4_in_ipv4(cx, ip, view),
        crate::ipv6::PROTOCOL_IN_IP => tunnel::ipv6_in_ipv4(cx, ip, view),
        icmpv6::PROTOCOL => cx.invalid(Event::Ipv4Icmpv6),
        // RFC 1144 §3.2.2: the connection number stands where the protocol was; 0 is the first connection.
        0 if cx.vj_uncompressed => tcp::decode(cx, &Ip { protocol: tcp::PROTOCOL, ..*ip }, view),
        0 => unknown(cx, ip, view),
        _ => {
            if let Some(step) = tunnel::beyond(cx, ip, view) {
                return step;
            }
            cx.note(Event::Ipv4UnknownProtocol);
            unknown(cx, ip, view)
        }
    }
}

/// A protocol of which nothing is known but its number.
pub(crate) fn unknown<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    if cx.options.flow_for_every_protocol {
        cx.flow(ip, Transport::Other, view)
    } else {
        cx.non_flow(NonFlow::UnknownProtocol)
    }
}
