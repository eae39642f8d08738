//! crates/flumen.

fn main() {}
