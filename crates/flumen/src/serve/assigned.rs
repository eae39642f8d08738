//! The packets of a job: those of a capture, or of all captures of a directory, one capture after another.
//!
//! 1. What is wrong with a capture is said when it has been read, and the next one follows.
//! 2. An interrupt ends the packets at the next batch. While a directory is watched and holds nothing new, batches are empty:
//!    whoever asks the engine gets an answer meanwhile.
//! 3. A capture is deleted, when that is wanted, after it was read to its end without a fault: of a watched directory at once,
//!    otherwise when the records of the job are written. One that has been changed meanwhile is left.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use flumen_capture::{Captures, Options, Verdict};
use flumen_control::{CurrentPcap, PcapJob};
use flumen_model::{PacketBatch, PacketSource, SourceError};

use super::folder::{Folder, Identity};

/// The source of a job.
pub(super) struct Assigned<'q> {
    current: &'q CurrentPcap<'q>,
    looks: Option<Looks>,
    waiting: VecDeque<PathBuf>,
    open: Option<Open>,
    /// Whether more than errors is said.
    talks: bool,
    /// What is to be deleted when records are written.
    done: Vec<(PathBuf, Identity)>,
    /// Captures that were read to their end, or as far as they could be.
    pub(super) read: u64,
    /// Captures of which nothing could be read.
    pub(super) failed: u64,
}

/// Looks into a directory.
struct Looks {
    folder: Folder,
    /// When the next one is due; never again when `None`.
    next: Option<Instant>,
}

/// The capture that is being read.
struct Open {
    path: PathBuf,
    captures: Captures,
    identity: Identity,
}

impl<'q> Assigned<'q> {
    pub(super) fn new(current: &'q CurrentPcap<'q>, talks: bool) -> Self {
        let PcapJob { input, continuous, delay_secs, .. } = current.job();
        let mut assigned = Self {
            current,
            looks: None,
            waiting: VecDeque::new(),
            open: None,
            talks,
            done: Vec::new(),
            read: 0,
            failed: 0,
        };
        if input.is_dir() {
            let settled = Duration::from_secs(if *continuous { *delay_secs } else { 0 });
            assigned.looks = Some(Looks { folder: Folder::new(input, settled), next: Some(Instant::now()) });
        } else {
            assigned.waiting.push_back(input.clone());
        }
        assigned
    }

    /// The records of the job are written.
    pub(super) fn conclude(&mut self) {
        for (path, identity) in core::mem::take(&mut self.done) {
            delete(&path, identity);
        }
    }

    /// Opens the next capture that waits; `false` when there is none that could be opened.
    fn open_next(&mut self) -> bool {
        while let Some(path) = self.waiting.pop_front() {
            let opened =
                fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display())).and_then(|metadata| {
                    let captures = Captures::open(std::slice::from_ref(&path), Options::default());
                    captures.map(|captures| (captures, Identity::of(&metadata))).map_err(|error| error.to_string())
                });
            match opened {
                Ok((captures, identity)) => {
                    self.open = Some(Open { path, captures, identity });
                    return true;
                }
                Err(error) => {
                    self.failed += 1;
                    tell!("{error}");
                }
            }
        }
        false
    }

    /// Puts away a capture that has come to its end.
    fn put_away(&mut self, Open { path, captures, identity }: Open) {
        captures.errors().iter().for_each(|error| tell!("{error}"));
        if self.talks {
            captures.notices().iter().for_each(|notice| tell!("{notice}"));
        }
        match captures.verdict() {
            Verdict::Failed => self.failed += 1,
            Verdict::Damaged => self.read += 1,
            Verdict::Clean => {
                self.read += 1;
                self.current.processed(identity.modified());
                let PcapJob { continuous, delete_when_done, .. } = self.current.job();
                match (delete_when_done, continuous) {
                    (true, true) => delete(&path, identity),
                    (true, false) => self.done.push((path, identity)),
                    (false, _) => {}
                }
            }
        }
    }

    /// Looks into the directory if that is due; `false` when there is nothing to wait for.
    fn look(&mut self) -> bool {
        let Some(Looks { folder, next }) = &mut self.looks else { return false };
        let Some(due) = *next else { return false };
        let PcapJob { input, continuous, poll_interval_secs, .. } = self.current.job();
        let now = Instant::now();
        if now < due {
            self.current.pause(PAUSE.min(due - now));
            return true;
        }
        // An interval beyond all time is one that never ends.
        *next = if *continuous { now.checked_add(Duration::from_secs(*poll_interval_secs).max(PAUSE)) } else { None };
        match folder.look(SystemTime::now()) {
            Ok(new) if new.is_empty() && !*continuous => tell!("{}: no captures", input.display()),
            Ok(new) => self.waiting.extend(new),
            Err(error) => tell!("{}: {error}", input.display()),
        }
        true
    }
}

impl PacketSource for Assigned<'_> {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        loop {
            if self.current.is_interrupted() {
                batch.clear();
                return Ok(false);
            }
            if let Some(open) = &mut self.open {
                if open.captures.fill(batch)? {
                    return Ok(true);
                }
                if let Some(open) = self.open.take() {
                    self.put_away(open);
                }
            } else if !self.open_next() {
                batch.clear();
                if !self.look() {
                    return Ok(false);
                }
                if self.waiting.is_empty() {
                    return Ok(true);
                }
            }
        }
    }
}

/// Deletes a capture, if it is still the one that was read.
fn delete(path: &PathBuf, read: Identity) {
    let deleted = match fs::metadata(path) {
        Ok(metadata) if Identity::of(&metadata) != read => {
            return tell!("{}: not deleted, as it was changed while it was read", path.display());
        }
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    if let Err(error) = deleted {
        tell!("{}: not deleted: {error}", path.display());
    }
}

/// How long an engine without packets waits before it looks whether it is asked something.
const PAUSE: Duration = Duration::from_millis(100);
