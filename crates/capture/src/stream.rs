//! A stream in chunks: packets borrow from a chunk, and a record that straddles two is moved to the front of the next.
//!
//! 1. A chunk is written only before it is shared; after that it is read until its last reference goes.
//! 2. `at` lies within the chunk, and `base + at` is the parser's position unless `skip > 0`, when it is `skip` bytes further on.

use crate::chunk::{CAPACITY, CHUNKS_MAX, Chunks, READ_MAX};
use crate::fault::FaultReason;
use crate::inflate::{Inflate, Then};
use flumen_pbuf::Pbuf;

/// A stream and the chunk of it that is being read.
#[derive(Debug)]
pub(crate) struct Stream {
    input: Inflate,
    chunks: Chunks,
    /// The present chunk.
    pub(crate) chunk: Pbuf,
    /// Bytes of the chunk that were used.
    pub(crate) at: usize,
    /// Offset of the chunk in the stream.
    base: u64,
    skip: u64,
    tail: Tail,
}

/// How the stream goes on behind the chunk.
#[derive(Clone, Debug)]
pub(crate) enum Tail {
    /// More may come.
    Open,
    /// It ends.
    End,
    /// It cannot be read.
    Failed(FaultReason),
}

impl Stream {
    pub(crate) fn new(input: Inflate) -> Self {
        let chunks = Chunks::new(CHUNKS_MAX);
        Self { input, chunks, chunk: Pbuf::empty(), at: 0, base: 0, skip: 0, tail: Tail::Open }
    }

    /// The stream's bytes in the chunk that were not used.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.chunk.as_slice()[self.at..]
    }

    /// Where the stream's known bytes end.
    pub(crate) fn end_offset(&self) -> u64 {
        self.base + self.chunk.len() as u64
    }

    pub(crate) fn input(&self) -> &Inflate {
        &self.input
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Uses `bytes` more, which may be more than there are yet.
    pub(crate) fn advance(&mut self, bytes: u64) {
        let here = bytes.min(self.rest().len() as u64);
        self.at += here as usize;
        self.skip += bytes - here;
    }

    /// Brings at least `need` unused bytes into a new chunk, unless the stream ends before. Leaves the old one to those
    /// who refer to it.
    pub(crate) fn refill(&mut self, need: usize) {
        debug_assert!(need <= CAPACITY - READ_MAX, "a record fits behind nothing");
        if !matches!(self.tail, Tail::Open) {
            return;
        }
        let mut chunk = match self.chunks.take() {
            Ok(chunk) => chunk,
            Err(reason) => {
                self.tail = Tail::Failed(reason);
                return;
            }
        };
        let mut filled = self.rest().len();
        chunk[..filled].copy_from_slice(self.rest());
        self.base += self.at as u64;
        while filled < need.max(1) && matches!(self.tail, Tail::Open) {
            let room = (filled + READ_MAX).min(CAPACITY);
            filled += self.read(&mut chunk[filled..room]);
        }
        chunk.truncate(filled);
        self.chunk = chunk.freeze();
        self.at = 0;
    }

    /// Reads once, and throws away what is to be skipped: there is no rest while there is something to skip.
    fn read(&mut self, out: &mut [u8]) -> usize {
        let got = self.input.read(out);
        self.tail = match got.then {
            Then::More => Tail::Open,
            Then::End => Tail::End,
            Then::Failed(reason) => Tail::Failed(reason),
        };
        let skipped = self.skip.min(got.bytes as u64) as usize;
        self.skip -= skipped as u64;
        self.base += skipped as u64;
        out.copy_within(skipped..got.bytes, 0);
        got.bytes - skipped
    }
}
