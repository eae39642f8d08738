//! The logs of a capture.

use std::path::Path;

use flumen_output::eve::{DeviceNames, EveConfig, Keeper, Reopen};
use flumen_output::spool::SpoolHandle;
use flumen_output::{LiveLog, Target, Tee, Tell, WallClock};

use super::rings::Rings;
use super::{CaptureJob, LiveOutput};

/// The logs, ready to be written.
pub(super) struct Outputs {
    pub(super) sink: Tee<'static>,
    pub(super) logs: Logs,
}

/// What can be done to logs while they are written.
#[derive(Clone, Default)]
pub(super) struct Logs {
    reopen: Vec<Reopen>,
    spools: Vec<SpoolHandle>,
}

impl Outputs {
    /// Opens all logs.
    pub(super) fn open(job: &CaptureJob, rings: &Rings, keeper: Option<&Keeper>) -> anyhow::Result<Self> {
        let counters = rings.counters();
        let devices = DeviceNames::new(move |device| counters.name_of(device));
        let tell = Tell::new(|line| tell!("{line}"));
        let mut outputs = Self { sink: Tee::new(), logs: Logs::default() };
        let eve = |config: &EveConfig| EveConfig { devices: devices.clone(), ..config.clone() };
        match &job.output {
            LiveOutput::Json => {
                let config = job.settings.eve.first().cloned().unwrap_or_default();
                let log = LiveLog { target: Target::StandardOutput, ..LiveLog::default() };
                outputs.add_eve(
                    &log,
                    Path::new(""),
                    EveConfig { stats: None, netflow: false, ..eve(&config) },
                    None,
                    &tell,
                )?;
            }
            LiveOutput::Directory(directory) => {
                let logs = job.settings.live.eve.iter().zip(&job.settings.eve);
                anyhow::ensure!(logs.len() > 0, "every eve-log of the configuration is off: nothing to write");
                for (log, config) in logs {
                    outputs.add_eve(log, directory, eve(config), keeper, &tell)?;
                }
                if let Some((log, config)) = &job.settings.live.stats_log {
                    let opened = log.open(directory, WallClock::default(), keeper, &tell)?;
                    outputs.logs.note(&opened);
                    outputs.sink = outputs.sink.with(opened.stats_log(*config));
                }
            }
        }
        Ok(outputs)
    }

    fn add_eve(
        &mut self,
        log: &LiveLog,
        directory: &Path,
        config: EveConfig,
        keeper: Option<&Keeper>,
        tell: &Tell,
    ) -> anyhow::Result<()> {
        let opened = log.open(directory, WallClock::default(), keeper, tell)?;
        self.logs.note(&opened);
        self.sink = core::mem::take(&mut self.sink).with(opened.eve(config));
        Ok(())
    }
}

impl Logs {
    fn note(&mut self, log: &flumen_output::OpenLog) {
        self.reopen.extend(log.reopen_handle());
        self.spools.push(log.spool());
    }
    /// Has every file opened again now, between two lines.
    pub(super) fn reopen(&self) {
        self.reopen.iter().for_each(Reopen::request);
        self.spools.iter().for_each(SpoolHandle::nudge);
    }
    /// Bytes that wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.spools.iter().map(SpoolHandle::waiting_bytes).sum()
    }
}
