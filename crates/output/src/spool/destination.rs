//! Where the lines of a spool go.

use std::io::{self, ErrorKind, Write};

use crate::eve::EveFile;

/// Takes lines, in order. Owned by the thread of a [`Spool`](super::Spool).
pub trait Destination: Send {
    /// What it is called in messages.
    fn name(&self) -> String;
    /// Takes some of `lines`, and says how many bytes. None are taken, without it being trouble, when the reader is slow;
    /// a call waits for it at most some tenths of a second.
    ///
    /// `lines` begins where the last call ended; after [`Trouble::Broken`] at the line that was cut.
    ///
    /// # Errors
    /// What kind of trouble it is.
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble>;
    /// All lines of a batch were taken; or there is none, and somebody has asked for a look around.
    fn rest(&mut self) {}
}

/// Why nothing was taken.
#[derive(Debug)]
pub enum Trouble {
    /// It may go on later, at the same byte: a disk is full.
    Later(io::Error),
    /// It may go on later, with the line that was cut: another reader will come.
    Broken(io::Error),
    /// The first line will never be taken, the next one may.
    Line(io::Error),
    /// Nothing will be taken any more.
    Closed(io::Error),
}

impl Destination for EveFile {
    fn name(&self) -> String {
        self.path().display().to_string()
    }
    fn send(&mut self, lines: &[u8]) -> Result<usize, Trouble> {
        match self.write(lines) {
            Ok(0) => Err(Trouble::Later(ErrorKind::WriteZero.into())),
            Ok(taken) => Ok(taken),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if self.is_gone() => {
                // Deleted to make room on a full disk, which it only does once we let go of it.
                self.begin_again();
                Err(Trouble::Broken(error))
            }
            Err(error) => Err(Trouble::Later(error)),
        }
    }
    fn rest(&mut self) {
        // A file of the operating system has nothing to flush, so nothing fails here; this is where files change.
        let _ = self.flush();
    }
}
