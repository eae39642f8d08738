//! Frames that begin with an IP header of either version.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ipv4;
use crate::view::View;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.raw += 1;
    let Some(&[first, ..]) = view.header::<{ ipv4::HEADER_LEN }>() else {
        return cx.invalid(Event::Ipv4PktTooSmall);
    };
    match first >> 4 {
        4 => Step::Next(Layer::Ipv4, view),
        6 => Step::Next(Layer::Ipv6, view),
        _ => cx.refuse(Event::IprawInvalidIpVersion),
    }
}
