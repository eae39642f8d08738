//! Lines that wait in memory for an output that is slow, full, or away.
//!
//! A live sensor cannot wait for a disk or a reader, and must not lose records to a short absence of either. So lines go
//! into a queue of so many bytes ([`SpoolConfig`]); a thread takes them out and hands them to a [`Destination`], and tries
//! again until they are taken.
//!
//! 1. The queue never holds more bytes than it may. Lines for which there is no room are refused to whoever writes, who
//!    counts them (as [`EveWriter`](crate::EveWriter) does, record by record).
//! 2. What was taken arrives in order, in whole lines, or is counted as lost: when the reader of a pipe has gone, when a
//!    line is more than a datagram holds, or when it still waits after the time that the end of a run allows.
//! 3. Trouble is told once when it begins and once when it is over, with what was lost meanwhile.
//!
//! What a socket has taken and its reader has not read when it dies is lost without a trace: no socket tells.

mod destination;
mod socket;
mod stdout;
mod steady;
mod thread;

pub use destination::{Destination, Trouble};
pub use socket::{DatagramSocket, StreamSocket};
pub use stdout::StandardOutput;
pub use steady::Steady;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::surroundings::Tell;

/// How much waits, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Bytes of lines that may wait.
    pub bytes: usize,
    /// How long the end of a run waits for what is in the spool.
    pub drain: Duration,
    /// The pause after the first attempt that failed; it doubles up to sixty-four times as much.
    pub pause: Duration,
}

impl Default for SpoolConfig {
    /// 64 MiB, 5 seconds, 100 milliseconds.
    fn default() -> Self {
        Self { bytes: 64 << 20, drain: Duration::from_secs(5), pause: Duration::from_millis(100) }
    }
}

/// The end into which lines are written: whole lines in every call.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    config: SpoolConfig,
}

/// A spool as others see it: for counters, and to wait for its end.
#[derive(Clone, Debug)]
pub struct SpoolHandle {
    shared: Arc<Shared>,
    config: SpoolConfig,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There are lines, or the end has come, or somebody wants the destination to look around.
    filled: Condvar,
    /// All lines are out, or the destination is closed.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// Bytes that wait, those that are on their way included.
    bytes: usize,
    /// Lines that were taken, those that were sent, and those that never will be.
    taken: u64,
    sent: u64,
    lost: u64,
    /// No more lines will come; from then on no more attempts are made.
    end: Option<Instant>,
    /// The destination is to look around although nothing is to be sent.
    nudged: bool,
    /// Nobody will ever take a line.
    closed: bool,
    /// The thread is done.
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// A spool before `destination`, with a thread of its own.
    ///
    /// # Errors
    /// When the thread could not be started.
    pub fn start(destination: impl Destination + 'static, config: SpoolConfig, tell: Tell) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), filled: Condvar::new(), emptied: Condvar::new() });
        thread::start(Arc::clone(&shared), destination, config, tell)?;
        Ok(Self { shared, config })
    }
    /// A handle that outlives this.
    #[must_use]
    pub fn handle(&self) -> SpoolHandle {
        SpoolHandle { shared: Arc::clone(&self.shared), config: self.config }
    }
}

impl Drop for Spool {
    /// Lines that wait are still sent, for as long as [`SpoolHandle::drain`] would wait, but nobody waits for it.
    fn drop(&mut self) {
        let until = Instant::now() + self.config.drain;
        self.shared.lock().end.get_or_insert(until);
        self.shared.filled.notify_all();
    }
}

impl Write for Spool {
    /// Takes as many whole lines as there is room for.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        if state.closed || state.end.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = (self.config.bytes - state.bytes).min(lines.len());
        let taken = lines[..room].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if taken == 0 && !lines.is_empty() {
            let what = format!("{} bytes wait for it already", state.bytes);
            return Err(io::Error::new(ErrorKind::StorageFull, what));
        }
        state.waiting.push_back(lines[..taken].to_vec());
        state.bytes += taken;
        state.taken += count_lines(&lines[..taken]);
        self.shared.filled.notify_all();
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolHandle {
    /// Bytes that wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.shared.lock().bytes
    }
    /// Lines that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.lock().sent
    }
    /// Lines that were taken and will not be sent. What was refused for want of room is not among them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }
    /// Has the destination [rest](Destination::rest) when it is not at work, as it does between two batches.
    pub fn nudge(&self) {
        self.shared.lock().nudged = true;
        self.shared.filled.notify_all();
    }
    /// Whether so much waits that a loss would be near.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting_bytes() > self.config.bytes / 2
    }
    /// Takes no more lines and waits until all are out, at most as long as the configuration says. Returns how many lines
    /// were taken and not sent since the beginning.
    #[must_use]
    pub fn drain(&self) -> u64 {
        let until = Instant::now() + self.config.drain;
        let mut state = self.shared.lock();
        state.end.get_or_insert(until);
        self.shared.filled.notify_all();
        loop {
            // One that hangs in a call of the operating system, on a disk over a network, is not waited for.
            let left = until.saturating_duration_since(Instant::now());
            if state.over || left.is_zero() {
                return state.taken - state.sent;
            }
            state = self.shared.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}
