//! From settings to a run: sources, engine and sinks put together. The only module that knows all the other crates.
//!
//! [`command`](crate::command) has decided everything by then; a [`Job`] is complete and consistent.

use std::path::PathBuf;

use crate::config::Settings;
use crate::exit::Exit;

/// `flumen read`, decided.
#[derive(Clone, Debug)]
pub struct Job {
    /// Captures, directories, `-`; at least one, in the order given.
    pub inputs: Vec<PathBuf>,
    /// Where records go.
    pub output: Output,
    /// Whether everything must be accounted for.
    pub audit: bool,
    /// Whether [`Progress`](crate::progress::Progress) is drawn.
    pub progress: bool,
    /// Whether standard output is given colours.
    pub color: bool,
    /// How much is said on standard error: 0 warnings, 1 and more for `-v`; `None` with `-q`.
    pub verbosity: Option<u8>,
    /// The configuration.
    pub settings: Settings,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere: a summary goes to standard output.
    Summary,
    /// To standard output, one JSON object a line.
    Json,
    /// To the EVE logs of the settings, in this directory.
    Directory(PathBuf),
}

/// Reads the captures of `job` to their end.
///
/// # Errors
/// When no input could be read or an output could not be written. A pipe whose reader has gone is an
/// [`std::io::ErrorKind::BrokenPipe`], which is no failure. Damaged input is no error but [`Exit::Damaged`].
pub fn read(job: &Job) -> anyhow::Result<Exit> {
    anyhow::bail!("this build has no engine yet, so {} was not read", job.inputs[0].display())
}
