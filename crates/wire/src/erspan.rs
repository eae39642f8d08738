//! ERSPAN (draft-foschiano-erspan): what a switch saw, mirrored inside of GRE. Type I has no header of its own; II and III
//! have one, and number the session.

use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::{View, be16};
use crate::{Event, Tunnel, TunnelKind};

const HEADER_2_LEN: usize = 8;
const HEADER_3_LEN: usize = 12;
/// What may follow the header of type III, if its last bit says so.
const SUBHEADER_LEN: usize = 8;
const ID_MASK: u16 = 0x0fff;
const SESSION_MASK: u16 = 0x03ff;

/// Type I: the frame comes at once.
pub(crate) fn decode_1<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.erspan += 1;
    Step::Next(Layer::Ethernet, view)
}

/// Types II and III, which are versions 1 and 2 on the wire.
pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.erspan += 1;
    let Some(&[version_hi, vlan_lo, session_hi, session_lo, ..]) = view.header::<HEADER_2_LEN>() else {
        return cx.invalid(Event::ErspanHeaderTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let word = be16(version_hi, vlan_lo);
    let frame = match word >> 12 {
        1 => Ok((Layer::Ethernet, view.skip(HEADER_2_LEN))),
        2 if cx.options.beyond_suricata => behind_header_3(view),
        _ => Err(Event::ErspanUnsupportedVersion),
    };
    let (layer, rest) = match frame {
        Ok(frame) => frame,
        Err(event) => return cx.invalid(event),
    };
    let id = word & ID_MASK;
    if id != 0 {
        let Some(place) = cx.vlan.ids.get_mut(usize::from(cx.vlan.count)) else {
            return cx.invalid(Event::ErspanTooManyVlanLayers);
        };
        *place = id;
        cx.vlan.count += 1;
    }
    let session = be16(session_hi, session_lo) & SESSION_MASK;
    cx.tunnel = Tunnel { kind: TunnelKind::Session, id: u32::from(session) };
    Step::Next(layer, rest)
}

/// What comes after a header of type III: a frame, or an IP packet.
fn behind_header_3(view: View<'_>) -> Result<(Layer, View<'_>), Event> {
    let Some(&[.., kind, last]) = view.header::<HEADER_3_LEN>() else {
        return Err(Event::ErspanHeaderTooSmall);
    };
    let subheader_len = if last & 1 != 0 { SUBHEADER_LEN } else { 0 };
    let rest = view.skip(HEADER_3_LEN + subheader_len);
    match (kind >> 2 & 0x1f, rest.data().first().map(|first| first >> 4)) {
        (2, Some(4)) => Ok((Layer::Ipv4, rest)),
        (2, Some(6)) => Ok((Layer::Ipv6, rest)),
        (2, _) => Err(Event::ErspanHeaderTooSmall),
        _ => Ok((Layer::Ethernet, rest)),
    }
}
