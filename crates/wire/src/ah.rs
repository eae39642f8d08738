//! Authentication header (RFC 4302). What it protects is in the clear, so it is passed by like any extension header.

use crate::context::Context;
use crate::view::View;
use crate::{Tunnel, TunnelKind};

pub(crate) const PROTOCOL: u8 = 51;

/// Without the integrity check value.
const HEADER_LEN: usize = 12;

/// Length of a header that says of itself `words`: in words of four bytes, less two (§2.2). Less than one is taken for the
/// fixed part.
pub(crate) fn header_len(words: u8) -> usize {
    HEADER_LEN + usize::from(words.max(1) - 1) * 4
}

/// Notes whose header this is.
pub(crate) fn note(cx: &mut Context<'_>, view: View<'_>) {
    cx.counters.beyond.ah += 1;
    if let Some(&[_, _, _, _, i0, i1, i2, i3]) = view.header::<8>() {
        cx.tunnel = Tunnel { kind: TunnelKind::Spi, id: u32::from_be_bytes([i0, i1, i2, i3]) };
    }
}

/// The protocol of what the header protects, and that; `None` if the header is not whole.
pub(crate) fn decode<'a>(cx: &mut Context<'_>, view: View<'a>) -> Option<(u8, View<'a>)> {
    let &[next_header, words] = view.header::<2>()?;
    let len = header_len(words);
    if len > view.len() {
        return None;
    }
    note(cx, view);
    Some((next_header, view.skip(len)))
}
