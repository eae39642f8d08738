//! Cisco HDLC: address, control, an Ethernet type.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

const HEADER_LEN: usize = 4;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.chdlc += 1;
    let Some(&[_, _, hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::ChdlcPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Other), view.skip(HEADER_LEN))
}
