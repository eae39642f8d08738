//! Network service header (RFC 8300).

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::{View, be16};

const BASE_LEN: usize = 8;
/// Length of a header with metadata type 1 (RFC 8300 §2.4).
const TYPE_1_LEN: usize = 24;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.nsh += 1;
    let Some(&[hi, lo, metadata_type, next_protocol, ..]) = view.header::<BASE_LEN>() else {
        return cx.invalid(Event::NshHeaderTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let word = be16(hi, lo);
    if word >> 14 != 0 {
        return cx.refuse(Event::NshUnsupportedVersion);
    }
    let header_len = usize::from(word & 0x3f) * 4;
    if header_len >= view.len() {
        return cx.invalid(Event::NshBadHeaderLength);
    }
    match metadata_type {
        0 | 15 => return cx.refuse(Event::NshReservedType),
        1 if header_len != TYPE_1_LEN => return cx.invalid(Event::NshBadHeaderLength),
        1 | 2 => {}
        _ => return cx.refuse(Event::NshUnsupportedType),
    }
    let payload = view.skip(header_len);
    match next_protocol {
        1 => Step::Next(Layer::Ipv4, payload),
        2 => Step::Next(Layer::Ipv6, payload),
        3 => Step::Next(Layer::Ethernet, payload),
        5 => Step::Next(Layer::Mpls, payload),
        _ => cx.refuse(Event::NshUnknownPayload),
    }
}
