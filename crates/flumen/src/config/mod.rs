//! The configuration: a `suricata.yaml`, the command line, and defaults, to the settings of a run.
//!
//! The way of a value: [`mod@include`] reads the files (with [`yaml`]) into a tree of [`node`]s → [`overrides`] puts the
//! command line into it → [`resolve`] holds it against the table of [`keys`] and reads each [`value`] into a [`section`] →
//! [`settings`] makes of them what a run takes. [`emit`] writes the effective configuration, [`changes`] says in what two of
//! them differ. Everything that is wrong becomes a [`problem`] with
//! its place; nothing here panics, and files, nesting and numbers of values are bounded.

pub mod changes;
pub mod cpus;
pub mod emit;
mod hosts;
pub mod include;
pub mod keys;
#[cfg(target_os = "linux")]
pub mod live;
pub mod networks;
pub mod node;
pub mod overrides;
pub mod problem;
pub mod resolve;
pub mod section;
pub mod settings;
mod threads;
pub mod value;
pub mod yaml;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use flumen_engine::CpuSet;

pub use overrides::Override;
pub use problem::{Problem, Problems};
pub use settings::Settings;

use include::Loaded;
use node::{Node, Origin};
use resolve::Resolved;

/// Where a configuration comes from, so that it can be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What the command line puts over it, later over earlier.
    pub set: Vec<Override>,
}

impl Source {
    /// Reads it as it is now.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, Problems> {
        Config::load(self.file.as_deref(), &self.set)
    }
}

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
        let loaded = file.map(include::load).transpose()?;
        Self::of(loaded, overrides, CpuSet::available())
    }

    /// The same with the text of a file in place of the file, for a machine with the CPUs `available` (`None`: threads
    /// cannot be bound there). Opens no files: a text that includes one is wrong.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, overrides: &[Override], available: Option<CpuSet>) -> Result<Self, Problems> {
        Self::of(Some(include::parse(text, "suricata.yaml")?), overrides, available)
    }

    fn of(loaded: Option<Loaded>, overrides: &[Override], available: Option<CpuSet>) -> Result<Self, Problems> {
        let from_file = loaded.is_some();
        let nothing = || Loaded { root: Node::empty_map(Origin::Default), files: Vec::new(), warnings: Vec::new() };
        let Loaded { mut root, files, warnings } = loaded.unwrap_or_else(nothing);
        for given in overrides {
            overrides::apply(&mut root, given)?;
        }
        let mut values = resolve::resolve(&root, from_file)?;
        values.warnings.splice(..0, warnings);
        let settings = Settings::of(&mut values, available)?;
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
