//! PPP over Ethernet (RFC 2516): sessions carry PPP, discovery carries tags.

use crate::context::Context;
use crate::decoder::Step;
use crate::view::{View, be16};
use crate::{Event, NonFlow, ppp};

const HEADER_LEN: usize = 6;
/// PADO, PADI, PADR, PADS, PADT.
const DISCOVERY_CODES: [u8; 5] = [0x07, 0x09, 0x19, 0x65, 0xa7];

pub(crate) fn decode_session<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.pppoe += 1;
    // A session frame holds at least one byte of a PPP protocol field.
    let Some(&[_, _, _, _, len_hi, len_lo, _]) = view.header::<{ HEADER_LEN + 1 }>() else {
        return cx.invalid(Event::PppoePktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    if be16(len_hi, len_lo) == 0 {
        return cx.non_flow(NonFlow::LinkControl);
    }
    let view = view.skip(HEADER_LEN);
    let Some((protocol, protocol_len)) = ppp::protocol(view) else {
        return cx.invalid(Event::PppoePktTooSmall);
    };
    ppp::payload_of(cx, protocol, view.skip(protocol_len))
}

pub(crate) fn decode_discovery<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.pppoe += 1;
    let Some(&[_, code, _, _, len_hi, len_lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::PppoePktTooSmall);
    };
    if !DISCOVERY_CODES.contains(&code) {
        return cx.invalid(Event::PppoeWrongCode);
    }
    if usize::from(be16(len_hi, len_lo)) > view.len() - HEADER_LEN {
        return cx.invalid(Event::PppoeMalformedTags);
    }
    cx.non_flow(NonFlow::LinkControl)
}
