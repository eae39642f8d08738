//! Provider backbone bridging (IEEE 802.1ah): a service tag, the customer's MAC addresses, the customer's type.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

const HEADER_LEN: usize = 18;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ieee8021ah += 1;
    let Some(&[.., hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::Ieee8021ahHeaderTooSmall);
    };
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Other), view.skip(HEADER_LEN))
}
