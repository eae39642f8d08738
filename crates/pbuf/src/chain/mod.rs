//! A packet in several buffers.
//!
//! A [`PbufChain`] owns its list of views, and shares only the buffers these look into. So what one chain does to its
//! list, its views or its length is never seen by another. Invariants:
//! 1. `len` is the sum of the views' lengths, and does not exceed `usize::MAX`: what would make it is refused.
//! 2. Each buffer is referred to once for every view of it in any chain, and in any [`Pbuf`].
//!
//! This file is about the structure; the content is in [`content`], headers in [`headers`], writing in [`write`], reading
//! in order in [`reader`].

mod content;
mod headers;
mod reader;
mod segments;
#[cfg(all(test, not(loom)))]
mod tests;
mod write;

pub use content::{Comparison, Position};
pub use reader::Reader;
pub use write::WriteError;

use crate::{AllocError, Layer, Memory, Pbuf, PbufMut, PbufPool};
use core::fmt;
use segments::Segments;

/// A packet in zero, one or more buffers.
///
/// `Clone` shares: it takes one reference to each buffer. Dropping gives each back, one after the other, without
/// recursion.
///
/// ```
/// use flumen_pbuf::{Layer, Memory, PbufChain, PbufPool};
///
/// let pool = PbufPool::new(4, 512)?;
/// let mut packet = PbufChain::alloc(Layer::Transport, 1000, Memory::Pool(&pool))?;
/// assert_eq!((packet.buffers(), packet.len()), (3, 1000));
/// packet.write_at(430, b"crosses a border").unwrap();
/// let kept = packet.clone();
/// assert!(packet.write_at(0, b"x").is_err(), "shared is read-only");
/// assert_eq!(kept.find(b"border", 0), Some(440));
/// assert_eq!((packet.free(), kept.free()), (0, 3));
/// # Ok::<(), flumen_pbuf::AllocError>(())
/// ```
#[derive(Clone)]
pub struct PbufChain {
    segments: Segments,
    len: usize,
}

/// A chain would become longer than `usize::MAX` bytes. What was to be added is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTooLong<T>(
    /// What was to be added.
    pub T,
);

impl<T> fmt::Display for ChainTooLong<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the chain would become longer than an address can span")
    }
}

impl<T: fmt::Debug> core::error::Error for ChainTooLong<T> {}

impl PbufChain {
    /// A chain without buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { segments: Segments::new(), len: 0 }
    }
    /// Buffers for `len` bytes, with header room for `layer` in the first: one buffer from the heap, or as many of a
    /// pool as it takes, at least one. Those of the heap are zero, those of a pool are as their last user left them.
    ///
    /// # Errors
    /// [`AllocError::Exhausted`] when the pool has too few free buffers: none is taken then. [`AllocError::TooLong`] when
    /// the header room does not fit one buffer of the pool, or the length no buffer at all. [`AllocError::OutOfMemory`].
    pub fn alloc(layer: Layer, len: usize, memory: Memory<'_>) -> Result<Self, AllocError> {
        match memory {
            Memory::Ram => Ok(PbufMut::alloc(layer, len)?.into()),
            Memory::Pool(pool) => Self::alloc_from(pool, layer, len),
        }
    }
    fn alloc_from(pool: &PbufPool, layer: Layer, len: usize) -> Result<Self, AllocError> {
        let (room, limit) = (layer.header_room(), pool.buffer_size());
        if room > limit {
            return Err(AllocError::TooLong { wanted: room.saturating_add(len), limit });
        }
        let mut chain = Self { segments: Segments::new(), len: len.min(limit - room) };
        chain.segments.push_back(pool.alloc_view(room, chain.len)?);
        while chain.len < len {
            let part_len = (len - chain.len).min(limit);
            chain.segments.push_back(pool.alloc_view(0, part_len)?);
            chain.len += part_len;
        }
        Ok(chain)
    }

    /// Bytes in all buffers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }
    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// How many buffers there are, empty views included.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.segments.len()
    }
    /// The views in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Pbuf> + Clone {
        self.segments.iter()
    }
    /// The view with this index.
    #[must_use]
    pub fn buffer(&self, index: usize) -> Option<&Pbuf> {
        self.segments.get(index)
    }
    /// Whether no buffer has a reference elsewhere, nor twice here.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.iter().all(Pbuf::is_unique)
    }

    /// Appends a buffer.
    ///
    /// # Errors
    /// [`ChainTooLong`] with the buffer.
    pub fn push_back(&mut self, buffer: impl Into<Pbuf>) -> Result<(), ChainTooLong<Pbuf>> {
        let buffer = buffer.into();
        let Some(len) = self.len.checked_add(buffer.len()) else { return Err(ChainTooLong(buffer)) };
        self.len = len;
        self.segments.push_back(buffer);
        Ok(())
    }
    /// Puts a buffer in front, one with headers for instance.
    ///
    /// # Errors
    /// [`ChainTooLong`] with the buffer.
    pub fn push_front(&mut self, buffer: impl Into<Pbuf>) -> Result<(), ChainTooLong<Pbuf>> {
        let buffer = buffer.into();
        let Some(len) = self.len.checked_add(buffer.len()) else { return Err(ChainTooLong(buffer)) };
        self.len = len;
        self.segments.push_front(buffer);
        Ok(())
    }
    /// Takes the first buffer out of the chain.
    pub fn pop_front(&mut self) -> Option<Pbuf> {
        let buffer = self.segments.pop_front()?;
        self.len -= buffer.len();
        Some(buffer)
    }
    /// Appends `tail`, taking it over.
    ///
    /// # Errors
    /// [`ChainTooLong`] with the tail; nothing has changed then.
    pub fn cat(&mut self, tail: Self) -> Result<(), ChainTooLong<Self>> {
        let Some(len) = self.len.checked_add(tail.len) else { return Err(ChainTooLong(tail)) };
        self.len = len;
        self.segments.append(tail.segments);
        Ok(())
    }
    /// Appends the buffers of `tail`, which keeps its own references to them.
    ///
    /// # Errors
    /// [`ChainTooLong`]; nothing has changed then.
    pub fn chain(&mut self, tail: &Self) -> Result<(), ChainTooLong<()>> {
        self.cat(tail.clone()).map_err(|ChainTooLong(_)| ChainTooLong(()))
    }
    /// Detaches the first buffer from those that follow, and gives these; `None` when there are none.
    #[must_use = "what was detached is given back when dropped"]
    pub fn dechain(&mut self) -> Option<Self> {
        if self.buffers() < 2 {
            return None;
        }
        let segments = self.segments.split_off(1);
        let len = self.len - self.segments.get(0).map_or(0, Pbuf::len);
        self.len -= len;
        Some(Self { segments, len })
    }
    /// Cuts the chain at a byte, and gives what follows. A buffer that lies on both sides is shared by both.
    ///
    /// # Panics
    /// When there are fewer than `at` bytes.
    #[must_use = "what was split off is given back when dropped"]
    pub fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.len, "split beyond the end");
        let mut tail = Self { segments: Segments::new(), len: self.len - at };
        let Some(Position { buffer, offset }) = self.skip(at) else { return tail };
        tail.segments = self.segments.split_off(buffer);
        self.len = at;
        if offset > 0
            && let Some(straddling) = tail.segments.first_mut()
        {
            self.segments.push_back(straddling.slice(..offset));
            straddling.narrow(offset..);
        }
        tail
    }
    /// Cuts a chain of more than `limit` bytes, and gives what follows: before the first buffer that does not fit
    /// within the limit whole, or, when that is the first of all, in it. `None` when the chain is not oversized.
    pub fn split_oversized(&mut self, limit: usize) -> Option<Self> {
        if self.len <= limit {
            return None;
        }
        let mut fitting = 0;
        for buffer in self.iter() {
            if buffer.len() > limit - fitting {
                break;
            }
            fitting += buffer.len();
        }
        Some(self.split_off(if fitting == 0 { limit } else { fitting }))
    }
    /// Shortens to `len` bytes, and counts the buffers that were given back for it. Buffers that lie behind go; the last
    /// that stays shows fewer bytes. The first stays even when no byte does. Nothing happens when the chain is not longer.
    pub fn truncate(&mut self, len: usize) -> usize {
        if len >= self.len {
            return 0;
        }
        let (mut kept, mut left) = (0, len);
        for buffer in self.segments.iter_mut() {
            kept += 1;
            if left <= buffer.len() {
                buffer.truncate(left);
                break;
            }
            left -= buffer.len();
        }
        self.len = len;
        self.segments.split_off(kept).free()
    }
    /// Gives all references back, and counts the buffers whose last it was. Dropping does the same without the count.
    pub fn free(self) -> usize {
        self.segments.free()
    }
}

impl Default for PbufChain {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Pbuf> for PbufChain {
    fn from(buffer: Pbuf) -> Self {
        let mut chain = Self { segments: Segments::new(), len: buffer.len() };
        chain.segments.push_back(buffer);
        chain
    }
}

impl From<PbufMut> for PbufChain {
    fn from(buffer: PbufMut) -> Self {
        buffer.freeze().into()
    }
}

impl PartialEq for PbufChain {
    /// Whether the bytes are the same, however they are divided.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.reader().continues_with(other.reader())
    }
}

impl Eq for PbufChain {}

impl PartialEq<[u8]> for PbufChain {
    fn eq(&self, other: &[u8]) -> bool {
        self.len == other.len() && self.compare(0, other) == Comparison::Equal
    }
}

impl fmt::Debug for PbufChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PbufChain")
            .field("len", &self.len)
            .field("buffers", &fmt::from_fn(|f| f.debug_list().entries(self.iter()).finish()))
            .finish()
    }
}
