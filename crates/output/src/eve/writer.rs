//! The sink: a buffer of whole lines in front of a file, a pipe, or anything else that takes bytes.
//!
//! 1. The buffer begins and ends between two lines.
//! 2. `ends` holds where in it each record ends, in order.
//!
//! So when writing stops after some bytes, the records that are not wholly out are known and counted.
//!
//! A failed buffer is dropped: its records are lost and reported so, and the next call tries again. If a line was cut,
//! the next buffer begins with a line feed, so that a reader loses only that line.

use super::encode::Encoder;
use super::stats::StatsEncoder;
use super::{EveConfig, EveFile, OpenError};
use crate::outcome::both;
use crate::text::Text;
use flumen_model::FlowRecord;
use flumen_model::sink::{Anomaly, RecordSink, SinkError, Stats};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes records as EVE JSON into `W`, which needs no buffer of its own.
///
/// Lines are held back until [`BUFFER_BYTES`] are together, a `stats` snapshot arrives, or the run ends; see
/// [`EveWriter::unbuffered`] for output that a person watches.
#[derive(Debug)]
pub struct EveWriter<W> {
    encoder: Encoder,
    stats: Option<StatsEncoder>,
    lines: Lines<W>,
    flush_at: usize,
}

impl EveWriter<EveFile> {
    /// Writes into the file that `config` names in `directory`.
    ///
    /// # Errors
    /// When the directory could not be made or the file not be opened.
    pub fn create(directory: &Path, config: EveConfig) -> Result<Self, OpenError> {
        let file = EveFile::open(directory.join(&config.filename), config.existing)?;
        let name = file.path().display().to_string();
        Ok(Self::new(file, name, config))
    }
}

impl<W: Write> EveWriter<W> {
    /// Writes into `output`, which is called `name` in errors (`standard output`). File settings of `config` do not
    /// matter here.
    pub fn new(output: W, name: impl Into<String>, config: EveConfig) -> Self {
        let stats = config.stats.map(StatsEncoder::new);
        Self { encoder: Encoder::new(config), stats, lines: Lines::new(output, name.into()), flush_at: BUFFER_BYTES }
    }
    /// Holds nothing back: every call writes out what it was given.
    #[must_use]
    pub fn unbuffered(mut self) -> Self {
        self.flush_at = 0;
        self
    }
    /// Where the lines go.
    pub fn output(&self) -> &W {
        &self.lines.output
    }
    /// Records and `stats` events that were written out whole.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.lines.written
    }
}

impl<W: Write + Send> RecordSink for EveWriter<W> {
    fn wants_flows(&self) -> bool {
        self.encoder.config.wants_flows()
    }
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        let mut outcome = Ok(());
        for record in records {
            self.encoder.record(&mut self.lines.buffer, record);
            self.lines.end_record();
            if self.lines.buffer.len() >= BUFFER_BYTES {
                outcome = both(outcome, self.lines.write_out());
            }
        }
        if self.lines.buffer.len() >= self.flush_at {
            outcome = both(outcome, self.lines.write_out());
        }
        outcome
    }

    fn anomalies(&mut self, anomalies: &[Anomaly]) -> Result<(), SinkError> {
        if !self.encoder.config.anomaly {
            return Ok(());
        }
        for odd in anomalies {
            self.encoder.anomaly(&mut self.lines.buffer, odd);
            self.lines.end_record();
        }
        self.lines.write_out()
    }

    /// Also writes out what is buffered: whoever follows the file is never further behind than the statistics are.
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        if let Some(encoder) = &mut self.stats {
            let Encoder { clock, host, .. } = &mut self.encoder;
            encoder.append(&mut self.lines.buffer, clock, host.as_bytes(), stats);
            self.lines.end_record();
        }
        self.lines.write_out()
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.lines.write_out()
    }
}

/// Whole lines, and where they go.
#[derive(Debug)]
struct Lines<W> {
    output: W,
    name: String,
    buffer: Text,
    /// Offset in `buffer` of the end of each record.
    ends: Vec<usize>,
    /// The last buffer was cut within a line.
    torn: bool,
    written: u64,
}

impl<W: Write> Lines<W> {
    fn new(output: W, name: String) -> Self {
        let buffer = Text::with_capacity(BUFFER_BYTES + RECORD_BYTES);
        Self { output, name, buffer, ends: Vec::new(), torn: false, written: 0 }
    }
    /// Marks the end of a record, unless the settings left nothing of it to write.
    fn end_record(&mut self) {
        let end = self.buffer.len();
        if self.ends.last().copied().unwrap_or(0) < end {
            self.ends.push(end);
        }
    }
    /// Writes the buffer out and empties it, whatever happens.
    fn write_out(&mut self) -> Result<(), SinkError> {
        let result = self.mend().and_then(|()| self.send());
        let total = self.ends.len() as u64;
        let outcome = match result {
            Ok(()) => {
                self.written += total;
                Ok(())
            }
            Err((sent, source)) => {
                let whole = self.ends.partition_point(|&end| end <= sent) as u64;
                self.torn |= sent > 0 && self.buffer.as_bytes()[sent - 1] != b'\n';
                self.written += whole;
                Err(match source.kind() {
                    ErrorKind::BrokenPipe => SinkError::Closed,
                    _ => SinkError::Io { target: self.name.clone(), lost: total - whole, source },
                })
            }
        };
        self.buffer.clear();
        self.ends.clear();
        outcome
    }
    /// Ends a line that an earlier failure cut.
    fn mend(&mut self) -> Result<(), (usize, io::Error)> {
        if self.torn && self.buffer.len() > 0 {
            send_all(&mut self.output, b"\n")?;
            self.torn = false;
        }
        Ok(())
    }
    fn send(&mut self) -> Result<(), (usize, io::Error)> {
        send_all(&mut self.output, self.buffer.as_bytes())?;
        // An output that could not flush does not say what became of the bytes it took: none of them count as sent.
        self.output.flush().map_err(|error| (0, error))
    }
}

/// Writes all of `bytes`, or says how many were taken before the error.
fn send_all(output: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut sent = 0;
    while sent < bytes.len() {
        match output.write(&bytes[sent..]) {
            Ok(0) => return Err((sent, ErrorKind::WriteZero.into())),
            Ok(taken) => sent += taken.min(bytes.len() - sent),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((sent, error)),
        }
    }
    Ok(())
}

/// Bytes that are collected before they are written.
pub const BUFFER_BYTES: usize = 512 * 1024;
/// Room beyond that for the events of one record, so that the buffer does not grow.
const RECORD_BYTES: usize = 16 * 1024;
