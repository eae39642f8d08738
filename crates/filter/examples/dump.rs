//! Prints the program of an expression, as `tcpdump -d` does: `cargo run --example dump -- 'tcp port 80' [DLT]`.

use flumen_filter::{Filter, LinkLayer};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let expression = arguments.next().unwrap_or_default();
    let dlt = arguments.next().and_then(|dlt| dlt.parse().ok()).unwrap_or(1);
    match Filter::compile(&expression, LinkLayer::from_dlt(dlt), 0) {
        Ok(filter) => print!("{filter}"),
        Err(error) => eprintln!("{}", error.render(&expression)),
    }
}
