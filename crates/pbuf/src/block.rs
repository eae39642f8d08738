//! The counted part of a buffer: a header with the count, and the range of bytes it stands for.
//!
//! A block knows nothing of views; [`Pbuf`](crate::Pbuf) and [`PbufMut`](crate::PbufMut) say which part of the range
//! they show. Invariants:
//! 1. `start .. start + capacity` is initialised memory, valid for reads until `release` has been called, and for
//!    writes too when the kind is writable.
//! 2. The count is the number of [`BlockRef`]s to the block. It is at least 1 while the block is alive.
//! 3. Bytes are written only by who holds the one and only [`BlockRef`]; while there are several, they are read-only.
//! 4. `release` is called once, by the `BlockRef` that was the last, and nothing touches the block afterwards.
//!
//! `unsafe` is needed because the header, the bytes and their owner lie in one allocation (heap, pool), whose kind is
//! known at run time only.

use crate::{AllocError, Kind, count::Refcount};
use core::ptr::NonNull;
use std::alloc::Layout;

/// The header of a counted buffer.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    pub(crate) count: Refcount,
    pub(crate) kind: Kind,
    pub(crate) start: NonNull<u8>,
    pub(crate) capacity: usize,
    /// Gives the memory back. Called with the block whose last reference has gone.
    pub(crate) release: unsafe fn(NonNull<Self>),
}

/// One reference to a [`Block`].
#[derive(Debug)]
pub(crate) struct BlockRef(NonNull<Block>);

// SAFETY:
// - the header is only written before the first reference is shared, but for its atomic count;
// - the bytes are read-only while shared (3), and written only through a `&mut` of the one handle there is;
// - `release` may run on any thread: owners are `Send + Sync`, pools are made for it, the heap does not care.
unsafe impl Send for BlockRef {}
// SAFETY: as above; a shared `BlockRef` gives reads of the header, increments of the count and reads of bytes.
unsafe impl Sync for BlockRef {}

impl BlockRef {
    /// Takes over one reference.
    ///
    /// # Safety
    /// `block` must point to a live block, with provenance over the whole of its allocation, and carry a count for
    /// this reference.
    pub(crate) const unsafe fn from_raw(block: NonNull<Block>) -> Self {
        Self(block)
    }
    pub(crate) fn header(&self) -> &Block {
        // SAFETY: the block is alive while there is a reference to it (2), and its header is never mutably borrowed.
        unsafe { self.0.as_ref() }
    }
    /// Whether this is the only reference. If so, whatever others did before they let go has happened before.
    pub(crate) fn is_unique(&self) -> bool {
        self.header().count.read() == 1
    }
    /// Lets go, and says whether this was the last reference, so that the memory was given back.
    pub(crate) fn release(self) -> bool {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so this is the only time the reference is given up.
        unsafe { release(this.0) }
    }
}

impl Clone for BlockRef {
    fn clone(&self) -> Self {
        self.header().count.inc();
        Self(self.0)
    }
}

impl Drop for BlockRef {
    fn drop(&mut self) {
        // SAFETY: `self` cannot be used after it was dropped.
        unsafe { release(self.0) };
    }
}

/// Gives up one reference and tells whether it was the last.
///
/// # Safety
/// The caller must own a reference to `block` and not use it again.
#[inline]
unsafe fn release(block: NonNull<Block>) -> bool {
    // SAFETY: the block is alive, since the caller's reference counts (2).
    let header = unsafe { block.as_ref() };
    // Who reads 1 holds the only reference, and nobody can make another without it: no need for a locked decrement,
    // which is half the cost of a buffer's life.
    let last = header.count.read() == 1 || header.count.dec_and_test();
    if last {
        let release = header.release;
        // SAFETY: this was the last reference (4).
        unsafe { release(block) };
    }
    last
}

/// A block on the heap: header, then `capacity` bytes.
///
/// # Errors
/// [`AllocError::TooLong`] and [`AllocError::OutOfMemory`].
pub(crate) fn heap(capacity: usize, fill: Fill<'_>) -> Result<BlockRef, AllocError> {
    let layout = heap_layout(capacity)?;
    let memory = match fill {
        // SAFETY: the layout is at least as large as a header, so not empty.
        Fill::Zero => unsafe { std::alloc::alloc_zeroed(layout) },
        // SAFETY: as above.
        Fill::Copy(_) => unsafe { std::alloc::alloc(layout) },
    };
    let memory = NonNull::new(memory).ok_or(AllocError::OutOfMemory)?;
    // SAFETY: the allocation is a header and `capacity` bytes long.
    let start = unsafe { memory.add(size_of::<Block>()) };
    if let Fill::Copy(bytes) = fill {
        assert_eq!(bytes.len(), capacity, "a copy fills its block");
        // SAFETY:
        // - `bytes` is `capacity` long, and so is the memory from `start`;
        // - the memory is new, so it does not overlap.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), capacity) };
    }
    let block = memory.cast::<Block>();
    let header = Block { count: Refcount::new(1), kind: Kind::Ram, start, capacity, release: release_heap };
    // SAFETY: the memory is large enough and aligned for a header, by its layout.
    unsafe { block.write(header) };
    // SAFETY: the block has been made with a count of 1, for this reference; the pointer is that of the allocation.
    Ok(unsafe { BlockRef::from_raw(block) })
}

/// What a new block contains.
pub(crate) enum Fill<'a> {
    /// Zeros.
    Zero,
    /// These bytes, as many as the block is long.
    Copy(&'a [u8]),
}

fn heap_layout(capacity: usize) -> Result<Layout, AllocError> {
    let limit = isize::MAX as usize - size_of::<Block>() - align_of::<Block>();
    let too_long = AllocError::TooLong { wanted: capacity, limit };
    let size = size_of::<Block>().checked_add(capacity).ok_or(too_long)?;
    Layout::from_size_align(size, align_of::<Block>()).map_err(|_| too_long)
}

/// # Safety
/// `block` must come from [`heap`] and have no references left.
unsafe fn release_heap(block: NonNull<Block>) {
    // SAFETY: the header is alive until the memory is given back below.
    let capacity = unsafe { block.as_ref() }.capacity;
    let layout = heap_layout(capacity).expect("the layout was valid when the block was made");
    // SAFETY: the block was allocated with this layout, and nothing refers to it any more.
    unsafe { std::alloc::dealloc(block.as_ptr().cast(), layout) };
}

/// A block whose bytes belong to `owner`, which lives next to the header.
#[repr(C)]
struct Owned<O> {
    block: Block,
    owner: O,
}

/// A read-only block over the bytes of `owner`, which is dropped with the last reference.
pub(crate) fn owned<O: AsRef<[u8]> + Send + Sync + 'static>(owner: O) -> BlockRef {
    let (block, owned) = park(owner, Kind::Ref);
    // SAFETY: the owner is alive and nobody else refers to it; it does not move until it is dropped.
    let owner = unsafe { &(*owned.as_ptr()).owner };
    let bytes = NonNull::from(owner.as_ref());
    // SAFETY: `owned` is alive, its header is not borrowed, and only this function knows of it yet.
    unsafe { set_range(owned.cast(), bytes) };
    block
}

/// A writable block over the bytes of `owner`, which is dropped with the last reference.
pub(crate) fn owned_mut<O: AsMut<[u8]> + Send + Sync + 'static>(owner: O) -> BlockRef {
    let (block, owned) = park(owner, Kind::Custom);
    // SAFETY: the owner is alive and nobody else refers to it; it does not move until it is dropped.
    let owner = unsafe { &mut (*owned.as_ptr()).owner };
    let bytes = NonNull::from(owner.as_mut());
    // SAFETY: `owned` is alive, its header is not borrowed, and only this function knows of it yet.
    unsafe { set_range(owned.cast(), bytes) };
    block
}

/// Puts the owner where it stays, before it is asked for its bytes: they may lie in the owner itself. Should it
/// panic then, the `BlockRef` drops it.
fn park<O: Send + Sync + 'static>(owner: O, kind: Kind) -> (BlockRef, NonNull<Owned<O>>) {
    let block =
        Block { count: Refcount::new(1), kind, start: NonNull::dangling(), capacity: 0, release: release_owned::<O> };
    let owned = NonNull::from(Box::leak(Box::new(Owned { block, owner })));
    // SAFETY: the block was made with a count of 1, for this reference; the pointer is that of the allocation, and
    // the header is its first field.
    (unsafe { BlockRef::from_raw(owned.cast()) }, owned)
}

/// # Safety
/// `block` must be alive and its header not borrowed; `bytes` must satisfy (1).
unsafe fn set_range(block: NonNull<Block>, bytes: NonNull<[u8]>) {
    // SAFETY: by the contract of this function.
    let header = unsafe { &mut *block.as_ptr() };
    header.start = bytes.cast();
    header.capacity = bytes.len();
}

/// # Safety
/// `block` must come from [`park`] with the same `O` and have no references left.
unsafe fn release_owned<O>(block: NonNull<Block>) {
    // SAFETY: the block is the first field of an `Owned<O>` that was leaked from a box, and nothing refers to it.
    drop(unsafe { Box::from_raw(block.cast::<Owned<O>>().as_ptr()) });
}
