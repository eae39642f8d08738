//! Bytes of a stream, decompressed if need be.
//!
//! The decompressors are driven step by step instead of through their `Read` adapters, because those forget what a
//! step has yielded when it fails, and what lies before the damage is to be read.

use crate::fault::FaultReason;
use crate::format::Format;
use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use std::io::{self, Read};
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// What a read has yielded, and how the stream goes on.
#[derive(Debug)]
pub(crate) struct Got {
    /// Bytes written to the front of the buffer.
    pub(crate) bytes: usize,
    /// What comes after them.
    pub(crate) then: Then,
}

/// What comes after the bytes of a read.
#[derive(Debug)]
pub(crate) enum Then {
    /// More bytes, perhaps.
    More,
    /// Nothing: this was all.
    End,
    /// Nothing that can be read.
    Failed(FaultReason),
}

/// A stream of bytes as the capture parsers want them.
#[derive(Debug)]
pub(crate) struct Inflate {
    input: Input,
    codec: Codec,
}

enum Codec {
    Plain,
    Gzip {
        member: Option<Decompress>,
    },
    Zstd {
        decoder: ZstdDecoder<'static>,
        /// Bytes the decoder wants next: the rest of one block, so that a damaged block costs no other. 0 between frames.
        wanted: usize,
        /// The decoder may hold output for which there was no room.
        pending: bool,
    },
}

impl Inflate {
    /// A stream of what `reader` yields, whose first bytes decide whether it is decompressed.
    ///
    /// # Errors
    /// When nothing can be read, or no decompressor can be made.
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut input = Input { reader, buffer: vec![0; INPUT_LEN].into(), start: 0, end: 0, taken: 0 };
        while input.end < Format::HEAD_LEN && input.fill()? > 0 {}
        let head = &input.buffered()[..input.end.min(Format::HEAD_LEN)];
        let codec = match Format::of(head) {
            Ok(Format::Gzip) => Codec::Gzip { member: None },
            Ok(Format::Zstd) => Codec::Zstd { decoder: ZstdDecoder::new()?, wanted: 0, pending: false },
            // Whatever else it is, the capture parsers say so.
            Ok(Format::Pcap | Format::Pcapng) | Err(_) => Codec::Plain,
        };
        Ok(Self { input, codec })
    }

    /// Whether offsets of what is read are those of decompressed data.
    pub(crate) fn is_compressed(&self) -> bool {
        !matches!(self.codec, Codec::Plain)
    }

    /// Bytes of the file that were used, compressed if it is.
    pub(crate) fn taken(&self) -> u64 {
        self.input.taken
    }

    /// Reads into `out`, which is not empty: at least one byte unless the stream ends. Waits only for the first.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Got {
        match &mut self.codec {
            Codec::Plain => plain(&mut self.input, out),
            Codec::Gzip { member } => gzip(&mut self.input, member, out),
            Codec::Zstd { decoder, wanted, pending } => zstd(&mut self.input, decoder, wanted, pending, out),
        }
    }
}

fn plain(input: &mut Input, out: &mut [u8]) -> Got {
    let buffered = input.buffered();
    if !buffered.is_empty() {
        let bytes = buffered.len().min(out.len());
        out[..bytes].copy_from_slice(&buffered[..bytes]);
        input.consume(bytes);
        return Got { bytes, then: Then::More };
    }
    match read_some(&mut *input.reader, out) {
        Ok(0) => Got { bytes: 0, then: Then::End },
        Ok(bytes) => {
            input.taken += bytes as u64;
            Got { bytes, then: Then::More }
        }
        Err(error) => failed(0, error),
    }
}

/// Members one after another (RFC 1952 §2.2); zeros behind the last are padding, as gzip(1) has it.
fn gzip(input: &mut Input, member: &mut Option<Decompress>, out: &mut [u8]) -> Got {
    let mut bytes = 0;
    while bytes < out.len() {
        if input.buffered().is_empty() {
            if bytes > 0 {
                break;
            }
            match input.fill() {
                Ok(0) if member.is_none() => return Got { bytes, then: Then::End },
                Ok(0) => return corrupt("gzip", input, bytes, "it ends within a member"),
                Ok(_) => {}
                Err(error) => return failed(bytes, error),
            }
        }
        if member.is_none() {
            let padding = input.buffered().iter().take_while(|byte| **byte == 0).count();
            input.consume(padding);
            if input.buffered().is_empty() {
                continue;
            }
        }
        let decoder = member.get_or_insert_with(|| Decompress::new_gzip(WINDOW_BITS));
        let before = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(input.buffered(), &mut out[bytes..], FlushDecompress::None);
        let used = (decoder.total_in() - before.0) as usize;
        let made = (decoder.total_out() - before.1) as usize;
        input.consume(used);
        bytes += made;
        match status {
            Ok(Status::StreamEnd) => *member = None,
            Ok(_) if used + made > 0 => {}
            Ok(_) => return corrupt("gzip", input, bytes, "it makes no progress"),
            Err(error) => return corrupt("gzip", input, bytes, &error.to_string()),
        }
    }
    Got { bytes, then: Then::More }
}

/// Frames one after another, skippable ones among them (RFC 8878 §3.1).
fn zstd(
    input: &mut Input,
    decoder: &mut ZstdDecoder<'static>,
    wanted: &mut usize,
    pending: &mut bool,
    out: &mut [u8],
) -> Got {
    let mut bytes = 0;
    while bytes < out.len() {
        if input.buffered().is_empty() && !*pending {
            if bytes > 0 {
                break;
            }
            match input.fill() {
                Ok(0) if *wanted == 0 => return Got { bytes, then: Then::End },
                Ok(0) => return corrupt("zstd", input, bytes, "it ends within a frame"),
                Ok(_) => {}
                Err(error) => return failed(bytes, error),
            }
        }
        let buffered = input.buffered();
        let feed = if *wanted == 0 { FRAME_START_LEN } else { *wanted };
        let mut source = InBuffer::around(&buffered[..feed.min(buffered.len())]);
        let mut sink = OutBuffer::around(&mut out[bytes..]);
        let status = decoder.run(&mut source, &mut sink);
        let (used, made) = (source.pos(), sink.pos());
        *pending = made == out.len() - bytes;
        input.consume(used);
        bytes += made;
        match status {
            // Nothing came of a flush: the decoder holds nothing, and says again what it wants.
            Ok(next) if used + made > 0 => *wanted = next,
            Ok(_) if input.buffered().is_empty() => *pending = false,
            Ok(_) => return corrupt("zstd", input, bytes, "it makes no progress"),
            Err(error) => return corrupt("zstd", input, bytes, &error.to_string()),
        }
    }
    Got { bytes, then: Then::More }
}

fn corrupt(format: &'static str, input: &Input, bytes: usize, detail: &str) -> Got {
    let reason = FaultReason::Compression { format, compressed: input.taken, detail: detail.to_owned() };
    Got { bytes, then: Then::Failed(reason) }
}

fn failed(bytes: usize, error: io::Error) -> Got {
    Got { bytes, then: Then::Failed(FaultReason::Read(error.to_string())) }
}

/// What was read ahead of the decompressor.
struct Input {
    reader: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes consumed in all.
    taken: u64,
}

impl Input {
    fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.taken += bytes as u64;
    }
    /// Reads behind what is buffered, or from the front when that is nothing; 0 at the end. There is room: the buffer is
    /// larger than a head, and is only filled when it is empty after that.
    fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let got = read_some(&mut *self.reader, &mut self.buffer[self.end..])?;
        self.end += got;
        Ok(got)
    }
}

fn read_some(reader: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Gzip { .. } => "Gzip",
            Self::Zstd { .. } => "Zstd",
        })
    }
}

/// Bytes read at a time for a decompressor.
const INPUT_LEN: usize = 128 << 10;
/// The largest window of deflate, which every gzip file may use.
const WINDOW_BITS: u8 = 15;
/// Bytes with which a decoder finds out what a frame is.
const FRAME_START_LEN: usize = 5;
