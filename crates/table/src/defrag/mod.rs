//! Defragmentation: from the fragments of IP datagrams to whole datagrams (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! A worker owns a [`Defrag`] and hands it one fragment at a time; the answer ([`Outcome`]) says that it waits, that a
//! datagram is complete, or that it was dropped and why. Time, secret and the buffer of a payload are arguments; there is
//! no lock, no clock, no thread. What comes out does not depend on the secret.
//!
//! 1. Every fragment handed in has exactly one end: see [`DefragCounters`].
//! 2. [`Defrag::memuse`] never exceeds [`DefragConfig::memcap`] after a call; there are never more trackers nor held
//!    fragments than configured. What is charged is what is held: rows, trackers, what describes fragments, headers, and
//!    the whole payload of every fragment of which a byte is still wanted, wherever it lies.
//! 3. When a limit is met, the datagram goes whose last fragment was handed in longest ago, of all; time stamps do not
//!    matter for that.
//! 4. Nothing is copied but the IP header of the first fragment, until somebody asks for contiguous bytes.
//!
//! Decided, and where Suricata ([`Compat::Suricata`]) differs:
//!
//! | a fragment that | is | in compat mode |
//! |---|---|---|
//! | has no payload | dropped | the same |
//! | is not the last, and no multiple of eight bytes long | dropped: none can follow it | kept |
//! | makes the datagram longer than 65,535 bytes | dropped | the same |
//! | was cut by the capture | dropped: its bytes are not known | the same |
//! | lies beyond the end, or sets another end | dropped; the first end counts | kept; the greatest end counts |
//! | overlaps others, IPv4 | resolved by the policy of the destination ([`HostPolicies`]) | the same |
//! | overlaps others, IPv6 | dropped with all others of the datagram, late ones too (RFC 5722); a true repetition is ignored | as with IPv4 |
//! | is the last, and has no byte that others do not have | the end | forgotten |
//! | repeats one of a complete datagram | the begin of another datagram, until its timeout: identifications are used again | the same |
//! | comes when `max_frags` are held | kept; the oldest datagram goes | dropped, and nothing goes |
//!
//! Tiny fragments are fragments like any other: [`DefragConfig::max_frags`] bounds them. A datagram is complete with the last byte that was missing,
//! whoever brought it.
//!
//! Reading order: `policy` (who wins an overlap), `assembly` (one datagram's payload), `trackers` (all datagrams),
//! then this file.
#![forbid(unsafe_code)]

mod assembly;
mod config;
mod counters;
mod datagram;
mod key;
mod policy;
mod trackers;

pub use config::{DefragConfig, HostPolicies, Network, NotANetwork};
pub use counters::{DefragCounters, DropReason, VersionCounters};
pub use datagram::Datagram;
pub use policy::OverlapPolicy;

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_wire::{Event, Fragment, IpVersion};

use crate::config::Compat;
use crate::hash::HashSecret;
use assembly::{Assembly, Meets, Plan};
use datagram::First;
use key::Key;
use policy::Extent;
use trackers::{Gathering, Id, State, Trackers};

/// What became of a fragment.
#[derive(Debug)]
#[must_use = "a complete datagram is to be decoded"]
#[allow(clippy::large_enum_variant, reason = "handed over once, and a box would cost an allocation a datagram")]
pub enum Outcome {
    /// It waits for others of its datagram, or is not wanted any more because others have all of its bytes.
    Held,
    /// It was the one that was missing.
    Complete(Datagram),
    /// It is not wanted. The event that belongs to it is [`Defrag::event`].
    Dropped(DropReason),
}

/// Puts datagrams together. Owned by one worker.
#[derive(Debug)]
pub struct Defrag {
    config: DefragConfig,
    secret: HashSecret,
    trackers: Trackers,
    /// Memory that is held by trackers.
    held_bytes: u64,
    /// Fragments of which the payload is held.
    kept: u32,
    event: Option<Event>,
    plan: Plan,
    /// What was counted so far.
    pub counters: DefragCounters,
}

/// Why a datagram is given up.
#[derive(Clone, Copy, Debug)]
enum GivenUp {
    TimedOut,
    Evicted,
    Discarded,
    Unfinished,
}

impl Defrag {
    /// Nothing is held yet. The secret must come from the operating system's randomness, or rows can be flooded.
    #[must_use]
    pub fn new(config: DefragConfig, secret: HashSecret) -> Self {
        // Rows take at most a quarter of the memory, and trackers can be no more than fit into it.
        let rows = u64::from(config.hash_size).min(config.memcap / (4 * size_of::<Id>() as u64)).max(1);
        let trackers = u64::from(config.trackers).min(config.memcap / trackers::TRACKER_BYTES);
        let prealloc = if config.prealloc && config.enabled { trackers } else { 0 };
        let timeouts = core::iter::once(config.timeout).chain(config.policies.timeouts());
        let trackers = Trackers::new(rows as u32, prealloc as usize, timeouts);
        Self {
            config,
            secret,
            trackers,
            held_bytes: 0,
            kept: 0,
            event: None,
            plan: Plan::default(),
            counters: DefragCounters::default(),
        }
    }

    /// How it was configured.
    #[must_use]
    pub const fn config(&self) -> &DefragConfig {
        &self.config
    }
    /// `defrag.memuse`: bytes taken, at most [`DefragConfig::memcap`] unless that does not even hold one row.
    #[must_use]
    pub fn memuse(&self) -> u64 {
        self.trackers.memory() + self.held_bytes
    }
    /// Datagrams that wait for fragments, or for the rest of a discarded datagram.
    #[must_use]
    pub const fn trackers(&self) -> u32 {
        self.trackers.in_use()
    }
    /// Fragments of which bytes are held, at most [`DefragConfig::max_frags`].
    #[must_use]
    pub const fn kept(&self) -> u32 {
        self.kept
    }
    /// The decoder event that the fragment handed in last has raised, whatever became of it. To be counted by the
    /// caller, with the decoder's.
    #[must_use]
    pub const fn event(&self) -> Option<Event> {
        self.event
    }

    /// Takes a fragment that came in on `device` at `at`.
    ///
    /// `header` is its packet from the IP header up to the fragment's payload. `payload` is called at most once, only
    /// when the bytes are wanted, and gives the payload: a reference to where it lies, or a copy, as the caller likes. A
    /// payload shorter than the IP length says was cut by the capture: it is dropped. What is longer is cut.
    pub fn fragment(
        &mut self,
        fragment: &Fragment,
        device: u16,
        at: Timestamp,
        header: &[u8],
        payload: impl FnOnce() -> Pbuf,
    ) -> Outcome {
        self.counters.version(fragment.ip_version).fragments += 1;
        self.event = None;
        let mut plan = core::mem::take(&mut self.plan);
        let outcome = self.take(fragment, device, at, header, payload, &mut plan);
        self.plan = plan;
        outcome.unwrap_or_else(|reason| {
            self.event = reason.event(fragment.ip_version);
            self.counters.dropped[reason as usize] += 1;
            Outcome::Dropped(reason)
        })
    }

    /// Gives up datagrams whose timeout has passed at `now`, the oldest first, [`EXPIRE_MAX`] at most. Not needed for
    /// memory to stay bounded, nor for right results: every fragment that is handed in does a little of it too, and a
    /// datagram is never continued after its timeout.
    ///
    /// Stops at the first, of those with the same timeout, that is not due.
    pub fn expire(&mut self, now: Timestamp) {
        self.counters.mgr_tracker_timeout += self.expire_some(now, EXPIRE_MAX);
    }

    /// Gives up what is left at the end of a run.
    pub fn finish(&mut self) {
        while let Some(id) = self.trackers.oldest() {
            self.give_up(id, GivenUp::Unfinished);
        }
    }

    fn take(
        &mut self,
        fragment: &Fragment,
        device: u16,
        at: Timestamp,
        header: &[u8],
        payload: impl FnOnce() -> Pbuf,
        plan: &mut Plan,
    ) -> Result<Outcome, DropReason> {
        let (extent, header) = self.judge(fragment, header)?;
        self.counters.wrk_tracker_timeout += self.expire_some(at, EXPIRE_WITH_A_FRAGMENT_MAX);
        let key = Key::of(fragment, device, &self.config);
        let hash = key.hash(&self.secret);
        let mut found = self.trackers.find(&key, hash);
        if let Some(id) = found.take_if(|id| self.trackers.is_due(*id, at)) {
            self.counters.wrk_tracker_timeout += 1;
            self.give_up(id, GivenUp::TimedOut);
        }
        let payload = match found {
            Some(id) => match self.check(id, fragment, extent, at, payload)? {
                Some(payload) => payload,
                None => return Ok(Outcome::Held),
            },
            None => Payload::Later(payload),
        };
        let (version, host) = (fragment.ip_version, &fragment.dst);
        let policy = match found {
            Some(id) => self.trackers.tracker(id).policy,
            None => self.config.policies.policy(version, host),
        };
        let overlaps = self.plan(found, extent, policy, plan);
        self.make_room(found, extent, header.len(), plan)?;
        let bytes = if plan.keeps() { Some(payload.whole(extent)?) } else { None };
        let id = found.unwrap_or_else(|| {
            let timeout = self.config.policies.timeout(version, host).unwrap_or(self.config.timeout);
            self.trackers.insert(key, hash, policy, timeout, at)
        });
        if overlaps {
            self.event = Some(overlap(version));
            self.counters.overlapping += 1;
        }
        self.add(id, fragment, extent, header, bytes, plan);
        self.complete(id)
    }

    /// Which bytes a fragment says it has, and its header; or why no datagram can have it.
    fn judge<'a>(&self, fragment: &Fragment, header: &'a [u8]) -> Result<(Extent, &'a [u8]), DropReason> {
        if !self.config.enabled {
            return Err(DropReason::Disabled);
        }
        let header_len = fragment.payload_offset.saturating_sub(fragment.ip_offset);
        if (header_len as usize) < datagram::header_len_min(fragment.ip_version) {
            return Err(DropReason::Snapped);
        }
        let header = header.get(..header_len as usize).ok_or(DropReason::Snapped)?;
        if fragment.payload_len == 0 {
            return Err(DropReason::Empty);
        }
        let end = fragment.offset.saturating_add(fragment.payload_len);
        let counted = datagram::counted_header_len(fragment.ip_version, header_len);
        if end.saturating_add(counted) > u32::from(u16::MAX) {
            return Err(DropReason::TooLarge);
        }
        if fragment.more && !fragment.payload_len.is_multiple_of(8) && self.config.compat == Compat::Flumen {
            return Err(DropReason::InvalidLength);
        }
        Ok((Extent { start: fragment.offset, end }, header))
    }

    /// Whether the datagram can have the fragment, which is then its last one so far; `None` when it repeats another.
    fn check<F: FnOnce() -> Pbuf>(
        &mut self,
        id: Id,
        fragment: &Fragment,
        extent: Extent,
        at: Timestamp,
        payload: F,
    ) -> Result<Option<Payload<F>>, DropReason> {
        let tracker = self.trackers.tracker(id);
        let State::Gathering(gathering) = &tracker.state else { return Err(DropReason::Overlap) };
        let mut payload = Payload::Later(payload);
        if self.config.compat == Compat::Flumen {
            if fragment.ip_version == IpVersion::V6 {
                let repeats = match gathering.payload.meets(extent) {
                    Meets::Nothing => None,
                    Meets::Others => Some(false),
                    Meets::Twin => {
                        let bytes = payload.whole(extent)?;
                        let repeats = gathering.payload.repeats(extent, &bytes);
                        payload = Payload::There(bytes);
                        Some(repeats)
                    }
                };
                match repeats {
                    None => {}
                    Some(true) => {
                        tracker.fragments += 1;
                        self.counters.held += 1;
                        self.trackers.touch(id, at);
                        return Ok(None);
                    }
                    Some(false) => {
                        self.discard(id);
                        return Err(DropReason::Overlap);
                    }
                }
            }
            if !gathering.payload.agrees(extent, fragment.more) {
                return Err(DropReason::Inconsistent);
            }
        }
        self.trackers.touch(id, at);
        Ok(Some(payload))
    }

    /// What taking the fragment would do; says whether it overlaps another.
    fn plan(&mut self, found: Option<Id>, extent: Extent, policy: OverlapPolicy, plan: &mut Plan) -> bool {
        match found.map(|id| &self.trackers.tracker(id).state) {
            Some(State::Gathering(gathering)) => gathering.payload.plan(extent, policy, plan),
            _ => Assembly::default().plan(extent, policy, plan),
        }
    }

    /// Sees to it that the fragment fits within all limits, at the cost of the oldest datagrams but not of its own.
    fn make_room(
        &mut self,
        found: Option<Id>,
        extent: Extent,
        header_len: usize,
        plan: &Plan,
    ) -> Result<(), DropReason> {
        let mut need = match found.map(|id| &self.trackers.tracker(id).state) {
            Some(State::Gathering(gathering)) => gathering.payload.growth(plan, extent.len()),
            _ => Assembly::default().growth(plan, extent.len()),
        };
        if plan.leads {
            need += trackers::first_cost(header_len);
        }
        if plan.keeps() && self.kept >= self.config.max_frags {
            self.counters.max_frags_reached += 1;
            while self.kept >= self.config.max_frags {
                if self.config.compat == Compat::Suricata || !self.evict_other(found) {
                    return Err(DropReason::MaxFrags);
                }
            }
        }
        while found.is_none() && self.trackers.in_use() >= self.config.trackers {
            if !self.evict_other(found) {
                return Err(self.no_tracker());
            }
        }
        loop {
            let tracker = if found.is_none() { self.trackers.growth() } else { 0 };
            if self.memuse() + tracker + need <= self.config.memcap {
                return Ok(());
            }
            if !self.evict_other(found) {
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
    /// the oldest only when it is the only one.
    fn evict_other(&mut self, own: Option<Id>) -> bool {
        let Some(id) = self.trackers.oldest().filter(|&id| Some(id) != own) else { return false };
        let reuse = match self.trackers.tracker(id).state {
            State::Discarded => &mut self.counters.tracker_soft_reuse,
            _ => &mut self.counters.tracker_hard_reuse,
        };
        *reuse += 1;
        self.give_up(id, GivenUp::Evicted);
        true
    }

    /// The datagram gets the fragment, as planned.
    fn add(
        &mut self,
        id: Id,
        fragment: &Fragment,
        extent: Extent,
        header: &[u8],
        bytes: Option<Pbuf>,
        plan: &mut Plan,
    ) {
        let tracker = self.trackers.tracker(id);
        tracker.fragments += 1;
        self.counters.held += 1;
        let State::Gathering(gathering) = &mut tracker.state else { return };
        let (memory, kept) = (gathering.memory(), gathering.payload.kept());
        // Suricata forgets a fragment that loses all bytes, and so that it was the last.
        let ends = !fragment.more && (plan.keeps() || self.config.compat == Compat::Flumen);
        gathering.payload.take(extent, ends, plan, bytes);
        if plan.leads {
            gathering.first = Some(Box::new(First { fragment: *fragment, header: header.into() }));
        }
        self.held_bytes = self.held_bytes + gathering.memory() - memory;
        self.kept = self.kept + gathering.payload.kept() - kept;
    }

    /// Takes the datagram out if nothing of it is missing.
    fn complete(&mut self, id: Id) -> Result<Outcome, DropReason> {
        let is_complete = |state: &State| matches!(state, State::Gathering(g) if g.payload.is_complete());
        if !is_complete(&self.trackers.tracker(id).state) {
            return Ok(Outcome::Held);
        }
        let (fragments, state) = self.trackers.remove(id);
        self.counters.held -= u64::from(fragments);
        let State::Gathering(Gathering { payload, first: Some(first) }) = self.release(state) else {
            unreachable!("who has the first byte has brought a header")
        };
        match Datagram::new(*first, payload.into_chain(), fragments) {
            Ok(datagram) => {
                self.counters.completed += u64::from(fragments);
                self.counters.version(datagram.first.ip_version).reassembled += 1;
                Ok(Outcome::Complete(datagram))
            }
            Err(datagram::TooLarge) => {
                // The fragment that completed it is dropped, the others went with it.
                self.counters.discarded += u64::from(fragments - 1);
                self.counters.incomplete += 1;
                Err(DropReason::TooLarge)
            }
        }
    }

    /// Gives up a datagram, and keeps its tracker for what comes late.
    fn discard(&mut self, id: Id) {
        let tracker = self.trackers.tracker(id);
        let fragments = core::mem::take(&mut tracker.fragments);
        let state = core::mem::replace(&mut tracker.state, State::Discarded);
        drop(self.release(state));
        self.count_given_up(fragments, GivenUp::Discarded);
    }
    /// Gives up a datagram, and its tracker.
    fn give_up(&mut self, id: Id, why: GivenUp) {
        let (fragments, state) = self.trackers.remove(id);
        if let State::Gathering(_) = self.release(state) {
            self.count_given_up(fragments, why);
        }
    }
    fn count_given_up(&mut self, fragments: u32, why: GivenUp) {
        let fragments = u64::from(fragments);
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
    /// What a tracker held is not held any more.
    fn release(&mut self, state: State) -> State {
        if let State::Gathering(gathering) = &state {
            self.held_bytes -= gathering.memory();
            self.kept -= gathering.payload.kept();
        }
        state
    }
    /// Gives up datagrams by timeout, `max` at most, and says how many trackers that were.
    fn expire_some(&mut self, now: Timestamp, max: u32) -> u64 {
        let mut expired = 0;
        while expired < u64::from(max)
            && let Some(id) = self.trackers.due(now)
        {
            self.give_up(id, GivenUp::TimedOut);
            expired += 1;
        }
        expired
    }
}

/// Trackers that [`Defrag::expire`] gives up at most: some milliseconds of work.
pub const EXPIRE_MAX: u32 = 4096;
/// More than one, so that what is due gets less although each fragment may add a tracker.
const EXPIRE_WITH_A_FRAGMENT_MAX: u32 = 2;

/// A payload, or how to get it.
enum Payload<F> {
    Later(F),
    There(Pbuf),
}

impl<F: FnOnce() -> Pbuf> Payload<F> {
    /// All bytes of `extent`, unless the capture has cut them.
    fn whole(self, extent: Extent) -> Result<Pbuf, DropReason> {
        let mut bytes = match self {
            Self::Later(payload) => payload(),
            Self::There(bytes) => bytes,
        };
        bytes.truncate(extent.len() as usize);
        if bytes.len() == extent.len() as usize { Ok(bytes) } else { Err(DropReason::Snapped) }
    }
}

const fn overlap(version: IpVersion) -> Event {
    match version {
        IpVersion::V4 => Event::Ipv4FragOverlap,
        IpVersion::V6 => Event::Ipv6FragOverlap,
    }
}
