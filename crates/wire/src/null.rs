//! BSD loopback: an address family of the capturing host, then IP. The family is taken as little-endian, the order of
//! the hosts this runs on.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::View;

const HEADER_LEN: usize = 4;
const FAMILY_IPV4: u32 = 2;
/// IPv6 on Linux, Windows, the BSDs, Solaris, FreeBSD, macOS.
const FAMILIES_IPV6: [u32; 6] = [10, 23, 24, 26, 28, 30];

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.null += 1;
    let Some(&family) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::LtnullPktTooSmall);
    };
    match u32::from_le_bytes(family) {
        FAMILY_IPV4 => Step::Next(Layer::Ipv4, view.skip(HEADER_LEN)),
        family if FAMILIES_IPV6.contains(&family) => Step::Next(Layer::Ipv6, view.skip(HEADER_LEN)),
        _ => cx.refuse(Event::LtnullUnsupportedType),
    }
}
