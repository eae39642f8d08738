//! Ethernet types: which header follows one that carries such a type.

use crate::context::Context;
use crate::decoder::{Layer, Step};
use crate::view::View;
use crate::{Event, NonFlow, ethernet, ieee8021ah, llc, nsh, pppoe, tag, vlan};

/// Which header announced the type. It decides what an unknown type means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    /// Ethernet: an event, not an error.
    Ethernet,
    /// A tag: an error with an event of its own.
    Vlan,
    Vntag,
    Etag,
    /// Anything else: only the counter.
    Other,
}

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const BRIDGED: u16 = 0x6558;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const MPLS_UNICAST: u16 = 0x8847;
pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
pub(crate) const PPPOE_DISCOVERY: u16 = 0x8863;
pub(crate) const PPPOE_SESSION: u16 = 0x8864;
pub(crate) const PROVIDER_VLAN: u16 = 0x88a8;
pub(crate) const PROVIDER_BACKBONE: u16 = 0x88e7;
pub(crate) const DCE: u16 = 0x8903;
pub(crate) const VNTAG: u16 = 0x8926;
pub(crate) const ETAG: u16 = 0x893f;
pub(crate) const NSH: u16 = 0x894f;
pub(crate) const OLD_QINQ: u16 = 0x9100;

pub(crate) fn decode<'a>(cx: &mut Context<'_>, kind: u16, carrier: Carrier, view: View<'a>) -> Step<'a> {
    match kind {
        IPV4 => Step::Next(Layer::Ipv4, view),
        IPV6 => Step::Next(Layer::Ipv6, view),
        VLAN | PROVIDER_VLAN | OLD_QINQ => vlan::decode(cx, view),
        ARP => Step::Next(Layer::Arp, view),
        MPLS_UNICAST | MPLS_MULTICAST => Step::Next(Layer::Mpls, view),
        PPPOE_SESSION => pppoe::decode_session(cx, view),
        PPPOE_DISCOVERY => pppoe::decode_discovery(cx, view),
        PROVIDER_BACKBONE => ieee8021ah::decode(cx, view),
        ETAG => tag::decode_etag(cx, view),
        VNTAG => tag::decode_vntag(cx, view),
        DCE => ethernet::decode_dce(cx, view),
        NSH => nsh::decode(cx, view),
        0..=llc::LEN_MAX if cx.options.beyond_suricata && !matches!(carrier, Carrier::Other) => {
            llc::decode(cx, kind, view)
        }
        _ => unknown(cx, carrier),
    }
}

fn unknown<'a>(cx: &mut Context<'_>, carrier: Carrier) -> Step<'a> {
    cx.counters.layers.unknown_ethertype += 1;
    match carrier {
        Carrier::Ethernet => {
            cx.note(Event::EthernetUnknownEthertype);
            cx.non_flow(NonFlow::UnknownEthertype)
        }
        Carrier::Other => cx.non_flow(NonFlow::UnknownEthertype),
        Carrier::Vlan => cx.invalid(Event::VlanUnknownType),
        Carrier::Vntag => cx.invalid(Event::VntagUnknownType),
        Carrier::Etag => cx.invalid(Event::EtagUnknownType),
    }
}
