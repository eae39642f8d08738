//! One source for several workers: every worker sees every batch of decoded packets, in order, and takes those of its own
//! flows.
//!
//! Whoever first needs a batch that is not there fills it, from the source through the front, so there is no thread for
//! reading, and everything is decoded once. A batch is counted: the last worker that is done with it gives it back to be
//! filled again. Who runs ahead by [`AHEAD`] batches waits until the slowest has come half of the way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use flumen_kref::{Boxed, Ref, Unique};
use flumen_model::sink::Anomaly;
use flumen_model::{PacketBatch, PacketSource, SourceError, Timestamp};

use crate::front::{Front, FrontCounters};
use crate::pipeline::PacketClock;
use crate::prim::{Condvar, Mutex, lock, wait};
use crate::vector::Vector;

/// Decoded packets that several workers read.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) vector: Vector,
    /// What was odd about the packets, when that is wanted.
    pub(crate) anomalies: Vec<Anomaly>,
    /// Time of the last frame.
    pub(crate) last: Timestamp,
}

impl Decoded {
    fn clear(&mut self) {
        self.vector.clear();
        self.anomalies.clear();
    }
}

/// A batch that several workers read.
pub(crate) type SharedBatch = Ref<Boxed<Decoded>>;

/// Batches that the fastest worker may be ahead of the slowest.
pub(crate) const AHEAD: usize = 8;
/// A batch is full with so many packets; those of the last frame may be more.
pub(crate) const DECODED_MAX: usize = 256;

pub(crate) struct Feed<'s> {
    state: Mutex<State<'s>>,
    moved: Condvar,
    /// Batches to be filled again.
    spare: Mutex<Vec<Unique<Boxed<Decoded>>>>,
    /// A worker has panicked: those that wait for it shall not.
    failed: AtomicBool,
}

struct State<'s> {
    /// Away while a worker fills a batch from it.
    reader: Option<Reader<'s>>,
    /// Batches that some worker has still to take; the first has number `first`.
    ring: VecDeque<SharedBatch>,
    first: u64,
    /// Number of the next batch of each worker.
    next: Vec<u64>,
    seen: Seen,
    /// What the front had counted when the last batch was filled.
    front: FrontCounters,
    /// Somebody waits for the slowest.
    waiting: bool,
    ended: bool,
    error: Option<SourceError>,
}

/// The source and the stages before the table.
struct Reader<'s> {
    source: &'s mut dyn PacketSource,
    front: Front<'s>,
    /// What the source gave, and how much of it is decoded.
    batch: PacketBatch,
    done: usize,
    /// The source has ended.
    is_over: bool,
    seen: Seen,
}

impl Reader<'_> {
    /// Fills a batch; `false` at the end of the source.
    fn fill(&mut self, into: &mut Decoded) -> Result<bool, SourceError> {
        if self.done == self.batch.len() {
            self.done = 0;
            self.is_over = self.is_over || !self.source.fill(&mut self.batch)?;
            if self.is_over {
                into.last = self.seen.last();
                return Ok(self.front.finish(&mut into.vector));
            }
        }
        for packet in self.batch.packets().skip(self.done) {
            if into.vector.len() >= DECODED_MAX {
                break;
            }
            into.last = packet.entry.timestamp;
            self.seen.note(into.last);
            self.front.frame(&packet, &self.batch, &mut into.vector);
            self.done += 1;
        }
        if let Some(anomalies) = &mut self.front.anomalies {
            into.anomalies.append(anomalies);
        }
        Ok(true)
    }
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
    /// Adds what was read elsewhere. The clock stays: it is that of one source.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.opened = self.opened.into_iter().chain(other.opened).min();
        if let Some((first, last)) = other.span {
            let (earliest, latest) = self.span.unwrap_or((first, last));
            self.span = Some((earliest.min(first), latest.max(last)));
        }
    }
    /// Time of the latest packet.
    pub(crate) fn last(&self) -> Timestamp {
        self.span.map_or(Timestamp::ZERO, |(_, last)| last)
    }
}

impl<'s> Feed<'s> {
    pub(crate) fn new(source: &'s mut dyn PacketSource, front: Front<'s>, workers: usize) -> Self {
        let reader =
            Reader { source, front, batch: PacketBatch::new(), done: 0, is_over: false, seen: Seen::default() };
        let state = State {
            reader: Some(reader),
            ring: VecDeque::with_capacity(AHEAD),
            first: 0,
            next: vec![0; workers],
            seen: Seen::default(),
            front: FrontCounters::default(),
            waiting: false,
            ended: false,
            error: None,
        };
        Self {
            state: Mutex::new(state),
            moved: Condvar::new(),
            spare: Mutex::new(Vec::new()),
            failed: AtomicBool::new(false),
        }
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
            match state.reader.take_if(|_| ahead < AHEAD) {
                Some(mut reader) => {
                    drop(state);
                    let filled = self.fill(&mut reader);
                    state = lock(&self.state);
                    state.seen = reader.seen;
                    reader.front.counters(&mut state.front);
                    state.reader = Some(reader);
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
    fn fill(&self, reader: &mut Reader<'_>) -> Result<Option<SharedBatch>, SourceError> {
        let spare = lock(&self.spare).pop();
        let mut batch = spare.unwrap_or_else(|| Boxed::new(Decoded::default()));
        Ok(reader.fill(&mut batch)?.then(|| batch.into_ref()))
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
    /// A worker has panicked.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.stop();
    }
    /// Whether a worker has panicked.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What was read, and the error that ended it.
    pub(crate) fn finish(self) -> (Seen, FrontCounters, Option<SourceError>) {
        let state = self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        (state.seen, state.front, state.error)
    }
    /// What the front has counted.
    pub(crate) fn counters(&self) -> FrontCounters {
        lock(&self.state).front.clone()
    }
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.state).seen
    }
}

impl State<'_> {
    /// Takes what the source gave.
    fn take(&mut self, filled: Result<Option<SharedBatch>, SourceError>) {
        match filled {
            Ok(Some(batch)) => self.ring.push_back(batch),
            Ok(None) => self.ended = true,
            Err(error) => {
                self.error = Some(error);
                self.ended = true;
            }
        }
    }

    /// Lets go of the batches that every worker has taken.
    fn drop_taken(&mut self, spare: &Mutex<Vec<Unique<Boxed<Decoded>>>>) {
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
