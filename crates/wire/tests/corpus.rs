//! The recorded corpus as an oracle: for each capture the decoder must count what Suricata counted.
//!
//! The corpus lies beside the repository (`../shared/corpus`). Where it is not, the test says so and passes; with
//! `FLUMEN_REQUIRE_CORPUS=1` it fails instead. Of captures with fragments only the upper bound is checked: what is put
//! together from them is counted too.

use flumen_wire::{Aside, DecodeCounters, DecodeOptions, Decoder, FlowPacket, LinkType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Counters that another stage keeps.
const NOT_OURS: [&str; 2] = ["decoder.max_mac_addrs_src", "decoder.max_mac_addrs_dst"];

#[test]
fn every_capture_without_fragments_counts_like_suricata() {
    let Some(corpus) = corpus() else { return };
    let (mut compared, mut left_out, mut different) = (0, 0, Vec::new());
    for case in cases(&corpus) {
        let Some(counters) = decode_file(&corpus.join("pcaps").join(text(&case["pcap"]))) else {
            left_out += 1;
            continue;
        };
        let in_pieces = reassembles(&case["stats"]["defrag"]);
        let differences = differences(&case["stats"], &counters, in_pieces);
        if in_pieces {
            left_out += 1;
        } else {
            compared += 1;
        }
        if !differences.is_empty() {
            different.push(format!("{}: {}", text(&case["pcap"]), differences.join(", ")));
        }
    }
    println!("{compared} captures compared, {} differ, {left_out} not wholly", different.len());
    assert!(compared > 600, "only {compared} captures could be compared");
    assert!(different.is_empty(), "{} captures differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn counters_come_in_the_order_of_the_stats_event() {
    let Some(corpus) = corpus() else { return };
    let case = cases(&corpus).next().expect("a corpus holds a capture");
    let mut names = Vec::new();
    flatten("decoder", &case["stats"]["decoder"], &mut |name, _| names.push(name));
    let counters = DecodeCounters::default();
    assert_eq!(names, counters.iter().map(|(name, _)| name).collect::<Vec<_>>());
    let mut names = Vec::new();
    flatten("sctp", &case["stats"]["sctp"], &mut |name, _| names.push(name));
    assert_eq!(names, counters.sctp.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if path.join("expected-default.jsonl.gz").exists() {
        return Some(path);
    }
    let required = std::env::var("FLUMEN_REQUIRE_CORPUS").is_ok_and(|value| value == "1");
    assert!(!required, "no corpus at {}", path.display());
    println!("NOT RUN: no corpus at {}", path.display());
    None
}

fn cases(corpus: &Path) -> impl Iterator<Item = Value> {
    let file = std::fs::File::open(corpus.join("expected-default.jsonl.gz")).expect("the corpus can be read");
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("whole gzip")).expect("a line is an object"))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn reassembles(defrag: &Value) -> bool {
    ["ipv4", "ipv6"].iter().any(|&version| defrag[version]["fragments"] != 0)
}

/// What differs. With `in_pieces`, whole datagrams are missing here: then a counter may be too low, never too high.
fn differences(stats: &Value, counters: &DecodeCounters, in_pieces: bool) -> Vec<String> {
    let ours: BTreeMap<_, _> = counters.iter().chain(counters.sctp.iter()).collect();
    let mut differences = Vec::new();
    for object in ["decoder", "sctp"] {
        flatten(object, &stats[object], &mut |name, theirs| {
            let mine = ours.get(name.as_str()).copied();
            let differs = if in_pieces { mine > Some(theirs) } else { mine != Some(theirs) };
            if differs && !NOT_OURS.contains(&name.as_str()) {
                differences.push(format!("{name} {theirs} here {mine:?}"));
            }
        });
    }
    differences
}

fn flatten(prefix: &str, value: &Value, each: &mut impl FnMut(String, u64)) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = format!("{prefix}.{key}");
        match value.as_u64() {
            Some(number) => each(name, number),
            None => flatten(&name, value, each),
        }
    }
}

/// Decodes a classic capture in the byte order of the corpus. `None` for a file that is none, or is cut short.
fn decode_file(path: &Path) -> Option<DecodeCounters> {
    let bytes = std::fs::read(path).expect("a capture of the corpus");
    let (header, mut rest) = bytes.split_first_chunk::<24>()?;
    if !header.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]) {
        return None;
    }
    let link = LinkType::from_dlt(u32::from_le_bytes([header[20], header[21], header[22], header[23]]));
    let mut decoder = Decoder::new(DecodeOptions::SURICATA);
    while let Some((record, after)) = rest.split_first_chunk::<16>() {
        let captured = u32::from_le_bytes([record[8], record[9], record[10], record[11]]);
        let (frame, after) = after.split_at_checked(captured as usize)?;
        rest = after;
        // Suricata knows no other length than the captured one.
        let mut packet = FlowPacket::EMPTY;
        let mut outcome = decoder.decode_into(link, frame, captured, &mut packet);
        while let Some(inner) = match outcome {
            Ok(()) => packet.inner,
            Err(Aside::Tunnel(inner)) => Some(inner),
            Err(Aside::Fragment(_) | Aside::NonFlow(_)) => None,
        } {
            outcome = decoder.decode_inner(&inner, frame, captured, &mut packet);
        }
    }
    Some(decoder.counters)
}
