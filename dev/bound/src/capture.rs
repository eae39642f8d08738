//! A classic pcap file of Ethernet frames, walked from the map.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

use crate::memory;

const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;
const LINE: usize = 64;
/// The place of the next header stands in this one, so without asking ahead each header would be a miss of its own.
const AHEAD: usize = 4_096;

/// A mapped capture.
#[derive(Debug)]
pub(crate) struct Capture {
    bytes: Mmap,
}

/// A frame, and the nanoseconds or microseconds that the file has for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) time: u64,
    pub(crate) wire_len: u32,
    pub(crate) bytes: &'a [u8],
    /// The frame with its header in the file.
    pub(crate) raw: &'a [u8],
}

impl Capture {
    /// Maps a capture.
    ///
    /// # Errors
    /// When it cannot be read, or is not a little-endian pcap file of Ethernet frames.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let bytes = memory::map(&File::open(path)?)?;
        let is_known = bytes.len() >= FILE_HEADER
            && matches!(word(&bytes, 0), 0xa1b2_c3d4 | 0xa1b2_3c4d)
            && word(&bytes, 20) & 0xffff == 1;
        let problem = "not a little-endian pcap file of Ethernet frames";
        is_known.then_some(Self { bytes }).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, problem))
    }

    /// The header of the file.
    pub(crate) fn header(&self) -> &[u8] {
        &self.bytes[..FILE_HEADER]
    }

    /// All frames; ends where one is cut off.
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { bytes: &self.bytes, at: FILE_HEADER, asked: FILE_HEADER }
    }
}

/// The frames of a capture.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    /// To where lines were asked for.
    asked: usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = self.bytes.get(self.at..)?;
        let header = rest.get(..FRAME_HEADER)?;
        let len = word(header, 8) as usize;
        let raw = rest.get(..FRAME_HEADER + len)?;
        let (time, wire_len) = (u64::from(word(header, 0)) << 32 | u64::from(word(header, 4)), word(header, 12));
        self.at += raw.len();
        while self.asked < self.at + AHEAD {
            memory::prefetch(self.bytes, self.asked);
            self.asked += LINE;
        }
        Some(Frame { time, wire_len, bytes: &raw[FRAME_HEADER..], raw })
    }
}

/// A little-endian word.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
