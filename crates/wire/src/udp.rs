//! UDP (RFC 768). Tunnels over UDP (Teredo, VXLAN, Geneve) are not opened: they are flows like any other.

use crate::decoder::{Context, Ip, Step};
use crate::view::{View, be16};
use crate::{Event, Ports, Transport};

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
    cx.flow(ip, Transport::Udp(ports), view)
}
