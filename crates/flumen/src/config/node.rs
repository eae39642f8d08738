//! The tree of a configuration before it means anything: maps, lists and texts, each with its origin.
//!
//! Built by [`yaml`](super::yaml) from a file, by [`overrides`](super::overrides) from the command line, and read by
//! [`resolve`](super::resolve). Depth and size are bounded where a tree is built.

use std::fmt;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// A line of a file; lines count from 1.
    File {
        /// Name of the file as it was given.
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
    },
    /// `--set KEY=VALUE`.
    Set,
    /// An option of the command line with a name of its own, such as `--memcap`.
    Option(&'static str),
}

/// A value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub at: Origin,
    /// What it is.
    pub data: Data,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing: `key:`, `~` or `null`.
    Null,
    /// A text, quotes removed.
    Text(String),
    /// `!include FILE`: stands for the content of a file until [`include`](super::include) has put it in place.
    Include(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file. Keys are unique, but for `include`, which may be repeated until it is resolved.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Origin,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A text.
    #[must_use]
    pub fn text(text: &str, at: Origin) -> Self {
        Self { at, data: Data::Text(text.to_owned()) }
    }

    /// A map with nothing in it.
    #[must_use]
    pub fn empty_map(at: Origin) -> Self {
        Self { at, data: Data::Map(Vec::new()) }
    }

    /// The value under `key`, when this is a map that has it.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<&Self> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The entries of this map; it becomes an empty one when it is anything else.
    pub fn entries_mut(&mut self) -> &mut Vec<Entry> {
        if !matches!(self.data, Data::Map(_)) {
            self.data = Data::Map(Vec::new());
        }
        match &mut self.data {
            Data::Map(entries) => entries,
            _ => unreachable!("it has just become a map"),
        }
    }

    /// The items of this list; it becomes an empty one when it is anything else.
    pub fn items_mut(&mut self) -> &mut Vec<Self> {
        if !matches!(self.data, Data::List(_)) {
            self.data = Data::List(Vec::new());
        }
        match &mut self.data {
            Data::List(items) => items,
            _ => unreachable!("it has just become a list"),
        }
    }

    /// The text, when this is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What this is, for a message.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Text(_) | Data::Include(_) => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a section",
        }
    }
}

impl Origin {
    /// A line of a file.
    #[must_use]
    pub fn line(file: &Arc<str>, line: usize) -> Self {
        Self::File { file: Arc::clone(file), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Set => f.write_str("--set"),
            Self::Option(name) => f.write_str(name),
        }
    }
}
