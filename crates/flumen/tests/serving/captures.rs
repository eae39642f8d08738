//! Captures: one after another, each by itself; what is broken, and what is ended early.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use flumen_capture::records::ByteOrder;
use flumen_capture::write::{PcapWriter, Ticks};
use flumen_control::Answer;
use flumen_model::Timestamp;
use serde_json::{Value, json};

use crate::service::{Scratch, Service, capture, events, stats};

/// A capture that takes longer than any test: few bytes, since zstd has been told the same again and again.
fn endless() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x40, 0, 0, 0x35, 0, 8, 0, 0]);
    let mut writer = PcapWriter::new(ByteOrder::Little, Ticks::Micros, 1);
    for _ in 0..10_000 {
        writer.packet(Timestamp::from_parts(1_600_000_000, 0), &frame, 60);
    }
    let (head, packets) = writer.bytes().split_at(24);
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("packed");
    [packed(head), packed(packets).repeat(50_000)].concat()
}

#[test]
fn captures_by_an_independent_client_then_each_as_read_alone_and_the_broken_one_passed_by() {
    if Command::new("python3").arg("--version").output().is_err() {
        // Where everything is checked there is a python3, or the check fails.
        assert!(std::env::var_os("FLUMEN_REQUIRE_PYTHON").is_none() && std::env::var_os("CI").is_none(), "no python3");
        eprintln!("no python3: the independent client was not run");
        return;
    }
    let scratch = Scratch::new("independent");
    scratch.put("a.pcap", &capture("office", 7));
    scratch.put("b.pcap", &capture("tcp-states", 8));
    scratch.put("broken.pcap", b"this is no capture");
    ["out-a", "out-b", "out-broken"].iter().for_each(|name| scratch.directory(name));
    let service = scratch.serve(&[]);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/serving/client.py");
    let socket = scratch.path("socket");
    let output = Command::new("python3")
        .arg("-B")
        .arg(script)
        .arg(socket)
        .arg("serve")
        .arg(scratch.path(""))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = service.end(0);
    for (name, out) in [("a.pcap", "out-a/eve.json"), ("b.pcap", "out-b/eve.json")] {
        assert_eq!(events(&scratch.path(out)), scratch.read(name), "{name}");
    }
    assert!(said.contains("broken.pcap: "), "{said}");
    assert!(events(&scratch.path("out-broken/eve.json")).is_empty());
    assert!(said.ends_with("2 captures read, 1 could not be\n"), "{said}");
    assert!(!scratch.path("socket").exists());
}

#[test]
fn capture_by_ctl_then_names_are_those_of_who_types_them_and_outputs_lie_where_they_are_told_to() {
    let scratch = Scratch::new("ctl");
    scratch.directory("elsewhere");
    scratch.directory("logs/out");
    scratch.put("elsewhere/a.pcap", &capture("office", 7));
    let service = scratch.serve(&["-l", &scratch.text("logs")]);
    let socket = scratch.text("socket");
    let mut ctl = scratch.command(&["ctl", "--socket", &socket, "pcap-file", "a.pcap", "."]);
    let output = ctl.current_dir(scratch.path("elsewhere")).output().expect("flumen runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // Another client, which sends what it likes.
    service.done("pcap-file", json!({"filename": scratch.path("elsewhere/a.pcap"), "output-dir": "out"}));
    service.wait_until_idle();
    service.done("shutdown", json!({}));
    service.end(0);
    let read = scratch.read("elsewhere/a.pcap");
    assert_eq!(events(&scratch.path("elsewhere/eve.json")), read);
    assert_eq!(events(&scratch.path("logs/out/eve.json")), read);
}

#[test]
fn interrupt_in_the_middle_then_what_was_read_is_written_and_the_next_one_follows() {
    let scratch = Scratch::new("interrupt");
    scratch.put("endless.pcap.zst", &endless());
    scratch.put("a.pcap", &capture("office", 7));
    scratch.directory("out");
    scratch.directory("out-a");
    for threads in ["1", "2"] {
        let service = scratch.serve(&["--threads", threads]);
        let endless = scratch.path("endless.pcap.zst");
        service.done(
            "pcap-file",
            json!({"filename": endless, "output-dir": scratch.path("out"), "delete-when-done": true}),
        );
        service.done("pcap-file", json!({"filename": scratch.path("a.pcap"), "output-dir": scratch.path("out-a")}));
        service.wait_for_packets();
        assert_eq!(service.done("pcap-current", json!({})), json!(endless));
        assert_eq!(service.done("pcap-file-number", json!({})), json!(1));
        // While it reads it can be looked into.
        service.done("memcap-set", json!({"config": "flow", "memcap": "64mb"}));
        assert_eq!(service.done("memcap-show", json!({"config": "flow"})), json!({"value": "64mb"}));
        assert_eq!(service.done("pcap-interrupt", json!({})), json!("Interrupted"));
        service.wait_until_idle();
        assert_eq!(service.done("memcap-show", json!({"config": "flow"})), json!({"value": "64mb"}), "and afterwards");
        service.signal(libc::SIGTERM);
        let said = service.end(0);
        assert!(said.contains("endless.pcap.zst, interrupted: "), "{said}");
        assert!(endless.exists(), "it has not been read to its end");
        let lines = events(&scratch.path("out/eve.json"));
        let flow: Value = serde_json::from_str(&lines[0]).expect("JSON");
        let ledger = &stats(&scratch.path("out/eve.json"))["flumen"]["ledger"];
        assert_eq!(flow["flow"]["pkts_toserver"], ledger["read"]["packets"], "every packet is the one flow's");
        assert_eq!(ledger["unaccounted"], json!({"packets": 0, "bytes": 0}));
        assert_eq!(stats(&scratch.path("out-a/eve.json"))["flumen"]["ledger"]["unaccounted"]["packets"], json!(0));
        fs::remove_file(scratch.path("out/eve.json")).expect("removed");
    }
    let mut both = events(&scratch.path("out-a/eve.json"));
    let mut twice: Vec<_> = scratch.read("a.pcap").into_iter().flat_map(|line| [line.clone(), line]).collect();
    // The order of two workers is another.
    both.sort();
    twice.sort();
    assert_eq!(both, twice);
}

#[test]
fn end_while_reading_then_0_and_what_was_read_is_written_and_what_waited_is_told() {
    let scratch = Scratch::new("end");
    scratch.put("endless.pcap.zst", &endless());
    scratch.directory("out");
    let by_signal = |service: &crate::service::Service<'_>| service.signal(libc::SIGTERM);
    let by_command = |service: &crate::service::Service<'_>| drop(service.done("shutdown", json!({})));
    for end in [&by_signal as &dyn Fn(&crate::service::Service<'_>), &by_command] {
        let mut service = scratch.serve(&[]);
        for _ in 0..3 {
            let job = json!({"filename": scratch.path("endless.pcap.zst"), "output-dir": scratch.path("out")});
            service.done("pcap-file", job);
        }
        service.wait_for_packets();
        service.signal(libc::SIGUSR1);
        service.wait_for_message(" flows so far; 2 captures wait");
        end(&service);
        let said = service.end(0);
        assert!(said.ends_with("0 captures read, 0 could not be; 2 that waited were not read\n"), "{said}");
        assert_eq!(events(&scratch.path("out/eve.json")).len(), 2, "a flow and a netflow");
        assert_eq!(stats(&scratch.path("out/eve.json"))["flumen"]["ledger"]["unaccounted"]["packets"], json!(0));
        fs::remove_file(scratch.path("out/eve.json")).expect("removed");
    }
}

#[test]
fn captures_that_are_bad_in_every_way_then_told_and_the_next_one_is_read() {
    let scratch = Scratch::new("bad");
    let whole = capture("office", 7);
    scratch.put("a.pcap", &whole);
    scratch.put("cut.pcap", &whole[..whole.len() - 7]);
    scratch.put("empty.pcap", b"");
    scratch.directory("out");
    scratch.directory("full");
    // Its log cannot be opened.
    scratch.directory("full/eve.json");
    let mut service = scratch.serve(&[]);
    let add = |name: &str, out: &str| {
        service.done(
            "pcap-file",
            json!({"filename": scratch.path(name), "output-dir": scratch.path(out), "delete-when-done": true}),
        );
    };
    add("cut.pcap", "out");
    add("empty.pcap", "out");
    add("a.pcap", "full");
    service.wait_until_idle();
    assert!(scratch.path("a.pcap").exists(), "no record of it was written");
    add("a.pcap", "out");
    service.wait_until_idle();
    for part in ["cut.pcap: ", "empty.pcap: ", "full/eve.json"] {
        service.wait_for_message(part);
    }
    service.signal(libc::SIGINT);
    let said = service.end(0);
    assert!(said.ends_with("2 captures read, 2 could not be\n"), "{said}");
    assert!(
        !scratch.path("a.pcap").exists() && scratch.path("cut.pcap").exists() && scratch.path("empty.pcap").exists()
    );
}

#[test]
fn hundreds_of_captures_then_memory_stays_where_it_was() {
    let scratch = Scratch::new("flat");
    scratch.put("a.pcap", &capture("office", 7));
    scratch.directory("out");
    let service = scratch.serve(&["--hash-size", "1024", "--threads", "1"]);
    let read = |times: usize| {
        for _ in 0..times {
            service.done("pcap-file", json!({"filename": scratch.path("a.pcap"), "output-dir": scratch.path("out")}));
        }
        service.wait_until_idle();
        let status = fs::read_to_string(format!("/proc/{}/status", service.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let early = read(30);
    let late = read(300);
    assert!(late < early + 2_048, "{early} kB after 30 captures, {late} kB after 330");
    service.done("shutdown", json!({}));
    service.end(0);
}

#[test]
fn socket_that_cannot_be_or_nothing_to_write_then_1() {
    let scratch = Scratch::new("no-socket");
    let output = scratch.run(&["serve", "--socket", "/dev/null/socket"]);
    assert_eq!(output.status.code(), Some(1));
    let service = scratch.serve(&[]);
    let second = scratch.run(&["serve", "--socket", "socket"]);
    assert_eq!(second.status.code(), Some(1), "somebody listens there already");
    assert!(matches!(service.client().call("uptime", serde_json::Map::new()), Ok(Answer::Done(_))));
    let off = scratch.run(&["serve", "--socket", "other", "--set", "outputs.eve-log.enabled=no"]);
    assert_eq!(off.status.code(), Some(1));
    service.signal(libc::SIGTERM);
    service.end(0);
}

#[test]
fn configuration_read_again_then_the_next_capture_is_read_with_it_and_what_is_wrong_changes_nothing() {
    let scratch = Scratch::new("reload");
    scratch.put("a.pcap", &capture("office", 7));
    scratch.put("flumen.yaml", b"flow: {memcap: 64mb}\n");
    let mut service = scratch.serve(&["-c", "flumen.yaml"]);
    let read = |service: &Service<'_>, output: &str| {
        scratch.directory(output);
        let job = json!({"filename": scratch.path("a.pcap"), "output-dir": scratch.path(output)});
        service.done("pcap-file", job);
        service.wait_until_idle();
        events(&scratch.path(output).join("eve.json"))
    };
    let before = read(&service, "before");
    assert!(before.iter().any(|line| line.contains("netflow")));
    let flows_only =
        "outputs: [{eve-log: {types: [flow]}}]\nflumen: {metrics: \"127.0.0.1:9\"}\nstats: {interval: 5}\n";
    let reload = |service: &mut Service<'_>, text: &str| {
        scratch.put("flumen.yaml", text.as_bytes());
        service.said.clear();
        service.signal(libc::SIGUSR2);
        service.wait_for_message("was read again");
        service.said.clone()
    };
    let wrong = format!("flow: {{memcap: 1gb}}\n{flows_only}xyz: 1\n");
    assert!(reload(&mut service, &wrong).contains("\nflumen: flumen.yaml:5: unknown key 'xyz'"));
    let off = reload(&mut service, "outputs: [{eve-log: {enabled: no}}]\n");
    assert!(off.contains("nothing to write\nflumen: flumen.yaml was read again and is wrong"), "{off}");
    assert_eq!(read(&service, "between"), before);
    let said = reload(&mut service, &format!("flow: {{memcap: 128mb}}\n{flows_only}"));
    for line in [
        "flow.memcap: 64mb -> 128mb\n",
        "outputs.eve-log.types.netflow.enabled: yes -> no: from the next capture on\n",
        "flumen.metrics: not set -> \"127.0.0.1:9\": takes a restart\n",
        "stats.interval: 8 -> 5: no effect, as it is about flumen capture\n",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert_eq!(service.done("memcap-show", json!({"config": "flow"})), json!({"value": "128mb"}));
    let after = read(&service, "after");
    assert!(!after.is_empty() && after.iter().all(|line| line.contains("\"event_type\":\"flow\"")));
    let again = reload(&mut service, &format!("flow: {{memcap: 128mb}}\n{flows_only}"));
    assert!(again.contains("flumen.metrics: ") && again.ends_with("was read again: 1 change\n"), "{again}");
    service.signal(libc::SIGTERM);
    service.end(0);
}
