//! Teredo (RFC 4380): IPv6 in UDP, on ports that are nobody's. It is told by its looks: an IPv6 header whose length is
//! exactly that of the datagram, perhaps with an authentication header and an origin indication before it (§5.1.1).
//!
//! Suricata leaves closed what has an authentication header: it is part of a negotiation.

use crate::Tunnel;
use crate::context::Context;
use crate::inner::{Inner, InnerKind};
use crate::ipv6;
use crate::view::{View, be16};

const ORIGIN_INDICATION_LEN: usize = 8;
/// Type, two lengths, nonce and confirmation: all but what the lengths are of.
const AUTHENTICATION_LEN: usize = 13;

pub(crate) fn decode(cx: &mut Context<'_>, payload: View<'_>) -> Option<Inner> {
    let at = ipv6_at(payload.data(), payload.len(), cx.options.beyond_suricata)?;
    cx.open(InnerKind::Teredo, payload.skip(at), Tunnel::NONE)
}

/// Whether the first bytes leave it possible: those of nearly all other datagrams do not.
#[inline]
pub(crate) fn begins(payload: &[u8]) -> bool {
    matches!(payload, [0x60..=0x6f, ..] | [0, 0 | 1, ..])
}

/// Where the IPv6 header is in a payload of `len` bytes, if this is Teredo. `authenticated` is whether it may be behind an
/// authentication header.
#[inline]
pub(crate) fn ipv6_at(payload: &[u8], len: usize, authenticated: bool) -> Option<usize> {
    let mut at = match payload {
        &[0, 1, id_len, value_len, ..] if authenticated => {
            AUTHENTICATION_LEN + usize::from(id_len) + usize::from(value_len)
        }
        _ => 0,
    };
    if let [0, 0, ..] = payload.get(at..)? {
        at += ORIGIN_INDICATION_LEN;
    }
    let header = payload.get(at..)?.first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let &[version_class, _, _, _, len_hi, len_lo, _, hop_limit, ..] = header;
    let whole = at + ipv6::HEADER_LEN + usize::from(be16(len_hi, len_lo)) == len;
    (version_class >> 4 == 6 && whole && hop_limit != 0).then_some(at)
}
