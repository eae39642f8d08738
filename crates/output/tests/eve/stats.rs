//! The `stats` event.

use crate::support::START;
use flumen_model::sink::{RecordSink, Stats};
use flumen_model::{Counters, Ledger, Tally, Timestamp};
use flumen_output::eve::{EveConfig, EveWriter, StatsConfig};
use flumen_wire::NonFlow;

fn snapshot(counters: &[(&'static str, u64)]) -> Stats {
    let mut all = Counters::default();
    counters.iter().for_each(|&(name, value)| all.push(name, value));
    let mut ledger = Ledger::default();
    ledger.read = Tally { packets: 9, bytes: 900 };
    ledger.in_flows = Tally { packets: 6, bytes: 700 };
    ledger.non_flow(NonFlow::Arp, 60);
    ledger.non_flow(NonFlow::Arp, 60);
    Stats { at: Timestamp::from_nanos(START + 1_000), uptime_secs: 12, counters: all, ledger }
}

fn events(config: Option<StatsConfig>, snapshots: &[Stats]) -> Vec<String> {
    let mut out = Vec::new();
    let mut writer = EveWriter::new(&mut out, "memory", EveConfig { stats: config, ..EveConfig::default() });
    snapshots.iter().for_each(|s| writer.stats(s).expect("memory takes all"));
    drop(writer);
    String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned).collect()
}

const COUNTERS: [(&str, u64); 7] = [
    ("decoder.pkts", 9),
    ("decoder.event.ipv4.trunc_pkt", 0),
    ("decoder.event.ipv4.opt_invalid", 1),
    ("decoder.event.too_many_layers", 0),
    ("flow.end.state.new", 3),
    ("flow.memuse", 0),
    ("single", 4),
];
const LEDGER: &str = r#","flumen":{"ledger":{"read":{"packets":9,"bytes":900},"found":{"packets":0,"bytes":0},"in_flows":{"packets":6,"bytes":700},"non_flow":{"arp":{"packets":2,"bytes":120}},"unaccounted":{"packets":1,"bytes":80}}}}}"#;
const HEAD: &str = r#"{"timestamp":"2020-09-13T12:26:40.000001+0000","event_type":"stats","stats":{"uptime":12"#;

#[test]
fn counters_then_nested_by_their_dots_and_ledger_last() {
    let body = r#","decoder":{"pkts":9,"event":{"ipv4":{"trunc_pkt":0,"opt_invalid":1},"too_many_layers":0}},"flow":{"end":{"state":{"new":3}},"memuse":0},"single":4"#;
    assert_eq!(events(Some(StatsConfig::default()), &[snapshot(&COUNTERS)]), [format!("{HEAD}{body}{LEDGER}")]);
}

#[test]
fn null_values_off_then_zero_counters_and_empty_objects_are_left_out() {
    let config = StatsConfig { null_values: false, ..StatsConfig::default() };
    let body =
        r#","decoder":{"pkts":9,"event":{"ipv4":{"opt_invalid":1}}},"flow":{"end":{"state":{"new":3}}},"single":4"#;
    assert_eq!(events(Some(config), &[snapshot(&COUNTERS)]), [format!("{HEAD}{body}{LEDGER}")]);
}

#[test]
fn deltas_on_then_gain_since_the_event_before() {
    let config = StatsConfig { deltas: true, ..StatsConfig::default() };
    let both = [snapshot(&[("flow.total", 5), ("flow.active", 3)]), snapshot(&[("flow.total", 9), ("flow.active", 1)])];
    let body = r#","flow":{"total":9,"total_delta":4,"active":1,"active_delta":-2}"#;
    assert_eq!(events(Some(config), &both)[1], format!("{HEAD}{body}{LEDGER}"));
}

#[test]
fn totals_off_then_only_the_ledger() {
    let config = StatsConfig { totals: false, ..StatsConfig::default() };
    assert_eq!(events(Some(config), &[snapshot(&COUNTERS)]), [format!("{HEAD}{LEDGER}")]);
}

#[test]
fn stats_off_then_no_event() {
    assert_eq!(events(None, &[snapshot(&COUNTERS)]), [""; 0]);
}

#[test]
fn counters_of_flumen_itself_then_one_object_with_the_ledger() {
    let event = &events(Some(StatsConfig::default()), &[snapshot(&[("flumen.rounds", 2)])])[0];
    assert!(event.starts_with(&format!(r#"{HEAD},"flumen":{{"rounds":2,"ledger":{{"read""#)), "{event}");
    assert!(serde_json::from_str::<serde_json::Value>(event).is_ok());
}
