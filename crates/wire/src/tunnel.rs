//! Tunnels right over IP: IP in IP, and those that Suricata leaves closed. GRE is in [`crate::gre`].

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::inner::InnerKind;
use crate::view::View;
use crate::{Event, IpVersion, Transport, Tunnel, etherip, gre, ipv4, ipv6, l2tp, mpls};

/// The outside of IP in IP: a flow of its own, whatever is inside.
fn ip_in_ip<'a>(cx: &mut Context<'_>, ip: &Ip, kind: InnerKind, view: View<'a>) -> Step<'a> {
    let inner = cx.open(kind, view, Tunnel::NONE);
    cx.flow_around(ip, Transport::Other, view, inner)
}

pub(crate) fn ipv4_in_ipv4<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    ip_in_ip(cx, ip, InnerKind::Ipv4InIpv4, view)
}

pub(crate) fn ipv6_in_ipv4<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    ip_in_ip(cx, ip, InnerKind::Ipv6InIpv4, view)
}

/// The outside of IPv4 in IPv6: a flow only if a header of the right version is inside.
pub(crate) fn ipv4_in_ipv6<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    match view.data().first() {
        Some(first) if view.len() >= ipv4::HEADER_LEN => match first >> 4 {
            4 => ip_in_ip(cx, ip, InnerKind::Ipv4InIpv6, view),
            _ => cx.invalid(Event::Ipv6Ipv4InIpv6WrongVersion),
        },
        _ => cx.invalid(Event::Ipv6Ipv4InIpv6TooSmall),
    }
}

/// The outside of IPv6 in IPv6: a flow only if a header of the right version is inside.
pub(crate) fn ipv6_in_ipv6<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    match view.data().first() {
        Some(first) if view.len() >= ipv6::HEADER_LEN => match first >> 4 {
            6 => ip_in_ip(cx, ip, InnerKind::Ipv6InIpv6, view),
            _ => cx.invalid(Event::Ipv6Ipv6InIpv6WrongVersion),
        },
        _ => cx.invalid(Event::Ipv6Ipv6InIpv6TooSmall),
    }
}

/// What Suricata leaves closed, if it is to be opened and `ip` carries such a thing.
pub(crate) fn beyond<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Option<Step<'a>> {
    if !cx.options.beyond_suricata {
        return None;
    }
    Some(match (ip.protocol, ip.version) {
        (etherip::PROTOCOL, _) => etherip::decode(cx, ip, view),
        (l2tp::PROTOCOL, _) => l2tp::decode_ip(cx, ip, view),
        (mpls::PROTOCOL, _) => {
            let inner = cx.open(InnerKind::Mpls, view, Tunnel::NONE);
            cx.tunnel(ip, view, inner)
        }
        // Behind extension headers, where Suricata does not look for them.
        (gre::PROTOCOL, IpVersion::V6) => gre::decode(cx, ip, view),
        (ipv6::PROTOCOL_IN_IP, IpVersion::V6) => ipv6_in_ipv6(cx, ip, view),
        _ => return None,
    })
}
