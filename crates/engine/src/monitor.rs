//! Looking into a run from another thread: counters, and a flow by its id.
//!
//! Who asks leaves a question and waits. It is answered between two rounds by the manager, or with one worker between two
//! batches, from what workers have published and from the table, of which one row at a time is locked. No worker waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use flumen_model::sink::Stats;
use flumen_model::{Counters, FlowRecord, Ledger};
use flumen_table::LookupCounters;

use crate::run::stats_of;

/// A window into a run: give it to [`run_monitored`](crate::run_monitored) or [`run_live`](crate::run_live), and ask it from
/// another thread.
#[derive(Debug)]
pub struct Monitor {
    began: Instant,
    state: Mutex<State>,
    answered: Condvar,
    /// There are questions. Relaxed: a question that is not seen now is seen the next time.
    asked: AtomicBool,
    /// The sink is to be given a snapshot of the counters now.
    stats_wanted: AtomicBool,
    /// Nanoseconds between two snapshots of a live run for the sink; 0: there are none.
    stats_every: AtomicU64,
    /// Flows of a live run, and those whose records were handed to the sink. Each stands for itself.
    created: AtomicU64,
    written: AtomicU64,
    /// Batches that each worker has done, or [`DONE`]; set when the workers begin.
    turns: OnceLock<Box<[AtomicU64]>>,
}

/// In the place of a worker's turns when it has come to its end.
const DONE: u64 = u64::MAX;

/// How far each thread of a run had come at a moment: two of them tell whether it still moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    turns: Vec<u64>,
    written: u64,
    over: bool,
}

impl Pulse {
    /// Whether every worker has done a batch since `earlier`, be it an empty one: while nothing comes there are those. When
    /// all workers have come to their ends, whether records were written; and a run that is over has nothing left to do.
    #[must_use]
    pub fn has_moved_since(&self, earlier: &Self) -> bool {
        if self.over {
            return true;
        }
        let mut working = self.turns.iter().enumerate().filter(|(_, turns)| **turns != DONE).peekable();
        match working.peek() {
            Some(_) => working.all(|(worker, turns)| earlier.turns.get(worker) != Some(turns)),
            None => self.written != earlier.written,
        }
    }
    /// Records that the sink has taken.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
            answered: Condvar::default(),
            asked: AtomicBool::new(false),
            stats_wanted: AtomicBool::new(false),
            stats_every: AtomicU64::new(0),
            created: AtomicU64::new(0),
            written: AtomicU64::new(0),
            turns: OnceLock::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Who answers, when it may be resting.
    server: Option<Thread>,
    questions: Vec<(u64, Question)>,
    answers: Vec<(u64, Answer)>,
    next: u64,
    over: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    Counters,
    Flow(u64),
    SetMemcap(u64),
    SetFragments(u64),
    Workers,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Counters(Counters, Box<Ledger>),
    Flow(Option<Box<FlowRecord>>),
    SetMemcap(bool),
    Workers(Vec<WorkerTally>),
    /// Not in a run of this kind.
    None,
}

/// What one worker has counted, as of its last batch. In a live run workers are numbered as their sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerTally {
    /// TCP segments with a wrong checksum.
    pub invalid_checksums: u64,
    /// Packets of bypassed flows.
    pub bypassed_packets: u64,
}

impl WorkerTally {
    pub(crate) fn of(counters: &LookupCounters) -> Self {
        Self { invalid_checksums: counters.invalid_checksum, bypassed_packets: counters.bypassed_packets }
    }
}

impl Monitor {
    /// The counters of the run so far; `None` when it is over. Those of workers are as of their last batches.
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        match self.ask(Question::Counters)? {
            Answer::Counters(counters, _) => Some(counters),
            _ => None,
        }
    }
    /// The same with the account of packets, which in a live run closes as far as packets were delivered.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match self.ask(Question::Counters)? {
            Answer::Counters(counters, ledger) => Some(stats_of(self.uptime(), counters, *ledger)),
            _ => None,
        }
    }
    /// Sets the limit of the flow table, and says whether it is so now: not when more is in use. `None` when the run is over.
    #[must_use]
    pub fn set_memcap(&self, bytes: u64) -> Option<bool> {
        match self.ask(Question::SetMemcap(bytes))? {
            Answer::SetMemcap(done) => Some(done),
            _ => None,
        }
    }
    /// Sets the limit of the memory for fragments of a live run, and says whether it is so now: not when more is in use.
    /// Workers take their parts of it within a second of packet time. `None` when the run is over, or is not live.
    #[must_use]
    pub fn set_fragments_memcap(&self, bytes: u64) -> Option<bool> {
        match self.ask(Question::SetFragments(bytes))? {
            Answer::SetMemcap(done) => Some(done),
            _ => None,
        }
    }
    /// What each worker of a live run has counted; `None` when it is over.
    #[must_use]
    pub fn workers(&self) -> Option<Vec<WorkerTally>> {
        match self.ask(Question::Workers)? {
            Answer::Workers(tallies) => Some(tallies),
            _ => None,
        }
    }
    /// Has the sink of a live run given a snapshot of the counters now.
    pub fn request_stats(&self) {
        self.stats_wanted.store(true, Ordering::Relaxed);
        self.wake();
    }
    /// Sets the time between two snapshots that the sink of a live run is given, before the run or while it goes on; `None`,
    /// as in the beginning: there is one at the end only.
    pub fn set_stats_every(&self, every: Option<Duration>) {
        let nanos = every.map_or(0, |every| u64::try_from(every.as_nanos()).unwrap_or(u64::MAX));
        self.stats_every.store(nanos, Ordering::Relaxed);
        self.wake();
    }
    /// How many flows of a live run have no record that the sink has taken: what would be lost if the process ended now.
    #[must_use]
    pub fn unwritten_flows(&self) -> u64 {
        self.created.load(Ordering::Relaxed).saturating_sub(self.written.load(Ordering::Relaxed))
    }
    /// How far the run is. Asks nobody, so that it can be told also when nobody answers.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let turns = self
            .turns
            .get()
            .map_or_else(Vec::new, |turns| turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect());
        Pulse { turns, written: self.written.load(Ordering::Relaxed), over: self.lock().over }
    }
    /// Time since this was made.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
    /// What is known of a flow that has not ended, by the id that its record will have; `None` when there is none, or the
    /// run is over. Walks the table.
    #[must_use]
    pub fn flow(&self, flow_id: u64) -> Option<FlowRecord> {
        match self.ask(Question::Flow(flow_id))? {
            Answer::Flow(record) => record.map(|record| *record),
            _ => None,
        }
    }

    pub(crate) fn is_answered_by(&self, server: Thread) {
        self.lock().server = Some(server);
    }
    /// So many workers begin.
    pub(crate) fn begin(&self, workers: usize) {
        // One that has seen a run already keeps its workers: it is given to one run.
        let _ = self.turns.set((0..workers).map(|_| AtomicU64::new(0)).collect());
    }
    /// A worker has done a batch.
    pub(crate) fn note_turn(&self, worker: usize) {
        if let Some(turns) = self.turns.get().and_then(|turns| turns.get(worker)) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
    }
    /// A worker has come to its end.
    pub(crate) fn note_done(&self, worker: usize) {
        if let Some(turns) = self.turns.get().and_then(|turns| turns.get(worker)) {
            turns.store(DONE, Ordering::Relaxed);
        }
    }
    pub(crate) fn note_created(&self, flows: u64) {
        self.created.fetch_add(flows, Ordering::Relaxed);
    }
    pub(crate) fn note_written(&self, records: usize) {
        self.written.fetch_add(records as u64, Ordering::Relaxed);
    }
    pub(crate) fn stats_every(&self) -> Option<Duration> {
        let nanos = self.stats_every.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
    pub(crate) fn takes_request_for_stats(&self) -> bool {
        self.stats_wanted.swap(false, Ordering::Relaxed)
    }
    fn wake(&self) {
        if let Some(server) = &self.lock().server {
            server.unpark();
        }
    }

    fn ask(&self, question: Question) -> Option<Answer> {
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.questions.push((ticket, question));
        self.asked.store(true, Ordering::Relaxed);
        if let Some(server) = &state.server {
            server.unpark();
        }
        loop {
            if let Some(at) = state.answers.iter().position(|(number, _)| *number == ticket) {
                return Some(state.answers.swap_remove(at).1);
            }
            if state.over {
                return None;
            }
            state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers what was asked. `answer` is called without a lock.
    pub(crate) fn answer(&self, mut answer: impl FnMut(Question) -> Answer) {
        if !self.asked.swap(false, Ordering::Relaxed) {
            return;
        }
        let questions = core::mem::take(&mut self.lock().questions);
        for (ticket, question) in questions {
            let answer = answer(question);
            self.lock().answers.push((ticket, answer));
        }
        self.answered.notify_all();
    }

    /// The run is over: who asks from now on gets nothing.
    pub(crate) fn close(&self) {
        self.lock().over = true;
        self.answered.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_stands_still_then_no_pulse_whatever_the_others_and_the_sink_do() {
        let monitor = Monitor::default();
        let mut last = monitor.pulse();
        let mut moved = || {
            let now = monitor.pulse();
            let moved = now.has_moved_since(&last);
            last = now;
            moved
        };
        assert!(!moved(), "it has not begun");
        monitor.begin(2);
        assert!(moved());
        monitor.note_turn(0);
        monitor.note_written(7);
        assert!(!moved(), "the other one stands still");
        monitor.note_turn(0);
        monitor.note_turn(1);
        assert!(moved());
        assert!(!moved());
        monitor.note_done(0);
        monitor.note_turn(1);
        assert!(moved(), "who is done need not move");
        monitor.note_done(1);
        assert!(!moved());
        monitor.note_written(1);
        assert!(moved(), "what is left is written");
        monitor.close();
        assert!(moved() && moved(), "it is over");
    }
}
