//! dev/traffic.

fn main() {}
