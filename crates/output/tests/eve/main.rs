//! The EVE writer from outside: bytes, properties, failures.

mod community_id;
mod failing;
mod literal;
mod model;
mod random;
mod stats;
#[path = "../support/mod.rs"]
mod support;

use flumen_model::FlowRecord;
use flumen_model::sink::RecordSink;
use flumen_output::eve::{EveConfig, EveWriter};

/// The lines that `config` makes of `record`.
fn lines(record: &FlowRecord, config: EveConfig) -> Vec<String> {
    let mut out = Vec::new();
    let mut writer = EveWriter::new(&mut out, "memory", config);
    writer.flows(std::slice::from_ref(record)).and_then(|()| writer.finish()).expect("memory takes all");
    drop(writer);
    String::from_utf8(out).expect("JSON is UTF-8").lines().map(str::to_owned).collect()
}
