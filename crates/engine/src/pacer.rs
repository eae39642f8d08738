//! How much of the table a manager looks through in one go, and how long it rests.
//!
//! The fuller the memory, the more: an idle table is passed once in ten rounds, a full one in every round, and in
//! emergency mode a round looks at every row and the rest is short. The figures are Suricata's.

use std::ops::Range;
use std::time::Duration;

/// Rests, in milliseconds: the longest, and the one in emergency mode.
const REST_MAX_MS: u64 = 1000;
const REST_MIN_MS: u64 = 250;
/// Rests when a file is read: the managers follow packet time, which may run much faster than the clock. Each wakes a thread
/// where a worker runs, so they are no shorter than memory needs.
const REST_OFFLINE: Duration = Duration::from_millis(2);
const REST_OFFLINE_MIN: Duration = Duration::from_micros(250);

/// The plan of one manager, for its slice of the groups of rows.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    slice: Range<u32>,
    cursor: u32,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// Groups to look through.
    pub(crate) groups: Range<u32>,
    /// It ends a pass over the slice.
    pub(crate) ends_pass: bool,
}

impl Pacer {
    /// The plan of manager `manager` of `managers`, each of which has an equal slice; the last takes the remainder.
    pub(crate) const fn new(groups: u32, manager: u32, managers: u32) -> Self {
        let size = groups / managers;
        let start = size * manager;
        let end = if manager + 1 == managers { groups } else { start + size };
        Self { slice: start..end, cursor: start }
    }

    /// The whole slice.
    pub(crate) const fn pass(&self) -> Round {
        Round { groups: self.slice.start..self.slice.end, ends_pass: true }
    }

    /// The next round, with memory `pressure` in percent.
    pub(crate) fn round(&mut self, pressure: u64, emergency: bool) -> Round {
        let len = self.slice.end - self.slice.start;
        let share = if emergency { 100 } else { pressure.clamp(10, 100) };
        let want = (u64::from(len) * share).div_ceil(100).max(1) as u32;
        if self.cursor >= self.slice.end || emergency {
            self.cursor = self.slice.start;
        }
        let end = self.slice.end.min(self.cursor + want);
        let groups = self.cursor..end;
        self.cursor = end;
        Round { groups, ends_pass: end == self.slice.end }
    }

    /// How long to rest after a round over `rows` rows, at an estimated microsecond a row.
    pub(crate) fn rest(rows: u64, emergency: bool, offline: bool) -> Duration {
        if offline {
            return if emergency { REST_OFFLINE_MIN } else { REST_OFFLINE };
        }
        let ms = if emergency { REST_MIN_MS } else { REST_MAX_MS.saturating_sub(rows / 1000).max(REST_MIN_MS) };
        Duration::from_millis(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_table_and_an_idle_pass_takes_ten_rounds() {
        for managers in 1..5 {
            let mut covered = Vec::new();
            for manager in 0..managers {
                let mut pacer = Pacer::new(1003, manager, managers);
                let mut rounds = 0;
                loop {
                    let round = pacer.round(0, false);
                    covered.extend(round.groups.clone());
                    rounds += 1;
                    if round.ends_pass {
                        break;
                    }
                }
                assert!((10..=11).contains(&rounds), "{rounds} rounds");
            }
            covered.sort_unstable();
            assert_eq!(covered, (0..1003).collect::<Vec<_>>());
        }
    }

    #[test]
    fn pressure_and_emergency_widen_the_round_and_shorten_the_rest() {
        let mut pacer = Pacer::new(100, 0, 1);
        assert_eq!(pacer.round(50, false).groups, 0..50);
        assert_eq!(pacer.round(7, true), Round { groups: 0..100, ends_pass: true });
        assert_eq!(pacer.round(100, false).groups, 0..100);
        assert_eq!(Pacer::rest(6_400, false, false), Duration::from_millis(994));
        assert_eq!(Pacer::rest(6_400, true, false), Duration::from_millis(250));
        assert_eq!(Pacer::rest(10_000_000, false, false), Duration::from_millis(250));
        assert_eq!(Pacer::rest(1, false, true), Duration::from_millis(2));
        assert_eq!(Pacer::rest(1, true, true), Duration::from_micros(250));
        assert_eq!(pacer.pass(), Round { groups: 0..100, ends_pass: true });
    }
}
