//! The `stats` event: all counters, nested by the dots of their names, and the ledger.

use super::clock::Clock;
use super::config::StatsConfig;
use crate::text::Text;
use flumen_model::sink::Stats;
use flumen_model::{Counters, Ledger, Tally};

/// Writes `stats` events, and keeps the counters of the last one when differences are wanted.
#[derive(Debug)]
pub(crate) struct StatsEncoder {
    config: StatsConfig,
    before: Counters,
}

impl StatsEncoder {
    pub(crate) fn new(config: StatsConfig) -> Self {
        Self { config, before: Counters::default() }
    }

    /// Appends the event of `stats` with `host` at its end, and a line feed.
    pub(crate) fn append(&mut self, out: &mut Text, clock: &mut Clock, host: &[u8], stats: &Stats) {
        out.raw(b"{\"timestamp\":\"");
        clock.append(out, stats.at);
        out.raw(b"\",\"event_type\":\"stats\",\"stats\":{\"uptime\":");
        out.uint(stats.uptime_secs);
        let mut path = Path { last: "" };
        if self.config.totals {
            self.counters(out, &mut path, &stats.counters);
        }
        // As the last counter of the object `flumen`, which an engine may have begun with counters of its own.
        path.step(out, "flumen.ledger", b"");
        ledger(out, &stats.ledger);
        path.close(out);
        out.byte(b'}');
        out.raw(host);
        out.raw(b"}\n");
    }

    fn counters(&mut self, out: &mut Text, path: &mut Path, counters: &Counters) {
        for (name, value) in counters.iter() {
            let before = self.before.value(name).unwrap_or(0);
            if value == 0 && before == 0 && !self.config.null_values {
                continue;
            }
            path.step(out, name, b"");
            out.uint(value);
            if self.config.deltas {
                path.step(out, name, b"_delta");
                out.int(i128::from(value) - i128::from(before));
            }
        }
        if self.config.deltas {
            self.before = counters.clone();
        }
    }
}

/// Where in the nested objects the last counter was written.
struct Path {
    last: &'static str,
}

impl Path {
    /// Leaves and enters objects as needed and writes the key of `name`.
    fn step(&mut self, out: &mut Text, name: &'static str, suffix: &[u8]) {
        let shared = self.shared_objects(name);
        for _ in shared..objects(self.last) {
            out.byte(b'}');
        }
        out.byte(b',');
        let (mut depth, mut rest) = (0, name);
        while let Some((object, inside)) = rest.split_once('.') {
            if depth >= shared {
                key(out, object, b"");
                out.byte(b'{');
            }
            (depth, rest) = (depth + 1, inside);
        }
        key(out, rest, suffix);
        self.last = name;
    }
    fn close(&self, out: &mut Text) {
        for _ in 0..objects(self.last) {
            out.byte(b'}');
        }
    }
    /// How many objects around the last counter also are around `name`.
    fn shared_objects(&self, name: &str) -> usize {
        let limit = objects(self.last).min(objects(name));
        self.last.split('.').zip(name.split('.')).take(limit).take_while(|(a, b)| a == b).count()
    }
}

/// How many objects are around the counter `name`.
fn objects(name: &str) -> usize {
    name.bytes().filter(|&b| b == b'.').count()
}

fn key(out: &mut Text, name: &str, suffix: &[u8]) {
    out.byte(b'"');
    out.escaped(name);
    out.raw(suffix);
    out.raw(b"\":");
}

fn ledger(out: &mut Text, account: &Ledger) {
    out.raw(b"{\"read\":");
    tally(out, account.read);
    out.raw(b",\"found\":");
    tally(out, account.found);
    out.raw(b",\"in_flows\":");
    tally(out, account.in_flows);
    out.raw(b",\"non_flow\":{");
    for (i, (reason, taken)) in account.reasons().enumerate() {
        if i > 0 {
            out.byte(b',');
        }
        key(out, reason.name(), b"");
        tally(out, taken);
    }
    out.byte(b'}');
    if let Some(kernel) = account.kernel {
        out.raw(b",\"kernel\":{\"packets\":");
        out.uint(kernel.packets);
        out.raw(b",\"dropped\":");
        out.uint(kernel.dropped);
        out.raw(b",\"lost\":");
        out.uint(kernel.lost);
        out.byte(b'}');
    }
    let (packets, bytes) = account.unaccounted();
    out.raw(b",\"unaccounted\":{\"packets\":");
    out.int(packets);
    out.raw(b",\"bytes\":");
    out.int(bytes);
    out.raw(b"}}");
}

fn tally(out: &mut Text, tally: Tally) {
    out.raw(b"{\"packets\":");
    out.uint(tally.packets);
    out.raw(b",\"bytes\":");
    out.uint(tally.bytes);
    out.byte(b'}');
}
