//! One source for several workers: every worker sees every batch, in order, and keeps the packets of its own flows.
//!
//! Whoever first needs a batch that is not there fills it from the source, so there is no thread for reading. A batch is
//! counted: the last worker that is done with it gives it back to be filled again. Who runs ahead by [`AHEAD`] batches
//! waits until the slowest has come half of the way.

use std::collections::VecDeque;

use flumen_kref::{Boxed, Ref, Unique};
use flumen_model::{PacketBatch, PacketSource, SourceError, Timestamp};

use crate::pipeline::PacketClock;
use crate::prim::{Condvar, Mutex, lock, wait};

/// A batch that several workers read.
pub(crate) type SharedBatch = Ref<Boxed<PacketBatch>>;

/// Batches that the fastest worker may be ahead of the slowest.
pub(crate) const AHEAD: usize = 16;

pub(crate) struct Feed<'s> {
    state: Mutex<State<'s>>,
    moved: Condvar,
    /// Batches to be filled again.
    spare: Mutex<Vec<Unique<Boxed<PacketBatch>>>>,
}

struct State<'s> {
    /// Away while a worker fills a batch from it.
    source: Option<&'s mut dyn PacketSource>,
    /// Batches that some worker has still to take; the first has number `first`.
    ring: VecDeque<SharedBatch>,
    first: u64,
    /// Number of the next batch of each worker.
    next: Vec<u64>,
    seen: Seen,
    /// Somebody waits for the slowest.
    waiting: bool,
    ended: bool,
    error: Option<SourceError>,
}

/// What has been read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) clock: PacketClock,
    /// Time of the very first packet read.
    pub(crate) opened: Option<Timestamp>,
    /// Earliest and latest time.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

impl Seen {
    pub(crate) fn note(&mut self, at: Timestamp) {
        self.opened.get_or_insert(at);
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }
    /// Time of the latest packet.
    pub(crate) fn last(&self) -> Timestamp {
        self.span.map_or(Timestamp::ZERO, |(_, last)| last)
    }
}

impl<'s> Feed<'s> {
    pub(crate) fn new(source: &'s mut dyn PacketSource, workers: usize) -> Self {
        let state = State {
            source: Some(source),
            ring: VecDeque::with_capacity(AHEAD),
            first: 0,
            next: vec![0; workers],
            seen: Seen::default(),
            waiting: false,
            ended: false,
            error: None,
        };
        Self { state: Mutex::new(state), moved: Condvar::new(), spare: Mutex::new(Vec::new()) }
    }

    /// The next batch of a worker, and the time of the first packet of all; `None` at the end.
    pub(crate) fn next(&self, worker: usize) -> Option<(SharedBatch, Timestamp)> {
        let mut state = lock(&self.state);
        loop {
            let ahead = (state.next[worker] - state.first) as usize;
            if let Some(batch) = state.ring.get(ahead) {
                let batch = Ref::clone(batch);
                let opened = state.seen.opened.unwrap_or(Timestamp::ZERO);
                state.next[worker] += 1;
                state.drop_taken(&self.spare);
                // Not for every batch: who is woken shall have work for a while.
                if state.waiting && state.ring.len() <= AHEAD / 2 {
                    state.waiting = false;
                    self.moved.notify_all();
                }
                return Some((batch, opened));
            }
            if state.ended {
                return None;
            }
            match state.source.take_if(|_| ahead < AHEAD) {
                Some(source) => {
                    drop(state);
                    let filled = self.fill(source);
                    state = lock(&self.state);
                    state.source = Some(source);
                    state.take(filled);
                    self.moved.notify_all();
                }
                None => {
                    state.waiting = true;
                    state = wait(&self.moved, state);
                }
            }
        }
    }

    /// A batch from the source; `None` at its end.
    fn fill(&self, source: &mut dyn PacketSource) -> Result<Option<SharedBatch>, SourceError> {
        let spare = lock(&self.spare).pop();
        let mut batch = spare.unwrap_or_else(|| Boxed::new(PacketBatch::new()));
        Ok(source.fill(&mut batch)?.then(|| batch.into_ref()))
    }

    /// Takes a batch back; the last one makes it ready to be filled again.
    pub(crate) fn give_back(&self, batch: SharedBatch) {
        if let Some(mut batch) = Ref::into_unique_or_drop(batch) {
            batch.clear();
            lock(&self.spare).push(batch);
        }
    }

    /// Ends the feed early: workers finish what they have.
    pub(crate) fn stop(&self) {
        lock(&self.state).ended = true;
        self.moved.notify_all();
    }

    /// What was read, and the error that ended it.
    pub(crate) fn finish(self) -> (Seen, Option<SourceError>) {
        let state = self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        (state.seen, state.error)
    }
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.state).seen
    }
}

impl State<'_> {
    /// Takes what the source gave.
    fn take(&mut self, filled: Result<Option<SharedBatch>, SourceError>) {
        match filled {
            Ok(Some(batch)) => {
                batch.entries().iter().for_each(|entry| self.seen.note(entry.timestamp));
                self.ring.push_back(batch);
            }
            Ok(None) => self.ended = true,
            Err(error) => {
                self.error = Some(error);
                self.ended = true;
            }
        }
    }

    /// Lets go of the batches that every worker has taken.
    fn drop_taken(&mut self, spare: &Mutex<Vec<Unique<Boxed<PacketBatch>>>>) {
        let slowest = self.next.iter().copied().min().unwrap_or(self.first);
        for _ in self.first..slowest {
            if let Some(mut batch) = self.ring.pop_front().and_then(Ref::into_unique_or_drop) {
                batch.clear();
                lock(spare).push(batch);
            }
        }
        self.first = slowest;
    }
}
