//! The Internet checksum (RFC 1071) over bytes that come in pieces.

/// A checksum under way. Pieces may have odd lengths.
///
/// ```
/// use flumen_pbuf::Checksum;
///
/// let mut sum = Checksum::new();
/// sum.push(&[0x00, 0x01, 0xf2]); // the example of RFC 1071 §3, cut at an odd place
/// sum.push(&[0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
/// assert_eq!(sum.finish(), !0xddf2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// Sum of the 16-bit words in the machine's order of bytes, which only the end needs to know (RFC 1071 §2 (B)).
    /// 64 bits: carries are collected, and folded after each piece.
    sum: u64,
    /// Whether the bytes so far are odd in number, so that the next is the second of its word.
    is_odd: bool,
}

impl Checksum {
    /// The checksum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { sum: 0, is_odd: false }
    }
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.is_odd
            && let Some((&second, after)) = rest.split_first()
        {
            self.sum += u64::from(u16::from_ne_bytes([0, second]));
            rest = after;
            self.is_odd = false;
        }
        let (words, tail) = rest.as_chunks::<4>();
        // 2^32 words of 32 bits fit in the sum, more bytes than a piece of 2^34: beyond, the fold comes in between.
        for part in words.chunks(1 << 20) {
            self.sum += part.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
            self.fold();
        }
        let (words, tail) = tail.as_chunks::<2>();
        self.sum += words.iter().map(|word| u64::from(u16::from_ne_bytes(*word))).sum::<u64>();
        if let Some(&first) = tail.first() {
            self.sum += u64::from(u16::from_ne_bytes([first, 0]));
            self.is_odd = true;
        }
        self.fold();
    }
    /// The complement of the sum: what a header carries, as a number whose high byte goes first.
    #[must_use]
    pub fn finish(mut self) -> u16 {
        self.fold();
        let folded = u16::try_from(self.sum).expect("folded to 16 bits");
        !u16::from_be(folded)
    }
    /// Adds the carries back in until 16 bits are left (RFC 1071 §2 (A)).
    const fn fold(&mut self) {
        while self.sum > 0xffff {
            self.sum = (self.sum & 0xffff) + (self.sum >> 16);
        }
    }
}
