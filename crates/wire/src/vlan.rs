//! VLAN tags (IEEE 802.1Q, 802.1ad): three at most, the 12 bits of each id are kept, an id of 0 like any other.

use crate::Event;
use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::ethertype::Carrier;
use crate::view::{View, be16};

pub(crate) const HEADER_LEN: usize = 4;
pub(crate) const ID_MASK: u16 = 0x0fff;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    let index = usize::from(cx.vlan.count);
    if index >= cx.vlan.ids.len() {
        return cx.refuse(Event::VlanTooManyLayers);
    }
    let layers = &mut cx.counters.layers;
    let counter = match index {
        0 => &mut layers.vlan,
        1 => &mut layers.vlan_qinq,
        _ => &mut layers.vlan_qinqinq,
    };
    *counter += 1;
    let Some(&[id_hi, id_lo, hi, lo]) = view.header::<HEADER_LEN>() else {
        return cx.invalid(Event::VlanHeaderTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    cx.vlan.ids[index] = be16(id_hi, id_lo) & ID_MASK;
    cx.vlan.count += 1;
    Step::Next(Layer::Ethertype(be16(hi, lo), Carrier::Vlan), view.skip(HEADER_LEN))
}
