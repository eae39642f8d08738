//! The capture readers over any bytes: a parser's steps stay within the bytes and end, and a stream that arrives in
//! pieces yields what the bytes at once do.
#![no_main]

use flumen_capture::format::{Format, Reader};
use flumen_capture::records::RESIDENT_MAX;
use flumen_capture::{CaptureFile, Records, Step};
use flumen_model::{PacketBatch, PacketSource};
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read};

fuzz_target!(|bytes: &[u8]| {
    let Ok(reader) = Reader::new(bytes) else {
        // Perhaps it is compressed; then it is only read in pieces.
        if matches!(Format::of(bytes), Ok(Format::Gzip | Format::Zstd)) {
            in_pieces(bytes);
        }
        return;
    };
    let at_once = walk(reader, bytes);
    // A stream takes buffers that cost far more than the walk, so most inputs do without.
    if bytes.len().is_multiple_of(8) {
        assert_eq!(in_pieces(bytes), Some(at_once));
    }
});

fn in_pieces(bytes: &[u8]) -> Option<Yield> {
    let pieces = Pieces(Cursor::new(bytes.to_vec()));
    CaptureFile::from_reader("fuzz".to_owned(), pieces).ok().map(drain)
}

/// Packets, their bytes, and where it went wrong.
type Yield = (u64, u64, Option<u64>);

fn walk(mut reader: Reader, bytes: &[u8]) -> Yield {
    let (mut packets, mut captured, mut steps) = (0, 0, 0);
    let mut at = reader.records_start() as u64;
    let fault = loop {
        assert_eq!(reader.offset(), at);
        let rest = bytes.get(at as usize..).unwrap_or_default();
        match reader.step(rest) {
            Ok(Step::Packet(record)) => {
                let data = record.start as usize..(record.start + record.captured_len) as usize;
                assert!(data.end <= record.consumed as usize && record.consumed as usize <= rest.len());
                assert!(record.wire_len >= record.captured_len && record.consumed >= 4);
                packets += 1;
                captured += rest[data].len() as u64;
                at += u64::from(record.consumed);
            }
            Ok(Step::Skip(skip)) => {
                assert!(skip >= 4);
                at += skip;
            }
            Ok(Step::Need(need)) => {
                assert!(need > rest.len() && need <= RESIDENT_MAX);
                break reader.finish(bytes.len() as u64).err();
            }
            Err(fault) => break Some(fault),
        }
        steps += 1;
        assert!(steps <= bytes.len() / 4 + 1);
    };
    (packets, captured, fault.map(|fault| fault.offset))
}

fn drain(mut capture: CaptureFile) -> Yield {
    let mut batch = PacketBatch::new();
    let (mut packets, mut captured) = (0, 0);
    let fault = loop {
        match capture.fill(&mut batch) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break error.offset,
        }
        packets += batch.len() as u64;
        captured += batch.packets().map(|packet| packet.data.len() as u64).sum::<u64>();
    };
    let _ = capture.findings();
    (packets, captured, fault)
}

/// A reader that yields a few bytes at a time.
struct Pieces(Cursor<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let few = 1 + self.0.position() as usize % 37;
        let few = few.min(out.len());
        self.0.read(&mut out[..few])
    }
}
