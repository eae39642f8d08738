//! `bound FILE`: the least that a flow engine does with a packet, as a lower bound to measure engines against.
//!
//! A mapped capture is walked, parsed, and counted into one record a flow: no states, no time-outs, no events, no checks
//! beyond lengths, no output. What remains is what no engine can leave out: the bytes of the packet, a key that is the
//! same in both directions, a hash, a look into an index and a record of two cache lines. It prints how many packets and
//! flows it saw, so that an engine's counts can be held against it. `benches/peers` runs it beside the engines.
//!
//! `capture` walks the file, `packet`, of the library, parses, `table` counts. `unsafe` is in `memory`, and where `table` vouches that its
//! record is made of words.
#![deny(unsafe_code)]

mod capture;
mod memory;
mod split;
mod table;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use capture::Capture;
use clap::Parser;
use table::{Table, Totals};

/// Counts the packets of a capture by flow, and does nothing else.
#[derive(Parser, Debug)]
#[command(name = "bound")]
struct Arguments {
    /// A pcap file of Ethernet frames
    file: PathBuf,
    /// Threads; each walks the whole capture and keeps the flows that are its own, so that they share nothing
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Flows to expect
    #[arg(long, default_value_t = 1 << 22, value_parser = clap::value_parser!(u32).range(1_024..=1 << 30))]
    flows: u32,
    /// Write two captures instead, each with half of the flows
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    split: Option<Vec<PathBuf>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(totals) => {
            println!("packets {} flows {} other {}", totals.packets, totals.flows, totals.other);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bound: {}: {error}", arguments.file.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<Totals> {
    let capture = Capture::open(&arguments.file)?;
    match arguments.split.as_deref() {
        Some([a, b]) => split::halves(&capture, a, b),
        _ => count(&capture, arguments.threads, arguments.flows as usize),
    }
}

/// Counts a capture with a table for each thread, of room for `flows` together.
fn count(capture: &Capture, threads: u32, flows: usize) -> io::Result<Totals> {
    thread::scope(|scope| {
        let share = |number| scope.spawn(move || Table::new(flows / threads as usize)?.count(capture, number, threads));
        let others: Vec<_> = (1..threads).map(share).collect();
        let mut totals = Table::new(flows / threads as usize)?.count(capture, 0, threads)?;
        for other in others {
            totals += other.join().expect("a thread that does not panic")?;
        }
        Ok(totals)
    })
}
