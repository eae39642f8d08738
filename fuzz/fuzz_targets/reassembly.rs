//! Scripts of fragments, times and timeouts: defragmentation does what the slow model does, within all limits, and every
//! buffer is given back.
//!
//! Input: four bytes of configuration, then six for each operation; `crates/table/tests/defrag/script.rs` says which.
#![no_main]

#[path = "../../crates/table/tests/defrag/bed.rs"]
#[allow(dead_code)]
mod bed;
#[path = "../../crates/table/tests/defrag/model.rs"]
mod model;
#[path = "../../crates/table/tests/defrag/script.rs"]
#[allow(dead_code)]
mod script;

use libfuzzer_sys::fuzz_target;

/// Operations in one script: more only take longer.
const STEPS_MAX: usize = 120;

fuzz_target!(|input: &[u8]| {
    let len = input.len().min(4 + STEPS_MAX * script::STEP);
    script::run(&input[..len]);
});
