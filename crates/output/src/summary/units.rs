//! Numbers as people read them. Units are decimal, as disks and links are sold: 1 kB is 1,000 bytes.

use std::time::Duration;

/// `1,234,567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `999 B`, `1.23 kB`, `12.3 MB`, `123 GB`.
pub(super) fn bytes(value: u64) -> String {
    scaled(value as f64, "B")
}

/// Bits a second: `1.23 Mbit/s`. Nothing of nothing, or when no time has passed.
pub(super) fn bit_rate(bytes: u64, over: Duration) -> Option<String> {
    per_second(bytes, over).map(|rate| scaled(rate * 8.0, "bit/s"))
}

/// `1,234/s`. Nothing of nothing, or when no time has passed.
pub(super) fn rate(value: u64, over: Duration) -> Option<String> {
    per_second(value, over).map(|rate| match rate {
        r if r >= 10.0 => format!("{}/s", count(r.round() as u64)),
        r => format!("{r:.1}/s"),
    })
}

/// `12.3 %`; a share that is not zero never reads as zero.
pub(super) fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    if part > 0 && percent < 0.05 { "<0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

/// `0.512 s`, `12.5 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`.
pub(super) fn duration(span: Duration) -> String {
    let (secs, all) = (span.as_secs_f64(), span.as_secs());
    match all {
        0..10 => format!("{secs:.3} s"),
        10..60 => format!("{secs:.1} s"),
        60..3600 => format!("{} min {:02} s", all / 60, all % 60),
        3600..86_400 => format!("{} h {:02} min", all / 3600, all / 60 % 60),
        _ => format!("{} d {:02} h", all / 86_400, all / 3600 % 24),
    }
}

fn per_second(value: u64, over: Duration) -> Option<f64> {
    let secs = over.as_secs_f64();
    (secs > 0.0 && value > 0).then(|| value as f64 / secs)
}

/// Three digits and a decimal prefix.
fn scaled(value: f64, unit: &str) -> String {
    let mut value = value;
    let mut prefixes = ["", "k", "M", "G", "T", "P", "E"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // 999.5 and more would be rounded to four digits.
    while value >= 999.5 {
        let Some(next) = prefixes.next() else { break };
        (value, prefix) = (value / 1000.0, next);
    }
    let decimals = match value {
        _ if prefix.is_empty() && value.fract() == 0.0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {prefix}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_then_text_for_people() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([bytes(0), bytes(999), bytes(1000), bytes(9_999)], ["0 B", "999 B", "1.00 kB", "10.0 kB"]);
        assert_eq!([bytes(999_499), bytes(999_500), bytes(u64::MAX)], ["999 kB", "1.00 MB", "18.4 EB"]);
        assert_eq!([share(0, 0), share(1, 100_000), share(1, 3)], ["0.0 %", "<0.1 %", "33.3 %"]);
    }

    #[test]
    fn rates_then_per_second_and_none_without_time() {
        let two = Duration::from_secs(2);
        assert_eq!(bit_rate(1_000_000, two).as_deref(), Some("4.00 Mbit/s"));
        assert_eq!(rate(5, two).as_deref(), Some("2.5/s"));
        assert_eq!(rate(5_000, two).as_deref(), Some("2,500/s"));
        assert_eq!((rate(5, Duration::ZERO), bit_rate(5, Duration::ZERO)), (None, None));
    }

    #[test]
    fn durations_then_two_units_at_most() {
        let text = |ms| duration(Duration::from_millis(ms));
        assert_eq!([text(0), text(512), text(12_500)], ["0.000 s", "0.512 s", "12.5 s"]);
        assert_eq!([text(200_000), text(7_500_000), text(273_600_000)], ["3 min 20 s", "2 h 05 min", "3 d 04 h"]);
    }
}
