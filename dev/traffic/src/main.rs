//! `traffic SCENARIO`: writes a capture; `traffic list` says which there are.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use traffic::Link;
use traffic::scenario::{ALL, Format, Options, Scenario, Totals};

/// Makes captures: realistic ones and hostile ones, the same bytes for the same seed.
#[derive(Parser, Debug)]
#[command(name = "traffic", version)]
struct Arguments {
    /// Which capture to make, or `list` to see them all
    scenario: String,
    /// File to write; `-` is standard output. Several link types go to a pcapng file
    #[arg(short, long, default_value = "-")]
    output: PathBuf,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Packets to make
    #[arg(long)]
    packets: Option<u64>,
    /// Flows to make
    #[arg(long)]
    flows: Option<u64>,
    /// Flows that were there before a flood and talk throughout it
    #[arg(long, default_value_t = 0, value_name = "N")]
    established: u64,
    /// Seconds after a flood in which only established flows talk
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    tail: u64,
    /// Packets a second of a flood
    #[arg(long)]
    rate: Option<u64>,
    /// Times something is repeated
    #[arg(long)]
    rounds: Option<u64>,
    /// Seed of the lookup3 table that a hash flood is aimed at
    #[arg(long, default_value_t = 0)]
    table_seed: u32,
    /// File format; by default pcap, or pcapng when there are several link types
    #[arg(long)]
    format: Option<FormatWord>,
    /// Longest part of a frame that is kept
    #[arg(long, value_name = "BYTES")]
    snaplen: Option<u32>,
    /// Only the frames of this link type, as pcap
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// One pcap file for each link type, in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "link"])]
    split: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum FormatWord {
    Pcap,
    PcapNanos,
    Pcapng,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Pcap => Self::Pcap,
            FormatWord::PcapNanos => Self::PcapNanos,
            FormatWord::Pcapng => Self::Pcapng,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("traffic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    if arguments.scenario == "list" {
        return list(&mut io::stdout().lock());
    }
    let Some(scenario) = Scenario::named(&arguments.scenario) else {
        return Err(invalid(format!("no scenario is called {}; see `traffic list`", arguments.scenario)));
    };
    let options = Options {
        seed: arguments.seed,
        packets: arguments.packets,
        flows: arguments.flows,
        established: arguments.established,
        tail_seconds: arguments.tail,
        rate: arguments.rate,
        rounds: arguments.rounds,
        table_seed: arguments.table_seed,
    };
    let snaplen = arguments.snaplen.unwrap_or(scenario.snaplen);
    if let Some(directory) = &arguments.split {
        for &link in scenario.links {
            let path = directory.join(format!("{}-{}.pcap", scenario.name, link.name()));
            report(&path, scenario.write_link(&options, link, snaplen, open(&path)?)?);
        }
        return Ok(());
    }
    let totals = if let Some(name) = &arguments.link {
        let link = Link::from_name(name).ok_or_else(|| invalid(format!("no link type is called {name}")))?;
        scenario.write_link(&options, link, snaplen, open(&arguments.output)?)?
    } else {
        let natural = if scenario.links.len() > 1 { Format::Pcapng } else { Format::Pcap };
        let format = arguments.format.map_or(natural, Format::from);
        scenario.write(&options, format, snaplen, open(&arguments.output)?)?
    };
    report(&arguments.output, totals);
    Ok(())
}

fn list(out: &mut impl Write) -> io::Result<()> {
    for scenario in ALL {
        writeln!(out, "{:<14} {}", scenario.name, scenario.summary)?;
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::with_capacity(1 << 16, io::stdout().lock())));
    }
    let file =
        File::create(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 18, file)))
}

fn report(path: &Path, totals: Totals) {
    eprintln!("{}: {} packets, {} bytes of frames", path.display(), totals.packets, totals.bytes);
    if totals.on_heap > 0 {
        eprintln!("{} frames were longer than a buffer of the pool, or found none free", totals.on_heap);
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
