//! A capture is looked into and steered while it runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use flumen_control::Answer;
use serde_json::{Value, json};

use crate::net::{Sender, in_namespace};
use crate::sensor::{Log, Scratch, frames};

fn done(answer: Answer) -> Value {
    match answer {
        Answer::Done(message) => message,
        Answer::Refused(why) => panic!("refused: {why}"),
    }
}

#[test]
fn control_socket_while_capturing_then_it_answers_and_ends_the_run() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("control");
        let frames = frames("office", 300);
        let sensor = scratch.capture(&["-i", "b"]);
        let sender = Sender::on("a");
        frames.iter().for_each(|frame| sender.send(frame));
        sensor.wait_for_packets("b", frames.len());

        assert_eq!(done(sensor.ask("capture-mode", Value::Null)), "AF_PACKET_DEV");
        assert_eq!(done(sensor.ask("iface-list", Value::Null)), json!({"count": 1, "ifaces": ["b"]}));
        assert_eq!(done(sensor.ask("conf-get", json!({"variable": "flow.hash-size"}))), "65536");
        done(sensor.ask("memcap-set", json!({"config": "flow", "memcap": "256mb"})));
        assert_eq!(done(sensor.ask("memcap-show", json!({"config": "flow"}))), json!({"value": "256mb"}));
        assert!(matches!(sensor.ask("memcap-set", json!({"config": "flow", "memcap": "1kb"})), Answer::Refused(_)));
        done(sensor.ask("memcap-set", json!({"config": "defrag", "memcap": "64mb"})));
        let both = json!([{"name": "flow", "value": "256mb"}, {"name": "defrag", "value": "64mb"}]);
        assert_eq!(done(sensor.ask("memcap-list", Value::Null)), both);
        match sensor.ask("memcap-set", json!({"config": "stream", "memcap": "1gb"})) {
            Answer::Refused(why) => assert_eq!(why, "Available config: flow defrag"),
            Answer::Done(done) => panic!("{done}"),
        }
        // Counters are as of the last block that a worker has taken.
        let counters = loop {
            let counters = done(sensor.ask("dump-counters", Value::Null));
            if counters["decoder"]["pkts"] == json!(frames.len()) {
                break counters;
            }
        };
        assert!(matches!(sensor.ask("memcap-set", json!({"config": "defrag", "memcap": "1kb"})), Answer::Refused(_)));
        assert_eq!(counters["capture"]["kernel_packets"], json!(frames.len()));
        assert_eq!(counters["flow"]["active"], counters["flow"]["total"]);
        assert!(matches!(sensor.ask("get-flow-stats-by-id", json!({"flow_id": 1})), Answer::Refused(_)));
        done(sensor.ask("shutdown", Value::Null));
        let live = sensor.end(0);
        assert_eq!(live.stats["capture"]["kernel_drops"], 0);
        assert!(!scratch.path("socket").exists(), "it takes its socket away");
    });
}

#[test]
fn log_moved_away_then_a_new_one_after_hup_and_stats_in_it_after_usr1() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("hup");
        let mut sensor = scratch.capture(&["-i", "b", "--set", "stats.interval=1h"]);
        let eve = scratch.path("live/eve.json");
        fs::rename(&eve, scratch.path("live/old.json")).expect("moved");
        sensor.signal(libc::SIGHUP);
        sensor.signal(libc::SIGUSR2);
        sensor.wait_for_message("there is no configuration file (-c) to be read again");
        // Signals of different kinds are taken in no certain order: HUP is seen by the new file.
        while Log::so_far(&eve).stats_events == 0 {
            sensor.signal(libc::SIGHUP);
            sensor.signal(libc::SIGUSR1);
            std::thread::yield_now();
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn hup_while_nothing_is_written_then_a_new_file_at_once() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("hup-idle");
        let sensor = scratch.capture(&["-i", "b", "--set", "stats.interval=1h"]);
        let eve = scratch.path("live/eve.json");
        fs::rename(&eve, scratch.path("live/old.json")).expect("moved");
        sensor.signal(libc::SIGHUP);
        while !eve.exists() {
            std::thread::yield_now();
        }
        fs::rename(&eve, scratch.path("live/older.json")).expect("moved");
        done(sensor.ask("reopen-log-files", Value::Null));
        while !eve.exists() {
            std::thread::yield_now();
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
        assert_eq!(fs::read_to_string(scratch.path("live/old.json")).expect("a log"), "");
    });
}

#[test]
fn snapshots_at_an_interval_then_in_the_log_and_in_the_table() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("stats");
        let arguments = ["-i", "b", "--set", "stats.interval=20ms", "--set", "outputs.stats.enabled=yes"];
        let sensor = scratch.capture(&arguments);
        while Log::so_far(&scratch.path("live/eve.json")).stats_events < 3 {
            std::thread::yield_now();
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
        let table = fs::read_to_string(scratch.path("live/stats.log")).expect("a table");
        assert!(table.contains("capture.afpacket.polls"));
    });
}

#[test]
fn pages_while_capturing_then_metrics_and_ready_until_the_interface_is_down() {
    in_namespace(|net| {
        net.cable("a", "b");
        net.ip("link set dev lo up");
        let scratch = Scratch::new("pages");
        let sensor = scratch.capture(&["-i", "b", "--set", "flumen.metrics=127.0.0.1:9143"]);
        let get = |page: &str| {
            let mut client = TcpStream::connect("127.0.0.1:9143").expect("it listens");
            write!(client, "GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
            let mut answer = String::new();
            client.read_to_string(&mut answer).expect("text");
            answer
        };
        let frames = frames("office", 50);
        let sender = Sender::on("a");
        frames.iter().for_each(|frame| sender.send(frame));
        sensor.wait_for_packets("b", frames.len());
        let captured = format!("\nflumen_capture_kernel_packets_total {}\n", frames.len());
        let metrics = get("/metrics");
        assert!(metrics.contains(&captured), "{metrics}");
        assert!(metrics.contains("\nflumen_ledger_unaccounted_packets 0\n"), "{metrics}");
        assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
        assert!(get("/readyz").starts_with("HTTP/1.1 200 "));
        net.ip("link set dev b down");
        while !get("/readyz").ends_with("b is down\n") {}
        net.ip("link set dev b up");
        while !get("/readyz").starts_with("HTTP/1.1 200 ") {}
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}
