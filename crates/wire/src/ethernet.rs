//! Ethernet II, and Cisco FabricPath (DCE), which is two bytes and another Ethernet header.

use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};
use crate::{Event, Macs};

pub(crate) const HEADER_LEN: usize = 14;
const DCE_TAG_LEN: usize = 2;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.ethernet += 1;
    let Some(header) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::EthernetPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let (macs, kind) = fields(header);
    cx.macs.get_or_insert(macs);
    Step::Next(Layer::Ethertype(kind, Carrier::Ethernet), view.skip(HEADER_LEN))
}

impl Macs {
    /// Those of an Ethernet frame.
    #[must_use]
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        frame.first_chunk().map(|header| fields(header).0)
    }
}

/// Addresses and type.
#[inline]
pub(crate) fn fields(header: &[u8; HEADER_LEN]) -> (Macs, u16) {
    let &[ref macs @ .., hi, lo] = header;
    (Macs(*macs), be16(hi, lo))
}

/// The two bytes of a FabricPath tag. They only come before an Ethernet header, which must be there.
pub(crate) fn decode_dce<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    if view.len() < DCE_TAG_LEN + HEADER_LEN {
        return cx.invalid(Event::DcePktTooSmall);
    }
    Step::Next(Layer::Ethernet, view.skip(DCE_TAG_LEN))
}
