//! A bucket is one row of the flow table, one cache line: a lock, the earliest moment any of its flows can expire, and
//! up to eight flows as a tag of sixteen bits and a slot number each. More than eight are chained through the flows.
//!
//! 1. A flow is in at most one row. Its row owns one of its counts.
//! 2. `deadline` is never later than the true earliest deadline. It may be earlier: who then looks corrects it.
//! 3. The fields change only under the lock. They are atomics because the deadline and the slots are also read without
//!    it, as hints: for the sweep, which then locks and looks again, and for prefetching.
//! 4. A thread holds one row at a time (asserted in debug builds), and calls nothing that waits while it does.
//!
//! Zeroed memory is an empty, unlocked row without a deadline.

use core::ptr::NonNull;

use flumen_model::{Direction, FlowKey, Timestamp};

use crate::flow::Flow;
use crate::hash::FlowHash;
use crate::key::KeyMask;
use crate::lanes::Lanes;
use crate::prim::{AtomicU32, AtomicU64, Ordering, wait};
use crate::storage::{FlowStore, Link, Probe, SlotId, direction_in};

/// Flows that fit into the line.
const INLINE: usize = 8;
/// Tags of 16 bits in a word.
const LANES: usize = 4;

/// One row of the table.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Bucket {
    lock: AtomicU32,
    deadline: Deadline,
    tags: [AtomicU64; INLINE / LANES],
    slots: [AtomicU32; INLINE],
    /// First flow of the chain of those that did not fit.
    overflow: AtomicU32,
    /// First of the flows that ended here but belong to another worker.
    evicted: AtomicU32,
}

/// The moment, in whole seconds, before which nothing needs to be looked at. Kept inverted so that zero is "never".
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Deadline(AtomicU32);

/// Seconds of packet time as deadlines count them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Due(u32);

impl Due {
    pub(crate) const NEVER: Self = Self(u32::MAX);
    /// At once.
    pub(crate) const NOW: Self = Self(0);

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
    /// Whether a moment comes before this second: then nothing that is due then has come yet.
    #[inline]
    pub(crate) const fn is_after(self, time: Timestamp) -> bool {
        // Multiplied, since to divide takes longer.
        time.nanos() < self.0 as u64 * 1_000_000_000
    }
    /// The second of a moment, rounded down, so that it is never too late.
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(u32::try_from(time.secs()).unwrap_or(u32::MAX - 1).min(u32::MAX - 1))
    }
}

impl Deadline {
    pub(crate) fn never() -> Self {
        Self(AtomicU32::new(0))
    }
    pub(crate) fn due(&self) -> Due {
        Due(!self.0.load(Ordering::Relaxed))
    }
    pub(crate) fn set(&self, due: Due) {
        self.0.store(!due.0, Ordering::Relaxed);
    }
    /// Moves the deadline forward to `due` if that is earlier; acquires and releases so that who takes a deadline away
    /// ([`Deadline::take`]) sees what its setters had written before. Always a read-modify-write: a load could still see
    /// the deadline that is just being taken away, and this one would be lost.
    pub(crate) fn bring_forward(&self, due: Due) {
        self.0.fetch_max(!due.0, Ordering::AcqRel);
    }
    pub(crate) fn take(&self) -> Due {
        Due(!self.0.swap(0, Ordering::AcqRel))
    }
}

/// Where in a row a flow is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Position {
    Inline(usize),
    /// Behind this flow of the chain; at its head without one.
    Chained(Option<NonNull<Flow>>),
}

/// Where in its row's line a packet's flow was when its memory was asked for: see
/// [`FlowTable::prefetch_flow`](crate::FlowTable::prefetch_flow). Tags need not be compared again
/// before the flow is looked at, which takes 2 to 3 % off the time of the heavy-tailed capture of `benches`. With a wrong one the flow is
/// found all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hint(u8);

impl Hint {
    /// It was not there, or nobody has looked.
    pub const NONE: Self = Self(u8::MAX);
}

/// A flow that was found: who, where, and which way the packet goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) flow: NonNull<Flow>,
    pub(crate) position: Position,
    pub(crate) direction: Direction,
}

/// A row that this thread has locked.
#[derive(Debug)]
pub(crate) struct Locked<'t> {
    pub(crate) bucket: &'t Bucket,
    pub(crate) store: &'t FlowStore,
}

impl Bucket {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            lock: AtomicU32::new(0),
            deadline: Deadline::never(),
            tags: core::array::from_fn(|_| AtomicU64::new(0)),
            slots: core::array::from_fn(|_| AtomicU32::new(0)),
            overflow: AtomicU32::new(0),
            evicted: AtomicU32::new(0),
        }
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock<'t>(&'t self, store: &'t FlowStore) -> Locked<'t> {
        self.wait();
        one_row::enter();
        Locked { bucket: self, store }
    }

    /// Acquires the lock, when whoever has it lets go of it.
    fn wait(&self) {
        let mut spins = 0;
        while !self.acquire() {
            while self.lock.load(Ordering::Relaxed) != 0 {
                spins += 1;
                wait(spins);
            }
        }
    }

    /// Acquires what the last holder's store released. A failure stores nothing, so that who waits disturbs nobody.
    #[inline]
    fn acquire(&self) -> bool {
        self.lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock<'t>(&'t self, store: &'t FlowStore) -> Option<Locked<'t>> {
        self.acquire().then(|| {
            one_row::enter();
            Locked { bucket: self, store }
        })
    }

    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }
    /// Whether flows have been put aside here: a hint, without the lock.
    pub(crate) fn has_evicted(&self) -> bool {
        self.evicted.load(Ordering::Relaxed) != 0
    }

    /// The first place whose tag fits, and the slot there, for a prefetch: read without the lock.
    #[inline(always)]
    pub(crate) fn hint(&self, hash: FlowHash) -> Option<(Hint, SlotId)> {
        let lane = self.lanes(hash.tag()).next()?;
        Some((Hint(lane as u8), SlotId::from_raw(self.slots[lane].load(Ordering::Relaxed))?))
    }

    /// All slots in the line, for prefetching: read without the lock.
    pub(crate) fn hints(&self) -> impl Iterator<Item = SlotId> + '_ {
        self.slots.iter().filter_map(|slot| SlotId::from_raw(slot.load(Ordering::Relaxed)))
    }

    /// The first place that is free. All are looked at: how many flows a row has nobody foresees.
    fn free_lane(&self) -> Option<usize> {
        let bit = |(lane, slot): (usize, &AtomicU32)| u32::from(slot.load(Ordering::Relaxed) == 0) << lane;
        let free: u32 = self.slots.iter().enumerate().map(bit).sum();
        (free != 0).then(|| free.trailing_zeros() as usize)
    }

    /// Places whose tag fits; one may be free, and its tag left over.
    #[inline(always)]
    fn lanes(&self, tag: u16) -> Lanes {
        let [low, high] = self.tags.each_ref().map(|tags| tags.load(Ordering::Relaxed));
        Lanes::fitting(low, high, tag)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<'t> Locked<'t> {
    /// Lets go of the row and locks another. `must_wait` is told when another thread has that.
    #[inline(always)]
    pub(crate) fn go_to(&mut self, bucket: &'t Bucket, must_wait: impl FnOnce()) {
        // Until the other is locked, this guard is of a row that it has no lock of: nothing here may panic.
        self.release();
        if !bucket.acquire() {
            must_wait();
            bucket.wait();
        }
        one_row::enter();
        self.bucket = bucket;
    }
    #[inline(always)]
    fn release(&self) {
        one_row::leave();
        self.bucket.lock.store(0, Ordering::Release);
    }
}

impl Locked<'_> {
    /// The flow that a packet with key `key` belongs to.
    // Inlined, as what it returns would be passed through memory: written in pieces and read as a whole, which the
    // processor waits for (a tenth of the time of a packet's lookup).
    #[inline(always)]
    pub(crate) fn find(&self, key: &FlowKey, hash: FlowHash, mask: &KeyMask) -> Option<Found> {
        let probe = Probe::new(key, mask);
        for lane in self.bucket.lanes(hash.tag()) {
            let Some(flow) = self.inline(lane) else { continue };
            if let Some(direction) = direction_in(flow, &probe) {
                return Some(Found { flow, position: Position::Inline(lane), direction });
            }
        }
        let overflow = self.bucket.overflow.load(Ordering::Relaxed);
        if overflow == 0 { None } else { self.find_chained(overflow, key, mask) }
    }

    /// The same if it is where the hint says; `None` if it is to be [sought](Self::find).
    #[inline(always)]
    pub(crate) fn find_at(&self, hint: Hint, key: &FlowKey, mask: &KeyMask) -> Option<Found> {
        let lane = usize::from(hint.0);
        let slot = SlotId::from_raw(self.bucket.slots.get(lane)?.load(Ordering::Relaxed))?;
        let flow = self.store.flow_ptr(slot);
        let direction = direction_in(flow, &Probe::new(key, mask))?;
        Some(Found { flow, position: Position::Inline(lane), direction })
    }

    /// The same among the flows that did not fit into the line.
    #[cold]
    fn find_chained(&self, first: u32, key: &FlowKey, mask: &KeyMask) -> Option<Found> {
        // Made anew: so that of the line needs no place in memory.
        let probe = &Probe::new(key, mask);
        let (mut before, mut next) = (None, first);
        while let Some(slot) = SlotId::from_raw(next) {
            let flow = self.store.flow_ptr(slot);
            if let Some(direction) = direction_in(flow, probe) {
                return Some(Found { flow, position: Position::Chained(before), direction });
            }
            before = Some(flow);
            next = next_of(flow);
        }
        None
    }

    /// Puts a flow into the row, which owns its count from now on.
    pub(crate) fn insert(&self, flow: NonNull<Flow>, slot: SlotId, hash: FlowHash) {
        match self.bucket.free_lane() {
            Some(lane) => self.fill(lane, slot, hash.tag()),
            None => {
                set_next(flow, self.bucket.overflow.load(Ordering::Relaxed));
                self.bucket.overflow.store(slot.raw(), Ordering::Relaxed);
            }
        }
    }

    /// Takes a flow out of the row; the caller owns the row's count of it.
    pub(crate) fn remove(&self, flow: NonNull<Flow>, position: Position) {
        match position {
            Position::Inline(lane) => self.bucket.slots[lane].store(0, Ordering::Relaxed),
            Position::Chained(None) => self.bucket.overflow.store(next_of(flow), Ordering::Relaxed),
            Position::Chained(Some(before)) => set_next(before, next_of(flow)),
        }
        set_next(flow, Link::UNLINKED);
    }

    /// Shows every flow of the row to `visit`, which may say that it wants the flow taken out; `take` then owns it.
    /// Chained flows move up into places that have become free.
    pub(crate) fn extract(
        &self,
        mut wanted: impl FnMut(NonNull<Flow>) -> bool,
        mut take: impl FnMut(NonNull<Flow>),
        tag_of: impl Fn(NonNull<Flow>) -> u16,
    ) {
        for lane in 0..INLINE {
            if let Some(flow) = self.inline(lane).filter(|&flow| wanted(flow)) {
                self.remove(flow, Position::Inline(lane));
                take(flow);
            }
        }
        let mut before = None;
        let mut next = self.bucket.overflow.load(Ordering::Relaxed);
        while let Some(slot) = SlotId::from_raw(next) {
            let flow = self.store.flow_ptr(slot);
            next = next_of(flow);
            let free = self.bucket.free_lane();
            if wanted(flow) {
                self.remove(flow, Position::Chained(before));
                take(flow);
            } else if let Some(lane) = free {
                self.remove(flow, Position::Chained(before));
                set_next(flow, Link::END);
                self.fill(lane, slot, tag_of(flow));
            } else {
                before = Some(flow);
            }
        }
    }

    /// Shows every flow of the row.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(NonNull<Flow>, Position)) {
        for lane in 0..INLINE {
            if let Some(flow) = self.inline(lane) {
                visit(flow, Position::Inline(lane));
            }
        }
        let mut before = None;
        let mut next = self.bucket.overflow.load(Ordering::Relaxed);
        while let Some(slot) = SlotId::from_raw(next) {
            let flow = self.store.flow_ptr(slot);
            next = next_of(flow);
            visit(flow, Position::Chained(before));
            before = Some(flow);
        }
    }

    /// Whether the row has more flows than its line has places.
    pub(crate) fn has_overflow(&self) -> bool {
        self.bucket.overflow.load(Ordering::Relaxed) != 0
    }

    /// How many flows the row has.
    pub(crate) fn len(&self) -> usize {
        let mut len = 0;
        self.for_each(|_, _| len += 1);
        len
    }

    /// Shows every flow that was put aside.
    pub(crate) fn for_each_evicted(&self, mut visit: impl FnMut(NonNull<Flow>)) {
        let mut next = self.bucket.evicted.load(Ordering::Relaxed);
        while let Some(slot) = SlotId::from_raw(next) {
            let flow = self.store.flow_ptr(slot);
            next = next_of(flow);
            visit(flow);
        }
    }

    /// Puts a flow that has ended, and was taken out of the row, aside for the worker it belongs to.
    pub(crate) fn evict(&self, flow: NonNull<Flow>, slot: SlotId) {
        set_next(flow, self.bucket.evicted.load(Ordering::Relaxed));
        self.bucket.evicted.store(slot.raw(), Ordering::Relaxed);
    }

    /// Takes all flows that were put aside.
    pub(crate) fn take_evicted(&self, mut take: impl FnMut(NonNull<Flow>)) {
        let mut next = self.bucket.evicted.load(Ordering::Relaxed);
        self.bucket.evicted.store(0, Ordering::Relaxed);
        while let Some(slot) = SlotId::from_raw(next) {
            let flow = self.store.flow_ptr(slot);
            next = next_of(flow);
            set_next(flow, Link::UNLINKED);
            take(flow);
        }
    }

    /// Takes all flows out of the row; `take` owns them. Those that are in the line are not touched.
    pub(crate) fn empty(&self, mut take: impl FnMut(SlotId)) {
        // Put together first: which places are taken no processor foresees, only about how many.
        let (mut slots, mut len) = ([0; INLINE], 0);
        for place in &self.bucket.slots {
            slots[len % INLINE] = place.load(Ordering::Relaxed);
            len += usize::from(slots[len % INLINE] != 0);
            place.store(0, Ordering::Relaxed);
        }
        slots[..len].iter().filter_map(|&slot| SlotId::from_raw(slot)).for_each(&mut take);
        let mut next = self.bucket.overflow.load(Ordering::Relaxed);
        self.bucket.overflow.store(0, Ordering::Relaxed);
        while let Some(slot) = SlotId::from_raw(next) {
            next = next_of(self.store.flow_ptr(slot));
            take(slot);
        }
    }

    /// Whether the row has a flow, if only among those that were put aside.
    pub(crate) fn has(&self, flow: NonNull<Flow>) -> bool {
        let mut has = false;
        self.for_each(|other, _| has |= other == flow);
        self.for_each_evicted(|other| has |= other == flow);
        has
    }

    #[inline(always)]
    fn inline(&self, lane: usize) -> Option<NonNull<Flow>> {
        SlotId::from_raw(self.bucket.slots[lane].load(Ordering::Relaxed)).map(|slot| self.store.flow_ptr(slot))
    }
    fn fill(&self, lane: usize, slot: SlotId, tag: u16) {
        let word = &self.bucket.tags[lane / LANES];
        let shift = lane % LANES * 16;
        let others = word.load(Ordering::Relaxed) & !(0xffff << shift);
        word.store(others | u64::from(tag) << shift, Ordering::Relaxed);
        self.bucket.slots[lane].store(slot.raw(), Ordering::Relaxed);
    }
}

fn next_of(flow: NonNull<Flow>) -> u32 {
    // SAFETY:
    // - Slots in rows and lists name flows that are in use.
    unsafe { flow.as_ref() }.next.load(Ordering::Relaxed)
}
fn set_next(flow: NonNull<Flow>, next: u32) {
    // SAFETY:
    // - As in `next_of`.
    unsafe { flow.as_ref() }.next.store(next, Ordering::Relaxed);
}

/// Invariant 4: asserted in debug builds, free in release builds.
mod one_row {
    #[cfg(all(debug_assertions, not(loom)))]
    std::thread_local!(static HELD: core::cell::Cell<bool> = const { core::cell::Cell::new(false) });

    pub(super) fn enter() {
        #[cfg(all(debug_assertions, not(loom)))]
        HELD.with(|held| assert!(!held.replace(true), "a second row was locked while one is held"));
    }
    pub(super) fn leave() {
        #[cfg(all(debug_assertions, not(loom)))]
        HELD.with(|held| held.set(false));
    }
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64, "a row is one cache line");
