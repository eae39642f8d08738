//! A configuration file with everything it includes, as one tree.
//!
//! Suricata's three forms: `include: FILE` in any section, repeated or as a list, puts the keys of the file where it
//! stands; `key: !include FILE` makes the file the value. A name is relative to the directory of the file that has it. What
//! stands later replaces what an included file said, key by key at the level of the `include`, with a warning.
//! Files, their number, and how deep they include each other are bounded, so a file that includes itself is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::node::{Data, Entry, Node, Origin};
use super::problem::{Problem, shortened};
use super::yaml;

/// Most bytes of all files together. Suricata's own file has about 90,000.
pub const BYTES_MAX: u64 = 4 << 20;
/// Most files that one configuration may consist of.
pub const FILES_MAX: usize = 64;
/// How deep files may include each other.
pub const INCLUDE_DEPTH_MAX: usize = 8;

/// A configuration as it stands in its files.
#[derive(Debug)]
pub struct Loaded {
    /// The tree, includes in place.
    pub root: Node,
    /// Every file it came from, in the order read.
    pub files: Vec<PathBuf>,
    /// What was odd.
    pub warnings: Vec<Problem>,
}

/// Reads `path` and what it includes.
///
/// # Errors
/// The first file that cannot be read, is not YAML, or goes beyond a limit; at the line that includes it.
pub fn load(path: &Path) -> Result<Loaded, Problem> {
    let mut reader = Reader::new(Includes::Followed);
    let command_line = Origin::Option("-c");
    let root = reader.file(path, &command_line, 0)?;
    Ok(Loaded { root, files: reader.files, warnings: reader.warnings })
}

/// Takes `text` for the content of a file called `name`. No file is opened: an include is an error.
///
/// # Errors
/// When it is not YAML, includes a file, or goes beyond a limit.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Problem> {
    let mut reader = Reader::new(Includes::Refused);
    if text.len() as u64 > BYTES_MAX {
        return Err(Problem::new(&Origin::line(&name.into(), 1), too_large()));
    }
    let root = reader.text(text, &name.into(), Path::new(""), 0)?;
    Ok(Loaded { root, files: reader.files, warnings: reader.warnings })
}

/// What is being read.
struct Reader {
    includes: Includes,
    files: Vec<PathBuf>,
    bytes_left: u64,
    nodes_left: usize,
    warnings: Vec<Problem>,
}

/// What becomes of an `include`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Includes {
    Followed,
    Refused,
}

impl Reader {
    fn new(includes: Includes) -> Self {
        Self { includes, files: Vec::new(), bytes_left: BYTES_MAX, nodes_left: yaml::NODES_MAX, warnings: Vec::new() }
    }

    /// One file with what it includes; `asked` is the place that names it.
    fn file(&mut self, path: &Path, asked: &Origin, depth: usize) -> Result<Node, Problem> {
        if self.includes == Includes::Refused {
            return Err(Problem::new(asked, "a file cannot be included here"));
        }
        if depth > INCLUDE_DEPTH_MAX {
            return Err(Problem::new(
                asked,
                format!("files include each other deeper than {INCLUDE_DEPTH_MAX} levels"),
            ));
        }
        if self.files.len() == FILES_MAX {
            return Err(Problem::new(asked, format!("more than {FILES_MAX} included files")));
        }
        let text = read_text(path, &mut self.bytes_left)
            .map_err(|reason| Problem::new(asked, format!("{}: {reason}", path.display())))?;
        self.files.push(path.to_owned());
        let name: Arc<str> = path.to_string_lossy().into();
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        self.text(&text, &name, directory, depth)
    }

    /// The content of a file with what it includes.
    fn text(&mut self, text: &str, name: &Arc<str>, directory: &Path, depth: usize) -> Result<Node, Problem> {
        let (root, more) = yaml::parse_within(text, name, &mut self.nodes_left)?;
        if more > 0 {
            let text = "only the first document of this file counts; what follows its second '---' is not read";
            self.warnings.push(Problem::new(&Origin::line(name, 1), text));
        }
        self.expand(root, directory, depth)
    }

    /// Puts included files in their places. Recursion is bounded by the depth of a parsed tree.
    fn expand(&mut self, node: Node, directory: &Path, depth: usize) -> Result<Node, Problem> {
        let Node { at, data } = node;
        let data = match data {
            Data::Include(name) => return self.file(&directory.join(name), &at, depth + 1),
            Data::List(items) => {
                let items = items.into_iter().map(|item| self.expand(item, directory, depth));
                Data::List(items.collect::<Result<_, _>>()?)
            }
            Data::Map(entries) => Data::Map(self.expand_map(entries, directory, depth)?),
            data => data,
        };
        Ok(Node { at, data })
    }

    fn expand_map(&mut self, entries: Vec<Entry>, directory: &Path, depth: usize) -> Result<Vec<Entry>, Problem> {
        if entries.iter().all(|entry| entry.key != "include") {
            return entries
                .into_iter()
                .map(|Entry { key, at, value }| Ok(Entry { key, at, value: self.expand(value, directory, depth)? }))
                .collect();
        }
        let mut merged = Merged::default();
        for Entry { key, at, value } in entries {
            if key != "include" {
                let value = self.expand(value, directory, depth)?;
                merged.add(Entry { key, at, value }, &mut self.warnings);
                continue;
            }
            for (name, at) in file_names(value)? {
                let included = self.file(&directory.join(&name), &at, depth + 1)?;
                match included.data {
                    Data::Map(entries) => entries.into_iter().for_each(|entry| merged.add(entry, &mut self.warnings)),
                    Data::Null => {}
                    _ => {
                        let name = shortened(&name);
                        let text = format!("{name} cannot be included here: it holds {}, not keys", included.what());
                        return Err(Problem::new(&at, text));
                    }
                }
            }
        }
        Ok(merged.entries)
    }
}

/// Keys from several files.
#[derive(Default)]
struct Merged {
    entries: Vec<Entry>,
    /// Where each key is.
    index: HashMap<String, usize>,
}

impl Merged {
    /// Adds a key; a later one takes the place of an earlier one.
    fn add(&mut self, entry: Entry, warnings: &mut Vec<Problem>) {
        match self.index.get(&entry.key) {
            Some(&index) => {
                let (key, first) = (shortened(&entry.key), &self.entries[index].at);
                let text = format!("'{key}' replaces all that {first} says under this key");
                warnings.push(Problem::new(&entry.at, text));
                self.entries[index] = entry;
            }
            None => {
                self.index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }
}

/// The files that an `include` names, each with its place.
fn file_names(value: Node) -> Result<Vec<(String, Origin)>, Problem> {
    let items = match value.data {
        Data::List(items) => items,
        _ => vec![value],
    };
    items
        .into_iter()
        .map(|item| match item.data {
            Data::Text(name) => Ok((name, item.at)),
            _ => Err(Problem::new(&item.at, format!("include takes the name of a file, not {}", item.what()))),
        })
        .collect()
}

/// The text of a file within what is left of the size limit.
fn read_text(path: &Path, bytes_left: &mut u64) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(*bytes_left + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    *bytes_left = bytes_left.checked_sub(bytes.len() as u64).ok_or_else(too_large)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

fn too_large() -> String {
    format!("too large: a configuration has at most {} MiB", BYTES_MAX >> 20)
}

#[cfg(test)]
mod tests;
