//! Counters as a table for people, in the form of Suricata's `stats.log`.

use std::fmt::Write as _;
use std::io::{self, Write};

use flumen_model::FlowRecord;
use flumen_model::sink::{RecordSink, SinkError, Stats};

use crate::eve::time_text;

/// Writes a table with each snapshot of the counters. Flow records do not concern it.
#[derive(Debug)]
pub struct StatsLog<W> {
    output: W,
    name: String,
    config: StatsLogConfig,
}

/// What stands in the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsLogConfig {
    /// Counters that are zero, too (`null-values`).
    pub null_values: bool,
}

impl<W: Write> StatsLog<W> {
    /// Tables into `output`, which is called `name` in errors. Each table is written with one call.
    pub fn new(output: W, name: impl Into<String>, config: StatsLogConfig) -> Self {
        Self { output, name: name.into(), config }
    }
    /// Where the tables go.
    pub fn output(&self) -> &W {
        &self.output
    }
}

impl<W: Write + Send> RecordSink for StatsLog<W> {
    fn wants_flows(&self) -> bool {
        false
    }
    fn flows(&mut self, _: &[FlowRecord]) -> Result<(), SinkError> {
        Ok(())
    }
    fn stats(&mut self, stats: &Stats) -> Result<(), SinkError> {
        let table = table(stats, self.config);
        let outcome = self.output.write_all(table.as_bytes()).and_then(|()| self.output.flush());
        outcome.map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => SinkError::Closed,
            _ => SinkError::Io { target: self.name.clone(), lost: 1, source },
        })
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The lines of one snapshot.
fn table(stats: &Stats, config: StatsLogConfig) -> String {
    // 2020-09-13T12:26:40…; time is in UTC as in all that Flumen writes.
    let at = time_text(stats.at);
    let (year, month, day, time) = (&at[..4], &at[5..7], &at[8..10], &at[11..19]);
    let up = stats.uptime_secs;
    let rule = "-".repeat(RULE_WIDTH);
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("{rule}"));
    line(format_args!(
        "Date: {month}/{day}/{year} -- {time} (uptime: {}d, {:02}h {:02}m {:02}s)",
        up / 86_400,
        up / 3600 % 24,
        up / 60 % 60,
        up % 60
    ));
    line(format_args!("{rule}"));
    line(format_args!("{:NAME_WIDTH$} | {:THREAD_WIDTH$} | Value", "Counter", "TM Name"));
    line(format_args!("{rule}"));
    for (name, value) in stats.counters.iter().filter(|(_, value)| config.null_values || *value > 0) {
        line(format_args!("{name:NAME_WIDTH$} | {:THREAD_WIDTH$} | {value}", "Total"));
    }
    text
}

const RULE_WIDTH: usize = 84;
const NAME_WIDTH: usize = 45;
const THREAD_WIDTH: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;
    use flumen_model::{Counters, Timestamp};

    fn stats() -> Stats {
        let mut counters = Counters::default();
        counters.push("capture.kernel_packets", 1234);
        counters.push("decoder.invalid", 0);
        counters.push("flow.memuse", 7_154_304);
        let at = Timestamp::from_parts(1_600_000_000, 0);
        Stats { at, uptime_secs: 2 * 86_400 + 3 * 3600 + 4 * 60 + 5, counters, ..Stats::default() }
    }

    #[test]
    fn snapshot_then_a_table_as_users_know_it() {
        let mut log = StatsLog::new(Vec::new(), "memory", StatsLogConfig::default());
        log.stats(&stats()).expect("written");
        let rule = "-".repeat(84);
        let expected = format!(
            "{rule}\nDate: 09/13/2020 -- 12:26:40 (uptime: 2d, 03h 04m 05s)\n{rule}\n\
             Counter                                       | TM Name                   | Value\n{rule}\n\
             capture.kernel_packets                        | Total                     | 1234\n\
             flow.memuse                                   | Total                     | 7154304\n"
        );
        assert_eq!(String::from_utf8_lossy(log.output()), expected);
    }

    #[test]
    fn zeros_wanted_then_there() {
        let text = table(&stats(), StatsLogConfig { null_values: true });
        assert!(text.contains("decoder.invalid                               | Total                     | 0\n"));
    }

    #[test]
    fn output_that_fails_then_one_lost() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut log = StatsLog::new(Full, "stats.log", StatsLogConfig::default());
        match log.stats(&stats()) {
            Err(SinkError::Io { target, lost: 1, .. }) => assert_eq!(target, "stats.log"),
            other => panic!("{other:?}"),
        }
    }
}
