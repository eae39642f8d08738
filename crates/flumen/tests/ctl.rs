//! `flumen ctl` against a sensor that answers from a script.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};

/// A directory of one test with a socket in it; short, as the path of a socket is limited.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("flumen-ctl-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
    /// A sensor that gives `answer` to one request, and hands out what it was asked.
    fn sensor(&self, answer: &'static str) -> JoinHandle<String> {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream);
            // The greeting has no line feed at its end, and nothing follows it before it is answered.
            let greeting = reader.fill_buf().expect("a greeting").to_vec();
            assert_eq!(greeting, b"{\"version\":\"0.2\"}");
            reader.consume(greeting.len());
            reader.get_mut().write_all(b"{\"return\":\"OK\"}\n").expect("sent");
            let mut request = String::new();
            reader.read_line(&mut request).expect("a request");
            reader.get_mut().write_all(answer.as_bytes()).expect("sent");
            request
        })
    }
    fn ctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
        command.arg("ctl").arg("--socket").arg(self.socket()).args(words).stdin(Stdio::null());
        command.output().expect("flumen runs")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn answer_in_a_pipe_then_0_and_the_sensors_json() {
    let scratch = Scratch::new();
    let sensor = scratch.sensor("{\"message\":{\"value\":\"64mb\"},\"return\":\"OK\"}\n");
    let output = scratch.ctl(&["memcap-show", "flow"]);
    assert_eq!(
        said(&output),
        (Some(0), "{\"message\":{\"value\":\"64mb\"},\"return\":\"OK\"}\n".to_owned(), String::new())
    );
    let request = sensor.join().expect("it was asked");
    assert_eq!(request, "{\"command\":\"memcap-show\",\"arguments\":{\"config\":\"flow\"}}\n");
}

#[test]
fn refusal_then_6_and_the_reason() {
    let scratch = Scratch::new();
    let _sensor = scratch.sensor("{\"message\":\"Unknown command\",\"return\":\"NOK\"}\n");
    let (code, out, err) = said(&scratch.ctl(&["dump-counter"]));
    assert_eq!((code, out.as_str()), (Some(6), "{\"message\":\"Unknown command\",\"return\":\"NOK\"}\n"));
    assert_eq!(err, "error: dump-counter: Unknown command; did you mean dump-counters?\n");
}

#[test]
fn sensor_that_is_not_there_or_goes_away_then_1_and_what_is_wrong() {
    let scratch = Scratch::new();
    let (code, out, err) = said(&scratch.ctl(&["version"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("error: ") && err.contains(": no such socket; is the sensor running"), "{err}");
    drop(UnixListener::bind(scratch.socket()).expect("a socket"));
    let (code, _, err) = said(&scratch.ctl(&["version"]));
    assert!(code == Some(1) && err.contains("nobody listens on this socket"), "{err}");
    fs::remove_file(scratch.socket()).expect("removed");
    let _sensor = scratch.sensor("");
    let (code, _, err) = said(&scratch.ctl(&["version"]));
    assert!(code == Some(1) && err.contains("the sensor went away before it answered"), "{err}");
}

#[test]
fn no_command_then_the_commands_and_no_sensor_is_needed() {
    let (code, out, err) = said(&Scratch::new().ctl(&[]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("\n  uptime ") && out.contains("\n  pcap-interrupt "), "{out}");
}

#[test]
fn words_that_do_not_fit_then_2_and_no_sensor_is_asked() {
    let (code, out, err) = said(&Scratch::new().ctl(&["memcap-set", "flow"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "error: 'memcap' is missing: memcap-set CONFIG MEMCAP\n");
}
