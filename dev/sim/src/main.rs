//! `sim`: runs seeds of the simulation until one breaks a law.
#![forbid(unsafe_code)]

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use sim::{Probe, Probes, STEPS, run, run_threads, run_twice};

/// Seeded simulation of the flow engine: every step of every seed is held against the laws.
#[derive(Parser, Debug)]
#[command(name = "sim", version)]
struct Arguments {
    /// Run this seed alone, twice, and say what it came to
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Steps of a run at most
    #[arg(long, default_value_t = STEPS)]
    steps: usize,
    /// Run the traffic of the seeds through the whole engine instead, with several threads and with one
    #[arg(long)]
    threads: bool,
}

/// Every how many seeds one is run twice.
const TWICE_EVERY: u64 = 16;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (from, seeds) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let (started, mut progress) = (Instant::now(), Progress::new(seeds));
    let (mut probes, mut packets, mut steps) = (Probes::default(), 0, 0);
    for n in 0..seeds {
        let seed = from.wrapping_add(n);
        let result = match n % TWICE_EVERY {
            _ if arguments.threads => run_threads(seed, arguments.steps),
            0 => run_twice(seed, arguments.steps),
            _ => run(seed, arguments.steps),
        };
        match result {
            Ok(summary) => {
                probes.merge(&summary.probes);
                packets += summary.packets;
                steps += summary.steps;
            }
            Err(failure) => {
                progress.clear();
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
        progress.show(n + 1);
    }
    progress.clear();
    println!("{seeds} seeds from {from}: {steps} steps, {packets} packets, no law broken, {:.1?}", started.elapsed());
    for &probe in Probe::ALL.iter().filter(|&&probe| !arguments.threads || probes.count(probe) > 0) {
        println!("{:>10}  {}", probes.count(probe), probe.text());
    }
    ExitCode::SUCCESS
}

/// A line on a terminal that says how far it is.
struct Progress {
    of: u64,
    shown: Option<Instant>,
}

impl Progress {
    fn new(of: u64) -> Self {
        Self { of, shown: stderr().is_terminal().then(Instant::now) }
    }
    fn show(&mut self, done: u64) {
        if let Some(shown) = &mut self.shown
            && shown.elapsed().as_millis() >= 200
        {
            *shown = Instant::now();
            let _ = write!(stderr(), "\r{done} of {} seeds", self.of);
        }
    }
    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::{Failure, Law, Violation, Way};

    use super::*;

    #[test]
    fn failure_of_either_way_then_its_command_runs_the_same_again() {
        for way in [Way::Steps, Way::Threads] {
            let violation = Violation { law: Law::NoLeak, what: "a slot".to_owned() };
            let failure = Failure { seed: 18, steps: 70, way, step: 3, violation }.to_string();
            let (_, command) = failure.split_once("to repeat: cargo run --release -p ").expect("a command");
            let words = command.split(' ').filter(|&word| word != "--");
            let arguments = Arguments::try_parse_from(words).expect("is understood");
            assert_eq!((arguments.seed, arguments.steps), (Some(18), 70), "{failure}");
            assert_eq!(arguments.threads, way == Way::Threads, "{failure}");
        }
    }
}
