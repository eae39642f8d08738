//! The thread that takes lines out of a spool.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Destination, Shared, SpoolConfig, Trouble, count_lines};
use crate::surroundings::Tell;

pub(super) fn start(
    shared: Arc<Shared>,
    destination: impl Destination + 'static,
    config: SpoolConfig,
    tell: Tell,
) -> io::Result<()> {
    let sender = Sender { shared, destination, config, tell, outage: None };
    std::thread::Builder::new().name("flumen-spool".to_owned()).spawn(move || sender.run())?;
    Ok(())
}

struct Sender<D> {
    shared: Arc<Shared>,
    destination: D,
    config: SpoolConfig,
    tell: Tell,
    outage: Option<Outage>,
}

/// A time in which nothing is taken.
struct Outage {
    began: Instant,
    pause: Duration,
}

/// What becomes of a batch.
enum Batch {
    Sent,
    /// Nobody will take the rest of it.
    Closed(io::Error),
    /// The rest was not taken before the end.
    TimeIsUp,
}

impl<D: Destination> Sender<D> {
    fn run(mut self) {
        while let Some(batch) = self.next() {
            let outcome = self.send(&batch);
            let mut state = self.shared.lock();
            state.bytes -= batch.len();
            if !matches!(outcome, Batch::Sent) {
                state.waiting.clear();
                state.bytes = 0;
                let lost = state.taken - state.sent - state.lost;
                state.lost += lost;
                state.closed = true;
                drop(state);
                if let Batch::Closed(error) = outcome {
                    let name = self.destination.name();
                    self.tell.say(format_args!(
                        "{name}: {error}; it is not written to any more, and {lost} events are lost"
                    ));
                }
                break;
            }
        }
        self.shared.lock().over = true;
        self.shared.emptied.notify_all();
    }

    /// The next batch; `None` when no more will come.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut state = self.shared.lock();
        loop {
            if std::mem::take(&mut state.nudged) {
                drop(state);
                self.destination.rest();
                state = self.shared.lock();
            }
            if let Some(batch) = state.waiting.pop_front() {
                return Some(batch);
            }
            if state.end.is_some() {
                return None;
            }
            state = self.shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn send(&mut self, batch: &[u8]) -> Batch {
        let mut at = 0;
        while at < batch.len() {
            match self.destination.send(&batch[at..]) {
                Ok(0) => {}
                Ok(taken) => {
                    let next = at + taken.min(batch.len() - at);
                    self.recovered();
                    self.shared.lock().sent += count_lines(&batch[at..next]);
                    at = next;
                    continue;
                }
                Err(Trouble::Later(error)) => self.pause(&error),
                Err(Trouble::Broken(error)) => {
                    at = line_start(batch, at);
                    self.pause(&error);
                }
                Err(Trouble::Line(error)) => {
                    at = line_end(batch, at);
                    self.shared.lock().lost += 1;
                    let name = self.destination.name();
                    self.tell.say(format_args!("{name}: {error}; an event was not written"));
                    continue;
                }
                Err(Trouble::Closed(error)) => return Batch::Closed(error),
            }
            if self.time_is_up() {
                return Batch::TimeIsUp;
            }
        }
        self.destination.rest();
        Batch::Sent
    }

    fn time_is_up(&self) -> bool {
        self.shared.lock().end.is_some_and(|end| Instant::now() >= end)
    }

    /// Waits a while, longer from time to time; less when the end of the run comes before that.
    fn pause(&mut self, error: &io::Error) {
        if self.outage.is_none() {
            let (name, most) = (self.destination.name(), self.config.bytes);
            self.tell.say(format_args!("{name}: {error}; events wait in memory, up to {most} bytes of them"));
        }
        let first = self.config.pause;
        let outage = self.outage.get_or_insert_with(|| Outage { began: Instant::now(), pause: first });
        let until = Instant::now() + outage.pause;
        outage.pause = (outage.pause * 2).min(first * 64);
        let mut state = self.shared.lock();
        loop {
            let until = state.end.map_or(until, |end| end.min(until));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn recovered(&mut self) {
        if let Some(outage) = self.outage.take() {
            let name = self.destination.name();
            self.tell.say(format_args!("{name}: written again, after {} s", outage.began.elapsed().as_secs()));
        }
    }
}

/// Where the line that `at` is in begins.
fn line_start(batch: &[u8], at: usize) -> usize {
    batch[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |found| found + 1)
}

/// Where the line after the one that `at` is in begins.
fn line_end(batch: &[u8], at: usize) -> usize {
    batch[at..].iter().position(|&byte| byte == b'\n').map_or(batch.len(), |found| at + found + 1)
}
