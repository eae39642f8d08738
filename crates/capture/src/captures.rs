//! What the command reads: captures one after another, and what is to be said about them in the end.

use crate::file::{CaptureFile, Options, Progress};
use crate::notice::{Notice, Oddities};
use crate::paths::{Planned, expand};
use flumen_model::{PacketBatch, PacketSource, SourceError};
use std::collections::VecDeque;
use std::path::PathBuf;

/// A list of captures as one source.
///
/// A capture that cannot be read, or not to its end, does not stop the list: what is wrong is kept in
/// [`errors`](Self::errors) and the next capture follows. [`fill`](PacketSource::fill) therefore never fails.
#[derive(Debug)]
pub struct Captures {
    options: Options,
    waiting: VecDeque<Planned>,
    current: Option<CaptureFile>,
    /// Carries the clock from one capture to the next.
    oddities: Oddities,
    notices: Vec<Notice>,
    errors: Vec<SourceError>,
    /// Captures that were read, in whole or in part.
    usable: u64,
    /// Bytes of the captures that are done with.
    bytes_done: u64,
    bytes_total: Option<u64>,
}

/// How reading went, for an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every capture was read to its end.
    Clean,
    /// Something was read, and something could not be: see [`Captures::errors`].
    Damaged,
    /// Nothing could be read.
    Failed,
}

impl Captures {
    /// Plans to read `paths` in the order given: files, pipes, directories (the captures in them in the order of their
    /// first packets) and `-`, which is standard input. Directories are looked through now, files are opened when their
    /// turn comes.
    ///
    /// # Errors
    /// When a path does not exist, a directory cannot be read or holds no capture, or `-` is there twice: mistakes that are
    /// better told before hours of reading than after.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, SourceError> {
        let mut notices = Vec::new();
        let planned = expand(paths, &options, &mut notices)?;
        let bytes_total = planned.iter().map(|capture| capture.len).sum();
        Ok(Self {
            options,
            waiting: planned.into(),
            current: None,
            oddities: Oddities::default(),
            notices,
            errors: Vec::new(),
            usable: 0,
            bytes_done: 0,
            bytes_total,
        })
    }

    /// What was odd, capture by capture; those of the present capture come when it ends.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What was wrong, at most one error a capture, in the order of the captures.
    #[must_use]
    pub fn errors(&self) -> &[SourceError] {
        &self.errors
    }

    /// How reading went so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.errors.is_empty(), self.usable) {
            (true, _) => Verdict::Clean,
            (false, 0) => Verdict::Failed,
            (false, _) => Verdict::Damaged,
        }
    }

    /// How far reading has come, over all captures.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let current = self.current.as_ref().map_or(0, |capture| capture.progress().bytes_done);
        Progress { bytes_done: self.bytes_done + current, bytes_total: self.bytes_total }
    }

    /// The capture that is being read.
    #[must_use]
    pub fn current(&self) -> Option<&CaptureFile> {
        self.current.as_ref()
    }

    /// Opens the next capture that can be opened; false when there is none.
    fn advance(&mut self) -> bool {
        while let Some(planned) = self.waiting.pop_front() {
            match CaptureFile::open(&planned.path, &self.options) {
                Ok(mut capture) => {
                    capture.continues(&self.oddities);
                    self.usable += 1;
                    self.current = Some(capture);
                    return true;
                }
                Err(error) => {
                    self.bytes_done += planned.len.unwrap_or(0);
                    self.errors.push(error);
                }
            }
        }
        false
    }

    /// Puts the present capture away and keeps what is to be said about it.
    fn conclude(&mut self) {
        let Some(capture) = self.current.take() else { return };
        let Progress { bytes_done, bytes_total } = capture.progress();
        self.bytes_done += bytes_total.unwrap_or(bytes_done);
        let name = capture.name();
        let findings = capture.findings().into_iter();
        self.notices.extend(findings.map(|kind| Notice { source_name: name.to_owned(), kind }));
        self.oddities = capture.oddities().clone();
    }
}

impl PacketSource for Captures {
    fn may_wait(&self) -> bool {
        let is_file = |planned: &Planned| planned.len.is_some();
        !self.waiting.iter().all(is_file) || self.current.as_ref().is_some_and(PacketSource::may_wait)
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        loop {
            if self.current.is_none() && !self.advance() {
                batch.clear();
                return Ok(false);
            }
            match self.current.as_mut().map_or(Ok(false), |capture| capture.fill(batch)) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => self.errors.push(error),
            }
            self.conclude();
        }
    }
}
