//! Where the datagrams are that wait for fragments: found by key, and in the order of their last fragments.
//!
//! 1. A tracker in use is in exactly one row and in exactly one class; a free one is in the list of free ones.
//! 2. A class has one timeout, and its trackers stand from the one whose last fragment came first to the one whose came
//!    last, whatever the packets' times say.
//! 3. Nothing here depends on the secret but which row a tracker is in.

use flumen_model::{Span, Timestamp};

use super::assembly::Assembly;
use super::datagram::First;
use super::ending::Incomplete;
use super::key::Key;
use super::policy::OverlapPolicy;
use crate::hash::FlowHash;

/// Number of a tracker.
pub(super) type Id = u32;
/// No tracker.
const NONE: Id = Id::MAX;

/// One datagram.
#[derive(Debug)]
pub(super) struct Tracker {
    key: Key,
    row: u32,
    /// In the row, or in the list of free ones.
    next: Id,
    /// In the class.
    older: Id,
    newer: Id,
    class: u32,
    pub(super) policy: OverlapPolicy,
    /// Number of the fragment that came last, of all.
    touched: u64,
    /// Latest time of a fragment.
    last: Timestamp,
    /// Fragments that belong to it; none once it is discarded.
    pub(super) fragments: u32,
    pub(super) state: State,
}

/// What a tracker is about.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing.
    Free,
    /// Putting a datagram together.
    Gathering(Gathering),
    /// Keeping what comes late of a discarded datagram from being taken for another one.
    Discarded,
}

/// What has come in of a datagram.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    pub(super) payload: Assembly,
    pub(super) first: Option<Box<First>>,
    /// What is told of the datagram should it never be complete, when that is wanted.
    pub(super) story: Option<Box<Incomplete>>,
}

impl Gathering {
    /// Bytes of memory taken.
    pub(super) fn memory(&self) -> u64 {
        let first = self.first.as_ref().map_or(0, |first| first_cost(first.header.len()));
        self.payload.memory() + first + self.story.as_ref().map_or(0, |_| STORY_BYTES)
    }
}

/// Bytes of memory that the header of a datagram takes.
pub(super) const fn first_cost(header_len: usize) -> u64 {
    (size_of::<First>() + header_len) as u64
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
    slots: Vec<Tracker>,
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
        let mut slots = Vec::new();
        // Without it they are asked for as they are needed.
        let _ = slots.try_reserve_exact(prealloc).is_ok();
        Self { slots, free: NONE, in_use: 0, rows: vec![NONE; rows as usize], classes, touches: 0 }
    }

    pub(super) const fn in_use(&self) -> u32 {
        self.in_use
    }
    /// Bytes of memory taken by rows and trackers; not what these hold.
    pub(super) fn memory(&self) -> u64 {
        (self.slots.len() * size_of::<Tracker>() + self.rows.len() * size_of::<Id>()) as u64
    }
    /// Bytes of memory that one more tracker takes.
    pub(super) const fn growth(&self) -> u64 {
        if self.free == NONE { size_of::<Tracker>() as u64 } else { 0 }
    }
    pub(super) fn tracker(&mut self, id: Id) -> &mut Tracker {
        &mut self.slots[id as usize]
    }

    /// The tracker of `key`.
    pub(super) fn find(&self, key: &Key, hash: FlowHash) -> Option<Id> {
        let mut at = self.rows[hash.row(self.rows.len() as u32) as usize];
        while at != NONE {
            let tracker = &self.slots[at as usize];
            if tracker.key == *key {
                return Some(at);
            }
            at = tracker.next;
        }
        None
    }
    /// A tracker for `key`, which has none, for the host that waits `timeout`.
    pub(super) fn insert(
        &mut self,
        key: Key,
        hash: FlowHash,
        policy: OverlapPolicy,
        timeout: Span,
        at: Timestamp,
    ) -> Id {
        let row = hash.row(self.rows.len() as u32);
        let class = self.classes.iter().position(|class| class.timeout == timeout).unwrap_or(0) as u32;
        let tracker = Tracker {
            key,
            row,
            next: self.rows[row as usize],
            older: NONE,
            newer: NONE,
            class,
            policy,
            touched: 0,
            last: at,
            fragments: 0,
            state: State::Gathering(Gathering::default()),
        };
        let id = self.place(tracker);
        self.rows[row as usize] = id;
        self.in_use += 1;
        self.append(id);
        id
    }
    fn place(&mut self, tracker: Tracker) -> Id {
        let id = self.free;
        if id == NONE {
            self.slots.push(tracker);
            return self.slots.len() as Id - 1;
        }
        self.free = self.slots[id as usize].next;
        self.slots[id as usize] = tracker;
        id
    }
    /// A fragment has come at `at`: the tracker is the newest of its class.
    pub(super) fn touch(&mut self, id: Id, at: Timestamp) {
        let tracker = &mut self.slots[id as usize];
        tracker.last = tracker.last.max(at);
        self.unlink(id);
        self.append(id);
    }
    /// Ends the use of a tracker; gives how many fragments it had, and what it was about.
    pub(super) fn remove(&mut self, id: Id) -> (u32, State) {
        self.unlink(id);
        let (row, next) = (self.slots[id as usize].row as usize, self.slots[id as usize].next);
        let mut at = self.rows[row];
        if at == id {
            self.rows[row] = next;
        } else {
            // It is in its row (1).
            while self.slots[at as usize].next != id {
                at = self.slots[at as usize].next;
            }
            self.slots[at as usize].next = next;
        }
        let tracker = &mut self.slots[id as usize];
        tracker.next = core::mem::replace(&mut self.free, id);
        self.in_use -= 1;
        (tracker.fragments, core::mem::replace(&mut tracker.state, State::Free))
    }

    /// Whether the tracker's host has given up waiting.
    pub(super) fn is_due(&self, id: Id, now: Timestamp) -> bool {
        let tracker = &self.slots[id as usize];
        now.since(tracker.last) >= self.classes[tracker.class as usize].timeout && now > tracker.last
    }
    /// One whose host has given up waiting. Looks at the oldest of each class only.
    pub(super) fn due(&self, now: Timestamp) -> Option<Id> {
        self.oldest_of_each().find(|&id| self.is_due(id, now))
    }
    /// The one whose last fragment came first of all.
    pub(super) fn oldest(&self) -> Option<Id> {
        self.oldest_of_each().min_by_key(|&id| self.slots[id as usize].touched)
    }
    fn oldest_of_each(&self) -> impl Iterator<Item = Id> {
        self.classes.iter().map(|class| class.oldest).filter(|&id| id != NONE)
    }

    fn append(&mut self, id: Id) {
        self.touches += 1;
        let touched = self.touches;
        let class = &mut self.classes[self.slots[id as usize].class as usize];
        let older = core::mem::replace(&mut class.newest, id);
        if older == NONE {
            class.oldest = id;
        } else {
            self.slots[older as usize].newer = id;
        }
        let tracker = &mut self.slots[id as usize];
        (tracker.older, tracker.newer, tracker.touched) = (older, NONE, touched);
    }
    fn unlink(&mut self, id: Id) {
        let Tracker { older, newer, class, .. } = self.slots[id as usize];
        let class = &mut self.classes[class as usize];
        if older == NONE {
            class.oldest = newer;
        } else {
            self.slots[older as usize].newer = newer;
        }
        if newer == NONE {
            class.newest = older;
        } else {
            self.slots[newer as usize].older = older;
        }
    }
}

/// Bytes of memory of one tracker, without what it holds.
pub(super) const TRACKER_BYTES: u64 = size_of::<Tracker>() as u64;

/// Bytes of memory that it takes to be able to tell of a datagram.
pub(super) const STORY_BYTES: u64 = size_of::<Incomplete>() as u64;
