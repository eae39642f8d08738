//! What the control socket and the pages see of a sensor that serves captures: the queue, and the run that there is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use flumen_control::{InterfaceCounters, Memcap, MemcapRefusal, Pages, PcapJob, PcapQueue, Pcaps, Sensor, Unavailable};
use flumen_engine::{Monitor, Pulse};
use flumen_model::sink::Stats;
use flumen_model::{FlowRecord, Timestamp};
use flumen_output::eve::Reopen;
use flumen_output::prometheus;

use super::ServeJob;
use crate::config::Settings;
use crate::config::resolve::Resolved;
use crate::notify::Notifier;

/// The queue, the run, and what was counted over all runs.
pub(super) struct Desk {
    pub(super) queue: PcapQueue,
    run: Mutex<Option<Run>>,
    began: Instant,
    /// The configuration that is in force, and what the next run takes of it.
    values: Mutex<Resolved>,
    settings: Mutex<Arc<Settings>>,
    log_dir: PathBuf,
    notifier: Notifier,
    /// `flow.memcap` of this run and the next.
    memcap: AtomicU64,
    ending: AtomicBool,
    // Each stands for itself.
    read: AtomicU64,
    failed: AtomicU64,
    unread: AtomicUsize,
}

/// A run that goes on.
#[derive(Clone)]
struct Run {
    monitor: Arc<Monitor>,
    logs: Vec<Reopen>,
}

/// Keeps a run in sight until it is dropped.
pub(super) struct InSight<'d>(&'d Desk);

impl Drop for InSight<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Desk {
    pub(super) fn new(job: &ServeJob, notifier: &Notifier) -> Self {
        Self {
            queue: PcapQueue::new(),
            run: Mutex::default(),
            began: Instant::now(),
            values: Mutex::new(job.values.clone()),
            settings: Mutex::new(Arc::new(job.settings.clone())),
            log_dir: job.log_dir.clone().unwrap_or_default(),
            notifier: notifier.clone(),
            memcap: AtomicU64::new(job.settings.engine.table.memcap),
            ending: AtomicBool::new(false),
            read: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unread: AtomicUsize::new(0),
        }
    }
    /// Shows a run that begins. It must begin: who asks its monitor waits for the answer or the end.
    pub(super) fn show(&self, monitor: &Arc<Monitor>, logs: Vec<Reopen>) -> InSight<'_> {
        *self.lock() = Some(Run { monitor: Arc::clone(monitor), logs });
        InSight(self)
    }
    /// What a run that begins is to be.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// The configuration that is in force. To be held for no longer than it takes to look at it.
    pub(super) fn values(&self) -> MutexGuard<'_, Resolved> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Has the next run be so.
    pub(super) fn set(&self, settings: Settings, values: Resolved) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        *self.values() = values;
    }
    /// Sets the limit of the flow table for the runs to come, whatever the present one says.
    pub(super) fn set_next_memcap(&self, bytes: u64) {
        self.memcap.store(bytes, Ordering::Relaxed);
    }
    /// The limit of the flow table for a run that begins.
    pub(super) fn memcap(&self) -> u64 {
        self.memcap.load(Ordering::Relaxed)
    }
    /// Begins to end: nothing more is read. `false` when that has been begun already.
    pub(super) fn end(&self) -> bool {
        let first = !self.ending.swap(true, Ordering::Relaxed);
        self.notifier.stopping("writing the flows that are left");
        self.unread.fetch_add(self.queue.close().len(), Ordering::Relaxed);
        first
    }
    pub(super) fn count(&self, read: u64, failed: u64) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }
    /// Captures that were read, that could not be, and that waited when the end came.
    pub(super) fn totals(&self) -> (u64, u64, usize) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.read), count(&self.failed), self.unread.load(Ordering::Relaxed))
    }
    pub(super) fn reopen(&self) {
        let run = self.run();
        self.notifier.reloading(|| run.iter().flat_map(|run| &run.logs).for_each(Reopen::request));
    }
    /// Whether the run, if there is one, has moved since it was asked last, which `last` remembers.
    pub(super) fn moves(&self, last: &mut Option<(Arc<Monitor>, Pulse)>) -> bool {
        let now = self.run().map(|run| (Arc::clone(&run.monitor), run.monitor.pulse()));
        let moves = match (&now, &*last) {
            (Some((run, pulse)), Some((same, earlier))) if Arc::ptr_eq(run, same) => pulse.has_moved_since(earlier),
            // Idle, or another run.
            _ => true,
        };
        *last = now;
        moves
    }
    fn lock(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The run, of which questions can be asked without holding anything.
    fn run(&self) -> Option<Run> {
        self.lock().clone()
    }
    fn monitor(&self) -> Result<Arc<Monitor>, Unavailable> {
        self.run().map(|run| run.monitor).ok_or_else(|| Unavailable("No capture is being read".to_owned()))
    }
    fn over() -> Unavailable {
        Unavailable("The capture has just ended".to_owned())
    }
}

impl Sensor for Desk {
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
    fn uptime_secs(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
    fn running_mode(&self) -> String {
        if self.settings().engine.threads.workers > 1 { "workers" } else { "single" }.to_owned()
    }
    fn capture_mode(&self) -> String {
        "UNIX_SOCKET".to_owned()
    }
    fn shutdown(&self) {
        self.end();
    }
    fn configuration(&self, key: &str) -> Option<String> {
        self.values().shown(key)
    }
    fn stats(&self) -> Result<Stats, Unavailable> {
        let stats = self.monitor()?.stats().ok_or_else(Self::over)?;
        Ok(Stats { uptime_secs: self.uptime_secs(), ..stats })
    }
    fn interfaces(&self) -> Vec<String> {
        Vec::new()
    }
    fn interface(&self, _: &str) -> Option<InterfaceCounters> {
        None
    }
    fn memcaps(&self) -> Vec<Memcap> {
        vec![Memcap { name: "flow", bytes: self.memcap() }]
    }
    /// For this run and those to come; between two runs for those to come.
    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal> {
        match (name, bytes) {
            ("flow", 0) => return Err(MemcapRefusal::Unlimited),
            ("flow", bytes) => {
                if let Ok(monitor) = self.monitor()
                    && monitor.set_memcap(bytes) == Some(false)
                {
                    let used = monitor.counters().and_then(|counters| counters.value("flow.memuse"));
                    return Err(MemcapRefusal::InUse(used.unwrap_or(0)));
                }
            }
            _ => return Err(MemcapRefusal::Other(format!("{name} has no limit that can be set while running"))),
        }
        self.set_next_memcap(bytes);
        Ok(())
    }
    fn flow(&self, id: u64) -> Result<Option<FlowRecord>, Unavailable> {
        Ok(self.monitor()?.flow(id))
    }
    fn reopen_log_files(&self) -> Result<(), String> {
        self.reopen();
        Ok(())
    }
    fn pcaps(&self) -> Option<&dyn Pcaps> {
        Some(self)
    }
}

/// The queue's, with output directories where they are meant to be.
impl Pcaps for Desk {
    fn add(&self, job: PcapJob) -> Result<(), String> {
        let output = self.log_dir.join(&job.output);
        self.queue.add(PcapJob { output, ..job })
    }
    fn waiting(&self) -> Vec<PathBuf> {
        self.queue.waiting()
    }
    fn current(&self) -> Option<PathBuf> {
        self.queue.current()
    }
    fn last_processed(&self) -> Option<Timestamp> {
        self.queue.last_processed()
    }
    fn interrupt(&self) -> bool {
        self.queue.interrupt()
    }
}

impl Pages for Desk {
    fn metrics(&self) -> Result<String, String> {
        self.stats().map(|stats| prometheus::stats_text(&stats)).map_err(|none| none.0)
    }
    /// Well when nothing is being read, or when who reads answers.
    fn health(&self) -> Result<(), String> {
        if let Ok(monitor) = self.monitor() {
            // That the run has ended meanwhile is no illness.
            let _ = monitor.counters();
        }
        Ok(())
    }
    fn readiness(&self) -> Result<(), String> {
        if self.ending.load(Ordering::Relaxed) { Err("it is ending".to_owned()) } else { Ok(()) }
    }
}
