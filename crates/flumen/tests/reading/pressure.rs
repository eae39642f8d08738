//! Several threads, and too little memory: the account stays closed, the ceiling holds.

use std::collections::BTreeSet;

use serde_json::Value;
use traffic::scenario::{ALL, Options, Scenario};

use crate::support::{Scratch, Written, capture_of, count, message, small};

#[test]
fn several_threads_then_the_records_of_one_in_another_order() {
    let scratch = Scratch::new("threads");
    let settings = [
        &["--threads", "2"][..],
        &["--threads", "3", "--set", "flow.managers=2"],
        &["--threads", "5", "--set", "flow.managers=3", "--set", "flow.recyclers=2", "--hash-size", "300"],
    ];
    for scenario in ALL {
        let (bytes, _) = capture_of(scenario, &small());
        scratch.put("made.cap", &bytes);
        let alone = scratch.read(&["made.cap"], 0);
        let one: BTreeSet<_> = alone.lines.iter().collect();
        for setting in settings {
            let more = scratch.read(&[&["made.cap", "--audit"][..], setting].concat(), 0);
            let whose = format!("{} {setting:?}", scenario.name);
            more.assert_conserves(&whose);
            let records: BTreeSet<_> = more.lines.iter().collect();
            assert_eq!(records.len(), more.lines.len(), "{whose}: a record was written twice");
            let differing: Vec<_> = one.symmetric_difference(&records).take(2).collect();
            assert!(differing.is_empty(), "{whose}: {differing:#?}");
            assert_eq!(counted(&more), counted(&alone), "{whose}");
        }
    }
}

#[test]
fn threads_bound_to_cpus_then_the_same_records_and_not_a_word() {
    let scratch = Scratch::new("bound");
    scratch.put("made.pcap", &capture_of(Scenario::named("office").expect("a scenario"), &small()).0);
    let free: BTreeSet<_> = scratch.read(&["made.pcap"], 0).lines.into_iter().collect();
    for mode in ["exclusive", "balanced"] {
        let mode = format!("threading.cpu-affinity.worker-cpu-set.mode={mode}");
        for threads in ["1", "3", "auto"] {
            let affinity = ["--set", "threading.set-cpu-affinity=yes", "--set", &mode, "--threads", threads];
            let bound = scratch.read(&[&["made.pcap", "--audit"][..], &affinity].concat(), 0);
            assert_eq!(bound.messages, "", "{affinity:?}");
            assert!(bound.lines.into_iter().collect::<BTreeSet<_>>() == free, "{affinity:?}");
        }
    }
}

/// The counters that are about packets and flows, and not about who did what when.
fn counted(written: &Written) -> Vec<&Value> {
    let (stats, flow) = (&written.stats, &written.stats["flow"]);
    let kinds = ["total", "tcp", "udp", "icmpv4", "icmpv6", "tcp_reuse", "elephant", "memcap", "end"];
    let flow = kinds.iter().map(|kind| &flow[kind]);
    [&stats["decoder"], &stats["tcp"], &stats["flumen"]["ledger"]].into_iter().chain(flow).collect()
}

#[test]
fn flood_in_little_memory_then_accounted_for_and_below_the_ceiling() {
    const MEMCAP: u64 = 1 << 20;
    let scratch = Scratch::new("flood");
    for name in ["syn-flood", "hash-flood", "hash-flood-sum", "icmp-sweep", "esp-spis"] {
        let options = Options { packets: Some(20_000), flows: Some(10_000), rate: Some(50_000), ..small() };
        let (bytes, totals) = capture_of(Scenario::named(name).expect("a scenario"), &options);
        scratch.put("made.pcap", &bytes);
        let memory = ["--memcap", "1mb", "--hash-size", "1024", "--set", "flow.prealloc=100"];
        for threads in ["1", "3"] {
            let arguments = [&["made.pcap", "--audit", "--threads", threads][..], &memory].concat();
            let written = scratch.read(&arguments, 0);
            let whose = format!("{name} with {threads} threads");
            written.assert_conserves(&whose);
            assert_eq!(count(&written.stats["flumen"]["ledger"]["read"]["packets"]), totals.packets, "{whose}");
            let flow = &written.stats["flow"];
            assert!(count(&flow["memuse"]) <= MEMCAP, "{whose}: {flow}");
            assert!(count(&flow["get_used"]) + count(&flow["memcap"]) > 0, "{whose}: no pressure: {flow}");
            assert_eq!(count(&flow["emerg_mode_entered"]).min(1), 1, "{whose}: {flow}");
            let forced = written.flows.iter().filter(|flow| flow["flow"]["reason"] == "forced").count() as u64;
            assert_eq!(forced, count(&flow["get_used"]), "{whose}: each flow that was forced out has its record");
            assert_eq!(count(&flow["active"]), 0, "{whose}");
        }
    }
}

#[test]
fn too_little_memory_for_a_table_then_no_start_and_the_figures() {
    let scratch = Scratch::new("limit");
    scratch.put("made.pcap", &capture_of(Scenario::named("e7").expect("a scenario"), &small()).0);
    let cases = [
        (
            ["--memcap", "64kb"],
            3,
            "'flow.memcap' is 65536 bytes, but the 65536 rows of 'flow.hash-size' alone take 4194304",
        ),
        (
            ["--set", "flumen.memory-limit=1mb"],
            1,
            "flumen.memory-limit is 1048576 bytes, but program, queues and buffers",
        ),
    ];
    for (limit, code, said) in cases {
        let output = scratch.run(&[&["read", "made.pcap"][..], &limit].concat());
        assert_eq!(output.status.code(), Some(code), "{limit:?}: {}", message(&output));
        assert!(message(&output).contains(said), "{}", message(&output));
    }
}

#[test]
fn no_memory_for_a_flow_then_the_policy_counts_its_packets_and_every_record_is_written() {
    let scratch = Scratch::new("refused");
    let options = Options { packets: Some(3_000), flows: Some(300), rate: Some(50_000), ..small() };
    for (scenario, memcap) in [("syn-flood", "1060kb"), ("zipf", "1060kb"), ("syn-flood", "1030kb")] {
        let (bytes, totals) = capture_of(Scenario::named(scenario).expect("a scenario"), &options);
        scratch.put("made.pcap", &bytes);
        for policy in ["drop-packet", "pass-packet", "ignore"] {
            for threads in ["1", "3"] {
                let written = refused(&scratch, &[memcap, policy, threads]);
                let whose = format!("{scenario} in {memcap} with {policy} and {threads} threads");
                written.assert_conserves(&whose);
                let (stats, flow) = (&written.stats, &written.stats["flow"]);
                assert_eq!(count(&stats["flumen"]["ledger"]["read"]["packets"]), totals.packets, "{whose}");
                let refused = count(&flow["memcap"]);
                assert!(refused > 0 && refused == written.non_flow("memcap"), "{whose}: {flow}");
                assert_eq!(count(&flow["total"]), written.flows.len() as u64, "{whose}: a record of each flow");
                // Memory for 100 flows at a time, of which each worker may keep some ready, or for none at all.
                assert_eq!(!written.flows.is_empty(), memcap == "1060kb", "{whose}: {flow}");
                let counted = |policy: &str| stats["exception_policy"]["flow"]["memcap"][policy].as_u64();
                let expected = |own: &str| (own == policy).then_some(refused);
                assert_eq!(counted("drop_packet"), expected("drop-packet"), "{whose}");
                assert_eq!(counted("pass_packet"), expected("pass-packet"), "{whose}");
            }
        }
    }
}

/// A run with 16,384 rows, 1 MiB of them, and a memcap that holds little more; so many rows that there is rarely a flow
/// near that could be taken by force.
fn refused(scratch: &Scratch, [memcap, policy, threads]: &[&str; 3]) -> Written {
    let policy = format!("flow.memcap-policy={policy}");
    let rows = ["--hash-size", "16384", "--memcap", memcap, "--set", "flow.prealloc=0"];
    scratch.read(&[&["made.pcap", "--audit", "--threads", threads, "--set", &policy][..], &rows].concat(), 0)
}
