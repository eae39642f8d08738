//! The flow table: rows, the store behind them, the spare pool, and what all workers share.

use core::ops::Range;
use core::ptr::NonNull;

use flumen_kref::{Boxed, Ref};
use flumen_model::{EndReason, FlowKey, Timestamp};

use crate::bucket::{Bucket, Deadline, Due, Locked};
use crate::config::TableConfig;
use crate::emergency::Emergency;
use crate::flow::{Flow, FlowBody};
use crate::guard::{FlowGuard, FlowRef, body_of};
use crate::hash::{FlowHash, HashSecret};
use crate::key::KeyMask;
use crate::memcap::Memcap;
use crate::pool::SparePool;
use crate::prim::{AtomicU32, AtomicU64, Ordering};
use crate::rows::Rows;
use crate::side::SideLayout;
use crate::storage::{EndedFlow, FlowStore, Remaining, SpareFlow, key_of};

/// Rows that share one summary of their deadlines.
pub(crate) const GROUP_ROWS: u32 = 64;

/// Why a table could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The rows alone do not fit.
    #[error("flow.memcap is {memcap} bytes, but the {rows} rows of flow.hash-size alone take {needed}")]
    MemcapTooSmall {
        /// `flow.memcap`.
        memcap: u64,
        /// `flow.hash-size`.
        rows: u32,
        /// Bytes of the rows.
        needed: u64,
    },
    /// The operating system has no memory for the rows.
    #[error("no memory for {needed} bytes of flow table rows")]
    OutOfMemory {
        /// Bytes of the rows.
        needed: u64,
    },
}

/// A bounded table of flows, shared by the workers of a run. Each worker has a [`FlowLookup`](crate::FlowLookup).
#[derive(Debug)]
pub struct FlowTable {
    config: TableConfig,
    secret: HashSecret,
    pub(crate) mask: KeyMask,
    pub(crate) rows: Rows,
    /// Earliest deadline of each group of rows; not later than any of theirs.
    groups: Box<[Deadline]>,
    /// Earliest moment at which a flow of a group wants an update; empty without an active timeout.
    pub(crate) update_groups: Box<[Deadline]>,
    // Before the store: what is spare belongs to it.
    pub(crate) pool: SparePool,
    pub(crate) store: Ref<Boxed<FlowStore>>,
    /// Spare flows that are not in the pool: see [`Remaining::retire`].
    retired: AtomicU64,
    pub(crate) emergency: Emergency,
    /// Where forced reuse looks next.
    pub(crate) prune: AtomicU32,
    /// Packet time that all workers have reached, in nanoseconds.
    now: AtomicU64,
    /// The same as deadlines count it: a packet would have to divide for it.
    now_due: AtomicU32,
    /// How often the lock of a row was taken. A count, which is nobody's to model.
    row_waits: core::sync::atomic::AtomicU64,
}

/// What one pass of the sweep saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepCounts {
    /// Rows that were locked.
    pub rows: u64,
    /// Flows in the longest of them.
    pub rows_maxlen: u64,
    /// Flows looked at.
    pub checked: u64,
    /// Flows that stay.
    pub notimeout: u64,
    /// Flows that timed out.
    pub timeout: u64,
}

impl FlowTable {
    /// Rows of a group; the last group may have fewer.
    pub const GROUP_ROWS: u32 = GROUP_ROWS;

    /// A table as configured. `seed` is the secret of its hash unless the configuration fixes one; it must come from the
    /// operating system's randomness.
    ///
    /// # Errors
    /// When the rows do not fit into the memcap or into memory.
    pub fn new(config: TableConfig, seed: [u64; 2]) -> Result<Self, TableError> {
        let rows = config.hash_size.max(1);
        let groups = rows.div_ceil(GROUP_ROWS);
        let update_groups = if config.active_timeout.is_some() { groups } else { 0 };
        let deadlines = u64::from(groups + update_groups) * size_of::<Deadline>() as u64;
        let needed = u64::from(rows) * size_of::<Bucket>() as u64 + deadlines;
        let memcap = Memcap::new(config.memcap);
        if !memcap.charge(needed) {
            return Err(TableError::MemcapTooSmall { memcap: config.memcap, rows, needed });
        }
        let rows = Rows::new(rows).ok_or(TableError::OutOfMemory { needed })?;
        // Room to raise the memcap eightfold while running.
        let blocks_max = config.memcap / crate::pool::BLOCK_COST * 8 + 1024;
        let store = FlowStore::new(memcap, blocks_max, SideLayout::of(&config));
        let pool = SparePool::new(config.prealloc as usize, &store);
        let seed = config.hash_seed.map_or(seed, |fixed| [fixed, !fixed]);
        Ok(Self {
            secret: HashSecret::from_seed(seed),
            mask: KeyMask::of(&config),
            rows,
            groups: (0..groups).map(|_| Deadline::never()).collect(),
            update_groups: (0..update_groups).map(|_| Deadline::never()).collect(),
            store,
            pool,
            retired: AtomicU64::new(0),
            emergency: Emergency::default(),
            prune: AtomicU32::new(0),
            now: AtomicU64::new(0),
            now_due: AtomicU32::new(Due::NOW.raw()),
            row_waits: core::sync::atomic::AtomicU64::new(0),
            config,
        })
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &TableConfig {
        &self.config
    }
    /// Hash of a key, as far as it tells flows apart.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> FlowHash {
        self.secret.hash(&self.mask.apply(key))
    }
    /// Number of the row of a hash.
    #[inline]
    #[must_use]
    pub const fn row(&self, hash: FlowHash) -> u32 {
        hash.row(self.rows.len())
    }
    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows.len()
    }
    /// The most flows that a row may have, so that nobody can make a lookup arbitrarily long: eight times as many as there
    /// would be on average with all memory in use, and no fewer than 64. Flows that are spread by chance come nowhere near.
    #[must_use]
    pub fn row_limit(&self) -> usize {
        const LEAST: u64 = 64;
        let flows = self.memcap() / crate::pool::BLOCK_COST * crate::storage::BLOCK_FLOWS as u64;
        LEAST.max(8 * flows / u64::from(self.rows())) as usize
    }
    /// Packet time that all workers have reached: up to here flows are ended that no packet meets. Relaxed: it only says
    /// how far to look, and a worker that reads an older value ends less.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.load(Ordering::Relaxed))
    }
    /// Sets the time for [`FlowTable::now`]: called by whoever drives the table, before it sweeps.
    pub fn set_now(&self, now: Timestamp) {
        self.now.store(now.nanos(), Ordering::Relaxed);
        self.now_due.store(Due::at(now).raw(), Ordering::Relaxed);
    }
    /// What is due by [`FlowTable::now`]. The two may be seen to change one after the other: then flows are ended by the
    /// earlier time, or the row is looked at once more.
    #[inline]
    pub(crate) fn now_due(&self) -> Due {
        Due::from_raw(self.now_due.load(Ordering::Relaxed))
    }
    /// Bytes charged to the memcap: rows, flows, side stores (`flow.memuse`).
    #[must_use]
    pub fn memuse(&self) -> u64 {
        self.store.memcap.used()
    }
    /// The most bytes that were ever charged.
    #[must_use]
    pub fn memuse_max(&self) -> u64 {
        self.store.memcap.peak()
    }
    /// The memcap in force.
    #[must_use]
    pub fn memcap(&self) -> u64 {
        self.store.memcap.limit()
    }
    /// Sets another memcap; `false`, and nothing changed, when more than that is in use.
    #[must_use]
    pub fn set_memcap(&self, bytes: u64) -> bool {
        self.store.memcap.set_limit(bytes)
    }
    /// Flows in the shared spare pool (`flow.spare`), with those that became spare when the run was over.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.pool.len() + self.retired.load(Ordering::Relaxed) as usize
    }
    /// So many flows became spare that nobody will take. Relaxed: a count that stands for itself.
    pub(crate) fn note_retired(&self, flows: u64) {
        self.retired.fetch_add(flows, Ordering::Relaxed);
    }
    /// Whether the table is in emergency mode.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.emergency.is_on()
    }

    /// How often emergency mode was entered, and left.
    #[must_use]
    pub fn emergency_counts(&self) -> (u64, u64) {
        self.emergency.counts()
    }

    #[inline]
    pub(crate) fn lock_row(&self, row: u32) -> Locked<'_> {
        let bucket = self.rows.at(row);
        bucket.try_lock(&self.store).unwrap_or_else(|| {
            self.note_row_wait();
            bucket.lock(&self.store)
        })
    }
    /// Has a guard go from its row to another.
    #[inline(always)]
    pub(crate) fn change_row<'t>(&'t self, locked: &mut Locked<'t>, row: u32) {
        locked.go_to(self.rows.at(row), || self.note_row_wait());
    }
    #[cold]
    fn note_row_wait(&self) {
        // Relaxed: a count that stands for itself.
        self.row_waits.fetch_add(1, Ordering::Relaxed);
    }
    /// How often a thread found the lock of a row taken.
    #[must_use]
    pub fn row_waits(&self) -> u64 {
        self.row_waits.load(Ordering::Relaxed)
    }
    pub(crate) fn try_lock_row(&self, row: u32) -> Option<Locked<'_>> {
        self.rows.at(row).try_lock(&self.store)
    }
    /// The moment at which a flow times out.
    #[inline]
    pub(crate) fn deadline(&self, body: &FlowBody, emergency: bool) -> Timestamp {
        body.last_seen + self.config.timeouts.of(body.marks.timeout_class(), body.state, emergency)
    }

    /// Notes that a flow of `row` times out at `due`.
    #[inline]
    pub(crate) fn note_deadline(&self, row: u32, due: Due) {
        let deadline = self.rows.at(row).deadline();
        if due < deadline.due() {
            deadline.set(due);
            self.groups[(row / GROUP_ROWS) as usize].bring_forward(due);
        }
    }

    /// Notes that a flow of `row` that began at `start` wants updates.
    #[inline]
    pub(crate) fn note_update(&self, row: u32, start: Timestamp) {
        if let Some(timeout) = self.config.active_timeout {
            self.update_groups[(row / GROUP_ROWS) as usize].bring_forward(Due::at(start + timeout));
        }
    }

    /// The moment at which a flow that was put aside had timed out. If its usual deadline lies ahead, it was put aside in
    /// emergency mode, which may be over.
    fn was_evicted(&self, locked: &Locked<'_>, flow: NonNull<Flow>) -> Timestamp {
        let body = body_of(locked, flow);
        let usual = self.deadline(body, false);
        if usual <= self.now() { usual } else { self.deadline(body, true) }
    }

    /// Notes that flows of `row` were put aside, so that the next sweep looks at it.
    pub(crate) fn note_evicted(&self, row: u32) {
        self.groups[(row / GROUP_ROWS) as usize].bring_forward(Due::NOW);
    }

    /// Takes the flows out of a locked row that have timed out at `now` and are not referenced, and corrects the row's
    /// deadline.
    pub(crate) fn expire_row(
        &self,
        locked: &Locked<'_>,
        row: u32,
        now: Timestamp,
        counts: &mut SweepCounts,
        mut take: impl FnMut(NonNull<Flow>, Timestamp),
    ) {
        let emergency = self.is_emergency();
        let mut earliest = Due::NEVER;
        let (mut checked, mut timeout) = (0, 0);
        locked.extract(
            |flow| {
                checked += 1;
                let deadline = self.deadline(body_of(locked, flow), emergency);
                let out = deadline <= now && is_unreferenced(flow);
                if out {
                    timeout += 1;
                } else {
                    earliest = earliest.min(Due::at(deadline));
                }
                out
            },
            |flow| take(flow, self.deadline(body_of(locked, flow), emergency)),
            |flow| self.hash(&key_of(flow)).tag(),
        );
        counts.checked += checked;
        counts.timeout += timeout;
        counts.notimeout += checked - timeout;
        counts.rows_maxlen = counts.rows_maxlen.max(checked);
        locked.bucket.deadline().set(earliest);
        self.groups[(row / GROUP_ROWS) as usize].bring_forward(earliest);
    }

    /// Looks through a share of the table and takes out what has timed out at [`FlowTable::now`], one row at a time. Rows that
    /// cannot hold anything due are not touched unless `every_row` is set. `groups` names groups of 64 rows; the whole
    /// table is `0..table.groups()`.
    pub fn sweep(&self, groups: Range<u32>, every_row: bool, ended: &mut Vec<EndedFlow>) -> SweepCounts {
        let mut counts = SweepCounts::default();
        let now = self.now();
        let now_due = Due::at(now);
        for group in groups {
            if !every_row && self.groups[group as usize].due() > now_due {
                continue;
            }
            self.groups[group as usize].take();
            let rows = self.rows_of(group);
            // Asked for together, so that a row's flows are there when its turn comes.
            for row in rows.clone().filter(|&row| every_row || self.rows.at(row).deadline().due() <= now_due) {
                self.prefetch_lives(row);
            }
            for row in rows {
                let bucket = self.rows.at(row);
                let due = bucket.deadline().due();
                if due <= now_due || bucket.has_evicted() || every_row {
                    self.sweep_row(row, now, ended, &mut counts);
                } else {
                    self.groups[group as usize].bring_forward(due);
                }
            }
        }
        counts
    }

    fn sweep_row(&self, row: u32, now: Timestamp, ended: &mut Vec<EndedFlow>, counts: &mut SweepCounts) {
        counts.rows += 1;
        let locked = self.lock_row(row);
        let mut take = |flow, at| {
            // SAFETY:
            // - The row is locked, and the flow has just been taken out of it or of its evicted list.
            ended.push(unsafe { EndedFlow::unlinked(flow, at, EndReason::Timeout, false) });
        };
        locked.take_evicted(|flow| take(flow, self.was_evicted(&locked, flow)));
        self.expire_row(&locked, row, now, counts, take);
    }

    pub(crate) fn rows_of(&self, group: u32) -> Range<u32> {
        let first = group * GROUP_ROWS;
        first..(first + GROUP_ROWS).min(self.rows())
    }

    /// Number of groups of rows, for [`FlowTable::sweep`].
    #[must_use]
    pub fn groups(&self) -> u32 {
        self.groups.len() as u32
    }

    /// Takes every flow out, referenced or not, at the end of a run that ended at `at`: one by one, with what has `ended`
    /// before.
    #[must_use]
    pub fn drain(&self, at: Timestamp, ended: Vec<EndedFlow>) -> Remaining<'_> {
        self.drain_groups(0..self.groups(), at, ended)
    }
    /// The same for some groups of rows, when several threads share the work.
    #[must_use]
    pub fn drain_groups(&self, groups: Range<u32>, at: Timestamp, mut ended: Vec<EndedFlow>) -> Remaining<'_> {
        let rest = self.empty_groups(groups, at, &mut ended);
        rest.sorted(ended)
    }
    /// The same for who does not care for their order: shows each flow to `visit`, and then makes its slot spare as
    /// [`Remaining::retire`] does. Takes half as long.
    pub fn drain_unordered(
        &self,
        groups: Range<u32>,
        at: Timestamp,
        mut ended: Vec<EndedFlow>,
        mut visit: impl FnMut(&EndedFlow),
    ) {
        let mut rest = self.empty_groups(groups, at, &mut ended);
        for flow in ended {
            visit(&flow);
            rest.retire(flow);
        }
        rest.each(visit);
    }

    fn empty_groups(&self, groups: Range<u32>, at: Timestamp, ended: &mut Vec<EndedFlow>) -> Remaining<'_> {
        let mut rest = Remaining::new(self, at);
        for group in groups {
            // Rows with flows have deadlines. That is a third of the time of a run of one packet.
            if self.groups[group as usize].take() == Due::NEVER {
                continue;
            }
            for row in self.rows_of(group) {
                self.empty_row(row, ended, &mut rest);
            }
        }
        rest
    }

    fn empty_row(&self, row: u32, ended: &mut Vec<EndedFlow>, rest: &mut Remaining<'_>) {
        let locked = self.lock_row(row);
        locked.take_evicted(|flow| {
            let since = self.was_evicted(&locked, flow);
            // SAFETY:
            // - The row is locked, and the flow has just been taken out of its evicted list.
            ended.push(unsafe { EndedFlow::unlinked(flow, since, EndReason::Timeout, false) });
        });
        // SAFETY:
        // - The row is locked, and the flow has just been taken out of it.
        locked.empty(|slot| unsafe { rest.put(slot) });
        locked.bucket.deadline().set(Due::NEVER);
    }

    /// Makes a slot spare again, in the shared pool.
    pub fn recycle(&self, ended: impl IntoIterator<Item = EndedFlow>) {
        self.pool.give_back(ended.into_iter().filter_map(|flow| flow.recycle(&self.store)));
    }
    pub(crate) fn recycle_one(&self, ended: EndedFlow) -> Option<SpareFlow> {
        ended.recycle(&self.store)
    }

    /// Keeps the spare pool at its size, and notes a pass for leaving emergency mode. Called by the first manager after
    /// each of its passes; `true` when emergency mode has just ended.
    pub fn maintain(&self) -> bool {
        self.maintain_passes(1)
    }

    /// The same after so many passes at once.
    pub fn maintain_passes(&self, passes: u32) -> bool {
        if passes == 0 {
            return false;
        }
        self.pool.balance(&self.store, passes);
        let prealloc = self.pool.prealloc().max(1);
        let enough = self.pool.len() * 100 / prealloc > usize::from(self.config.emergency_recovery);
        (0..passes).any(|_| self.emergency.passed(enough))
    }

    /// Locks the flow that `flow` refers to; `None` when it has ended, or is another table's.
    #[must_use]
    pub fn lock<'t>(&'t self, flow: &FlowRef) -> Option<FlowGuard<'t>> {
        if !flow.is_of(&self.store) {
            return None;
        }
        let locked = self.lock_row(self.row(self.hash(&flow.key())));
        FlowGuard::of_reference(locked, flow)
    }

    /// Flows in the table: a walk over all rows, for tests and inspection.
    #[must_use]
    pub fn count_flows(&self) -> u64 {
        let mut count = 0;
        for row in 0..self.rows() {
            self.lock_row(row).for_each(|_, _| count += 1);
        }
        count
    }
    /// Slots of the store that exist: in rows, queues, spare queues and the pool together.
    #[must_use]
    pub fn slots(&self) -> u64 {
        u64::from(self.store.blocks_taken()) * crate::storage::BLOCK_FLOWS as u64
    }
}

impl Drop for FlowTable {
    fn drop(&mut self) {
        self.recycle(self.drain(Timestamp::ZERO, Vec::new()));
        FlowStore::abandon(&self.store, self.spare() as u64);
    }
}

/// Whether nobody but its row refers to a flow of a locked row. Relaxed is enough: a reference is only made under the
/// row's lock or from another reference, and what its holder did to the body he did under this lock.
pub(crate) fn is_unreferenced(flow: NonNull<Flow>) -> bool {
    // SAFETY:
    // - The flow is in a locked row, hence in use.
    unsafe { flow.as_ref() }.count.read() == 1
}
