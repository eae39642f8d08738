//! Buffers for streams: filled once, then shared by the packets that lie in them.
//!
//! A reader that lets go of its packets needs two chunks, so a stream begins with a pool of [`CHUNKS_FIRST`]. One that
//! keeps packets (fragments, say) keeps their chunks with them: then a pool as large as all before is added, up to
//! [`CHUNKS_MAX`] chunks in all. Their memory is touched, and so taken, only as far as it is used.

use crate::fault::FaultReason;
use crate::records::RESIDENT_MAX;
use flumen_pbuf::{PbufMut, PbufPool, PoolOptions};

/// Where a stream's buffers come from.
#[derive(Debug)]
pub(crate) struct Chunks {
    pools: Vec<PbufPool>,
    count: usize,
    max: usize,
}

impl Chunks {
    /// None yet, and never more than `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { pools: Vec::new(), count: 0, max }
    }

    /// A buffer of [`CAPACITY`] bytes, whatever they are, that nobody else sees.
    ///
    /// # Errors
    /// When as many chunks as there may be are held, or there is no memory for more.
    pub(crate) fn take(&mut self) -> Result<PbufMut, FaultReason> {
        if let Some(chunk) = self.pools.iter().find_map(|pool| pool.alloc().ok()) {
            return Ok(chunk);
        }
        let held = FaultReason::ChunksHeld(self.count);
        let more = self.count.max(CHUNKS_FIRST).min(self.max - self.count);
        if more == 0 {
            return Err(held);
        }
        // No cache a thread: whoever gives a chunk back, the stream's thread must get at it.
        let pool = PoolOptions::new(more, CAPACITY).cache(0).build().map_err(|_| held.clone())?;
        let chunk = pool.alloc().map_err(|_| held);
        self.pools.push(pool);
        self.count += more;
        chunk
    }
}

/// Most bytes read into a chunk behind what was left of the one before: what stays in a second-level cache.
pub(crate) const READ_MAX: usize = 256 << 10;
/// Room for that and for the beginning of the largest record.
pub(crate) const CAPACITY: usize = READ_MAX + RESIDENT_MAX;
/// Chunks a stream begins with.
const CHUNKS_FIRST: usize = 2;
/// Chunks a stream has at most: 768 MiB, if every one of them is held and full.
pub(crate) const CHUNKS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_chunks_held_then_refused_until_one_is_given_back() {
        let mut chunks = Chunks::new(21);
        let mut held: Vec<PbufMut> = (0..21).map(|_| chunks.take().expect("there is one left")).collect();
        assert_eq!(chunks.take().err(), Some(FaultReason::ChunksHeld(21)));
        held.pop();
        assert!(chunks.take().is_ok());
        assert_eq!(chunks.count, 21);
    }

    #[test]
    fn chunks_given_back_then_the_first_pool_is_enough() {
        let mut chunks = Chunks::new(CHUNKS_MAX);
        for _ in 0..1_000 {
            let first = chunks.take().expect("a chunk");
            let second = chunks.take().expect("a chunk");
            assert_eq!((first.len(), second.len()), (CAPACITY, CAPACITY));
        }
        assert_eq!(chunks.count, CHUNKS_FIRST);
    }

    #[test]
    fn chunks_given_back_by_another_thread_then_used_again() {
        let mut chunks = Chunks::new(CHUNKS_MAX);
        for _ in 0..100 {
            let chunk = chunks.take().expect("a chunk");
            std::thread::spawn(move || drop(chunk)).join().expect("the other thread");
        }
        assert_eq!(chunks.count, CHUNKS_FIRST);
    }
}
