//! The tree against the table of keys: every key known, every value of its kind, with its origin.
//!
//! All that is wrong is collected, so that one run names every mistake. What settings mean together is decided in
//! [`settings`](super::settings).

use std::collections::BTreeMap;

use super::keys::{self, AF_PACKET, CPU_SETS, EVE, EVE_TYPES, HOST_CONFIG, Key, Known};
use super::node::{Data, Entry, Node, Origin};
use super::problem::{Problem, Problems, shortened};
use super::section::{Part, Section};
use super::value::{Kind, Value};

/// A configuration whose every key is known and whose every value is of its kind.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// All keys but those of EVE logs, interfaces and `defrag.host-config`.
    pub root: Section,
    /// The EVE logs in their order.
    pub eve: Vec<Section>,
    /// The interfaces in their order, without defaults; perhaps with one called `default`.
    pub interfaces: Vec<Section>,
    /// The elements of `defrag.host-config` in their order.
    pub hosts: Vec<Host>,
    /// Keys of Suricata that are ignored, in order, each once.
    pub ignored: Vec<String>,
    /// Keys that are set but do nothing yet, with what they wait for.
    pub later: Vec<(&'static str, &'static str)>,
    /// What was odd.
    pub warnings: Vec<Problem>,
}

impl Resolved {
    /// What is effective for an interface of this name, whether or not it is named here.
    #[must_use]
    pub fn interface(&self, name: &str) -> Section {
        let find = |name: &str| self.interfaces.iter().find(|section| section.text("af-packet.interface") == name);
        let nothing = Section::default();
        find(name).unwrap_or(&nothing).interface_over(find("default"))
    }

    /// Has these interfaces and no others, each with all that is effective for it.
    pub fn keep_interfaces<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.interfaces = names
            .map(|name| {
                let mut section = self.interface(name);
                let at = section.origin("af-packet.interface");
                section.set("af-packet.interface", Value::Text(name.to_owned()), &at);
                section
            })
            .collect();
    }

    /// The effective value of a key by its dotted name, as it would be written; `None` when Flumen has no such key.
    #[must_use]
    pub fn shown(&self, key: &str) -> Option<String> {
        match keys::known(key)? {
            Known::Honoured(_) => Some(match &self.root.setting(key)?.value {
                Value::Text(text) => text.clone(),
                other => other.to_string(),
            }),
            Known::Ignored | Known::Section => None,
        }
    }
}

/// Hosts that have a timeout of their own.
#[derive(Clone, Debug)]
pub struct Host {
    /// A name, which means nothing.
    pub name: String,
    /// Where it stands.
    pub at: Origin,
    /// The keys of `defrag.host-config` that are set.
    pub values: Section,
}

/// Reads a tree. `from_file`: whether a configuration file was given, which decides the default of `stream.midstream`.
///
/// # Errors
/// All keys that are unknown and all values that are not accepted.
pub fn resolve(root: &Node, from_file: bool) -> Result<Resolved, Problems> {
    let mut walk = Walk { root, section: Section::default(), out: Resolved::default(), problems: Vec::new() };
    match &root.data {
        Data::Map(entries) => walk.keys("", entries),
        Data::Null => {}
        _ => walk.problem(&root.at, format!("a configuration is made of keys, this is {}", root.what())),
    }
    if root.child("outputs").is_none() {
        walk.out.eve.push(Section::default());
    }
    let Walk { section, mut out, problems, .. } = walk;
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    out.root = section;
    out.root.add_defaults(Part::Root, from_file);
    out.eve.iter_mut().for_each(|section| section.add_defaults(Part::Eve, from_file));
    Ok(out)
}

/// A walk over the tree.
struct Walk<'a> {
    root: &'a Node,
    /// Where values go now: the root section, that of an EVE log or of hosts.
    section: Section,
    out: Resolved,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn problem(&mut self, at: &Origin, text: String) {
        self.problems.push(Problem::new(at, text));
    }

    /// The keys of the section `name`. Recursion ends at keys that have nothing below them.
    fn keys(&mut self, name: &str, entries: &[Entry]) {
        for entry in entries {
            let full = if name.is_empty() { entry.key.clone() } else { format!("{name}.{}", entry.key) };
            if self.is_plain(&entry.key, &entry.at) {
                let full = self.with_dashes(full, &entry.at);
                self.key(&full, &entry.at, &entry.value);
            }
        }
    }

    /// Whether a key has no dot, a problem else. Suricata does not read such a key as a path either, and here it would slip
    /// past the check for keys given twice.
    fn is_plain(&mut self, key: &str, at: &Origin) -> bool {
        if key.contains('.') {
            self.problem(at, format!("key '{}' has a dot in it; keys are nested by sections", shortened(key)));
        }
        !key.contains('.')
    }

    fn key(&mut self, name: &str, at: &Origin, node: &Node) {
        match keys::known(name) {
            None if self.problems.len() >= PROBLEMS_MAX => {}
            None => {
                let nearest = keys::nearest(name);
                self.problem(at, format!("unknown key '{}'; the nearest known key is '{nearest}'", shortened(name)));
            }
            Some(Known::Ignored) => self.ignore(name),
            Some(Known::Honoured(key)) => self.value(key, node),
            Some(Known::Section) if name == "outputs" => self.outputs(node),
            Some(Known::Section) if name == AF_PACKET => self.interfaces(node),
            Some(Known::Section) if name == EVE_TYPES => self.types(node),
            Some(Known::Section) if name == CPU_SETS => self.cpu_sets(node),
            Some(Known::Section) if name == HOST_CONFIG => self.hosts(node),
            Some(Known::Section) => self.section(name, node),
        }
    }

    fn section(&mut self, name: &str, node: &Node) {
        match &node.data {
            Data::Map(entries) => self.keys(name, entries),
            Data::Null => {}
            _ => self.problem(&node.at, format!("'{name}' is a section with keys, this is {}", node.what())),
        }
    }

    /// The name with dashes, when only that is known: Suricata once wrote `hash_size` and still takes it.
    fn with_dashes(&mut self, name: String, at: &Origin) -> String {
        let dashed = name.replace('_', "-");
        if dashed == name || keys::known(&name).is_some() || keys::known(&dashed).is_none() {
            return name;
        }
        self.out.warnings.push(Problem::new(at, format!("'{name}' is the old name of '{dashed}'")));
        dashed
    }

    fn ignore(&mut self, name: &str) {
        if !self.out.ignored.iter().any(|known| known == name) {
            self.out.ignored.push(name.to_owned());
        }
    }

    /// `outputs`: a list whose elements are named. Each EVE log gets a section of its own.
    fn outputs(&mut self, node: &Node) {
        for (name, at, value) in self.elements(node, "outputs") {
            if !self.is_plain(name, &at) {
                continue;
            }
            if name != "eve-log" {
                self.key(&format!("outputs.{name}"), &at, value);
                continue;
            }
            if self.out.eve.len() == EVE_LOGS_MAX {
                self.problem(&at, format!("more than {EVE_LOGS_MAX} EVE logs"));
                return;
            }
            let outer = std::mem::take(&mut self.section);
            self.key(EVE, &at, value);
            let section = std::mem::replace(&mut self.section, outer);
            self.out.eve.push(section);
        }
        if self.out.eve.is_empty() {
            let text = "'outputs' has no eve-log, so no records are written with -l";
            self.out.warnings.push(Problem::new(&node.at, text));
        }
    }

    /// `af-packet`: a list of sections, each with the name of its interface among its keys.
    fn interfaces(&mut self, node: &Node) {
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            Data::Null => &[],
            _ => return self.problem(&node.at, format!("'{AF_PACKET}' is a list, this is {}", node.what())),
        };
        for item in items {
            if self.out.interfaces.len() == INTERFACES_MAX {
                return self.problem(&item.at, format!("more than {INTERFACES_MAX} interfaces"));
            }
            let Data::Map(entries) = &item.data else {
                self.problem(&item.at, format!("an interface is a section with keys, this is {}", item.what()));
                continue;
            };
            let outer = std::mem::take(&mut self.section);
            self.keys(AF_PACKET, entries);
            let section = std::mem::replace(&mut self.section, outer);
            match section.text("af-packet.interface") {
                "" => self.problem(&item.at, format!("'{AF_PACKET}.interface' is missing here")),
                name if self.out.interfaces.iter().any(|known| known.text("af-packet.interface") == name) => {
                    self.problem(&item.at, format!("'{}' is here again", shortened(name)));
                }
                _ => self.out.interfaces.push(section),
            }
        }
    }

    /// `types` of an EVE log: those that are listed are on, the others off.
    fn types(&mut self, node: &Node) {
        for name in ["flow", "netflow", "stats"] {
            self.set(&format!("{EVE_TYPES}.{name}.enabled"), Value::Flag(false), &node.at);
        }
        for (name, at, value) in self.elements(node, EVE_TYPES) {
            if !self.is_plain(name, &at) {
                continue;
            }
            let full = format!("{EVE_TYPES}.{name}");
            let enabled = format!("{full}.enabled");
            if !matches!(keys::known(&enabled), Some(Known::Honoured(_))) {
                self.key(&full, &at, value);
                continue;
            }
            self.set(&enabled, Value::Flag(true), &at);
            match &value.data {
                Data::Text(_) => self.key(&enabled, &at, value),
                _ => self.key(&full, &at, value),
            }
        }
    }

    /// `threading.cpu-affinity`: a list whose elements are named in old files, a section in new ones.
    fn cpu_sets(&mut self, node: &Node) {
        const OLD_NAME: (&str, &str) = ("detect-cpu-set", "worker-cpu-set");
        let mut seen = BTreeMap::<String, u32>::new();
        for (mut name, at, value) in self.elements(node, CPU_SETS) {
            if !self.is_plain(name, &at) {
                continue;
            }
            if name == OLD_NAME.0 {
                let text = format!("'{CPU_SETS}.{name}' is the old name of '{CPU_SETS}.{}'", OLD_NAME.1);
                self.out.warnings.push(Problem::new(&at, text));
                name = OLD_NAME.1;
            }
            let full = format!("{CPU_SETS}.{name}");
            let times = seen.entry(full.clone()).or_default();
            *times += 1;
            if *times == 2 {
                let text = format!("'{full}' is here again; its keys replace the earlier ones");
                self.out.warnings.push(Problem::new(&at, text));
            }
            self.key(&full, &at, value);
        }
    }

    /// `defrag.host-config`: a list whose elements are named as one likes. Each gets a section of its own.
    fn hosts(&mut self, node: &Node) {
        for (name, at, value) in self.elements(node, HOST_CONFIG) {
            let outer = std::mem::take(&mut self.section);
            self.section(HOST_CONFIG, value);
            let values = std::mem::replace(&mut self.section, outer);
            self.out.hosts.push(Host { name: name.to_owned(), at, values });
        }
    }

    /// The elements of a list by name: `- name`, `- name: value`; a section in place of the list will do.
    fn elements<'n>(&mut self, node: &'n Node, list: &str) -> Vec<(&'n str, Origin, &'n Node)> {
        let mut named = Vec::new();
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            Data::Null => &[],
            Data::Map(_) => std::slice::from_ref(node),
            _ => {
                self.problem(&node.at, format!("'{list}' is a list, this is {}", node.what()));
                &[]
            }
        };
        for item in items {
            match &item.data {
                Data::Text(name) => named.push((name.as_str(), item.at.clone(), &NOTHING)),
                Data::Map(entries) => {
                    named.extend(entries.iter().map(|entry| (entry.key.as_str(), entry.at.clone(), &entry.value)));
                }
                Data::Null => {}
                _ => self.problem(&item.at, format!("an element of '{list}' has a name, this is {}", item.what())),
            }
        }
        named
    }

    fn set(&mut self, name: &str, value: Value, at: &Origin) {
        if let Some(Known::Honoured(key)) = keys::known(name) {
            self.section.set(key.name, value, at);
        }
    }

    /// The value of an honoured key.
    fn value(&mut self, key: &'static Key, node: &Node) {
        let mut at = &node.at;
        let text = match (&node.data, key.kind) {
            (Data::Text(text), Kind::Ports) => self.expand(text),
            (Data::List(items), Kind::Ports) => joined(items).and_then(|ports| self.expand(&ports)),
            (Data::List(items), Kind::Cpus) if items.is_empty() => Err("an empty list".to_owned()),
            (Data::List(items), Kind::Cpus) => joined(items),
            (Data::List(items), Kind::Paths) => joined(items).map(|paths| format!("[{paths}]")),
            // Lists of networks may be long, so the one that is wrong is named.
            (Data::List(items), Kind::Networks) => match items.iter().find(|item| !is_accepted(item, key.kind)) {
                Some(wrong) => {
                    at = &wrong.at;
                    wrong.as_text().map_or_else(|| Err(wrong.what().to_owned()), |text| Ok(text.to_owned()))
                }
                None => joined(items).map(|networks| format!("[{networks}]")),
            },
            (Data::Text(text), _) => Ok(text.clone()),
            (Data::Null, _) => {
                let text = format!("'{}' has no value, its default is used", key.name);
                self.out.warnings.push(Problem::new(&node.at, text));
                return;
            }
            _ => Err(node.what().to_owned()),
        };
        let parsed = text
            .map_err(|what| (what, key.kind.accepted()))
            .and_then(|text| key.kind.parse(&text).map_err(|accepted| (format!("'{}'", shortened(&text)), accepted)));
        match parsed {
            Ok(value) => {
                if let keys::Effect::Later(part) = key.effect {
                    self.out.later.push((key.name, part));
                }
                self.set(key.name, value, &node.at);
            }
            Err((what, accepted)) => {
                self.problem(at, format!("'{}' cannot be {what}; it takes {accepted}", key.name));
            }
        }
    }

    /// Puts the values of `vars.port-groups` in the place of their `$NAME`s. The number of replacements is bounded, as
    /// groups may name groups.
    fn expand(&self, text: &str) -> Result<String, String> {
        let groups = self.root.child("vars").and_then(|vars| vars.child("port-groups"));
        let mut open: Vec<&str> = vec![text];
        let mut ports = Vec::new();
        let mut left = EXPANSIONS_MAX;
        while let Some(text) = open.pop() {
            let list = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            if list.split(',').nth(EXPANSIONS_MAX).is_some() {
                return Err("a list of that many ports".to_owned());
            } else if list.contains(',') {
                open.extend(list.split(',').rev());
            } else if let Some(name) = list.trim().strip_prefix('$') {
                left -= 1;
                let group = groups.and_then(|groups| groups.child(name)).and_then(Node::as_text);
                let group = group.ok_or_else(|| format!("'${}', which is not in vars.port-groups", shortened(name)))?;
                if left == 0 {
                    return Err(format!("'${}', which is made of too many groups", shortened(name)));
                }
                open.push(group);
            } else {
                ports.push(list.trim());
            }
        }
        Ok(ports.join(","))
    }
}

/// The texts of a list with commas.
fn joined(items: &[Node]) -> Result<String, String> {
    let texts: Option<Vec<_>> = items.iter().map(Node::as_text).collect();
    texts.map(|texts| texts.join(",")).ok_or_else(|| "a nested list".to_owned())
}

/// Whether an element of a list is of a kind by itself.
fn is_accepted(item: &Node, kind: Kind) -> bool {
    item.as_text().is_some_and(|text| kind.parse(text).is_ok())
}

/// The value of an element that is only a name.
static NOTHING: Node = Node { at: Origin::Default, data: Data::Null };

/// Unknown keys after which no more are told: looking for the nearest known key takes its time.
const PROBLEMS_MAX: usize = 100;
/// Most EVE logs: each is a file, and has all of its keys in memory.
const EVE_LOGS_MAX: usize = 64;
/// Most interfaces.
const INTERFACES_MAX: usize = 256;
/// Most names of port groups that one value may need.
const EXPANSIONS_MAX: usize = 64;
