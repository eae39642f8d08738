//! Ethernet frames with a length instead of a type (IEEE 802.3): logical link control, and behind it SNAP, which has a
//! type again (IEEE 802).

use crate::NonFlow;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

/// Longest payload that the field gives as a length; from 0x600 on it is a type.
pub(crate) const LEN_MAX: u16 = 1500;

const SNAP_LEN: usize = 8;
/// Both service access points of SNAP, and unnumbered information.
const SNAP: [u8; 3] = [0xaa, 0xaa, 3];

/// `len` is what the length field says. What is not SNAP keeps links and bridges going (spanning tree, IS-IS).
pub(crate) fn decode<'a>(cx: &mut Context<'_>, len: u16, view: View<'a>) -> Step<'a> {
    cx.counters.beyond.llc += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let view = view.limit(usize::from(len));
    match view.header::<SNAP_LEN>() {
        // The organisation is nobody, or bridging between Ethernet and others (RFC 1042, IEEE 802.1H).
        Some(&[a, b, c, 0, 0, 0 | 0xf8, hi, lo]) if [a, b, c] == SNAP => {
            Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Other), view.skip(SNAP_LEN))
        }
        _ => cx.non_flow(NonFlow::LinkControl),
    }
}
