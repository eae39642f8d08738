//! dev/xtask.

fn main() {}
