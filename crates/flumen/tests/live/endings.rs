//! How a capture begins and ends: rights, load, kills, interfaces that are not there.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use serde_json::{Value, json};

use crate::net::{Sender, in_namespace};
use crate::sensor::{Log, Scratch, frames, udp};

fn packets(log: &Log, part: &str) -> u64 {
    log.ledger()[part]["packets"].as_u64().expect("a number")
}

/// The records, counted by hand.
fn in_records(log: &Log) -> u64 {
    let count = |flow: &Value, side: &str| flow["flow"][side].as_u64().expect("a number");
    log.flows.iter().map(|flow| count(flow, "pkts_toserver") + count(flow, "pkts_toclient")).sum()
}

#[test]
fn term_under_load_then_every_packet_that_was_captured_is_written() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("load");
        let frames = frames("office", 2_000);
        let sensor = scratch.capture(&["-i", "b", "--threads", "2", "--set", "af-packet=[{interface: b, defrag: no}]"]);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let sender = Sender::on("a");
        let log = scope(|scope| {
            scope.spawn(|| {
                for frame in frames.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    sender.send(frame);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
            while sent.load(Ordering::Relaxed) < 20_000 {
                std::thread::yield_now();
            }
            sensor.signal(libc::SIGTERM);
            // Traffic goes on until it has ended.
            let log = sensor.end(0);
            stop.store(true, Ordering::Relaxed);
            log
        });
        let kernel = &log.ledger()["kernel"];
        let number = |name: &str| kernel[name].as_u64().expect("a number");
        assert_eq!(number("packets"), number("dropped") + number("lost") + packets(&log, "read"), "{kernel}");
        assert_eq!(log.ledger()["unaccounted"], json!({"packets": 0, "bytes": 0}));
        assert_eq!(in_records(&log), packets(&log, "in_flows"));
        assert!(packets(&log, "read") > 0);
    });
}

#[test]
fn ring_that_is_too_small_then_drops_are_counted_and_the_account_closes() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("drops");
        let frames = frames("office", 2_000);
        let sensor = scratch.capture(&["-i", "b", "--set", "af-packet=[{interface: b, ring-size: 1}]"]);
        // It does not run while the ring overflows.
        sensor.signal(libc::SIGSTOP);
        let sender = Sender::on("a");
        frames.iter().cycle().take(20_000).for_each(|frame| sender.send(frame));
        sensor.signal(libc::SIGCONT);
        sensor.wait_for_packets("b", 20_000);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        let dropped = log.ledger()["kernel"]["dropped"].as_u64().expect("a number");
        assert!(dropped > 0, "{}", log.ledger());
        assert_eq!(dropped + packets(&log, "read"), 20_000);
        assert!(log.said.contains(&format!("{dropped} dropped by the kernel")), "{}", log.said);
        assert!(log.stats["capture"]["freezes"].as_u64() > Some(0));
    });
}

#[test]
fn run_as_a_user_then_it_captures_as_that_user() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("run-as");
        std::os::unix::fs::chown(scratch.path(""), Some(65_534), Some(65_534)).expect("root may");
        let sensor = scratch.capture(&["-i", "b", "--set", "run-as.user=65534", "--set", "unix-command.enabled=yes"]);
        let sender = Sender::on("a");
        let frames = frames("office", 100);
        frames.iter().for_each(|frame| sender.send(frame));
        sensor.wait_for_packets("b", frames.len());
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        assert!(!log.flows.is_empty());
        let eve = std::fs::metadata(scratch.path("live/eve.json")).expect("a file");
        assert_eq!(eve.uid(), 65_534);
    });
}

#[test]
fn what_cannot_be_captured_then_1_and_a_message_that_says_why() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("errors");
        let (code, said) = scratch.run(&["capture", "-i", "nowhere", "-l", "live"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("nowhere: there is no such interface; there are: "), "{said}");
        let (code, said) = scratch.run(&["capture", "-l", "live"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("name one with -i"), "{said}");
        let (code, said) = scratch.run(&["capture", "-i", "b", "-l", "live", "tcp", "prot", "80"]);
        assert_eq!(code, Some(2));
        assert!(said.ends_with("error:   tcp prot 80\nerror:       ^^^^\n"), "{said}");
        let (code, said) =
            scratch.run(&["capture", "-i", "b", "-l", "live", "--set", "run-as.user=nobody-of-that-name"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("there is no user 'nobody-of-that-name'"), "{said}");
        assert!(!scratch.path("live").exists(), "nothing was begun");
    });
}

#[test]
fn second_signal_while_an_output_does_not_take_its_records_then_1_and_what_is_lost() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("abort");
        // Somebody listens and never reads.
        let _listener = UnixListener::bind(scratch.path("reader")).expect("a socket");
        let to = format!("outputs.eve-log.filename={}", scratch.path("reader").display());
        let sensor = scratch.capture(&["-i", "b", "--set", "outputs.eve-log.filetype=unix_stream", "--set", &to]);
        let sender = Sender::on("a");
        (0..5_000).for_each(|port| sender.send(&udp(port)));
        sensor.wait_for_packets("b", 5_000);
        sensor.ask("shutdown", Value::Null);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(1);
        assert!(log.said.contains("flumen: aborted: "), "{}", log.said);
        assert!(log.said.contains("bytes of records were not written out"), "{}", log.said);
    });
}

#[test]
fn killed_while_it_writes_again_and_again_then_every_line_is_whole() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::in_memory("kill");
        let log = |n: usize| format!("  - eve-log: {{filename: {n}.json, types: [flow, netflow, stats]}}\n");
        let logs: String = (0..LOGS).map(log).collect();
        scratch.put("logs.yaml", format!("%YAML 1.1\n---\noutputs:\n{logs}").as_bytes());
        let paths: Vec<_> = (0..LOGS).map(|n| scratch.path("live").join(format!("{n}.json"))).collect();
        let size = || paths.iter().map(|path| fs::metadata(path).expect("a log").len()).sum::<u64>();
        let sender = Sender::on("a");
        let mut pieces = 0;
        for round in 0..ROUNDS {
            let sensor = scratch.capture(&["-i", "b", "-c", "logs.yaml"]);
            (0..FLOWS).for_each(|port| sender.send(&udp(port)));
            sensor.wait_for_packets("b", FLOWS.into());
            let before = size();
            // Now it writes them all, as fast as it can.
            sensor.signal(libc::SIGTERM);
            while size() < before + 300_000 * (1 + round % 7) {
                std::thread::yield_now();
            }
            sensor.signal(libc::SIGKILL);
            // The process that keeps lines whole outlives it, and has its standard error.
            pieces += sensor.wait().matches("not finished were cut off").count();
            for path in &paths {
                assert!(ends_with_whole_lines(path), "round {round}: {}", path.display());
            }
            if pieces >= PIECES {
                break;
            }
        }
    });
}

/// Looks at the end of a log: whole lines, each an object.
fn ends_with_whole_lines(path: &Path) -> bool {
    let mut log = File::open(path).expect("a log");
    let size = log.metadata().expect("a log").len();
    log.seek(SeekFrom::Start(size.saturating_sub(1 << 16))).expect("found");
    let mut end = Vec::new();
    log.read_to_end(&mut end).expect("read");
    let mut lines = end.split_inclusive(|&byte| byte == b'\n').skip(usize::from(size > 1 << 16));
    lines.all(|line| line.ends_with(b"\n") && serde_json::from_slice::<Value>(line).is_ok())
}

/// Most kills, and how many of their pieces must have been cut off for fewer to be enough.
const ROUNDS: u64 = 12;
const PIECES: usize = 2;
/// Logs that are written at the same time, so that some wait for a CPU within a write.
const LOGS: usize = 6;
/// Flows whose records are some megabytes in each.
const FLOWS: u16 = 1_500;

#[test]
fn killed_with_its_keeper_then_the_next_run_cuts_off_the_piece_and_says_so() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("piece");
        fs::create_dir(scratch.path("live")).expect("a directory");
        scratch.put("live/eve.json", b"{}\n{\"timestamp\":\"20");
        let mut sensor = scratch.capture(&["-i", "b"]);
        let said = "eve.json: 16 bytes of a record that was not finished were cut off";
        sensor.wait_for_message(said);
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn terminated_then_the_keeper_ends_with_the_capture_and_not_before() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("keeper");
        let sensor = scratch.capture(&["-i", "b"]);
        let keeper = children(sensor.id());
        assert_eq!(keeper.len(), 1);
        let status = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // As when a service manager signals all processes of a service.
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            while !status(keeper[0]).contains("Name:\tflumen-keeper") {}
            // SAFETY: takes numbers; the process is that of this test.
            assert_eq!(unsafe { libc::kill(keeper[0].cast_signed(), signal) }, 0);
        }
        sensor.ask("iface-list", Value::Null);
        assert!(status(keeper[0]).contains("Name:\tflumen-keeper"));
        sensor.signal(libc::SIGTERM);
        // Standard error is at its end when both are.
        sensor.end(0);
    });
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("a process");
    children.split_whitespace().map(|pid| pid.parse().expect("a number")).collect()
}

#[test]
fn interface_goes_down_and_comes_back_then_capture_goes_on() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("outage");
        let sensor = scratch.capture(&["-i", "b"]);
        let sender = Sender::on("a");
        (0..10).for_each(|port| sender.send(&udp(port)));
        sensor.wait_for_packets("b", 10);
        net.ip("link set dev b down");
        net.ip("link set dev b up");
        let packets = |answer| match answer {
            flumen_control::Answer::Done(answer) => answer["pkts"].as_u64().unwrap_or(0),
            flumen_control::Answer::Refused(why) => panic!("{why}"),
        };
        while packets(sensor.ask("iface-stat", json!({"iface": "b"}))) == 10 {
            sender.send(&udp(99));
        }
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        assert_eq!(log.flows.len(), 11);
    });
}

#[test]
fn any_interface_then_flows_of_all_that_there_are() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("any");
        let sensor = scratch.capture(&["-i", "any"]);
        let sender = Sender::on("a");
        (0..10).for_each(|port| sender.send(&udp(port)));
        // Each is sent by one end and comes in at the other.
        sensor.wait_for_packets("any", 20);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        let on = |name: &str| log.flows.iter().filter(|flow| flow["in_iface"] == name).count();
        assert_eq!((on("a"), on("b"), log.flows.len()), (10, 10, 20));
    });
}
