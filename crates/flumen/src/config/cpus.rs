//! The CPUs that a set of `threading.cpu-affinity` names, as text.

use std::fmt;

use flumen_engine::CpuSet;

/// The value of a `cpu` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpus {
    /// All that the process may run on.
    All,
    /// These; never none.
    These(CpuSet),
}

impl Cpus {
    /// What is accepted, for a message.
    pub const ACCEPTED: &'static str = "'all', a CPU from 0 to 1023, a range such as 2-3, or a list of them";

    /// Reads `all`, a number, a range, or a list of them with commas, which may stand in brackets; `None` for anything
    /// else. Ranges go upwards, and with `all` in a list it means all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let list = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
        let (mut cpus, mut all) = (CpuSet::default(), false);
        for (index, item) in list.split(',').map(str::trim).enumerate() {
            if index > CpuSet::MAX {
                return None;
            } else if item.eq_ignore_ascii_case("all") {
                all = true;
                continue;
            }
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let (first, last) = (cpu(first)?, cpu(last)?);
            if first > last {
                return None;
            }
            (first..=last).for_each(|cpu| cpus.insert(cpu));
        }
        Some(if all { Self::All } else { Self::These(cpus) })
    }
}

impl fmt::Display for Cpus {
    /// As YAML that [`Cpus::parse`] reads back to the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::These(cpus) => write!(f, "[{cpus}]"),
        }
    }
}

/// The number of a CPU, digits only.
fn cpu(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|&cpu| cpu <= CpuSet::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_in_every_spelling_then_the_set() {
        let cases = [
            ("all", "all"),
            ("[ALL]", "all"),
            ("[0, all]", "all"),
            ("0", "[0]"),
            ("2-3", "[2-3]"),
            ("[ 0 , 4 - 6,5]", "[0, 4-6]"),
            ("7,1", "[1, 7]"),
            ("3-3", "[3]"),
            ("0-1023", "[0-1023]"),
        ];
        for (text, written) in cases {
            let cpus = Cpus::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(cpus.to_string(), written, "{text}");
            assert_eq!(Cpus::parse(written), Some(cpus), "{written}");
        }
    }

    #[test]
    fn not_cpus_then_refused() {
        for text in ["", "[]", "[", "-1", "1-", "3-2", "1024", "0-1024", "0-99999999999999999999", "a", "1;2", "1,,2"] {
            assert_eq!(Cpus::parse(text), None, "{text}");
        }
        assert_eq!(Cpus::parse(&"0,".repeat(2000)), None, "a list without end");
    }
}
