//! Which of eight tags fit: what a row is asked twice for every packet, so it takes ten instructions where the processor
//! compares eight words at once, and more where it does not.

/// Places in a row whose tag fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lanes(u32);

impl Lanes {
    /// Those of eight tags, four in a word from its low end on, that are `tag`.
    #[inline(always)]
    pub(crate) fn fitting(low: u64, high: u64, tag: u16) -> Self {
        #[cfg(target_arch = "x86_64")]
        // SAFETY:
        // - SSE2 is part of x86_64.
        return unsafe { Self::at_once(low, high, tag) };
        #[cfg(not(target_arch = "x86_64"))]
        Self::portable(low, high, tag)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    fn at_once(low: u64, high: u64, tag: u16) -> Self {
        use core::arch::x86_64::{_mm_cmpeq_epi16, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi16};
        let tags = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
        let fits = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag.cast_signed()));
        Self(_mm_movemask_epi8(fits).cast_unsigned() & 0x5555)
    }

    /// The same word by word. A place stands for itself in every other bit.
    #[cfg(any(all(test, not(loom)), not(target_arch = "x86_64")))]
    fn portable(low: u64, high: u64, tag: u16) -> Self {
        let tag_at = |word: u64, lane: u32| (word >> (16 * lane)) as u16;
        let fits = |lane: u32| tag_at(if lane < 4 { low } else { high }, lane % 4) == tag;
        Self((0..8).filter(|&lane| fits(lane)).map(|lane| 1 << (2 * lane)).sum())
    }
}

impl Iterator for Lanes {
    type Item = usize;

    /// The lowest place that is left, below eight.
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let lane = (self.0 != 0).then(|| (self.0.trailing_zeros() / 2 % 8) as usize)?;
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_fitting_tags_then_their_places_in_order_whichever_way_it_is_computed() {
        let (tag, others) = (0x8001_u16, [0x0001_u16, 0x8000, 0x0000, 0xffff]);
        for pattern in 0..256_usize {
            let tags: [u16; 8] =
                core::array::from_fn(|lane| if pattern >> lane & 1 == 1 { tag } else { others[(pattern + lane) % 4] });
            let word = |tags: &[u16]| tags.iter().rev().fold(0_u64, |word, &tag| word << 16 | u64::from(tag));
            let (low, high) = (word(&tags[..4]), word(&tags[4..]));
            let expected: Vec<_> = (0..8).filter(|lane| pattern >> lane & 1 == 1).collect();
            assert_eq!(Lanes::fitting(low, high, tag).collect::<Vec<_>>(), expected);
            assert_eq!(Lanes::fitting(low, high, tag), Lanes::portable(low, high, tag));
        }
    }
}
