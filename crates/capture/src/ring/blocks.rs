//! The memory of a ring, and who each of its blocks belongs to.
//!
//! A block belongs to the kernel, which fills it; or to us, to be read; or it is lent: a [`Lease`] and the buffer that owns
//! it refer to it. Who holds it is said by two words, the kernel's status in the block and a mark of ours beside the ring:
//!
//! | status | mark | the block is |
//! |---|---|---|
//! | kernel | free | being filled, or waiting for that |
//! | user | free | ready to be read |
//! | user | lent | referred to: neither read again nor filled |
//!
//! 1. Memory of a block is touched only under a lease, and there is at most one lease of a block.
//! 2. A block becomes the kernel's when its lease is dropped, by whichever thread, and only then.
//! 3. The memory outlives the leases, and so the socket: it goes when the last of them does.
//!
//! The kernel fills blocks in order. It stops, and counts what it drops, where the next one is not its own: a lease delays
//! its block, and the ring only when filling has come around to that block.
//!
//! `unsafe` because the memory is the kernel's and comes as an address; what is read from it is checked in `block`.
#![allow(unsafe_code)]

use core::fmt;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::Arc;

use super::config::Geometry;

/// Memory that is given back when it is dropped.
pub(super) struct Area {
    base: NonNull<u8>,
    len: usize,
    release: unsafe fn(NonNull<u8>, usize),
}

impl Area {
    /// # Safety
    /// - `base` must be aligned to 8 bytes and start `len` bytes of initialised memory, valid for reads and writes until
    ///   `release` is called with both;
    /// - nothing but the kernel, by the protocol above, and leases of this ring may touch it meanwhile;
    /// - `release` must be sound to call once, on any thread.
    pub(super) unsafe fn new(base: NonNull<u8>, len: usize, release: unsafe fn(NonNull<u8>, usize)) -> Self {
        Self { base, len, release }
    }
}

// SAFETY:
// - the memory belongs to no thread, and `release` may run on any (`Area::new`);
// - shared, an `Area` gives nothing but addresses.
unsafe impl Send for Area {}
// SAFETY: as above.
unsafe impl Sync for Area {}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: by the contract of `new`; this is the only call.
        unsafe { (self.release)(self.base, self.len) };
    }
}

/// The blocks of a ring.
pub(super) struct Blocks {
    area: Area,
    geometry: Geometry,
    marks: Box<[AtomicBool]>,
    /// How many marks are set.
    lent: AtomicUsize,
}

impl Blocks {
    /// # Panics
    /// When the memory is not as long as the geometry says, or blocks are not aligned.
    pub(super) fn new(area: Area, geometry: Geometry) -> Arc<Self> {
        assert_eq!(area.len, geometry.bytes(), "memory of another length");
        assert!(geometry.block_size.is_multiple_of(align_of::<u64>()), "blocks that are not aligned");
        assert!(geometry.block_size >= size_of::<libc::tpacket_block_desc>(), "blocks without room for a header");
        let marks = (0..geometry.blocks).map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self { area, geometry, marks, lent: AtomicUsize::new(0) })
    }
    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// Blocks that are lent now.
    pub(super) fn lent(&self) -> usize {
        // A figure that decides nothing but whether to copy: no order is needed.
        self.lent.load(Ordering::Relaxed)
    }
    /// Whether block `index` is lent.
    pub(super) fn is_lent(&self, index: usize) -> bool {
        // Pairs with the Release in `Lease::drop`: who sees the mark gone sees the block given to the kernel.
        self.marks[index].load(Ordering::Acquire)
    }
    /// Lends block `index` if it is ready to be read.
    pub(super) fn lend(self: &Arc<Self>, index: usize) -> Option<Lease> {
        // The mark first: until it is gone, the status is that of the former lease.
        let mark = &self.marks[index];
        if mark.load(Ordering::Acquire) || !self.is_ours(index) {
            return None;
        }
        if mark.swap(true, Ordering::Acquire) {
            return None;
        }
        // Again, now that nobody else can lend it: another thread may have had it and given it back in between.
        if !self.is_ours(index) {
            mark.store(false, Ordering::Release);
            return None;
        }
        self.lent.fetch_add(1, Ordering::Relaxed);
        Some(Lease { blocks: Arc::clone(self), index })
    }
    /// Whether the kernel has handed the block over.
    fn is_ours(&self, index: usize) -> bool {
        // Pairs with the kernel's barrier before it sets the bit: what it wrote into the block is seen.
        self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }
    fn status(&self, index: usize) -> &AtomicU32 {
        let status = self.block(index).as_ptr().wrapping_add(STATUS).cast();
        // SAFETY:
        // - the address lies in the header of a block (`new` asserts that blocks have room for one) and is aligned to 4;
        // - the memory lives as long as `self`;
        // - we access it atomically alone while a lease may not touch it (1), and the kernel's accesses are such too.
        unsafe { AtomicU32::from_ptr(status) }
    }
    fn block(&self, index: usize) -> NonNull<u8> {
        assert!(index < self.geometry.blocks, "no such block");
        // SAFETY: the area is `blocks` times `block_size` long (`new`), so this lies within.
        unsafe { self.area.base.add(index * self.geometry.block_size) }
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("geometry", &self.geometry).field("lent", &self.lent()).finish_non_exhaustive()
    }
}

/// A block that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    blocks: Arc<Blocks>,
    index: usize,
}

impl Lease {
    /// The block, to be read and to have its tags put back.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.blocks.geometry.block_size;
        // SAFETY:
        // - the memory is as long as this and initialised (`Area::new`) and lives as long as `self.blocks`;
        // - this is the only lease of the block (1) and it is borrowed mutably; the kernel keeps away from it (2).
        unsafe { slice::from_raw_parts_mut(self.blocks.block(self.index).as_ptr(), len) }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        let len = self.blocks.geometry.block_size;
        // SAFETY: as in `bytes_mut`, and the lease is borrowed: nothing writes.
        unsafe { slice::from_raw_parts(self.blocks.block(self.index).as_ptr(), len) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Release: our reads of the block come before the kernel writes to it. It reads the status with a barrier.
        self.blocks.status(self.index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        // Release: who sees the mark gone sees the status above (pairs with `lend` and `is_lent`).
        self.blocks.marks[self.index].store(false, Ordering::Release);
        self.blocks.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

const STATUS: usize = offset_of!(libc::tpacket_block_desc, hdr.bh1.block_status);

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
