//! Where the datagrams are that wait for fragments: found by key, and in the order of their last fragments.
//!
//! 1. A tracker in use is in exactly one row and in exactly one class; a free one is in the list of free ones, and holds
//!    nothing.
//! 2. A class has one timeout, and its trackers stand from the one whose last fragment came first to the one whose came
//!    last, whatever the packets' times say.
//! 3. Nothing here depends on the secret but which row a tracker is in.
//!
//! What it takes to find a tracker and to take it out lies apart from what is known of its datagram: the links of all
//! trackers fit in the second cache, and only the tracker that is meant is looked at. That was a third of the time of a
//! flood: 85 of 249 ns a fragment (`cargo bench -p flumen-table --bench defrag`).

use flumen_model::{Span, Timestamp};
use flumen_wire::Fragment;

use super::assembly::Assembly;
use super::ending::Incomplete;
use super::policy::OverlapPolicy;
use crate::hash::FlowHash;

/// Number of a tracker.
pub(super) type Id = u32;
/// No tracker.
const NONE: Id = Id::MAX;

/// One datagram.
#[derive(Debug)]
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
}

/// Where a tracker stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Half of the hash of its key: says the row, and nearly always whether another key is meant.
    hash: u32,
    /// In the row, or in the list of free ones.
    next: Id,
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
    rows: Vec<Id>,
    classes: Vec<Class>,
    touches: u64,
}

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
        Self { trackers, links, free: NONE, in_use: 0, rows: vec![NONE; rows as usize], classes, touches: 0 }
    }

    pub(super) const fn in_use(&self) -> u32 {
        self.in_use
    }
    /// Bytes of memory taken by rows and trackers; not what these hold.
    pub(super) fn memory(&self) -> u64 {
        self.trackers.len() as u64 * TRACKER_BYTES + (self.rows.len() * size_of::<Id>()) as u64
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
        let mut at = self.rows[self.row(hash)];
        while at != NONE {
            let link = &self.links[at as usize];
            if link.hash == hash && is_meant(&self.trackers[at as usize]) {
                return Some(at);
            }
            at = link.next;
        }
        None
    }
    fn row(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.rows.len() as u64) >> 32) as usize
    }
    /// A tracker for the datagram of `fragment`, which has none, for a host that waits `timeout`.
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
        let link = &mut self.links[id as usize];
        (link.hash, link.next) = (hash, core::mem::replace(&mut self.rows[row], id));
        self.in_use += 1;
        self.append(id);
        id
    }
    /// One that holds nothing.
    fn vacant(&mut self, fragment: &Fragment) -> Id {
        let id = self.free;
        if id != NONE {
            self.free = self.links[id as usize].next;
            return id;
        }
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
        self.links.push(Link { hash: 0, next: NONE, older: NONE, newer: NONE });
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
    pub(super) fn remove(&mut self, id: Id) {
        self.unlink(id);
        let Link { hash, next, .. } = self.links[id as usize];
        let row = self.row(hash);
        let mut at = self.rows[row];
        if at == id {
            self.rows[row] = next;
        } else {
            // It is in its row (1).
            while self.links[at as usize].next != id {
                at = self.links[at as usize].next;
            }
            self.links[at as usize].next = next;
        }
        self.links[id as usize].next = core::mem::replace(&mut self.free, id);
        self.in_use -= 1;
    }

    /// Whether the tracker's host has given up waiting.
    pub(super) fn is_due(&self, id: Id, now: Timestamp) -> bool {
        let tracker = &self.trackers[id as usize];
        now.since(tracker.last) >= self.classes[tracker.class as usize].timeout && now > tracker.last
    }
    /// One whose host has given up waiting. Looks at the oldest of each class only.
    pub(super) fn due(&self, now: Timestamp) -> Option<Id> {
        self.oldest_of_each().find(|&id| self.is_due(id, now))
    }
    /// The one whose last fragment came first of all.
    pub(super) fn oldest(&self) -> Option<Id> {
        self.oldest_of_each().min_by_key(|&id| self.trackers[id as usize].touched)
    }
    fn oldest_of_each(&self) -> impl Iterator<Item = Id> {
        self.classes.iter().map(|class| class.oldest).filter(|&id| id != NONE)
    }

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

/// Bytes of memory of one tracker, without what it holds.
pub(super) const TRACKER_BYTES: u64 = (size_of::<Tracker>() + size_of::<Link>()) as u64;

/// Bytes of memory that it takes to be able to tell of a datagram.
pub(super) const STORY_BYTES: u64 = size_of::<Incomplete>() as u64;
