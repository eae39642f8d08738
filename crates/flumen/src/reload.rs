//! SIGUSR2: the configuration is read again, and what can be taken over by a sensor that runs is.
//!
//! 1. A configuration that is wrong changes nothing, and is told with file and line.
//! 2. Every key that changed has a line that says what became of it. What takes a restart is told again the next time.
//! 3. It is done in a thread of its own, one reading after the other: who ends the run does not wait for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use crate::config::changes::Change;
use crate::config::{Config, Source};
use crate::exit;
use crate::notify::Notifier;

/// What takes a configuration over while it runs.
pub(crate) trait Reloads: Send + Sync {
    /// Takes over what can be of a configuration that is right in itself, and says what became of each change.
    ///
    /// # Errors
    /// When it is wrong for this run; then nothing has changed.
    fn take_over(&self, new: Config) -> anyhow::Result<Vec<(Change, Outcome)>>;
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is so now.
    Done,
    /// It will be so, or would have to be made so, as these words say.
    Later(&'static str),
    /// It could not be made.
    Failed(String),
}

impl Outcome {
    /// Of all that is decided at the start.
    pub(crate) const RESTART: Self = Self::Later("takes a restart");
}

/// Reads a configuration again and again.
pub(crate) struct Reloader {
    source: Source,
    /// Whether more than errors is said.
    talks: bool,
    notifier: Notifier,
    target: Arc<dyn Reloads>,
    turn: Mutex<()>,
}

impl Reloader {
    pub(crate) fn new(source: &Source, talks: bool, notifier: &Notifier, target: Arc<dyn Reloads>) -> Arc<Self> {
        let (source, notifier) = (source.clone(), notifier.clone());
        Arc::new(Self { source, talks, notifier, target, turn: Mutex::default() })
    }
    /// Has the configuration read again; returns at once.
    pub(crate) fn begin(self: &Arc<Self>) {
        let reloader = Arc::clone(self);
        let thread = Builder::new().name("flumen-reload".to_owned()).spawn(move || {
            // Nothing is held by it but the turn.
            let _turn = reloader.turn.lock().unwrap_or_else(PoisonError::into_inner);
            reloader.notifier.reloading(|| reloader.read());
        });
        if let Err(error) = thread {
            tell!("the configuration is not read again: no thread: {error}");
        }
    }

    fn read(&self) {
        let Some(file) = &self.source.file else {
            return tell!("there is no configuration file (-c) to be read again; other changes take a restart");
        };
        let taken = self.source.load().map_err(Into::into).and_then(|new| {
            let warnings = new.values.warnings.clone();
            Ok((warnings, self.target.take_over(new)?))
        });
        let (warnings, changes) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                tell!("{}", exit::told(&error));
                return tell!("{} was read again and is wrong: nothing is changed", file.display());
            }
        };
        for (change, outcome) in &changes {
            match outcome {
                Outcome::Failed(why) => tell!("{change}: not done: {why}"),
                _ if !self.talks => {}
                Outcome::Done => tell!("{change}"),
                Outcome::Later(when) => tell!("{change}: {when}"),
            }
        }
        if self.talks {
            warnings.iter().for_each(|warning| tell!("warning: {warning}"));
            match changes.len() {
                0 => tell!("{} was read again: nothing has changed", file.display()),
                1 => tell!("{} was read again: 1 change", file.display()),
                changes => tell!("{} was read again: {changes} changes", file.display()),
            }
        }
    }
}
