//! Reading a chain from front to back.

use super::PbufChain;
use std::io::{self, BufRead, Read};

/// A place in a chain from which its bytes are read in order, without changing it.
///
/// [`chunk`](Reader::chunk) and [`advance`](Reader::advance) look at the bytes in place; [`Read`] and [`BufRead`] never fail.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    chain: &'a PbufChain,
    /// The buffer being read; past the last at the end.
    buffer: usize,
    /// What is left of it; empty only at the end.
    chunk: &'a [u8],
    remaining: usize,
}

impl PbufChain {
    /// A reader at the start.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        let chunk = self.buffer(0).map_or(&[][..], |buffer| buffer.as_slice());
        let mut reader = Reader { chain: self, buffer: 0, chunk, remaining: self.len() };
        reader.settle();
        reader
    }
}

impl<'a> Reader<'a> {
    /// Bytes not yet read.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.remaining
    }
    /// The next bytes, as far as they lie in one piece: empty only at the end.
    #[must_use]
    pub const fn chunk(&self) -> &'a [u8] {
        self.chunk
    }
    /// Goes over `count` bytes, or to the end when there are fewer, and says over how many.
    pub fn advance(&mut self, count: usize) -> usize {
        let mut left = count.min(self.remaining);
        let skipped = left;
        self.remaining -= skipped;
        while left > 0 {
            let step = left.min(self.chunk.len());
            self.chunk = &self.chunk[step..];
            left -= step;
            self.settle();
        }
        skipped
    }
    /// Goes on to the next buffer that has bytes, if this one has been read.
    fn settle(&mut self) {
        while self.chunk.is_empty()
            && let Some(next) = self.chain.buffer(self.buffer + 1)
        {
            self.buffer += 1;
            self.chunk = next.as_slice();
        }
    }
    /// Whether both readers have the same bytes to come, as far as the shorter goes.
    pub(super) fn continues_with(mut self, mut other: Self) -> bool {
        loop {
            let len = self.chunk.len().min(other.chunk.len());
            if len == 0 {
                return true;
            }
            if self.chunk[..len] != other.chunk[..len] {
                return false;
            }
            self.advance(len);
            other.advance(len);
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut copied = 0;
        while copied < target.len() && !self.chunk.is_empty() {
            let len = self.chunk.len().min(target.len() - copied);
            target[copied..copied + len].copy_from_slice(&self.chunk[..len]);
            copied += self.advance(len);
        }
        Ok(copied)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.chunk)
    }
    fn consume(&mut self, count: usize) {
        self.advance(count);
    }
}

impl Iterator for Reader<'_> {
    type Item = u8;
    fn next(&mut self) -> Option<u8> {
        let byte = *self.chunk.first()?;
        self.advance(1);
        Some(byte)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Reader<'_> {}
