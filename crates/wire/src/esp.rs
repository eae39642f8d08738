//! ESP (RFC 4303): of its header only the security parameters index can be read.

use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::view::View;
use crate::{Event, Transport};

pub(crate) const PROTOCOL: u8 = 50;
const HEADER_LEN: usize = 8;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.layers.esp += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let Some(&[i0, i1, i2, i3, ..]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::EspPktTooSmall);
    };
    cx.flow(ip, Transport::Esp { spi: u32::from_be_bytes([i0, i1, i2, i3]) }, view)
}
