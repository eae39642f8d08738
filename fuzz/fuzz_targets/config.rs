//! Any text as a configuration: settings or a clear error, never a panic, no file opened. What is right is written out
//! and read again, and means the same.
//!
//! Input: the text of a `suricata.yaml`; after a zero byte, and after each further one, a `KEY=VALUE` of `--set`.
#![no_main]

use flumen::config::{Config, Override, Problem, Problems};
use flumen_engine::CpuSet;
use libfuzzer_sys::fuzz_target;

/// Overrides that are taken: more do nothing new.
const OVERRIDES_MAX: usize = 8;
/// CPUs of the machine, so that the outcome is not up to this one.
const CPUS: [usize; 5] = [0, 1, 2, 3, 7];

fuzz_target!(|input: &[u8]| {
    let Ok(input) = str::from_utf8(input) else { return };
    let mut parts = input.split('\0');
    let text = parts.next().unwrap_or("");
    let overrides: Vec<_> = parts.take(OVERRIDES_MAX).filter_map(|set| Override::parse(set).ok()).collect();
    match parse(text, &overrides) {
        Ok(config) => means_the_same_when_written_and_read(&config),
        Err(problems) => is_clear(&problems),
    }
});

fn parse(text: &str, overrides: &[Override]) -> Result<Config, Problems> {
    Config::parse(text, overrides, Some(CPUS.into_iter().collect::<CpuSet>()))
}

fn means_the_same_when_written_and_read(config: &Config) {
    config.values.warnings.iter().for_each(is_a_line);
    assert!(config.files.is_empty(), "opened {:?}", config.files);
    let written = config.to_yaml();
    let again = parse(&written, &[]).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    let settings = |config: &Config| format!("{:?}", config.settings);
    assert_eq!(settings(&again), settings(config), "{written}");
}

fn is_clear(problems: &Problems) {
    assert!(!problems.0.is_empty());
    problems.0.iter().for_each(is_a_line);
}

/// What is said stands in one line with its place, and the line has an end.
fn is_a_line(problem: &Problem) {
    let text = problem.to_string();
    assert!(text.lines().count() == 1 && text.len() < 2000, "{text}");
    assert!(text.starts_with("suricata.yaml:") || text.starts_with("--set: "), "{text}");
}
