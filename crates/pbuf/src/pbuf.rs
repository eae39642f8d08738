//! The shared, read-only view of a buffer.

use crate::{
    AllocError, Kind, PbufMut,
    block::{self, Block, BlockRef, Fill},
};
use core::{fmt, ops::Deref, ops::RangeBounds, ptr::NonNull};
use flumen_kref::Unique;

/// A read-only view of a counted buffer: where its bytes are, how many, and one reference to what they lie in.
///
/// Cloning takes a reference (one relaxed increment; none for static bytes); dropping gives it back. The view belongs
/// to this handle alone: narrowing it, or moving its start over a header, is not seen by other handles of the same buffer.
/// Reading is one pointer and a length, without any look at the count.
///
/// Bytes can be changed only through a handle that is alone: see [`Pbuf::as_mut_slice`] and [`Pbuf::try_into_mut`].
///
/// ```
/// use flumen_pbuf::Pbuf;
///
/// let frame = Pbuf::copy_from(b"headerpayload")?;
/// let payload = frame.slice(6..);
/// assert_eq!(payload, b"payload"[..]);
/// assert_eq!(frame.references(), Some(2));
/// # Ok::<(), flumen_pbuf::AllocError>(())
/// ```
#[derive(Clone)]
pub struct Pbuf {
    /// Within the range of `block`, or, when there is none, bytes that live as long as the program.
    start: NonNull<u8>,
    len: usize,
    block: Option<BlockRef>,
}

const _: () = assert!(size_of::<Option<Pbuf>>() == 3 * size_of::<usize>());

// SAFETY:
// - the bytes are read-only while there are several handles, and written only through `&mut` of the only one;
// - `BlockRef` is `Send`, and static bytes are `Sync`.
unsafe impl Send for Pbuf {}
// SAFETY: as above; a shared `Pbuf` gives only reads.
unsafe impl Sync for Pbuf {}

impl Pbuf {
    /// A view of nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self::from_static(&[])
    }
    /// A view of bytes that live as long as the program ([`Kind::Rom`]). Nothing is counted.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        // SAFETY: a reference is not null.
        let start = unsafe { NonNull::new_unchecked(bytes.as_ptr().cast_mut()) };
        Self { start, len: bytes.len(), block: None }
    }
    /// A view of all bytes of `owner` ([`Kind::Ref`]), which is dropped exactly when the last reference goes.
    ///
    /// `owner.as_ref()` is called once. The owner may be a mapped file: then nobody may truncate or change the file while the
    /// mapping lives, as the mapping's own documentation demands.
    #[must_use]
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::whole(block::owned(owner))
    }
    /// A copy of `bytes` on the heap ([`Kind::Ram`]), without header room.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`].
    pub fn copy_from(bytes: &[u8]) -> Result<Self, AllocError> {
        Ok(Self::whole(block::heap(bytes.len(), Fill::Copy(bytes))?))
    }
    fn whole(block: Unique<Block>) -> Self {
        let (start, len) = (block.start(), block.capacity());
        Self { start, len, block: Some(BlockRef::new(block)) }
    }
    /// # Safety
    /// The bytes must lie in the range of the block.
    #[inline]
    pub(crate) unsafe fn from_parts(start: NonNull<u8>, len: usize, block: Unique<Block>) -> Self {
        Self { start, len, block: Some(BlockRef::new(block)) }
    }

    /// Puts `other` in the place of this view, which must be one without a buffer.
    ///
    /// Field by field, since copying the whole in wide pieces just after it was written in narrow ones stalls the processor:
    /// that was half of what a chain costs.
    #[inline]
    pub fn fill_empty(&mut self, other: Self) {
        debug_assert!(self.block.is_none(), "its reference would be lost");
        let Self { start, len, block } = other;
        self.start = start;
        self.len = len;
        core::mem::forget(core::mem::replace(&mut self.block, block));
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub const fn as_slice(&self) -> &[u8] {
        // SAFETY:
        // - the bytes are initialised and live as long as the block, to which `self` holds a reference;
        // - they are written only through a `&mut` of a handle that is alone, which cannot be while `self` is borrowed.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
    /// How many bytes the view shows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }
    /// Whether it shows none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Where the memory comes from.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.block.as_ref().map_or(Kind::Rom, |block| block.header().kind())
    }
    /// How many references the buffer has, this one included: a snapshot, to be trusted only when it is 1 and this
    /// handle is borrowed mutably. `None` for static bytes, which are not counted.
    #[must_use]
    pub fn references(&self) -> Option<u32> {
        self.block.as_ref().map(|block| block.count())
    }
    /// Whether this handle is the only one, so that nobody else sees the buffer. Static bytes are never unique.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.block.as_ref().is_some_and(BlockRef::is_unique)
    }
    /// Whether both are views of the same counted buffer.
    #[must_use]
    pub fn shares_with(&self, other: &Self) -> bool {
        match (&self.block, &other.block) {
            (Some(a), Some(b)) => core::ptr::eq(a.header(), b.header()),
            _ => false,
        }
    }

    /// The bytes to be written, when nobody else has a reference and the memory is writable.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        self.is_exclusive().then_some(())?;
        // SAFETY:
        // - the block is writable and this is its only reference (`is_unique` acquires what the former ones did);
        // - `self` is borrowed mutably, so no new reference nor slice can be made meanwhile.
        Some(unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) })
    }
    /// Whether the bytes may be written: alone, and in writable memory.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.header().kind().is_writable() && block.is_unique())
    }
    /// The handle that may write, when nobody else has a reference and the memory is writable.
    ///
    /// # Errors
    /// The buffer itself, when it is shared or read-only.
    pub fn try_into_mut(self) -> Result<PbufMut, Self> {
        if !self.kind().is_writable() {
            return Err(self);
        }
        let Self { start, len, block } = self;
        match block.map(BlockRef::try_unique) {
            // SAFETY: the view lies in its block, which is writable.
            Some(Ok(block)) => Ok(unsafe { PbufMut::from_parts(start, len, block) }),
            Some(Err(shared)) => Err(Self { start, len, block: Some(shared) }),
            None => Err(Self { start, len, block: None }),
        }
    }

    /// A view of a part, sharing the buffer.
    ///
    /// # Panics
    /// When the range does not lie in the view.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let mut part = self.clone();
        part.narrow(range);
        part
    }
    /// As [`Pbuf::slice`], but the view takes over the reference of `spare` when that is one of the same buffer. Counting up and
    /// down again are two atomic steps, which cost as much as fifty plain ones.
    ///
    /// # Panics
    /// When the range does not lie in the view.
    #[must_use]
    #[inline]
    pub fn slice_with(&self, range: impl RangeBounds<usize>, spare: Self) -> Self {
        if !self.shares_with(&spare) {
            return self.slice(range);
        }
        let mut part = Self { start: self.start, len: self.len, ..spare };
        part.narrow(range);
        part
    }
    /// Narrows this view to a part of itself.
    ///
    /// # Panics
    /// When the range does not lie in the view.
    pub fn narrow(&mut self, range: impl RangeBounds<usize>) {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let part = &self.as_slice()[bounds];
        let (offset, len) = (part.as_ptr().addr() - self.start.addr().get(), part.len());
        // SAFETY: the part lies within the view, as the slice index has checked.
        self.start = unsafe { self.start.add(offset) };
        self.len = len;
    }
    /// Shows only the first `len` bytes; nothing changes when there are no more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
    /// Takes `len` bytes away in front, and says whether there were as many; if not, nothing changes.
    #[must_use = "when there are too few bytes nothing was removed"]
    pub fn remove_header(&mut self, len: usize) -> bool {
        let enough = len <= self.len;
        if enough {
            self.narrow(len..);
        }
        enough
    }
    /// Bytes of the buffer in front of the view.
    #[must_use]
    pub fn header_room(&self) -> usize {
        self.block.as_ref().map_or(0, |block| self.start.addr().get() - block.header().start().addr().get())
    }
    /// Moves the start of the view back over `len` bytes set aside for headers or removed before, and says whether
    /// there were as many; if not, nothing changes. Refused for memory of others ([`Kind::Rom`], [`Kind::Ref`]), where what
    /// lies in front is not header room; see [`Pbuf::add_header_forced`].
    #[must_use = "when there is too little room nothing was added"]
    pub fn add_header(&mut self, len: usize) -> bool {
        (len == 0 || self.kind().has_own_room()) && self.add_header_forced(len)
    }
    /// As [`Pbuf::add_header`], but also for read-only memory of an owner, where it uncovers what lies in front of the view:
    /// never more than the owner gave.
    #[must_use = "when there is too little room nothing was added"]
    pub fn add_header_forced(&mut self, len: usize) -> bool {
        let enough = len <= self.header_room();
        if enough {
            // SAFETY: there are `len` bytes of the block in front of the view.
            self.start = unsafe { self.start.sub(len) };
            self.len += len;
        }
        enough
    }
    /// Lets go, and says whether this was the last reference, so that the memory was given back.
    pub fn free(self) -> bool {
        self.block.is_some_and(BlockRef::release)
    }
}

impl Default for Pbuf {
    fn default() -> Self {
        Self::empty()
    }
}

impl Deref for Pbuf {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Pbuf {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&'static [u8]> for Pbuf {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_static(bytes)
    }
}

impl From<Vec<u8>> for Pbuf {
    /// Takes the vector over; its bytes are not copied.
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_owner(bytes)
    }
}

impl PartialEq for Pbuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Pbuf {}

impl PartialEq<[u8]> for Pbuf {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl fmt::Debug for Pbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pbuf")
            .field("kind", &self.kind())
            .field("len", &self.len)
            .field("header_room", &self.header_room())
            .field("references", &self.references())
            .finish()
    }
}
