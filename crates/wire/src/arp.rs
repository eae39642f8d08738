//! ARP (RFC 826) of IPv4 over Ethernet; its requests and replies, and those of RARP (RFC 903).

use crate::context::Context;
use crate::decoder::Step;
use crate::ethertype;
use crate::view::{View, be16};
use crate::{Event, NonFlow};

const FIXED_LEN: usize = 8;
const PACKET_LEN: usize = 28;
const HARDWARE_ETHERNET: u16 = 1;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Step<'a> {
    cx.counters.layers.arp += 1;
    let Some(&[hw_hi, hw_lo, proto_hi, proto_lo, hw_len, proto_len, op_hi, op_lo]) = view.header::<FIXED_LEN>() else {
        return cx.invalid(Event::ArpPktTooSmall);
    };
    if let Err(reason) = cx.enter() {
        return cx.non_flow(reason);
    }
    if be16(hw_hi, hw_lo) != HARDWARE_ETHERNET {
        cx.invalid(Event::ArpUnsupportedHardware)
    } else if be16(proto_hi, proto_lo) != ethertype::IPV4 {
        cx.invalid(Event::ArpUnsupportedProtocol)
    } else if view.len() < PACKET_LEN {
        cx.invalid(Event::ArpInvalidPkt)
    } else if hw_len != 6 {
        cx.invalid(Event::ArpInvalidHardwareSize)
    } else if proto_len != 4 {
        cx.invalid(Event::ArpInvalidProtocolSize)
    } else if !(1..=4).contains(&be16(op_hi, op_lo)) {
        cx.invalid(Event::ArpUnsupportedOpcode)
    } else {
        cx.non_flow(NonFlow::Arp)
    }
}
