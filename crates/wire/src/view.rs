//! What is left of a frame at some depth: the bytes that were captured, and how many there were on the wire.

/// The rest of a frame from one header on.
///
/// Invariant: `data.len() <= len`. They are equal unless the capture cut the frame short; then a length that a header
/// claims is judged by `len`, and only bytes within `data` are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    data: &'a [u8],
    len: usize,
    offset: usize,
}

impl<'a> View<'a> {
    /// A whole frame. A `wire_len` below the captured length counts as that length.
    pub(crate) fn new(data: &'a [u8], wire_len: u32) -> Self {
        Self { data, len: data.len().max(wire_len as usize), offset: 0 }
    }

    /// The bytes that were captured.
    #[inline]
    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes on the wire from here to the end.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Offset of the first byte from the start of the frame.
    #[inline]
    pub(crate) fn offset(&self) -> u32 {
        u32::try_from(self.offset).unwrap_or(u32::MAX)
    }

    /// Whether bytes that were on the wire are missing from the end.
    #[inline]
    pub(crate) fn is_snapped(&self) -> bool {
        self.data.len() < self.len
    }

    /// The first `N` bytes, if they were captured.
    #[inline]
    pub(crate) fn header<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.data.first_chunk()
    }

    /// What follows `n` bytes; empty at the end.
    #[inline]
    pub(crate) fn skip(&self, n: usize) -> Self {
        let n = n.min(self.len);
        Self { data: self.data.get(n..).unwrap_or(&[]), len: self.len - n, offset: self.offset + n }
    }

    /// The first `n` bytes; all if there are fewer.
    #[inline]
    pub(crate) fn limit(&self, n: usize) -> Self {
        Self { data: self.data.get(..n).unwrap_or(self.data), len: self.len.min(n), offset: self.offset }
    }
}

/// Two bytes in network order.
pub(crate) const fn be16(hi: u8, lo: u8) -> u16 {
    u16::from_be_bytes([hi, lo])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapped_view_keeps_the_length_of_the_wire() {
        let view = View::new(&[1, 2, 3, 4], 10).skip(3);
        assert_eq!((view.data(), view.len(), view.offset(), view.is_snapped()), (&[4][..], 7, 3, true));
        let view = view.limit(1);
        assert_eq!((view.data(), view.len(), view.is_snapped()), (&[4][..], 1, false));
        let view = View::new(&[1, 2], 10).skip(5);
        assert_eq!((view.data(), view.len()), (&[][..], 5));
    }

    #[test]
    fn skipping_past_the_end_leaves_nothing() {
        let view = View::new(&[1, 2], 0).skip(9);
        assert_eq!((view.data(), view.len(), view.offset()), (&[][..], 0, 2));
    }
}
