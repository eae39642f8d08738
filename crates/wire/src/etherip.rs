//! EtherIP (RFC 3378): two bytes and an Ethernet frame.

use crate::Tunnel;
use crate::context::{Context, Ip};
use crate::decoder::Step;
use crate::inner::InnerKind;
use crate::view::View;

pub(crate) const PROTOCOL: u8 = 97;

const HEADER_LEN: usize = 2;
/// Version 3 and twelve bits of zero.
const HEADER: [u8; HEADER_LEN] = [0x30, 0];

pub(crate) fn decode<'a>(cx: &mut Context<'_>, ip: &Ip, view: View<'a>) -> Step<'a> {
    cx.counters.beyond.etherip += 1;
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    let inner = frame(view).and_then(|frame| cx.open(InnerKind::Ethernet, frame, Tunnel::NONE));
    cx.tunnel(ip, view, inner)
}

/// The frame behind the header, if that is one.
pub(crate) fn frame(view: View<'_>) -> Option<View<'_>> {
    (view.header() == Some(&HEADER)).then(|| view.skip(HEADER_LEN))
}
