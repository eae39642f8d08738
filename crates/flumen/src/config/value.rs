//! Texts of a configuration to values: the kinds of value there are, what each accepts, and how it is written back.

use std::fmt;

use flumen_model::Span;

use super::cpus::Cpus;
use super::networks::Networks;

/// A kind of value: what a key accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes`, `true`, `on`, `1` or `no`, `false`, `off`, `0` in any case.
    Flag,
    /// Bytes, with a unit or plain, at least `min`.
    Size {
        /// Smallest size in bytes.
        min: u64,
    },
    /// A whole number within bounds, both included.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `auto`, or a whole number from 1.
    AutoOr {
        /// Largest.
        max: u64,
    },
    /// A number above 0 and up to 1,000 with up to three decimals.
    Ratio,
    /// Seconds, or a number with a unit.
    Duration,
    /// One of these words, in any case; a list with `yes` and `no` also takes their synonyms.
    Word(&'static [&'static str]),
    /// Any text that is not empty.
    Text,
    /// UDP ports: one, a list of up to [`PORTS_MAX`], or `any`; also a `$NAME` of `vars.port-groups`.
    Ports,
    /// CPUs: numbers, ranges, a list of them, or `all`.
    Cpus,
    /// Addresses and networks: one, or a list of them.
    Networks,
    /// Files or directories: one, or a list of them. None has a comma in its name.
    Paths,
}

/// A value that is of its [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Size`], bytes.
    Size(u64),
    /// Of [`Kind::Count`], or of [`Kind::AutoOr`] when it is not the word.
    Count(u64),
    /// Of [`Kind::Ratio`], in thousandths.
    Ratio(u64),
    /// Of [`Kind::Duration`].
    Duration(Span),
    /// Of [`Kind::Word`].
    Word(&'static str),
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Ports`].
    Ports(Ports),
    /// Of [`Kind::Cpus`].
    Cpus(Cpus),
    /// Of [`Kind::Networks`].
    Networks(Networks),
    /// Of [`Kind::Paths`].
    Paths(Vec<String>),
}

/// The UDP ports of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Every port.
    #[default]
    Any,
    /// These, at most [`PORTS_MAX`], each once, in the order given.
    These(Vec<u16>),
}

/// Most ports of one tunnel, as in Suricata.
pub const PORTS_MAX: usize = 4;

impl Kind {
    /// Reads a text.
    ///
    /// # Errors
    /// What would be accepted, when the text is not.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let value = match self {
            Self::Flag => flag(text).map(Value::Flag),
            Self::Size { min } => size(text).filter(|&bytes| bytes >= min).map(Value::Size),
            Self::Count { min, max } => count(text).filter(|n| (min..=max).contains(n)).map(Value::Count),
            Self::AutoOr { .. } if text.eq_ignore_ascii_case("auto") => Some(Value::Word("auto")),
            Self::AutoOr { max } => count(text).filter(|n| (1..=max).contains(n)).map(Value::Count),
            Self::Ratio => scaled(text, 1000).filter(|n| (1..=1_000_000).contains(n)).map(Value::Ratio),
            Self::Duration => duration(text).map(Value::Duration),
            Self::Word(words) => word(text, words).map(Value::Word),
            Self::Text => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::Ports => ports(text).map(Value::Ports),
            Self::Cpus => Cpus::parse(text).map(Value::Cpus),
            Self::Networks => Networks::parse(text).map(Value::Networks),
            Self::Paths => paths(text).map(Value::Paths),
        };
        value.ok_or_else(|| self.accepted())
    }

    /// What this kind accepts, for a message.
    #[must_use]
    pub fn accepted(self) -> String {
        match self {
            Self::Flag => "yes or no".to_owned(),
            Self::Size { min: 0 } => "a size such as 64mb, 128 MiB or a number of bytes".to_owned(),
            Self::Size { min } => format!("a size of at least {min} bytes such as 64mb, 128 MiB or a number of bytes"),
            Self::Count { min, max: u64::MAX } => format!("a whole number from {min}"),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::AutoOr { max } => format!("auto, or a whole number from 1 to {max}"),
            Self::Ratio => "a number from 0.001 to 1000 such as 1.5".to_owned(),
            Self::Duration => "seconds, or a duration such as 500ms, 30s, 5m, 2h".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a text that is not empty".to_owned(),
            Self::Ports => format!("'any', a port, or a list of up to {PORTS_MAX} ports such as [4789, 8472]"),
            Self::Cpus => Cpus::ACCEPTED.to_owned(),
            Self::Networks => Networks::ACCEPTED.to_owned(),
            Self::Paths => "a path, or a list of paths such as [/srv/log, /run]".to_owned(),
        }
    }
}

impl fmt::Display for Value {
    /// As YAML that [`Kind::parse`] reads back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Size(bytes) => {
                let unit = UNITS.iter().find(|(_, factor)| *bytes > 0 && bytes.is_multiple_of(*factor));
                match unit {
                    Some((unit, factor)) => write!(f, "{}{unit}", bytes / factor),
                    None => write!(f, "{bytes}"),
                }
            }
            Self::Count(count) => write!(f, "{count}"),
            Self::Ratio(thousandths) => {
                let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Duration(span) if span.nanos().is_multiple_of(1_000_000_000) => write!(f, "{}", span.secs()),
            Self::Duration(span) if span.nanos().is_multiple_of(1_000_000) => {
                write!(f, "{}ms", span.nanos() / 1_000_000)
            }
            Self::Duration(span) => write!(f, "{}ns", span.nanos()),
            Self::Word(word) => f.write_str(word),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Ports(Ports::Any) => f.write_str("any"),
            Self::Ports(Ports::These(ports)) => {
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                write!(f, "[{}]", ports.join(", "))
            }
            Self::Cpus(cpus) => write!(f, "{cpus}"),
            Self::Networks(networks) => write!(f, "{networks}"),
            Self::Paths(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| quoted(path)).collect();
                write!(f, "[{}]", paths.join(", "))
            }
        }
    }
}

/// A truth value in any of the spellings of YAML 1.1 that Suricata takes.
#[must_use]
pub fn flag(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["yes", "true", "on", "1"]) {
        Some(true)
    } else if is(["no", "false", "off", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Bytes: a number, perhaps with a fraction, perhaps with a unit, which always is a power of 1024.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    scaled(number, factor)
}

/// A length of time; without a unit seconds.
fn duration(text: &str) -> Option<Span> {
    let (number, unit) = split_unit(text);
    let nanos = match unit.to_ascii_lowercase().as_str() {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" | "sec" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    scaled(number, nanos).map(Span::from_nanos)
}

/// The number and the unit of a text, blanks between them removed.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// `number × factor` in whole numbers; `None` when it is not a number or does not fit. A fraction is cut to nine digits.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let whole = count(whole)?.checked_mul(factor)?;
    let Some(fraction) = fraction else { return Some(whole) };
    let digits = &fraction[..fraction.len().min(9)];
    let part = u128::from(count(digits)?) * u128::from(factor) / 10_u128.pow(digits.len() as u32);
    whole.checked_add(u64::try_from(part).ok()?)
}

/// A whole number: digits only, so neither a sign nor an empty text is one.
fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn word(text: &str, words: &'static [&'static str]) -> Option<&'static str> {
    let find = |wanted: &str| words.iter().find(|word| word.eq_ignore_ascii_case(wanted)).copied();
    find(text).or_else(|| find(if flag(text)? { "yes" } else { "no" }))
}

fn ports(text: &str) -> Option<Ports> {
    if text.eq_ignore_ascii_case("any") {
        return Some(Ports::Any);
    }
    let list = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
    let mut ports = Vec::new();
    for item in list.split(',') {
        let port = u16::try_from(count(item.trim())?).ok()?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    (ports.len() <= PORTS_MAX).then_some(Ports::These(ports))
}

fn paths(text: &str) -> Option<Vec<String>> {
    let list = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?.trim();
    if list.is_empty() && list.len() < text.len() {
        return Some(Vec::new());
    }
    let paths: Vec<_> = list.split(',').map(|path| path.trim().to_owned()).collect();
    (!paths.iter().any(String::is_empty)).then_some(paths)
}

/// A text as a YAML scalar: plain where that reads back as the same text, else between double quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '/');
    if first && text.chars().all(safe) && !matches!(text.to_ascii_lowercase().as_str(), "null") {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if (c as u32) < 0x20 || (c as u32) == 0x7f => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Units that a size is written in, largest first.
const UNITS: [(&str, u64); 4] = [("tb", 1 << 40), ("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Kind = Kind::Size { min: 0 };

    #[test]
    fn sizes_in_every_spelling_then_bytes() {
        let cases = [
            ("64mb", 64 << 20),
            ("128 MiB", 128 << 20),
            ("1kb", 1024),
            ("4096", 4096),
            ("32 mb", 32 << 20),
            ("2Gb", 2 << 30),
            ("1.5 kb", 1536),
            ("2k", 2048),
            ("0", 0),
            ("7b", 7),
            ("1TiB", 1 << 40),
            ("16777215 tb", 16_777_215 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(SIZE.parse(text), Ok(Value::Size(bytes)), "{text}");
        }
    }

    #[test]
    fn not_sizes_then_refused() {
        for text in ["", "mb", "-1", "1 2", "1xb", "64mbb", "1.2.3mb", "1.mb", ".5mb", "99999999999tb", "0x10", "+5"] {
            assert!(SIZE.parse(text).is_err(), "{text}");
        }
        assert!(Kind::Size { min: 1 }.parse("0").is_err());
    }

    #[test]
    fn flags_in_every_spelling_then_truth() {
        for text in ["yes", "Yes", "TRUE", "on", "1", " true "] {
            assert_eq!(Kind::Flag.parse(text), Ok(Value::Flag(true)), "{text}");
        }
        for text in ["no", "NO", "False", "oFF", "0"] {
            assert_eq!(Kind::Flag.parse(text), Ok(Value::Flag(false)), "{text}");
        }
        for text in ["", "y", "2", "enabled", "nope"] {
            assert_eq!(Kind::Flag.parse(text), Err("yes or no".to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_then_spans() {
        let cases =
            [("30", 30_000), ("30s", 30_000), ("500 ms", 500), ("1.5s", 1500), ("5m", 300_000), ("2h", 7_200_000)];
        for (text, millis) in cases {
            assert_eq!(Kind::Duration.parse(text), Ok(Value::Duration(Span::from_nanos(millis * 1_000_000))), "{text}");
        }
        for text in ["", "-1", "5 weeks", "99999999999d"] {
            assert!(Kind::Duration.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_then_the_word_of_the_list() {
        let kind = Kind::Word(&["yes", "no", "auto"]);
        assert_eq!(kind.parse("AUTO"), Ok(Value::Word("auto")));
        assert_eq!(kind.parse("off"), Ok(Value::Word("no")));
        assert_eq!(kind.parse("maybe"), Err("one of yes, no, auto".to_owned()));
        assert!(Kind::Word(&["suricata", "flumen"]).parse("yes").is_err());
    }

    #[test]
    fn ratios_and_numbers_or_auto_then_within_their_bounds() {
        for (text, thousandths) in [("1.0", 1000), ("1.5", 1500), ("0.001", 1), ("1000", 1_000_000), ("2.0009", 2000)] {
            assert_eq!(Kind::Ratio.parse(text), Ok(Value::Ratio(thousandths)), "{text}");
        }
        for text in ["", "0", "0.0009", "-1", "1000.1", "1.5x", "."] {
            assert!(Kind::Ratio.parse(text).is_err(), "{text}");
        }
        for text in ["0", "10", "automatic", ""] {
            let accepted = "auto, or a whole number from 1 to 9".to_owned();
            assert_eq!(Kind::AutoOr { max: 9 }.parse(text), Err(accepted), "{text}");
        }
    }

    #[test]
    fn ports_then_any_or_a_short_list() {
        let these = |ports: &[u16]| Ok(Value::Ports(Ports::These(ports.to_vec())));
        assert_eq!(Kind::Ports.parse("any"), Ok(Value::Ports(Ports::Any)));
        assert_eq!(Kind::Ports.parse("4789"), these(&[4789]));
        assert_eq!(Kind::Ports.parse("[8472, 4789,8472]"), these(&[8472, 4789]));
        for text in ["", "[]", "70000", "[1,2,3,4,5]", "[1", "!80", "80:90"] {
            assert!(Kind::Ports.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn value_written_then_read_back_equal() {
        let cases = [
            (SIZE, "3mb"),
            (SIZE, "1000"),
            (SIZE, "0"),
            (Kind::Duration, "250ms"),
            (Kind::Duration, "7ns"),
            (Kind::Ports, "[1,2]"),
            (Kind::AutoOr { max: 9 }, "Auto"),
            (Kind::AutoOr { max: 9 }, "9"),
            (Kind::Ratio, "1.0"),
            (Kind::Ratio, "0.25"),
            (Kind::Ratio, "1000"),
            (Kind::Cpus, "ALL"),
            (Kind::Cpus, "5"),
            (Kind::Paths, "/srv/log"),
            (Kind::Paths, "[/srv/log, /run]"),
            (Kind::Paths, "[]"),
            (Kind::Text, "a b: #c \"q\" \\"),
            (Kind::Text, "null"),
            (Kind::Text, "-x"),
            (Kind::Count { min: 0, max: u64::MAX }, "18446744073709551615"),
        ];
        for (kind, text) in cases {
            let value = kind.parse(text).expect("parses");
            let written = value.to_string();
            let (node, _) = crate::config::yaml::parse(&format!("k: {written}"), &"t".into()).expect("is YAML");
            let node = node.child("k").expect("k");
            let read = node.as_text().map_or_else(|| written.clone(), str::to_owned);
            assert_eq!(kind.parse(&read), Ok(value), "{text} as {written}");
        }
    }
}
