//! The counted part of a buffer: a header with the count, and the range of bytes it stands for.
//!
//! A block knows nothing of views; [`Pbuf`](crate::Pbuf) and [`PbufMut`](crate::PbufMut) say which part of the range
//! they show. Invariants:
//! 1. `start .. start + capacity` is initialised memory, valid for reads until `release` has been called, and for
//!    writes too when the kind is writable.
//! 2. A block has one [`Unique`], or as many [`BlockRef`]s as its count says; both keep it alive.
//! 3. Bytes are written only by who holds the `Unique` or the one and only `BlockRef`; else they are read-only.
//! 4. `release` is called once, by the last owner, and nothing touches the block afterwards.
//!
//! `unsafe` is needed because the header, the bytes and their owner lie in one allocation (heap, pool), whose kind is
//! known at run time only.

use crate::{
    AllocError, Kind,
    prim::{Ordering, fence},
};
use core::{marker::PhantomPinned, mem::ManuallyDrop, ptr::NonNull};
use flumen_kref::{CountOffset, Ref, RefCounted, Refcount, Unique, count_offset};
use std::alloc::Layout;

/// The header of a counted buffer.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    count: Refcount,
    kind: Kind,
    start: NonNull<u8>,
    capacity: usize,
    /// Gives the memory back. Called with the block whose last owner has gone.
    release: unsafe fn(NonNull<Self>),
    /// A header belongs to its memory: two must not be swapped.
    _pinned: PhantomPinned,
}

// SAFETY:
// - the header is only written before there is a handle to it, but for its atomic count;
// - the bytes are read-only while shared, and written only by who is alone (3);
// - `release` may run on any thread: owners are `Send + Sync`, pools are made for it, the heap does not care.
unsafe impl Send for Block {}
// SAFETY: as above; a shared `Block` gives reads of the header and of its bytes.
unsafe impl Sync for Block {}

// SAFETY:
// - blocks are made in this module and by pools, in `Unique`s, and their fields are private to this module;
// - the count is touched outside of handles by `BlockRef::try_unique` only, which has given up the only one;
// - a block cannot be swapped, since it is `!Unpin`;
// - `release` does what was agreed when the block was made.
unsafe impl RefCounted for Block {
    const COUNT: CountOffset<Self> = count_offset!(Self, count);
    #[inline]
    unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the block is valid until it is released.
        let release = unsafe { this.as_ref() }.release;
        // SAFETY: the caller owns the block alone and does not use it again.
        unsafe { release(this) };
    }
}

impl Block {
    /// A header to be written in front of, or next to, the bytes it is for.
    ///
    /// # Safety
    /// From the first handle on, (1) must hold for the range, and `release` must be right for the memory.
    pub(crate) unsafe fn new(
        kind: Kind,
        start: NonNull<u8>,
        capacity: usize,
        release: unsafe fn(NonNull<Self>),
    ) -> Self {
        Self { count: Refcount::new(0), kind, start, capacity, release, _pinned: PhantomPinned }
    }
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }
}

/// One reference to a shared [`Block`]: a [`Ref`] that gives up its reference at half the cost when it is alone.
///
/// Who is the only one to hold a reference needs no atomic step to give it up, provided that nobody can take one without
/// having one: `Ref::try_get` is not used for blocks, and views are borrowed mutably or owned where this is asked.
#[derive(Clone, Debug)]
pub(crate) struct BlockRef(ManuallyDrop<Ref<Block>>);

impl BlockRef {
    #[inline]
    pub(crate) fn new(block: Unique<Block>) -> Self {
        Self(ManuallyDrop::new(block.into_ref()))
    }
    #[inline]
    pub(crate) fn header(&self) -> &Block {
        &self.0
    }
    pub(crate) fn count(&self) -> u32 {
        Ref::count(&self.0)
    }
    /// Whether this is the only reference. If so, what others did before they let go has happened before.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        let is_unique = Ref::count(&self.0) == 1;
        if is_unique {
            // Pairs with the Release of every put: the count read is the last of a row of puts and gets.
            fence(Ordering::Acquire);
        }
        is_unique
    }
    /// Sole ownership, if this is the only reference.
    #[inline]
    pub(crate) fn try_unique(self) -> Result<Unique<Block>, Self> {
        if !self.is_unique() {
            return Err(self);
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used nor dropped any more.
        let block = Ref::into_raw(unsafe { ManuallyDrop::take(&mut this.0) });
        // SAFETY: the block is alive.
        unsafe { block.as_ref() }.count.set(0);
        // SAFETY: the only handle has been given up, so nobody else owns or borrows the block; its count is zero; the
        // pointer is the one the block was made with.
        Ok(unsafe { Unique::from_raw(block) })
    }
    /// Lets go, and says whether this was the last reference, so that the memory was given back.
    #[inline]
    pub(crate) fn release(self) -> bool {
        match self.try_unique() {
            Ok(unique) => {
                drop(unique);
                true
            }
            Err(shared) => {
                let mut shared = ManuallyDrop::new(shared);
                // SAFETY: `shared` is not used nor dropped any more.
                let reference = unsafe { ManuallyDrop::take(&mut shared.0) };
                Ref::into_unique_or_drop(reference).is_some()
            }
        }
    }
}

impl Drop for BlockRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` is not used again.
        let reference = unsafe { ManuallyDrop::take(&mut self.0) };
        Self(ManuallyDrop::new(reference)).release();
    }
}

/// A block on the heap: header, then `capacity` bytes.
///
/// # Errors
/// [`AllocError::TooLong`] and [`AllocError::OutOfMemory`].
pub(crate) fn heap(capacity: usize, fill: Fill<'_>) -> Result<Unique<Block>, AllocError> {
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
    // SAFETY: the memory is initialised from `start` on, and `release_heap` gives back what `heap` allocates.
    let header = unsafe { Block::new(Kind::Ram, start, capacity, release_heap) };
    // SAFETY: the memory is large enough and aligned for a header, by its layout.
    unsafe { block.write(header) };
    // SAFETY: the block is new and its count is zero; the pointer is that of the allocation.
    Ok(unsafe { Unique::from_raw(block) })
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
pub(crate) fn owned<O: AsRef<[u8]> + Send + Sync + 'static>(owner: O) -> Unique<Block> {
    let (block, owned) = park(owner, Kind::Ref);
    // SAFETY: the owner is alive and nobody else refers to it; it does not move until it is dropped.
    let owner = unsafe { &(*owned.as_ptr()).owner };
    let bytes = NonNull::from(owner.as_ref());
    // SAFETY: `owned` is alive, its header is not borrowed, and only this function knows of it yet.
    unsafe { set_range(owned.cast(), bytes) };
    block
}

/// A writable block over the bytes of `owner`, which is dropped with the last reference.
pub(crate) fn owned_mut<O: AsMut<[u8]> + Send + Sync + 'static>(owner: O) -> Unique<Block> {
    let (block, owned) = park(owner, Kind::Custom);
    // SAFETY: the owner is alive and nobody else refers to it; it does not move until it is dropped.
    let owner = unsafe { &mut (*owned.as_ptr()).owner };
    let bytes = NonNull::from(owner.as_mut());
    // SAFETY: `owned` is alive, its header is not borrowed, and only this function knows of it yet.
    unsafe { set_range(owned.cast(), bytes) };
    block
}

/// Puts the owner where it stays, before it is asked for its bytes: they may lie in the owner itself. Should it
/// panic then, the `Unique` drops it.
fn park<O: Send + Sync + 'static>(owner: O, kind: Kind) -> (Unique<Block>, NonNull<Owned<O>>) {
    // SAFETY: an empty range is always valid, and `release_owned` gives back the box made here.
    let block = unsafe { Block::new(kind, NonNull::dangling(), 0, release_owned::<O>) };
    let owned = NonNull::from(Box::leak(Box::new(Owned { block, owner })));
    // SAFETY: the block is new and its count is zero; the pointer is that of the allocation, and the header is its first
    // field.
    (unsafe { Unique::from_raw(owned.cast()) }, owned)
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
