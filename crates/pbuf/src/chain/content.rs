//! Looking at the bytes of a chain, wherever the borders of its buffers lie.

use super::PbufChain;
use crate::{AllocError, Checksum, Layer, Memory, Pbuf};
use std::io::IoSlice;

/// Where a byte of a chain lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index of the buffer.
    pub buffer: usize,
    /// Offset in its view.
    pub offset: usize,
}

/// How bytes of a chain compare to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They are the same.
    Equal,
    /// The first difference is at this offset from where the comparison started.
    DiffersAt(usize),
    /// The chain ends before the comparison could.
    TooShort,
}

impl PbufChain {
    /// Where the byte at `offset` lies: never in an empty view. `None` when there is no such byte.
    #[must_use]
    pub fn skip(&self, offset: usize) -> Option<Position> {
        let mut left = offset;
        for (index, buffer) in self.iter().enumerate() {
            if left < buffer.len() {
                return Some(Position { buffer: index, offset: left });
            }
            left -= buffer.len();
        }
        None
    }
    /// The byte at `offset`.
    #[must_use]
    pub fn get(&self, offset: usize) -> Option<u8> {
        self.chunks_from(offset).next().map(|chunk| chunk[0])
    }
    /// The bytes in order, as the pieces in which they lie; none is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.iter().map(Pbuf::as_slice).filter(|chunk| !chunk.is_empty())
    }
    /// The bytes from `offset` on, as the pieces in which they lie; none is empty.
    pub fn chunks_from(&self, offset: usize) -> impl Iterator<Item = &[u8]> + Clone {
        let mut left = offset;
        self.chunks().filter_map(move |chunk| {
            let skipped = left.min(chunk.len());
            left -= skipped;
            (skipped < chunk.len()).then(|| &chunk[skipped..])
        })
    }
    /// Fills `slices` with the pieces in which the bytes lie, for one vectored write, and says how many it has filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(self.chunks()).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }
    /// Copies bytes from `offset` on into `target`, and says how many there were: fewer than it is long when the chain ends.
    pub fn copy_to(&self, offset: usize, target: &mut [u8]) -> usize {
        let mut copied = 0;
        for chunk in self.chunks_from(offset) {
            let len = chunk.len().min(target.len() - copied);
            if len == 0 {
                break;
            }
            target[copied..copied + len].copy_from_slice(&chunk[..len]);
            copied += len;
        }
        copied
    }
    /// All bytes in one vector.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.chunks().for_each(|chunk| bytes.extend_from_slice(chunk));
        bytes
    }
    /// The `len` bytes from `offset` on in one piece: in place when they lie in one buffer, else copied to `scratch`. `None` when the
    /// chain has fewer, or `scratch` is too short for the copy.
    #[must_use]
    pub fn contiguous<'a>(&'a self, offset: usize, len: usize, scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        if len > self.len().checked_sub(offset)? {
            return None;
        }
        let first = self.chunks_from(offset).next().unwrap_or_default();
        if len <= first.len() {
            return Some(&first[..len]);
        }
        let target = scratch.get_mut(..len)?;
        let copied = self.copy_to(offset, target);
        debug_assert_eq!(copied, len, "the length was checked");
        Some(target)
    }
    /// Compares the bytes from `offset` on with `bytes`.
    #[must_use]
    pub fn compare(&self, offset: usize, bytes: &[u8]) -> Comparison {
        if self.len().checked_sub(offset).is_none_or(|left| left < bytes.len()) {
            return Comparison::TooShort;
        }
        let mut done = 0;
        for chunk in self.chunks_from(offset) {
            let wanted = &bytes[done..];
            if let Some(at) = chunk.iter().zip(wanted).position(|(a, b)| a != b) {
                return Comparison::DiffersAt(done + at);
            }
            done += chunk.len().min(wanted.len());
            if done == bytes.len() {
                break;
            }
        }
        Comparison::Equal
    }
    /// The first offset, not before `from`, at which `needle` lies. An empty needle lies everywhere up to the end.
    ///
    /// Takes time in proportion to the lengths of chain and needle, whatever they contain (Knuth, Morris and Pratt, 1977).
    #[must_use]
    pub fn find(&self, needle: &[u8], from: usize) -> Option<usize> {
        if needle.len() > self.len().checked_sub(from)? {
            return None;
        }
        if needle.is_empty() {
            return Some(from);
        }
        let borders = borders(needle);
        let mut matched = 0;
        for (offset, &byte) in (from..).zip(self.chunks_from(from).flatten()) {
            matched = extend_match(needle, &borders, matched, byte);
            if matched == needle.len() {
                return Some(offset + 1 - needle.len());
            }
        }
        None
    }
    /// The Internet checksum of all bytes (RFC 1071), as a number whose high byte goes first.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        let mut sum = Checksum::new();
        self.add_to(&mut sum);
        sum.finish()
    }
    /// Adds all bytes to a checksum begun elsewhere, with a pseudo-header for instance.
    pub fn add_to(&self, sum: &mut Checksum) {
        self.chunks().for_each(|chunk| sum.push(chunk));
    }
    /// A copy in buffers of its own, with header room for `layer`.
    ///
    /// # Errors
    /// As [`PbufChain::alloc`].
    pub fn copied(&self, layer: Layer, memory: Memory<'_>) -> Result<Self, AllocError> {
        let mut copy = Self::alloc(layer, self.len(), memory)?;
        copy.copy_from(self).expect("new buffers are as long as asked for, and not shared");
        Ok(copy)
    }
    /// Brings all bytes into one buffer on the heap, with header room for `layer`. One that is alone stays as it is.
    ///
    /// # Errors
    /// As [`PbufChain::alloc`]; nothing has changed then.
    pub fn coalesce(&mut self, layer: Layer) -> Result<(), AllocError> {
        if self.buffers() > 1 {
            *self = self.copied(layer, Memory::Ram)?;
        }
        Ok(())
    }
}

/// For each prefix of the needle, the length of its longest proper border (a prefix that is a suffix too).
fn borders(needle: &[u8]) -> Vec<usize> {
    let mut borders = vec![0];
    for &byte in &needle[1..] {
        let longest = borders[borders.len() - 1];
        borders.push(extend_match(needle, &borders, longest, byte));
    }
    borders
}

/// How much of the needle ends with `byte`, when `matched` bytes of it ended just before.
fn extend_match(needle: &[u8], borders: &[usize], mut matched: usize, byte: u8) -> usize {
    while matched > 0 && (matched == needle.len() || needle[matched] != byte) {
        matched = borders[matched - 1];
    }
    if needle[matched] == byte { matched + 1 } else { 0 }
}
