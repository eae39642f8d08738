//! How a capture begins and ends: rights, load, interfaces that are not there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
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
fn killed_while_it_writes_then_no_line_but_the_last_is_cut_and_the_next_run_ends_that() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("kill");
        let arguments = ["-i", "b", "--timeout", "udp.new=0", "--set", "stats.interval=5ms", "--hash-size", "64"];
        let sensor = scratch.capture(&arguments);
        let sender = Sender::on("a");
        let eve = scratch.path("live/eve.json");
        let mut ports = (0..=u16::MAX).cycle();
        while fs::metadata(&eve).expect("a log").len() < 200_000 {
            ports.by_ref().take(100).for_each(|port| sender.send(&udp(port)));
        }
        sensor.signal(libc::SIGKILL);
        drop(sensor);
        let before = Log::so_far(&eve).flows.len();
        assert!(before > 0, "every line is an object");
        // A system that kills between two pages of one write leaves a part of a line, which nobody's first line is glued to.
        let is_cut = !fs::read_to_string(&eve).expect("a log").ends_with('\n');
        let sensor = scratch.capture(&["-i", "b"]);
        sensor.signal(libc::SIGTERM);
        sensor.wait();
        let text = fs::read_to_string(&eve).expect("a log");
        let broken = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
        assert_eq!((broken, text.ends_with('\n')), (usize::from(is_cut), true));
    });
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
