//! What the two parsers have in common: one step at a time over a byte slice.
//!
//! A parser never reads, allocates per packet or looks behind the slice it is given. It is told the bytes from its
//! position on and says what to do next ([`Step`]); the driver moves by [`Step`]'s count, or brings more bytes and asks
//! again. So the same parser serves a mapped file, where the slice is all that is left, and a stream, where it is what
//! has arrived.
//!
//! 1. Every step but `Need` consumes at least four bytes: a walk ends after at most a quarter of the bytes.
//! 2. A packet's bytes lie within the slice that was given. Bytes that a step consumes beyond them may not.
//! 3. `Need` asks for at most [`RESIDENT_MAX`] bytes and always for more than were given.
#![forbid(unsafe_code)]

use crate::fault::{Fault, PACKET_MAX};
use flumen_model::{LinkType, Timestamp};

/// A parser of capture records.
pub trait Records {
    /// Looks at the bytes from the parser's position on, and moves it when there is enough of them.
    ///
    /// # Errors
    /// When what stands there cannot be read; the parser then stays where it is.
    fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault>;

    /// Says whether the input may end at `end`, counted from the start of the file.
    ///
    /// # Errors
    /// When it ends within a record or block.
    fn finish(&self, end: u64) -> Result<(), Fault>;

    /// The parser's position: bytes from the start of the file.
    fn offset(&self) -> u64;

    /// The file's number (LINKTYPE) for the first header of packets of `device`.
    fn link_number(&self, device: u16) -> u32;
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A packet; move on by its `consumed`.
    Packet(Record),
    /// Nothing for the reader; move on by this many bytes, which may be more than were given.
    Skip(u64),
    /// Ask again with at least this many bytes, or [finish](Records::finish) if there are no more.
    Need(usize),
}

/// A packet in the slice that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Time of capture.
    pub timestamp: Timestamp,
    /// Offset of its first byte in the slice.
    pub start: u32,
    /// Bytes captured; they lie within the slice.
    pub captured_len: u32,
    /// Bytes that were on the wire, as recorded but at least `captured_len`.
    pub wire_len: u32,
    /// What its first header is.
    pub link: LinkType,
    /// Number of its interface.
    pub device: u16,
    /// Bytes to move on by; within the slice.
    pub consumed: u32,
}

/// The largest record that must be in memory at once, in bytes: a packet of the largest size with as much again of options.
pub const RESIDENT_MAX: usize = 2 * PACKET_MAX as usize;

/// Byte order of the fields of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Sixteen bits at `at`.
    ///
    /// # Panics
    /// When `bytes` ends before.
    #[inline]
    #[must_use]
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let field = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        }
    }
    /// Four times thirty-two bits.
    #[inline]
    #[must_use]
    pub(crate) fn four(self, bytes: &[u8; 16]) -> [u32; 4] {
        let (fields, _) = bytes.as_chunks();
        core::array::from_fn(|n| match self {
            Self::Little => u32::from_le_bytes(fields[n]),
            Self::Big => u32::from_be_bytes(fields[n]),
        })
    }
    /// Thirty-two bits at `at`.
    ///
    /// # Panics
    /// When `bytes` ends before.
    #[inline]
    #[must_use]
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let field: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
        match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        }
    }
}
