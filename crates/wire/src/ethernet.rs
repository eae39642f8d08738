//! Ethernet II, and Cisco FabricPath (DCE), which is two bytes and another Ethernet header.

use crate::decoder::{Context, Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};
use crate::{Event, Macs};

pub(crate) const HEADER_LEN: usize = 14;
const DCE_TAG_LEN: usize = 2;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ethernet += 1;
    let Some(&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::EthernetPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    cx.macs.get_or_insert(Macs { src: [s0, s1, s2, s3, s4, s5], dst: [d0, d1, d2, d3, d4, d5] });
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Ethernet), view.skip(HEADER_LEN))
}

/// The two bytes of a FabricPath tag. They only come before an Ethernet header, which must be there.
pub(crate) fn decode_dce<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    if view.len() < DCE_TAG_LEN + HEADER_LEN {
        return cx.invalid(Event::DcePktTooSmall);
    }
    Step::Next(Layer::Ethernet, view.skip(DCE_TAG_LEN))
}
