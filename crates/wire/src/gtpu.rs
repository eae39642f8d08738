//! GTP-U (3GPP TS 29.281), version 1: the user traffic of mobile networks.

use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::view::{View, be16};
use crate::{Tunnel, TunnelKind};

pub(crate) const PORT: u16 = 2152;

const HEADER_LEN: usize = 8;
/// Sequence number, N-PDU number and type of the first extension: all there when one of them counts.
const OPTIONAL_LEN: usize = 4;
/// Version 1, and GTP rather than the charging protocol GTP'.
const VERSION_MASK: u8 = 0xf0;
const VERSION_1: u8 = 0x30;
const EXTENSION: u8 = 0x04;
const OPTIONAL_MASK: u8 = 0x07;
/// The message that carries a packet. All others are signalling.
const G_PDU: u8 = 255;

pub(crate) fn decode(cx: &mut Context<'_>, view: View<'_>) -> Option<Inner> {
    let &[flags, message, len_hi, len_lo, t0, t1, t2, t3] = view.header::<HEADER_LEN>()?;
    let len = HEADER_LEN + usize::from(be16(len_hi, len_lo));
    if flags & VERSION_MASK != VERSION_1 || len > view.len() {
        return None;
    }
    cx.enter().ok()?;
    cx.counters.beyond.gtpu += 1;
    if message != G_PDU {
        return None;
    }
    let packet = behind_extensions(flags, view.limit(len).skip(HEADER_LEN))?;
    let kind = ip_kind(packet)?;
    cx.open(kind, packet, Tunnel { kind: TunnelKind::Teid, id: u32::from_be_bytes([t0, t1, t2, t3]) })
}

/// What comes after the optional fields and the extension headers (§5.2.1), each at least four bytes long.
fn behind_extensions(flags: u8, view: View<'_>) -> Option<View<'_>> {
    if flags & OPTIONAL_MASK == 0 {
        return Some(view);
    }
    let &[_, _, _, first] = view.header::<OPTIONAL_LEN>()?;
    let mut next = if flags & EXTENSION != 0 { first } else { 0 };
    let mut rest = view.skip(OPTIONAL_LEN);
    while next != 0 {
        let len = usize::from(*rest.data().first()?) * 4;
        next = *rest.data().get(len.checked_sub(1)?)?;
        rest = rest.skip(len);
    }
    Some(rest)
}

/// The version of a bare IP packet by its first four bits, for tunnels that do not say it.
pub(crate) fn ip_kind(packet: View<'_>) -> Option<InnerKind> {
    match packet.data().first()? >> 4 {
        4 => Some(InnerKind::Ipv4),
        6 => Some(InnerKind::Ipv6),
        _ => None,
    }
}
