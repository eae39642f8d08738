//! VXLAN (RFC 7348), which carries Ethernet, and its generic extension VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe), which says
//! what it carries.

use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::view::{View, be16};
use crate::{Event, ReservedBits, Tunnel, TunnelKind, ethernet, ethertype};

pub(crate) const GPE_PORT: u16 = 4790;

const HEADER_LEN: usize = 8;
/// The identifier is valid.
const IDENTIFIER: u8 = 0x08;
/// In VXLAN-GPE: the version, whether the last of the reserved bytes says what is inside, and a management packet.
const GPE_VERSION: u8 = 0x30;
const GPE_PROTOCOL: u8 = 0x04;
const GPE_MANAGEMENT: u8 = 0x01;

/// The frame inside. Whatever is odd about the header says that this is something else on VXLAN's port.
#[inline]
pub(crate) fn decode(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    if view.len() < HEADER_LEN + ethernet::HEADER_LEN {
        return None;
    }
    let &[flags, r0, r1, r2, v0, v1, v2, r3] = view.header::<HEADER_LEN>()?;
    cx.enter().ok()?;
    let reserved_ok = match cx.options.tunnels.vxlan_reserved {
        ReservedBits::Strict => flags == IDENTIFIER && [r0, r1, r2, r3] == [0; 4],
        ReservedBits::Permissive => flags & IDENTIFIER != 0,
    };
    if !reserved_ok {
        return None;
    }
    cx.counters.layers.vxlan += 1;
    let frame = view.skip(HEADER_LEN);
    if !cx.options.beyond_suricata && !suricata_knows(frame) {
        cx.fault(Event::VxlanUnknownPayloadType);
        return None;
    }
    cx.open(InnerKind::Ethernet, frame, vni(v0, v1, v2))
}

fn suricata_knows(frame: View<'_>) -> bool {
    let Some(header) = frame.header() else { return false };
    let (_, kind) = ethernet::fields(header);
    matches!(
        kind,
        ethertype::ARP
            | ethertype::IPV4
            | ethertype::IPV6
            | ethertype::VLAN
            | ethertype::PROVIDER_VLAN
            | ethertype::OLD_QINQ
    )
}

const fn vni(v0: u8, v1: u8, v2: u8) -> Tunnel {
    Tunnel { kind: TunnelKind::Vni, id: u32::from_be_bytes([0, v0, v1, v2]) }
}

/// The packet inside of VXLAN-GPE.
pub(crate) fn decode_gpe(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let &[flags, r0, r1, protocol, v0, v1, v2, r2] = view.header::<HEADER_LEN>()?;
    if flags & GPE_VERSION != 0 || flags & IDENTIFIER == 0 || be16(r0, r1) != 0 || r2 != 0 {
        return None;
    }
    cx.enter().ok()?;
    cx.counters.beyond.vxlan_gpe += 1;
    if flags & GPE_MANAGEMENT != 0 {
        return None;
    }
    let kind = match protocol {
        _ if flags & GPE_PROTOCOL == 0 => InnerKind::Ethernet,
        1 => InnerKind::Ipv4,
        2 => InnerKind::Ipv6,
        3 => InnerKind::Ethernet,
        4 => InnerKind::Nsh,
        5 => InnerKind::Mpls,
        _ => return None,
    };
    cx.open(kind, view.skip(HEADER_LEN), vni(v0, v1, v2))
}
