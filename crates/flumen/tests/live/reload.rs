//! A capture reads its configuration again while it runs (SIGUSR2).

use std::fs;

use serde_json::json;

use crate::net::{Sender, in_namespace};
use crate::sensor::{Log, Scratch, Sensor, udp};

/// The rest of the configuration: what takes a restart must not change by itself.
fn configuration(memcap: &str, filter: &str, interval: &str, more: &str) -> String {
    format!(
        "flow: {{memcap: {memcap}}}\ndefrag: {{memcap: {memcap}}}\nstats: {{interval: {interval}}}\n\
         af-packet:\n  - interface: default\n    bpf-filter: {filter}\n{more}"
    )
}

/// Has it read the file again, and hands out what it said about that.
fn reload(sensor: &mut Sensor<'_>) -> String {
    let before = sensor.said.len();
    sensor.signal(libc::SIGUSR2);
    while !sensor.said[before..].contains("was read again") {
        sensor.read_line();
    }
    sensor.said.split_off(before)
}

fn to_port(port: u8) -> Vec<u8> {
    let mut frame = udp(1000 + u16::from(port));
    frame[37] = port;
    frame
}

#[test]
fn file_changed_then_limits_filter_and_interval_are_new_and_the_rest_takes_a_restart() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("reload");
        let put = |text: String| scratch.put("flumen.yaml", text.as_bytes());
        put(configuration("64mb", "udp dst port 53", "1h", ""));
        let mut sensor = scratch.capture(&["-c", "flumen.yaml", "-i", "b", "--threads", "2"]);
        let sender = Sender::on("a");
        [52, 53].iter().for_each(|&port| sender.send(&to_port(port)));
        sensor.wait_for_packets("b", 1);
        assert_eq!(reload(&mut sensor), "flumen: flumen.yaml was read again: nothing has changed\n");

        put(configuration("128mb", "udp dst port 52", "20ms", "flow-timeouts: {udp: {new: 60}}\n"));
        let timeout = "flumen: flow-timeouts.udp.new: 30 -> 60: takes a restart\n";
        let said = reload(&mut sensor);
        for line in [
            "flumen: flow.memcap: 64mb -> 128mb\n",
            "flumen: defrag.memcap: 64mb -> 128mb\n",
            "flumen: stats.interval: 3600 -> 20ms\n",
            "flumen: af-packet.bpf-filter of b: \"udp dst port 53\" -> \"udp dst port 52\"\n",
            timeout,
            "flumen: flumen.yaml was read again: 5 changes\n",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
        assert_eq!(said.lines().count(), 6, "{said}");
        // Ports of both sides, so that both rings are asked.
        for round in 0..20 {
            let mut frames = [to_port(53), to_port(52)];
            frames.iter_mut().for_each(|frame| frame[35] = round);
            frames.iter().for_each(|frame| sender.send(frame));
        }
        sensor.wait_for_packets("b", 21);
        let value = |name: &str| sensor.done("memcap-show", json!({"config": name}));
        assert_eq!((value("flow"), value("defrag")), (json!({"value": "128mb"}), json!({"value": "128mb"})));
        let value = |key: &str| sensor.done("conf-get", json!({"variable": key}));
        assert_eq!((value("stats.interval"), value("flow-timeouts.udp.new")), (json!("20ms"), json!("30")));
        while Log::so_far(&scratch.path("live/eve.json")).stats_events < 3 {
            std::thread::yield_now();
        }
        assert_eq!(reload(&mut sensor), format!("{timeout}flumen: flumen.yaml was read again: 1 change\n"));

        // More than that is in use: what cannot be made is said, and the rest is made.
        put(configuration("128mb", "udp", "1h", "")
            .replace("flow: {memcap: 128mb}", "flow: {memcap: 1mb, hash-size: 64}"));
        let said = reload(&mut sensor);
        assert!(
            said.contains("flow.memcap: 128mb -> 1mb: not done: ") && said.contains(" bytes are in use\n"),
            "{said}"
        );
        assert!(said.contains("flow.hash-size: 65536 -> 64: takes a restart\n"), "{said}");
        [52, 53].iter().for_each(|&port| sender.send(&to_port(port)));
        sensor.wait_for_packets("b", 23);
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn file_or_filter_that_is_wrong_then_it_is_told_with_its_line_and_nothing_changes() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("reload-wrong");
        let right = configuration("64mb", "udp dst port 53", "1h", "");
        scratch.put("flumen.yaml", right.as_bytes());
        let mut sensor = scratch.capture(&["-c", "flumen.yaml", "-i", "b"]);
        let wrong = [
            (configuration("128mb", "udp", "1s", "flow-timeouts: {udp: {new: soon}}\n"), "flumen.yaml:7: "),
            (configuration("128mb", "\"udp dst prt 53\"", "1s", ""), "flumen.yaml:6: af-packet.bpf-filter"),
            ("flow: [".to_owned(), "flumen.yaml:"),
        ];
        for (text, place) in wrong {
            scratch.put("flumen.yaml", text.as_bytes());
            let said = reload(&mut sensor);
            assert!(said.starts_with(&format!("flumen: {place}")), "{said}");
            assert!(said.ends_with("flumen: flumen.yaml was read again and is wrong: nothing is changed\n"), "{said}");
        }
        fs::remove_file(scratch.path("flumen.yaml")).expect("removed");
        assert!(reload(&mut sensor).contains("flumen.yaml: No such file or directory"));
        assert_eq!(sensor.done("memcap-show", json!({"config": "flow"})), json!({"value": "64mb"}));
        let sender = Sender::on("a");
        [52, 53, 54].iter().for_each(|&port| sender.send(&to_port(port)));
        sensor.wait_for_packets("b", 1);
        scratch.put("flumen.yaml", right.as_bytes());
        assert_eq!(reload(&mut sensor), "flumen: flumen.yaml was read again: nothing has changed\n");
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn file_and_what_it_includes_replaced_while_shut_in_then_the_new_ones_are_read() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("reload-replaced");
        fs::create_dir(scratch.path("etc")).expect("a directory");
        fs::create_dir(scratch.path("elsewhere")).expect("a directory");
        // As editors and packages do it: the name leads to another file.
        let replace = |name: &str, text: &str| {
            scratch.put("etc/new", text.as_bytes());
            fs::rename(scratch.path("etc/new"), scratch.path("etc").join(name)).expect("renamed");
        };
        replace("flow.yaml", "memcap: 64mb\n");
        replace("flumen.yaml", "flow: !include flow.yaml\n");
        let mut sensor = scratch.capture(&["-c", "etc/flumen.yaml", "-i", "b"]);
        replace("flow.yaml", "memcap: 65mb\n");
        assert!(reload(&mut sensor).contains("flow.memcap: 64mb -> 65mb\n"));
        replace("other.yaml", "memcap: 66mb\n");
        replace("flumen.yaml", "flow: !include other.yaml\n");
        assert!(reload(&mut sensor).contains("flow.memcap: 65mb -> 66mb\n"));
        if !sensor.said.contains("does not have Landlock") {
            scratch.put("elsewhere/flow.yaml", b"memcap: 67mb\n");
            replace("flumen.yaml", "flow: !include ../elsewhere/flow.yaml\n");
            let said = reload(&mut sensor);
            assert!(said.contains("etc/flumen.yaml:1: etc/../elsewhere/flow.yaml: Permission denied"), "{said}");
        }
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}

#[test]
fn filter_on_the_command_line_then_that_of_the_file_stays_without_effect() {
    in_namespace(|net| {
        net.cable("a", "b");
        let scratch = Scratch::new("reload-filter");
        scratch.put("flumen.yaml", b"af-packet:\n  - interface: b\n    bpf-filter: tcp\n");
        let mut sensor = scratch.capture(&["-c", "flumen.yaml", "udp", "dst", "port", "53"]);
        scratch.put("flumen.yaml", b"af-packet:\n  - interface: c\n    bpf-filter: icmp\n");
        let said = reload(&mut sensor);
        assert!(said.contains("af-packet.interface: b -> not set: takes a restart\n"), "{said}");
        assert!(said.contains("af-packet.interface: not set -> c: takes a restart\n"), "{said}");
        assert!(!said.contains("bpf-filter"), "{said}");
        scratch.put("flumen.yaml", b"af-packet:\n  - interface: b\n    bpf-filter: icmp\n");
        let said = reload(&mut sensor);
        assert!(said.contains("bpf-filter of b: tcp -> icmp: no effect, as the command line has a filter\n"), "{said}");
        let sender = Sender::on("a");
        [52, 53].iter().for_each(|&port| sender.send(&to_port(port)));
        sensor.wait_for_packets("b", 1);
        sensor.signal(libc::SIGTERM);
        sensor.end(0);
    });
}
