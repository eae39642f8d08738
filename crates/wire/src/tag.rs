//! Port extender tags: E-Tag (IEEE 802.1BR) and Cisco's VN-Tag. What they say is not kept.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

const ETAG_LEN: usize = 8;
const VNTAG_LEN: usize = 6;

pub(crate) fn decode_etag<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.etag += 1;
    let Some(&[.., hi, lo]) = view.header::<ETAG_LEN>() else {
        return cx.invalid(Event::EtagHeaderTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Etag), view.skip(ETAG_LEN))
}

pub(crate) fn decode_vntag<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.vntag += 1;
    let Some(&[.., hi, lo]) = view.header::<VNTAG_LEN>() else {
        return cx.invalid(Event::VntagHeaderTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Vntag), view.skip(VNTAG_LEN))
}
