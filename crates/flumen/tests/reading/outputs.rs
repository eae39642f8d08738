//! Where records go: a directory, standard output, a pipe that closes, a disk that is full.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use traffic::scenario::{Options, Scenario};

use crate::support::{Scratch, capture, capture_of, message};

#[test]
fn json_then_the_flow_records_of_the_log_on_standard_output() {
    let scratch = Scratch::new("json");
    scratch.put("a.pcap", &capture("office"));
    let expected: Vec<_> = scratch
        .read(&["a.pcap"], 0)
        .lines
        .into_iter()
        .filter(|line| line.contains("\"event_type\":\"flow\""))
        .collect();
    let output = scratch.run(&["read", "a.pcap", "--json"]);
    assert_eq!((output.status.code(), message(&output)), (Some(0), String::new()));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.lines().eq(expected.iter().map(String::as_str)));
}

#[test]
fn json_into_a_pipe_that_closes_early_then_0_and_silence() {
    let scratch = Scratch::new("head");
    let options = Options { seed: 1, packets: Some(20_000), flows: Some(10_000), ..Options::default() };
    scratch.put("a.pcap", &capture_of(Scenario::named("zipf").expect("a scenario"), &options).0);
    let mut command = scratch.command(&["read", "a.pcap", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("flumen runs");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("its output"));
    reader.read_line(&mut line).expect("a line");
    assert!(line.starts_with("{\"timestamp\":") && line.ends_with("}\n"), "{line}");
    drop(reader);
    let mut said = String::new();
    child.stderr.take().expect("its messages").read_to_string(&mut said).expect("UTF-8");
    assert_eq!((child.wait().expect("an end").code(), said.as_str()), (Some(0), ""));
}

#[test]
fn without_a_directory_then_a_summary_that_closes_the_account() {
    let scratch = Scratch::new("summary");
    scratch.put("a.pcap", &capture("office"));
    let output = scratch.run(&["read", "a.pcap", "--audit"]);
    assert_eq!((output.status.code(), message(&output)), (Some(0), String::new()));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in ["a.pcap\n", "Protocols", "Top conversations", "Where the packets went", "unaccounted"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn account_that_is_closed_then_audit_changes_nothing() {
    let scratch = Scratch::new("audit");
    scratch.put("a.pcap", &capture("malformed"));
    let (with, without) = (scratch.read(&["a.pcap", "--audit"], 0), scratch.read(&["a.pcap"], 0));
    assert!(with.lines == without.lines);
    let ledger = &with.stats["flumen"]["ledger"];
    assert!(ledger["non_flow"].as_object().is_some_and(|reasons| reasons.len() > 3), "{ledger}");
}

#[test]
fn second_run_into_a_directory_then_its_events_follow_those_of_the_first() {
    let scratch = Scratch::new("twice");
    scratch.put("a.pcap", &capture("icmp-echo"));
    for run in 1..=2 {
        assert_eq!(scratch.run(&["read", "a.pcap", "-l", "out"]).status.code(), Some(0));
        let text = fs::read_to_string(scratch.path("out/eve.json")).expect("eve.json");
        assert_eq!(text.lines().filter(|line| line.contains("\"event_type\":\"stats\"")).count(), run);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_then_1_and_how_many_records_were_lost() {
    let scratch = Scratch::new("full-disk");
    scratch.put("a.pcap", &capture("icmp-echo"));
    let records = scratch.read(&["a.pcap"], 0).flows.len();
    fs::create_dir(scratch.path("full")).expect("a directory");
    std::os::unix::fs::symlink("/dev/full", scratch.path("full/eve.json")).expect("a link");
    let output = scratch.run(&["read", "a.pcap", "-l", "full"]);
    assert_eq!(output.status.code(), Some(1), "{}", message(&output));
    let said = message(&output);
    // The records, and the statistics after them.
    let lost =
        format!("full/eve.json: No space left on device (os error 28); {} records were not written\n", records + 1);
    assert_eq!(said, format!("error: {lost}"), "and nothing twice");
}

#[test]
fn directory_that_cannot_be_made_then_1_with_its_name() {
    let scratch = Scratch::new("no-directory");
    scratch.put("a.pcap", &capture("icmp-echo"));
    scratch.put("file", b"");
    let output = scratch.run(&["read", "a.pcap", "-l", "file/out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(message(&output).contains("file/out"), "{}", message(&output));
}
