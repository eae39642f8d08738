//! Counters in the text format of Prometheus, version 0.0.4.
//!
//! Names follow its conventions: the prefix `flumen`, base units, `_total` at the end of what only grows. Counters that
//! are one thing by kind are one metric with a label: how flows ended, decoder events. No label ever holds an address,
//! a port, or anything else that traffic chooses.

mod names;

use std::collections::HashMap;
use std::fmt::Write as _;

use flumen_model::Counters;
use flumen_model::sink::Stats;

use names::{Kind, Metric};

/// The metrics of `counters`.
#[must_use]
pub fn text(counters: &Counters) -> String {
    let mut families = Families::default();
    for (name, value) in counters.iter() {
        families.add(Metric::of(name), value);
    }
    families.text()
}

/// The metrics of a snapshot: those of its counters, how long the process runs, and whether its ledger closes.
#[must_use]
pub fn stats_text(stats: &Stats) -> String {
    let (packets, bytes) = stats.ledger.unaccounted();
    let mut out = text(&stats.counters);
    let mut gauge = |name: &str, help: &str, value: i128| {
        // Writing into a string does not fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    };
    gauge("flumen_uptime_seconds", "Seconds since the sensor started.", stats.uptime_secs.into());
    gauge(
        "flumen_ledger_unaccounted_packets",
        "Packets captured that are in no flow and have no other reason; 0 when all is well.",
        packets,
    );
    gauge("flumen_ledger_unaccounted_bytes", "The bytes of these packets.", bytes);
    out
}

/// Metrics by name, in the order of their first counter: what has one name has to stand together.
#[derive(Default)]
struct Families {
    families: Vec<Family>,
    places: HashMap<String, usize>,
}

struct Family {
    name: String,
    kind: Kind,
    help: String,
    samples: String,
    labelled: bool,
}

impl Families {
    fn add(&mut self, metric: Metric, value: u64) {
        let Metric { name, labels, kind, help } = metric;
        let place = *self.places.entry(name.clone()).or_insert_with(|| {
            self.families.push(Family {
                name: name.clone(),
                kind,
                help,
                samples: String::new(),
                labelled: !labels.is_empty(),
            });
            self.families.len() - 1
        });
        let family = &mut self.families[place];
        // Two names that differ in a dot and an underscore alone would be the same metric twice, which no reader takes.
        if family.samples.is_empty() || family.labelled {
            let _ = writeln!(family.samples, "{name}{} {value}", Labels(&labels));
        }
    }
    fn text(&self) -> String {
        let mut out = String::new();
        for Family { name, kind, help, samples, .. } in &self.families {
            let kind = kind.word();
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
        out
    }
}

struct Labels<'a>(&'a [(&'static str, String)]);

impl std::fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (label, value)) in self.0.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            write!(f, "{before}{label}=\"{value}\"")?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

#[cfg(test)]
mod tests;
