//! Sizes as `memcap-set` reads them and `memcap-list` and `memcap-show` write them.

/// The bytes of a size such as `67108864`, `64mb`, `1.5 GiB`; `None` when it is none, or more than 64 bits hold.
///
/// As in a configuration: `kb` is 1024 bytes, and case does not matter.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kb" | "kib" => 10,
        "mb" | "mib" => 20,
        "gb" | "gib" => 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 || (number.contains('.') && part.is_empty()) || part.contains('.') {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?) << shift;
    let part = if part.is_empty() { 0 } else { (part.parse::<u128>().ok()? << shift) / 10_u128.pow(part.len() as u32) };
    u64::try_from(whole + part).ok()
}

/// A limit in the largest unit that holds it without a rest; without a limit `unlimited`.
pub(crate) fn size_text(bytes: u64) -> String {
    match bytes {
        0 => "unlimited".to_owned(),
        n if n.is_multiple_of(1 << 30) => format!("{}gb", n >> 30),
        n if n.is_multiple_of(1 << 20) => format!("{}mb", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{}kb", n >> 10),
        n => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_then_bytes() {
        for (text, bytes) in [
            ("0", 0),
            ("67108864", 64 << 20),
            ("64mb", 64 << 20),
            ("64 MiB", 64 << 20),
            (" 1.5gb ", 3 << 29),
            ("0.000000001gb", 1),
            ("10b", 10),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_then_none() {
        for text in
            ["", "mb", "32mmb", "-1", "1.", ".5", "1.2.3mb", "1..2", "1e3", "18446744073709551616", "1.0000000000kb"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(parse_size("17179869184gb"), None, "more than 64 bits");
    }

    #[test]
    fn limits_then_text_that_reads_back() {
        for (bytes, text) in [(0, "unlimited"), (64 << 20, "64mb"), (1 << 30, "1gb"), (1536, "1536"), (2048, "2kb")] {
            assert_eq!(size_text(bytes), text);
            assert!(bytes == 0 || parse_size(text) == Some(bytes));
        }
    }
}
