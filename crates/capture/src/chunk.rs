//! Buffers for streams: filled once, then shared by the packets that lie in them.

use crate::records::RESIDENT_MAX;
use flumen_pbuf::Pbuf;

/// Where a stream's buffers come from.
#[derive(Debug, Default)]
pub(crate) struct Chunks;

impl Chunks {
    /// An empty buffer of [`CAPACITY`] bytes, not yet shared.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        vec![0; CAPACITY]
    }
    /// Shares a filled buffer.
    pub(crate) fn share(chunk: Vec<u8>) -> Pbuf {
        Pbuf::from_owner(chunk)
    }
}

/// Most bytes read into a chunk behind what was left of the one before: what stays in a second-level cache.
pub(crate) const READ_MAX: usize = 256 << 10;
/// Room for that and for the beginning of the largest record.
pub(crate) const CAPACITY: usize = READ_MAX + RESIDENT_MAX;
