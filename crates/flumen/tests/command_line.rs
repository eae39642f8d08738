//! The binary as its users meet it: exit codes, messages, pipes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs `flumen` in a directory.
fn flumen(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command.output().expect("flumen runs")
}

/// A directory of its own for a test, with files in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("a file");
        }
        Self(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        flumen(&self.0, arguments)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/suricata-shape.yaml")
}

#[test]
fn check_of_a_right_configuration_then_0_and_a_summary() {
    let scratch = Scratch::new("check-right", &[]);
    fs::copy(fixture(), scratch.0.join("suricata.yaml")).expect("copied");
    let output = scratch.run(&["check", "-c", "suricata.yaml"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let text = out(&output);
    let ignored: Vec<_> = text.lines().filter(|line| line.starts_with("ignored")).collect();
    assert_eq!(ignored.len(), 1, "one line: {text}");
    assert!(ignored[0].contains("app-layer") && ignored[0].contains("outputs.eve-log.types.alert"));
    assert!(text.contains("records: flow, stats to eve.json"), "{text}");
    assert!(text.ends_with("suricata.yaml: right\n"), "{text}");
}

#[test]
fn check_of_a_wrong_configuration_then_3_with_file_line_and_nearest_key() {
    let scratch = Scratch::new("check-wrong", &[("my.yaml", "flow:\n  memcp: 1\nvlan: {use-for-tracking: perhaps}\n")]);
    let output = scratch.run(&["check", "-c", "my.yaml"]);
    assert_eq!(code(&output), Some(3));
    assert_eq!(out(&output), "");
    assert_eq!(
        err(&output),
        "error: my.yaml:2: unknown key 'flow.memcp'; the nearest known key is 'flow.memcap'\n\
         error: my.yaml:3: 'vlan.use-for-tracking' cannot be 'perhaps'; it takes yes or no\n"
    );
}

#[test]
fn configuration_that_is_not_there_then_3() {
    let scratch = Scratch::new("config-missing", &[]);
    for arguments in [["check", "-c", "nowhere.yaml"], ["config", "-c", "nowhere.yaml"]] {
        let output = scratch.run(&arguments);
        assert_eq!(code(&output), Some(3));
        assert!(err(&output).starts_with("error: -c: nowhere.yaml: "), "{}", err(&output));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn cpu_that_is_not_there_then_3_and_its_line_unless_threads_are_not_bound() {
    let sets =
        "threading:\n  autopin: no\n  set-cpu-affinity: yes\n  cpu-affinity:\n    - worker-cpu-set: {cpu: 1023}\n";
    let scratch = Scratch::new("cpus", &[("cpus.yaml", sets)]);
    let refused = scratch.run(&["check", "-c", "cpus.yaml"]);
    let (name, told) = ("threading.cpu-affinity.worker-cpu-set.cpu", err(&refused));
    assert_eq!(code(&refused), Some(3), "{told}");
    assert!(told.starts_with(&format!("error: cpus.yaml:5: '{name}' names CPU 1023, but this process has ")), "{told}");
    let free = scratch.run(&["check", "-c", "cpus.yaml", "--set", "threading.set-cpu-affinity=no"]);
    assert_eq!(code(&free), Some(0), "{}", err(&free));
    let all = scratch.run(&["check", "-c", "cpus.yaml", "--set", &format!("{name}=all"), "--set", "flumen.threads=2"]);
    let text = out(&all);
    assert!(text.contains("threading.autopin (only cpu-affinity says who runs where)\n"), "{text}");
    assert!(text.contains("threads: workers: 2, managers: 1, recyclers: 1; workers on CPU "), "{text}");
}

#[test]
fn warnings_then_on_standard_error_unless_quiet() {
    let scratch = Scratch::new("warnings", &[("w.yaml", "flow-timeouts: {tcp: {new: 20, emergency-new: 30}}\n")]);
    let loud = scratch.run(&["check", "-c", "w.yaml"]);
    assert_eq!((code(&loud), err(&loud).lines().count()), (Some(0), 1));
    assert!(err(&loud).starts_with("warning: w.yaml:1: 'flow-timeouts.tcp.emergency-new'"));
    let quiet = scratch.run(&["check", "-q", "-c", "w.yaml"]);
    assert_eq!((code(&quiet), err(&quiet)), (Some(0), String::new()));
}

#[test]
fn effective_configuration_then_accepted_again_with_the_same_values() {
    let scratch = Scratch::new("config-again", &[("a.yaml", "flow:\n  prealloc: 5\n")]);
    let first = scratch.run(&["config", "-c", "a.yaml", "--set", "flow.managers=3"]);
    assert_eq!(code(&first), Some(0), "{}", err(&first));
    let text = out(&first);
    assert!(text.contains("  prealloc: 5  # a.yaml:2\n") && text.contains("  managers: 3  # --set\n"), "{text}");
    fs::write(scratch.0.join("b.yaml"), &text).expect("written");
    let second = scratch.run(&["config", "-c", "b.yaml"]);
    assert_eq!(code(&second), Some(0), "{}", err(&second));
    let values = |text: &str| text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect();
    let (first, second): (Vec<String>, Vec<String>) = (values(&text), values(&out(&second)));
    assert_eq!(first, second);
}

#[test]
fn not_understood_then_2() {
    let scratch = Scratch::new("usage", &[]);
    let wrong: [&[&str]; 7] = [
        &[],
        &["raed", "x.pcap"],
        &["read"],
        &["read", "x.pcap", "--set", "flow.memcap"],
        &["read", "x.pcap", "-k", "some"],
        &["read", "x.pcap", "--json", "-l", "out"],
        &["check"],
    ];
    for arguments in wrong {
        let output = scratch.run(arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {}", err(&output));
        assert!(out(&output).is_empty() && !err(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn option_with_a_bad_value_then_3_and_the_option_named() {
    let scratch = Scratch::new("option", &[]);
    let cases = [
        (["--memcap", "lots"], "error: --memcap: 'flow.memcap' cannot be 'lots'"),
        (
            ["--timeout", "tcp.nwe=5"],
            "error: --timeout: unknown key 'flow-timeouts.tcp.nwe'; the nearest known key is 'flow-timeouts.tcp.new'",
        ),
        (["--compat", "zeek"], "error: --compat: 'flumen.compat' cannot be 'zeek'; it takes one of flumen, suricata"),
        (["--set", "flow.memcp=5"], "error: --set: unknown key 'flow.memcp'"),
    ];
    for ([option, value], message) in cases {
        let output = scratch.run(&["read", "x.pcap", option, value]);
        assert_eq!(code(&output), Some(3), "{option}");
        assert!(err(&output).starts_with(message), "{option}: {}", err(&output));
    }
}

#[test]
fn capture_that_is_not_there_then_1() {
    let scratch = Scratch::new("capture-missing", &[]);
    let output = scratch.run(&["read", "nowhere.pcap"]);
    assert_eq!(code(&output), Some(1));
    assert!(err(&output).contains("nowhere.pcap"), "{}", err(&output));
}

#[test]
fn ignored_keys_then_one_line_with_v_and_none_without() {
    let scratch = Scratch::new("ignored", &[("i.yaml", "runmode: autofp\nstream: {inline: auto}\n")]);
    let line = "ignored, as Flumen does not have them: runmode, stream.inline";
    let loud = scratch.run(&["read", "nowhere.pcap", "-v", "-c", "i.yaml"]);
    assert_eq!(err(&loud).lines().filter(|written| *written == line).count(), 1, "{}", err(&loud));
    let normal = scratch.run(&["read", "nowhere.pcap", "-c", "i.yaml"]);
    assert!(!err(&normal).contains("ignored"), "{}", err(&normal));
}

#[test]
fn help_and_version_then_0_on_standard_output() {
    let scratch = Scratch::new("help", &[]);
    let help = scratch.run(&["--help"]);
    assert_eq!((code(&help), err(&help)), (Some(0), String::new()));
    for part in ["Examples:", "flumen read capture.pcap -l out", "Exit codes:", "  5  --audit"] {
        assert!(out(&help).contains(part), "{part}");
    }
    assert!(out(&scratch.run(&["read", "--help"])).contains("--timeout udp.established=60"));
    let version = scratch.run(&["--version"]);
    assert_eq!(code(&version), Some(0));
    let text = out(&version);
    for part in ["commit:", "target:", "profile:", "features:", "compiler:"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains('/'), "no paths: {text}");
    assert_eq!(out(&scratch.run(&["-V"])).lines().count(), 1);
}

#[test]
fn reader_of_the_pipe_gone_then_0_and_silent() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flumen"));
    command.arg("config").stdout(Stdio::piped()).stderr(Stdio::piped());
    // A pipe whose other end is closed before anything is written.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command.stdout(writer).output().expect("flumen runs");
    assert_eq!((code(&output), err(&output)), (Some(0), String::new()));
}
