//! More than can be taken, sent by `tcpreplay`: what was captured is written, what was not is counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;

use flumen_control::Answer;
use serde_json::{Value, json};
use traffic::scenario::{Format, Options, Scenario};

use crate::load::{Load, replay};
use crate::net::{Net, in_namespace_with};
use crate::sensor::{Log, Scratch, Sensor};

const TWO_RINGS: &str = "af-packet=[{interface: b, threads: 2, defrag: no}]";

/// Flows of all sizes, in a file.
fn mixed(scratch: &Scratch, packets: u64) -> PathBuf {
    let sizes = Options { seed: 3, packets: Some(packets), ..Options::default() };
    let scenario = Scenario::named("zipf").expect("a scenario");
    let mut bytes = Vec::new();
    scenario.write(&sizes, Format::Pcap, scenario.snaplen, &mut bytes).expect("writing to memory");
    scratch.put("mixed.pcap", &bytes);
    scratch.path("mixed.pcap")
}

/// Packets that have come in on `b`, dropped ones included.
fn packets(sensor: &Sensor<'_>) -> u64 {
    match sensor.ask("iface-stat", json!({"iface": "b"})) {
        Answer::Done(answer) => answer["pkts"].as_u64().expect("a number"),
        Answer::Refused(why) => panic!("{why}"),
    }
}

fn wait_for_more(sensor: &Sensor<'_>, more: u64) {
    let before = packets(sensor);
    while packets(sensor) < before + more {
        std::thread::yield_now();
    }
}

/// What comes in on `b`, as the interface counts.
fn received(net: &Net) -> u64 {
    net.counted("b").received.0
}

/// The account closes in every `stats` event, and the records have all that is in flows.
#[track_caller]
fn assert_all_is_accounted_for(log: &Log, eve: &Path) {
    let ledger = log.ledger();
    let number = |value: &Value| value.as_u64().expect("a number");
    let (kernel, read) = (&ledger["kernel"], number(&ledger["read"]["packets"]));
    assert_eq!(number(&kernel["packets"]), number(&kernel["dropped"]) + number(&kernel["lost"]) + read, "{ledger}");
    let sum = |unit: &str| {
        let of = |flow: &Value, side: &str| number(&flow["flow"][format!("{unit}_{side}")]);
        log.flows.iter().map(|flow| of(flow, "toserver") + of(flow, "toclient")).sum::<u64>()
    };
    assert_eq!(sum("pkts"), number(&ledger["in_flows"]["packets"]));
    assert_eq!(sum("bytes"), number(&ledger["in_flows"]["bytes"]));
    assert_eq!(log.flows.len() as u64, number(&log.stats["flow"]["total"]));
    let text = fs::read_to_string(eve).expect("a log");
    for line in text.lines().filter(|line| line.contains("\"event_type\":\"stats\"")) {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let unaccounted = &event["stats"]["flumen"]["ledger"]["unaccounted"];
        assert_eq!(*unaccounted, json!({"packets": 0, "bytes": 0}), "{line}");
    }
}

#[test]
fn term_while_more_comes_than_goes_then_all_that_was_captured_is_written() {
    in_namespace_with(&["tcpreplay"], |net| {
        net.cable("a", "b");
        let scratch = Scratch::new("flat-out");
        let capture = mixed(&scratch, 20_000);
        let sensor = scratch.capture(&["-i", "b", "--set", TWO_RINGS]);
        let load = Load::of(&capture);
        wait_for_more(&sensor, 100_000);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        drop(load);
        assert_eq!(log.ledger()["kernel"]["lost"], 0);
        assert_all_is_accounted_for(&log, &scratch.path("live/eve.json"));
    });
}

#[test]
fn sensor_that_stands_still_again_and_again_then_drops_are_in_the_account() {
    in_namespace_with(&["tcpreplay"], |net| {
        net.cable("a", "b");
        let scratch = Scratch::new("standstill");
        let capture = mixed(&scratch, 20_000);
        let set = "af-packet=[{interface: b, threads: 2, defrag: no, ring-size: 1}]";
        let sensor = scratch.capture(&["-i", "b", "--set", set, "--set", "stats.interval=20ms"]);
        let is_over = AtomicBool::new(false);
        let sent = scope(|scope| {
            let replay = scope.spawn(|| {
                let sent = replay(&capture, &["--pps=100000", "--loop=10", "--unique-ip"]);
                is_over.store(true, Ordering::Release);
                sent
            });
            let wait_for = |more: u64| {
                let before = received(net);
                while received(net) < before + more && !is_over.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            };
            while !is_over.load(Ordering::Acquire) {
                sensor.signal(libc::SIGSTOP);
                wait_for(20_000);
                sensor.signal(libc::SIGCONT);
                wait_for(10_000);
            }
            replay.join().expect("no panic")
        });
        sensor.wait_for_packets("b", sent);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        let kernel = &log.ledger()["kernel"];
        assert_eq!(kernel["packets"], json!(sent));
        assert!(kernel["dropped"].as_u64() > Some(10_000), "{kernel}");
        assert!(log.stats["capture"]["freezes"].as_u64() > Some(0));
        assert!(log.ledger()["read"]["packets"].as_u64() > Some(0));
        assert_all_is_accounted_for(&log, &scratch.path("live/eve.json"));
    });
}

#[test]
fn interface_goes_down_and_comes_back_under_load_then_the_account_closes() {
    in_namespace_with(&["tcpreplay"], |net| {
        net.cable("a", "b");
        let scratch = Scratch::new("outages");
        let capture = mixed(&scratch, 20_000);
        let sensor = scratch.capture(&["-i", "b", "--set", TWO_RINGS]);
        let mut load = Load::of(&capture);
        for _ in 0..5 {
            wait_for_more(&sensor, 10_000);
            net.ip("link set dev b down");
            net.ip("link set dev b up");
            // The cable comes up a while after its end.
            let before = packets(&sensor);
            while packets(&sensor) == before {
                load.keep_up();
            }
        }
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        drop(load);
        assert!(log.ledger()["kernel"]["packets"].as_u64() > Some(50_000));
        assert_eq!(log.ledger()["kernel"]["lost"], 0);
        assert_all_is_accounted_for(&log, &scratch.path("live/eve.json"));
    });
}
