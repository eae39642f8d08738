//! Changing the bytes of a chain: only in buffers that nobody else refers to, and all or nothing.

use super::PbufChain;
use crate::{AllocError, Checksum, Kind, Pbuf};
use core::fmt;

/// Why bytes were not written. None was, then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The chain, or the one copied from, is too short.
    TooShort {
        /// Offset of the end of what was to be read or written.
        wanted: usize,
        /// Bytes there are.
        len: usize,
    },
    /// The buffer with this index has other references. [`PbufChain::make_writable`] copies it.
    Shared(usize),
    /// The buffer with this index is of a kind that cannot be written. [`PbufChain::make_writable`] copies it.
    ReadOnly(usize, Kind),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { wanted, len } => write!(f, "byte {wanted} wanted of a chain of {len}"),
            Self::Shared(index) => write!(f, "buffer {index} is shared"),
            Self::ReadOnly(index, kind) => write!(f, "buffer {index} is read-only ({kind:?})"),
        }
    }
}

impl core::error::Error for WriteError {}

impl PbufChain {
    /// Overwrites the bytes from the start with `bytes`.
    ///
    /// # Errors
    /// As [`PbufChain::write_at`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_at(0, bytes)
    }
    /// Overwrites the bytes from `offset` on with `bytes`. Neither length nor borders change.
    ///
    /// # Errors
    /// [`WriteError`], and nothing was written.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> Result<(), WriteError> {
        self.writable(offset, bytes.len())?;
        self.put(offset, bytes);
        Ok(())
    }
    /// Overwrites the byte at `offset`.
    ///
    /// # Errors
    /// As [`PbufChain::write_at`].
    pub fn set(&mut self, offset: usize, byte: u8) -> Result<(), WriteError> {
        self.write_at(offset, &[byte])
    }
    /// As [`PbufChain::write_at`], adding the bytes to a checksum on the way.
    ///
    /// # Errors
    /// As [`PbufChain::write_at`]; nothing was added to the sum then.
    pub fn write_summed(&mut self, offset: usize, bytes: &[u8], sum: &mut Checksum) -> Result<(), WriteError> {
        self.write_at(offset, bytes)?;
        sum.push(bytes);
        Ok(())
    }
    /// Overwrites the first bytes with all those of `source`.
    ///
    /// # Errors
    /// As [`PbufChain::write_at`].
    pub fn copy_from(&mut self, source: &Self) -> Result<(), WriteError> {
        self.copy_from_at(0, source, source.len())
    }
    /// Overwrites the bytes from `offset` on with the first `len` of `source`.
    ///
    /// # Errors
    /// As [`PbufChain::write_at`], and [`WriteError::TooShort`] when `source` has fewer bytes.
    pub fn copy_from_at(&mut self, offset: usize, source: &Self, len: usize) -> Result<(), WriteError> {
        if len > source.len() {
            return Err(WriteError::TooShort { wanted: len, len: source.len() });
        }
        self.writable(offset, len)?;
        let mut done = 0;
        for chunk in source.chunks() {
            let part = &chunk[..chunk.len().min(len - done)];
            if part.is_empty() {
                break;
            }
            self.put(offset + done, part);
            done += part.len();
        }
        Ok(())
    }
    /// Copies, to the heap, the views of buffers that cannot be written because they are shared or read-only. The others stay.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`]; those copied so far are writable, and the bytes are the same in any case.
    pub fn make_writable(&mut self) -> Result<(), AllocError> {
        for buffer in self.segments.iter_mut().filter(|buffer| !buffer.is_exclusive()) {
            *buffer = Pbuf::copy_from(buffer)?;
        }
        Ok(())
    }
    /// Checks that `len` bytes from `offset` on are there and may be written.
    fn writable(&self, offset: usize, len: usize) -> Result<(), WriteError> {
        let wanted = offset.saturating_add(len);
        if wanted > self.len() {
            return Err(WriteError::TooShort { wanted, len: self.len() });
        }
        if len == 0 {
            return Ok(());
        }
        let mut start = 0;
        for (index, buffer) in self.iter().enumerate() {
            let end = start + buffer.len();
            if start < wanted && offset < end {
                match buffer.kind() {
                    kind if !kind.is_writable() => return Err(WriteError::ReadOnly(index, kind)),
                    _ if !buffer.is_unique() => return Err(WriteError::Shared(index)),
                    _ => {}
                }
            }
            start = end;
        }
        Ok(())
    }
    /// Writes bytes that [`PbufChain::writable`] has allowed.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let (mut skipped, mut left) = (offset, bytes);
        for buffer in self.segments.iter_mut() {
            let start = skipped.min(buffer.len());
            skipped -= start;
            let len = left.len().min(buffer.len() - start);
            if len > 0 {
                let target = buffer.as_mut_slice().expect("checked to be writable, and borrowed since");
                target[start..start + len].copy_from_slice(&left[..len]);
                left = &left[len..];
            }
            if left.is_empty() {
                break;
            }
        }
    }
}
