//! The memory that generated frames live in: a pool of packet buffers with room in front for headers.
//!
//! A frame is built in a buffer of a [`FramePool`], handed on as a [`Pbuf`], and its buffer comes back when the last who
//! holds the frame lets go: with a capture writer that is at once, so that a few buffers serve a capture of any length.
//! What is longer than a buffer, or asked for when none is free, lies on the heap instead, and is counted.
//!
//! At the end of a run no buffer is outstanding: [`Scenario::write`](crate::scenario::Scenario::write) asserts it.

use std::cell::Cell;

use flumen_pbuf::{AllocError, Layer, Pbuf, PbufMut, PbufPool, PoolStats};

/// A pool of buffers for frames. One for each generator: it is not shared between threads, the frames may be.
#[derive(Debug)]
pub struct FramePool {
    pool: PbufPool,
    on_heap: Cell<u64>,
}

impl FramePool {
    /// Bytes of a buffer: a frame of Ethernet with tags and tunnel headers.
    pub const BUFFER_SIZE: usize = 2_048;

    /// A pool for this many frames at a time.
    ///
    /// # Errors
    /// When there is not as much memory.
    pub fn new(buffers: usize) -> Result<Self, AllocError> {
        Ok(Self { pool: PbufPool::new(buffers, Self::BUFFER_SIZE)?, on_heap: Cell::new(0) })
    }

    /// A buffer of `payload` bytes behind room for `headers` more, with room for `tail` behind it.
    ///
    /// # Panics
    /// When the heap has no room for a frame that does not fit the pool.
    pub(crate) fn buffer(&self, headers: usize, payload: usize, tail: usize) -> PbufMut {
        let pooled = headers + payload + tail <= Self::BUFFER_SIZE;
        match pooled.then(|| self.pool.alloc()) {
            Some(Ok(buffer)) => with_room(buffer, headers, payload),
            _ => {
                self.on_heap.set(self.on_heap.get() + 1);
                on_heap(headers, payload, tail)
            }
        }
    }

    /// A frame of given bytes.
    #[must_use]
    pub fn copy(&self, bytes: &[u8]) -> Pbuf {
        let mut buffer = self.buffer(0, bytes.len(), 0);
        buffer.copy_from_slice(bytes);
        buffer.freeze()
    }

    /// What the pool has done and holds: `outstanding` is zero when all frames have been let go.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Frames that were too long for a buffer, or for which none was free.
    #[must_use]
    pub const fn on_heap(&self) -> u64 {
        self.on_heap.get()
    }
}

/// A buffer on the heap of `payload` bytes behind room for `headers` more, with room for `tail` behind it.
///
/// # Panics
/// When the heap is full.
pub(crate) fn on_heap(headers: usize, payload: usize, tail: usize) -> PbufMut {
    let buffer = PbufMut::alloc(Layer::Raw, headers + payload + tail).expect("memory for a frame");
    with_room(buffer, headers, payload)
}

/// Narrows a whole buffer to `payload` bytes behind `headers` free ones.
fn with_room(mut buffer: PbufMut, headers: usize, payload: usize) -> PbufMut {
    assert!(buffer.remove_header(headers), "a buffer of the length asked for");
    buffer.truncate(payload);
    buffer
}

#[cfg(test)]
mod tests {
    use flumen_pbuf::Kind;

    use super::*;
    use crate::Packet;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    fn packet(payload: usize) -> Packet {
        Packet::ethernet([1; 6], [2; 6]).vlan(5).ipv4(A, B).udp(1, 2).payload(&vec![7; payload])
    }

    #[test]
    fn frame_built_in_the_pool_then_same_bytes_and_buffer_comes_back() {
        let frames = FramePool::new(2).unwrap();
        let frame = packet(100).build_in(&frames);
        assert_eq!((frame.kind(), frame.header_room()), (Kind::Pool, 0));
        assert_eq!(frame.as_slice(), packet(100).build());
        assert_eq!(frames.stats().outstanding, 1);
        drop(frame);
        assert_eq!((frames.stats().outstanding, frames.on_heap()), (0, 0));
    }

    #[test]
    fn frame_too_long_or_pool_empty_then_heap_and_counted() {
        let frames = FramePool::new(1).unwrap();
        let long = packet(FramePool::BUFFER_SIZE).build_in(&frames);
        assert_eq!((long.kind(), frames.on_heap()), (Kind::Ram, 1));
        assert_eq!(long.as_slice(), packet(FramePool::BUFFER_SIZE).build());
        let held = packet(1).build_in(&frames);
        let second = packet(1).build_in(&frames);
        assert_eq!((held.kind(), second.kind(), frames.on_heap()), (Kind::Pool, Kind::Ram, 2));
        assert_eq!(held, second);
    }

    #[test]
    fn short_frame_padded_in_a_used_buffer_then_padding_is_zero() {
        let frames = FramePool::new(1).unwrap();
        drop(frames.copy(&[0xff; 200]));
        let frame = Packet::ethernet([1; 6], [2; 6]).ipv4(A, B).udp(1, 2).padded().build_in(&frames);
        assert_eq!((frame.kind(), &frame[42..]), (Kind::Pool, &[0; 18][..]));
    }
}
