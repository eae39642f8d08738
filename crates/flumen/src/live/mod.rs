//! `flumen capture`: rings, engine and live outputs put together, and what steers them while they run.
//!
//! The order of the start: interfaces and the control socket are opened, rights are given up, logs are opened, and only
//! then do threads start and packets get looked at; by then files and system calls that are not needed are shut. The end, by signal or through the socket: the rings let nothing new in
//! and are emptied, every flow is written, logs are drained; in this order, each within a bound (see `docs/capture.md`).
//!
//! - `rings`: from names of interfaces to rings, and their counters.
//! - `outputs`: the logs.
//! - [`keeper`]: the process beside this one that keeps their lines whole.
//! - `rights`: whom to go on as.
//! - `sandbox`: what is shut once all is open.
//! - `reload`: what of a new configuration is taken over.
//! - `sensor`: what the control socket and the pages see.
//! - `signals`: what each does.

pub mod keeper;
mod outputs;
mod reload;
pub(crate) mod rights;
mod rings;
mod sandbox;
mod sensor;
mod signals;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use flumen_capture::ring::StopHandle;
use flumen_control::{Access, ControlServer, ControlSocket, HttpServer};
use flumen_engine::{EngineConfig, Live, Monitor, Pulse, RunReport, run_live};
use flumen_model::Timestamp;
use flumen_output::Target;

use crate::config::live::ControlSettings;
use crate::config::resolve::Resolved;
use crate::config::{Settings, Source};
use crate::exit::Exit;
use crate::notify::Notifier;
use crate::reload::Reloader;
use crate::run::{plain, seed, tell_emergencies};
use outputs::Outputs;
use reload::{LiveReload, stats_every};
use rings::Rings;
use sensor::LiveSensor;
use signals::Steering;

/// `flumen capture`, decided.
#[derive(Clone, Debug)]
pub struct CaptureJob {
    /// Names of interfaces; without one those of the configuration.
    pub interfaces: Vec<String>,
    /// Which frames, empty for all of them; stands in the place of every `bpf-filter`.
    pub filter: String,
    /// Where records go.
    pub output: LiveOutput,
    /// Whether everything must be accounted for.
    pub audit: bool,
    /// Whether more than errors is said on standard error.
    pub talks: bool,
    /// The configuration.
    pub settings: Settings,
    /// Its values, for who asks for them.
    pub values: Resolved,
    /// Where it comes from.
    pub source: Source,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
}

/// Where records of a live capture go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveOutput {
    /// To standard output, one JSON object a line.
    Json,
    /// To the logs of the settings, in this directory.
    Directory(PathBuf),
}

impl LiveOutput {
    fn has_files(&self, settings: &Settings) -> bool {
        let live = &settings.live;
        matches!(self, Self::Directory(_))
            && (live.stats_log.is_some() || live.eve.iter().any(|log| log.target == Target::File))
    }
}

/// Captures until it is told to stop.
///
/// # Errors
/// When an interface, the control socket or a log could not be opened, rights not be given up, an interface failed, or
/// records were lost.
pub fn capture(job: &CaptureJob) -> anyhow::Result<Exit> {
    let notifier = Notifier::of_environment();
    let stop = StopHandle::new()?;
    let mut rings = Rings::open(job, &stop)?;
    let identity = rights::identity(&job.settings.live)?;
    let socket = bind(job, identity.map(|identity| identity.group))?;
    rights::give_up(identity)?;
    let keeper = job.output.has_files(&job.settings).then(|| keeper::start(job)).flatten();
    let lacks = sandbox::shut(&job.settings.live.sandbox, &sandbox::Needs::of(job))?;
    if job.talks {
        lacks.iter().for_each(|lack| tell!("{lack}"));
    }
    let outputs = Outputs::open(job, &rings, keeper.as_ref())?;
    let monitor = Arc::new(Monitor::default());
    monitor.set_stats_every(stats_every(&job.settings.stats));
    let sensor = Arc::new(LiveSensor::new(job, &rings, &stop, &monitor, &outputs, &notifier));
    let reload = LiveReload::new(job, &sensor, &rings.interfaces);
    let steering = Steering {
        stop: stop.clone(),
        monitor: Arc::clone(&monitor),
        logs: outputs.logs.clone(),
        notifier: notifier.clone(),
        reloader: Reloader::new(&job.source, job.talks, &notifier, Arc::new(reload)),
    };
    let signals = signals::listen(steering)?;
    let _control = socket.map(|socket| ControlServer::start(socket, sensor.clone())).transpose()?;
    let pages =
        |address| HttpServer::start(address, sensor.clone()).with_context(|| format!("flumen.metrics {address}"));
    let _pages = job.settings.live.metrics.map(pages).transpose()?;
    say(job, &rings);
    notifier.ready(&format!("capturing on {}", rings.text()));
    let _watch = notifier.watch(moves(&monitor));

    let counters = rings.counters();
    let live =
        Live { sources: rings.take_sources(), stop: &|| stop.stop(), now: &now, capture: &move || counters.read() };
    let mut sink = outputs.sink;
    let engine = EngineConfig { filter: None, ..job.settings.engine.clone() };
    let report = run_live(live, &mut sink, &engine, seed(), &monitor);
    signals.end();
    let report = report.map_err(plain)?;
    conclude(job, &report)
}

/// Whether every worker has moved since it was asked last.
fn moves(monitor: &Arc<Monitor>) -> impl FnMut() -> bool + Send + 'static {
    let monitor = Arc::clone(monitor);
    let mut last = Pulse::default();
    move || {
        let earlier = core::mem::replace(&mut last, monitor.pulse());
        last.has_moved_since(&earlier)
    }
}

/// The control socket, when one is wanted and can be had.
fn bind(job: &CaptureJob, group: Option<u32>) -> anyhow::Result<Option<ControlSocket>> {
    let Some(ControlSettings { path, required }) = &job.settings.live.control else { return Ok(None) };
    match ControlSocket::bind(path, Access { group, ..Access::default() }) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if *required => Err(error.into()),
        Err(error) => {
            if job.talks {
                tell!("no control socket: {error}");
            }
            Ok(None)
        }
    }
}

/// Says what is captured.
fn say(job: &CaptureJob, rings: &Rings) {
    if !job.talks {
        return;
    }
    rings.notices.iter().for_each(|notice| tell!("{notice}"));
    tell!("capturing on {}", rings.text());
}

/// Says how it ended.
fn conclude(job: &CaptureJob, report: &RunReport) -> anyhow::Result<Exit> {
    let ledger = &report.ledger;
    if job.talks {
        report.unbound.iter().for_each(|refused| tell!("{refused}"));
        tell_emergencies(&report.emergencies);
        let kernel = ledger.kernel.unwrap_or_default();
        tell!(
            "{} packets captured, {} dropped by the kernel, {} lost in rings; {} flows",
            ledger.read.packets,
            kernel.dropped,
            kernel.lost,
            report.counters.value("flow.total").unwrap_or(0)
        );
        let (packets, bytes) = ledger.unaccounted();
        if !ledger.is_closed() {
            let unread = ledger.unread();
            tell!(
                "{packets} packets and {bytes} bytes are unaccounted for, {unread} were not read: please report this"
            );
        }
    }
    match &report.source_error {
        Some(error) => Err(error.clone().into()),
        None if job.audit && !ledger.is_closed() => Ok(Exit::Audit),
        None => Ok(Exit::Clean),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(since.as_secs(), since.subsec_nanos())
}
