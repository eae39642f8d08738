//! A fixed number of buffers of one size, in memory taken once.
//!
//! Buffers that are not handed out lie in the stock, a short-locked stack all threads share, or in the cache of a thread
//! that has freed or fetched some ([`cache`]). Taking and giving back through the cache is a few plain loads and stores;
//! half a cache at a time moves to and from the stock. Any thread may give back any buffer. See [`core`](mod@core) for
//! the laws by which memory outlives its users.
//!
//! A rejected alternative is a lock-free stock: it is visited once in sixteen operations, so its cost does not show, and
//! a lock needs no argument about recurring addresses.

mod cache;
mod core;
#[cfg(all(test, loom))]
mod loom_tests;
mod threads;

use crate::{AllocError, Layer, Pbuf, PbufMut, PoolExhausted};
use ::core::fmt;
use core::{Core, Handle};

/// A handle to a pool of buffers. Clones are handles to the same pool.
///
/// The memory goes when no handle is left, every buffer is back, and no other thread's cache holds any: such a thread lets go
/// when it ends, when it next gives a buffer back, or when it comes to use another pool.
///
/// ```
/// use flumen_pbuf::{Layer, PbufPool};
///
/// let pool = PbufPool::new(64, 1536)?;
/// let mut packet = pool.alloc_for(Layer::Ip, 5)?;
/// packet.copy_from_slice(b"hello");
/// let (a, b) = (packet.freeze(), pool.clone());
/// assert_eq!(b.stats().outstanding, 1);
/// drop(a);
/// assert_eq!((b.stats().outstanding, b.stats().high_water), (0, 1));
/// # Ok::<(), flumen_pbuf::AllocError>(())
/// ```
#[derive(Clone)]
pub struct PbufPool(Handle);

/// How a pool is to be made.
pub struct PoolOptions {
    count: usize,
    size: usize,
    cache: Option<usize>,
    reclaim: Option<Reclaim>,
}

/// Called when a pool has no buffer left.
type Reclaim = Box<dyn Fn() + Send + Sync>;

/// What a pool has done and holds. A snapshot: exact while no other thread takes or gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Buffers there are.
    pub capacity: usize,
    /// Buffers handed out and not yet back. Zero at teardown, or somebody keeps one.
    pub outstanding: usize,
    /// The most that were handed out at once. Exact for one thread; with several, it is never too low, and too high by at
    /// most what lay in other threads' caches.
    pub high_water: usize,
    /// Allocations refused because too few buffers were free.
    pub exhausted: u64,
}

impl PoolOptions {
    /// A pool of `count` buffers of `size` bytes.
    #[must_use]
    pub const fn new(count: usize, size: usize) -> Self {
        Self { count, size, cache: None, reclaim: None }
    }
    /// How many free buffers each thread may keep for itself, where others cannot get at them: up to 32, by default the
    /// sixteenth part of all. 0 for none: for few large buffers that one thread fills and others give back.
    #[must_use]
    pub fn cache(mut self, buffers: usize) -> Self {
        self.cache = Some(buffers.min(cache::BUFFERS_MAX));
        self
    }
    /// What to call when no buffer is free, on the thread that wants one, with no lock held: it may give buffers of this pool
    /// back, and the allocation is tried once more then. It is not called while a call is under way, whether by another thread or by
    /// itself. It must own neither a handle nor a buffer of the pool, or the pool never goes.
    #[must_use]
    pub fn reclaim(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.reclaim = Some(Box::new(hook));
        self
    }
    /// Takes the memory, once and for all.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when it is more than an address can span, or than 2^30 buffers; [`AllocError::OutOfMemory`].
    pub fn build(self) -> Result<PbufPool, AllocError> {
        let cache = self.cache.unwrap_or_else(|| (self.count / 16).min(cache::BUFFERS_MAX));
        Ok(PbufPool(Core::build(self.count, self.size, cache, self.reclaim)?))
    }
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("count", &self.count)
            .field("size", &self.size)
            .field("cache", &self.cache)
            .field("reclaim", &self.reclaim.is_some())
            .finish()
    }
}

impl PbufPool {
    /// A pool of `count` buffers of `size` bytes each, with the usual [`PoolOptions`].
    ///
    /// # Errors
    /// As [`PoolOptions::build`].
    pub fn new(count: usize, size: usize) -> Result<Self, AllocError> {
        PoolOptions::new(count, size).build()
    }
    /// A whole buffer, without header room. Its bytes are what its last user left.
    ///
    /// # Errors
    /// [`PoolExhausted`] when no buffer is free.
    #[inline]
    pub fn alloc(&self) -> Result<PbufMut, PoolExhausted> {
        Ok(PbufMut::whole(self.0.alloc()?))
    }
    /// A buffer with header room for `layer` and `len` bytes, the rest being tail room.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when that does not fit one buffer, [`AllocError::Exhausted`] when none is free.
    #[inline]
    pub fn alloc_for(&self, layer: Layer, len: usize) -> Result<PbufMut, AllocError> {
        let (room, limit) = (layer.header_room(), self.buffer_size());
        let wanted = room.saturating_add(len);
        if wanted > limit {
            return Err(AllocError::TooLong { wanted, limit });
        }
        Ok(PbufMut::part(self.0.alloc()?, room, len))
    }
    /// A buffer of which `len` bytes are shown behind `room` free ones. Both together must fit.
    #[inline]
    pub(crate) fn alloc_view(&self, room: usize, len: usize) -> Result<Pbuf, PoolExhausted> {
        Ok(PbufMut::part(self.0.alloc()?, room, len).freeze())
    }
    /// Bytes in each buffer.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.0.size()
    }
    /// What the pool has done and holds.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }
}

impl fmt::Debug for PbufPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PbufPool").field("buffer_size", &self.buffer_size()).field("stats", &self.stats()).finish()
    }
}
