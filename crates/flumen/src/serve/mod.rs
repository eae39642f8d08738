//! `flumen serve`: captures read one after another, as the control socket asks for them.
//!
//! Each capture, or directory of captures, has an engine and logs of its own: nothing is left of the one before. The order of
//! the start is that of [`live`](crate::live): the socket is opened, rights are given up, and only then is anything read.
//! Each begins with the configuration as it was read last (`reload`).
//! What is wrong with a capture is said, and the next one is read; the end is that of whoever asks for it.
//!
//! - `desk`: what the control socket sees; it holds the queue and the run that there is.
//! - `reload`: what becomes of a new configuration.
//! - `reader`: one job, from its inputs to its logs.
//! - `assigned`: the packets of a job.
//! - `folder`: which captures of a directory are to be read.
//! - `signals`: what each does.

mod assigned;
mod desk;
mod folder;
mod reader;
mod reload;
mod signals;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use flumen_control::{Access, ControlServer, ControlSocket, HttpServer};

use crate::config::resolve::Resolved;
use crate::config::{Settings, Source};
use crate::exit::Exit;
use crate::live::rights;
use crate::notify::Notifier;
use crate::reload::Reloader;
use desk::Desk;

/// `flumen serve`, decided.
#[derive(Clone, Debug)]
pub struct ServeJob {
    /// Where the control socket is.
    pub socket: PathBuf,
    /// Where output directories lie that are not absolute; without one it is the current directory.
    pub log_dir: Option<PathBuf>,
    /// Whether more than errors is said on standard error.
    pub talks: bool,
    /// The configuration.
    pub settings: Settings,
    /// Its values, for who asks for them.
    pub values: Resolved,
    /// Where it comes from.
    pub source: Source,
}

/// Reads captures until it is told to stop.
///
/// # Errors
/// When the control socket could not be opened, or rights not be given up. What is wrong with a capture is no error.
pub fn serve(job: &ServeJob) -> anyhow::Result<Exit> {
    reload::check(&job.settings)?;
    let notifier = Notifier::of_environment();
    let identity = rights::identity(&job.settings.live)?;
    let access = Access { group: identity.map(|identity| identity.group), ..Access::default() };
    let socket = ControlSocket::bind(&job.socket, access)?;
    rights::give_up(identity)?;
    let desk = Arc::new(Desk::new(job, &notifier));
    let reloader = Reloader::new(&job.source, job.talks, &notifier, desk.clone());
    let signals = signals::listen(Arc::clone(&desk), reloader)?;
    let control = ControlServer::start(socket, desk.clone())?;
    let pages = |address| HttpServer::start(address, desk.clone()).with_context(|| format!("flumen.metrics {address}"));
    let pages = job.settings.live.metrics.map(pages).transpose()?;
    if job.talks {
        tell!("waiting for captures on {}", job.socket.display());
    }
    notifier.ready(IDLE);
    let (watched, mut last) = (Arc::clone(&desk), None);
    let watch = notifier.watch(move || watched.moves(&mut last));
    while let Some(current) = desk.queue.take() {
        notifier.status(&format!("reading {}", current.job().input.display()));
        reader::read(job, &desk, &current);
        notifier.status(IDLE);
    }
    // Who asks now would ask for nothing.
    drop((control, pages, watch));
    signals.end();
    if job.talks {
        let (read, failed, unread) = desk.totals();
        let unread = if unread == 0 { String::new() } else { format!("; {unread} that waited were not read") };
        tell!("{read} captures read, {failed} could not be{unread}");
    }
    Ok(Exit::Clean)
}

/// What the service manager hears between two captures.
const IDLE: &str = "waiting for captures";
