//! Looking into a run from another thread: counters, and a flow by its id.
//!
//! Who asks leaves a question and waits. It is answered between two rounds by the manager, or with one worker between two
//! batches, from what workers have published and from the table, of which one row at a time is locked. No worker waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use flumen_model::{Counters, FlowRecord};

/// A window into a run: give it to [`run_monitored`](crate::run_monitored), and ask it from another thread.
#[derive(Debug, Default)]
pub struct Monitor {
    state: Mutex<State>,
    answered: Condvar,
    /// There are questions. Relaxed: a question that is not seen now is seen the next time.
    asked: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
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
}

#[derive(Debug)]
pub(crate) enum Answer {
    Counters(Counters),
    Flow(Option<Box<FlowRecord>>),
}

impl Monitor {
    /// The counters of the run so far; `None` when it is over. Those of workers are as of their last batches.
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        match self.ask(Question::Counters)? {
            Answer::Counters(counters) => Some(counters),
            Answer::Flow(_) => None,
        }
    }
    /// What is known of a flow that has not ended, by the id that its record will have; `None` when there is none, or the
    /// run is over. Walks the table.
    #[must_use]
    pub fn flow(&self, flow_id: u64) -> Option<FlowRecord> {
        match self.ask(Question::Flow(flow_id))? {
            Answer::Flow(record) => record.map(|record| *record),
            Answer::Counters(_) => None,
        }
    }

    fn ask(&self, question: Question) -> Option<Answer> {
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.questions.push((ticket, question));
        self.asked.store(true, Ordering::Relaxed);
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
