//! The handle of who owns a buffer alone, and may write it.

use crate::{
    AllocError, Kind, Layer, Pbuf,
    block::{self, Block, Fill},
};
use core::{
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};
use flumen_kref::Unique;

/// A writable view of a buffer that nobody else refers to. Frozen ([`PbufMut::freeze`]), it can be shared.
///
/// Header room lies in front of the view, tail room behind it; both are initialised memory, though not cleared for each use
/// of a pool's buffer.
///
/// ```
/// use flumen_pbuf::{Layer, PbufMut};
///
/// let mut packet = PbufMut::alloc(Layer::Ip, 4)?;
/// packet.copy_from_slice(b"data");
/// assert!(packet.add_header(2));
/// packet[..2].copy_from_slice(b"IP");
/// assert_eq!(packet.freeze(), b"IPdata"[..]);
/// # Ok::<(), flumen_pbuf::AllocError>(())
/// ```
pub struct PbufMut {
    /// Within the range of `block`.
    start: NonNull<u8>,
    len: usize,
    /// The block, which nobody else knows.
    block: Unique<Block>,
}

// SAFETY: the bytes belong to this handle alone, and `Unique<Block>` is `Send`.
unsafe impl Send for PbufMut {}
// SAFETY: a shared `PbufMut` gives only reads.
unsafe impl Sync for PbufMut {}

impl PbufMut {
    /// A buffer on the heap ([`Kind::Ram`]): header room for `layer`, then `len` bytes, all zero.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] and [`AllocError::OutOfMemory`].
    pub fn alloc(layer: Layer, len: usize) -> Result<Self, AllocError> {
        let room = layer.header_room();
        let too_long = AllocError::TooLong { wanted: usize::MAX, limit: isize::MAX as usize };
        let capacity = room.checked_add(len).ok_or(too_long)?;
        Ok(Self::part(block::heap(capacity, Fill::Zero)?, room, len))
    }
    /// A buffer in memory of the caller's ([`Kind::Custom`]): header room for `layer`, then `len` bytes, what follows is
    /// tail room. The owner is dropped exactly when the last reference goes.
    ///
    /// `owner.as_mut()` is called once.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when the memory is too short; the owner is dropped.
    pub fn from_owner(
        layer: Layer,
        len: usize,
        owner: impl AsMut<[u8]> + Send + Sync + 'static,
    ) -> Result<Self, AllocError> {
        let block = block::owned_mut(owner);
        let (room, limit) = (layer.header_room(), block.capacity());
        let wanted = room.saturating_add(len);
        if wanted > limit {
            return Err(AllocError::TooLong { wanted, limit });
        }
        Ok(Self::part(block, room, len))
    }
    /// As [`PbufMut::from_owner`], with the memory handed to `release` exactly when the last reference goes, on the
    /// thread that drops it.
    ///
    /// # Errors
    /// [`AllocError::TooLong`] when the memory is too short; it is handed to `release` at once.
    pub fn with_release<M, F>(layer: Layer, len: usize, memory: M, release: F) -> Result<Self, AllocError>
    where
        M: AsMut<[u8]> + Send + Sync + 'static,
        F: FnOnce(M) + Send + Sync + 'static,
    {
        Self::from_owner(layer, len, Releasing { parts: Some((memory, release)) })
    }
    /// All bytes of a writable block.
    pub(crate) fn whole(block: Unique<Block>) -> Self {
        let len = block.capacity();
        Self::part(block, 0, len)
    }
    /// `len` bytes of a writable block, behind `room` free ones.
    ///
    /// # Panics
    /// When the block is shorter.
    #[inline]
    pub(crate) fn part(block: Unique<Block>, room: usize, len: usize) -> Self {
        let capacity = block.capacity();
        assert!(room <= capacity && len <= capacity - room, "view outside its buffer");
        // SAFETY: within the range of the block, as just checked.
        let start = unsafe { block.start().add(room) };
        Self { start, len, block }
    }
    /// # Safety
    /// The bytes must lie in the range of the block, which must be writable.
    pub(crate) const unsafe fn from_parts(start: NonNull<u8>, len: usize, block: Unique<Block>) -> Self {
        Self { start, len, block }
    }

    /// Where the memory comes from.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.block.kind()
    }
    /// Bytes of the buffer in front of the view.
    #[must_use]
    pub fn header_room(&self) -> usize {
        self.start.addr().get() - self.block.start().addr().get()
    }
    /// Bytes of the buffer behind the view.
    #[must_use]
    pub fn tail_room(&self) -> usize {
        self.block.capacity() - self.header_room() - self.len
    }
    /// Shows only the first `len` bytes; nothing changes when there are no more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
    /// Shows `len` more bytes at the end, whatever they contain, and says whether there were as many; if not, nothing
    /// changes.
    #[must_use = "when there is too little room nothing was added"]
    pub fn extend(&mut self, len: usize) -> bool {
        let enough = len <= self.tail_room();
        if enough {
            self.len += len;
        }
        enough
    }
    /// Appends bytes, and says whether there was room for them; if not, nothing changes.
    #[must_use = "when there is too little room nothing was added"]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> bool {
        let end = self.len;
        let enough = self.extend(bytes.len());
        if enough {
            self[end..].copy_from_slice(bytes);
        }
        enough
    }
    /// Moves the start back over `len` bytes of header room, and says whether there were as many; if not, nothing changes.
    #[must_use = "when there is too little room nothing was added"]
    pub fn add_header(&mut self, len: usize) -> bool {
        let enough = len <= self.header_room();
        if enough {
            // SAFETY: there are `len` bytes of the block in front of the view.
            self.start = unsafe { self.start.sub(len) };
            self.len += len;
        }
        enough
    }
    /// Takes `len` bytes away in front, and says whether there were as many; if not, nothing changes.
    #[must_use = "when there are too few bytes nothing was removed"]
    pub fn remove_header(&mut self, len: usize) -> bool {
        let enough = len <= self.len;
        if enough {
            // SAFETY: the view has `len` bytes.
            self.start = unsafe { self.start.add(len) };
            self.len -= len;
        }
        enough
    }
    /// Ends writing: a handle that can be shared.
    #[must_use]
    #[inline]
    pub fn freeze(self) -> Pbuf {
        // SAFETY: the view lies in its block.
        unsafe { Pbuf::from_parts(self.start, self.len, self.block) }
    }
}

impl Deref for PbufMut {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are initialised, live as long as the block, and are written only through `&mut self`.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for PbufMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this handle is the only one of a writable block.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl From<PbufMut> for Pbuf {
    fn from(buffer: PbufMut) -> Self {
        buffer.freeze()
    }
}

impl fmt::Debug for PbufMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PbufMut")
            .field("kind", &self.kind())
            .field("len", &self.len)
            .field("header_room", &self.header_room())
            .field("tail_room", &self.tail_room())
            .finish()
    }
}

/// Memory and what takes it back.
struct Releasing<M, F: FnOnce(M)> {
    /// Present until dropped.
    parts: Option<(M, F)>,
}

impl<M: AsMut<[u8]>, F: FnOnce(M)> AsMut<[u8]> for Releasing<M, F> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.parts.as_mut().map_or(&mut [], |(memory, _)| memory.as_mut())
    }
}

impl<M, F: FnOnce(M)> Drop for Releasing<M, F> {
    fn drop(&mut self) {
        if let Some((memory, release)) = self.parts.take() {
            release(memory);
        }
    }
}
