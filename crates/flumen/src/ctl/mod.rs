//! `flumen ctl`: asks a running sensor, and shows what it answers.
//!
//! On a terminal the answer is laid out for a person; in a pipe it is the sensor's own JSON on one line, as `suricatasc`
//! prints it. What a person types is made into a request by `request`, an answer into text by `show`.

mod request;
mod show;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use flumen_control::{Answer, COMMANDS, Client};
use serde_json::{Map, Value, json};

use crate::cli::Ctl;
use crate::exit::Exit;
use request::{Misfit, Request};

/// `flumen ctl`.
///
/// # Errors
/// When there is no sensor, it does not let us in, or goes away before it answers.
pub fn ctl(options: &Ctl) -> anyhow::Result<Exit> {
    let Some((command, arguments)) = options.words.split_first() else {
        io::stdout().lock().write_all(show::commands().as_bytes())?;
        return Ok(Exit::Clean);
    };
    let Request { command, arguments } = match Request::parse(command, arguments) {
        Ok(request) => request,
        Err(Misfit(what)) => {
            // Standard error that cannot be written is nothing to fail for.
            let _ = writeln!(io::stderr(), "error: {what}");
            return Ok(Exit::Usage);
        }
    };
    let mut client = Client::connect(&options.socket, Duration::from_secs(options.timeout))?;
    let answer = client.call(&command, arguments)?;
    tell(&command, answer)
}

/// Shows an answer to whoever reads standard output.
fn tell(command: &str, answer: Answer) -> anyhow::Result<Exit> {
    let is_person = io::stdout().is_terminal();
    let out = &mut io::stdout().lock();
    let exit = match answer {
        Answer::Done(message) if is_person => {
            out.write_all(show::message(command, &message).as_bytes())?;
            Exit::Clean
        }
        Answer::Done(message) => {
            writeln!(out, "{}", json!({"message": message, "return": "OK"}))?;
            Exit::Clean
        }
        Answer::Refused(message) => {
            if !is_person {
                writeln!(out, "{}", json!({"message": message, "return": "NOK"}))?;
            }
            let reason = show::plain(&message);
            let hint = hint(command);
            let _ = writeln!(io::stderr(), "error: {command}: {reason}{hint}");
            Exit::Refused
        }
    };
    Ok(exit)
}

/// What a command may have been meant to be, if there is none of that name.
fn hint(command: &str) -> String {
    if flumen_control::command(command).is_some() {
        return String::new();
    }
    let near = COMMANDS.iter().map(|known| (strsim::damerau_levenshtein(known.name, command), known.name)).min();
    match near {
        Some((distance, name)) if distance <= command.len() / 3 => format!("; did you mean {name}?"),
        _ => "; 'flumen ctl' lists the commands".to_owned(),
    }
}

/// Arguments of a request by their names.
type Arguments = Map<String, Value>;
