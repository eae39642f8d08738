//! A fixed number of buffers of one size, in memory taken once.
//!
//! Buffers that are not in use lie in the stock. Invariants:
//! 1. A buffer is in the stock or out of it, never both; in the stock its count is 1, ready to be handed out.
//! 2. The references to the [`Core`] are the handles and one for every buffer out of the stock. The last of them
//!    gives the memory back, so a buffer may outlive the pool's handles.
//! 3. Nothing is allocated after [`PbufPool::new`].

use crate::{
    AllocError, Kind, Layer, PbufMut, PoolExhausted,
    block::{Block, BlockRef},
    count::Refcount,
    prim::{AtomicU64, AtomicUsize, Mutex, Ordering, lock},
};
use core::{fmt, ptr::NonNull};
use std::alloc::Layout;

/// A handle to a pool of buffers. Clones are handles to the same pool.
pub struct PbufPool {
    core: NonNull<Core>,
}

// SAFETY: a `Core` is shared by counts and locks only.
unsafe impl Send for PbufPool {}
// SAFETY: as above.
unsafe impl Sync for PbufPool {}

/// What a pool has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Buffers there are.
    pub capacity: usize,
    /// Buffers handed out and not yet back. Zero at teardown, or somebody keeps one.
    pub outstanding: usize,
    /// The most that were ever handed out at once.
    pub high_water: usize,
    /// Allocations refused because too few buffers were free.
    pub exhausted: u64,
}

impl PbufPool {
    /// A pool of `count` buffers of `size` bytes each.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when that is more than an address can span, [`AllocError::OutOfMemory`].
    pub fn new(count: usize, size: usize) -> Result<Self, AllocError> {
        Ok(Self { core: Core::new(count, size)? })
    }
    fn core(&self) -> &Core {
        // SAFETY: a handle is a reference, so the core is alive (2); it is only changed through atomics and locks.
        unsafe { self.core.as_ref() }
    }
    /// A whole buffer, without header room. Its bytes are what its last user left.
    ///
    /// # Errors
    /// [`PoolExhausted`] when no buffer is free.
    pub fn alloc(&self) -> Result<PbufMut, PoolExhausted> {
        Ok(PbufMut::whole(self.core().take(self.core)?))
    }
    /// A buffer with header room for `layer` and `len` bytes, the rest being tail room.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when that does not fit one buffer, [`AllocError::Exhausted`] when none is free.
    pub fn alloc_for(&self, layer: Layer, len: usize) -> Result<PbufMut, AllocError> {
        let (room, limit) = (layer.header_room(), self.buffer_size());
        let wanted = room.saturating_add(len);
        if wanted > limit {
            return Err(AllocError::TooLong { wanted, limit });
        }
        let mut buffer = self.alloc()?;
        buffer.show(room, len);
        Ok(buffer)
    }
    /// Bytes in each buffer.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.core().size
    }
    /// What the pool has done and holds.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let core = self.core();
        PoolStats {
            capacity: core.capacity,
            outstanding: core.capacity - lock(&core.stock).len(),
            high_water: core.high_water.load(Ordering::Relaxed),
            exhausted: core.exhausted.load(Ordering::Relaxed),
        }
    }
}

impl Clone for PbufPool {
    fn clone(&self) -> Self {
        self.core().references.inc();
        Self { core: self.core }
    }
}

impl Drop for PbufPool {
    fn drop(&mut self) {
        // SAFETY: the handle is one reference, given up here.
        unsafe { Core::put(self.core) };
    }
}

impl fmt::Debug for PbufPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PbufPool").field("buffer_size", &self.buffer_size()).field("stats", &self.stats()).finish()
    }
}

/// What the handles and buffers of a pool share.
struct Core {
    references: Refcount,
    memory: NonNull<u8>,
    layout: Layout,
    capacity: usize,
    size: usize,
    stock: Mutex<Vec<NonNull<Element>>>,
    high_water: AtomicUsize,
    exhausted: AtomicU64,
}

/// The header of a pool's buffer; the bytes follow it.
#[repr(C, align(64))]
struct Element {
    block: Block,
    core: NonNull<Core>,
}

impl Core {
    fn new(capacity: usize, size: usize) -> Result<NonNull<Self>, AllocError> {
        let limit = isize::MAX as usize;
        let too_long = AllocError::TooLong { wanted: capacity.saturating_mul(size), limit };
        let (element, _) =
            Layout::new::<Element>().extend(Layout::array::<u8>(size).map_err(|_| too_long)?).map_err(|_| too_long)?;
        let stride = element.pad_to_align().size();
        let bytes = stride.checked_mul(capacity.max(1)).ok_or(too_long)?;
        let layout = Layout::from_size_align(bytes, align_of::<Element>()).map_err(|_| too_long)?;
        let mut stock = Vec::new();
        stock.try_reserve_exact(capacity).map_err(|_| AllocError::OutOfMemory)?;
        // SAFETY: the layout has the size of at least one element.
        let memory = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or(AllocError::OutOfMemory)?;
        let core = NonNull::from(Box::leak(Box::new(Self {
            references: Refcount::new(1),
            memory,
            layout,
            capacity,
            size,
            stock: Mutex::new(Vec::new()),
            high_water: AtomicUsize::new(0),
            exhausted: AtomicU64::new(0),
        })));
        for index in (0..capacity).rev() {
            // SAFETY: `index` is less than the number of elements of `stride` bytes the memory holds.
            let element = unsafe { memory.add(index * stride) };
            // SAFETY: an element is as long as its header and `size` bytes.
            let start = unsafe { element.add(size_of::<Element>()) };
            let block =
                Block { count: Refcount::new(1), kind: Kind::Pool, start, capacity: size, release: release_element };
            // SAFETY: the element is aligned, since memory and stride are, and nobody uses it yet.
            unsafe { element.cast::<Element>().write(Element { block, core }) };
            stock.push(element.cast());
        }
        // SAFETY: the core has just been made, and nobody else knows of it.
        *lock(unsafe { &core.as_ref().stock }) = stock;
        Ok(core)
    }
    fn take(&self, core: NonNull<Self>) -> Result<BlockRef, PoolExhausted> {
        debug_assert_eq!(NonNull::from(self), core, "a core hands out its own elements");
        let mut stock = lock(&self.stock);
        let Some(element) = stock.pop() else {
            drop(stock);
            self.exhausted.fetch_add(1, Ordering::Relaxed);
            return Err(PoolExhausted { capacity: self.capacity });
        };
        self.references.inc();
        self.high_water.fetch_max(self.capacity - stock.len(), Ordering::Relaxed);
        // SAFETY: an element of the stock has a count of 1, which passes to this reference (1).
        Ok(unsafe { BlockRef::from_raw(element.cast()) })
    }
    /// Gives up a reference, and with the last the memory.
    ///
    /// # Safety
    /// The caller must own a reference and not use it again.
    unsafe fn put(core: NonNull<Self>) {
        // SAFETY: the caller's reference keeps the core alive.
        let shared = unsafe { core.as_ref() };
        if !shared.references.dec_and_test() {
            return;
        }
        let (memory, layout) = (shared.memory, shared.layout);
        // SAFETY: no handle and no buffer is left (2), so nobody refers to the memory, allocated with this layout.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
        // SAFETY: the core was leaked from a box, and this was the last reference.
        drop(unsafe { Box::from_raw(core.as_ptr()) });
    }
}

/// # Safety
/// `block` must be that of an element of a pool and have no references left.
unsafe fn release_element(block: NonNull<Block>) {
    let element = block.cast::<Element>();
    // SAFETY: the element is alive as long as its core, which it keeps alive (2).
    let header = unsafe { element.as_ref() };
    header.block.count.set(1);
    let core = header.core;
    // SAFETY: as above.
    let shared = unsafe { core.as_ref() };
    lock(&shared.stock).push(element);
    // SAFETY: the buffer was out of the stock, which is one reference; it is in the stock now.
    unsafe { Core::put(core) };
}
