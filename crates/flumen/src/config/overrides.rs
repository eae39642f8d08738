//! Values from the command line, put into the tree that came from the files.
//!
//! A key is a dotted name. An element of a list is named by its index, as in Suricata (`outputs.1.eve-log.enabled`), or
//! simply by its name (`outputs.eve-log.enabled`, `outputs.eve-log.types.netflow`); several of one name: the first.

use super::keys::{AF_PACKET, EVE, EVE_TYPES};
use super::node::{Data, Entry, Node, Origin};
use super::problem::{Problem, shortened};
use super::yaml;

/// One value from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Dotted name.
    pub key: String,
    /// The value as text; `[…]` and `{…}` are read as YAML.
    pub value: String,
    /// `--set` or the option.
    pub at: Origin,
}

impl Override {
    /// Reads `KEY=VALUE`, as `--set` takes it.
    ///
    /// # Errors
    /// A text without `=` or without a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned(), at: Origin::Set })
            }
            _ => Err("expected KEY=VALUE, such as flow.memcap=64mb".to_owned()),
        }
    }

    /// A value that an option of its own gives.
    #[must_use]
    pub fn option(name: &'static str, key: &str, value: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.into(), at: Origin::Option(name) }
    }
}

/// Puts a value into the tree; what is missing on the way is made, with defaults where lists have some.
///
/// # Errors
/// A name that cannot be followed: too long, an empty part, an index beyond its list, or an element of another name.
pub fn apply(root: &mut Node, given: &Override) -> Result<(), Problem> {
    let parts: Vec<&str> = given.key.split('.').collect();
    if parts.len() > yaml::DEPTH_MAX || parts.contains(&"") {
        return Err(Problem::new(&given.at, format!("'{}' is not a dotted name", shortened(&given.key))));
    }
    let mut walk = Walk { given, path: String::new() };
    let mut here = root;
    for (index, part) in parts.iter().enumerate() {
        if !matches!(here.data, Data::Map(_) | Data::List(_)) {
            *here = walk.fresh();
        }
        walk.fill(here, part);
        let next = parts.get(index + 1).copied();
        let at_default = here.at == Origin::Default;
        let place = match &mut here.data {
            Data::List(items) => walk.place(items, at_default, part, next)?,
            _ => Place::Key,
        };
        here = match place {
            Place::Stay => here,
            Place::Key => walk.under_key(here, part),
            Place::Element(index) => &mut here.items_mut()[index],
            Place::Named(index) => walk.under_key(&mut here.items_mut()[index], part),
        };
    }
    *here = value(given)?;
    Ok(())
}

/// A way through the tree.
struct Walk<'a> {
    given: &'a Override,
    /// Dotted name of where the walk is, indexes left out.
    path: String,
}

impl Walk<'_> {
    /// What stands here when nothing does: a list where Suricata has one.
    fn fresh(&self) -> Node {
        let list = ["outputs", EVE_TYPES, AF_PACKET].contains(&self.path.as_str());
        let data = if list { Data::List(Vec::new()) } else { Data::Map(Vec::new()) };
        Node { at: self.given.at.clone(), data }
    }

    /// Makes defaults visible that a value below them would otherwise hide.
    fn fill(&self, here: &mut Node, part: &str) {
        let defaults = match (self.path.as_str(), part) {
            ("", "outputs") => default_outputs(),
            (EVE, "types") => default_types(),
            _ => return,
        };
        let Data::Map(entries) = &mut here.data else { return };
        if entries.iter().all(|entry| entry.key != part) {
            entries.push(Entry { key: part.to_owned(), at: Origin::Default, value: defaults });
        }
    }

    /// The value under a key of a map; it is made when it is missing.
    fn under_key<'n>(&mut self, here: &'n mut Node, part: &str) -> &'n mut Node {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(part);
        let entries = here.entries_mut();
        let index = entries.iter().position(|entry| entry.key == part).unwrap_or_else(|| {
            let value = Node { at: self.given.at.clone(), data: Data::Null };
            entries.push(Entry { key: part.to_owned(), at: self.given.at.clone(), value });
            entries.len() - 1
        });
        &mut entries[index].value
    }

    /// Where `part` leads in a list; an element that is missing by name is made.
    fn place(&self, items: &mut Vec<Node>, default: bool, part: &str, next: Option<&str>) -> Result<Place, Problem> {
        if let Ok(index) = part.parse::<usize>() {
            return match (items.get(index), next) {
                // Nobody sees the default list, so its indexes are those of Suricata's file; the name after it decides.
                (_, Some(_)) if default => Ok(Place::Stay),
                // Its elements have keys, one of which is their name.
                (Some(_), _) if self.path == AF_PACKET => Ok(Place::Element(index)),
                (Some(item), Some(next)) if !is_named(item, next) => {
                    let name = element_name(item);
                    Err(self.refuse(&format!(
                        "element {index} of '{}' is {name}, not '{}'",
                        shortened(&self.path),
                        shortened(next)
                    )))
                }
                (Some(_), None) => Ok(Place::Element(index)),
                (Some(_), Some(next)) => {
                    named(items, index, next);
                    Ok(Place::Element(index))
                }
                (None, _) => Err(self.refuse(&format!("'{}' has no element {index}", shortened(&self.path)))),
            };
        }
        let index = items.iter().position(|item| is_named(item, part)).unwrap_or_else(|| {
            items.push(Node::text(part, self.given.at.clone()));
            items.len() - 1
        });
        named(items, index, part);
        Ok(Place::Named(index))
    }

    fn refuse(&self, text: &str) -> Problem {
        Problem::new(&self.given.at, format!("{}: {text}", shortened(&self.given.key)))
    }
}

/// Where a part of a name leads.
enum Place {
    /// To a key of this map.
    Key,
    /// To an element, whose name is the next part.
    Element(usize),
    /// To what stands under the name of an element.
    Named(usize),
    /// Nowhere: the next part says it.
    Stay,
}

/// Gives the element `- name` the form `- name:`, which can hold a value.
fn named(items: &mut [Node], index: usize, name: &str) {
    let item = &mut items[index];
    if let Data::Text(_) = item.data {
        let (at, value) = (item.at.clone(), Node { at: item.at.clone(), data: Data::Null });
        item.data = Data::Map(vec![Entry { key: name.to_owned(), at, value }]);
    }
}

/// The value as a tree of its own.
fn value(given: &Override) -> Result<Node, Problem> {
    if !given.value.starts_with(['[', '{']) {
        return Ok(Node::text(&given.value, given.at.clone()));
    }
    let (mut node, _) = yaml::parse(&given.value, &"--set".into())
        .map_err(|problem| Problem::new(&given.at, format!("{}: {}", shortened(&given.key), problem.text)))?;
    stamp(&mut node, &given.at);
    Ok(node)
}

/// Gives every part of a tree this origin. Recursion is bounded by the depth of a parsed tree.
fn stamp(node: &mut Node, at: &Origin) {
    node.at = at.clone();
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| stamp(item, at)),
        Data::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.at = at.clone();
            stamp(&mut entry.value, at);
        }),
        _ => {}
    }
}

fn is_named(item: &Node, name: &str) -> bool {
    item.as_text() == Some(name) || item.child(name).is_some()
}

fn element_name(item: &Node) -> String {
    match &item.data {
        Data::Text(name) => format!("'{}'", shortened(name)),
        Data::Map(entries) if !entries.is_empty() => format!("'{}'", shortened(&entries[0].key)),
        _ => item.what().to_owned(),
    }
}

/// The outputs when no file has any: one EVE log with its default records.
#[must_use]
pub fn default_outputs() -> Node {
    let eve = Entry { key: "eve-log".to_owned(), at: Origin::Default, value: Node::empty_map(Origin::Default) };
    let item = Node { at: Origin::Default, data: Data::Map(vec![eve]) };
    Node { at: Origin::Default, data: Data::List(vec![item]) }
}

/// The records of an EVE log that names none.
fn default_types() -> Node {
    let items = ["flow", "netflow", "stats"].map(|name| Node::text(name, Origin::Default));
    Node { at: Origin::Default, data: Data::List(items.into()) }
}
