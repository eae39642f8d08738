//! Defragmentation: from the fragments of IP datagrams to whole datagrams (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! A worker owns a [`Defrag`] and hands it one fragment at a time; the answer ([`Outcome`]) says that it waits, that a
//! datagram is complete, or that it was dropped and why. Time, secret and the buffer of a packet are arguments; there is
//! no lock, no clock, no thread. What comes out does not depend on the secret.
//!
//! 1. Every fragment handed in has exactly one end: see [`DefragCounters`].
//! 2. [`Defrag::memuse`] never exceeds [`DefragConfig::memcap`] after a call; there are never more trackers nor held
//!    fragments than configured. What is charged is what is held: rows, trackers, what describes fragments, and header and
//!    payload of every fragment of which a byte is still wanted, wherever they lie. Not charged: some 100 KiB, at most, in
//!    which overlaps are worked out, and what [`Defrag::incomplete`] has to tell.
//! 3. When a limit is met, the datagram goes whose last fragment was handed in longest ago, of all; time stamps do not
//!    matter for that.
//! 4. Nothing is copied until a datagram is complete, and then the IP header of the first fragment, which is changed; the
//!    rest when somebody asks for contiguous bytes.
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
//! | is the last, and loses all of its bytes to others | the end | forgotten |
//! | repeats one of a complete datagram | the begin of another datagram, until its timeout: identifications are used again | the same |
//! | comes when `max_frags` are held | kept; the oldest datagram goes | dropped, and nothing goes |
//!
//! Tiny fragments are fragments like any other: [`DefragConfig::max_frags`] bounds them. A datagram is complete with the
//! last byte that was missing, whoever brought it. What is complete may be a fragment again, inside of another header.
//!
//! Reading order: this file, `intake` (the way of a fragment), `ending` (how datagrams are given up), `policy` (who wins an
//! overlap), `assembly` (one datagram's payload, in lists of `few`),
//! `trackers` (all datagrams).
#![forbid(unsafe_code)]

mod assembly;
mod config;
mod counters;
mod datagram;
mod ending;
mod few;
mod intake;
mod key;
mod policy;
mod trackers;

pub use config::{DefragConfig, HostPolicies, Network, NotANetwork};
pub use counters::{DefragCounters, DropReason, VersionCounters};
pub use datagram::Datagram;
pub use ending::Incomplete;
pub use policy::OverlapPolicy;

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_wire::{Event, Fragment};

#[cfg(doc)]
use crate::config::Compat;
use crate::hash::HashSecret;
use assembly::Plan;
use ending::Incompletes;
use intake::Incoming;
use key::Keying;
use trackers::Trackers;

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
    keying: Keying,
    trackers: Trackers,
    /// Memory that is held by trackers.
    held_bytes: u64,
    /// Fragments of which the payload is held.
    kept: u32,
    event: Option<Event>,
    /// What taking the fragment would do that was handed in last. It stays here: to be handed on is to be copied.
    plan: Plan,
    incomplete: Incompletes,
    /// What was counted so far.
    pub counters: DefragCounters,
}

impl Defrag {
    /// Nothing is held yet. The secret must come from the operating system's randomness, or rows can be flooded.
    #[must_use]
    pub fn new(config: DefragConfig, secret: HashSecret) -> Self {
        // Rows take at most a quarter of the memory, and trackers can be no more than fit into it.
        let rows = u64::from(config.hash_size).min(config.memcap / (4 * trackers::ROW_BYTES)).max(1);
        let trackers = u64::from(config.trackers).min(config.memcap / trackers::TRACKER_BYTES);
        let prealloc = if config.prealloc && config.enabled { trackers } else { 0 };
        let timeouts = core::iter::once(config.timeout).chain(config.policies.timeouts());
        let trackers = Trackers::new(rows as u32, prealloc as usize, timeouts);
        Self {
            keying: Keying::of(&config),
            config,
            secret,
            trackers,
            held_bytes: 0,
            kept: 0,
            event: None,
            plan: Plan::default(),
            incomplete: Incompletes::default(),
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
    /// `packet` is called at most once, only when the bytes are wanted, and gives the packet from the IP header to the end of
    /// the payload: a reference to where it lies, or a copy, as the caller likes. It is given a buffer that is not held any more, or
    /// an empty one, whose reference it may take over ([`Pbuf::slice_with`]); who copies lets go of it first. A packet shorter than the IP length says
    /// was cut by the capture: it is dropped. So who gets no buffer for a copy gives an empty one. What is longer is cut.
    pub fn fragment(
        &mut self,
        fragment: &Fragment,
        device: u16,
        at: Timestamp,
        packet: impl FnOnce(Pbuf) -> Pbuf,
    ) -> Outcome {
        self.counters.version(fragment.ip_version).fragments += 1;
        self.event = None;
        let taken = self.take(Incoming { fragment, device, at }, packet);
        let reason = match taken.map(|complete| complete.map(|id| self.complete(id))) {
            Ok(None) => return Outcome::Held,
            Ok(Some(Ok(datagram))) => return Outcome::Complete(datagram),
            Ok(Some(Err(reason))) | Err(reason) => reason,
        };
        self.event = reason.event(fragment.ip_version);
        self.counters.dropped[reason as usize] += 1;
        Outcome::Dropped(reason)
    }

    /// Gives up datagrams whose timeout has passed at `now`, the oldest first, [`EXPIRE_MAX`] at most. Not needed for
    /// memory to stay bounded, nor for right results: every fragment that is handed in does a little of it too, and a
    /// datagram is never continued after its timeout.
    ///
    /// Stops at the first, of those with the same timeout, that is not due.
    pub fn expire(&mut self, now: Timestamp) {
        self.counters.mgr_tracker_timeout += self.expire_some(now, EXPIRE_MAX);
    }

    /// Whether [`Defrag::expire`] would find anything at `now`, or [`Defrag::incomplete`] tell of any.
    #[must_use]
    pub fn would_expire(&self, now: Timestamp) -> bool {
        self.trackers.due(now).is_some() || !self.incomplete.is_empty()
    }

    /// Datagrams that were never completed since this was asked last, in the order in which they were given up. There
    /// are none unless [`DefragConfig::report_incomplete`] is set. [`INCOMPLETE_MAX`] are kept at most, beside
    /// the memory that is charged, and any number after [`Defrag::finish`]: who wants all asks after every call.
    pub fn incomplete(&mut self) -> impl Iterator<Item = Incomplete> + '_ {
        self.incomplete.drain()
    }

    /// Sets [`DefragConfig::memcap`]. The oldest datagrams are given up until what is left fits; rows and trackers that were
    /// made before stay.
    pub fn set_memcap(&mut self, bytes: u64) {
        self.config.memcap = bytes;
        self.shrink();
    }

    /// Gives up what is left at the end of a run: all of it, at once.
    pub fn finish(&mut self) {
        self.give_up_all();
    }
}

/// Trackers that [`Defrag::expire`] gives up at most: some milliseconds of work.
pub const EXPIRE_MAX: u32 = 4096;

/// Datagrams that [`Defrag::incomplete`] tells of at most: twice what one call gives up by timeout.
pub const INCOMPLETE_MAX: usize = 2 * EXPIRE_MAX as usize;
