//! A capture as the control socket and the pages see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flumen_capture::ring::StopHandle;
use flumen_control::{InterfaceCounters, Memcap, MemcapRefusal, Pages, Sensor, Unavailable};
use flumen_engine::{Monitor, WorkerTally};
use flumen_model::FlowRecord;
use flumen_model::sink::Stats;
use flumen_output::prometheus;

use super::CaptureJob;
use super::outputs::{Logs, Outputs};
use super::rings::{Interface, Rings};
use super::signals::STOPPING;
use crate::config::resolve::Resolved;
use crate::notify::Notifier;

/// A running capture.
pub(super) struct LiveSensor {
    pub(super) monitor: Arc<Monitor>,
    stop: StopHandle,
    notifier: Notifier,
    interfaces: Vec<Interface>,
    logs: Logs,
    /// What is in force, of interfaces those that are captured.
    values: Mutex<Resolved>,
    /// `flow.memcap` and `defrag.memcap` as they are now.
    memcap: AtomicU64,
    fragments: AtomicU64,
}

impl LiveSensor {
    pub(super) fn new(
        job: &CaptureJob,
        rings: &Rings,
        stop: &StopHandle,
        monitor: &Arc<Monitor>,
        outputs: &Outputs,
        notifier: &Notifier,
    ) -> Self {
        let mut values = job.values.clone();
        values.keep_interfaces(rings.interfaces.iter().map(|interface| interface.name.as_str()));
        Self {
            monitor: Arc::clone(monitor),
            stop: stop.clone(),
            notifier: notifier.clone(),
            interfaces: rings.interfaces.clone(),
            logs: outputs.logs.clone(),
            values: Mutex::new(values),
            memcap: AtomicU64::new(job.settings.engine.table.memcap),
            fragments: AtomicU64::new(job.settings.engine.defrag.memcap),
        }
    }
    /// The configuration that is in force. To be held for no longer than it takes to look at it.
    pub(super) fn values(&self) -> MutexGuard<'_, Resolved> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn over() -> Unavailable {
        Unavailable("the capture has ended".to_owned())
    }
    fn counter(&self, name: &str) -> u64 {
        self.monitor.counters().and_then(|counters| counters.value(name)).unwrap_or(0)
    }
}

impl Sensor for LiveSensor {
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
    fn uptime_secs(&self) -> u64 {
        self.monitor.uptime().as_secs()
    }
    fn running_mode(&self) -> String {
        let rings: usize = self.interfaces.iter().map(|interface| interface.stats.len()).sum();
        if rings > 1 { "workers" } else { "single" }.to_owned()
    }
    fn capture_mode(&self) -> String {
        "AF_PACKET_DEV".to_owned()
    }
    fn shutdown(&self) {
        self.notifier.stopping(STOPPING);
        self.stop.stop();
    }
    fn configuration(&self, key: &str) -> Option<String> {
        self.values().shown(key)
    }
    fn stats(&self) -> Result<Stats, Unavailable> {
        self.monitor.stats().ok_or_else(Self::over)
    }
    fn interfaces(&self) -> Vec<String> {
        self.interfaces.iter().map(|interface| interface.name.clone()).collect()
    }
    fn interface(&self, name: &str) -> Option<InterfaceCounters> {
        let at = self.interfaces.iter().position(|interface| interface.name == name)?;
        let interface = &self.interfaces[at];
        let counters = interface.counters();
        // Each ring has a worker, in their order.
        let before: usize = self.interfaces[..at].iter().map(|interface| interface.stats.len()).sum();
        let workers = self.monitor.workers().unwrap_or_default();
        let own = workers.iter().skip(before).take(interface.stats.len());
        let sum = |of: fn(&WorkerTally) -> u64| own.clone().map(of).sum();
        Some(InterfaceCounters {
            packets: counters.kernel_packets,
            dropped: counters.kernel_drops,
            invalid_checksums: sum(|worker| worker.invalid_checksums),
            bypassed: sum(|worker| worker.bypassed_packets),
        })
    }
    fn memcaps(&self) -> Vec<Memcap> {
        let now = |name, bytes: &AtomicU64| Memcap { name, bytes: bytes.load(Ordering::Relaxed) };
        vec![now("flow", &self.memcap), now("defrag", &self.fragments)]
    }
    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal> {
        let (set, limit, in_use) = match name {
            _ if bytes == 0 => return Err(MemcapRefusal::Unlimited),
            "flow" => (self.monitor.set_memcap(bytes), &self.memcap, "flow.memuse"),
            "defrag" => (self.monitor.set_fragments_memcap(bytes), &self.fragments, "defrag.memuse"),
            _ => return Err(MemcapRefusal::Other(format!("{name} has no limit that can be set while capturing"))),
        };
        match set {
            Some(true) => {
                limit.store(bytes, Ordering::Relaxed);
                Ok(())
            }
            Some(false) => Err(MemcapRefusal::InUse(self.counter(in_use))),
            None => Err(MemcapRefusal::Other(Self::over().0)),
        }
    }
    fn flow(&self, id: u64) -> Result<Option<FlowRecord>, Unavailable> {
        Ok(self.monitor.flow(id))
    }
    fn reopen_log_files(&self) -> Result<(), String> {
        self.logs.reopen();
        Ok(())
    }
}

impl Pages for LiveSensor {
    fn metrics(&self) -> Result<String, String> {
        self.stats().map(|stats| prometheus::stats_text(&stats)).map_err(|over| over.0)
    }
    fn health(&self) -> Result<(), String> {
        // Answered by the manager: who gets no answer at all sees that it hangs.
        self.stats().map(drop).map_err(|over| over.0)
    }
    fn readiness(&self) -> Result<(), String> {
        if self.stop.is_stopped() {
            return Err("it is ending".to_owned());
        }
        let is_down = |interface: &&Interface| Interface::is_down(&interface.counters());
        match self.interfaces.iter().find(is_down) {
            Some(down) => Err(format!("{} is down", down.name)),
            None => Ok(()),
        }
    }
}
