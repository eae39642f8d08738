//! How a run of `flumen` ends, as its exit code tells.

use std::io;
use std::process::ExitCode;

use crate::config::Problems;
use crate::filter::Refused;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for was done.
    Clean = 0,
    /// It could not be done: no such file, not a capture, a full disk.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// An input was damaged; what was readable was processed and written.
    Damaged = 4,
    /// `--audit`: packets or bytes are unaccounted for.
    Audit = 5,
    /// `ctl`: the sensor answered that it does not do it.
    Refused = 6,
}

impl Exit {
    /// What an error means for the exit code; `None` when it is no error at all but the reader of a pipe that has gone.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Option<Self> {
        if error.chain().any(|cause| cause.is::<Problems>()) {
            return Some(Self::Configuration);
        }
        if error.chain().any(|cause| cause.is::<Refused>()) {
            return Some(Self::Usage);
        }
        let gone = |cause: &&(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(|cause| gone(&cause)) { None } else { Some(Self::Failed) }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What is said about an error: what failed and then its causes, but none that has been named already.
///
/// Errors of files name what the operating system said in the middle of their own sentence and as their cause.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// The exit codes as `--help` tells them.
pub const HELP: &str = "\
Exit codes:
  0  all was done
  1  failed: no such file, not a capture, disk full, no sensor there
  2  the command line was not understood
  3  the configuration is wrong
  4  an input was damaged; what was readable was processed and written
  5  --audit: packets or bytes are unaccounted for
  6  ctl: the sensor refused the command";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_then_their_exit_code() {
        let pipe = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing records");
        assert_eq!(Exit::of_error(&pipe), None);
        let missing = anyhow::Error::from(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(Exit::of_error(&missing), Some(Exit::Failed));
        assert_eq!(Exit::of_error(&Problems(Vec::new()).into()), Some(Exit::Configuration));
    }

    #[test]
    fn cause_that_was_named_already_then_not_said_again() {
        let error = anyhow::anyhow!("no space left").context("eve.json: no space left; 5 records were not written");
        assert_eq!(told(&error), "eve.json: no space left; 5 records were not written");
        assert_eq!(told(&error.context("writing")), "writing: eve.json: no space left; 5 records were not written");
        assert_eq!(told(&anyhow::anyhow!("a cause").context("what failed")), "what failed: a cause");
    }
}
