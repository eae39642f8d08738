//! A running `flumen capture`, what it is asked, and what it wrote.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use flumen_capture::CaptureFile;
use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, Ticks};
use flumen_control::{Answer, Client};
use flumen_model::{PacketBatch, PacketSource, Timestamp};
use serde_json::{Map, Value, json};
use traffic::scenario::{Format, Options, Scenario};

use crate::net::MTU;

/// A directory of its own for a test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// `name` must be the test's own. In the directory for temporary files: the path of a socket must be short.
    pub(crate) fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }
    /// Where files are in memory, if there is such a place: writing there goes page by page, and can be cut between any two.
    pub(crate) fn in_memory(name: &str) -> Self {
        let memory = PathBuf::from("/dev/shm");
        Self::below(&if memory.is_dir() { memory } else { std::env::temp_dir() }, name)
    }
    fn below(directory: &Path, name: &str) -> Self {
        let directory = directory.join(format!("flumen-live-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file");
    }
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command
    }
    /// Begins to capture; the records go to `live`. Returns once packets are captured.
    pub(crate) fn capture(&self, arguments: &[&str]) -> Sensor<'_> {
        self.capture_with(arguments, &[])
    }
    /// The same in an environment with these in it.
    pub(crate) fn capture_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Sensor<'_> {
        let own = ["capture", "-l", "live", "--audit", "--set", "unix-command.filename=SOCKET"];
        let socket = format!("unix-command.filename={}", self.path("socket").display());
        let own = own.map(|word| if word.ends_with("SOCKET") { socket.as_str() } else { word });
        let mut command = self.command(&[&own[..], arguments].concat());
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().expect("flumen");
        let mut messages = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("capturing on") {
            assert_ne!(messages.read_line(&mut said).expect("text"), 0, "it ended: {said}");
        }
        Sensor { scratch: self, child, messages, said }
    }
    /// Runs to the end, and says with which code and what was said.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().expect("flumen runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
    /// The records of `flumen read`.
    pub(crate) fn read(&self, arguments: &[&str]) -> Log {
        let _ = fs::remove_dir_all(self.path("read"));
        let (code, said) = self.run(&[&["read", "-l", "read", "--audit"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        Log::of(&self.path("read").join("eve.json"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A capture that runs.
pub(crate) struct Sensor<'s> {
    scratch: &'s Scratch,
    child: Child,
    messages: BufReader<ChildStderr>,
    /// What was said on standard error.
    pub(crate) said: String,
}

impl Sensor<'_> {
    /// Number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: takes numbers; the child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
    }
    /// Reads what is said until `text` is.
    pub(crate) fn wait_for_message(&mut self, text: &str) {
        while !self.said.contains(text) {
            self.read_line();
        }
    }
    /// Reads one more line of what is said.
    pub(crate) fn read_line(&mut self) {
        assert_ne!(self.messages.read_line(&mut self.said).expect("text"), 0, "it ended: {}", self.said);
    }
    /// Asks, and has what was asked for done.
    pub(crate) fn done(&self, command: &str, arguments: Value) -> Value {
        match self.ask(command, arguments) {
            Answer::Done(message) => message,
            Answer::Refused(why) => panic!("{command}: {why}"),
        }
    }
    /// Asks it.
    pub(crate) fn ask(&self, command: &str, arguments: Value) -> Answer {
        let mut client =
            Client::connect(&self.scratch.path("socket"), Duration::from_secs(20)).expect("a sensor that listens");
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        client.call(command, arguments).expect("an answer")
    }
    /// Waits until so many packets have come in on an interface, dropped ones included.
    pub(crate) fn wait_for_packets(&self, interface: &str, packets: usize) {
        loop {
            match self.ask("iface-stat", json!({"iface": interface})) {
                Answer::Done(answer) if answer["pkts"] == json!(packets) => return,
                Answer::Done(answer) => {
                    assert!(answer["pkts"].as_u64() <= Some(packets as u64), "more than were sent: {answer}");
                }
                Answer::Refused(why) => panic!("{why}"),
            }
        }
    }
    /// Waits for its end, and says what was said.
    pub(crate) fn wait(mut self) -> String {
        self.messages.read_to_string(&mut self.said).expect("text");
        self.child.wait().expect("it ends");
        std::mem::take(&mut self.said)
    }
    /// Waits for its end, which must have this code.
    pub(crate) fn end(mut self, code: i32) -> Log {
        self.messages.read_to_string(&mut self.said).expect("text");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{}", self.said);
        Log { said: std::mem::take(&mut self.said), ..Log::of(&self.scratch.path("live/eve.json")) }
    }
}

impl Drop for Sensor<'_> {
    /// One whose test has failed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run wrote.
pub(crate) struct Log {
    pub(crate) flows: Vec<Value>,
    /// The last `stats` event, and how many there were.
    pub(crate) stats: Value,
    pub(crate) stats_events: usize,
    pub(crate) said: String,
}

impl Log {
    /// That of a run that has ended.
    pub(crate) fn of(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut");
        Self::from_lines(&text)
    }
    /// That of a run that goes on, or was killed: the last line may be on its way.
    pub(crate) fn so_far(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        Self::from_lines(text.rfind('\n').map_or("", |end| &text[..end]))
    }
    fn from_lines(text: &str) -> Self {
        let mut log = Self { flows: Vec::new(), stats: Value::Null, stats_events: 0, said: String::new() };
        for line in text.lines() {
            let mut event: Value = serde_json::from_str(line).expect("a JSON object a line");
            match event["event_type"].as_str() {
                Some("flow") => log.flows.push(event),
                Some("stats") => {
                    log.stats = event["stats"].take();
                    log.stats_events += 1;
                }
                _ => {}
            }
        }
        log
    }
    /// Every flow in a line, sorted: all that stands in its record but times, ids and the interface.
    pub(crate) fn short(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.flows.iter().map(without_times).collect();
        lines.sort();
        lines
    }
    pub(crate) fn ledger(&self) -> &Value {
        &self.stats["flumen"]["ledger"]
    }
}

/// The flows of two runs must be the same.
#[track_caller]
pub(crate) fn assert_same_flows(live: &Log, read: &Log) {
    let (live, read) = (live.short(), read.short());
    let beyond = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).take(5).cloned().collect::<Vec<_>>().join("\n")
    };
    assert!(
        live == read,
        "{} flows live, {} read; only live:\n{}\nonly read:\n{}",
        live.len(),
        read.len(),
        beyond(&live, &read),
        beyond(&read, &live)
    );
}

fn without_times(flow: &Value) -> String {
    let mut flow = flow.clone();
    let fields = flow.as_object_mut().expect("an object");
    for name in ["timestamp", "flow_id", "parent_id", "in_iface"] {
        fields.shift_remove(name);
    }
    let body = fields["flow"].as_object_mut().expect("an object");
    for name in ["start", "end", "age"] {
        body.shift_remove(name);
    }
    flow.to_string()
}

/// The frames of a scenario that a cable takes.
pub(crate) fn frames(scenario: &str, packets: u64) -> Vec<Vec<u8>> {
    let options = Options { seed: 7, packets: Some(packets), flows: Some(60), rounds: Some(1), ..Options::default() };
    let scenario = Scenario::named(scenario).expect("a scenario of this name");
    let mut bytes = Vec::new();
    scenario.write(&options, Format::Pcap, scenario.snaplen, &mut bytes).expect("writing to memory");
    let mut capture = CaptureFile::from_reader("scenario".to_owned(), std::io::Cursor::new(bytes)).expect("a capture");
    let mut batch = PacketBatch::new();
    let mut frames = Vec::new();
    while capture.fill(&mut batch).expect("right") {
        frames.extend(batch.packets().map(|packet| packet.data.to_vec()));
    }
    frames.retain(|frame| frame.len() > 14 && frame.len() <= MTU);
    frames
}

/// A UDP packet from one of 65,536 ports, each of which is a flow.
pub(crate) fn udp(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.extend([0x00, 0x35, 0, 8, 0, 0]);
    frame
}

/// A capture of these frames, a microsecond apart: no flow times out as none does when they are sent.
pub(crate) fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Micros, 1);
    for (n, frame) in frames.iter().enumerate() {
        let at = Timestamp::from_nanos(1_600_000_000_000_000_000 + n as u64 * 1_000);
        writer.packet(at, frame, frame.len() as u32);
    }
    writer.bytes().to_vec()
}
