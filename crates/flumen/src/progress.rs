//! The line on the terminal while a file is read: how far, how fast, how long still.
//!
//! Called by [`run`](crate::run) after each batch; it looks at the clock itself and draws a few times a second. It never
//! fails a run: what cannot be drawn is not drawn. The clock is only for the eye, nothing else depends on it.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The line.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    /// When to draw next; `None`: never.
    due: Option<Instant>,
    drawn: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the inputs that were read, compressed bytes if they are compressed.
    pub bytes_done: u64,
    /// Bytes there are; unknown for a pipe.
    pub bytes_total: Option<u64>,
    /// Packets so far.
    pub packets: u64,
}

impl Progress {
    /// A line that is drawn if `wanted` and standard error is a terminal.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        let began = Instant::now();
        let due = (wanted && io::stderr().is_terminal()).then(|| began + PAUSE);
        Self { began, due, drawn: false }
    }

    /// Tells how far the run is.
    pub fn update(&mut self, position: &Position) {
        let Some(due) = self.due else { return };
        let now = Instant::now();
        if now < due {
            return;
        }
        self.due = Some(now + PAUSE);
        self.drawn = true;
        let line = line(position, now - self.began);
        // Back to the first column, and clear what a longer line left.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }

    /// Removes the line. Also done when it is dropped.
    pub fn finish(&mut self) {
        self.due = None;
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The text of the line.
fn line(position: &Position, elapsed: Duration) -> String {
    let secs = elapsed.as_secs_f64().max(1e-9);
    let done = position.bytes_done as f64;
    let rates = format!("{} packets/s, {}B/s", short(position.packets as f64 / secs), short(done / secs));
    match position.bytes_total.filter(|&total| total > 0) {
        Some(total) => {
            let part = (done / total as f64).min(1.0);
            let left = if part > 0.0 { clock(secs / part - secs) } else { "?".to_owned() };
            format!("{:3.0}%  {} packets  {rates}  {left} left", part * 100.0, short(position.packets as f64))
        }
        None => format!("{} packets  {rates}  {}", short(position.packets as f64), clock(secs)),
    }
}

/// A number with three or four digits and a unit of thousands.
fn short(number: f64) -> String {
    let mut rest = number;
    for unit in ["", "k", "M", "G"] {
        if rest < 999.5 {
            return if unit.is_empty() || rest >= 99.95 {
                format!("{rest:.0}{unit}")
            } else {
                format!("{rest:.1}{unit}")
            };
        }
        rest /= 1000.0;
    }
    format!("{rest:.1}T")
}

/// Seconds as minutes and seconds, or hours, minutes and seconds.
fn clock(secs: f64) -> String {
    let secs = secs.round() as u64;
    match secs / 3600 {
        0 => format!("{}:{:02}", secs / 60, secs % 60),
        hours => format!("{hours}:{:02}:{:02}", secs / 60 % 60, secs % 60),
    }
}

/// Time between two drawings.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_length_then_percent_and_time_left() {
        let position = Position { bytes_done: 25_000_000, bytes_total: Some(100_000_000), packets: 50_000 };
        assert_eq!(line(&position, Duration::from_secs(5)), " 25%  50.0k packets  10.0k packets/s, 5.0MB/s  0:15 left");
    }

    #[test]
    fn pipe_then_time_so_far() {
        let position = Position { bytes_done: 1_500, bytes_total: None, packets: 12 };
        assert_eq!(line(&position, Duration::from_secs(3661)), "12 packets  0 packets/s, 0B/s  1:01:01");
    }

    #[test]
    fn extremes_then_no_nonsense() {
        let none = Position { bytes_done: 0, bytes_total: Some(10), packets: 0 };
        assert!(line(&none, Duration::ZERO).ends_with("? left"));
        let beyond = Position { bytes_done: u64::MAX, bytes_total: Some(1), packets: u64::MAX };
        assert!(line(&beyond, Duration::from_nanos(1)).starts_with("100%"));
        assert_eq!((short(999.4), short(999.6), short(12_345_678.0)), ("999".into(), "1.0k".into(), "12.3M".into()));
    }
}
