//! The log file of a directory.

use super::ExistingFile;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that can be opened again under the same name after something else has moved it away.
#[derive(Debug)]
pub struct EveFile {
    path: PathBuf,
    file: File,
    reopen: Reopen,
}

/// Asks an [`EveFile`] to be opened again. Cheap to clone; may be used from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// The file is opened again once the next buffer has been written. Should that fail, events go on into the old
    /// file, and every buffer tries again.
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
            Ok(file) => Ok(Self { path, file, reopen: Reopen::default() }),
            Err(source) => Err(OpenError { path, source }),
        }
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
}

impl Write for EveFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    /// Called by the writer between buffers, thus between lines: the place to change files.
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.reopen.is_pending()
            // Never truncated: were the file not moved away, what is in it would be lost.
            && let Ok(file) = open(&self.path, ExistingFile::Append)
        {
            self.file = file;
            self.reopen.0.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn open(path: &Path, existing: ExistingFile) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    match existing {
        ExistingFile::Append => options.append(true),
        ExistingFile::Truncate => options.write(true).truncate(true),
    };
    let mut file = options.create(true).open(path)?;
    if existing == ExistingFile::Append && ends_within_line(path)? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Whether a writer before us was stopped within a line, which the first line of ours must not be glued to.
fn ends_within_line(path: &Path) -> io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
