//! Values by the names of their keys, each with its origin, and how they are asked for.

use std::collections::BTreeMap;

use flumen_model::Span;
use flumen_table::Network;

use super::keys::{self, AF_PACKET, EVE, Known};
use super::node::Origin;
use super::value::{Ports, Value};

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Its origin.
    pub at: Origin,
}

/// Values by full dotted name. Every honoured key that has a default is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section(BTreeMap<&'static str, Setting>);

/// Whose keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Root,
    Eve,
    Interface,
}

impl Part {
    pub(super) fn of(name: &str) -> Self {
        let within = |section: &str| name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        match () {
            () if within(EVE) => Self::Eve,
            () if within(AF_PACKET) => Self::Interface,
            () => Self::Root,
        }
    }
}

impl Section {
    /// Sets a value; an earlier one is replaced.
    pub(super) fn set(&mut self, name: &'static str, value: Value, at: &Origin) {
        self.0.insert(name, Setting { value, at: at.clone() });
    }

    /// Sets a value or takes it away.
    pub(super) fn put(&mut self, name: &'static str, setting: Option<Setting>) {
        match setting {
            Some(setting) => self.0.insert(name, setting),
            None => self.0.remove(name),
        };
    }

    /// These values, and where they say nothing those of `base`, and where that says nothing the defaults of interfaces.
    #[must_use]
    pub fn interface_over(&self, base: Option<&Self>) -> Self {
        let mut section = base.cloned().unwrap_or_default();
        section.0.extend(self.0.iter().map(|(name, setting)| (*name, setting.clone())));
        section.add_defaults(Part::Interface, false);
        section
    }

    /// Adds the defaults of what is not set.
    pub(super) fn add_defaults(&mut self, part: Part, from_file: bool) {
        for key in keys::rows().iter().filter(|key| Part::of(key.name) == part) {
            let default = match key.name {
                "stream.midstream" if !from_file => Some("yes"),
                _ => key.default,
            };
            if let Some(Ok(value)) = default.map(|default| key.kind.parse(default)) {
                self.0.entry(key.name).or_insert(Setting { value, at: Origin::Default });
            }
        }
    }

    /// A value with its origin, when it is set.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        debug_assert!(matches!(keys::known(name), Some(Known::Honoured(_))), "{name} has no row");
        self.0.get(name)
    }

    /// Replaces a value and keeps its origin.
    pub fn replace(&mut self, name: &str, value: Value) {
        if let Some(setting) = self.0.get_mut(name) {
            setting.value = value;
        }
    }

    /// Where a value comes from; [`Origin::Default`] when it is not set.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.0.get(name).map_or(Origin::Default, |setting| setting.at.clone())
    }

    /// A truth value. `false` when there is none of that name, which a test rules out.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.setting(name), Some(Setting { value: Value::Flag(true), .. }))
    }

    /// A flag that has no default, when it is set.
    #[must_use]
    pub fn given_flag(&self, name: &str) -> Option<bool> {
        match self.setting(name)?.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// A size or count, when it is set.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.setting(name)?.value {
            Value::Size(number) | Value::Count(number) => Some(number),
            _ => None,
        }
    }

    /// A ratio in thousandths; 0 when there is none of that name, which a test rules out.
    #[must_use]
    pub fn ratio(&self, name: &str) -> u64 {
        match self.setting(name) {
            Some(Setting { value: Value::Ratio(thousandths), .. }) => *thousandths,
            _ => 0,
        }
    }

    /// A duration, when it is set.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<Span> {
        match self.setting(name)?.value {
            Value::Duration(span) => Some(span),
            _ => None,
        }
    }

    /// A word, when it is set.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.setting(name)?.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A text, empty when it is not set.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.setting(name) {
            Some(Setting { value: Value::Text(text), .. }) => text,
            _ => "",
        }
    }

    /// Ports, when they are set.
    #[must_use]
    pub fn ports(&self, name: &str) -> Option<&Ports> {
        match &self.setting(name)?.value {
            Value::Ports(ports) => Some(ports),
            _ => None,
        }
    }

    /// Networks; none when they are not set.
    #[must_use]
    pub fn networks(&self, name: &str) -> &[Network] {
        match self.setting(name) {
            Some(Setting { value: Value::Networks(networks), .. }) => &networks.0,
            _ => &[],
        }
    }

    /// Paths; none when they are not set.
    #[must_use]
    pub fn paths(&self, name: &str) -> &[String] {
        match self.setting(name) {
            Some(Setting { value: Value::Paths(paths), .. }) => paths,
            _ => &[],
        }
    }
}
