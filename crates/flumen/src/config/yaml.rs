//! YAML text to a [`Node`] tree with line numbers.
//!
//! Of YAML it takes what a `suricata.yaml` has: maps with simple keys, lists, texts of every style, the tag `!include`.
//! Aliases are refused, as they are the means of making a small file huge. Only the first document counts. The tree is
//! built with an explicit stack; depth and number of nodes are bounded.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{Data, Entry, Node, Origin};
use super::problem::{Problem, shortened};

/// Deepest nesting of maps and lists. Suricata's own file goes to nine.
pub const DEPTH_MAX: usize = 64;
/// Most nodes of a configuration. Suricata's own file has about 1,500.
pub const NODES_MAX: usize = 200_000;

/// The first document of `text`, and how many documents there are beyond it (0 or 1: it does not look further). An empty
/// text is a [`Data::Null`].
///
/// # Errors
/// The first thing that is not YAML, or that is refused (see the module), with its line.
pub fn parse(text: &str, file: &Arc<str>) -> Result<(Node, usize), Problem> {
    let mut nodes_left = NODES_MAX;
    parse_within(text, file, &mut nodes_left)
}

/// [`parse`] for one of several files that together have `nodes_left` nodes.
///
/// # Errors
/// As for [`parse`].
pub fn parse_within(text: &str, file: &Arc<str>, nodes_left: &mut usize) -> Result<(Node, usize), Problem> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder { file: Arc::clone(file), open: Vec::new(), nodes_left, root: None };
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = Origin::line(file, error.marker().line().max(1));
            Problem::new(&at, format!("not YAML: {}", error.info()))
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                break;
            }
        }
        builder.take(event, span.start.line())?;
    }
    let empty = Node { at: Origin::line(file, 1), data: Data::Null };
    Ok((builder.root.unwrap_or(empty), documents.max(1) - 1))
}

/// A tree in the making.
struct Builder<'l> {
    file: Arc<str>,
    /// Maps and lists that have begun and not ended, outermost first.
    open: Vec<Open>,
    nodes_left: &'l mut usize,
    root: Option<Node>,
}

/// A map or list that has not ended.
enum Open {
    List { at: Origin, items: Vec<Node> },
    Map { at: Origin, entries: Vec<Entry>, lines: HashMap<String, usize>, key: Option<(String, Origin)> },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Problem> {
        let at = Origin::line(&self.file, line);
        match event {
            Event::Scalar(text, style, _, tag) => {
                let included = tag.is_some_and(|tag| tag.handle == "!" && tag.suffix == "include");
                let plain = matches!(style, ScalarStyle::Plain);
                let data = match &*text {
                    _ if included => Data::Include(text.into_owned()),
                    "" | "~" | "null" | "Null" | "NULL" if plain => Data::Null,
                    _ => Data::Text(text.into_owned()),
                };
                self.put(Node { at, data }, line)
            }
            Event::SequenceStart(..) => self.begin(Open::List { at, items: Vec::new() }, line),
            Event::MappingStart(..) => {
                self.begin(Open::Map { at, entries: Vec::new(), lines: HashMap::new(), key: None }, line)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { at, items }) => self.put(Node { at, data: Data::List(items) }, line),
                Some(Open::Map { at, entries, .. }) => self.put(Node { at, data: Data::Map(entries) }, line),
                None => Ok(()),
            },
            Event::Alias(_) => Err(Problem::new(&at, "an alias (*name) is not accepted; write the value out")),
            _ => Ok(()),
        }
    }

    /// Opens a map or list.
    fn begin(&mut self, open: Open, line: usize) -> Result<(), Problem> {
        let at = Origin::line(&self.file, line);
        if self.open.len() == DEPTH_MAX {
            return Err(Problem::new(&at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(Problem::new(&at, "a list or section cannot be a key"));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn put(&mut self, node: Node, line: usize) -> Result<(), Problem> {
        *self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| Problem::new(&node.at, format!("more than {NODES_MAX} keys and values")))?;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, lines, key, .. }) => match key.take() {
                Some((name, at)) => entries.push(Entry { key: name, at, value: node }),
                None => *key = Some(new_key(node, line, lines)?),
            },
        }
        Ok(())
    }
}

/// A key of a map, if it may be one.
fn new_key(node: Node, line: usize, lines: &mut HashMap<String, usize>) -> Result<(String, Origin), Problem> {
    let Data::Text(name) = node.data else {
        return Err(Problem::new(&node.at, format!("{} cannot be a key", node.what())));
    };
    if let Some(first) = lines.insert(name.clone(), line)
        && name != "include"
    {
        return Err(Problem::new(&node.at, format!("key '{}' given twice, first in line {first}", shortened(&name))));
    }
    Ok((name, node.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(text, &"t.yaml".into()).expect("is YAML").0
    }

    fn refused(text: &str) -> String {
        parse(text, &"t.yaml".into()).expect_err("is refused").to_string()
    }

    #[test]
    fn header_and_nested_values_then_tree_with_lines() {
        let root = tree("%YAML 1.1\n---\nflow:\n  memcap: 64mb\n  list: [a, \"b c\"]\n");
        let flow = root.child("flow").expect("flow");
        assert_eq!(flow.child("memcap").map(|node| (node.as_text(), node.at.to_string())), {
            Some((Some("64mb"), "t.yaml:4".to_owned()))
        });
        let Data::List(items) = &flow.child("list").expect("list").data else { panic!("a list") };
        assert_eq!(items.iter().filter_map(Node::as_text).collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn empty_values_then_null() {
        let root = tree("a:\nb: ~\nc: null\nd: ''\n");
        for key in ["a", "b", "c"] {
            assert_eq!(root.child(key).map(|node| &node.data), Some(&Data::Null), "{key}");
        }
        assert_eq!(root.child("d").and_then(Node::as_text), Some(""));
        assert_eq!(tree("").data, Data::Null);
        assert_eq!(tree("# only a comment\n").data, Data::Null);
    }

    #[test]
    fn key_given_twice_then_both_lines_named() {
        assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "t.yaml:3: key 'a' given twice, first in line 1");
        assert_eq!(tree("include: x\ninclude: y\n").what(), "a section", "but include may be repeated");
    }

    #[test]
    fn alias_then_refused() {
        assert!(refused("a: &x [1]\nb: *x\n").starts_with("t.yaml:2: an alias"));
    }

    #[test]
    fn several_documents_then_first_counts() {
        let (root, more) = parse("a: 1\n---\nb: [\n", &"t.yaml".into()).expect("second is not read");
        assert_eq!((root.child("a").and_then(Node::as_text), more), (Some("1"), 1));
    }

    #[test]
    fn not_yaml_then_line_named() {
        assert!(refused("a: 1\nb: [1, 2\nc: 3\n").starts_with("t.yaml:"));
        for text in ["a: 1\nb: c: d\n", "a: 1\n}\n"] {
            assert!(refused(text).starts_with("t.yaml:2: not YAML"), "{}", refused(text));
        }
    }

    #[test]
    fn nested_too_deep_then_refused() {
        let block: String = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(refused(&block).contains("nested deeper"));
        for depth in [100, 500, 100_000] {
            let flow = "[".repeat(depth) + &"]".repeat(depth);
            let problem = refused(&flow);
            // The parser has a limit of its own, which very deep lists reach first.
            assert!(problem.contains("nested deeper") || problem.contains("recursion limit"), "{depth}: {problem}");
        }
    }

    #[test]
    fn too_many_values_then_refused() {
        assert!(refused(&"- a\n".repeat(NODES_MAX + 1)).contains("more than"));
    }

    #[test]
    fn section_as_key_then_refused() {
        assert!(refused("? {a: 1}\n: 2\n").contains("cannot be a key"));
        assert!(refused("~: 2\n").contains("cannot be a key"));
    }

    #[test]
    fn include_tag_then_kept_apart() {
        let included = Data::Include("b.yaml".to_owned());
        assert_eq!(tree("a: !include b.yaml\n").child("a").map(|node| &node.data), Some(&included));
    }
}
