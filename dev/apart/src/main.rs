//! `apart FILE`: Flumen's engine several times, each with a table of its own: what workers of one engine are held against.
//!
//! Every engine reads the whole capture, looks at each frame just as far as it takes to say whose it is, and goes on with its
//! own: it shares neither rows nor locks nor batches with the others. `benches/peers` runs it beside Flumen with as many workers.
//! It prints how many packets and flows were counted together, so that this can be held against Flumen's counts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bound::packet::{hash, parse, share_of};
use clap::Parser;
use flumen_capture::{CaptureFile, Options};
use flumen_engine::{EngineConfig, RunReport, Threads, run};
use flumen_model::{PacketBatch, PacketSource, SourceError};
use flumen_output::Tee;
use flumen_table::TableConfig;

/// Counts the packets of a capture by flow, with engines that share nothing.
#[derive(Parser, Debug)]
#[command(name = "apart")]
struct Arguments {
    /// A capture of Ethernet frames
    file: PathBuf,
    /// Engines, each on a thread of its own
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    engines: u32,
    /// Rows of their tables together (`flow.hash-size`)
    #[arg(long, default_value_t = 65_536)]
    rows: u32,
    /// Bytes that their flows may take together (`flow.memcap`)
    #[arg(long, default_value_t = 4 << 30)]
    memcap: u64,
}

fn main() -> ExitCode {
    match count(&Arguments::parse()) {
        Ok((packets, flows)) => {
            println!("packets {packets} flows {flows}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("apart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Packets and flows that all engines have counted.
fn count(arguments: &Arguments) -> Result<(u64, u64), String> {
    let engine = |number| move || one_of(arguments, number);
    std::thread::scope(|scope| {
        let engines: Vec<_> = (0..arguments.engines).map(|number| scope.spawn(engine(number))).collect();
        engines.into_iter().try_fold((0, 0), |(packets, flows), engine| {
            let report = engine.join().expect("an engine that does not panic")?;
            let new = report.counters.value("flow.total").unwrap_or(0);
            Ok((packets + report.ledger.read.packets, flows + new))
        })
    })
}

fn one_of(arguments: &Arguments, number: u32) -> Result<RunReport, String> {
    let &Arguments { engines, rows, memcap, .. } = arguments;
    let table = TableConfig {
        memcap: memcap / u64::from(engines),
        hash_size: (rows / engines).max(1),
        midstream: true,
        ..TableConfig::default()
    };
    let config =
        EngineConfig { table, threads: Threads { workers: 1, ..Threads::default() }, ..EngineConfig::default() };
    let mut source = Share::open(&arguments.file, number, engines).map_err(|error| error.to_string())?;
    // Nobody takes what comes out.
    run(&mut source, &mut Tee::new(), &config, [7, u64::from(number)]).map_err(|error| error.to_string())
}

/// A capture of which one share is kept.
struct Share {
    capture: CaptureFile,
    all: PacketBatch,
    number: u32,
    of: u32,
}

impl Share {
    fn open(path: &Path, number: u32, of: u32) -> Result<Self, SourceError> {
        Ok(Self { capture: CaptureFile::open(path, &Options::default())?, all: PacketBatch::new(), number, of })
    }
}

impl PacketSource for Share {
    fn fill(&mut self, batch: &mut PacketBatch) -> Result<bool, SourceError> {
        batch.clear();
        while batch.is_empty() {
            if !self.capture.fill(&mut self.all)? {
                return Ok(false);
            }
            self.all.run_errand();
            let Some(block) = self.all.block() else { continue };
            batch.start(block.clone());
            for packet in self.all.packets() {
                // What is of no flow is the first one's.
                let share = parse(packet.data).map_or(0, |(key, ..)| share_of(hash(&key), self.of));
                if share == self.number {
                    batch.push(*packet.entry);
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_engines_then_together_they_count_what_one_counts() {
        let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/office.pcap"));
        let with = |engines| count(&Arguments { file: file.clone(), engines, rows: 1024, memcap: 1 << 27 });
        let one = with(1).expect("a capture");
        assert!(one.0 > 4_000 && one.1 > 400, "{one:?}");
        for engines in [2, 3] {
            assert_eq!(with(engines).as_ref(), Ok(&one), "{engines} engines");
        }
    }
}
