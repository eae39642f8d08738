//! Tunnels: packets inside packets.
//!
//! What is opened nowhere yet: the inner packet is named ([`Inner`]), its counters stay at zero. IP in IP begins here;
//! GRE has its header checked in [`crate::gre`]; Teredo, VXLAN and Geneve are plain UDP in [`crate::udp`]; ERSPAN comes
//! inside of GRE.

use crate::decoder::{Context, Ip, Step};
use crate::view::View;
use crate::{Event, Inner, InnerKind, Transport, ipv4, ipv6};

/// The outside of IP in IP: a flow of its own, whatever is inside.
pub(crate) fn ip_in_ip<'a>(cx: &mut Context<'_>, ip: &Ip, kind: InnerKind, view: View<'a>) -> Step<'a> {
    let inner = Inner { offset: view.offset(), len: view.len() as u32, kind };
    cx.flow_around(ip, Transport::Other, view, Some(inner))
}

/// The outside of IP in IPv6: a flow only if a header of the right version is inside.
pub(crate) fn ip_in_ipv6<'a>(cx: &mut Context<'_>, ip: &Ip, kind: InnerKind, view: View<'a>) -> Step<'a> {
    let (least_len, version, too_small, wrong_version) = match kind {
        InnerKind::Ipv4 => (ipv4::HEADER_LEN, 4, Event::Ipv6Ipv4InIpv6TooSmall, Event::Ipv6Ipv4InIpv6WrongVersion),
        InnerKind::Ipv6 => (ipv6::HEADER_LEN, 6, Event::Ipv6Ipv6InIpv6TooSmall, Event::Ipv6Ipv6InIpv6WrongVersion),
    };
    match view.data().first() {
        Some(first) if view.len() >= least_len => {
            if first >> 4 == version {
                ip_in_ip(cx, ip, kind, view)
            } else {
                cx.invalid(wrong_version)
            }
        }
        _ => cx.invalid(too_small),
    }
}
