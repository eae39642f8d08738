//! The way of a fragment: judged, matched with its datagram, given room, added; then, perhaps, the datagram is whole.

use flumen_model::Timestamp;
use flumen_pbuf::Pbuf;
use flumen_wire::{Event, Fragment, IpVersion};

use super::assembly::{Assembly, Meets, Plan};
use super::datagram::{self, Datagram, First};
use super::ending::{EXPIRE_WITH_A_FRAGMENT_MAX, GivenUp, Incomplete};
use super::key::Key;
use super::policy::{Extent, OverlapPolicy};
use super::trackers::{self, Gathering, Id, State};
use super::{Defrag, DropReason, Outcome};
use crate::config::Compat;

/// A fragment and what is known of it besides.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) fragment: &'a Fragment,
    pub(super) device: u16,
    pub(super) at: Timestamp,
    pub(super) header: &'a [u8],
}

impl Defrag {
    /// The whole way. Until room has been made nothing has changed but for timeouts, and for a datagram that the fragment
    /// proves to be wrong.
    pub(super) fn take(
        &mut self,
        incoming: Incoming<'_>,
        payload: impl FnOnce() -> Pbuf,
        plan: &mut Plan,
    ) -> Result<Outcome, DropReason> {
        let Incoming { fragment, device, at, .. } = incoming;
        let (extent, header) = self.judge(fragment, incoming.header)?;
        let incoming = Incoming { header, ..incoming };
        self.counters.wrk_tracker_timeout += self.expire_some(at, EXPIRE_WITH_A_FRAGMENT_MAX);
        let key = Key::of(fragment, device, &self.config);
        let hash = key.hash(&self.secret);
        let mut payload = Payload { get: Some(payload), bytes: None };
        let mut found = self.trackers.find(&key, hash);
        if let Some(id) = found.take_if(|id| self.trackers.is_due(*id, at)) {
            self.counters.wrk_tracker_timeout += 1;
            self.give_up(id, GivenUp::TimedOut);
        }
        if let Some(id) = found
            && self.is_repeated(id, incoming, extent, &mut payload)?
        {
            return Ok(Outcome::Held);
        }
        let policy = match found {
            Some(id) => self.trackers.tracker(id).policy,
            None => self.config.policies.policy(fragment.ip_version, &fragment.dst),
        };
        let overlaps = self.plan(found, extent, policy, plan);
        self.make_room(found, extent, header.len(), plan)?;
        let bytes = if plan.keeps() { Some(payload.whole(extent)?) } else { None };
        let id = found.unwrap_or_else(|| {
            let timeout = self.config.policies.timeout(fragment.ip_version, &fragment.dst);
            self.trackers.insert(key, hash, policy, timeout.unwrap_or(self.config.timeout), at)
        });
        if overlaps {
            self.event = Some(overlap(fragment.ip_version));
            self.counters.overlapping += 1;
        }
        self.add(id, incoming, extent, bytes, plan);
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

    /// Whether the fragment repeats another of its datagram, and is thereby done with. What the datagram cannot have is
    /// refused; anything else makes it the newest of all.
    fn is_repeated<F: FnOnce() -> Pbuf>(
        &mut self,
        id: Id,
        incoming: Incoming<'_>,
        extent: Extent,
        payload: &mut Payload<F>,
    ) -> Result<bool, DropReason> {
        let Incoming { fragment, at, .. } = incoming;
        let State::Gathering(gathering) = &self.trackers.tracker(id).state else { return Err(DropReason::Overlap) };
        let mut repeats = false;
        if self.config.compat == Compat::Flumen {
            let meets = match fragment.ip_version {
                IpVersion::V4 => Meets::Nothing,
                IpVersion::V6 => gathering.payload.meets(extent),
            };
            repeats = meets == Meets::Twin && gathering.payload.repeats(extent, payload.look(extent)?);
            if meets != Meets::Nothing && !repeats {
                self.discard(id);
                return Err(DropReason::Overlap);
            }
            if !gathering.payload.agrees(extent, fragment.more) && !repeats {
                return Err(DropReason::Inconsistent);
            }
        }
        self.trackers.touch(id, at);
        if repeats {
            self.count_in(id, incoming, extent);
        }
        Ok(repeats)
    }

    /// What taking the fragment would do; says whether it overlaps another.
    fn plan(&mut self, found: Option<Id>, extent: Extent, policy: OverlapPolicy, plan: &mut Plan) -> bool {
        match found.map(|id| &self.trackers.tracker(id).state) {
            Some(State::Gathering(gathering)) => gathering.payload.plan(extent, policy, plan),
            _ => Assembly::default().plan(extent, policy, plan),
        }
    }

    /// The datagram gets the fragment, as planned.
    fn add(&mut self, id: Id, incoming: Incoming<'_>, extent: Extent, bytes: Option<Pbuf>, plan: &mut Plan) {
        let fragment = incoming.fragment;
        // Suricata forgets a fragment that loses all bytes, and so that it was the last.
        let ends = !fragment.more && (plan.keeps() || self.config.compat == Compat::Flumen);
        self.count_in(id, incoming, extent);
        let State::Gathering(gathering) = &mut self.trackers.tracker(id).state else { return };
        let (memory, kept) = (gathering.memory(), gathering.payload.kept());
        gathering.payload.take(extent, ends, plan, bytes);
        if plan.leads {
            gathering.first = Some(Box::new(First { fragment: *fragment, header: incoming.header.into() }));
        }
        self.held_bytes = self.held_bytes + gathering.memory() - memory;
        self.kept = self.kept + gathering.payload.kept() - kept;
    }
    /// The fragment belongs to the datagram, whatever becomes of its bytes.
    fn count_in(&mut self, id: Id, incoming: Incoming<'_>, extent: Extent) {
        self.counters.held += 1;
        let tracker = self.trackers.tracker(id);
        tracker.fragments += 1;
        let State::Gathering(gathering) = &mut tracker.state else { return };
        if !self.config.report_incomplete {
            return;
        }
        if gathering.story.is_none() {
            gathering.story = Some(Box::new(Incomplete::begin(incoming)));
            self.held_bytes += trackers::STORY_BYTES;
        }
        if let Some(story) = &mut gathering.story {
            story.go_on(incoming, extent);
        }
    }

    /// Takes the datagram out if nothing of it is missing.
    fn complete(&mut self, id: Id) -> Result<Outcome, DropReason> {
        let is_complete = |state: &State| matches!(state, State::Gathering(g) if g.payload.is_complete());
        if !is_complete(&self.trackers.tracker(id).state) {
            return Ok(Outcome::Held);
        }
        let (fragments, state) = self.trackers.remove(id);
        self.counters.held -= u64::from(fragments);
        let State::Gathering(Gathering { payload, first: Some(first), story }) = self.release(state) else {
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
                self.incomplete.tell(story);
                Err(DropReason::TooLarge)
            }
        }
    }
}

/// A payload, or how to get it.
struct Payload<F> {
    get: Option<F>,
    /// All bytes that the fragment has.
    bytes: Option<Pbuf>,
}

impl<F: FnOnce() -> Pbuf> Payload<F> {
    /// The bytes of `extent`, unless the capture has cut them.
    fn look(&mut self, extent: Extent) -> Result<&Pbuf, DropReason> {
        self.fetch(extent);
        self.bytes.as_ref().ok_or(DropReason::Snapped)
    }
    /// The same, to be kept.
    fn whole(mut self, extent: Extent) -> Result<Pbuf, DropReason> {
        self.fetch(extent);
        self.bytes.ok_or(DropReason::Snapped)
    }
    fn fetch(&mut self, extent: Extent) {
        let Some(get) = self.get.take() else { return };
        let mut bytes = get();
        bytes.truncate(extent.len() as usize);
        self.bytes = (bytes.len() == extent.len() as usize).then_some(bytes);
    }
}

const fn overlap(version: IpVersion) -> Event {
    match version {
        IpVersion::V4 => Event::Ipv4FragOverlap,
        IpVersion::V6 => Event::Ipv6FragOverlap,
    }
}
