//! Geneve (RFC 8926), version 0.

use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::view::{View, be16};
use crate::{Event, Tunnel, TunnelKind, ethertype};

const HEADER_LEN: usize = 8;
const OPTION_HEADER_LEN: usize = 4;
/// In the first byte: version, and length of the options in words.
const VERSION_MASK: u8 = 0xc0;
const OPTIONS_MASK: u8 = 0x3f;
/// In the second byte: all but "control" and "critical options".
const RESERVED_MASK: u8 = 0x3f;
/// In the fourth byte of an option: its length in words.
const OPTION_LEN_MASK: u8 = 0x1f;

/// The packet inside. Whatever is odd about the header says that this is something else on Geneve's port.
pub(crate) fn decode(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let &[start, flags, type_hi, type_lo, v0, v1, v2, reserved] = view.header::<HEADER_LEN>()?;
    cx.enter().ok()?;
    let options_len = usize::from(start & OPTIONS_MASK) * 4;
    let is_geneve = start & VERSION_MASK == 0
        && flags & RESERVED_MASK == 0
        && reserved == 0
        && options_add_up(view.skip(HEADER_LEN), options_len);
    if !is_geneve {
        return None;
    }
    cx.counters.layers.geneve += 1;
    let kind = match be16(type_hi, type_lo) {
        ethertype::IPV4 => InnerKind::Ipv4,
        ethertype::IPV6 => InnerKind::Ipv6,
        ethertype::BRIDGED => InnerKind::Ethernet,
        // Suricata knows it and leaves it closed.
        ethertype::ARP if !cx.options.beyond_suricata => return None,
        ethertype::ARP => InnerKind::Arp,
        ethertype::MPLS_UNICAST | ethertype::MPLS_MULTICAST if cx.options.beyond_suricata => InnerKind::Mpls,
        ethertype::NSH if cx.options.beyond_suricata => InnerKind::Nsh,
        _ => {
            cx.fault(Event::GeneveUnknownPayloadType);
            return None;
        }
    };
    let vni = Tunnel { kind: TunnelKind::Vni, id: u32::from_be_bytes([0, v0, v1, v2]) };
    cx.open(kind, view.skip(HEADER_LEN + options_len), vni)
}

/// Whether options of `len` bytes are there and end where they should. Each has four bytes at least.
fn options_add_up(view: View<'_>, len: usize) -> bool {
    if view.len() < len {
        return false;
    }
    let mut rest = view.limit(len);
    while let Some(&[_, _, _, words]) = rest.header::<OPTION_HEADER_LEN>() {
        let option_len = OPTION_HEADER_LEN + usize::from(words & OPTION_LEN_MASK) * 4;
        if option_len > rest.len() {
            return false;
        }
        rest = rest.skip(option_len);
    }
    rest.len() == 0
}
