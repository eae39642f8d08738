//! Counters by name, in the order in which the `stats` event prints them.
//!
//! Engines keep their counters as plain fields of per-worker structures; this is only the form in which a merged
//! snapshot travels to a sink or a socket. Names are Suricata's, with dots for nesting: `flow.end.state.new`.

/// A snapshot of named counters. Consecutive names that share a prefix nest in one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    entries: Vec<(&'static str, u64)>,
}

impl Counters {
    /// Appends a counter. Names of one object must be appended one after the other.
    pub fn push(&mut self, name: &'static str, value: u64) {
        self.entries.push((name, value));
    }
    /// The value of `name`, if it was appended.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        self.entries.iter().find(|(n, _)| *n == name).map(|&(_, v)| v)
    }
    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.entries.iter().copied()
    }
}
