//! How datagrams are given up: because a limit is met, by timeout, because they are wrong, or at the end of a run.

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_wire::Fragment;

use super::intake::Incoming;
use super::trackers::Id;
use super::{Defrag, DropReason, INCOMPLETE_MAX};
use crate::config::Compat;

/// What is known of a datagram that was never completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incomplete {
    /// Its fragment that came first; not always the one with the first byte.
    pub fragment: Fragment,
    /// The device on which that came in.
    pub device: u16,
    /// How many fragments came. One that proved the datagram to be wrong is not counted.
    pub fragments: u32,
    /// Bytes of them all, from the link layer on.
    pub bytes: u64,
    /// Earliest time of a fragment.
    pub begin: Timestamp,
    /// Latest time of a fragment.
    pub end: Timestamp,
}

impl Incomplete {
    pub(super) const fn begin(Incoming { fragment, device, at }: Incoming<'_>) -> Self {
        Self { fragment: *fragment, device, fragments: 0, bytes: 0, begin: at, end: at }
    }
    pub(super) fn go_on(&mut self, incoming: Incoming<'_>) {
        self.fragments += 1;
        self.bytes += u64::from(incoming.fragment.link_len) + u64::from(incoming.packet_len());
        self.begin = self.begin.min(incoming.at);
        self.end = self.end.max(incoming.at);
    }
}

/// Datagrams never completed, until somebody asks for them.
#[derive(Debug, Default)]
pub(super) struct Incompletes(Vec<Incomplete>);

impl Incompletes {
    /// Tells of a datagram, when it is to be told of and there are not too many.
    pub(super) fn tell(&mut self, story: Option<Box<Incomplete>>) {
        if self.0.len() < INCOMPLETE_MAX {
            self.tell_at_the_end(story);
        }
    }
    /// The same, however many there are.
    fn tell_at_the_end(&mut self, story: Option<Box<Incomplete>>) {
        self.0.extend(story.map(|story| *story));
    }
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Incomplete> + '_ {
        self.0.drain(..)
    }
}

/// Why a datagram is given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum GivenUp {
    TimedOut,
    Evicted,
    Discarded,
    Unfinished,
}

impl Defrag {
    /// Sees to it that a fragment fits within all limits, at the cost of the oldest datagrams but not of its own: `need` bytes
    /// beside those of a tracker, and the number of fragments when it is kept. A buffer of the datagram that went last, if one
    /// did, is `spare` then: most often it lies where the fragment does, and its reference can be taken over.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        own: Option<Id>,
        is_kept: bool,
        need: u64,
        spare: &mut Pbuf,
    ) -> Result<(), DropReason> {
        if is_kept && self.kept >= self.config.max_frags {
            self.counters.max_frags_reached += 1;
            while self.kept >= self.config.max_frags {
                if self.config.compat == Compat::Suricata || !self.evict_other(own, spare) {
                    return Err(DropReason::MaxFrags);
                }
            }
        }
        while own.is_none() && self.trackers.in_use() >= self.config.trackers {
            if !self.evict_other(own, spare) {
                return Err(self.no_tracker());
            }
        }
        loop {
            let tracker = if own.is_none() { self.trackers.growth() } else { 0 };
            if self.memuse() + tracker + need <= self.config.memcap {
                return Ok(());
            }
            if !self.evict_other(own, spare) {
                let even_the_tracker = self.memuse() + tracker > self.config.memcap;
                return Err(if even_the_tracker { self.no_tracker() } else { DropReason::Memcap });
            }
        }
    }
    const fn no_tracker(&mut self) -> DropReason {
        self.counters.max_trackers_reached += 1;
        DropReason::Trackers
    }
    /// Gives up the oldest datagram, unless it is `own`, and says whether there was one. What was touched just now is
    /// the oldest only when it is the only one. One of its buffers takes the place of `spare`.
    fn evict_other(&mut self, own: Option<Id>, spare: &mut Pbuf) -> bool {
        let Some(id) = self.trackers.oldest().filter(|&id| Some(id) != own) else { return false };
        let reuse = match self.trackers.tracker(id).discarded {
            true => &mut self.counters.tracker_soft_reuse,
            false => &mut self.counters.tracker_hard_reuse,
        };
        *reuse += 1;
        self.trackers.prefetch_after(id);
        self.give_up(id, GivenUp::Evicted, spare);
        true
    }

    /// Gives up a datagram, and keeps its tracker for what comes late.
    pub(super) fn discard(&mut self, id: Id) {
        self.let_go(id, GivenUp::Discarded, &mut Pbuf::empty());
        self.trackers.tracker(id).discarded = true;
    }
    /// Gives up a datagram, and its tracker. One of its buffers, if it has any, takes the place of `spare`.
    #[inline]
    pub(super) fn give_up(&mut self, id: Id, why: GivenUp, spare: &mut Pbuf) {
        self.let_go(id, why, spare);
        self.trackers.remove(id);
    }
    /// Gives up datagrams until memory fits, or none is left.
    pub(super) fn shrink(&mut self) {
        while self.memuse() > self.config.memcap && self.evict_other(None, &mut Pbuf::empty()) {}
    }
    /// Gives up all of them.
    pub(super) fn give_up_all(&mut self) {
        while let Some(id) = self.trackers.oldest() {
            self.give_up(id, GivenUp::Unfinished, &mut Pbuf::empty());
        }
    }
    /// What a tracker holds is not held any more, and counted, unless its datagram has been given up before.
    #[inline]
    fn let_go(&mut self, id: Id, why: GivenUp, spare: &mut Pbuf) {
        let tracker = self.trackers.tracker(id);
        if tracker.discarded {
            return;
        }
        self.held_bytes -= tracker.memory();
        self.kept -= tracker.payload.kept();
        tracker.payload.clear(spare);
        let fragments = u64::from(core::mem::take(&mut tracker.fragments));
        match why {
            // What was taken by trackers is taken by this now.
            GivenUp::Unfinished => self.incomplete.tell_at_the_end(tracker.story.take()),
            _ => self.incomplete.tell(tracker.story.take()),
        }
        let counted = match why {
            GivenUp::TimedOut => &mut self.counters.timed_out,
            GivenUp::Evicted => &mut self.counters.evicted,
            GivenUp::Discarded => &mut self.counters.discarded,
            GivenUp::Unfinished => &mut self.counters.unfinished,
        };
        *counted += fragments;
        self.counters.held -= fragments;
        self.counters.incomplete += 1;
    }
    /// Gives up datagrams by timeout, `max` at most, and says how many trackers that were.
    #[inline]
    pub(super) fn expire_some(&mut self, now: Timestamp, max: u32) -> u64 {
        let mut expired = 0;
        while expired < u64::from(max)
            && let Some(id) = self.trackers.due(now)
        {
            self.give_up(id, GivenUp::TimedOut, &mut Pbuf::empty());
            expired += 1;
        }
        expired
    }
}

/// More than one, so that what is due gets less although each fragment may add a tracker.
pub(super) const EXPIRE_WITH_A_FRAGMENT_MAX: u32 = 2;
