//! A capture file in memory, as the operating system's cache holds it.
//!
//! The only `unsafe` of the crate. Why it is worth it: mapped and prefetched, walking a capture of small packets takes a
//! few nanoseconds a packet, reading it with `read` several times that, and copying out of libpcap ten times that.
#![allow(unsafe_code)]

use core::ops::Range;
use memmap2::{Advice, Mmap, UncheckedAdvice};
use std::fs::File;
use std::io;

/// A whole regular file, mapped for reading.
#[derive(Debug)]
pub(crate) struct Mapping(Mmap);

impl Mapping {
    /// Maps all of `file` as it is now.
    ///
    /// The bytes are those of the file: if someone overwrites it meanwhile, they change, and if someone shortens it, reading
    /// past the new end ends the process with SIGBUS. A capture that may be rewritten is read as a stream instead
    /// ([`FileAccess::Streamed`](crate::FileAccess::Streamed)). A file that grows does no harm.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        // SAFETY:
        // - The mapping is private to this process and read-only: nothing in this process writes to it.
        // - That no other process changes the file is the caller's promise, stated above and in the documentation of
        //   `FileAccess`; every parser here checks each field it reads once and uses the value it checked, and decoding
        //   does the same, so that changed bytes give changed packets and not an access outside the mapping.
        let mapping = unsafe { Mmap::map(file)? };
        // Only a hint: where it is refused, pages are brought in one fault at a time.
        let _ = mapping.advise(Advice::Sequential);
        Ok(Self(mapping))
    }

    /// Brings a stretch of the file in with one call instead of a fault for every few pages. Only a hint, which kernels
    /// before 5.14 refuse.
    pub(crate) fn populate(&self, start: usize, len: usize) {
        let len = len.min(self.0.len().saturating_sub(start));
        if len > 0 {
            let _ = self.0.advise_range(Advice::PopulateRead, start, len);
        }
    }

    /// Lets the pages of a stretch go, so that a large capture does not count as memory of the process. Who reads there all the
    /// same gets them back from the operating system's cache.
    pub(crate) fn release(&self, stretch: Range<usize>) {
        if !stretch.is_empty() {
            // SAFETY:
            // - The mapping is a shared one of a file and is never written to: what is read there later is what the file has, as
            //   before.
            let _ = unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, stretch.start, stretch.len()) };
        }
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Asks the processor for the cache line of `bytes[at]`, or of memory behind `bytes` when there is no such byte.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY:
    // - A prefetch reads nothing and faults on no address. SSE is part of x86_64.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}
