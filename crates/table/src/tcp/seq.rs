//! Sequence numbers: positions on a circle of 2^32, compared by the shorter way round (RFC 9293 §3.4).

/// A TCP sequence or acknowledgement number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// The number `n` bytes further on.
    pub(crate) const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
    /// The number `n` bytes back.
    pub(crate) const fn minus(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
    pub(crate) const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }
    pub(crate) const fn at_most(self, other: Self) -> bool {
        !other.before(self)
    }
    pub(crate) const fn at_least(self, other: Self) -> bool {
        !self.before(other)
    }
    /// Moves forward to `other`; stays when that lies behind.
    pub(crate) fn advance(&mut self, other: Self) {
        // Always written: no processor foresees whether it moves.
        *self = if other.after(*self) { other } else { *self };
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    #[test]
    fn numbers_on_both_sides_of_the_wrap_compare_by_the_shorter_way() {
        let (low, high) = (Seq(5), Seq(0xffff_fff0));
        assert!(high.before(low) && low.after(high));
        assert!(high.at_most(low) && low.at_least(high) && low.at_most(low));
        let mut edge = high;
        edge.advance(low);
        edge.advance(high);
        assert_eq!(edge, low);
    }
}
