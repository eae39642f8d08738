//! What belongs to an interface: its counters, its name in records, its checksums and its clock.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::scope;

use flumen_control::Answer;
use serde_json::{Value, json};

use crate::net::{Sender, in_namespace};
use crate::sensor::{Log, Scratch, Sensor, udp};

fn interface(sensor: &Sensor<'_>, name: &str) -> Value {
    match sensor.ask("iface-stat", json!({"iface": name})) {
        Answer::Done(answer) => answer,
        Answer::Refused(why) => panic!("{why}"),
    }
}

/// A TCP segment, of which the checksum is not filled in.
fn tcp(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.extend([4, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    frame
}

/// This host talks to itself; the kernel has no reason to compute checksums.
fn talk() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    scope(|scope| {
        scope.spawn(|| {
            let (mut client, _) = listener.accept().expect("a client");
            let mut text = String::new();
            client.read_to_string(&mut text).expect("text");
            assert_eq!(text.len(), 1000);
        });
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(&[b'x'; 1000]).expect("sent");
    });
}

fn invalid_after_talking(checks: &'static str) -> Option<u64> {
    let (done, result) = std::sync::mpsc::channel();
    in_namespace(move |net| {
        net.ip("link set dev lo up");
        let scratch = Scratch::new(&format!("checks-{checks}"));
        let interface = format!("af-packet=[{{interface: lo, checksum-checks: {checks}}}]");
        let sensor = scratch.capture(&["-i", "lo", "--set", &interface]);
        talk();
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        assert!(log.ledger()["read"]["packets"].as_u64() > Some(5));
        done.send(log.stats["tcp"]["invalid_checksum"].as_u64()).expect("wanted");
    });
    // Nothing comes when the test cannot run here.
    result.recv().ok().flatten()
}

#[test]
fn checksums_that_the_kernel_leaves_to_a_card_then_believed_when_it_is_asked_and_wrong_when_not() {
    assert!(matches!(invalid_after_talking("kernel"), None | Some(0)));
    assert!(invalid_after_talking("yes") != Some(0));
}

#[test]
fn two_interfaces_then_each_counts_its_own_wrong_checksums() {
    in_namespace(|net| {
        net.cable("a", "b");
        net.cable("c", "d");
        let scratch = Scratch::new("invalid");
        let sensor = scratch.capture(&["-i", "b", "-i", "d", "--threads", "2"]);
        let (a, c) = (Sender::on("a"), Sender::on("c"));
        (0..7).for_each(|port| a.send(&tcp(port)));
        (0..3).for_each(|port| c.send(&udp(port)));
        c.send(&tcp(1));
        sensor.wait_for_packets("b", 7);
        sensor.wait_for_packets("d", 4);
        // Those of workers are as of their last batches.
        let invalid = |name| interface(&sensor, name)["invalid-checksums"].clone();
        while [invalid("b"), invalid("d")] != [json!(7), json!(1)] {
            assert!(invalid("b").as_u64() <= Some(7) && invalid("d").as_u64() <= Some(1));
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn any_interface_on_two_rings_then_records_and_anomalies_have_the_name_of_theirs() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("any-two");
        let anomaly = "outputs.eve-log.types.anomaly.enabled=yes";
        let sensor = scratch.capture(&["-i", "any", "--threads", "2", "--set", anomaly]);
        assert!(sensor.said.contains("capturing on any (2 rings)"), "{}", sensor.said);
        let sender = Sender::on("a");
        (0..50).for_each(|port| sender.send(&udp(port)));
        let mut odd = udp(1);
        // A header of 16 bytes.
        odd[14] = 0x44;
        sender.send(&odd);
        sensor.wait_for_packets("any", 102);
        sensor.signal(libc::SIGTERM);
        let log = sensor.end(0);
        let on = |events: &[Value], name: &str| events.iter().filter(|event| event["in_iface"] == name).count();
        assert_eq!((on(&log.flows, "a"), on(&log.flows, "b"), log.flows.len()), (50, 50, 100));
        let text = std::fs::read_to_string(scratch.path("live/eve.json")).expect("a log");
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let anomalies: Vec<Value> = events.into_iter().filter(|event| event["event_type"] == "anomaly").collect();
        assert_eq!((on(&anomalies, "a"), on(&anomalies, "b"), anomalies.len()), (1, 1, 2));
    });
}

#[test]
fn filter_on_any_interface_then_frames_of_all_pass_it_or_not() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("any-filter");
        let sensor = scratch.capture(&["-i", "any", "udp", "src", "portrange", "10-19"]);
        let sender = Sender::on("a");
        (0..50).for_each(|port| sender.send(&udp(port)));
        sensor.wait_for_packets("any", 20);
        sensor.signal(libc::SIGTERM);
        assert_eq!(sensor.end(0).flows.len(), 20);
    });
}

#[test]
fn card_that_does_not_stamp_then_said_and_the_kernel_does() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("stamps");
        let stamps = "af-packet=[{interface: b, timestamps: hardware}]";
        let sensor = scratch.capture(&["-i", "b", "--set", stamps]);
        assert!(sensor.said.contains("packets have the kernel's"), "{}", sensor.said);
        assert!(!sensor.said.contains("by its card"), "{}", sensor.said);
        Sender::on("a").send(&udp(1));
        sensor.wait_for_packets("b", 1);
        sensor.signal(libc::SIGTERM);
        assert_eq!(sensor.end(0).flows.len(), 1);
    });
}

#[test]
fn interface_that_goes_for_good_then_said_and_the_run_ends_as_any() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("gone");
        let mut sensor = scratch.capture(&["-i", "b", "--set", "stats.interval=10ms"]);
        let sender = Sender::on("a");
        (0..10).for_each(|port| sender.send(&udp(port)));
        sensor.wait_for_packets("b", 10);
        net.ip("link del dev a");
        sensor.wait_for_message("b: the interface is down or away; capturing goes on when it is back");
        net.cable("a", "b");
        sensor.wait_for_message("b: the interface is back");
        let sender = Sender::on("a");
        while Log::so_far(&scratch.path("live/eve.json")).stats["flow"]["total"] == json!(10) {
            sender.send(&udp(99));
        }
        net.ip("link del dev a");
        sensor.wait_for_message("b: the interface is back\nflumen: b: the interface is down or away");
        sensor.signal(libc::SIGTERM);
        assert_eq!(sensor.end(0).flows.len(), 11);
    });
}
