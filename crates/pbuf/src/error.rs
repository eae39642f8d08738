//! What can be refused. Every refusal leaves the buffers as they were.

use core::fmt;

/// Why no buffer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// The pool has too few free buffers. Counted by the pool ([`PoolStats::exhausted`](crate::PoolStats)).
    Exhausted(PoolExhausted),
    /// The process has no memory left.
    OutOfMemory,
    /// Header room and length together exceed what an address can span, or what one buffer of the pool or the
    /// given memory holds.
    TooLong {
        /// Bytes asked for, header room included (`usize::MAX` when that sum itself does not fit).
        wanted: usize,
        /// Bytes there are.
        limit: usize,
    },
}

/// A pool has too few free buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolExhausted {
    /// How many buffers the pool has in all, free or not.
    pub capacity: usize,
}

impl fmt::Display for PoolExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too few of the pool's {} buffers are free", self.capacity)
    }
}

impl core::error::Error for PoolExhausted {}

impl From<PoolExhausted> for AllocError {
    fn from(error: PoolExhausted) -> Self {
        Self::Exhausted(error)
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(error) => error.fmt(f),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::TooLong { wanted, limit } => write!(f, "{wanted} bytes wanted where at most {limit} fit"),
        }
    }
}

impl core::error::Error for AllocError {}
