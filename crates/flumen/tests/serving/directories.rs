//! Directories of captures: read once, and watched.

use std::fs;
use std::time::{Duration, SystemTime};

use flumen_capture::CaptureFile;
use flumen_model::{PacketBatch, PacketSource};
use serde_json::json;

use crate::service::{Scratch, capture, events, stats};

#[test]
fn directory_then_its_captures_in_one_run_and_the_directory_goes_empty_when_wanted() {
    let scratch = Scratch::new("directory");
    scratch.directory("in");
    scratch.directory("out");
    scratch.put("in/b.pcap", &capture("office", 7));
    scratch.put("in/a.pcap", &capture("tcp-states", 8));
    scratch.put("in/notes", b"no capture");
    let read = scratch.run(&["read", "in", "-l", "read"]);
    assert_eq!(read.status.code(), Some(0));
    let service = scratch.serve(&[]);
    let job = json!({"filename": scratch.path("in"), "output-dir": scratch.path("out"), "delete-when-done": true});
    service.done("pcap-file", job);
    service.wait_until_idle();
    service.done("shutdown", json!({}));
    let said = service.end(0);
    assert_eq!(events(&scratch.path("out/eve.json")), events(&scratch.path("read/eve.json")));
    assert!(said.contains("notes: ") && said.ends_with("2 captures read, 1 could not be\n"), "{said}");
    let left: Vec<_> =
        fs::read_dir(scratch.path("in")).expect("it").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(left, ["notes"]);
}

#[test]
fn watched_directory_then_captures_are_read_as_they_come_until_the_interrupt() {
    let scratch = Scratch::new("watched");
    scratch.directory("in");
    scratch.directory("out");
    scratch.put("in/a.pcap", &capture("office", 7));
    let [first, second] = [7, 9].map(|seed| packets_of(capture("office", seed)));
    let both = first + second;
    for threads in ["1", "2"] {
        let service = scratch.serve(&["--threads", threads]);
        let job = json!({
            "filename": scratch.path("in"), "output-dir": scratch.path("out"), "delay": 0, "poll-interval": 0,
            "delete-when-done": threads == "2",
        });
        service.done("pcap-file-continuous", job);
        let packets = |wanted: u64| {
            service.wait(
                "dump-counters",
                |answer| matches!(answer, flumen_control::Answer::Done(stats) if stats["decoder"]["pkts"] == wanted),
            );
        };
        packets(first);
        // A name that comes into being whole.
        scratch.put("b", &capture("office", 9));
        let of_its_own = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = fs::File::options().write(true).open(scratch.path("b")).expect("it is there");
        file.set_modified(of_its_own).expect("its owner may");
        fs::rename(scratch.path("b"), scratch.path("in/b.pcap")).expect("moved");
        packets(both);
        assert_eq!(service.done("pcap-current", json!({})), json!(scratch.path("in")));
        let second_done = flumen_control::Answer::Done(1_000_000_000_000_u64.into());
        service.wait("pcap-last-processed", |answer| *answer == second_done);
        service.done("pcap-interrupt", json!({}));
        service.wait_until_idle();
        service.signal(libc::SIGTERM);
        let said = service.end(0);
        assert!(said.ends_with("2 captures read, 0 could not be\n"), "{said}");
        let ledger = &stats(&scratch.path("out/eve.json"))["flumen"]["ledger"];
        assert_eq!((&ledger["read"]["packets"], &ledger["unaccounted"]["packets"]), (&json!(both), &json!(0)));
        assert_eq!(scratch.path("in/a.pcap").exists(), threads == "1");
        if threads == "1" {
            fs::remove_file(scratch.path("in/b.pcap")).expect("removed");
        }
    }
    assert_eq!(fs::read_dir(scratch.path("in")).expect("it").count(), 0);
}

fn packets_of(bytes: Vec<u8>) -> u64 {
    let mut capture = CaptureFile::from_reader("it".to_owned(), std::io::Cursor::new(bytes)).expect("a capture");
    let mut batch = PacketBatch::new();
    let mut packets = 0;
    while capture.fill(&mut batch).expect("right") {
        packets += batch.len() as u64;
    }
    packets
}
