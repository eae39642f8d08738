//! Zeroed memory straight from the operating system: asked for in large pieces, touched as it is used, and given back in
//! pages while the address range stays. The general allocator does neither: it may keep what is freed, so that a table
//! would not shrink after a flood.

use core::ptr::NonNull;

/// A range of zeroed memory.
#[derive(Debug)]
pub(crate) struct Pages {
    base: NonNull<u8>,
    len: usize,
    #[cfg(not(all(unix, not(miri), not(loom))))]
    align: usize,
}

// SAFETY:
// - `Pages` owns its range; nothing in it is tied to a thread.
unsafe impl Send for Pages {}
// SAFETY:
// - Shared access only hands out the base pointer; what is done through it is its user's to justify.
unsafe impl Sync for Pages {}

/// What a huge page is aligned to. Huge pages save 6 to 19 ns a packet on large tables.
const HUGE: usize = 2 << 20;

/// What pages a range is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PageSize {
    /// Small ones: of a range of which little is used.
    Small,
    /// Huge ones, where the operating system has them.
    Huge,
}

impl Pages {
    /// `len` bytes on huge pages; `None` when the operating system has none.
    pub(crate) fn huge(len: usize) -> Option<Self> {
        Self::zeroed(len, HUGE, PageSize::Huge)
    }
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }
}

#[cfg(all(unix, not(miri), not(loom)))]
impl Pages {
    /// Maps `len` bytes at a multiple of `align`, a power of two of at least a page; `None` when the operating system has
    /// none.
    pub(crate) fn zeroed(len: usize, align: usize, size: PageSize) -> Option<Self> {
        let len = len.max(1).next_multiple_of(4096);
        let whole = len.checked_add(align)?;
        // SAFETY:
        // - An anonymous private mapping at an address of the kernel's choice touches no existing memory.
        let raw = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                whole,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return None;
        }
        let raw = raw.cast::<u8>();
        let before = raw.addr().next_multiple_of(align) - raw.addr();
        // SAFETY:
        // - `before` is less than `align`, so the sum lies within the mapping.
        let base = unsafe { raw.add(before) };
        // SAFETY:
        // - `before + len <= whole`: one past the end of the part that is kept.
        let end = unsafe { base.add(len) };
        unmap(raw, before);
        unmap(end, align - before);
        if size == PageSize::Huge {
            // SAFETY:
            // - The range is ours; the advice changes no contents, and a refusal is harmless.
            unsafe { libc::madvise(base.cast(), len, libc::MADV_HUGEPAGE) };
        }
        Some(Self { base: NonNull::new(base)?, len })
    }

    /// Gives the memory of a page-aligned part back; it reads as zero from then on.
    ///
    /// # Safety
    /// Nobody uses the part, and its contents may be lost.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        assert!(offset + len <= self.len && offset.is_multiple_of(4096));
        // SAFETY:
        // - The part lies within our mapping (asserted).
        let part = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY:
        // - The caller gives the contents up.
        unsafe { libc::madvise(part.cast(), len, libc::MADV_DONTNEED) };
    }
}

#[cfg(all(unix, not(miri), not(loom)))]
fn unmap(at: *mut u8, len: usize) {
    if len > 0 {
        // SAFETY:
        // - Called only for page-aligned parts of mappings made here, which nobody uses any more.
        unsafe { libc::munmap(at.cast(), len) };
    }
}

#[cfg(all(unix, not(miri), not(loom)))]
impl Drop for Pages {
    fn drop(&mut self) {
        unmap(self.base.as_ptr(), self.len);
    }
}

#[cfg(not(all(unix, not(miri), not(loom))))]
impl Pages {
    fn layout(len: usize, align: usize) -> Option<core::alloc::Layout> {
        core::alloc::Layout::from_size_align(len, align).ok()
    }
    /// `len` bytes at a multiple of `align`, a power of two of at least a page.
    pub(crate) fn zeroed(len: usize, align: usize, _: PageSize) -> Option<Self> {
        let len = len.max(1).next_multiple_of(4096);
        // SAFETY:
        // - The layout's size is not zero.
        let base = unsafe { std::alloc::alloc_zeroed(Self::layout(len, align)?) };
        Some(Self { base: NonNull::new(base)?, len, align })
    }

    /// Overwrites the part with zeroes, as a page that was given back reads.
    ///
    /// # Safety
    /// Nobody uses the part, and its contents may be lost.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        assert!(offset + len <= self.len);
        // SAFETY:
        // - The part lies within our allocation (asserted).
        let part = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY:
        // - The caller gives the contents up.
        unsafe { part.write_bytes(0, len) };
    }
}

#[cfg(not(all(unix, not(miri), not(loom))))]
impl Drop for Pages {
    fn drop(&mut self) {
        let layout = Self::layout(self.len, self.align).expect("a size that was allocated");
        // SAFETY:
        // - Allocated in `zeroed` with this layout.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), layout) };
    }
}
