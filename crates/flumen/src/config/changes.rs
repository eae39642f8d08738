//! In what two configurations differ, value by value, for a sensor that reads its configuration again.
//!
//! Values are compared, not texts: `64mb` and `65536kb` are no change, nor is the same value in another file or line.

use std::collections::BTreeSet;
use std::fmt;

use super::keys;
use super::resolve::{Host, Resolved};
use super::section::{Part, Section, Setting};
use super::value::Value;

/// A key whose value is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its dotted name.
    pub key: &'static str,
    /// Of which interface, log or element it is, when there may be several.
    pub of: Option<String>,
    /// What it was; `None` when it was not set.
    pub before: Option<Setting>,
    /// What it is to be.
    pub after: Option<Setting>,
}

impl Change {
    /// Has the values say what is to be: those of the run, which now has it. Of logs and elements there is no such change.
    pub fn make(&self, values: &mut Resolved) {
        let section = match &self.of {
            None => Some(&mut values.root),
            Some(name) => values.interfaces.iter_mut().find(|section| section.text(INTERFACE_NAME) == name),
        };
        if let Some(section) = section {
            section.put(self.key, self.after.clone());
        }
    }
    /// Has values that say what is to be say what was.
    pub fn undo(&self, values: &mut Resolved) {
        let Self { key, of, before, .. } = self.clone();
        Self { key, of, before: None, after: before }.make(values);
    }
    /// Whether it is that this interface is named, or no more.
    #[must_use]
    pub fn is_about(&self, interface: &str) -> bool {
        let named = [&self.before, &self.after].into_iter().flatten();
        self.key == INTERFACE_NAME && named.into_iter().any(|name| name.value == Value::Text(interface.to_owned()))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |setting: &Option<Setting>| {
            setting.as_ref().map_or_else(|| "not set".to_owned(), |setting| setting.value.to_string())
        };
        f.write_str(self.key)?;
        if let Some(of) = &self.of {
            write!(f, " of {of}")?;
        }
        write!(f, ": {} -> {}", shown(&self.before), shown(&self.after))
    }
}

/// Everything that changed but for interfaces, in the order of documentation; then logs, then elements of
/// `defrag.host-config`.
#[must_use]
pub fn between(before: &Resolved, after: &Resolved) -> Vec<Change> {
    let mut changes = of_part(Part::Root, None, &before.root, &after.root);
    let nothing = Section::default();
    let logs = before.eve.len().max(after.eve.len());
    for log in 0..logs {
        let of = (logs > 1).then(|| format!("log {}", log + 1));
        changes.extend(match (before.eve.get(log), after.eve.get(log)) {
            (Some(before), Some(after)) => of_part(Part::Eve, of, before, after),
            // All its values would say no more.
            (before, after) => {
                let name = |section: Option<&Section>| section.and_then(|log| log.setting(LOG_NAME)).cloned();
                vec![Change { key: LOG_NAME, of, before: name(before), after: name(after) }]
            }
        });
    }
    let names: BTreeSet<&str> = before.hosts.iter().chain(&after.hosts).map(|host| host.name.as_str()).collect();
    for name in names {
        let of = |hosts: &'_ [Host]| hosts.iter().find(|host| host.name == name).map(|host| host.values.clone());
        let (before, after) = (of(&before.hosts), of(&after.hosts));
        let (before, after) = (before.as_ref().unwrap_or(&nothing), after.as_ref().unwrap_or(&nothing));
        changes.extend(of_part(Part::Root, Some(name.to_owned()), before, after));
    }
    changes
}

/// What changed for an interface of this name, whether or not the configuration names it.
#[must_use]
pub fn of_interface(name: &str, before: &Resolved, after: &Resolved) -> Vec<Change> {
    let (before, after) = (before.interface(name), after.interface(name));
    let mut changes = of_part(Part::Interface, Some(name.to_owned()), &before, &after);
    changes.retain(|change| change.key != INTERFACE_NAME);
    changes
}

/// Interfaces that are named in only one of the two.
#[must_use]
pub fn of_names(before: &Resolved, after: &Resolved) -> Vec<Change> {
    let named = |values: &Resolved| -> Vec<Setting> {
        let names = values.interfaces.iter().filter_map(|section| section.setting(INTERFACE_NAME).cloned());
        names.filter(|name| name.value != Value::Text("default".to_owned())).collect()
    };
    let only = |these: &[Setting], those: &[Setting]| -> Vec<Setting> {
        these.iter().filter(|this| those.iter().all(|that| that.value != this.value)).cloned().collect()
    };
    let (before, after) = (named(before), named(after));
    let change = |before, after| Change { key: INTERFACE_NAME, of: None, before, after };
    let gone = only(&before, &after).into_iter().map(|name| change(Some(name), None));
    let new = only(&after, &before).into_iter().map(|name| change(None, Some(name)));
    gone.chain(new).collect()
}

fn of_part(part: Part, of: Option<String>, before: &Section, after: &Section) -> Vec<Change> {
    let rows = keys::rows().iter().filter(|key| Part::of(key.name) == part);
    let changes = rows.filter_map(|key| {
        let (before, after) = (before.setting(key.name), after.setting(key.name));
        let is_same = before.map(|setting| &setting.value) == after.map(|setting| &setting.value);
        (!is_same).then(|| Change { key: key.name, of: of.clone(), before: before.cloned(), after: after.cloned() })
    });
    changes.collect()
}

const LOG_NAME: &str = "outputs.eve-log.filename";
const INTERFACE_NAME: &str = "af-packet.interface";

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn values(text: &str) -> Resolved {
        Config::parse(text, &[], None).expect("right").values
    }

    fn lines(changes: &[Change]) -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn same_values_in_other_words_and_places_then_no_change() {
        let before = values("flow:\n  memcap: 64mb\naf-packet:\n  - interface: a\n  - interface: b\n");
        let after =
            values("af-packet:\n  - interface: b\n  - interface: a\nflow: {memcap: 65536kb, prealloc: 10000}\n");
        assert_eq!(between(&before, &after), []);
        assert_eq!(of_names(&before, &after), []);
        assert_eq!(of_interface("a", &before, &after), []);
    }

    #[test]
    fn other_values_then_a_line_for_each() {
        let before = values("flow: {memcap: 64mb}\noutputs:\n  - eve-log: {filename: a}\n");
        let after = values(
            "flow: {memcap: 128mb}\nsensor-name: s\noutputs:\n  - eve-log: {filename: b}\n  - eve-log: {filename: c}\n\
             defrag: {host-config: [{dmz: {timeout: 30, address: [10.0.0.0/8]}}]}\n",
        );
        let expected = [
            "flow.memcap: 64mb -> 128mb",
            "sensor-name: not set -> s",
            "outputs.eve-log.filename of log 1: a -> b",
            "outputs.eve-log.filename of log 2: not set -> c",
            "defrag.host-config.timeout of dmz: not set -> 30",
            "defrag.host-config.address of dmz: not set -> [10.0.0.0/8]",
        ];
        assert_eq!(lines(&between(&before, &after)), expected);
    }

    #[test]
    fn interfaces_then_what_is_said_of_all_of_them_counts_for_each() {
        let before = values("af-packet:\n  - interface: default\n    bpf-filter: udp\n  - interface: a\n");
        let after = values("af-packet:\n  - interface: default\n    bpf-filter: tcp port 80\n  - interface: b\n");
        let filter = "af-packet.bpf-filter of a: udp -> \"tcp port 80\"";
        assert_eq!(lines(&of_interface("a", &before, &after)), [filter]);
        let names = ["af-packet.interface: a -> not set", "af-packet.interface: not set -> b"];
        assert_eq!(lines(&of_names(&before, &after)), names);
    }
}
