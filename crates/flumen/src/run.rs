//! From settings to a run: sources, engine and sinks put together. The only module that knows all the other crates.
//!
//! [`command`](crate::command) has decided everything by then; a [`Job`] is complete and consistent.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::PathBuf;

use flumen_capture::{CaptureFile, Captures, Options, Verdict};
use flumen_engine::{Emergencies, EngineConfig, Role, RunError, RunReport};
use flumen_model::{PacketBatch, PacketSource, SinkError, SourceError};
use flumen_output::Tee;
use flumen_output::eve::{EveConfig, EveWriter, time_text};
use flumen_output::summary::{self, Summary};

use crate::config::Settings;
use crate::exit::Exit;
use crate::filter::{Expression, Refused};
use crate::progress::{Position, Progress};

/// `flumen read`, decided.
#[derive(Clone, Debug)]
pub struct Job {
    /// Captures, directories, `-`; at least one, in the order given.
    pub inputs: Vec<PathBuf>,
    /// Where records go.
    pub output: Output,
    /// Whether everything must be accounted for.
    pub audit: bool,
    /// Whether [`Progress`] is drawn.
    pub progress: bool,
    /// Whether standard output is given colours.
    pub color: bool,
    /// How much is said on standard error: 0 warnings, 1 and more for `-v`; `None` with `-q`.
    pub verbosity: Option<u8>,
    /// Which frames are looked at; without it all.
    pub filter: Option<Expression>,
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
/// [`std::io::ErrorKind::BrokenPipe`], which is no failure; a filter that needs what the frames of a capture do not have
/// is [`Refused`]. Damaged input is no error but [`Exit::Damaged`].
pub fn read(job: &Job) -> anyhow::Result<Exit> {
    let captures = Captures::open(&job.inputs, Options::default())?;
    let progress = Progress::new(job.progress);
    let mut source = Watched { captures, progress, packets: 0, filter: job.filter.clone(), refused: None };
    let mut summary = Summary::new();
    let mut sink = sinks(job, &mut summary)?;
    bind(job);
    let filter = job.filter.as_ref().map(Expression::for_engine);
    let engine = EngineConfig { filter, ..job.settings.engine.clone() };
    let report = flumen_engine::run(&mut source, &mut sink, &engine, seed()).map_err(plain)?;
    drop(sink);
    source.progress.finish();
    if let Some(refused) = source.refused {
        return Err(refused.into());
    }
    tell(job, &source.captures, &report);
    // Nothing was read: what is wrong has been said, and there is nothing to sum up.
    if job.output == Output::Summary && source.captures.verdict() != Verdict::Failed {
        print_summary(job, &summary, &source.captures, &report)?;
    }
    Ok(exit_of(job, &source.captures, &report))
}

/// The sinks that the job asks for.
fn sinks<'s>(job: &Job, summary: &'s mut Summary) -> anyhow::Result<Tee<'s>> {
    let mut tee = Tee::new();
    match &job.output {
        Output::Summary => tee = tee.with(summary),
        Output::Json => {
            let config = job.settings.eve.first().cloned().unwrap_or_default();
            let config = EveConfig { stats: None, netflow: false, ..config };
            tee = tee.with(EveWriter::new(io::stdout(), "standard output", config));
        }
        Output::Directory(directory) => {
            anyhow::ensure!(
                !job.settings.eve.is_empty(),
                "every eve-log of the configuration is off: nothing to write"
            );
            for eve in &job.settings.eve {
                tee = tee.with(EveWriter::create(directory, eve.clone())?);
            }
        }
    }
    Ok(tee)
}

/// One worker runs on this thread, so this is the one to bind. With several each binds itself.
fn bind(job: &Job) {
    let threads = &job.settings.engine.threads;
    if threads.workers > 1 {
        return;
    }
    if let Err(refused) = threads.pin(Role::Worker(0))
        && job.verbosity.is_some()
    {
        eprintln!("flumen: {refused}");
    }
}

/// The secret of the flow table's hash. The standard library draws its hash keys from the operating system.
pub(crate) fn seed() -> [u64; 2] {
    [0, 1].map(|n: u64| RandomState::new().hash_one(n))
}

/// A reader that went away is told as what it is, so that it ends the run without a complaint.
pub(crate) fn plain(error: RunError) -> anyhow::Error {
    match error {
        RunError::Sink(SinkError::Closed) => io::Error::from(io::ErrorKind::BrokenPipe).into(),
        other => other.into(),
    }
}

/// Says on standard error what was wrong or odd about the input, and whether all is accounted for.
fn tell(job: &Job, captures: &Captures, report: &RunReport) {
    for error in captures.errors() {
        eprintln!("flumen: {error}");
    }
    if job.verbosity.is_none() {
        return;
    }
    // A summary shows them itself.
    if job.output != Output::Summary {
        for notice in captures.notices() {
            eprintln!("flumen: {notice}");
        }
    }
    report.unbound.iter().for_each(|refused| eprintln!("flumen: {refused}"));
    tell_emergencies(&report.emergencies);
    let (packets, bytes) = report.ledger.unaccounted();
    if (packets, bytes) != (0, 0) {
        eprintln!("flumen: {packets} packets and {bytes} bytes are unaccounted for: please report this");
    }
}

/// Emergency mode is told once, with its beginning and end in packet time; how often it came is a counter.
pub(crate) fn tell_emergencies(emergencies: &Emergencies) {
    let first = |kind: bool| emergencies.changes().iter().find(|(_, on)| *on == kind).map(|(at, _)| time_text(*at));
    if let Some(began) = first(true) {
        let ended = first(false).map_or_else(|| "not left".to_owned(), |at| format!("left at {at}"));
        eprintln!(
            "flumen: flow.memcap was reached: emergency mode entered at {began}, {ended}; flows were ended early or refused"
        );
    }
}

fn print_summary(job: &Job, summary: &Summary, captures: &Captures, report: &RunReport) -> anyhow::Result<()> {
    let source = match job.inputs.as_slice() {
        [one] => one.display().to_string(),
        many => format!("{} inputs", many.len()),
    };
    let notices: Vec<_> = captures
        .notices()
        .iter()
        .map(|notice| notice.to_string())
        .chain(captures.errors().iter().map(|error| error.to_string()))
        .map(|what| summary::Notice { count: 1, what })
        .collect();
    let report =
        summary::RunReport { source: &source, elapsed: report.elapsed, ledger: &report.ledger, notices: &notices };
    let style = if job.color { summary::Style::Ansi } else { summary::Style::Plain };
    let layout = summary::Layout { style, width: terminal_width(), ..summary::Layout::default() };
    let mut text = Vec::new();
    summary.render(&report, layout, &mut text)?;
    io::stdout().write_all(&text)?;
    Ok(())
}

/// Columns of the terminal as the shell tells them; 80 when it does not.
fn terminal_width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns| columns >= 20).unwrap_or(80)
}

fn exit_of(job: &Job, captures: &Captures, report: &RunReport) -> Exit {
    match captures.verdict() {
        Verdict::Failed => Exit::Failed,
        _ if job.audit && !report.ledger.is_closed() => Exit::Audit,
        Verdict::Damaged => Exit::Damaged,
        Verdict::Clean => Exit::Clean,
    }
}

/// A source that shows how far it is, and ends at frames that the filter cannot be asked about.
struct Watched {
    captures: Captures,
    progress: Progress,
    packets: u64,
    filter: Option<Expression>,
    refused: Option<Refused>,
}

impl PacketSource for Watched {
    fn may_wait(&self) -> bool {
        self.captures.may_wait()
    }

    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        let more = self.captures.fill(batch)?;
        self.packets += batch.len() as u64;
        let done = self.captures.progress();
        self.progress.update(&Position {
            bytes_done: done.bytes_done,
            bytes_total: done.bytes_total,
            packets: self.packets,
        });
        let source = self.captures.current().map_or("", CaptureFile::name);
        if let Some(Err(refused)) = self.filter.as_ref().map(|filter| filter.check_batch(batch, source)) {
            self.refused = Some(refused);
            batch.clear();
            return Ok(false);
        }
        Ok(more)
    }
}
