//! The program, on captures whose packets and flows are known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use traffic::scenario::{Format, Options, Scenario};

/// A directory of this test alone.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("a directory for captures");
    path
}

fn make(path: &Path, scenario: &str, packets: u64, flows: u64) {
    let scenario = Scenario::named(scenario).expect("a scenario of this name");
    let options = Options { seed: 3, packets: Some(packets), flows: Some(flows), ..Options::default() };
    let file = fs::File::create(path).expect("a file for the capture");
    scenario.write(&options, Format::Pcap, scenario.snaplen, std::io::BufWriter::new(file)).expect("a capture");
}

/// What the program prints.
fn bound(arguments: &[&Path], options: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_bound")).args(options).args(arguments).output().expect("the program");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn captures_counted_then_the_packets_and_flows_that_they_promise() {
    let directory = directory("counted");
    for (scenario, packets, flows, expected) in [
        ("zipf", 20_000, 2_000, "packets 20000 flows 2000 other 0\n"),
        ("imix", 20_000, 500, "packets 20000 flows 500 other 0\n"),
        ("elephant", 1_000, 0, "packets 1000 flows 1 other 0\n"),
        ("syn-flood", 5_000, 0, "packets 5000 flows 5000 other 0\n"),
        // Beside the fragments, which are no flow's, a question and its answer.
        ("fragment-flood", 5_000, 0, "packets 2 flows 1 other 5000\n"),
    ] {
        let path = directory.join(format!("{scenario}.pcap"));
        make(&path, scenario, packets, flows);
        assert_eq!(bound(&[&path], &[]), expected, "{scenario}");
        assert_eq!(bound(&[&path], &["--threads", "3"]), expected, "{scenario} by three threads");
    }
}

#[test]
fn capture_split_then_each_flow_in_one_half_and_nothing_lost() {
    let directory = directory("split");
    let [whole, a, b] = ["whole", "a", "b"].map(|name| directory.join(format!("{name}.pcap")));
    make(&whole, "zipf", 20_000, 2_000);
    assert_eq!(bound(&[&whole, Path::new("--split"), &a, &b], &[]), "packets 20000 flows 0 other 0\n");
    let counts = [a, b].map(|half| {
        let said = bound(&[&half], &[]);
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (numbers[0], numbers[1])
    });
    assert_eq!((counts[0].0 + counts[1].0, counts[0].1 + counts[1].1), (20_000, 2_000));
    assert!(counts.iter().all(|(_, flows)| (900..=1_100).contains(flows)), "{counts:?}");
}

#[test]
fn not_a_capture_then_an_error_that_names_it() {
    let path = directory("not").join("text.pcap");
    fs::write(&path, b"not a capture at all, but long enough").expect("a file");
    let run = Command::new(env!("CARGO_BIN_EXE_bound")).arg(&path).output().expect("the program");
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("text.pcap: not a little-endian pcap file"));
}
