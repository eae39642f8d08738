//! The binary: parses the command line, runs it, and turns what came of it into an exit code.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use flumen::cli::Cli;
use flumen::command;
use flumen::exit::{self, Exit};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are no errors; a reader that has gone does not matter for either.
            let _ = answer.print();
            return if answer.use_stderr() { Exit::Usage } else { Exit::Clean }.into();
        }
    };
    match command::execute(cli) {
        Ok(exit) => exit.into(),
        Err(error) => match Exit::of_error(&error) {
            Some(exit) => {
                for line in exit::told(&error).lines() {
                    let _ = writeln!(io::stderr(), "error: {line}");
                }
                exit.into()
            }
            None => Exit::Clean.into(),
        },
    }
}
