//! One capture: a file that is mapped, or a stream that is read in chunks.
//!
//! The parser walks over the bytes; this module moves it on, brings more bytes, fills batches and turns what is wrong
//! into a [`SourceError`] with the name of the file. After an error the source is at its end.

use crate::fault::{Fault, Refusal};
use crate::format::{Format, Reader};
use crate::inflate::Inflate;
use crate::mapping::Mapping;
use crate::notice::{NoticeKind, Oddities};
use crate::stream::{Stream, Tail};
use crate::walk::{Mapped, fill_from_stream};
use flumen_model::{PacketBatch, PacketSource, SourceError, Timestamp};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// One capture, read from its beginning to its end.
#[derive(Debug)]
pub struct CaptureFile {
    name: String,
    reader: Reader,
    input: Input,
    oddities: Oddities,
    state: State,
    /// Length of the file, if it has one.
    len: Option<u64>,
}

/// How captures are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How plain files are read.
    pub access: FileAccess,
}

/// How a plain file, which is neither compressed nor a pipe, is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileAccess {
    /// Mapped into memory and not copied. Nobody may shorten the file meanwhile: that ends the process (SIGBUS).
    #[default]
    Mapped,
    /// Read in chunks like a pipe: for files that others rewrite.
    Streamed,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files that were used; of compressed files, compressed bytes.
    pub bytes_done: u64,
    /// Bytes there are, unless a pipe is among them.
    pub bytes_total: Option<u64>,
}

#[derive(Debug)]
enum Input {
    Mapped(Mapped),
    Streamed(Box<Stream>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
}

impl CaptureFile {
    /// Opens the capture at `path`; `-` is standard input. Reads its header, which for a pipe means to wait for it.
    ///
    /// # Errors
    /// When it cannot be opened, is empty or is not a capture; `damaged` is false then, since nothing was usable.
    pub fn open(path: &Path, options: &Options) -> Result<Self, SourceError> {
        if path == Path::new("-") {
            let name = "standard input".to_owned();
            // Not `io::stdin()` itself: its buffer would be one copy more.
            return match io::stdin().as_fd().try_clone_to_owned() {
                Ok(descriptor) => Self::from_reader(name, File::from(descriptor)),
                Err(error) => Err(unusable(&name, &error)),
            };
        }
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (file, metadata) = opened.map_err(|error| unusable(&name, &error))?;
        if metadata.is_dir() {
            return Err(unusable(&name, &"it is a directory"));
        }
        if !metadata.is_file() {
            return Self::from_reader(name, file);
        }
        let mut head = [0; Format::HEAD_LEN];
        let head_len = read_head(&file, &mut head).map_err(|error| unusable(&name, &error))?;
        let format = Format::of(&head[..head_len]).map_err(|refusal| unusable(&name, &refusal))?;
        let mapping = match (format, options.access) {
            // What cannot be mapped (some file systems do not) can still be read.
            (Format::Pcap | Format::Pcapng, FileAccess::Mapped) => Mapping::of(&file).ok(),
            _ => None,
        };
        let mut capture = match mapping {
            Some(mapping) => Self::mapped(name, mapping),
            None => Self::from_reader(name, file),
        }?;
        capture.len = Some(metadata.len());
        Ok(capture)
    }

    /// A capture that is read in chunks from `reader`, decompressed if it begins as gzip or zstd do. `name` is for messages.
    ///
    /// # Errors
    /// When nothing can be read from it, or it is not a capture; `damaged` is false then.
    pub fn from_reader(name: String, reader: impl Read + Send + 'static) -> Result<Self, SourceError> {
        let input = Inflate::new(Box::new(reader)).map_err(|error| unusable(&name, &error))?;
        let mut stream = Stream::new(input);
        stream.refill(Reader::HEAD_LEN);
        let reader = match (Reader::new(stream.rest()), stream.tail()) {
            (Ok(reader), _) => reader,
            // What the decompressor says explains better why there is no header.
            (Err(Refusal::Empty | Refusal::HeaderCutShort { .. }), Tail::Failed(reason)) => {
                return Err(unusable(&name, reason));
            }
            (Err(refusal), _) => return Err(unusable(&name, &refusal)),
        };
        stream.advance(reader.records_start() as u64);
        Ok(Self::new(name, reader, Input::Streamed(Box::new(stream))))
    }

    fn mapped(name: String, mapping: Mapping) -> Result<Self, SourceError> {
        let mut mapped = Mapped::new(Arc::new(mapping));
        let reader = Reader::new(mapped.block.as_slice()).map_err(|refusal| unusable(&name, &refusal))?;
        mapped.at = reader.records_start();
        Ok(Self::new(name, reader, Input::Mapped(mapped)))
    }

    fn new(name: String, reader: Reader, input: Input) -> Self {
        Self { name, reader, input, oddities: Oddities::default(), state: State::Reading, len: None }
    }

    /// What the capture is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far reading has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let bytes_done = match &self.input {
            Input::Mapped(mapped) => mapped.at as u64,
            Input::Streamed(stream) => stream.input().taken(),
        };
        Progress { bytes_done, bytes_total: self.len }
    }

    /// What was odd about the packets so far.
    #[must_use]
    pub fn findings(&self) -> Vec<NoticeKind> {
        self.oddities.findings()
    }

    /// Reads up to the first packet and tells its time, if there is one.
    #[must_use]
    pub fn first_time(mut self) -> Option<Timestamp> {
        let mut batch = PacketBatch::new();
        self.fill(&mut batch).ok()?;
        batch.entries().first().map(|entry| entry.timestamp)
    }

    /// Compares the first packet's time with the last one of `earlier`.
    pub(crate) fn continues(&mut self, earlier: &Oddities) {
        self.oddities = earlier.next();
    }

    pub(crate) fn oddities(&self) -> &Oddities {
        &self.oddities
    }

    fn error(&self, fault: &Fault) -> SourceError {
        let compressed = matches!(&self.input, Input::Streamed(stream) if stream.input().is_compressed());
        let suffix = if compressed { " (the byte is counted in the decompressed data)" } else { "" };
        SourceError {
            source_name: self.name.clone(),
            offset: Some(fault.offset),
            reason: format!("{}{suffix}", fault.reason),
            damaged: true,
        }
    }
}

impl PacketSource for CaptureFile {
    fn may_wait(&self) -> bool {
        self.len.is_none()
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        if self.state == State::Ended {
            return Ok(false);
        }
        let filled = match (&mut self.reader, &mut self.input) {
            (Reader::Pcap(reader), Input::Mapped(mapped)) => mapped.fill(reader, batch, &mut self.oddities),
            (Reader::Pcapng(reader), Input::Mapped(mapped)) => mapped.fill(reader, batch, &mut self.oddities),
            (reader, Input::Streamed(stream)) => fill_from_stream(stream, reader, batch, &mut self.oddities),
        };
        match filled {
            // An error comes alone: if packets came before it, the walk meets it again at the next call.
            _ if !batch.is_empty() => return Ok(true),
            Ok(()) => {}
            Err(fault) => {
                self.state = State::Ended;
                batch.clear();
                return Err(self.error(&fault));
            }
        }
        self.state = State::Ended;
        batch.clear();
        Ok(false)
    }
}

fn read_head(file: &File, head: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn unusable(name: &str, reason: &impl ToString) -> SourceError {
    SourceError { source_name: name.to_owned(), offset: None, reason: reason.to_string(), damaged: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::ByteOrder;
    use crate::write::{PcapWriter, Ticks};

    #[test]
    fn mapping_then_lives_exactly_as_long_as_a_reference_to_its_buffer() {
        let path = std::env::temp_dir().join(format!("flumen-capture-{}", std::process::id()));
        let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Nanos, 1);
        writer.packet(Timestamp::ZERO, b"packet", 6);
        std::fs::write(&path, writer.bytes()).expect("a file");
        let mut capture = CaptureFile::open(&path, &Options::default()).expect("a capture");
        std::fs::remove_file(&path).expect("the file that was just written");
        let Input::Mapped(mapped) = &capture.input else { panic!("a plain file is mapped") };
        let mapping = Arc::downgrade(&mapped.mapping);

        let mut batch = PacketBatch::new();
        assert_eq!(capture.fill(&mut batch), Ok(true));
        let entry = batch.entries()[0];
        let kept = batch.block().expect("a block").slice(entry.offset..entry.offset + 6);
        drop(capture);
        batch.clear();
        assert!(mapping.upgrade().is_some(), "somebody keeps a packet");
        assert_eq!(kept.as_slice(), b"packet");
        drop(kept);
        assert!(mapping.upgrade().is_none(), "nobody keeps a packet");
    }
}
