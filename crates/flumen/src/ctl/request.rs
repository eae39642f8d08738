//! From typed words to a request.

use flumen_control::{Argument, Command, Kind, command};
use serde_json::Value;

use super::Arguments;

/// What is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) command: String,
    pub(super) arguments: Arguments,
}

/// What is wrong with the words, for whoever typed them.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit(pub(super) String);

impl Request {
    /// Each of `words` is `name=value` with a name that the command has, or the value of its next argument.
    ///
    /// A command that is not known here, because another sensor listens, is sent as it is if all arguments are named.
    pub(super) fn parse(name: &str, words: &[String]) -> Result<Self, Misfit> {
        let arguments = match command(name) {
            Some(known) => known_arguments(known, words)?,
            None => words.iter().map(|word| free_argument(name, word)).collect::<Result<_, _>>()?,
        };
        Ok(Self { command: name.to_owned(), arguments })
    }
}

fn known_arguments(command: &Command, words: &[String]) -> Result<Arguments, Misfit> {
    let mut given = Arguments::new();
    for word in words {
        let named = word.split_once('=').and_then(|(name, value)| {
            command.arguments.iter().find(|argument| argument.name == name).map(|argument| (argument, value))
        });
        let next = || command.arguments.iter().find(|argument| !given.contains_key(argument.name));
        let (argument, value) = match named {
            Some(named) => named,
            None => match next() {
                Some(argument) => (argument, word.as_str()),
                None => return Err(Misfit(format!("'{word}' is too much: {}", usage(command)))),
            },
        };
        if given.contains_key(argument.name) {
            return Err(Misfit(format!("'{}' is given twice", argument.name)));
        }
        given.insert(argument.name.to_owned(), typed(argument, value)?);
    }
    match command.arguments.iter().find(|argument| argument.required && !given.contains_key(argument.name)) {
        Some(missing) => Err(Misfit(format!("'{}' is missing: {}", missing.name, usage(command)))),
        None => Ok(given),
    }
}

/// A value as the argument wants it.
fn typed(argument: &Argument, value: &str) -> Result<Value, Misfit> {
    let misfit = |what: &str| Misfit(format!("'{}': '{value}' is not {what}", argument.name));
    match argument.kind {
        Kind::Text | Kind::Size => Ok(value.into()),
        // Names are those of whoever types them, wherever the sensor is.
        Kind::Path => match std::path::absolute(value).map(|path| path.into_os_string().into_string()) {
            Ok(Ok(path)) => Ok(path.into()),
            _ => Err(misfit("a name of a file that can be sent")),
        },
        Kind::Count => value.parse::<u64>().map(Value::from).map_err(|_| misfit("a number")),
        Kind::Flag => match value {
            "true" | "yes" | "1" => Ok(true.into()),
            "false" | "no" | "0" => Ok(false.into()),
            _ => Err(misfit("true or false")),
        },
    }
}

/// `name=value` with a number or a truth value as such, anything else as a string.
fn free_argument(command: &str, word: &str) -> Result<(String, Value), Misfit> {
    let Some((name, value)) = word.split_once('=') else {
        return Err(Misfit(format!("'{command}' is not known here, so its arguments need names: name={word}")));
    };
    let typed = match serde_json::from_str(value) {
        Ok(typed @ (Value::Number(_) | Value::Bool(_))) => typed,
        _ => value.into(),
    };
    Ok((name.to_owned(), typed))
}

/// A command with its arguments; what may be left out is in brackets.
pub(super) fn usage(command: &Command) -> String {
    command.arguments.iter().fold(command.name.to_owned(), |usage, argument| match argument.required {
        true => format!("{usage} {}", argument.name.to_uppercase()),
        false => format!("{usage} [{}={}]", argument.name, sample(argument.kind)),
    })
}

const fn sample(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "TEXT",
        Kind::Path => "PATH",
        Kind::Count => "N",
        Kind::Flag => "true",
        Kind::Size => "SIZE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(words: &[&str]) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Request::parse(&words[0], &words[1..])
            .map(|request| Value::Object(request.arguments))
            .map_err(|Misfit(what)| what)
    }

    #[test]
    fn words_in_their_order_or_by_name_then_arguments() {
        for (words, arguments) in [
            (&["version"][..], json!({})),
            (&["memcap-set", "flow", "64mb"], json!({"config": "flow", "memcap": "64mb"})),
            (&["memcap-set", "memcap=64mb", "flow"], json!({"config": "flow", "memcap": "64mb"})),
            (&["get-flow-stats-by-id", "18446744073709551615"], json!({"flow_id": u64::MAX})),
            (&["conf-get", "a=b"], json!({"variable": "a=b"})),
            (
                &["pcap-file", "/a=b.pcap", "/out", "7", "delete-when-done=yes"],
                json!({"filename": "/a=b.pcap", "output-dir": "/out", "tenant": 7, "delete-when-done": true}),
            ),
            (&["dataset-add", "setname=x", "n=3", "on=true"], json!({"setname": "x", "n": 3, "on": true})),
        ] {
            assert_eq!(parse(words), Ok(arguments), "{words:?}");
        }
    }

    #[test]
    fn names_of_files_then_absolute() {
        let here = std::env::current_dir().expect("a directory");
        let sent = parse(&["pcap-file", "a.pcap", "out"]).expect("right");
        assert_eq!(sent, json!({"filename": here.join("a.pcap"), "output-dir": here.join("out")}));
    }

    #[test]
    fn words_that_do_not_fit_then_what_is_wrong() {
        for (words, what) in [
            (&["version", "x"][..], "'x' is too much: version"),
            (&["memcap-set", "flow"], "'memcap' is missing: memcap-set CONFIG MEMCAP"),
            (&["memcap-set", "flow", "config=x"], "'config' is given twice"),
            (&["get-flow-stats-by-id", "-1"], "'flow_id': '-1' is not a number"),
            (&["pcap-file", "a", "b", "continuous=maybe"], "'continuous': 'maybe' is not true or false"),
            (&["dataset-add", "x"], "'dataset-add' is not known here, so its arguments need names: name=x"),
        ] {
            assert_eq!(parse(words), Err(what.to_owned()), "{words:?}");
        }
    }
}
