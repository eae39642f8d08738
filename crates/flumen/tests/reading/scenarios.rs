//! Every scenario of the traffic generator: nothing is lost, and nothing depends on chance.

use traffic::scenario::{ALL, Scenario};

use crate::support::{Scratch, capture_of, count, small};

/// Scenarios whose frames are cut, so that Suricata's way to count them differs from what was on the wire.
fn is_cut(scenario: &Scenario) -> bool {
    scenario.snaplen < 262_144
}

#[test]
fn every_scenario_then_each_packet_and_byte_is_accounted_for() {
    let scratch = Scratch::new("accounts");
    for scenario in ALL {
        let (bytes, totals) = capture_of(scenario, &small());
        scratch.put("made.cap", &bytes);
        for arguments in [&["made.cap", "--audit"][..], &["made.cap", "--audit", "--compat", "suricata"]] {
            let written = scratch.read(arguments, 0);
            let whose = format!("{} {arguments:?}", scenario.name);
            written.assert_conserves(&whose);
            let read = &written.stats["flumen"]["ledger"]["read"];
            assert_eq!(count(&read["packets"]), totals.packets, "{whose}");
            if !(is_cut(scenario) && arguments.contains(&"suricata")) {
                assert_eq!(count(&read["bytes"]), totals.bytes, "{whose}");
            }
        }
    }
}

#[test]
fn the_same_capture_twice_then_the_same_bytes_whatever_the_hash_seed() {
    let scratch = Scratch::new("again");
    for scenario in ALL {
        let (bytes, _) = capture_of(scenario, &small());
        scratch.put("made.cap", &bytes);
        let first = scratch.read(&["made.cap"], 0);
        assert!(first.lines.iter().any(|line| line.contains("\"netflow\"")), "{} has both kinds", scenario.name);
        // Each run draws a seed of its own; a third one makes a lucky draw of both unlikely.
        for _ in 0..2 {
            let again = scratch.read(&["made.cap"], 0);
            assert!(first.lines == again.lines, "{}: another run wrote other records", scenario.name);
        }
    }
}

#[test]
fn a_table_of_few_rows_then_the_same_records() {
    let scratch = Scratch::new("rows");
    for name in ["zipf", "office", "tcp-states", "idle-gaps"] {
        let (bytes, _) = capture_of(Scenario::named(name).expect("a scenario"), &small());
        scratch.put("made.cap", &bytes);
        let wide = scratch.read(&["made.cap"], 0);
        let narrow = scratch.read(&["made.cap", "--hash-size", "64"], 0);
        assert!(wide.lines == narrow.lines, "{name}: the number of rows shows in the records");
    }
}
