//! The configuration: a `suricata.yaml`, the command line, and defaults, to the settings of a run.
//!
//! The way of a value: [`mod@include`] reads the files (with [`yaml`]) into a tree of [`node`]s → [`overrides`] puts the
//! command line into it → [`resolve`] holds it against the table of [`keys`] and reads each [`value`] → [`settings`] makes
//! of them what a run takes. [`emit`] writes the effective configuration. Everything that is wrong becomes a [`problem`] with
//! its place; nothing here panics, and files, nesting and numbers of values are bounded.

pub mod emit;
pub mod include;
pub mod keys;
pub mod node;
pub mod overrides;
pub mod problem;
pub mod resolve;
pub mod settings;
pub mod value;
pub mod yaml;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use overrides::Override;
pub use problem::{Problem, Problems};
pub use settings::Settings;

use node::{Node, Origin};
use resolve::Resolved;

/// A configuration that is right.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a run takes.
    pub settings: Settings,
    /// Every value with its origin, what was ignored, and what was odd.
    pub values: Resolved,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Reads the file, if one is given, with all it includes, and puts the command line over it, later over earlier.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Self, Problems> {
        let (mut root, files, warnings) = match file {
            Some(path) => {
                let loaded = include::load(path)?;
                (loaded.root, loaded.files, loaded.warnings)
            }
            None => (Node::empty_map(Origin::Default), Vec::new(), Vec::new()),
        };
        for given in overrides {
            overrides::apply(&mut root, given)?;
        }
        let mut values = resolve::resolve(&root, file.is_some())?;
        values.warnings.splice(..0, warnings);
        let settings = Settings::of(&mut values)?;
        Ok(Self { settings, values, files })
    }

    /// The effective configuration as YAML, each value with its origin.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = emit::write(self, &mut text);
        text
    }
}
