//! Where the datagrams are that wait for fragments: found by key, and in the order of their last fragments.
//!
//! 1. A tracker in use is in exactly one row and in exactly one class; a free one is in the list of free ones, and holds
//!    nothing.
//! 2. A class has one timeout, and its trackers stand from the one whose last fragment came first to the one whose came
//!    last, whatever the packets' times say.
//! 3. Nothing here depends on the secret but which row a tracker is in.
//! 4. A row whose sieve has no bit is empty, and then its first tracker means nothing. Each of its trackers has its bit in
//!    the sieve; bits of those that are gone stay until it is empty.
//!
//! In a flood nothing of a datagram is in the cache when the next fragment comes, so a search that waits for the memory of
//! trackers, as it did for a third of the time, is to be avoided: links lie apart from what is known of datagrams, so that
//! only the tracker that is meant is looked at; sieves, of which the second cache holds all, settle most searches; and what
//! will be written to is asked for ahead. Percentages here are of the time of `flumen read` over the capture `fragments` of
//! `benches/peers`, without what they stand by.

use flumen_model::{Span, Timestamp};
use flumen_wire::Fragment;

use super::assembly::Assembly;
use super::ending::Incomplete;
use super::policy::OverlapPolicy;
use crate::hash::FlowHash;
use crate::prefetch::prefetch;

/// Number of a tracker.
pub(super) type Id = u32;
/// No tracker.
const NONE: Id = Id::MAX;

/// One datagram, in whole cache lines: [`Trackers::prefetch_after`] asks for them.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Tracker {
    /// The fragment with the first byte of the datagram; until that has come, the one that came first. They have the same
    /// key, and it is the tracker's.
    pub(super) fragment: Fragment,
    pub(super) device: u16,
    pub(super) policy: OverlapPolicy,
    /// Whether the datagram was given up, and only what comes late of it is kept from being taken for another one.
    pub(super) discarded: bool,
    /// Fragments that belong to it; none once it is discarded.
    pub(super) fragments: u32,
    class: u32,
    /// Number of the fragment that came last, of all.
    touched: u64,
    /// Latest time of a fragment.
    last: Timestamp,
    pub(super) payload: Assembly,
    /// What is told of the datagram should it never be complete, when that is wanted.
    pub(super) story: Option<Box<Incomplete>>,
}

impl Tracker {
    /// Bytes of memory that it holds.
    pub(super) fn memory(&self) -> u64 {
        self.payload.memory() + if self.story.is_some() { STORY_BYTES } else { 0 }
    }
    /// Whether its host, which waits `timeout`, has given up.
    #[inline]
    fn is_due(&self, now: Timestamp, timeout: Span) -> bool {
        now.since(self.last) >= timeout && now > self.last
    }
}

/// Where a tracker stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Half of the hash of its key: says the row, and nearly always whether another key is meant.
    hash: u32,
    /// In the row, or in the list of free ones.
    next: Id,
    /// In the row, so that a tracker is taken out by writing to its neighbours, for which nothing waits.
    prev: Id,
    /// In the class.
    older: Id,
    newer: Id,
}

/// Trackers with the same timeout.
#[derive(Debug)]
struct Class {
    timeout: Span,
    oldest: Id,
    newest: Id,
}

/// All trackers.
#[derive(Debug)]
pub(super) struct Trackers {
    trackers: Vec<Tracker>,
    /// As many.
    links: Vec<Link>,
    free: Id,
    in_use: u32,
    /// The tracker of each row that came last (4).
    rows: Vec<Id>,
    /// As many (4): 14 %, with [`Trackers::prefetch_first`].
    sieves: Vec<Sieve>,
    classes: Vec<Class>,
    touches: u64,
}

/// A bit for each sixteenth of all hashes: those that a row may hold.
type Sieve = u16;

impl Trackers {
    /// `rows` rows, and a class for each different one of `timeouts`; room for `prealloc` trackers as far as there is
    /// memory.
    pub(super) fn new(rows: u32, prealloc: usize, timeouts: impl Iterator<Item = Span>) -> Self {
        let mut classes = Vec::new();
        for timeout in timeouts {
            if !classes.iter().any(|class: &Class| class.timeout == timeout) {
                classes.push(Class { timeout, oldest: NONE, newest: NONE });
            }
        }
        let (mut trackers, mut links) = (Vec::new(), Vec::new());
        // Without it they are asked for as they are needed.
        let _ = trackers.try_reserve_exact(prealloc).is_ok() && links.try_reserve_exact(prealloc).is_ok();
        let (rows, sieves) = (vec![NONE; rows as usize], vec![0; rows as usize]);
        Self { trackers, links, free: NONE, in_use: 0, rows, sieves, classes, touches: 0 }
    }

    pub(super) const fn in_use(&self) -> u32 {
        self.in_use
    }
    /// Bytes of memory taken by rows and trackers; not what these hold.
    pub(super) fn memory(&self) -> u64 {
        self.trackers.len() as u64 * TRACKER_BYTES + self.rows.len() as u64 * ROW_BYTES
    }
    /// Bytes of memory that one more tracker takes.
    pub(super) const fn growth(&self) -> u64 {
        if self.free == NONE { TRACKER_BYTES } else { 0 }
    }
    pub(super) fn tracker(&mut self, id: Id) -> &mut Tracker {
        &mut self.trackers[id as usize]
    }

    /// The tracker whose key has this hash and is the one that is meant.
    #[inline]
    pub(super) fn find(&self, hash: FlowHash, is_meant: impl Fn(&Tracker) -> bool) -> Option<Id> {
        let hash = half(hash);
        let row = self.row(hash);
        if self.sieves[row] & sieve(hash) == 0 {
            return None;
        }
        let mut at = self.rows[row];
        while at != NONE {
            let link = &self.links[at as usize];
            if link.hash == hash && is_meant(&self.trackers[at as usize]) {
                return Some(at);
            }
            at = link.next;
        }
        None
    }
    /// Asks for what it takes to find the tracker of a key with this hash, some work ahead of the search: 15 %, with
    /// [`Trackers::prefetch_after`].
    #[inline]
    pub(super) fn prefetch_row(&self, hash: FlowHash) {
        let row = self.row(half(hash));
        prefetch((&raw const self.sieves[row]).cast());
        prefetch((&raw const self.rows[row]).cast());
    }
    /// Asks for the link of the first tracker in the row of a hash: a new one comes before it, and it is written to then.
    #[inline]
    pub(super) fn prefetch_first(&self, hash: FlowHash) {
        prefetch(self.links.as_ptr().wrapping_add(self.rows[self.row(half(hash))] as usize).cast());
    }
    /// Asks for the tracker that becomes the oldest when `id` goes, and for the link that is written to then.
    #[inline]
    pub(super) fn prefetch_after(&self, id: Id) {
        let Link { newer, .. } = self.links[id as usize];
        let Some(link) = self.links.get(newer as usize) else { return };
        let tracker = (&raw const self.trackers[newer as usize]).cast::<u8>();
        for line in 0..size_of::<Tracker>() / 64 {
            prefetch(tracker.wrapping_add(line * 64));
        }
        // An address without memory behind it takes a walk through page tables each time.
        let written = if link.prev == NONE { newer } else { link.prev };
        prefetch(self.links.as_ptr().wrapping_add(written as usize).cast());
    }
    fn row(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.rows.len() as u64) >> 32) as usize
    }
    /// A tracker for the datagram of `fragment`, which has none, for a host that waits `timeout`.
    #[inline]
    pub(super) fn insert(
        &mut self,
        fragment: &Fragment,
        device: u16,
        hash: FlowHash,
        policy: OverlapPolicy,
        timeout: Span,
        at: Timestamp,
    ) -> Id {
        let id = self.vacant(fragment);
        let hash = half(hash);
        let row = self.row(hash);
        let class = self.classes.iter().position(|class| class.timeout == timeout).unwrap_or(0) as u32;
        // Field by field, since what it holds is empty as it is: a whole one would be put together elsewhere and copied.
        let tracker = &mut self.trackers[id as usize];
        tracker.fragment = *fragment;
        (tracker.device, tracker.policy, tracker.class, tracker.last) = (device, policy, class, at);
        (tracker.discarded, tracker.fragments) = (false, 0);
        let mut next = NONE;
        if self.sieves[row] != 0 {
            next = self.rows[row];
            self.links[next as usize].prev = id;
        }
        self.rows[row] = id;
        self.sieves[row] |= sieve(hash);
        let link = &mut self.links[id as usize];
        (link.hash, link.next, link.prev) = (hash, next, NONE);
        self.in_use += 1;
        self.append(id);
        id
    }
    /// One that holds nothing.
    #[inline]
    fn vacant(&mut self, fragment: &Fragment) -> Id {
        let id = self.free;
        if id == NONE {
            return self.another(fragment);
        }
        self.free = self.links[id as usize].next;
        id
    }
    /// One more.
    #[cold]
    fn another(&mut self, fragment: &Fragment) -> Id {
        self.trackers.push(Tracker {
            fragment: *fragment,
            device: 0,
            policy: OverlapPolicy::default(),
            discarded: false,
            fragments: 0,
            class: 0,
            touched: 0,
            last: Timestamp::default(),
            payload: Assembly::default(),
            story: None,
        });
        self.links.push(Link { hash: 0, next: NONE, prev: NONE, older: NONE, newer: NONE });
        self.links.len() as Id - 1
    }
    /// A fragment has come at `at`: the tracker is the newest of its class.
    pub(super) fn touch(&mut self, id: Id, at: Timestamp) {
        let tracker = &mut self.trackers[id as usize];
        tracker.last = tracker.last.max(at);
        self.unlink(id);
        self.append(id);
    }
    /// Ends the use of a tracker, which holds nothing any more.
    #[inline]
    pub(super) fn remove(&mut self, id: Id) {
        self.unlink(id);
        let Link { hash, next, prev, .. } = self.links[id as usize];
        let row = self.row(hash);
        match (prev, next) {
            (NONE, NONE) => self.sieves[row] = 0,
            (NONE, next) => self.rows[row] = next,
            (prev, next) => self.links[prev as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
        self.links[id as usize].next = core::mem::replace(&mut self.free, id);
        self.in_use -= 1;
    }

    /// Whether the tracker's host has given up waiting.
    pub(super) fn is_due(&self, id: Id, now: Timestamp) -> bool {
        let tracker = &self.trackers[id as usize];
        tracker.is_due(now, self.classes[tracker.class as usize].timeout)
    }
    /// One whose host has given up waiting. Looks at the oldest of each class only.
    #[inline]
    pub(super) fn due(&self, now: Timestamp) -> Option<Id> {
        let is_due = |class: &&Class| self.oldest_of(class).is_some_and(|oldest| oldest.is_due(now, class.timeout));
        self.classes.iter().find(is_due).map(|class| class.oldest)
    }
    /// The one whose last fragment came first of all.
    pub(super) fn oldest(&self) -> Option<Id> {
        let each = self.classes.iter().filter_map(|class| Some((self.oldest_of(class)?.touched, class.oldest)));
        each.min().map(|(_, id)| id)
    }
    #[inline]
    fn oldest_of(&self, class: &Class) -> Option<&Tracker> {
        self.trackers.get(class.oldest as usize)
    }

    #[inline]
    fn append(&mut self, id: Id) {
        self.touches += 1;
        let tracker = &mut self.trackers[id as usize];
        tracker.touched = self.touches;
        let class = &mut self.classes[tracker.class as usize];
        let older = core::mem::replace(&mut class.newest, id);
        if older == NONE {
            class.oldest = id;
        } else {
            self.links[older as usize].newer = id;
        }
        let link = &mut self.links[id as usize];
        (link.older, link.newer) = (older, NONE);
    }
    #[inline]
    fn unlink(&mut self, id: Id) {
        let Link { older, newer, .. } = self.links[id as usize];
        let class = &mut self.classes[self.trackers[id as usize].class as usize];
        if older == NONE {
            class.oldest = newer;
        } else {
            self.links[older as usize].newer = newer;
        }
        if newer == NONE {
            class.newest = older;
        } else {
            self.links[newer as usize].older = older;
        }
    }
}

/// The half of a hash that says the row.
const fn half(hash: FlowHash) -> u32 {
    (hash.value() >> 32) as u32
}

/// The bit of a hash: one that the row does not depend on.
const fn sieve(hash: u32) -> Sieve {
    1 << (hash % Sieve::BITS)
}

/// Bytes of memory of one row.
pub(super) const ROW_BYTES: u64 = (size_of::<Id>() + size_of::<Sieve>()) as u64;

/// Bytes of memory of one tracker, without what it holds.
pub(super) const TRACKER_BYTES: u64 = (size_of::<Tracker>() + size_of::<Link>()) as u64;

/// Bytes of memory that it takes to be able to tell of a datagram.
pub(super) const STORY_BYTES: u64 = size_of::<Incomplete>() as u64;
