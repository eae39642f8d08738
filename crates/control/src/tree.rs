//! The object of `dump-counters`: counters nested by the dots of their names, in their order, and the account of packets.

use flumen_model::sink::Stats;
use flumen_model::{Ledger, Tally};
use serde_json::{Map, Value, json};

/// The stats object, as the `stats` event has it: uptime, then the counters, and where every packet went.
pub(crate) fn stats_object(stats: &Stats) -> Value {
    let mut root = Map::new();
    root.insert("uptime".to_owned(), stats.uptime_secs.into());
    for (name, value) in stats.counters.iter() {
        insert(&mut root, name, value);
    }
    let own = root.entry("flumen").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(own) = own {
        own.insert("ledger".to_owned(), ledger_object(&stats.ledger));
    }
    Value::Object(root)
}

fn ledger_object(ledger: &Ledger) -> Value {
    let tally = |tally: Tally| json!({"packets": tally.packets, "bytes": tally.bytes});
    let reasons: Map<_, _> = ledger.reasons().map(|(reason, taken)| (reason.name().to_owned(), tally(taken))).collect();
    let (packets, bytes) = ledger.unaccounted();
    let mut object = json!({
        "read": tally(ledger.read),
        "found": tally(ledger.found),
        "in_flows": tally(ledger.in_flows),
        "non_flow": reasons,
        "unaccounted": {"packets": packets, "bytes": bytes},
    });
    if let Some(kernel) = ledger.kernel {
        object["kernel"] = json!({"packets": kernel.packets, "dropped": kernel.dropped, "lost": kernel.lost});
    }
    object
}

/// A name that goes through a counter which is already there stands whole, dots and all, where it can go no further.
fn insert(object: &mut Map<String, Value>, name: &str, value: u64) {
    let Some((first, rest)) = name.split_once('.') else {
        object.insert(name.to_owned(), value.into());
        return;
    };
    match object.entry(first).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => insert(inner, rest, value),
        _ => {
            object.insert(name.to_owned(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flumen_model::Counters;

    #[test]
    fn counters_then_nested_in_their_order() {
        let mut counters = Counters::default();
        for (name, value) in
            [("decoder.pkts", 8), ("decoder.event.ipv4.trunc_pkt", 1), ("flow.total", 4), ("flow.total.x", 5)]
        {
            counters.push(name, value);
        }
        let mut ledger = Ledger::default();
        ledger.read.add(60);
        let stats = Stats { uptime_secs: 2, counters, ledger, ..Stats::default() };
        assert_eq!(
            stats_object(&stats).to_string(),
            concat!(
                r#"{"uptime":2,"decoder":{"pkts":8,"event":{"ipv4":{"trunc_pkt":1}}},"flow":{"total":4,"total.x":5},"#,
                r#""flumen":{"ledger":{"read":{"packets":1,"bytes":60},"found":{"packets":0,"bytes":0},"#,
                r#""in_flows":{"packets":0,"bytes":0},"non_flow":{},"unaccounted":{"packets":1,"bytes":60}}}}"#
            )
        );
    }
}
