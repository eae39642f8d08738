//! What all tests here share: a directory of captures, a run of the binary in it, and the events that it wrote.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use traffic::scenario::{Format, Options, Scenario, Totals};

/// A directory of its own for a test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// `name` must be the test's own: tests run at the same time.
    pub(crate) fn new(name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reading").join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }

    /// A file or directory in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    /// A command of the binary in this directory, with nothing on standard input.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
        // Times in records are local times.
        command.args(arguments).current_dir(&self.0).env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    /// Runs the binary in this directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("flumen runs")
    }

    /// Reads with `arguments` into a directory of its own; the exit code must be `code`.
    pub(crate) fn read(&self, arguments: &[&str], code: i32) -> Written {
        let directory = "records";
        let _ = fs::remove_dir_all(self.path(directory));
        let output = self.run(&[&["read", "-l", directory], arguments].concat());
        let messages = message(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {messages}");
        Written { messages, ..Written::of(&self.path(directory).join("eve.json")) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run wrote.
pub(crate) struct Written {
    /// Lines of `flow` and `netflow` events, as they are.
    pub(crate) lines: Vec<String>,
    /// The `flow` events.
    pub(crate) flows: Vec<Value>,
    /// The last `stats` event.
    pub(crate) stats: Value,
    /// Standard error.
    pub(crate) messages: String,
}

impl Written {
    /// Takes a log apart.
    pub(crate) fn of(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("eve.json");
        let mut written = Self { lines: Vec::new(), flows: Vec::new(), stats: Value::Null, messages: String::new() };
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).expect("a JSON object a line");
            match event["event_type"].as_str() {
                Some("stats") => {
                    written.stats = event["stats"].clone();
                    continue;
                }
                Some("flow") => written.flows.push(event),
                _ => {}
            }
            written.lines.push(line.to_owned());
        }
        written
    }

    /// Law 1: what was read stands in records or has a reason not to, counted from the records themselves. And every
    /// flow has an id of its own.
    pub(crate) fn assert_conserves(&self, whose: &str) {
        let ledger = &self.stats["flumen"]["ledger"];
        let of = |side: &Value| (count(&side["packets"]), count(&side["bytes"]));
        let mut sum = (0, 0);
        let mut ids = HashSet::new();
        for flow in &self.flows {
            let body = &flow["flow"];
            sum.0 += count(&body["pkts_toserver"]) + count(&body["pkts_toclient"]);
            sum.1 += count(&body["bytes_toserver"]) + count(&body["bytes_toclient"]);
            assert!(ids.insert(count(&flow["flow_id"])), "{whose}: a second flow with the id of {flow}");
        }
        assert_eq!(sum, of(&ledger["in_flows"]), "{whose}: records against the ledger");
        for (_, reason) in ledger["non_flow"].as_object().expect("reasons") {
            let (packets, bytes) = of(reason);
            sum = (sum.0 + packets, sum.1 + bytes);
        }
        let (read, found) = (of(&ledger["read"]), of(&ledger["found"]));
        assert_eq!(sum, (read.0 + found.0, read.1 + found.1), "{whose}: {ledger}");
        assert_eq!(ledger["unaccounted"], serde_json::json!({"packets": 0, "bytes": 0}), "{whose}");
    }

    /// Packets that ended for `reason`.
    pub(crate) fn non_flow(&self, reason: &str) -> u64 {
        self.stats["flumen"]["ledger"]["non_flow"][reason]["packets"].as_u64().unwrap_or(0)
    }

    /// Every flow in a line, sorted: `proto from > to packets bytes state`, and the TCP state if there is one.
    pub(crate) fn short(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.flows.iter().map(short).collect();
        lines.sort();
        lines
    }
}

fn short(flow: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let end = |ip: &str, port: &str| match flow[port].as_u64() {
        Some(port) => format!("{}:{port}", text(&flow[ip])),
        None => text(&flow[ip]),
    };
    let body = &flow["flow"];
    let mut line = format!(
        "{} {} > {} {}/{} {}/{} {}",
        text(&flow["proto"]),
        end("src_ip", "src_port"),
        end("dest_ip", "dest_port"),
        count(&body["pkts_toserver"]),
        count(&body["pkts_toclient"]),
        count(&body["bytes_toserver"]),
        count(&body["bytes_toclient"]),
        text(&body["state"])
    );
    if let Some(state) = flow["tcp"]["state"].as_str() {
        line += "/";
        line += state;
    }
    line
}

/// A number of an event.
pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, not {value}"))
}

/// Standard error of a run.
pub(crate) fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Settings that keep every scenario small.
pub(crate) fn small() -> Options {
    Options { seed: 7, packets: Some(3_000), flows: Some(300), rounds: Some(2), ..Options::default() }
}

/// The capture of a scenario: classic pcap, or pcapng when it has several link types.
pub(crate) fn capture_of(scenario: &Scenario, options: &Options) -> (Vec<u8>, Totals) {
    let format = if scenario.links.len() > 1 { Format::Pcapng } else { Format::Pcap };
    let mut bytes = Vec::new();
    let totals = scenario.write(options, format, scenario.snaplen, &mut bytes).expect("writing to memory");
    (bytes, totals)
}

/// The capture of the scenario called `name`.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    capture_of(Scenario::named(name).expect("a scenario of this name"), &small()).0
}
