//! Filters of `flumen read`: what they leave out is in the account, and what is wrong with them is said.

use super::support::{Scratch, capture, count, message};

#[test]
fn filter_behind_the_captures_then_only_its_frames_in_records_and_the_others_counted() {
    let scratch = Scratch::new("filter");
    scratch.put("office.pcap", &capture("office"));
    let all = scratch.read(&["office.pcap"], 0);
    let udp = scratch.read(&["office.pcap", "--", "udp", "and", "not", "vlan"], 0);
    udp.assert_conserves("udp");
    assert!(!udp.flows.is_empty() && udp.flows.len() < all.flows.len());
    let left_out = udp.non_flow("filtered");
    assert!(left_out > 0);
    let read = |stats: &serde_json::Value| count(&stats["flumen"]["ledger"]["read"]["packets"]);
    assert_eq!(read(&udp.stats), read(&all.stats), "frames are read whatever becomes of them");

    // In one argument, from a file, and with several workers: the same.
    scratch.put("expression", b"udp and\n  not vlan\n");
    for given in [
        &["udp", "and", "not", "vlan"][..],
        &["-f", "udp and not vlan"],
        &["-F", "expression"],
        &["--threads", "2", "--filter", "udp and not vlan"],
    ] {
        let again = scratch.read(&[&["office.pcap"], given].concat(), 0);
        assert_eq!(again.short(), udp.short(), "{given:?}");
        assert_eq!(again.non_flow("filtered"), left_out);
    }
}

#[test]
fn filter_that_is_wrong_then_2_and_a_caret_under_the_word() {
    let scratch = Scratch::new("filter-wrong");
    let output = scratch.run(&["read", "nowhere.pcap", "--", "tcp", "prot", "80"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(message(&output).ends_with("error:   tcp prot 80\nerror:       ^^^^\n"), "{}", message(&output));
}

#[test]
fn second_capture_that_is_misspelt_then_2_and_it_is_called_neither_file_nor_filter() {
    let scratch = Scratch::new("filter-misspelt");
    scratch.put("office.pcap", &capture("office"));
    let output = scratch.run(&["read", "office.pcap", "ofice.pcap"]);
    assert_eq!(output.status.code(), Some(2));
    let told = message(&output);
    assert!(told.starts_with("error: ofice.pcap: no such file and no filter: "), "{told}");
    assert!(told.ends_with("error:   ofice.pcap\nerror:   ^^^^^^^^^^\n"), "{told}");
    // With a filter that is named as such, all words are captures.
    let output = scratch.run(&["read", "office.pcap", "tcp", "-f", "udp"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(message(&output).starts_with("error: tcp: "), "{}", message(&output));
}

#[test]
fn filter_that_needs_another_link_then_2_and_the_capture_is_named() {
    let scratch = Scratch::new("filter-link");
    // A classic pcap of raw IP with one packet of no bytes.
    let mut raw = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    raw.extend([0; 16]);
    scratch.put("raw.pcap", &raw);
    let output = scratch.run(&["read", "raw.pcap", "-f", "ether host 02:00:00:00:00:01"]);
    assert_eq!(output.status.code(), Some(2), "{}", message(&output));
    assert!(message(&output).starts_with("error: raw.pcap: "), "{}", message(&output));
    assert!(message(&output).contains('^'));
}
