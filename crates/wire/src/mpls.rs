//! MPLS (RFC 3032): the label stack, and a guess at what it carries.
//!
//! A stack does not say what follows. Label 0 at its bottom means IPv4 and label 2 IPv6; under any other label the
//! first four bits decide, where 0 is the control word of an Ethernet pseudowire (RFC 4448 §4.6).

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::View;

/// In IP (RFC 4023).
pub(crate) const PROTOCOL: u8 = 137;

const ENTRY_LEN: usize = 4;
const CONTROL_WORD_LEN: usize = 4;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, mut view: View<'a>) -> Step<'a> {
    cx.counters.layers.mpls += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let bottom_label = loop {
        let Some(&entry) = view.header::<ENTRY_LEN>() else {
            return cx.invalid(Event::MplsHeaderTooSmall);
        };
        view = view.skip(ENTRY_LEN);
        let entry = u32::from_be_bytes(entry);
        if entry & 0x100 != 0 {
            break entry >> 12;
        }
    };
    match bottom_label {
        0 => Step::Next(Layer::Ipv4, view),
        1 => cx.refuse(Event::MplsBadLabelRouterAlert),
        2 => Step::Next(Layer::Ipv6, view),
        3 => cx.refuse(Event::MplsBadLabelImplicitNull),
        4..=14 => cx.refuse(Event::MplsBadLabelReserved),
        _ => guess(cx, view),
    }
}

fn guess<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    let Some(&[first, ..]) = view.header::<CONTROL_WORD_LEN>() else {
        return cx.invalid(Event::MplsPktTooSmall);
    };
    match first >> 4 {
        4 => Step::Next(Layer::Ipv4, view),
        6 => Step::Next(Layer::Ipv6, view),
        0 => Step::Next(Layer::Ethernet, view.skip(CONTROL_WORD_LEN)),
        _ => cx.invalid(Event::MplsUnknownPayloadType),
    }
}
