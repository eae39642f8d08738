//! One job: from its inputs to its logs, through an engine of its own.

use std::sync::Arc;

use flumen_control::{CurrentPcap, PcapJob};
use flumen_engine::{EngineConfig, Monitor, RunReport, run_monitored};
use flumen_output::Tee;
use flumen_output::eve::{EveWriter, Reopen};

use super::ServeJob;
use super::assigned::Assigned;
use super::desk::Desk;
use crate::exit;
use crate::run::{plain, seed, tell_emergencies};

/// Reads the current job. What is wrong with it is said.
pub(super) fn read(job: &ServeJob, desk: &Desk, current: &CurrentPcap<'_>) {
    let mut source = Assigned::new(current, job.talks);
    let report = run(desk, current.job(), &mut source);
    let PcapJob { input, output, .. } = current.job();
    match report {
        Ok(report) => {
            source.conclude();
            if job.talks {
                let interrupted = if current.is_interrupted() { ", interrupted" } else { "" };
                tell!(
                    "{}{interrupted}: {} packets, {} flows, records in {}",
                    input.display(),
                    report.ledger.read.packets,
                    report.counters.value("flow.total").unwrap_or(0),
                    output.display()
                );
                tell_odd(&report);
            }
            desk.count(source.read, source.failed);
        }
        Err(error) => {
            tell!("{}: {}", input.display(), exit::told(&error));
            desk.count(0, source.read.max(1) + source.failed);
        }
    }
}

fn run(desk: &Desk, pcap: &PcapJob, source: &mut Assigned<'_>) -> anyhow::Result<RunReport> {
    let settings = desk.settings();
    let mut sink = Tee::new();
    let mut logs: Vec<Reopen> = Vec::new();
    for config in &settings.eve {
        let mut log = EveWriter::create(&pcap.output, config.clone())?;
        logs.push(log.output().reopen_handle());
        // Whoever watches a directory watches its records too.
        if pcap.continuous {
            log = log.unbuffered();
        }
        sink = sink.with(log);
    }
    let mut engine = EngineConfig { filter: None, ..settings.engine.clone() };
    engine.table.memcap = desk.memcap();
    let monitor = Arc::new(Monitor::default());
    let _in_sight = desk.show(&monitor, logs);
    run_monitored(source, &mut sink, &engine, seed(), &monitor).map_err(plain)
}

fn tell_odd(report: &RunReport) {
    tell_emergencies(&report.emergencies);
    report.unbound.iter().for_each(|refused| tell!("{refused}"));
    let (packets, bytes) = report.ledger.unaccounted();
    if (packets, bytes) != (0, 0) {
        tell!("{packets} packets and {bytes} bytes are unaccounted for: please report this");
    }
}
