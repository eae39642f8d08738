//! Looking into a run from another thread: counters, and a flow by its id.
//!
//! Who asks leaves a question and waits. It is answered between two rounds by the manager, or with one worker between two
//! batches, from what workers have published and from the table, of which one row at a time is locked. No worker waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
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
    /// Flows of a live run, and those whose records were handed to the sink. Each stands for itself.
    created: AtomicU64,
    written: AtomicU64,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
            answered: Condvar::default(),
            asked: AtomicBool::new(false),
            stats_wanted: AtomicBool::new(false),
            created: AtomicU64::new(0),
            written: AtomicU64::new(0),
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
    /// How many flows of a live run have no record that the sink has taken: what would be lost if the process ended now.
    #[must_use]
    pub fn unwritten_flows(&self) -> u64 {
        self.created.load(Ordering::Relaxed).saturating_sub(self.written.load(Ordering::Relaxed))
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
    pub(crate) fn note_created(&self, flows: u64) {
        self.created.fetch_add(flows, Ordering::Relaxed);
    }
    pub(crate) fn note_written(&self, records: usize) {
        self.written.fetch_add(records as u64, Ordering::Relaxed);
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
