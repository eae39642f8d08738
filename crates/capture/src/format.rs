//! Which format bytes are, by their first few and never by a name.
#![forbid(unsafe_code)]

use crate::fault::{Fault, Refusal};
use crate::pcap::{self, PcapReader};
use crate::pcapng::{self, PcapngReader};
use crate::records::{Records, Step};

/// What a file is, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap.
    Pcap,
    /// pcapng.
    Pcapng,
    /// gzip (RFC 1952), of whatever it holds.
    Gzip,
    /// zstd (RFC 8878), of whatever it holds.
    Zstd,
}

impl Format {
    /// How many bytes from the start are enough to tell.
    pub const HEAD_LEN: usize = 8;

    /// Tells the format by the first [`Self::HEAD_LEN`] bytes, or all of a file that is shorter.
    ///
    /// # Errors
    /// When it is none that is read; known ones are named, with what can be done.
    pub fn of(head: &[u8]) -> Result<Self, Refusal> {
        match *head {
            [] => Err(Refusal::Empty),
            [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..] => Ok(Self::Pcap),
            [0x0a, 0x0d, 0x0d, 0x0a, ..] => Ok(Self::Pcapng),
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A zstd frame, or one of the sixteen skippable frames that may stand before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            _ => Err(foreign(head)),
        }
    }
}

/// Names the formats that people mistake for captures that can be read.
fn foreign(head: &[u8]) -> Refusal {
    for (magic, name, advice) in FOREIGN {
        if head.starts_with(magic) {
            return Refusal::Foreign { name, advice };
        }
    }
    Refusal::NotACapture(head[..head.len().min(4)].to_vec())
}

/// The parser of a capture that is not compressed.
#[derive(Clone, Debug)]
pub enum Reader {
    /// Classic pcap.
    Pcap(PcapReader),
    /// pcapng.
    Pcapng(PcapngReader),
}

impl Reader {
    /// How many bytes from the start [`Self::new`] needs at most.
    pub const HEAD_LEN: usize = pcapng::HEADER_LEN;

    /// The parser for a capture that begins with `head`: its first [`Self::HEAD_LEN`] bytes, or all of it.
    ///
    /// # Errors
    /// When `head` is not the beginning of a pcap or pcapng file.
    pub fn new(head: &[u8]) -> Result<Self, Refusal> {
        match Format::of(&head[..head.len().min(Format::HEAD_LEN)])? {
            Format::Pcap => PcapReader::new(head).map(Self::Pcap),
            Format::Pcapng => PcapngReader::new(head).map(Self::Pcapng),
            Format::Gzip | Format::Zstd => {
                Err(Refusal::Foreign { name: "a file compressed twice", advice: "decompress it once" })
            }
        }
    }

    /// Where the records begin, in bytes from the start of the file.
    #[must_use]
    pub fn records_start(&self) -> usize {
        match self {
            Self::Pcap(_) => pcap::HEADER_LEN,
            // The section header is a block like the others.
            Self::Pcapng(_) => 0,
        }
    }
}

impl Records for Reader {
    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        match self {
            Self::Pcap(reader) => reader.step(bytes),
            Self::Pcapng(reader) => reader.step(bytes),
        }
    }
    fn finish(&self, end: u64) -> Result<(), Fault> {
        match self {
            Self::Pcap(reader) => reader.finish(end),
            Self::Pcapng(reader) => reader.finish(end),
        }
    }
    fn offset(&self) -> u64 {
        match self {
            Self::Pcap(reader) => reader.offset(),
            Self::Pcapng(reader) => reader.offset(),
        }
    }
    fn link_number(&self, device: u16) -> u32 {
        match self {
            Self::Pcap(reader) => reader.link_number(device),
            Self::Pcapng(reader) => reader.link_number(device),
        }
    }
}

const CONVERT: &str = "convert it with `editcap -F pcapng IN OUT`";

/// First bytes, name, advice.
const FOREIGN: [(&[u8], &str, &str); 20] = [
    (&[0x34, 0xcd, 0xb2, 0xa1], "modified (Kuznetzov) pcap", CONVERT),
    (&[0xa1, 0xb2, 0xcd, 0x34], "modified (Kuznetzov) pcap", CONVERT),
    (&[0x4d, 0x3c, 0x2b, 0xa1], "Navtel pcap", CONVERT),
    (&[0xa1, 0x2b, 0x3c, 0x4d], "Navtel pcap", CONVERT),
    (&[0xac, 0x01, 0x00, 0x1c], "IxVeriWave or Ixia hardware capture", CONVERT),
    (&[0xab, 0x01, 0x00, 0x1c], "Ixia software capture", CONVERT),
    (b"snoop\0\0\0", "a snoop capture (RFC 1761)", CONVERT),
    (b"GMBU", "a Network Monitor capture", CONVERT),
    (b"RTSS", "a Network Monitor capture", CONVERT),
    (b"TRSNIFF ", "a Sniffer capture", CONVERT),
    (b"XCP\0", "a NetXRay capture", CONVERT),
    (b"iptrace ", "an AIX iptrace capture", CONVERT),
    (&[0x0d, 0x0a, 0x0d, 0x0d], "a pcapng file that was transferred as text", "transfer it again in binary mode"),
    (&[0x0d, 0x0d, 0x0a], "a pcapng file that was transferred as text", "transfer it again in binary mode"),
    (&[0x0a, 0x0a, 0x0a], "a pcapng file that was transferred as text", "transfer it again in binary mode"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0x00], "xz", "pipe it through `xz -dc FILE` and read `-`"),
    (b"BZh", "bzip2", "pipe it through `bzip2 -dc FILE` and read `-`"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4", "pipe it through `lz4 -dc FILE` and read `-`"),
    (b"PK\x03\x04", "a zip archive", "extract the captures first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "extract the captures first"),
];
