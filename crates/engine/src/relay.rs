//! Batches on their way from one source to several workers: filled by whoever has time, several at once; made ready in
//! their order; taken by every worker.
//!
//! | step | done by | order | at a time |
//! |---|---|---|---|
//! | [`Stages::read`] | a worker that finds nothing ready | that of the source | one batch |
//! | [`Stages::ahead`] | the same | any | all |
//! | [`Stages::turn`] | who has just finished the batch whose turn it is, for those behind it too | that of the source | one batch |
//! | taken, given back | every worker, the last one gives it back to be filled again | that of the source | all |
//!
//! So there is no thread for reading, nothing is done twice, and what must happen in order is as little as the stages make it.
//! A worker prefers what is ready to filling more, which keeps the batches that are under way few; who runs ahead of the
//! slowest by [`AHEAD`] batches waits until that has come half of the way.
//!
//! 1. Nothing waits while it holds a batch of its own, so every batch gets its turn and is made ready.
//! 2. After the last batch of the source [`Stages::finish`] makes batches in place of it, until it has nothing more.
//! 3. Who waits looks for a moment and then parks. A thread that is parked is woken for what it waits for, or a little more.

use std::collections::VecDeque;

use flumen_kref::{Boxed, Ref, Unique};

use crate::prim::{AtomicBool, AtomicU32, Condvar, Mutex, MutexGuard, Ordering, lock, spin_while, wait};

/// Batches that the fastest worker may be ahead of the slowest. More than balance needs: a worker that the system puts aside
/// for a while shall not stop the others.
pub(crate) const AHEAD: usize = 4;

/// A batch that several workers read.
pub(crate) type Shared<B> = Ref<Boxed<B>>;

/// What is done with batches, step by step.
pub(crate) trait Stages {
    /// What batches are filled from.
    type Source;
    /// What the steps that are done in order have in common.
    type Order;
    type Batch: Unpin;

    /// A batch to be filled.
    fn empty(&self) -> Self::Batch;
    /// Fills a batch from the source; `false` at its end.
    fn read(&self, source: &mut Self::Source, batch: &mut Self::Batch) -> bool;
    /// What can be done without those before it.
    fn ahead(&self, batch: &mut Self::Batch);
    /// What cannot.
    fn turn(&self, order: &mut Self::Order, batch: &mut Self::Batch);
    /// Makes a batch of what is left at the end; `false` when nothing is.
    fn finish(&self, order: &mut Self::Order, batch: &mut Self::Batch) -> bool;
    /// Empties a batch that was given back.
    fn clear(&self, batch: &mut Self::Batch);
}

/// The way of the batches.
pub(crate) struct Relay<S: Stages> {
    stages: S,
    state: Mutex<State<S>>,
    moved: Condvar,
    /// Counts what somebody may wait for. Changed under the lock; without it, it is only watched.
    moves: AtomicU32,
    /// Batches to be filled again. The last one given back is taken first: it is in some cache.
    spare: Mutex<Vec<Unique<Boxed<S::Batch>>>>,
    failed: AtomicBool,
}

struct State<S: Stages> {
    /// Away while a worker reads.
    source: Option<Box<S::Source>>,
    /// Away while a batch has its turn.
    order: Option<Box<S::Order>>,
    /// Batches that some worker has still to take; the first has number `first`.
    ring: VecDeque<Slot<S::Batch>>,
    first: u64,
    /// Batches whose turn is over.
    turned: u64,
    /// Number of the next batch of each worker.
    next: Vec<u64>,
    reading: Reading,
    phase: Phase,
    parked: Parked,
    waits: Waits,
}

enum Slot<B> {
    /// A worker fills it.
    Away,
    /// It waits for its turn.
    Filled(Unique<Boxed<B>>),
    Ready(Shared<B>),
}

/// When a worker reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// When the batch it needs is not ready: others are at it.
    Ahead,
    /// When it has taken every batch that was read. The source may wait, and what was read is not to wait with it.
    WhenDone,
}

/// How far it has got: never back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Reading,
    /// The source has ended.
    Finishing,
    /// No batch comes any more.
    Ended,
    /// A worker has panicked: what it had in its hands never comes.
    Failed,
}

/// Who waits, and for what.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Parked {
    for_a_batch: u32,
    for_room: u32,
}

/// How often workers waited.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Waits {
    /// Times that a worker found nothing to do.
    pub(crate) idle: u64,
    /// Those in which it parked.
    pub(crate) parked: u64,
}

/// What is left at the end; `None` for what went down with a worker.
pub(crate) struct Left<S: Stages> {
    pub(crate) source: Option<Box<S::Source>>,
    pub(crate) order: Option<Box<S::Order>>,
    pub(crate) waits: Waits,
}

/// What is needed for the turn of a batch.
type Turn<S> = (Box<<S as Stages>::Order>, Unique<Boxed<<S as Stages>::Batch>>);

/// What a worker does next.
enum Step<S: Stages> {
    Take(Shared<S::Batch>),
    Read(Box<S::Source>),
    Finish(Box<S::Order>),
    Wait { full: bool },
    End,
}

impl<S: Stages> Relay<S> {
    pub(crate) fn new(stages: S, source: S::Source, order: S::Order, workers: usize, reading: Reading) -> Self {
        let state = State {
            source: Some(Box::new(source)),
            order: Some(Box::new(order)),
            ring: VecDeque::with_capacity(AHEAD),
            first: 0,
            turned: 0,
            next: vec![0; workers],
            reading,
            phase: Phase::Reading,
            parked: Parked::default(),
            waits: Waits::default(),
        };
        Self {
            stages,
            state: Mutex::new(state),
            moved: Condvar::new(),
            moves: AtomicU32::new(0),
            spare: Mutex::new(Vec::new()),
            failed: AtomicBool::new(false),
        }
    }

    /// The next batch of a worker; `None` at the end.
    pub(crate) fn next(&self, worker: usize) -> Option<Shared<S::Batch>> {
        let mut state = lock(&self.state);
        loop {
            state = match state.step(worker) {
                Step::Take(batch) => {
                    self.drop_taken(state);
                    return Some(batch);
                }
                Step::End => return None,
                Step::Read(source) => self.fill(state, source),
                Step::Finish(order) => self.finish(state, order),
                Step::Wait { full } => self.wait(state, full),
            };
        }
    }

    /// Takes a batch back; the last one makes it ready to be filled again.
    pub(crate) fn give_back(&self, batch: Shared<S::Batch>) {
        if let Some(mut batch) = Ref::into_unique_or_drop(batch) {
            self.stages.clear(&mut batch);
            lock(&self.spare).push(batch);
        }
    }

    /// Ends reading early: workers finish what has been read.
    pub(crate) fn stop(&self) {
        self.end(Phase::Ended);
    }
    /// A worker has panicked: those that would wait for what it had end.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.end(Phase::Failed);
    }
    fn end(&self, phase: Phase) {
        let mut state = lock(&self.state);
        state.phase = state.phase.max(phase);
        self.note(&state);
    }
    /// Whether a worker has panicked.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Looks at what the steps in order have in common, between two of them; `None` when it went down with a worker.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&S::Order) -> T) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(order) = &state.order {
                return Some(at(order));
            }
            if state.phase == Phase::Failed {
                return None;
            }
            state.parked.for_a_batch += 1;
            state = wait(&self.moved, state);
            state.parked.for_a_batch -= 1;
        }
    }

    /// What is left, when no worker comes any more.
    pub(crate) fn into_parts(self) -> Left<S> {
        let state = self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        Left { source: state.source, order: state.order, waits: state.waits }
    }

    fn spare(&self) -> Unique<Boxed<S::Batch>> {
        let spare = lock(&self.spare).pop();
        spare.unwrap_or_else(|| Boxed::new(self.stages.empty()))
    }

    /// Fills the last batch of the ring.
    fn fill<'m>(&'m self, mut state: Guard<'m, S>, mut source: Box<S::Source>) -> Guard<'m, S> {
        let number = state.issue();
        drop(state);
        let mut batch = self.spare();
        let more = self.stages.read(&mut source, &mut batch);
        state = lock(&self.state);
        state.source = Some(source);
        if !more {
            // Nobody else reads: it is still the last.
            state.ring.pop_back();
            state.phase = state.phase.max(Phase::Finishing);
            self.note(&state);
            lock(&self.spare).push(batch);
            return state;
        }
        self.note(&state);
        drop(state);
        self.stages.ahead(&mut batch);
        state = lock(&self.state);
        state.put(number, Slot::Filled(batch));
        self.turns(state)
    }

    /// Gives every batch that is filled its turn, as far as they follow each other; unless somebody is at it, who then goes
    /// on with this one.
    fn turns<'m>(&'m self, mut state: Guard<'m, S>) -> Guard<'m, S> {
        while let Some((mut order, mut batch)) = state.take_turn() {
            drop(state);
            self.stages.turn(&mut order, &mut batch);
            state = lock(&self.state);
            state.end_turn(order, batch);
            self.note(&state);
        }
        state
    }

    /// Makes the batch behind the last one of the source.
    fn finish<'m>(&'m self, mut state: Guard<'m, S>, mut order: Box<S::Order>) -> Guard<'m, S> {
        state.issue();
        drop(state);
        let mut batch = self.spare();
        let more = self.stages.finish(&mut order, &mut batch);
        state = lock(&self.state);
        if more {
            state.end_turn(order, batch);
        } else {
            state.ring.pop_back();
            state.order = Some(order);
            state.phase = state.phase.max(Phase::Ended);
        }
        self.note(&state);
        state
    }

    /// Waits for a batch, or for room for one.
    fn wait<'m>(&'m self, mut state: Guard<'m, S>, full: bool) -> Guard<'m, S> {
        state.waits.idle += 1;
        // Relaxed: it changes under the lock, which is held; afterwards the lock is taken whatever was seen.
        let seen = self.moves.load(Ordering::Relaxed);
        drop(state);
        spin_while(|| self.moves.load(Ordering::Relaxed) == seen);
        state = lock(&self.state);
        if self.moves.load(Ordering::Relaxed) != seen {
            return state;
        }
        state.waits.parked += 1;
        *state.parked.at(full) += 1;
        state = wait(&self.moved, state);
        *state.parked.at(full) -= 1;
        state
    }

    /// Something has moved that others may wait for.
    fn note(&self, state: &State<S>) {
        self.moves.fetch_add(1, Ordering::Relaxed);
        if state.parked != Parked::default() {
            self.moved.notify_all();
        }
    }

    /// Lets go of the batches that every worker has taken.
    fn drop_taken(&self, mut state: Guard<'_, S>) {
        let slowest = state.next.iter().copied().min().unwrap_or(state.first);
        for _ in state.first..slowest {
            if let Some(Slot::Ready(batch)) = state.ring.pop_front() {
                self.give_back(batch);
            }
        }
        if state.first == slowest {
            return;
        }
        state.first = slowest;
        // Not for every batch: who is woken shall have work for a while.
        self.moves.fetch_add(1, Ordering::Relaxed);
        if state.parked.for_room > 0 && state.ring.len() <= AHEAD / 2 {
            self.moved.notify_all();
        }
    }
}

type Guard<'m, S> = MutexGuard<'m, State<S>>;

impl<S: Stages> State<S> {
    fn step(&mut self, worker: usize) -> Step<S> {
        let ahead = (self.next[worker] - self.first) as usize;
        if let Some(Slot::Ready(batch)) = self.ring.get(ahead) {
            self.next[worker] += 1;
            return Step::Take(Ref::clone(batch));
        }
        if self.ring.len() >= AHEAD {
            return Step::Wait { full: true };
        }
        let all_turned = self.turned == self.first + self.ring.len() as u64;
        let step = match self.phase {
            Phase::Reading if self.reading == Reading::WhenDone && ahead < self.ring.len() => None,
            Phase::Reading => self.source.take().map(Step::Read),
            Phase::Finishing if all_turned => self.order.take().map(Step::Finish),
            Phase::Ended if all_turned => Some(Step::End),
            Phase::Finishing | Phase::Ended => None,
            Phase::Failed => Some(Step::End),
        };
        step.unwrap_or(Step::Wait { full: false })
    }

    /// A place in the ring, and its number.
    fn issue(&mut self) -> u64 {
        self.ring.push_back(Slot::Away);
        self.first + self.ring.len() as u64 - 1
    }
    fn put(&mut self, number: u64, slot: Slot<S::Batch>) {
        let index = (number - self.first) as usize;
        self.ring[index] = slot;
    }

    /// The batch whose turn it is, if it is filled and nobody is at it.
    fn take_turn(&mut self) -> Option<Turn<S>> {
        let index = (self.turned - self.first) as usize;
        let slot = self.ring.get_mut(index).filter(|slot| matches!(slot, Slot::Filled(_)))?;
        let order = self.order.take()?;
        match core::mem::replace(slot, Slot::Away) {
            Slot::Filled(batch) => Some((order, batch)),
            Slot::Away | Slot::Ready(_) => None,
        }
    }
    fn end_turn(&mut self, order: Box<S::Order>, batch: Unique<Boxed<S::Batch>>) {
        self.order = Some(order);
        self.put(self.turned, Slot::Ready(batch.into_ref()));
        self.turned += 1;
    }
}

impl Parked {
    const fn at(&mut self, full: bool) -> &mut u32 {
        if full { &mut self.for_room } else { &mut self.for_a_batch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source counts up to a number; a turn sees that the numbers come in order; two batches come at the end.
    pub(super) struct Numbers;

    #[derive(Debug, Default, PartialEq, Eq)]
    pub(super) struct Batch {
        pub(super) number: u32,
        pub(super) ahead: bool,
    }

    #[derive(Default)]
    pub(super) struct Source {
        pub(super) next: u32,
        pub(super) end: u32,
    }

    #[derive(Default)]
    pub(super) struct Order {
        pub(super) turns: u32,
        pub(super) extra: u32,
    }

    impl Stages for Numbers {
        type Source = Source;
        type Order = Order;
        type Batch = Batch;

        fn empty(&self) -> Batch {
            Batch::default()
        }
        fn read(&self, source: &mut Source, batch: &mut Batch) -> bool {
            assert_eq!(*batch, Batch::default(), "a batch that was cleared");
            batch.number = source.next;
            source.next += 1;
            batch.number < source.end
        }
        fn ahead(&self, batch: &mut Batch) {
            batch.ahead = true;
        }
        fn turn(&self, order: &mut Order, batch: &mut Batch) {
            assert_eq!((batch.number, batch.ahead), (order.turns, true));
            order.turns += 1;
        }
        fn finish(&self, order: &mut Order, batch: &mut Batch) -> bool {
            batch.number = order.turns;
            order.turns += 1;
            order.extra = order.extra.saturating_sub(1);
            order.extra > 0
        }
        fn clear(&self, batch: &mut Batch) {
            *batch = Batch::default();
        }
    }

    pub(super) fn relay(batches: u32, extra: u32, workers: usize) -> Relay<Numbers> {
        relay_reading(Reading::Ahead, batches, extra, workers)
    }
    pub(super) fn relay_reading(reading: Reading, batches: u32, extra: u32, workers: usize) -> Relay<Numbers> {
        let order = Order { turns: 0, extra: extra + 1 };
        Relay::new(Numbers, Source { next: 0, end: batches }, order, workers, reading)
    }
    /// Takes `most` batches at most; says how many came, all in order.
    pub(super) fn take(relay: &Relay<Numbers>, worker: usize, most: u32) -> u32 {
        let mut taken = 0;
        while taken < most
            && let Some(batch) = relay.next(worker)
        {
            assert_eq!(batch.number, taken);
            relay.give_back(batch);
            taken += 1;
        }
        taken
    }

    #[cfg(not(loom))]
    #[test]
    fn every_worker_gets_every_batch_in_order_and_those_of_the_end() {
        for (workers, reading) in (1..5).flat_map(|n| [(n, Reading::Ahead), (n, Reading::WhenDone)]) {
            let relay = relay_reading(reading, 1000, 2, workers);
            std::thread::scope(|scope| {
                for worker in 0..workers {
                    let relay = &relay;
                    scope.spawn(move || assert_eq!(take(relay, worker, u32::MAX), 1002));
                }
            });
            let left = relay.into_parts();
            assert_eq!((left.source.expect("is back").next, left.order.expect("is back").turns), (1001, 1003));
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn source_that_may_wait_then_nobody_reads_who_has_something_to_come() {
        let step = |reading| {
            let relay = relay_reading(reading, 9, 0, 2);
            let mut state = lock(&relay.state);
            // The other worker has read a batch and decodes it.
            state.issue();
            matches!(state.step(1), Step::Read(_))
        };
        assert_eq!((step(Reading::WhenDone), step(Reading::Ahead)), (false, true));
    }

    #[cfg(not(loom))]
    #[test]
    fn who_runs_ahead_is_stopped_and_nothing_is_read_then() {
        let relay = relay(u32::MAX, 0, 2);
        std::thread::scope(|scope| {
            let ahead = scope.spawn(|| take(&relay, 0, AHEAD as u32 * 3 / 2));
            let parked = || lock(&relay.state).parked.for_room > 0;
            while !parked() {
                std::thread::yield_now();
            }
            assert_eq!(lock(&relay.state).ring.len(), AHEAD);
            assert_eq!(take(&relay, 1, AHEAD as u32), AHEAD as u32);
            assert_eq!(ahead.join().expect("goes on"), AHEAD as u32 * 3 / 2);
        });
    }

    #[cfg(not(loom))]
    #[test]
    fn a_stop_lets_what_was_read_be_taken_and_a_failure_ends_at_once() {
        let relay = relay(u32::MAX, 0, 2);
        assert_eq!(take(&relay, 0, 3), 3);
        relay.stop();
        assert_eq!((take(&relay, 0, 9), take(&relay, 1, 9)), (0, 3));
        relay.fail();
        assert!(relay.has_failed() && relay.next(0).is_none());
        relay.stop();
        assert!(relay.next(1).is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::tests::{relay, take};
    use loom::sync::Arc;

    #[test]
    fn two_workers_both_get_all_batches_in_order_and_end() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let relay = Arc::new(relay(2, 0, 2));
            let other = {
                let relay = Arc::clone(&relay);
                loom::thread::spawn(move || assert_eq!(take(&relay, 1, 9), 2))
            };
            assert_eq!(take(&relay, 0, 9), 2);
            other.join().expect("the other worker");
        });
    }

    #[test]
    fn a_worker_that_fails_leaves_nobody_waiting() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let relay = Arc::new(relay(2, 0, 2));
            let other = {
                let relay = Arc::clone(&relay);
                loom::thread::spawn(move || {
                    take(&relay, 1, 1);
                    relay.fail();
                })
            };
            assert!(take(&relay, 0, 9) <= 2);
            other.join().expect("the other worker");
        });
    }

    #[test]
    fn who_looks_at_the_order_gets_to_see_it() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let relay = Arc::new(relay(1, 0, 1));
            let worker = {
                let relay = Arc::clone(&relay);
                loom::thread::spawn(move || assert_eq!(take(&relay, 0, 9), 1))
            };
            assert!(relay.look(|order| order.turns).is_some_and(|turns| turns <= 2));
            worker.join().expect("the worker");
        });
    }
}
