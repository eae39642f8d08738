//! What becomes of a new configuration: the next capture is read with it. The limit of the flow table is the present one's
//! too, if that is possible; the socket, the pages and the user stay as they are.

use flumen_control::Sensor;

use super::desk::Desk;
use crate::command::refuse_sockets;
use crate::config::changes::{self, Change};
use crate::config::{Config, Settings};
use crate::reload::{Outcome, Reloads};

/// Whether captures can be read so.
///
/// # Errors
/// When there is nothing to write.
pub(super) fn check(settings: &Settings) -> anyhow::Result<()> {
    anyhow::ensure!(!settings.eve.is_empty(), "every eve-log of the configuration is off: nothing to write");
    Ok(())
}

impl Reloads for Desk {
    fn take_over(&self, new: Config) -> anyhow::Result<Vec<(Change, Outcome)>> {
        refuse_sockets(&new)?;
        check(&new.settings)?;
        let changes = changes::between(&self.values(), &new.values);
        let Config { settings, mut values, .. } = new;
        let of = |change: Change| {
            let outcome = match change.key {
                "flow.memcap" => limit(self, settings.engine.table.memcap),
                key if is_one_of(AT_START, key) => Outcome::RESTART,
                key if is_one_of(CAPTURE_ALONE, key) => Outcome::Later("no effect, as it is about flumen capture"),
                _ => NEXT,
            };
            if outcome == Outcome::RESTART {
                change.undo(&mut values);
            }
            (change, outcome)
        };
        let made = changes.into_iter().map(of).collect();
        self.set(settings, values);
        Ok(made)
    }
}

/// Sets the limit of the flow table, of the present run if it does not use more.
fn limit(desk: &Desk, bytes: u64) -> Outcome {
    if desk.set_memcap("flow", bytes).is_ok() {
        return Outcome::Done;
    }
    desk.set_next_memcap(bytes);
    NEXT
}

/// Whether a key is among these, or below one of them.
fn is_one_of(keys: &[&str], key: &str) -> bool {
    let is_it = |one: &&str| key.strip_prefix(*one).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    keys.iter().any(is_it)
}

const NEXT: Outcome = Outcome::Later("from the next capture on");
/// What is decided at the start.
const AT_START: &[&str] = &["unix-command", "run-as", "flumen.metrics"];
/// What nothing is done with here.
const CAPTURE_ALONE: &[&str] = &[
    "default-log-dir",
    "stats.interval",
    "outputs.stats",
    "outputs.eve-log.rotate-interval",
    "outputs.eve-log.rotate-size",
    "outputs.eve-log.spool-size",
    "security",
    "flumen.seccomp",
];
