//! The array of rows: zeroed memory, touched row by row as flows come.

use crate::bucket::Bucket;
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
}

impl Rows {
    /// How many there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }
}
