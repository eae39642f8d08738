//! A directory for a test's files, and ways to read a capture to its end.

use flumen_capture::{CaptureFile, FileAccess, Options};
use flumen_model::{LinkType, PacketBatch, PacketSource, SourceError};
use std::fs;
use std::io::{Cursor, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes away with this value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("capture-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A packet as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) nanos: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) link: LinkType,
    pub(crate) device: u16,
}

/// All packets of a source, and the error at which it stopped. Checks the promises of the port on the way.
pub(crate) fn drain(source: &mut impl PacketSource) -> (Vec<Seen>, Option<SourceError>) {
    let mut batch = PacketBatch::new();
    let mut seen = Vec::new();
    let error = loop {
        match source.fill(&mut batch) {
            Ok(true) => {
                assert!(!batch.is_empty() && batch.len() <= flumen_capture::BATCH_LEN, "a batch of {}", batch.len())
            }
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
        seen.extend(batch.packets().map(|packet| Seen {
            nanos: packet.entry.timestamp.nanos(),
            data: packet.data.to_vec(),
            wire_len: packet.entry.wire_len,
            link: packet.entry.link,
            device: packet.entry.device,
        }));
    };
    assert!(batch.is_empty() && batch.block().is_none(), "the end comes with an empty batch");
    assert_eq!(source.fill(&mut batch), Ok(false), "after the end or an error comes nothing");
    (seen, error)
}

/// Ways in which the same bytes can come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Mapped,
    Streamed,
    /// One byte a read.
    Dribble,
    Gzip,
    GzipMembers,
    Zstd,
    ZstdFrames,
}

impl Way {
    pub(crate) const ALL: [Self; 7] =
        [Self::Mapped, Self::Streamed, Self::Dribble, Self::Gzip, Self::GzipMembers, Self::Zstd, Self::ZstdFrames];

    pub(crate) fn is_compressed(self) -> bool {
        !matches!(self, Self::Mapped | Self::Streamed | Self::Dribble)
    }

    /// Opens `bytes` in this way.
    pub(crate) fn open(self, scratch: &Scratch, bytes: &[u8]) -> Result<CaptureFile, SourceError> {
        let (front, back) = bytes.split_at(bytes.len() / 2);
        let access = if self == Self::Streamed { FileAccess::Streamed } else { FileAccess::Mapped };
        let file = match self {
            Self::Dribble => {
                let dribble = Dribble { bytes: Cursor::new(bytes.to_vec()), interrupt: false };
                return CaptureFile::from_reader("dribble".to_owned(), dribble);
            }
            Self::Mapped | Self::Streamed => bytes.to_vec(),
            Self::Gzip => gzip(bytes),
            Self::GzipMembers => [gzip(front), gzip(b""), gzip(back)].concat(),
            Self::Zstd => zstd(bytes),
            Self::ZstdFrames => {
                let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0], &b"..."[..]].concat();
                [skippable.clone(), zstd(front), zstd(b""), skippable, zstd(back)].concat()
            }
        };
        CaptureFile::open(&scratch.file("capture", &file), &Options { access })
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

/// A reader that yields one byte at a time, and is interrupted before each.
struct Dribble {
    bytes: Cursor<Vec<u8>>,
    interrupt: bool,
}

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(ErrorKind::Interrupted.into());
        }
        self.bytes.read(&mut out[..1])
    }
}

/// A small generator of numbers (splitmix64), so that a seed repeats a test.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
