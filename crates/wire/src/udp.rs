//! UDP (RFC 768). A datagram that is a tunnel is a flow like any other, with a packet inside.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, Ports, Transport, udp_tunnel};

pub(crate) const PROTOCOL: u8 = 17;
pub(crate) const HEADER_LEN: usize = 8;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.udp += 1;
    let Some(&[s_hi, s_lo, d_hi, d_lo, len_hi, len_lo, _, _]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::UdpHlenTooSmall);
    };
    let len = usize::from(be16(len_hi, len_lo));
    if view.len() < len {
        return cx.invalid(Event::UdpPktTooSmall);
    }
    if len < HEADER_LEN {
        return cx.invalid(Event::UdpLenInvalid);
    }
    let ports = Ports { src: be16(s_hi, s_lo), dst: be16(d_hi, d_lo) };
    let inner = udp_tunnel::inside(cx, ports, payload(view));
    cx.flow_around(ip, Transport::Udp(ports), view, inner)
}

/// What follows the header, by the length that it says. `view` begins with it.
pub(crate) fn payload(view: View<'_>) -> View<'_> {
    let Some(&[_, _, _, _, len_hi, len_lo]) = view.header() else { return view.limit(0) };
    view.limit(usize::from(be16(len_hi, len_lo))).skip(HEADER_LEN)
}
