//! Random records: every line is JSON, and says what the record says.

use crate::lines;
use crate::support::{Random, random_config, random_record};
use flumen_model::FlowRecord;
use flumen_output::eve::EveConfig;
use serde_json::Value;

#[test]
fn random_records_then_json_that_says_the_same() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for _ in 0..5_000 {
        let record = random_record(&mut random);
        let config = random_config(&mut random);
        let events: Vec<Value> = lines(&record, config.clone())
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        let count = |kind: &str| events.iter().filter(|e| e["event_type"] == kind).count();
        let netflows =
            if !config.netflow || record.interim.is_some() { 0 } else { 1 + usize::from(record.to_client.packets > 0) };
        assert_eq!((count("flow"), count("netflow")), (usize::from(config.flow), netflows));
        events.iter().for_each(|event| agrees(event, &record, &config));
    }
}

fn agrees(event: &Value, record: &FlowRecord, config: &EveConfig) {
    assert_eq!(event["flow_id"], record.flow_id);
    assert_eq!(event["host"].as_str(), config.host.as_deref());
    assert_eq!(event["community_id"].is_string(), config.community_id.is_some());
    assert_eq!(event["vlan"].as_array().map_or(0, Vec::len), usize::from(record.vlan.count));
    if let Some(flow) = event.get("flow") {
        assert_eq!(flow["pkts_toserver"], record.to_server.packets);
        assert_eq!(flow["bytes_toclient"], record.to_client.bytes);
        assert_eq!(flow["state"], record.state.name());
        assert_eq!(flow["reason"], record.reason.name());
        assert_eq!(event["tcp"]["state"].is_string(), record.tcp.is_some_and(|t| t.state.is_some()));
        assert_eq!(event.get("flumen").is_some(), config.extended || record.interim.is_some());
        if config.extended {
            assert_eq!(event["flumen"]["end_ns"], record.end.nanos());
        }
    }
}
