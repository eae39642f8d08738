//! From answers to text for a person.
//!
//! Words of the sensor may hold what traffic and files are called: what a terminal would obey is left out.

use flumen_control::COMMANDS;
use serde_json::Value;

use super::request::usage;

/// The commands, with a line about each.
pub(super) fn commands() -> String {
    let mut text = String::from("Commands of a running sensor:\n");
    for serving in [false, true] {
        if serving {
            text.push_str("\nOf one that reads captures as it is told (flumen serve):\n");
        }
        for command in COMMANDS.iter().filter(|command| command.is_serving() == serving) {
            // What may be left out is told by --help and by the message when it is wrong; here it would be in the way.
            let usage = usage(command);
            let usage = usage.split(" [").next().unwrap_or(&usage);
            text.push_str(&format!("  {usage:USAGE_WIDTH$}  {}\n", command.summary));
        }
    }
    text
}

/// Columns of the longest usage.
const USAGE_WIDTH: usize = 40;

/// The message of an answer, laid out; it ends with a line feed.
pub(super) fn message(command: &str, message: &Value) -> String {
    match (command, message) {
        ("uptime", Value::Number(secs)) => match secs.as_u64() {
            Some(secs) => format!("{secs} s ({})\n", duration(secs)),
            None => format!("{secs}\n"),
        },
        ("dump-counters", Value::Object(_)) => {
            table(&[("Counter".to_owned(), "Value".to_owned())], message, Side::Right)
        }
        (_, Value::Object(fields)) => match fields.values().find_map(Value::as_array) {
            // A count and a list: the list says how many there are.
            Some(list) if fields.len() == 2 && fields.contains_key("count") => lines(list),
            _ => table(&[], message, Side::Left),
        },
        (_, Value::Array(list)) => lines(list),
        (_, other) => format!("{}\n", plain(other).trim_end()),
    }
}

/// A value on one line.
pub(super) fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// One item a line; those that have a name and a value are a table.
fn lines(list: &[Value]) -> String {
    if list.is_empty() {
        return "none\n".to_owned();
    }
    let pair = |item: &Value| Some((plain(item.get("name")?), plain(item.get("value")?)));
    match list.iter().map(pair).collect::<Option<Vec<_>>>() {
        Some(pairs) => columns(&pairs, Side::Left),
        None => list.iter().map(|item| format!("{}\n", plain(item))).collect(),
    }
}

/// Where values stand in their column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Names and values of an object; what is within it has its names joined by dots.
fn table(head: &[(String, String)], object: &Value, side: Side) -> String {
    let mut pairs = head.to_vec();
    flatten(&mut pairs, "", object);
    columns(&pairs, side)
}

/// Recursion ends: JSON is not read deeper than 128 objects.
fn flatten(pairs: &mut Vec<(String, String)>, path: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let name: String = plain(&Value::from(name.as_str()));
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(pairs, &path, inner);
            }
        }
        other => pairs.push((path.to_owned(), plain(other))),
    }
}

fn columns(pairs: &[(String, String)], side: Side) -> String {
    let width =
        |of: fn(&(String, String)) -> &String| pairs.iter().map(|pair| of(pair).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|pair| &pair.0), width(|pair| &pair.1));
    let row = |(name, value): &(String, String)| match side {
        Side::Left => format!("{name:names$}  {value}\n"),
        Side::Right => format!("{name:names$}  {value:>values$}\n"),
    };
    pairs.iter().map(row).collect()
}

fn duration(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", secs % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_then_text_for_a_person() {
        for (command, answer, text) in [
            ("version", json!("0.1.0"), "0.1.0\n"),
            ("uptime", json!(35_264), "35264 s (9h 47m)\n"),
            ("uptime", json!(59), "59 s (59s)\n"),
            ("iface-list", json!({"count": 2, "ifaces": ["eth0", "eth1"]}), "eth0\neth1\n"),
            ("pcap-file-list", json!({"count": 0, "files": []}), "none\n"),
            (
                "memcap-list",
                json!([{"name": "flow", "value": "64mb"}, {"name": "x", "value": "1"}]),
                "flow  64mb\nx     1\n",
            ),
            ("memcap-set", json!("memcap value for 'flow' updated: 1 "), "memcap value for 'flow' updated: 1\n"),
            ("iface-stat", json!({"pkts": 378, "drop": 0}), "pkts  378\ndrop  0\n"),
            (
                "dump-counters",
                json!({"uptime": 2, "flow": {"total": 12_345, "end": {"state": {"new": 1}}}}),
                "Counter             Value\nuptime                  2\nflow.total          12345\nflow.end.state.new      1\n",
            ),
            ("pcap-current", json!("/a\u{1b}[2J\n.pcap"), "/a\u{fffd}[2J\u{fffd}.pcap\n"),
            ("anything", json!(null), "null\n"),
        ] {
            assert_eq!(message(command, &answer), text, "{command}");
        }
    }

    #[test]
    fn every_command_then_a_line_about_it() {
        let text = commands();
        for command in COMMANDS {
            let found = text.lines().filter(|line| line.trim_start().split(' ').next() == Some(command.name)).count();
            assert_eq!(found, 1, "{}", command.name);
        }
        assert!(text.contains("  memcap-set CONFIG MEMCAP                  change a memory limit\n"), "{text}");
    }
}
