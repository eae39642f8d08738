//! Seeds that are always run, and some that never were. A failure names its seed and the command that repeats it.

use std::hash::{BuildHasher, RandomState};

use sim::{Probe, Probes, STEPS, run, run_threads, run_twice};

/// Seeds that every test run repeats.
const FIXED: u64 = 200;
/// Seeds of which the traffic goes through the whole engine with several threads.
const THREADED: u64 = 100;
/// Seeds that are new in every test run, unless `FLUMEN_SIM_FROM` names the first.
const NEW: u64 = 50;
/// Paths so rare that the fixed seeds need not come by.
const RARE: [Probe; 2] = [Probe::FinishedInVain, Probe::EmergencyOver];

#[test]
fn fixed_seeds_break_no_law_and_take_every_rare_path() {
    let mut probes = Probes::default();
    for seed in 1..=FIXED {
        let summary = run(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
        probes.merge(&summary.probes);
    }
    for &probe in Probe::ALL.iter().filter(|probe| !RARE.contains(probe)) {
        assert!(probes.count(probe) > 0, "{FIXED} seeds never came by: {}", probe.text());
    }
}

#[test]
fn a_seed_that_is_run_again_does_the_same_again() {
    for seed in 1..=10 {
        run_twice(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn new_seeds_break_no_law() {
    let from = match std::env::var("FLUMEN_SIM_FROM") {
        Ok(from) => from.parse().expect("FLUMEN_SIM_FROM is a number"),
        Err(_) => RandomState::new().hash_one("sim") >> 16,
    };
    println!("{NEW} new seeds, to repeat: FLUMEN_SIM_FROM={from} cargo test -p sim");
    for seed in (0..NEW).map(|n| from + n) {
        run(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn several_threads_give_the_records_of_one() {
    for seed in 1..=THREADED {
        run_threads(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
    }
}
