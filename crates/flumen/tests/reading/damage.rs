//! Damaged, foreign and odd input: what is said, what is written all the same, and the exit code.

use traffic::scenario::{Format, Scenario};

use crate::support::{Scratch, Written, capture, message, small};

/// Length of the last record of a classic pcap, its header included, and where it begins.
fn last_record(pcap: &[u8]) -> (usize, usize) {
    let mut at = 24;
    loop {
        let length = u32::from_le_bytes(pcap[at + 8..at + 12].try_into().expect("four bytes")) as usize + 16;
        if at + length == pcap.len() {
            return (at, length);
        }
        at += length;
    }
}

#[test]
fn record_cut_short_then_4_with_file_offset_and_reason_and_the_rest_written() {
    let scratch = Scratch::new("cut-short");
    let whole = capture("icmp-echo");
    let (begins, length) = last_record(&whole);
    scratch.put("whole.pcap", &whole[..begins]);
    scratch.put("cut.pcap", &whole[..whole.len() - 5]);
    let expected = scratch.read(&["whole.pcap"], 0);
    let written = scratch.read(&["cut.pcap"], 4);
    assert!(written.lines == expected.lines, "what comes before the damage is written");
    written.assert_conserves("cut.pcap");
    let said = format!(
        "cut.pcap: at byte {begins}: the last packet record is cut short: it needs {length} bytes, {} are left",
        length - 5
    );
    assert!(written.messages.contains(&said), "{}, not {said}", written.messages);
}

#[test]
fn cut_anywhere_then_never_a_crash_and_the_account_is_closed() {
    let scratch = Scratch::new("cut-anywhere");
    let whole = capture("icmp-errors");
    for kept in (0..whole.len()).step_by(7) {
        scratch.put("cut.pcap", &whole[..kept]);
        let output = scratch.run(&["read", "cut.pcap", "--audit", "-q"]);
        let code = output.status.code();
        // Without a whole file header there is nothing to read.
        let expected = if kept < 24 { 1 } else { 4 };
        let between_records = kept >= 24 && code == Some(0);
        assert!(between_records || code == Some(expected), "{kept} bytes: {code:?} {}", message(&output));
    }
}

#[test]
fn absurd_length_then_4_and_what_came_before_is_written() {
    let scratch = Scratch::new("absurd");
    let mut bytes = capture("icmp-echo");
    let (begins, _) = last_record(&bytes);
    bytes[begins + 8..begins + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    scratch.put("absurd.pcap", &bytes);
    let written = scratch.read(&["absurd.pcap"], 4);
    assert!(written.messages.contains(&format!("absurd.pcap: at byte {begins}: ")), "{}", written.messages);
    assert!(!written.flows.is_empty());
    written.assert_conserves("absurd.pcap");
}

#[test]
fn no_capture_then_1_and_what_it_is_instead() {
    let scratch = Scratch::new("no-capture");
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty.pcap", b"", "empty.pcap: the file is empty (0 bytes)"),
        ("text.pcap", b"these are not packets, these are words\n", "text.pcap: not a capture"),
        ("short.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0], "short.pcap: the file header is cut short"),
        (
            "kuznetzov.pcap",
            &[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
            "Kuznetzov",
        ),
    ];
    for (name, bytes, said) in cases {
        scratch.put(name, bytes);
        let output = scratch.run(&["read", name]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", message(&output));
        assert!(message(&output).contains(said), "{name}: {}", message(&output));
    }
}

#[test]
fn one_of_two_is_no_capture_then_the_other_is_read() {
    let scratch = Scratch::new("one-of-two");
    scratch.put("good.pcap", &capture("icmp-echo"));
    scratch.put("bad.pcap", b"words");
    let alone = scratch.read(&["good.pcap"], 0);
    let output = scratch.run(&["read", "bad.pcap", "good.pcap", "-l", "both"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(message(&output).contains("bad.pcap"), "{}", message(&output));
    let written = Written::of(&scratch.path("both/eve.json"));
    assert!(written.lines == alone.lines);
}

#[test]
fn capture_without_packets_then_0_and_a_word_about_it() {
    let scratch = Scratch::new("no-packets");
    scratch.put("none.pcap", &capture("icmp-echo")[..24]);
    let written = scratch.read(&["none.pcap", "--audit"], 0);
    assert!(written.lines.is_empty());
    assert!(written.messages.contains("none.pcap"), "{}", written.messages);
}

#[test]
fn clock_that_goes_back_then_0_and_a_word_about_it() {
    let scratch = Scratch::new("backwards");
    scratch.put("back.pcap", &capture("backwards"));
    let written = scratch.read(&["back.pcap", "--audit"], 0);
    assert!(written.messages.contains("back.pcap") && written.messages.contains("back"), "{}", written.messages);
    written.assert_conserves("back.pcap");
}

#[test]
fn snapped_packets_then_0_with_their_number_and_lengths_as_on_the_wire() {
    let scratch = Scratch::new("snapped");
    let office = Scenario::named("office").expect("a scenario");
    let mut cut = Vec::new();
    office.write(&small(), Format::Pcap, 96, &mut cut).expect("writing to memory");
    scratch.put("cut.pcap", &cut);
    scratch.put("whole.pcap", &capture("office"));
    let (cut, whole) = (scratch.read(&["cut.pcap", "--audit"], 0), scratch.read(&["whole.pcap"], 0));
    assert!(cut.messages.contains("cut.pcap: ") && cut.messages.contains("packets not captured in full"));
    assert!(cut.lines == whole.lines, "96 bytes hold every header, and lengths are those on the wire");
}

#[test]
fn typing_mistakes_then_3_for_the_configuration_and_2_for_the_command_line() {
    let scratch = Scratch::new("mistakes");
    scratch.put("a.pcap", &capture("icmp-echo"));
    scratch.put("typo.yaml", b"flow:\n  memcpa: 64mb\n");
    let output = scratch.run(&["read", "a.pcap", "-c", "typo.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(message(&output).contains("typo.yaml:2: unknown key 'flow.memcpa'"), "{}", message(&output));
    for wrong in [&["read", "a.pcap", "--jsn"][..], &["read"], &["reed", "a.pcap"]] {
        assert_eq!(scratch.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
