//! When a log file makes way for the next one, and what the two are called.
//!
//! A name may hold the time at which its file was begun (`eve-%Y-%m-%d-%H:%M.json`), in UTC. A file whose name would be
//! the same again is moved aside first, with the time as an end of its name: `eve.json.20200913-122640`.

use std::path::{Path, PathBuf};

use flumen_model::Timestamp;

use super::clock::time_text;

/// When a log file makes way for the next one. Without either, never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// At each end of an interval (`rotate-interval`).
    pub every: Option<Interval>,
    /// Before it would have more bytes than this (`rotate-size`, which Suricata does not have).
    pub bytes: Option<u64>,
}

/// A stretch of the time of day. Its ends are the same for all sensors: intervals are counted from 1970, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    secs: u64,
}

impl Interval {
    /// Reads `minute`, `hour`, `day`, or a number with a unit of `s`, `m`, `h`, `d`, `w`; a number alone is seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let secs = match text {
            "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            _ => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let unit = match &text[digits..] {
                    "" | "s" => 1,
                    "m" => 60,
                    "h" => 3600,
                    "d" => 86_400,
                    "w" => 604_800,
                    _ => return None,
                };
                text[..digits].parse::<u64>().ok()?.checked_mul(unit)?
            }
        };
        (1..=SECS_MAX).contains(&secs).then_some(Self { secs })
    }
    /// Which of all intervals `at` lies in.
    pub(crate) fn number(self, at: Timestamp) -> u64 {
        at.secs() / self.secs
    }
}

/// A hundred years.
const SECS_MAX: u64 = 100 * 366 * 86_400;

/// The name of a file that is begun at `at`, with `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%s` (seconds since 1970), `%F`,
/// `%T` and `%%` put in their places as by strftime(3). What it does not know stays as it is.
pub(crate) fn expand(pattern: &Path, at: Timestamp) -> PathBuf {
    // A name that is not UTF-8 has no places; one that is survives the way through a string.
    let Some(pattern) = pattern.to_str().filter(|text| text.contains('%')) else { return pattern.to_owned() };
    let text = time_text(at);
    let mut name = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            name.push(c);
            continue;
        }
        match rest.next() {
            Some('Y') => name.push_str(&text[..4]),
            Some('m') => name.push_str(&text[5..7]),
            Some('d') => name.push_str(&text[8..10]),
            Some('H') => name.push_str(&text[11..13]),
            Some('M') => name.push_str(&text[14..16]),
            Some('S') => name.push_str(&text[17..19]),
            Some('F') => name.push_str(&text[..10]),
            Some('T') => name.push_str(&text[11..19]),
            Some('s') => name.push_str(&at.secs().to_string()),
            Some('%') => name.push('%'),
            other => name.extend(['%'].into_iter().chain(other)),
        }
    }
    name.into()
}

/// The name under which `path` is moved aside at `at`, the first of its kind that `is_taken` does not know.
pub(crate) fn aside(path: &Path, at: Timestamp, is_taken: impl Fn(&Path) -> bool) -> PathBuf {
    let text = time_text(at);
    let digits: String = text[..19].chars().filter(char::is_ascii_digit).collect();
    let stem = format!(".{}-{}", &digits[..8], &digits[8..]);
    let mut name = path.as_os_str().to_owned();
    name.push(&stem);
    let first = PathBuf::from(&name);
    if !is_taken(&first) {
        return first;
    }
    let numbered = |number: u64| {
        let mut name = name.clone();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    (1..).map(numbered).find(|path| !is_taken(path)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_nanos(1_600_000_000_700_000_000);

    #[test]
    fn intervals_then_their_seconds() {
        for (text, secs) in
            [("minute", 60), ("hour", 3600), ("day", 86_400), ("30s", 30), ("10m", 600), ("2w", 1_209_600), ("7", 7)]
        {
            assert_eq!(Interval::parse(text), Some(Interval { secs }), "{text}");
        }
        for text in ["", "0", "0s", "s", "1y", "-1s", "1.5h", "minutes", "99999999999999999999", "99999999999999999w"] {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn moments_on_both_sides_of_midnight_then_two_days() {
        let day = Interval::parse("day").expect("an interval");
        let number = |secs| day.number(Timestamp::from_parts(secs, 0));
        assert_eq!(number(1_599_955_200), number(1_600_041_599));
        assert_eq!(number(1_600_041_600), number(1_600_041_599) + 1);
    }

    #[test]
    fn places_in_a_name_then_the_time() {
        let name = |pattern: &str| expand(Path::new(pattern), AT).to_string_lossy().into_owned();
        assert_eq!(name("eve-%Y-%m-%d-%H:%M.json"), "eve-2020-09-13-12:26.json");
        assert_eq!(name("%F/%T-%S-%s.json"), "2020-09-13/12:26:40-40-1600000000.json");
        assert_eq!(name("100%%-%q-%"), "100%-%q-%");
        assert_eq!(name("eve.json"), "eve.json");
    }

    #[test]
    fn name_that_is_taken_then_the_next_one() {
        let aside = |taken: &[&str]| {
            let path = aside(Path::new("log/eve.json"), AT, |path| taken.iter().any(|name| Path::new(name) == path));
            path.to_string_lossy().into_owned()
        };
        assert_eq!(aside(&[]), "log/eve.json.20200913-122640");
        assert_eq!(aside(&["log/eve.json.20200913-122640"]), "log/eve.json.20200913-122640-1");
        let two = ["log/eve.json.20200913-122640", "log/eve.json.20200913-122640-1"];
        assert_eq!(aside(&two), "log/eve.json.20200913-122640-2");
    }
}
