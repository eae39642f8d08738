//! The commands: what each is called, what it takes, and what it answers.
//!
//! Names, arguments, and the shape and words of answers are Suricata's. A command is a row of [`COMMANDS`]; its arguments
//! are checked against the row before its function runs, so that the function finds what it needs.

use serde_json::{Map, Value, json};

use crate::memcap::{parse_size, size_text};
use crate::sensor::{MemcapRefusal, PcapJob, Pcaps, Sensor, Unavailable};
use crate::tree::stats_object;

/// A command of the control socket.
#[derive(Debug)]
pub struct Command {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What it takes, in the order in which a person types it.
    pub arguments: &'static [Argument],
    action: Action,
}

/// An argument of a command.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// What it is called.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// The command does not go without it.
    pub required: bool,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string that names a file: a client may be in another directory than the sensor.
    Path,
    /// A whole number that is not negative, or its decimal digits as a string.
    Count,
    /// `true` or `false`.
    Flag,
    /// A size such as `64mb`, or a number of bytes.
    Size,
}

#[derive(Debug)]
enum Action {
    Sensor(fn(&dyn Sensor, &Arguments<'_>) -> Outcome),
    Pcaps(fn(&dyn Pcaps, &Arguments<'_>) -> Outcome),
}

/// What a command answers: a message, or why it could not be done.
pub(crate) type Outcome = Result<Value, String>;

/// All commands, in the order in which they are listed.
pub const COMMANDS: &[Command] = &[
    row("version", "version of the sensor", &[], |sensor, _| Ok(sensor.version().into())),
    row("uptime", "seconds since the sensor started", &[], |sensor, _| Ok(sensor.uptime_secs().into())),
    row("running-mode", "how its threads are arranged", &[], |sensor, _| Ok(sensor.running_mode().into())),
    row("capture-mode", "where its packets come from", &[], |sensor, _| Ok(sensor.capture_mode().into())),
    row("command-list", "the commands there are", &[], |sensor, _| Ok(command_list(sensor))),
    row("help", "the same as command-list", &[], |sensor, _| Ok(command_list(sensor))),
    row("shutdown", "end the run: every flow is written first", &[], |sensor, _| {
        sensor.shutdown();
        Ok("Closing Flumen".into())
    }),
    row("conf-get", "effective value of a key of the configuration", &[text("variable")], |sensor, given| {
        let key = given.text("variable");
        sensor.configuration(key).map(Value::from).ok_or_else(|| format!("Unable to get value: no key '{key}'"))
    }),
    row("dump-counters", "all counters as they are now", &[], |sensor, _| {
        sensor.stats().map(|stats| stats_object(&stats)).map_err(plain)
    }),
    row("reopen-log-files", "open the log files again, after something has moved them away", &[], |sensor, _| {
        sensor.reopen_log_files().map(|()| "done".into())
    }),
    row("iface-list", "the interfaces that packets are taken from", &[], |sensor, _| {
        let names = sensor.interfaces();
        Ok(json!({"count": names.len(), "ifaces": names}))
    }),
    row("iface-stat", "what came in through an interface", &[text("iface")], interface),
    row("memcap-list", "the memory limits", &[], |sensor, _| {
        let row = |memcap: crate::Memcap| json!({"name": memcap.name, "value": size_text(memcap.bytes)});
        Ok(sensor.memcaps().into_iter().map(row).collect())
    }),
    row("memcap-show", "one memory limit", &[text("config")], |sensor, given| {
        let memcaps = sensor.memcaps();
        let found = memcaps.iter().find(|memcap| memcap.name == given.text("config"));
        found.map(|memcap| json!({"value": size_text(memcap.bytes)})).ok_or_else(|| available(sensor))
    }),
    row("memcap-set", "change a memory limit", &[text("config"), argument("memcap", Kind::Size, true)], set_memcap),
    row(
        "get-flow-stats-by-id",
        "what is known of a flow that has not ended",
        &[argument("flow_id", Kind::Count, true)],
        flow,
    ),
    serving("pcap-file", "read a capture or a directory of captures into a directory", PCAP_FILE, |pcaps, given| {
        add(pcaps, given, given.flag("continuous"))
    }),
    serving(
        "pcap-file-continuous",
        "watch a directory for captures until pcap-interrupt",
        PCAP_FILE,
        |pcaps, given| add(pcaps, given, true),
    ),
    serving("pcap-file-number", "how many captures wait", &[], |pcaps, _| Ok(pcaps.waiting().len().into())),
    serving("pcap-file-list", "the captures that wait", &[], |pcaps, _| {
        let files: Vec<_> = pcaps.waiting().iter().map(|path| path.to_string_lossy().into_owned()).collect();
        Ok(json!({"count": files.len(), "files": files}))
    }),
    serving(
        "pcap-last-processed",
        "when the last capture read was written to, in milliseconds since 1970",
        &[],
        |pcaps, _| Ok(pcaps.last_processed().map_or(0, |at| at.nanos() / 1_000_000).into()),
    ),
    serving("pcap-current", "the capture that is being read", &[], |pcaps, _| {
        Ok(pcaps.current().map_or_else(|| "None".to_owned(), |path| path.to_string_lossy().into_owned()).into())
    }),
    serving("pcap-interrupt", "stop reading the current capture or directory", &[], |pcaps, _| {
        if pcaps.interrupt() { Ok("Interrupted".into()) } else { Err("No capture is being read".to_owned()) }
    }),
];

const PCAP_FILE: &[Argument] = &[
    argument("filename", Kind::Path, true),
    argument("output-dir", Kind::Path, true),
    argument("tenant", Kind::Count, false),
    argument("continuous", Kind::Flag, false),
    argument("delete-when-done", Kind::Flag, false),
    argument("delay", Kind::Count, false),
    argument("poll-interval", Kind::Count, false),
];

const fn row(
    name: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
    action: fn(&dyn Sensor, &Arguments<'_>) -> Outcome,
) -> Command {
    Command { name, summary, arguments, action: Action::Sensor(action) }
}

const fn serving(
    name: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
    action: fn(&dyn Pcaps, &Arguments<'_>) -> Outcome,
) -> Command {
    Command { name, summary, arguments, action: Action::Pcaps(action) }
}

const fn argument(name: &'static str, kind: Kind, required: bool) -> Argument {
    Argument { name, kind, required }
}

const fn text(name: &'static str) -> Argument {
    argument(name, Kind::Text, true)
}

/// The command of that name.
#[must_use]
pub fn command(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// Whether only a sensor that serves a queue of captures has it.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self.action, Action::Pcaps(_))
    }
}

/// Does what a request asks for.
pub(crate) fn execute(sensor: &dyn Sensor, name: &str, arguments: Option<&Value>) -> Outcome {
    let known = command(name).ok_or_else(|| "Unknown command".to_owned())?;
    let given = Arguments::check(known, arguments);
    match &known.action {
        Action::Sensor(run) => run(sensor, &given?),
        Action::Pcaps(run) => match sensor.pcaps() {
            Some(pcaps) => run(pcaps, &given?),
            None => Err("Unknown command".to_owned()),
        },
    }
}

/// The arguments of a request, after they were found to be what the command takes.
struct Arguments<'a>(Option<&'a Map<String, Value>>);

impl<'a> Arguments<'a> {
    /// Arguments that the command does not have are left alone, as in Suricata.
    fn check(command: &Command, given: Option<&'a Value>) -> Result<Self, String> {
        let map = match given {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => return Err("'arguments' is not an object".to_owned()),
        };
        for argument in command.arguments {
            let value = map.and_then(|map| map.get(argument.name));
            match value {
                None if argument.required => return Err(format!("'{}' is missing from 'arguments'", argument.name)),
                Some(value) if !argument.kind.takes(value) => {
                    return Err(match argument.kind {
                        Kind::Size => "error parsing memcap specified, value not changed".to_owned(),
                        kind => format!("'{}' is not {}", argument.name, kind.words()),
                    });
                }
                _ => {}
            }
        }
        Ok(Self(map))
    }
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.and_then(|map| map.get(name))
    }
    /// A required string.
    fn text(&self, name: &str) -> &'a str {
        self.value(name).and_then(Value::as_str).unwrap_or_default()
    }
    fn count(&self, name: &str) -> Option<u64> {
        self.value(name).and_then(count_of)
    }
    fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(false)
    }
    /// A required size.
    fn size(&self, name: &str) -> u64 {
        self.value(name).and_then(size_of_value).unwrap_or_default()
    }
}

impl Kind {
    fn takes(self, value: &Value) -> bool {
        match self {
            Self::Text | Self::Path => value.is_string(),
            Self::Count => count_of(value).is_some(),
            Self::Flag => value.is_boolean(),
            Self::Size => size_of_value(value).is_some(),
        }
    }
    const fn words(self) -> &'static str {
        match self {
            Self::Text | Self::Path => "a string",
            Self::Count => "a number",
            Self::Flag => "true or false",
            Self::Size => "a size",
        }
    }
}

fn count_of(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        other => other.as_u64(),
    }
}

fn size_of_value(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => parse_size(text),
        other => other.as_u64(),
    }
}

fn command_list(sensor: &dyn Sensor) -> Value {
    let serves = sensor.pcaps().is_some();
    let names: Vec<_> = COMMANDS.iter().filter(|c| serves || !c.is_serving()).map(|c| c.name).collect();
    json!({"count": names.len(), "commands": names})
}

fn interface(sensor: &dyn Sensor, given: &Arguments<'_>) -> Outcome {
    let name = given.text("iface");
    let found = sensor.interface(name).ok_or_else(|| format!("Unknown interface '{name}'"))?;
    Ok(json!({
        "pkts": found.packets,
        "invalid-checksums": found.invalid_checksums,
        "drop": found.dropped,
        "bypassed": found.bypassed,
    }))
}

fn set_memcap(sensor: &dyn Sensor, given: &Arguments<'_>) -> Outcome {
    let (name, bytes) = (given.text("config"), given.size("memcap"));
    if !sensor.memcaps().iter().any(|memcap| memcap.name == name) {
        return Err(available(sensor));
    }
    // The blank at the end of the first one is Suricata's.
    match sensor.set_memcap(name, bytes) {
        Ok(()) => Ok(format!("memcap value for '{name}' updated: {bytes} ").into()),
        Err(MemcapRefusal::InUse(used)) => {
            Err(format!("memcap value specified for '{name}' is less than the memory in use: {used}"))
        }
        Err(MemcapRefusal::Unlimited) => Err(format!("Unlimited value is not allowed for '{name}'")),
        Err(MemcapRefusal::Other(reason)) => Err(reason),
    }
}

fn available(sensor: &dyn Sensor) -> String {
    let names: Vec<_> = sensor.memcaps().iter().map(|memcap| memcap.name).collect();
    format!("Available config: {}", names.join(" "))
}

fn flow(sensor: &dyn Sensor, given: &Arguments<'_>) -> Outcome {
    let id = given.count("flow_id").unwrap_or_default();
    let record = sensor.flow(id).map_err(plain)?.ok_or_else(|| "Not found".to_owned())?;
    Ok(json!({
        "pkts_toclient": record.to_client.packets,
        "pkts_toserver": record.to_server.packets,
        "bytes_toclient": record.to_client.bytes,
        "bytes_toserver": record.to_server.bytes,
        // Whole seconds, as in the record that the flow will have.
        "age": record.end.secs().saturating_sub(record.start.secs()),
    }))
}

fn add(pcaps: &dyn Pcaps, given: &Arguments<'_>, continuous: bool) -> Outcome {
    let tenant = match given.count("tenant").map(u32::try_from) {
        None => None,
        Some(Ok(tenant)) => Some(tenant),
        Some(Err(_)) => return Err("'tenant' is too large".to_owned()),
    };
    pcaps.add(PcapJob {
        input: given.text("filename").into(),
        output: given.text("output-dir").into(),
        tenant,
        continuous,
        delete_when_done: given.flag("delete-when-done"),
        delay_secs: given.count("delay").unwrap_or(DELAY_SECS),
        poll_interval_secs: given.count("poll-interval").unwrap_or(POLL_INTERVAL_SECS),
    })?;
    Ok("Successfully added file to list".into())
}

fn plain(reason: Unavailable) -> String {
    reason.0
}

/// `delay` and `poll-interval` of a request that does not name them.
const DELAY_SECS: u64 = 30;
const POLL_INTERVAL_SECS: u64 = 5;
