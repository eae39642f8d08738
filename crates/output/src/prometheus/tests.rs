use std::collections::HashSet;

use super::*;

fn counters(names: &[(&'static str, u64)]) -> Counters {
    let mut counters = Counters::default();
    names.iter().for_each(|(name, value)| counters.push(name, *value));
    counters
}

#[test]
fn counters_then_named_by_the_conventions() {
    for (counter, metric, kind) in [
        ("decoder.pkts", "flumen_decoder_packets_total", Kind::Counter),
        ("decoder.bytes", "flumen_decoder_bytes_total", Kind::Counter),
        ("decoder.avg_pkt_size", "flumen_decoder_avg_packet_size_bytes", Kind::Gauge),
        ("decoder.max_mac_addrs_src", "flumen_decoder_max_mac_addrs_src", Kind::Gauge),
        ("flow.memcap", "flumen_flow_memcap_total", Kind::Counter),
        ("flow.memuse", "flumen_flow_memuse_bytes", Kind::Gauge),
        ("flow.active", "flumen_flow_active", Kind::Gauge),
        ("flow.recycler.queue_max", "flumen_flow_recycler_queue_max", Kind::Gauge),
        ("flow.wrk.flows_evicted_pkt_inject", "flumen_flow_wrk_flows_evicted_packet_inject_total", Kind::Counter),
        ("memcap.pressure_max", "flumen_memcap_pressure_max_percent", Kind::Gauge),
        ("defrag.max_trackers_reached", "flumen_defrag_max_trackers_reached_total", Kind::Counter),
        ("tcp.active_sessions", "flumen_tcp_active_sessions", Kind::Gauge),
        ("flumen.spool.lost", "flumen_spool_lost_total", Kind::Counter),
        ("no such.näme", "flumen_nosuch_nme_total", Kind::Counter),
    ] {
        let made = Metric::of(counter);
        assert_eq!((made.name.as_str(), made.kind), (metric, kind), "{counter}");
        assert!(!made.help.is_empty() && !made.help.contains('\n'));
    }
}

#[test]
fn snapshot_then_its_text() {
    let known = counters(&[
        ("decoder.pkts", 8),
        ("decoder.event.ipv4.pkt_too_small", 1),
        ("decoder.too_many_layers", 0),
        ("decoder.event.too_many_layers", 2),
        ("flow.end.state.new", u64::MAX),
        ("flow.end.state.closed", 3),
        ("exception_policy.flow.memcap.drop_packet", 4),
        ("something.else", 5),
    ]);
    let expected = "\
# HELP flumen_decoder_packets_total Packets decoded.
# TYPE flumen_decoder_packets_total counter
flumen_decoder_packets_total 8
# HELP flumen_decoder_events_total What was odd or wrong about packets, by layer and event.
# TYPE flumen_decoder_events_total counter
flumen_decoder_events_total{layer=\"ipv4\",event=\"pkt_too_small\"} 1
flumen_decoder_events_total{layer=\"packet\",event=\"too_many_layers\"} 2
# HELP flumen_decoder_too_many_layers_total Packets with more layers than decoder.max-layers.
# TYPE flumen_decoder_too_many_layers_total counter
flumen_decoder_too_many_layers_total 0
# HELP flumen_flow_ended_total Flows that ended, by the state they were in.
# TYPE flumen_flow_ended_total counter
flumen_flow_ended_total{state=\"new\"} 18446744073709551615
flumen_flow_ended_total{state=\"closed\"} 3
# HELP flumen_exception_policy_total Packets to which a policy was applied, by what it is for.
# TYPE flumen_exception_policy_total counter
flumen_exception_policy_total{target=\"flow.memcap\",policy=\"drop_packet\"} 4
# HELP flumen_something_else_total The counter something.else of the stats event.
# TYPE flumen_something_else_total counter
flumen_something_else_total 5
";
    assert_eq!(text(&known), expected);
    let stats = Stats { uptime_secs: 7, ..Stats::default() };
    assert!(stats_text(&stats).contains("\nflumen_ledger_unaccounted_packets 0\n"));
    assert!(stats_text(&stats).contains("\nflumen_uptime_seconds 7\n"));
}

/// The rules of the format that a reader checks: every line is understood, a metric stands in one place and is described
/// once, no sample comes twice.
fn check(text: &str) {
    let (mut described, mut samples, mut current) = (HashSet::new(), HashSet::new(), String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap_or_default().to_owned();
            assert!(described.insert(current.clone()), "{current} is described twice");
            assert!(current.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{current}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!((name, kind == "counter"), (current.as_str(), current.ends_with("_total")), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(samples.insert(sample.to_owned()), "{sample} comes twice");
            assert_eq!(sample.split('{').next(), Some(current.as_str()));
            value.parse::<i128>().expect("a number");
        }
    }
}

#[test]
fn same_metric_from_two_names_then_once() {
    let text = text(&counters(&[("a.b_c", 1), ("a.b.c", 2)]));
    check(&text);
    assert!(text.ends_with("\nflumen_a_b_c_total 1\n"));
}

#[test]
fn random_names_then_text_that_readers_take() {
    const WORDS: [&str; 12] = [
        "flow",
        "memuse",
        "pkts",
        "max_x",
        "end",
        "state",
        "tcp_state",
        "decoder",
        "event",
        "é\"\\\n",
        "",
        "exception_policy",
    ];
    for seed in 1..300_u64 {
        let mut state = seed;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize
        };
        let mut names = HashSet::new();
        for _ in 0..30 {
            let words: Vec<_> = (0..1 + random() % 4).map(|_| WORDS[random() % WORDS.len()]).collect();
            names.insert(words.join("."));
        }
        let mut counters = Counters::default();
        for name in names {
            counters.push(name.leak(), 1);
        }
        println!("seed {seed}");
        check(&text(&counters));
    }
}
