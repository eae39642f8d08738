//! `tcpreplay` of generated captures and of the recorded corpus: records are those of `read` on the same file, times are
//! those of the replay.
//!
//! Which captures is decided by rule ([`Shape::is_replayable`]): what cannot go over the cable as it was, or would not be
//! the same flows at another speed, is left out. Replayed is as fast as it goes, with time-outs of an hour for both runs.

use std::fs;
use std::path::{Path, PathBuf};

use flumen_capture::{CaptureFile, Options};
use flumen_model::{PacketBatch, PacketSource};
use flumen_wire::LinkType;
use serde_json::{Value, json};
use traffic::scenario::{ALL, Format, Options as Sizes, Scenario};

use crate::load::replay;
use crate::net::{MTU, Net, in_namespace_with};
use crate::sensor::{Log, Scratch, assert_same_flows};

/// As for [`crate::replay`], and no flow ends and no fragment is forgotten by its time-out.
fn configuration(rings: usize) -> Vec<u8> {
    let defrag = if rings > 1 { "no" } else { "yes" };
    let hours = ["tcp", "udp", "icmp", "default"]
        .map(|class| format!("  {class}: {{new: 3600, established: 3600, closed: 3600, bypassed: 3600}}\n"));
    format!(
        "capture: {{checksum-validation: all}}\nstream: {{midstream: yes}}\nstats: {{interval: 1h}}\n\
         defrag: {{timeout: 3600}}\n\
         flow-timeouts:\n{}\
         af-packet:\n- {{interface: b, threads: {rings}, defrag: {defrag}, ring-size: 8000}}\n",
        hours.concat()
    )
    .into_bytes()
}

/// What decides whether a capture is replayed.
struct Shape {
    packets: usize,
    bytes: usize,
    /// All are complete Ethernet frames that the cable takes.
    fits: bool,
    /// In their order, within half an hour: nothing ends by its time-out, however fast they are sent.
    is_brief: bool,
}

impl Shape {
    fn of(path: &Path) -> Option<Self> {
        let mut capture = CaptureFile::open(path, &Options::default()).ok()?;
        let mut batch = PacketBatch::new();
        let mut shape = Self { packets: 0, bytes: 0, fits: true, is_brief: true };
        let (mut first, mut last) = (None, None);
        while capture.fill(&mut batch).ok()? {
            for packet in batch.packets() {
                let (entry, len) = (packet.entry, packet.data.len());
                shape.packets += 1;
                shape.bytes += len;
                shape.fits &= entry.link == LinkType::Ethernet && entry.wire_len as usize == len;
                shape.fits &= len > 14 && len <= MTU;
                let first = *first.get_or_insert(entry.timestamp);
                shape.is_brief &= last.is_none_or(|last| last <= entry.timestamp);
                shape.is_brief &= entry.timestamp.secs().saturating_sub(first.secs()) < 1_800;
                last = Some(entry.timestamp);
            }
        }
        Some(shape)
    }
    fn is_replayable(&self) -> bool {
        self.packets > 0 && self.bytes <= BYTES_MAX && self.fits && self.is_brief
    }
}

/// What the ring holds many times over, should nobody look into it meanwhile.
const BYTES_MAX: usize = 4_000_000;

/// One capture on a cable that is there; says whether it was one for so many rings.
fn assert_replayed_is_as_read(scratch: &Scratch, capture: &Path, rings: usize, speed: &[&str]) -> bool {
    scratch.put("flumen.yaml", &configuration(rings));
    let name = capture.to_str().expect("UTF-8");
    let read = scratch.read(&[name, "-c", "flumen.yaml"]);

    if rings > 1 && may_overtake(&read) {
        return false;
    }

    let _ = fs::remove_dir_all(scratch.path("live"));
    let sensor = scratch.capture(&["-i", "b", "-c", "flumen.yaml"]);
    let eve = scratch.path("live/eve.json");
    // A line with a time before the first packet.
    sensor.signal(libc::SIGUSR1);
    while Log::so_far(&eve).stats_events == 0 {
        std::thread::yield_now();
    }
    let sent = replay(capture, speed);
    sensor.wait_for_packets("b", sent);
    sensor.signal(libc::SIGTERM);
    let live = sensor.end(0);

    let (live, read) = blind_to_order(live, read);
    assert_same_flows(&live, &read);
    let ledger = live.ledger();
    assert_eq!(ledger["kernel"], json!({"packets": sent, "dropped": 0, "lost": 0}), "{name}");
    for part in ["read", "found", "in_flows", "non_flow", "unaccounted"] {
        assert_eq!(ledger[part], read.ledger()[part], "{part} of {name}");
    }
    assert_times_are_of_the_replay(&eve);
    true
}

/// Whether there is something that belongs to a flow and goes to another ring than it: an ICMP error, or a fragment. It may
/// be looked at before the flow is, and is then counted otherwise.
fn may_overtake(read: &Log) -> bool {
    let number = |value: &Value| value.as_u64().expect("a number");
    let (decoder, defrag) = (&read.stats["decoder"], &read.stats["defrag"]);
    let of = [&decoder["icmpv4"], &decoder["icmpv6"], &defrag["ipv4"]["fragments"], &defrag["ipv6"]["fragments"]];
    of.into_iter().any(|count| number(count) > 0)
}

/// Two logs with no more than packets and bytes of flows of which two rings got some: the kernel promises no order between
/// rings, and not to keep every flow on one.
fn blind_to_order(mut live: Log, mut read: Log) -> (Log, Log) {
    let ends = |flow: &Value| {
        let mut ends = ["src", "dest"].map(|end| ["ip", "port"].map(|part| flow[format!("{end}_{part}")].to_string()));
        ends.sort();
        (flow["proto"].to_string(), ends)
    };
    let is_spread = |flow: &&Value| flow["flow"]["wrong_thread"] == true;
    let spread: Vec<_> = live.flows.iter().filter(is_spread).map(ends).collect();
    for flow in live.flows.iter_mut().chain(&mut read.flows).filter(|flow| spread.contains(&ends(flow))) {
        let mut sent = ["pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient"]
            .map(|side| flow["flow"][side].as_u64().expect("a number"));
        sent[..2].sort_unstable();
        sent[2..].sort_unstable();
        let (proto, ends) = ends(flow);
        *flow = json!({"proto": proto, "ends": ends, "flow": {"sent": sent}});
    }
    (live, read)
}

/// Between the `stats` event before the first packet and the one after the last.
fn assert_times_are_of_the_replay(eve: &Path) {
    let text = fs::read_to_string(eve).expect("a log");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_kind = |kind: &'static str| events.iter().filter(move |event| event["event_type"] == kind);
    let time = |value: &Value| value.as_str().expect("a time").to_owned();
    let told: Vec<String> = of_kind("stats").map(|event| time(&event["timestamp"])).collect();
    let (before, after) = (&told[0], &told[told.len() - 1]);
    for flow in of_kind("flow") {
        let (start, end) = (time(&flow["flow"]["start"]), time(&flow["flow"]["end"]));
        assert!(*before <= start && start <= end && end <= *after, "{before} {start} {end} {after}");
    }
}

fn assert_scenarios_are_as_read(rings: usize) {
    in_namespace_with(&["tcpreplay"], move |net: &Net| {
        net.cable("a", "b");
        let scratch = Scratch::new(&format!("scenarios-{rings}"));
        let sizes = Sizes { seed: 11, packets: Some(3_000), flows: Some(60), rounds: Some(1), ..Sizes::default() };
        let mut replayed = 0;
        for scenario in ALL {
            let capture = scratch.path(&format!("{}.pcap", scenario.name));
            write(scenario, &sizes, &capture);
            if Shape::of(&capture).is_some_and(|shape| shape.is_replayable()) {
                replayed += usize::from(assert_replayed_is_as_read(&scratch, &capture, rings, &["--topspeed"]));
            }
        }
        assert!(replayed >= if rings == 1 { 12 } else { 6 }, "{replayed}");
    });
}

fn write(scenario: &Scenario, sizes: &Sizes, path: &Path) {
    let format = if scenario.links.len() > 1 { Format::Pcapng } else { Format::Pcap };
    let file = fs::File::create(path).expect("a file");
    scenario.write(sizes, format, scenario.snaplen, std::io::BufWriter::new(file)).expect("a capture");
}

#[test]
fn every_generated_capture_that_fits_on_one_ring_then_records_as_read() {
    assert_scenarios_are_as_read(1);
}

#[test]
fn every_generated_capture_that_fits_on_two_rings_then_records_as_read() {
    assert_scenarios_are_as_read(2);
}

#[test]
fn office_with_its_pauses_six_hundred_times_as_fast_then_records_as_read() {
    in_namespace_with(&["tcpreplay"], |net| {
        net.cable("a", "b");
        let scratch = Scratch::new("pauses");
        let capture = scratch.path("office.pcap");
        write(Scenario::named("office").expect("a scenario"), &Sizes { seed: 11, ..Sizes::default() }, &capture);
        assert!(assert_replayed_is_as_read(&scratch, &capture, 1, &["--multiplier=600"]));
    });
}

/// The corpus, or nothing when it is not there and need not be.
fn corpus() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/pcaps");
    let Ok(listed) = fs::read_dir(&directory) else {
        let missing = format!("SKIPPED: there is no corpus at {}", directory.display());
        assert!(std::env::var_os("FLUMEN_REQUIRE_CORPUS").is_none(), "{missing}");
        eprintln!("{missing}");
        return Vec::new();
    };
    let mut captures: Vec<_> = listed.map(|entry| entry.expect("an entry").path()).collect();
    captures.sort();
    captures
}

fn assert_corpus_is_as_read(rings: usize) {
    let captures = corpus();
    if captures.is_empty() {
        return;
    }
    in_namespace_with(&["tcpreplay"], move |net: &Net| {
        net.cable("a", "b");
        let scratch = Scratch::new(&format!("corpus-{rings}"));
        let is_replayable = |path: &&PathBuf| Shape::of(path).is_some_and(|shape| shape.is_replayable());
        let fitting: Vec<_> = captures.iter().filter(is_replayable).collect();
        assert!(fitting.len() > 10 * SAMPLE, "{}", fitting.len());
        let sample = fitting.iter().step_by(fitting.len() / SAMPLE);
        let replayed = sample.filter(|capture| assert_replayed_is_as_read(&scratch, capture, rings, &["--topspeed"]));
        assert!(replayed.count() > SAMPLE / 2);
    });
}

/// About so many of the captures of the corpus are replayed, evenly taken from all that fit.
const SAMPLE: usize = 24;

#[test]
fn captures_of_the_corpus_on_one_ring_then_records_as_read() {
    assert_corpus_is_as_read(1);
}

#[test]
fn captures_of_the_corpus_on_two_rings_then_records_as_read() {
    assert_corpus_is_as_read(2);
}
