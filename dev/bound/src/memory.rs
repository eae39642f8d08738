//! Memory from the kernel: a file, zeroed pages in large sizes, and lines that are asked for ahead of use.
//!
//! Large pages are what makes a table of hundreds of megabytes cost one miss and not two.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::{Advice, Mmap, MmapMut, MmapOptions};

/// A whole file, mapped and brought in at once.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read-only; that nobody rewrites the capture while it is measured is the caller's promise.
    unsafe { MmapOptions::new().populate().map(file) }
}

/// What zeroed memory is a value of, whatever its bytes.
///
/// # Safety
/// All bit patterns are values, there is no padding, and the alignment is no more than a page.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for u64 {}

/// A zeroed array on large pages. Memory is taken when it is touched.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    bytes: MmapMut,
    items: PhantomData<T>,
}

impl<T: Plain> Pages<T> {
    /// Room for `len` items.
    pub(crate) fn zeroed(len: usize) -> io::Result<Self> {
        let bytes = MmapMut::map_anon(len * size_of::<T>())?;
        // Only a hint: without large pages it is slower, and the run says nothing about it.
        #[cfg(target_os = "linux")]
        let _ = bytes.advise(Advice::HugePage);
        Ok(Self { bytes, items: PhantomData })
    }
}

impl<T: Plain> Deref for Pages<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: a mapping begins at a page and is initialised; `T` is plain; the length is a whole number of items.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.bytes.len() / size_of::<T>()) }
    }
}

impl<T: Plain> DerefMut for Pages<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.bytes.as_mut_ptr().cast(), self.bytes.len() / size_of::<T>()) }
    }
}

/// Asks the processor for the line of `slice[at]`, if there is one.
#[inline]
pub(crate) fn prefetch<T>(slice: &[T], at: usize) {
    if let Some(item) = slice.get(at) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing, whatever address it is given; SSE is part of x86_64.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>((&raw const *item).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = item;
    }
}
