//! Linux cooked captures, version 1 and 2 (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

const HEADER_LEN: usize = 16;
const HEADER_V2_LEN: usize = 20;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.sll += 1;
    let Some(&[.., hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::SllPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Other), view.skip(HEADER_LEN))
}

pub(crate) fn decode_v2<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.sll2 += 1;
    let Some(&[hi, lo, ..]) = view.header::<HEADER_V2_LEN>() else {
        return cx.invalid(Event::Sll2PktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Other), view.skip(HEADER_V2_LEN))
}
