//! WireGuard: all of it is encrypted, so it is only recognised and counted.

use crate::context::Context;
use crate::view::View;

/// The port of its examples, which has become its usual one.
pub(crate) const PORT: u16 = 51820;

/// Least length of a data message, which comes in steps of sixteen bytes.
const DATA_LEN_MIN: usize = 32;

/// Counts the datagram if it is one of the protocol's four messages: a type, three zeros, and the length of that type.
pub(crate) fn recognise(cx: &mut Context<'_>, view: View<'_>) {
    let Some(&[kind, 0, 0, 0]) = view.header() else { return };
    let len_ok = match kind {
        1 => view.len() == 148,
        2 => view.len() == 92,
        3 => view.len() == 64,
        4 => view.len() >= DATA_LEN_MIN && view.len().is_multiple_of(16),
        _ => false,
    };
    cx.counters.beyond.wireguard += u64::from(len_ok);
}
