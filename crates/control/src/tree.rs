//! The object of `dump-counters`: counters nested by the dots of their names, in their order.

use flumen_model::sink::Stats;
use serde_json::{Map, Value};

/// The stats object, as the `stats` event has it: uptime, then the counters.
pub(crate) fn stats_object(stats: &Stats) -> Value {
    let mut root = Map::new();
    root.insert("uptime".to_owned(), stats.uptime_secs.into());
    for (name, value) in stats.counters.iter() {
        insert(&mut root, name, value);
    }
    Value::Object(root)
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
        let stats = Stats { uptime_secs: 2, counters, ..Stats::default() };
        assert_eq!(
            stats_object(&stats).to_string(),
            r#"{"uptime":2,"decoder":{"pkts":8,"event":{"ipv4":{"trunc_pkt":1}}},"flow":{"total":4,"total.x":5}}"#
        );
    }
}
