//! What the handles, buffers and threads of a pool share, and for how long.
//!
//! 1. A buffer is in the stock, in a cache, or handed out: in one of them at a time. Unless handed out, its count is 0.
//! 2. The references to a [`Core`] are: one for each handle, one for each claimed cache, one for each buffer out of the stock. The
//!    last of them gives core and memory back. They are counted when buffers enter and leave the stock, several at a time:
//!    so taking a buffer from a cache, and giving it back, counts nothing.
//! 3. When the last handle goes the pool is closed: from then on buffers that come back go to the stock, and a thread that
//!    notices gives its claim up.
//! 4. Nothing is allocated after [`Core::build`], but what the runtime needs to remember a thread's exit.

use super::{
    PoolStats, Reclaim,
    cache::{self, Cache},
    threads,
};
use crate::{
    AllocError, Kind, PoolExhausted,
    block::Block,
    prim::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, lock},
};
use core::ptr::NonNull;
use flumen_kref::{Refcount, Unique};
use std::alloc::Layout;

/// Threads that may have a cache of one pool at a time; further ones work on the stock.
const CACHES_MAX: usize = if cfg!(loom) { 2 } else { 64 };

pub(super) struct Core {
    /// See (2).
    references: Refcount,
    /// How many of the references are handles; 0 means closed.
    handles: Refcount,
    memory: NonNull<u8>,
    layout: Layout,
    capacity: usize,
    size: usize,
    /// The most buffers in a cache; none are used when 0.
    cache_limit: usize,
    caches: Box<[Cache]>,
    stock: Mutex<Vec<NonNull<Element>>>,
    /// Buffers out of the stock. Written with the stock locked; read without, for statistics.
    out: AtomicUsize,
    high_water: AtomicUsize,
    exhausted: AtomicU64,
    reclaim: Option<Reclaim>,
    is_reclaiming: AtomicBool,
}

/// The header of a pool's buffer; the bytes follow it. On a line of its own, so that writing bytes does not take the header
/// away from who reads it, and the bytes start aligned.
#[repr(C, align(64))]
pub(super) struct Element {
    block: Block,
    core: NonNull<Core>,
}

/// A counted handle to a core.
pub(super) struct Handle(NonNull<Core>);

// SAFETY: a core is shared by counts, locks and claims; its elements are handed to one thread at a time.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    fn core(&self) -> &Core {
        // SAFETY: a handle is a reference to the core (2), which is only changed through atomics, locks and claims.
        unsafe { self.0.as_ref() }
    }
    pub(super) fn size(&self) -> usize {
        self.core().size
    }
    #[inline]
    pub(super) fn alloc(&self) -> Result<Unique<Block>, PoolExhausted> {
        // SAFETY: a handle is a reference to the core.
        let taken = unsafe { Core::take(self.0) };
        let element = match taken {
            Some(element) => element,
            None => self.alloc_reclaimed()?,
        };
        // SAFETY: the element is out of stock and caches, so nobody else knows of it; its count is 0 (1).
        Ok(unsafe { Unique::from_raw(element.cast()) })
    }
    /// Has the hook called, if there is one, and tries once more.
    #[cold]
    fn alloc_reclaimed(&self) -> Result<NonNull<Element>, PoolExhausted> {
        let core = self.core();
        let taken = core.reclaim().then(|| {
            // SAFETY: a handle is a reference to the core.
            unsafe { Core::take(self.0) }
        });
        taken.flatten().ok_or_else(|| {
            core.exhausted.fetch_add(1, Ordering::Relaxed);
            PoolExhausted { capacity: core.capacity }
        })
    }
    pub(super) fn stats(&self) -> PoolStats {
        let core = self.core();
        // While the stock is locked, buffers do not move between it and the caches.
        let stock = lock(&core.stock);
        let free = stock.len() + core.caches.iter().map(Cache::fill).sum::<usize>();
        PoolStats {
            capacity: core.capacity,
            outstanding: core.capacity.saturating_sub(free),
            high_water: core.high_water.load(Ordering::Relaxed),
            exhausted: core.exhausted.load(Ordering::Relaxed),
        }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.core().references.inc();
        self.core().handles.inc();
        Self(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.core().handles.dec_and_test() {
            threads::forget(self.0);
        }
        // SAFETY: the handle is one reference, given up here.
        unsafe { Core::put(self.0, 1) };
    }
}

impl Core {
    pub(super) fn build(
        capacity: usize,
        size: usize,
        cache_limit: usize,
        reclaim: Option<Reclaim>,
    ) -> Result<Handle, AllocError> {
        let (layout, stride) = layout(capacity, size)?;
        let mut stock = Vec::new();
        stock.try_reserve_exact(capacity).map_err(|_| AllocError::OutOfMemory)?;
        // SAFETY: the layout has the size of at least one element.
        let memory = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or(AllocError::OutOfMemory)?;
        let core = NonNull::from(Box::leak(Box::new(Self {
            references: Refcount::new(1),
            handles: Refcount::new(1),
            memory,
            layout,
            capacity,
            size,
            cache_limit,
            caches: (0..if cache_limit == 0 { 0 } else { CACHES_MAX }).map(|_| Cache::new()).collect(),
            stock: Mutex::new(Vec::new()),
            out: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            exhausted: AtomicU64::new(0),
            reclaim,
            is_reclaiming: AtomicBool::new(false),
        })));
        for index in (0..capacity).rev() {
            // SAFETY: the memory holds `capacity` elements of `stride` bytes.
            let element = unsafe { memory.add(index * stride) };
            // SAFETY: an element is as long as its header and `size` bytes.
            let start = unsafe { element.add(size_of::<Element>()) };
            // SAFETY: the bytes are zeroed memory of the pool, which lives until it is back in the stock (2).
            let block = unsafe { Block::new(Kind::Pool, start, size, release_element) };
            // SAFETY: the element is aligned, since memory and stride are, and nobody uses it yet.
            unsafe { element.cast::<Element>().write(Element { block, core }) };
            stock.push(element.cast());
        }
        let handle = Handle(core);
        *lock(&handle.core().stock) = stock;
        Ok(handle)
    }
    pub(super) fn is_closed(&self) -> bool {
        self.handles.read() == 0
    }
    pub(super) fn has_caches(&self) -> bool {
        self.cache_limit > 0
    }
    /// A free buffer, from this thread's cache or the stock.
    ///
    /// # Safety
    /// The caller must have a reference to the core.
    #[inline]
    unsafe fn take(core: NonNull<Self>) -> Option<NonNull<Element>> {
        // SAFETY: the caller's reference keeps the core alive.
        let shared = unsafe { core.as_ref() };
        // SAFETY: the caller has a reference.
        let Some(cache) = (unsafe { threads::cache_of(core) }) else { return shared.take_from_stock(None) };
        // SAFETY: the cache is a part of the core.
        let cache = unsafe { cache.as_ref() };
        // SAFETY: `cache_of` gives this thread's cache.
        let Some((element, is_lower)) = (unsafe { cache.pop() }) else {
            return shared.take_from_stock(Some(cache));
        };
        if is_lower {
            shared.note_high_water(cache.fill());
        }
        Some(element)
    }
    /// A buffer from the stock, and half a cache more if this thread has one.
    #[cold]
    fn take_from_stock(&self, cache: Option<&Cache>) -> Option<NonNull<Element>> {
        let mut stock = lock(&self.stock);
        let element = stock.pop()?;
        let mut moved = 1;
        if let Some(cache) = cache {
            while moved <= self.cache_limit / 2
                && let Some(extra) = stock.pop()
            {
                // SAFETY: the caller gives its own thread's cache.
                let pushed = unsafe { cache.push(extra, self.cache_limit) };
                debug_assert!(pushed.is_ok(), "the cache was empty");
                moved += 1;
            }
            cache.mark();
        }
        self.references.add(u32::try_from(moved).expect("half a cache and one"));
        self.out.store(self.capacity - stock.len(), Ordering::Relaxed);
        drop(stock);
        self.note_high_water(cache.map_or(0, Cache::fill));
        Some(element)
    }
    /// Records how many buffers may be handed out now, `cached` being in this thread's cache.
    ///
    /// Never less than are: whoever last moved buffers to or from the stock has recorded with the count of that time, and at its
    /// lowest fill since (`Cache::pop`); all that were handed out since were out of the stock then, and not in its cache.
    fn note_high_water(&self, cached: usize) {
        let out = self.out.load(Ordering::Relaxed).saturating_sub(cached);
        if out > self.high_water.load(Ordering::Relaxed) {
            self.high_water.fetch_max(out, Ordering::Relaxed);
        }
    }
    /// Has the hook called, if there is one and it is not being called already, and says whether it was.
    fn reclaim(&self) -> bool {
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        let Some(hook) = &self.reclaim else { return false };
        if self.is_reclaiming.swap(true, Ordering::Acquire) {
            return false;
        }
        let _done = Done(&self.is_reclaiming);
        hook();
        true
    }
    /// Puts a buffer that came back into this thread's cache, or the stock.
    ///
    /// # Safety
    /// The element must be handed out, of this core, and its last owner gone.
    #[inline]
    unsafe fn give_back(core: NonNull<Self>, element: NonNull<Element>) {
        // SAFETY: the element is out of the stock, which keeps the core alive (2).
        let shared = unsafe { core.as_ref() };
        if shared.is_closed() {
            threads::forget(core);
        // SAFETY: the caller holds a buffer of the core.
        } else if let Some(cache) = unsafe { threads::cache_of(core) } {
            // SAFETY: the cache is a part of the core.
            let cache = unsafe { cache.as_ref() };
            // SAFETY: `cache_of` gives this thread's cache.
            if unsafe { cache.push(element, shared.cache_limit) }.is_err() {
                // SAFETY: as above; the element is the caller's.
                unsafe { Self::stow(core, Some(cache), shared.cache_limit / 2, Some(element)) };
            }
            return;
        }
        // SAFETY: the element is the caller's.
        unsafe { Self::stow(core, None, 0, Some(element)) };
    }
    /// Moves to the stock what this thread's cache has beyond `kept`, and a buffer that has come back.
    ///
    /// # Safety
    /// The cache must be the thread's own, the element handed out and of this core, and its last owner gone. After this,
    /// the core is alive only if something else keeps it so.
    #[cold]
    unsafe fn stow(core: NonNull<Self>, cache: Option<&Cache>, kept: usize, element: Option<NonNull<Element>>) {
        // SAFETY: the cache's claim or the element is a reference.
        let shared = unsafe { core.as_ref() };
        let mut stock = lock(&shared.stock);
        let before = stock.len();
        if let Some(cache) = cache {
            while cache.fill() > kept {
                // SAFETY: the cache is this thread's.
                let popped = unsafe { cache.pop() };
                stock.extend(popped.map(|(element, _)| element));
            }
            cache.mark();
        }
        stock.extend(element);
        let moved = stock.len() - before;
        shared.out.store(shared.capacity - stock.len(), Ordering::Relaxed);
        drop(stock);
        if let Some(cache) = cache {
            shared.note_high_water(cache.fill());
        }
        // SAFETY: each buffer out of the stock was one reference, and is in it now.
        unsafe { Self::put(core, moved) };
    }
    /// Makes this thread the claimant of a free cache, if there is one.
    ///
    /// # Safety
    /// The caller must have a reference to the core.
    pub(super) unsafe fn claim(core: NonNull<Self>) -> Option<NonNull<Cache>> {
        // SAFETY: the caller's reference keeps the core alive.
        let shared = unsafe { core.as_ref() };
        let cache = shared.caches.iter().find(|cache| cache.claim())?;
        cache.mark();
        shared.references.inc();
        Some(NonNull::from(cache))
    }
    /// Gives up a claim, and the reference that goes with it.
    ///
    /// # Safety
    /// The cache must be this thread's, by [`Core::claim`], and not be used again.
    pub(super) unsafe fn unclaim(core: NonNull<Self>, cache: NonNull<Cache>) {
        // SAFETY: the claim is a reference, so core and cache are alive.
        let cache = unsafe { cache.as_ref() };
        // SAFETY: the cache is this thread's.
        unsafe { Self::stow(core, Some(cache), 0, None) };
        // SAFETY: the cache is this thread's, and empty now.
        unsafe { cache.unclaim() };
        // SAFETY: the reference of the claim is given up.
        unsafe { Self::put(core, 1) };
    }
    /// Gives up references, and with the last the memory.
    ///
    /// # Safety
    /// The caller must own as many and not use them again.
    unsafe fn put(core: NonNull<Self>, references: usize) {
        // SAFETY: the caller's references keep the core alive.
        let shared = unsafe { core.as_ref() };
        let references = u32::try_from(references).expect("a pool has at most 2^30 buffers");
        if !shared.references.sub_and_test(references) {
            return;
        }
        let (memory, layout) = (shared.memory, shared.layout);
        // SAFETY: no handle and no buffer is left (2), so nobody refers to the memory, allocated with this layout.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
        // SAFETY: the core was leaked from a box, and this was the last reference.
        drop(unsafe { Box::from_raw(core.as_ptr()) });
    }
}

/// The layout of the memory, and the distance from one element to the next.
fn layout(capacity: usize, size: usize) -> Result<(Layout, usize), AllocError> {
    const BUFFERS_MAX: usize = 1 << 30;
    let limit = isize::MAX as usize;
    let too_long = || AllocError::TooLong { wanted: capacity.saturating_mul(size), limit };
    if capacity > BUFFERS_MAX {
        return Err(too_long());
    }
    let bytes = Layout::array::<u8>(size).map_err(|_| too_long())?;
    let (element, _) = Layout::new::<Element>().extend(bytes).map_err(|_| too_long())?;
    let stride = element.pad_to_align().size();
    let whole = stride.checked_mul(capacity.max(1)).ok_or_else(too_long)?;
    let layout = Layout::from_size_align(whole, align_of::<Element>()).map_err(|_| too_long())?;
    Ok((layout, stride))
}

/// # Safety
/// `block` must be that of an element of a pool, and its last owner gone.
#[inline]
unsafe fn release_element(block: NonNull<Block>) {
    let element = block.cast::<Element>();
    // SAFETY: the element is alive until it is given back.
    let core = unsafe { element.as_ref() }.core;
    // SAFETY: the element was handed out by this core.
    unsafe { Core::give_back(core, element) };
}

const _: () = assert!(cache::BUFFERS_MAX <= u32::MAX as usize);
