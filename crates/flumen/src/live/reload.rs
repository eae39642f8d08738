//! What of a new configuration a capture takes over while packets come: memory limits, the interval of `stats` events, and
//! filters. Everything else is decided when the capture starts.

use std::sync::Arc;
use std::time::Duration;

use flumen_capture::ring::Instruction;
use flumen_control::{MemcapRefusal, Sensor};

use super::CaptureJob;
use super::rings::Interface;
use super::sensor::LiveSensor;
use crate::config::Config;
use crate::config::changes::{self, Change};
use crate::config::settings::StatsSettings;
use crate::reload::{Outcome, Reloads};

/// A capture, as far as it can be changed.
pub(super) struct LiveReload {
    sensor: Arc<LiveSensor>,
    interfaces: Vec<Interface>,
    /// Interfaces are those of the command line, whatever the configuration says.
    by_command_line: bool,
    /// So is the filter.
    filter_by_command_line: bool,
    stats: StatsSettings,
}

/// Filters that are right, to be attached to the interfaces with these numbers.
type Programs = Vec<(usize, Vec<Instruction>)>;

impl LiveReload {
    pub(super) fn new(job: &CaptureJob, sensor: &Arc<LiveSensor>, interfaces: &[Interface]) -> Self {
        Self {
            sensor: Arc::clone(sensor),
            interfaces: interfaces.to_owned(),
            by_command_line: !job.interfaces.is_empty(),
            filter_by_command_line: !job.filter.is_empty(),
            stats: job.settings.stats,
        }
    }

    /// What is new for an interface, and the program of its filter when that is.
    fn changes_of(&self, number: usize, new: &Config, programs: &mut Programs) -> anyhow::Result<Vec<Change>> {
        let interface = &self.interfaces[number];
        let changes = changes::of_interface(&interface.name, &self.sensor.values(), &new.values);
        if let Some(change) = changes.iter().find(|change| change.key == FILTER && !self.filter_by_command_line) {
            let text = &new.settings.live.interface(&interface.name).filter;
            let at = change.after.as_ref().map_or_else(String::new, |after| format!("{}: ", after.at));
            programs.push((number, interface.program(text).map_err(|error| error.context(format!("{at}{FILTER}")))?));
        }
        Ok(changes)
    }

    /// Makes a change, if that can be done now.
    fn make(&self, change: &Change, new: &Config, programs: &mut Programs) -> Outcome {
        let engine = &new.settings.engine;
        match change.key {
            "flow.memcap" => self.limit("flow", engine.table.memcap),
            "defrag.memcap" => self.limit("defrag", engine.defrag.memcap),
            "stats.interval" => {
                let interval = new.settings.stats.interval;
                self.sensor.monitor.set_stats_every(stats_every(&StatsSettings { interval, ..self.stats }));
                Outcome::Done
            }
            FILTER if self.filter_by_command_line => Outcome::Later("no effect, as the command line has a filter"),
            FILTER => {
                let of = |(number, _): &(usize, _)| Some(&self.interfaces[*number].name) == change.of.as_ref();
                let Some(place) = programs.iter().position(of) else { return Outcome::RESTART };
                let (number, program) = programs.swap_remove(place);
                self.interfaces[number]
                    .filter(&program)
                    .map_or_else(|e| Outcome::Failed(e.to_string()), |()| Outcome::Done)
            }
            _ => Outcome::RESTART,
        }
    }

    fn limit(&self, name: &str, bytes: u64) -> Outcome {
        match self.sensor.set_memcap(name, bytes) {
            Ok(()) => Outcome::Done,
            Err(MemcapRefusal::InUse(bytes)) => Outcome::Failed(format!("{bytes} bytes are in use")),
            Err(MemcapRefusal::Unlimited) => Outcome::Failed("there has to be a limit".to_owned()),
            Err(MemcapRefusal::Other(why)) => Outcome::Failed(why),
        }
    }
}

impl Reloads for LiveReload {
    fn take_over(&self, new: Config) -> anyhow::Result<Vec<(Change, Outcome)>> {
        let mut changes = changes::between(&self.sensor.values(), &new.values);
        let named = changes::of_names(&self.sensor.values(), &new.values);
        let mut programs = Programs::new();
        for (number, interface) in self.interfaces.iter().enumerate() {
            // One that is captured because the configuration named it, and is named no more, stays as it is.
            let is_gone = || named.iter().any(|change| change.after.is_none() && change.is_about(&interface.name));
            if self.by_command_line || !is_gone() {
                changes.extend(self.changes_of(number, &new, &mut programs)?);
            }
        }
        if !self.by_command_line {
            changes.extend(named);
        }
        let made = changes.into_iter().map(|change| {
            let outcome = self.make(&change, &new, &mut programs);
            if outcome == Outcome::Done || (change.key == FILTER && self.filter_by_command_line) {
                change.make(&mut self.sensor.values());
            }
            (change, outcome)
        });
        Ok(made.collect())
    }
}

/// How often the sink is given the counters.
pub(super) fn stats_every(stats: &StatsSettings) -> Option<Duration> {
    (stats.enabled && stats.interval.nanos() > 0).then(|| Duration::from_nanos(stats.interval.nanos()))
}

const FILTER: &str = "af-packet.bpf-filter";
