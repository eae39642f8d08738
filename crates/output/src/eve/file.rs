//! The log file of a directory.
//!
//! Files change only between two buffers, thus between two lines: after a buffer was written out, and again before the
//! first byte of the next one. Then the file is opened again when
//!
//! 1. somebody asked for it ([`Reopen`]), because another program has moved it away,
//! 2. it has been deleted: records would go where nobody can read them, or
//! 3. its [`Rotation`] is due.
//!
//! When that fails, lines go on into the old file, it is told once, and the next buffer tries again.
//!
//! A file that is added to begins with whole lines: what a writer before left of one is cut off.

use super::keeper::Place;
use super::piece;
use super::rotation::{Rotation, aside, expand};
use super::{ExistingFile, Keeper};
use crate::surroundings::{Tell, WallClock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that can be opened again under the same name after something else has moved it away, and that makes way for
/// the next one by itself when it is told to.
#[derive(Debug)]
pub struct EveFile {
    path: PathBuf,
    /// Directory and name when the name holds places for the time.
    places: Option<(PathBuf, PathBuf)>,
    file: File,
    /// Bytes in the file.
    bytes: u64,
    /// A file, not a pipe or a device: only that can be moved aside or be missed.
    regular: bool,
    /// The last thing that happened was a flush.
    between_buffers: bool,
    reopen: Reopen,
    rotation: Rotation,
    /// In which interval of the rotation the file was begun.
    interval: Option<u64>,
    clock: WallClock,
    /// Where its keeper holds it.
    place: Option<Place>,
    /// Bytes of a record that was not finished, cut off when the file was opened, and not told of yet.
    cut: u64,
    tell: Tell,
    /// That the file could not be changed has been told.
    told: bool,
}

/// Why a file is changed.
enum Due {
    /// It is not under its name any more.
    Reopen,
    /// It has had its time or its size.
    Rotate,
}

/// Asks an [`EveFile`] to be opened again. Cheap to clone; may be used from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// The file is opened again before the next buffer is written. Should that fail, events go on into the old file, and
    /// every buffer tries again.
    pub fn request(&self) {
        // Relaxed: nothing else is published with it, and seeing it one buffer later does no harm.
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether a request has not been carried out yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A log file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl EveFile {
    /// Opens the file `path`, and makes the directories above it.
    ///
    /// # Errors
    /// When a directory could not be made or the file not be opened for writing.
    pub fn open(path: PathBuf, existing: ExistingFile) -> Result<Self, OpenError> {
        match open(&path, existing) {
            Err(source) => Err(OpenError { path, source }),
            Ok(opened) => Ok(Self {
                path,
                places: None,
                file: opened.file,
                bytes: opened.bytes,
                regular: opened.regular,
                between_buffers: true,
                reopen: Reopen::default(),
                rotation: Rotation::default(),
                interval: None,
                clock: WallClock::default(),
                place: None,
                cut: opened.cut,
                tell: Tell::default(),
                told: false,
            }),
        }
    }
    /// Opens the file that is called `name` in `directory`, where the name may hold places for the time of `clock`; it
    /// makes way for others as `rotation` says. Only the first file is truncated, if `existing` says so.
    ///
    /// # Errors
    /// As [`EveFile::open`].
    pub fn rotating(
        directory: &Path,
        name: &Path,
        existing: ExistingFile,
        rotation: Rotation,
        clock: WallClock,
    ) -> Result<Self, OpenError> {
        let now = clock.now();
        let named = expand(name, now);
        let places = (named != name).then(|| (directory.to_owned(), name.to_owned()));
        let interval = rotation.every.map(|interval| interval.number(now));
        let file = Self::open(directory.join(named), existing)?;
        Ok(Self { places, rotation, interval, clock, ..file })
    }
    /// Whom to tell when the file cannot be changed, or did not end with a whole line.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        let mut file = Self { tell, ..self };
        file.tell_of_cut();
        file
    }
    /// Has the file, and those that come after it, end with a whole line though this process be killed.
    #[must_use]
    pub fn kept_by(mut self, keeper: &Keeper) -> Self {
        self.place = Some(keeper.place());
        self.hand_to_keeper();
        self
    }
    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// A handle to have the file opened again, after a log rotation.
    #[must_use]
    pub fn reopen_handle(&self) -> Reopen {
        self.reopen.clone()
    }

    /// Why the file should be changed before `incoming` bytes are written.
    fn due(&self, incoming: u64) -> Option<Due> {
        if self.is_gone() {
            return Some(Due::Reopen);
        }
        let full = self.rotation.bytes.is_some_and(|most| self.bytes > 0 && self.bytes.saturating_add(incoming) > most);
        let over = self.rotation.every.is_some_and(|every| self.interval != Some(every.number(self.clock.now())));
        (self.regular && (full || over)).then_some(Due::Rotate)
    }
    /// Whether what is written now is not under the name of the file: it was deleted, or somebody says that it was moved.
    pub(crate) fn is_gone(&self) -> bool {
        self.reopen.is_pending() || (self.regular && self.file.metadata().is_ok_and(|found| found.nlink() == 0))
    }
    /// Opens the file anew, also within a line.
    pub(crate) fn begin_again(&mut self) {
        self.change(&Due::Reopen);
    }
    /// Changes the file, or tells that it could not be.
    fn change(&mut self, due: &Due) {
        let outcome = match due {
            Due::Reopen => self.begin(self.path.clone()),
            Due::Rotate => self.rotate(),
        };
        match outcome {
            Ok(()) => self.told = false,
            Err(error) if !self.told => {
                let path = self.path.display();
                self.tell.say(format_args!("{path}: no new file could be begun: {error}; the old one is written on"));
                self.told = true;
            }
            Err(_) => {}
        }
    }
    fn rotate(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let next = match &self.places {
            Some((directory, name)) => directory.join(expand(name, now)),
            None => self.path.clone(),
        };
        if next == self.path && self.bytes > 0 {
            let aside = aside(&self.path, now, |path| fs::symlink_metadata(path).is_ok());
            match fs::rename(&self.path, aside) {
                // An attempt before this one got so far.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.begin(next)?;
        self.interval = self.rotation.every.map(|every| every.number(now));
        Ok(())
    }
    fn tell_of_cut(&mut self) {
        let (path, cut) = (self.path.display(), std::mem::take(&mut self.cut));
        if cut > 0 {
            self.tell.say(format_args!("{path}: {cut} bytes of a record that was not finished were cut off"));
        }
    }
    /// Before anything is written to the file.
    fn hand_to_keeper(&mut self) {
        let Some(place) = self.place.as_ref().filter(|_| self.regular) else { return };
        if let Err(error) = place.hold(&self.file, &self.path) {
            let path = self.path.display();
            self.tell.say(format_args!("{path}: the process that keeps lines whole is gone: {error}"));
            // Once is enough: it does not come back.
            self.place = None;
        }
    }
    fn begin(&mut self, path: PathBuf) -> io::Result<()> {
        // Never truncated: were the file not moved away, what is in it would be lost.
        let opened = open(&path, ExistingFile::Append)?;
        (self.path, self.file, self.bytes, self.regular) = (path, opened.file, opened.bytes, opened.regular);
        self.cut = opened.cut;
        self.tell_of_cut();
        self.hand_to_keeper();
        self.reopen.0.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Write for EveFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.between_buffers, false)
            && let Some(due) = self.due(bytes.len() as u64)
        {
            self.change(&due);
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }
    /// Called by the writer between buffers, thus between lines: the place to change files.
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.between_buffers = true;
        if self.reopen.is_pending() {
            self.change(&Due::Reopen);
        }
        Ok(())
    }
}

struct Opened {
    file: File,
    bytes: u64,
    regular: bool,
    cut: u64,
}

fn open(path: &Path, existing: ExistingFile) -> io::Result<Opened> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    match existing {
        ExistingFile::Append => options.append(true),
        ExistingFile::Truncate => options.write(true).truncate(true),
    };
    // Its end is read, unless it is a pipe, which would have us for its reader.
    let is_file = fs::metadata(path).map_or(true, |found| found.is_file());
    let file = options.read(is_file).create(true).open(path)?;
    let regular = file.metadata()?.is_file();
    let cut = if regular { piece::claim(&file)? } else { 0 };
    let bytes = file.metadata()?.len();
    Ok(Opened { file, bytes, regular, cut })
}
