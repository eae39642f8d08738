//! `flumen config`: the effective configuration as YAML, each value with its origin behind it.
//!
//! What it writes is a configuration that is accepted again and means the same.

use std::fmt::{self, Write};

use super::Config;
use super::keys::{self, AF_PACKET, EVE, Key};
use super::section::{Part, Section};

/// What the keys of the table of counters begin with.
const TABLES: &str = "outputs.stats.";

/// Writes the whole configuration.
///
/// # Errors
/// Those of `out`.
pub fn write(config: &Config, out: &mut dyn Write) -> fmt::Result {
    out.write_str("%YAML 1.1\n---\n")?;
    let of = |part| keys::rows().iter().filter(move |key| Part::of(key.name) == part).collect::<Vec<_>>();
    let eve = of(Part::Eve);
    let (tables, root): (Vec<_>, Vec<_>) = of(Part::Root).into_iter().partition(|key| key.name.starts_with(TABLES));
    section(&root, 0, 0, &config.values.root, out)?;
    interfaces(&of(Part::Interface), config, out)?;
    out.write_str("outputs:\n  - stats:\n")?;
    section(&tables, TABLES.len(), 6, &config.values.root, out)?;
    for log in &config.values.eve {
        out.write_str("  - eve-log:\n")?;
        let (types, own): (Vec<_>, Vec<_>) = eve.iter().partition(|key| key.name.starts_with(keys::EVE_TYPES));
        section(&own, EVE.len() + 1, 6, log, out)?;
        record_types(&types, log, out)?;
    }
    Ok(())
}

/// The interfaces that are configured, and what is said of them.
fn interfaces(rows: &[&Key], config: &Config, out: &mut dyn Write) -> fmt::Result {
    let note = if config.values.interfaces.is_empty() { " []" } else { "" };
    writeln!(out, "{AF_PACKET}:{note}")?;
    for interface in &config.values.interfaces {
        for (place, key) in rows.iter().filter(|key| interface.setting(key.name).is_some()).enumerate() {
            out.write_str(if place == 0 { "  - " } else { "    " })?;
            value(key, &key.name[AF_PACKET.len() + 1..], 0, interface, out)?;
        }
    }
    Ok(())
}

/// Keys as nested sections. `skip` bytes of their names are already written; `indent` is that of the outermost.
fn section(rows: &[&Key], skip: usize, indent: usize, values: &Section, out: &mut dyn Write) -> fmt::Result {
    let mut open: Vec<&str> = Vec::new();
    for key in rows {
        let path: Vec<&str> = key.name[skip..].split('.').collect();
        let (last, parents) = (path[path.len() - 1], &path[..path.len() - 1]);
        let shared = open.iter().zip(parents).take_while(|(open, parent)| open == parent).count();
        for (depth, parent) in parents.iter().enumerate().skip(shared) {
            writeln!(out, "{:indent$}{parent}:", "", indent = indent + 2 * depth)?;
        }
        open = parents.to_vec();
        value(key, last, indent + 2 * parents.len(), values, out)?;
    }
    Ok(())
}

/// One key with its value and origin; as a comment when it is not set.
fn value(key: &Key, name: &str, indent: usize, values: &Section, out: &mut dyn Write) -> fmt::Result {
    match values.setting(key.name) {
        Some(setting) => {
            let origin = setting.at.to_string().replace(char::is_control, "?");
            writeln!(out, "{:indent$}{name}: {}  # {origin}", "", setting.value)
        }
        None => writeln!(out, "{:indent$}# {name}: not set", ""),
    }
}

/// The record types of an EVE log: those that are on.
fn record_types(rows: &[&Key], log: &Section, out: &mut dyn Write) -> fmt::Result {
    let skip = keys::EVE_TYPES.len() + 1;
    let on: Vec<&str> = rows
        .iter()
        .filter(|key| key.name.ends_with(".enabled") && log.flag(key.name))
        .filter_map(|key| key.name[skip..].strip_suffix(".enabled"))
        .collect();
    writeln!(out, "      types:{}", if on.is_empty() { " []" } else { "" })?;
    for name in on {
        writeln!(out, "        - {name}:")?;
        for key in rows.iter().filter(|key| key.name[skip..].starts_with(name)) {
            let Some((owner, last)) = key.name[skip..].split_once('.') else { continue };
            if owner == name {
                value(key, last, 12, log, out)?;
            }
        }
    }
    Ok(())
}
