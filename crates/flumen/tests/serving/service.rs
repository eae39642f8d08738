//! A running `flumen serve`, what it is asked, and what it wrote.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use flumen_control::{Answer, Client};
use serde_json::{Map, Value};
use traffic::scenario::{Format, Options, Scenario};

/// A directory of its own for a test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// `name` must be the test's own. In the directory for temporary files: the path of a socket must be short.
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("flumen-serve-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file");
    }
    pub(crate) fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).expect("a directory");
    }
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
        command.args(arguments).current_dir(&self.0).env("TZ", "UTC").stdin(Stdio::null());
        command
    }
    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("flumen runs")
    }
    /// Begins to serve, and returns once it waits for captures.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Service<'_> {
        self.serve_with(arguments, &[])
    }
    /// The same in an environment with these in it.
    pub(crate) fn serve_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Service<'_> {
        let mut command = self.command(&[&["serve", "--socket", "socket"], arguments].concat());
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().expect("flumen");
        let mut messages = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("waiting for captures") {
            assert_ne!(messages.read_line(&mut said).expect("text"), 0, "it ended: {said}");
        }
        Service { scratch: self, child, messages, said }
    }
    /// The events of `flumen read`.
    pub(crate) fn read(&self, capture: &str) -> Vec<String> {
        let _ = fs::remove_dir_all(self.path("read"));
        let output = self.run(&["read", capture, "-l", "read", "--audit"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        events(&self.path("read/eve.json"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One that runs.
pub(crate) struct Service<'s> {
    scratch: &'s Scratch,
    pub(crate) child: Child,
    messages: BufReader<ChildStderr>,
    /// What was said on standard error.
    pub(crate) said: String,
}

impl Service<'_> {
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.scratch.path("socket"), Duration::from_secs(60)).expect("it listens")
    }
    /// Asks, and has what was asked for done.
    pub(crate) fn done(&self, command: &str, arguments: Value) -> Value {
        match self.client().call(command, object(arguments)).expect("an answer") {
            Answer::Done(message) => message,
            Answer::Refused(why) => panic!("{command}: {why}"),
        }
    }
    /// Asks until the answer is as wanted.
    pub(crate) fn wait(&self, command: &str, wanted: impl Fn(&Answer) -> bool) {
        let mut client = self.client();
        while !wanted(&client.call(command, Map::new()).expect("an answer")) {}
    }
    /// Waits until nothing waits and nothing is read.
    pub(crate) fn wait_until_idle(&self) {
        self.wait("pcap-file-number", |answer| *answer == Answer::Done(0.into()));
        self.wait("pcap-current", |answer| *answer == Answer::Done("None".into()));
    }
    /// Waits until the present run has read a packet.
    pub(crate) fn wait_for_packets(&self) {
        self.wait(
            "dump-counters",
            |answer| matches!(answer, Answer::Done(stats) if stats["decoder"]["pkts"].as_u64() > Some(0)),
        );
    }
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: takes numbers; the child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
    }
    /// Reads what is said until `text` is.
    pub(crate) fn wait_for_message(&mut self, text: &str) {
        while !self.said.contains(text) {
            assert_ne!(self.messages.read_line(&mut self.said).expect("text"), 0, "it ended: {}", self.said);
        }
    }
    /// Waits for its end, which must have this code, and hands out what it said.
    pub(crate) fn end(mut self, code: i32) -> String {
        self.messages.read_to_string(&mut self.said).expect("text");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Service<'_> {
    /// One whose test has failed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn object(arguments: Value) -> Map<String, Value> {
    match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    }
}

/// The lines of a log but those of `stats` events, which have the time of the clock.
pub(crate) fn events(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("eve.json");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut");
    text.lines().filter(|line| !line.contains("\"event_type\":\"stats\"")).map(ToOwned::to_owned).collect()
}

/// The last `stats` event.
pub(crate) fn stats(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("eve.json");
    let last = text.lines().rfind(|line| line.contains("\"event_type\":\"stats\"")).expect("stats");
    serde_json::from_str::<Value>(last).expect("JSON")["stats"].take()
}

/// A capture.
pub(crate) fn capture(scenario: &str, seed: u64) -> Vec<u8> {
    let options = Options { seed, packets: Some(2_000), flows: Some(60), rounds: Some(1), ..Options::default() };
    let scenario = Scenario::named(scenario).expect("a scenario of this name");
    let mut bytes = Vec::new();
    scenario.write(&options, Format::Pcap, scenario.snaplen, &mut bytes).expect("writing to memory");
    bytes
}
