//! Time stamps as EVE writes them: `2020-09-13T12:26:40.000000+0000`.
//!
//! Always in UTC: two sensors in two zones write the same text for the same packet, and nothing depends on the
//! environment. Microseconds; what lies below is cut off, not rounded.

use crate::digits::{clock, eight, pair};
use crate::line::Line;
use crate::text::Text;
use flumen_model::Timestamp;

/// Makes time stamps, and keeps the date of the last one because the next one mostly has the same. Not the second: the
/// stamps of one record alternate between three.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The first second of the day.
    midnight: u64,
    date: [u8; DATE_LEN],
}

/// The text of a moment, in words: made once a record, and written into each of its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    date: [u8; DATE_LEN],
    /// `12:26:40`
    time: u64,
    /// `.000000+`
    fraction: u64,
}

/// Length of a time stamp.
pub(crate) const STAMP_LEN: usize = 31;

impl Clock {
    pub(crate) fn new() -> Self {
        Self { midnight: 0, date: date(0) }
    }
    /// The text of `at`.
    #[inline(always)]
    pub(crate) fn stamp(&mut self, at: Timestamp) -> Stamp {
        let secs = at.secs();
        if secs.wrapping_sub(self.midnight) >= SECS_PER_DAY {
            self.turn(secs);
        }
        let second = (secs - self.midnight) as u32;
        let digits = eight(at.subsec_nanos() / 1000);
        Stamp {
            date: self.date,
            time: clock(second / 3600, second / 60 % 60, second % 60),
            fraction: digits >> 16 << 8 | u64::from_le_bytes(*b".\0\0\0\0\0\0+"),
        }
    }
    /// Appends `at`, without quotes.
    pub(crate) fn append(&mut self, out: &mut Text, at: Timestamp) {
        let stamp = self.stamp(at);
        out.line(|room| {
            let mut line = Line::new(room);
            stamp.append(&mut line);
            line.len()
        });
    }
    /// Takes the day of `secs`.
    #[cold]
    fn turn(&mut self, secs: u64) {
        let day = secs / SECS_PER_DAY;
        self.midnight = day * SECS_PER_DAY;
        self.date = date(day);
    }
}

impl Stamp {
    /// Writes the stamp into [`STAMP_LEN`] bytes.
    #[inline(always)]
    pub(crate) fn write(&self, into: &mut [u8]) {
        into[..16].copy_from_slice(&self.date);
        into[11..19].copy_from_slice(&self.time.to_le_bytes());
        into[19..27].copy_from_slice(&self.fraction.to_le_bytes());
        into[27..STAMP_LEN].copy_from_slice(b"0000");
    }
    /// Appends the stamp, without quotes.
    #[inline(always)]
    pub(crate) fn append(&self, line: &mut Line<'_>) {
        line.fill(STAMP_LEN, |next: &mut [u8; STAMP_LEN]| self.write(next));
    }
}

/// The text of a moment as records have it, for messages that name one.
#[must_use]
pub fn time_text(at: Timestamp) -> String {
    let mut text = Text::with_capacity(32);
    Clock::new().append(&mut text, at);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// `YYYY-MM-DDT` and spaces, of a day since the epoch, by the Gregorian calendar. The last day a [`Timestamp`] reaches lies in
/// the year 2554, so four digits are enough.
fn date(day: u64) -> [u8; DATE_LEN] {
    // Years are counted from March, so that the leap day is the last of its year, and in eras of 400 years, which
    // all have the same number of days.
    let shifted = day + DAYS_FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (shifted / DAYS_PER_ERA, shifted % DAYS_PER_ERA);
    let leap_corrected = day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096;
    let year_of_era = leap_corrected / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);

    let mut text = *b"0000-00-00T     ";
    text[..2].copy_from_slice(&pair((year / 100) as u32));
    text[2..4].copy_from_slice(&pair((year % 100) as u32));
    text[5..7].copy_from_slice(&pair(month as u32));
    text[8..10].copy_from_slice(&pair(day_of_month as u32));
    text
}

/// Eleven, and so many more that it is one word of a vector.
const DATE_LEN: usize = 16;
const SECS_PER_DAY: u64 = 86_400;
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(clock: &mut Clock, secs: u64, nanos: u32) -> String {
        let mut out = Text::default();
        clock.append(&mut out, Timestamp::from_parts(secs, nanos));
        String::from_utf8(out.as_bytes().to_vec()).expect("ASCII")
    }

    #[test]
    fn known_moments_then_their_text() {
        let mut clock = Clock::new();
        assert_eq!(stamp(&mut clock, 0, 999), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(stamp(&mut clock, 1_600_000_000, 700_000_999), "2020-09-13T12:26:40.700000+0000");
        assert_eq!(stamp(&mut clock, 951_782_399, 999_999_999), "2000-02-28T23:59:59.999999+0000");
        assert_eq!(stamp(&mut clock, 951_782_400, 1_000), "2000-02-29T00:00:00.000001+0000");
        assert_eq!(stamp(&mut clock, 4_107_542_400, 0), "2100-03-01T00:00:00.000000+0000");
        let mut out = Text::default();
        clock.append(&mut out, Timestamp::MAX);
        assert_eq!(out.as_bytes(), b"2554-07-21T23:34:33.709551+0000");
    }

    #[test]
    fn random_moments_forth_and_back_then_their_fields() {
        let (mut clock, mut state) = (Clock::new(), 0x5eed_u64);
        println!("seed {state:#x}");
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = Timestamp::from_nanos(state >> (state % 16));
            let mut out = Text::default();
            clock.append(&mut out, at);
            let text = String::from_utf8(out.as_bytes().to_vec()).expect("ASCII");
            let second = at.secs() % SECS_PER_DAY;
            let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
            let day = String::from_utf8(date(at.secs() / SECS_PER_DAY)[..11].to_vec()).expect("ASCII");
            assert_eq!(text, format!("{day}{h:02}:{m:02}:{s:02}.{:06}+0000", at.subsec_nanos() / 1000));
        }
    }

    #[test]
    fn every_day_of_the_range_then_follows_the_day_before() {
        let leap = |y: u32| (y.is_multiple_of(4) && !y.is_multiple_of(100)) || y.is_multiple_of(400);
        let (mut year, mut month, mut day) = (1970_u32, 1_u32, 1_u32);
        for days in 0..=213_503 {
            assert_eq!(date(days), format!("{year:04}-{month:02}-{day:02}T     ").as_bytes(), "day {days}");
            let last = match month {
                2 => 28 + u32::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, d) if d == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
