//! The array of rows: zeroed memory, touched row by row as flows come.

use crate::bucket::Bucket;
use crate::hash::FlowHash;
#[cfg(not(loom))]
use crate::storage::Pages;

/// All rows of a table.
#[derive(Debug)]
pub(crate) struct Rows {
    #[cfg(not(loom))]
    pages: Pages,
    #[cfg(loom)]
    buckets: Vec<Bucket>,
    len: u32,
}

#[cfg(not(loom))]
impl Rows {
    /// `len` empty rows; `None` when there is no memory.
    pub(crate) fn new(len: u32) -> Option<Self> {
        let pages = Pages::huge(len as usize * size_of::<Bucket>())?;
        Some(Self { pages, len })
    }
    /// A row by number.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub(crate) fn at(&self, row: u32) -> &Bucket {
        assert!(row < self.len);
        // SAFETY:
        // - There is such a row.
        unsafe { self.at_unchecked(row) }
    }
    /// The row of a hash.
    #[inline]
    pub(crate) fn of(&self, hash: FlowHash) -> &Bucket {
        // SAFETY:
        // - A hash is scaled to a row among as many as there are.
        unsafe { self.at_unchecked(hash.row(self.len)) }
    }
    /// A row by number.
    ///
    /// # Safety
    /// There are more rows than `row`.
    #[inline(always)]
    unsafe fn at_unchecked(&self, row: u32) -> &Bucket {
        debug_assert!(row < self.len);
        // SAFETY:
        // - The row lies within the pages, which hold `len` of them and are aligned to more than a line.
        let bucket = unsafe { self.pages.base().cast::<Bucket>().add(row as usize) };
        // SAFETY:
        // - Zeroed memory is a valid bucket (all fields are atomic integers), and it lives as long as `self`.
        unsafe { bucket.as_ref() }
    }
}

#[cfg(loom)]
impl Rows {
    pub(crate) fn new(len: u32) -> Option<Self> {
        Some(Self { buckets: (0..len).map(|_| Bucket::new()).collect(), len })
    }
    pub(crate) fn at(&self, row: u32) -> &Bucket {
        &self.buckets[row as usize]
    }
    pub(crate) fn of(&self, hash: FlowHash) -> &Bucket {
        self.at(hash.row(self.len))
    }
}

impl Rows {
    /// How many there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
}
