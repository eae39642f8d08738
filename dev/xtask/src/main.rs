//! Checks of the repository itself: `cargo run -p xtask -- layers` and `cargo run -p xtask -- tidy`.
//!
//! Both print one line a problem and end with 1 when there is one; `tidy` also prints warnings, which do not count.
#![forbid(unsafe_code)]

mod layers;
mod tidy;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let problems = match words.as_slice() {
        ["layers"] => check_layers(),
        ["tidy"] => check_tidy(),
        _ => {
            eprintln!("usage: cargo run -p xtask -- layers | tidy");
            return ExitCode::from(2);
        }
    };
    match problems {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("{} problem(s)", problems.len());
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn check_layers() -> Result<Vec<String>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = output(Command::new(cargo).args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata = serde_json::from_slice(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    layers::violations(&metadata)
}

fn check_tidy() -> Result<Vec<String>, String> {
    let root = output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
    let root = std::path::PathBuf::from(String::from_utf8_lossy(&root).trim_end());
    let listed = output(Command::new("git").arg("-C").arg(&root).args(["ls-files", "-z"]))?;
    let mut problems = Vec::new();
    for name in listed.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name);
        // A file that is listed and not there has been deleted and not yet committed.
        let Ok(bytes) = std::fs::read(root.join(&*name)) else { continue };
        problems.extend(tidy::problems(&name, &bytes));
        if let Some(warning) = tidy::length_warning(&name, &bytes) {
            println!("warning: {warning}");
        }
    }
    Ok(problems)
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}
