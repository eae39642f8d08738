//! The way of a fragment: judged, matched with its datagram, given room, added; then, perhaps, the datagram is whole.

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_wire::{Event, Fragment, IpVersion};

use super::assembly::{self, Meets};
use super::datagram::{self, Datagram};
use super::ending::{EXPIRE_WITH_A_FRAGMENT_MAX, GivenUp, Incomplete};
use super::key::Key;
use super::policy::Extent;
use super::trackers::{self, Id};
use super::{Defrag, DropReason};
use crate::config::Compat;
use crate::hash::FlowHash;

/// A fragment and what is known of it besides.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) fragment: &'a Fragment,
    pub(super) device: u16,
    pub(super) at: Timestamp,
}

impl Incoming<'_> {
    /// Bytes of its IP header, with all that belongs to it.
    pub(super) const fn header_len(&self) -> u32 {
        self.fragment.payload_offset.saturating_sub(self.fragment.ip_offset)
    }
    /// Bytes of header and payload.
    pub(super) const fn packet_len(&self) -> u32 {
        self.header_len() + self.fragment.payload_len
    }
    /// Takes from the packet what is behind the payload. One that is shorter was cut by the capture. (In its place, since a
    /// result that may be a packet is copied in pieces that stall the processor.)
    #[inline]
    fn cut(&self, packet: &mut Pbuf) -> Result<(), DropReason> {
        let len = self.packet_len() as usize;
        packet.truncate(len);
        if packet.len() < len { Err(DropReason::Snapped) } else { Ok(()) }
    }
}

impl Defrag {
    /// The whole way. Until room has been made nothing has changed but for timeouts, and for a datagram that the fragment
    /// proves to be wrong. Gives the tracker when nothing of the datagram is missing any more.
    pub(super) fn take(
        &mut self,
        incoming: Incoming<'_>,
        packet: impl FnOnce(Pbuf) -> Pbuf,
    ) -> Result<Option<Id>, DropReason> {
        let Incoming { fragment, device, at } = incoming;
        let extent = self.judge(incoming)?;
        let key = Key::of(fragment, device, &self.keying);
        let hash = key.hash(&self.secret);
        self.trackers.prefetch_row(hash);
        self.counters.wrk_tracker_timeout += self.expire_some(at, EXPIRE_WITH_A_FRAGMENT_MAX);
        let mut found = self.trackers.find(hash, |t| Key::of(&t.fragment, t.device, &self.keying) == key);
        if let Some(id) = found.take_if(|id| self.trackers.is_due(*id, at)) {
            self.counters.wrk_tracker_timeout += 1;
            self.give_up(id, GivenUp::TimedOut, &mut Pbuf::empty());
        }
        match found {
            Some(id) => self.go_on(id, incoming, extent, packet),
            None => self.begin(hash, incoming, extent, packet),
        }
    }

    /// A fragment of a datagram that has no other yet: there is nothing that it could overlap.
    #[inline]
    fn begin(
        &mut self,
        hash: FlowHash,
        incoming: Incoming<'_>,
        extent: Extent,
        packet: impl FnOnce(Pbuf) -> Pbuf,
    ) -> Result<Option<Id>, DropReason> {
        let Incoming { fragment, device, at } = incoming;
        let story = if self.config.report_incomplete { trackers::STORY_BYTES } else { 0 };
        let mut spare = Pbuf::empty();
        self.make_room(None, true, assembly::kept_cost(incoming.packet_len()) + story, &mut spare)?;
        self.trackers.prefetch_first(hash);
        let mut packet = packet(spare);
        incoming.cut(&mut packet)?;
        let policies = &self.config.policies;
        let policy = policies.policy(fragment.ip_version, &fragment.dst);
        let timeout = policies.timeout(fragment.ip_version, &fragment.dst).unwrap_or(self.config.timeout);
        let id = self.trackers.insert(fragment, device, hash, policy, timeout, at);
        self.count_in(id, incoming);
        let payload = &mut self.trackers.tracker(id).payload;
        payload.begin(extent, !fragment.more, packet);
        self.held_bytes += payload.memory();
        self.kept += 1;
        Ok(payload.is_complete().then_some(id))
    }

    /// A fragment of a datagram of which there are others.
    #[inline(never)]
    fn go_on(
        &mut self,
        id: Id,
        incoming: Incoming<'_>,
        extent: Extent,
        packet: impl FnOnce(Pbuf) -> Pbuf,
    ) -> Result<Option<Id>, DropReason> {
        let mut packet = Packet { get: Some(packet), fetched: Pbuf::empty() };
        if self.is_repeated(id, incoming, extent, &mut packet)? {
            return Ok(None);
        }
        let tracker = self.trackers.tracker(id);
        let overlaps = tracker.payload.plan(extent, tracker.policy, &mut self.plan);
        let need = tracker.payload.growth(&self.plan, incoming.packet_len());
        let mut spare = Pbuf::empty();
        self.make_room(Some(id), self.plan.keeps(), need, &mut spare)?;
        let mut packet = if self.plan.keeps() { packet.get(spare) } else { Pbuf::empty() };
        if self.plan.keeps() {
            incoming.cut(&mut packet)?;
        }
        if overlaps {
            self.event = Some(overlap(incoming.fragment.ip_version));
            self.counters.overlapping += 1;
        }
        self.add(id, incoming, extent, packet);
        Ok(self.trackers.tracker(id).payload.is_complete().then_some(id))
    }

    /// Which bytes a fragment says it has; or why no datagram can have it.
    fn judge(&self, incoming: Incoming<'_>) -> Result<Extent, DropReason> {
        if !self.config.enabled {
            return Err(DropReason::Disabled);
        }
        let (fragment, header_len) = (incoming.fragment, incoming.header_len());
        if (header_len as usize) < datagram::header_len_min(fragment.ip_version) {
            return Err(DropReason::Snapped);
        }
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
        Ok(Extent { start: fragment.offset as u16, end: end as u16 })
    }

    /// Whether the fragment repeats another of its datagram, and is thereby done with. What the datagram cannot have is
    /// refused; anything else makes it the newest of all.
    fn is_repeated<F: FnOnce(Pbuf) -> Pbuf>(
        &mut self,
        id: Id,
        incoming: Incoming<'_>,
        extent: Extent,
        packet: &mut Packet<F>,
    ) -> Result<bool, DropReason> {
        let Incoming { fragment, at, .. } = incoming;
        let tracker = self.trackers.tracker(id);
        if tracker.discarded {
            return Err(DropReason::Overlap);
        }
        let mut repeats = false;
        if self.config.compat == Compat::Flumen {
            let meets = match fragment.ip_version {
                IpVersion::V4 => Meets::Nothing,
                IpVersion::V6 => tracker.payload.meets(extent),
            };
            repeats = meets == Meets::Twin && tracker.payload.repeats(extent, packet.payload(incoming, extent)?);
            if meets != Meets::Nothing && !repeats {
                self.discard(id);
                return Err(DropReason::Overlap);
            }
            if !tracker.payload.agrees(extent, fragment.more) && !repeats {
                return Err(DropReason::Inconsistent);
            }
        }
        self.trackers.touch(id, at);
        if repeats {
            self.count_in(id, incoming);
        }
        Ok(repeats)
    }

    /// The datagram gets the fragment, as planned.
    #[inline]
    fn add(&mut self, id: Id, incoming: Incoming<'_>, extent: Extent, packet: Pbuf) {
        let fragment = incoming.fragment;
        // Suricata forgets a fragment that loses all bytes, and so that it was the last.
        let ends = !fragment.more && (self.plan.keeps() || self.config.compat == Compat::Flumen);
        self.count_in(id, incoming);
        let tracker = self.trackers.tracker(id);
        // The first of all is there already.
        if self.plan.leads && tracker.fragments > 1 {
            tracker.fragment = *fragment;
        }
        let (memory, kept) = (tracker.payload.memory(), tracker.payload.kept());
        tracker.payload.take(extent, ends, &mut self.plan, packet);
        self.held_bytes = self.held_bytes + tracker.payload.memory() - memory;
        self.kept = self.kept + tracker.payload.kept() - kept;
    }
    /// The fragment belongs to the datagram, whatever becomes of its bytes.
    #[inline]
    fn count_in(&mut self, id: Id, incoming: Incoming<'_>) {
        self.counters.held += 1;
        let tracker = self.trackers.tracker(id);
        tracker.fragments += 1;
        if self.config.report_incomplete {
            self.tell_of(id, incoming);
        }
    }
    /// The story of a datagram, should it never be complete, goes on.
    #[cold]
    fn tell_of(&mut self, id: Id, incoming: Incoming<'_>) {
        let tracker = self.trackers.tracker(id);
        if tracker.story.is_none() {
            tracker.story = Some(Box::new(Incomplete::begin(incoming)));
            self.held_bytes += trackers::STORY_BYTES;
        }
        if let Some(story) = &mut tracker.story {
            story.go_on(incoming);
        }
    }

    /// Takes out a datagram of which nothing is missing.
    pub(super) fn complete(&mut self, id: Id) -> Result<Datagram, DropReason> {
        let tracker = self.trackers.tracker(id);
        self.held_bytes -= tracker.memory();
        self.kept -= tracker.payload.kept();
        let (first, fragments) = (tracker.fragment, tracker.fragments);
        let (payload, story) = (core::mem::take(&mut tracker.payload), tracker.story.take());
        self.trackers.remove(id);
        self.counters.held -= u64::from(fragments);
        let header = payload.header().map(<[u8]>::to_vec).unwrap_or_default();
        match Datagram::new(first, header, payload.into_chain(), fragments) {
            Ok(datagram) => {
                self.counters.completed += u64::from(fragments);
                self.counters.version(datagram.first.ip_version).reassembled += 1;
                Ok(datagram)
            }
            Err(datagram::TooLarge) => {
                // The fragment that completed it is dropped, the others went with it.
                self.counters.discarded += u64::from(fragments - 1);
                self.counters.incomplete += 1;
                self.incomplete.tell(story);
                Err(DropReason::TooLarge)
            }
        }
    }
}

/// A packet from its IP header to the end of its payload, or how to get it.
struct Packet<F> {
    get: Option<F>,
    /// What came of it, when that had to be looked at before.
    fetched: Pbuf,
}

impl<F: FnOnce(Pbuf) -> Pbuf> Packet<F> {
    /// Its payload, the bytes of `extent`.
    #[cold]
    fn payload(&mut self, incoming: Incoming<'_>, extent: Extent) -> Result<&[u8], DropReason> {
        if let Some(get) = self.get.take() {
            self.fetched = get(Pbuf::empty());
        }
        let len = incoming.packet_len() as usize;
        self.fetched.get(len - usize::from(extent.len())..len).ok_or(DropReason::Snapped)
    }
    fn get(self, spare: Pbuf) -> Pbuf {
        match self.get {
            Some(get) => get(spare),
            None => self.fetched,
        }
    }
}

const fn overlap(version: IpVersion) -> Event {
    match version {
        IpVersion::V4 => Event::Ipv4FragOverlap,
        IpVersion::V6 => Event::Ipv6FragOverlap,
    }
}
