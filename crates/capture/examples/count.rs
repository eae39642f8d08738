//! Counts the packets of captures and says what was odd or wrong: `cargo run --example count -- FILE|DIRECTORY|-…`

use flumen_capture::{Captures, Options, Verdict};
use flumen_model::{PacketBatch, PacketSource, SourceError};
use std::process::ExitCode;

fn main() -> Result<ExitCode, SourceError> {
    let paths: Vec<_> = std::env::args_os().skip(1).map(Into::into).collect();
    let mut captures = Captures::open(&paths, Options::default())?;
    let mut batch = PacketBatch::new();
    let (mut packets, mut bytes) = (0, 0);
    while captures.fill(&mut batch)? {
        packets += batch.len();
        bytes += batch.entries().iter().map(|entry| u64::from(entry.wire_len)).sum::<u64>();
    }
    captures.notices().iter().for_each(|notice| eprintln!("note: {notice}"));
    captures.errors().iter().for_each(|error| eprintln!("error: {error}"));
    println!("{packets} packets, {bytes} bytes on the wire");
    Ok(match captures.verdict() {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Damaged => ExitCode::from(4),
        Verdict::Failed => ExitCode::FAILURE,
    })
}
