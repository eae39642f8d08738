//! What a summary is told beside the records, and how it is laid out.

use flumen_model::Ledger;
use std::time::Duration;

/// What is known of a run besides its records.
#[derive(Clone, Copy, Debug)]
pub struct RunReport<'a> {
    /// What was read: a file name, `3 captures`, a device.
    pub source: &'a str,
    /// Wall time of the run.
    pub elapsed: Duration,
    /// The account of all packets.
    pub ledger: &'a Ledger,
    /// What the engine and the sources noticed.
    pub notices: &'a [Notice],
}

/// Something that was noticed during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How often.
    pub count: u64,
    /// What, in words that follow the number: `packets with a time before the packet before them`.
    pub what: String,
}

/// How a summary is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns of the terminal. Names are cut to fit; below [`Layout::WIDTH_MIN`] lines stay wider.
    pub width: usize,
    /// Colour or none.
    pub style: Style,
    /// How many conversations and services are listed at most.
    pub top: usize,
}

impl Layout {
    /// Narrowest width that is kept to.
    pub const WIDTH_MIN: usize = 60;
}

impl Default for Layout {
    /// 80 columns without colour, ten of each list.
    fn default() -> Self {
        Self { width: 80, style: Style::Plain, top: 10 }
    }
}

/// Colour or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text only: for pipes, files, and people who want none.
    #[default]
    Plain,
    /// Bold headings, warnings in colour, by ANSI escape sequences.
    Ansi,
}
