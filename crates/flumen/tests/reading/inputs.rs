//! The same packets, however they come in: the records are the same.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Stdio;

use traffic::scenario::{Format, Scenario};

use crate::support::{Scratch, Written, capture, message, small};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).expect("compressed");
    out
}

#[test]
fn compressed_then_the_records_of_the_plain_file_whatever_the_name() {
    let scratch = Scratch::new("compressed");
    let plain = capture("office");
    let squeezed = [("a.pcap.gz", gzip(&plain)), ("a.pcap.zst", zstd::encode_all(&plain[..], 1).expect("compressed"))];
    scratch.put("a.pcap", &plain);
    let expected = scratch.read(&["a.pcap"], 0);
    assert!(expected.flows.len() > 100);
    for (name, bytes) in squeezed {
        for name in [name, "misnamed.pcap"] {
            scratch.put(name, &bytes);
            let written = scratch.read(&[name, "--audit"], 0);
            assert!(written.lines == expected.lines, "{name}");
        }
    }
}

#[test]
fn standard_input_then_the_records_of_the_file() {
    let scratch = Scratch::new("standard-input");
    let plain = capture("office");
    scratch.put("a.pcap", &plain);
    scratch.put("a.pcap.gz", &gzip(&plain));
    let expected = scratch.read(&["a.pcap"], 0);
    for name in ["a.pcap", "a.pcap.gz"] {
        let mut command = scratch.command(&["read", "-", "-l", name.trim_start_matches("a.")]);
        command.stdin(File::open(scratch.path(name)).expect("the capture"));
        let output = command.output().expect("flumen runs");
        assert_eq!(output.status.code(), Some(0), "{}", message(&output));
        let written = Written::of(&scratch.path(name.trim_start_matches("a.")).join("eve.json"));
        assert!(written.lines == expected.lines, "a file as standard input, {name}");
    }
    // A pipe, which gives what it has in pieces.
    let mut child = scratch.command(&["read", "-", "-l", "piped"]).stdin(Stdio::piped()).spawn().expect("flumen runs");
    let mut pipe = child.stdin.take().expect("its standard input");
    for piece in plain.chunks(1_237) {
        pipe.write_all(piece).expect("a reader");
    }
    drop(pipe);
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert!(Written::of(&scratch.path("piped/eve.json")).lines == expected.lines, "a pipe");
}

#[test]
fn other_formats_then_the_records_of_classic_pcap() {
    let scratch = Scratch::new("formats");
    let scenario = Scenario::named("tcp-states").expect("a scenario");
    let mut lines = Vec::new();
    for (name, format) in [("us.pcap", Format::Pcap), ("ns.pcap", Format::PcapNanos), ("b.pcapng", Format::Pcapng)] {
        let mut bytes = Vec::new();
        scenario.write(&small(), format, scenario.snaplen, &mut bytes).expect("writing to memory");
        scratch.put(name, &bytes);
        lines.push(scratch.read(&[name], 0).lines);
    }
    assert!(lines[0] == lines[1] && lines[0] == lines[2]);
}

#[test]
fn directory_then_its_captures_in_the_order_of_time() {
    let scratch = Scratch::new("directory");
    let whole = capture("idle-gaps");
    // Cut in two between records; the later half has the name that comes first.
    let mut half = 24;
    while half < whole.len() / 2 {
        half += 16 + u32::from_le_bytes(whole[half + 8..half + 12].try_into().expect("four bytes")) as usize;
    }
    fs::create_dir(scratch.path("captures")).expect("a directory");
    scratch.put("captures/a.pcap", &[&whole[..24], &whole[half..]].concat());
    scratch.put("captures/b.pcap", &whole[..half]);
    scratch.put("captures/notes.txt", b"taken in the office\n");
    scratch.put("whole.pcap", &whole);
    let (expected, written) = (scratch.read(&["whole.pcap"], 0), scratch.read(&["captures", "--audit"], 0));
    assert!(written.lines == expected.lines, "two halves are the whole");
    assert!(written.messages.contains("notes.txt"), "what was left out is named: {}", written.messages);
}
