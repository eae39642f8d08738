//! The logs of a live sensor: where each goes, and the spool in front of it.

use std::io;
use std::path::{Path, PathBuf};

use crate::eve::{EveConfig, EveFile, EveWriter, ExistingFile, Keeper, OpenError, Reopen, Rotation};
use crate::spool::{DatagramSocket, Spool, SpoolConfig, SpoolHandle, StandardOutput, Steady, StreamSocket};
use crate::stats_log::{StatsLog, StatsLogConfig};
use crate::surroundings::{Tell, WallClock};

/// Where a log goes (`filetype`, and `filename` when it says so).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// A file in the log directory (`regular`).
    #[default]
    File,
    /// A Unix socket that takes a stream (`unix_stream`).
    Stream,
    /// A Unix socket that takes datagrams (`unix_dgram`).
    Datagram,
    /// Standard output (`filename: "-"`, `/dev/stdout`).
    StandardOutput,
}

impl Target {
    /// The target that `filetype` and `filename` stand for; `None` when Flumen has no such filetype.
    #[must_use]
    pub fn of(filetype: &str, filename: &Path) -> Option<Self> {
        match filetype {
            "regular" | "file" if filename == Path::new("-") || filename == Path::new("/dev/stdout") => {
                Some(Self::StandardOutput)
            }
            "regular" | "file" => Some(Self::File),
            "unix_stream" => Some(Self::Stream),
            "unix_dgram" => Some(Self::Datagram),
            _ => None,
        }
    }
}

/// A log of a live sensor.
#[derive(Clone, Debug, Default)]
pub struct LiveLog {
    /// Where it goes.
    pub target: Target,
    /// File or socket, in the log directory or absolute; of a file it may hold places for the time.
    pub filename: PathBuf,
    /// What becomes of a file that is there already.
    pub existing: ExistingFile,
    /// When a file makes way for the next one.
    pub rotation: Rotation,
    /// What waits in memory.
    pub spool: SpoolConfig,
}

/// A log that can be written to.
#[derive(Debug)]
pub struct OpenLog {
    spool: Spool,
    name: String,
    reopen: Option<Reopen>,
    tell: Tell,
}

impl LiveLog {
    /// Opens the log in `directory`, which is made when it is missing. A socket need not be there yet. Lines of a file are
    /// whole whatever happens to this process when there is a keeper.
    ///
    /// # Errors
    /// When a directory could not be made, a file not be opened, or no thread be started.
    pub fn open(
        &self,
        directory: &Path,
        clock: WallClock,
        keeper: Option<&Keeper>,
        tell: &Tell,
    ) -> Result<OpenLog, OpenError> {
        let path = directory.join(&self.filename);
        let start = |spool: io::Result<Spool>, name: String, reopen| match spool {
            Ok(spool) => Ok(OpenLog { spool, name, reopen, tell: tell.clone() }),
            Err(source) => Err(OpenError { path: name.into(), source }),
        };
        let name = path.display().to_string();
        match self.target {
            Target::File => {
                let file = EveFile::rotating(directory, &self.filename, self.existing, self.rotation, clock)?;
                let (reopen, file) = (file.reopen_handle(), file.telling(tell.clone()));
                let file = match keeper {
                    Some(keeper) => file.kept_by(keeper),
                    None => file,
                };
                start(Spool::start(file, self.spool, tell.clone()), name, Some(reopen))
            }
            Target::Stream => start(Spool::start(StreamSocket::new(path), self.spool, tell.clone()), name, None),
            Target::Datagram => start(Spool::start(DatagramSocket::new(path), self.spool, tell.clone()), name, None),
            Target::StandardOutput => {
                start(Spool::start(StandardOutput::new(), self.spool, tell.clone()), "standard output".to_owned(), None)
            }
        }
    }
}

impl OpenLog {
    /// A handle to have the file opened again; `None` when it is no file.
    #[must_use]
    pub fn reopen_handle(&self) -> Option<Reopen> {
        self.reopen.clone()
    }
    /// The spool, for counters.
    #[must_use]
    pub fn spool(&self) -> SpoolHandle {
        self.spool.handle()
    }
    /// Writes EVE JSON into it. File settings of `config` do not matter here.
    #[must_use]
    pub fn eve(self, config: EveConfig) -> Steady<EveWriter<Spool>> {
        let handle = self.spool.handle();
        let writer = EveWriter::new(self.spool, self.name.clone(), config).unbuffered();
        Steady::new(writer, self.name, handle, self.tell)
    }
    /// Writes tables of counters into it.
    #[must_use]
    pub fn stats_log(self, config: StatsLogConfig) -> Steady<StatsLog<Spool>> {
        let handle = self.spool.handle();
        let log = StatsLog::new(self.spool, self.name.clone(), config);
        Steady::new(log, self.name, handle, self.tell)
    }
}
