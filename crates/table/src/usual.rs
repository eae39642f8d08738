//! The short way of a usual packet: one of a conversation that is known and goes on, which is counted and changes nothing
//! else. Most packets are usual, and this is all that is done with them.
//!
//! It takes a packet only where [`RowGuard::packet`] would do exactly the same with it, and a train of them ([`RowGuard::train`])
//! only where it would do so with each; a test of the table sends the same packets all ways. Whatever is not sure is left to the long way, with what has been found out already: whose the packet
//! is, and that no flow of the row is over. What makes it short: the row's deadline says that none of its
//! flows is over, so that no flow's own has to be computed; and nothing is kept for what may come up, so that most of it stays in
//! registers. With tags compared at once ([`Lanes`](crate::lanes::Lanes)) it took a twelfth off all instructions of a packet
//! (`benches/instructions`, heavy-tailed).

use core::ptr::NonNull;

use flumen_model::{Direction, FlowKey, FlowState, Tally, Timestamp};
use flumen_wire::{Macs, RawSegment, TcpSegment};

use crate::account::oriented;
use crate::bucket::{Found, Hint};
use crate::flow::{Detail, Flow, FlowBody, Marks};
use crate::guard::{FlowGuard, Parts};
use crate::hash::FlowHash;
use crate::key::Message;
use crate::lookup::{PacketView, RowGuard, Verdict};
use crate::storage::{Probe, direction_in};
use crate::tcp::TcpPolicy;

/// A packet of its own flow, in no other and with none in it, whose TCP checksum is right or not asked for and whose payload
/// says nothing of its sender; or one that is not plain. What is asked of a plain packet is together here, and read where it is wanted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PlainPacket {
    /// Key of its flow.
    pub key: FlowKey,
    /// Time of capture.
    pub at: Timestamp,
    /// Length of the frame in bytes, as it is counted.
    pub bytes: u32,
    /// What it says in its flow.
    pub says: Says,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The segment, when it is one.
    pub segment: RawSegment,
}

/// What a packet says in its flow, if it is plain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Says {
    /// What its TCP segment says, which has no options.
    Segment,
    /// The same, with timestamps alone.
    StampedSegment,
    /// Nothing that a flow looks at.
    Nothing,
    /// It is not plain, whatever it says.
    More,
}

impl PlainPacket {
    /// Of no flow.
    pub const EMPTY: Self = Self {
        key: FlowKey::NONE,
        at: Timestamp::ZERO,
        bytes: 0,
        says: Says::More,
        ttl: 0,
        segment: RawSegment::EMPTY,
    };

    /// What the packet says; of one that is not plain, nothing.
    #[inline]
    #[must_use]
    pub fn message(&self) -> Message {
        match self.says {
            Says::Segment => Message::Tcp(self.segment.segment(false)),
            Says::StampedSegment => Message::Tcp(self.segment.segment(true)),
            Says::Nothing | Says::More => Message::Other,
        }
    }
    /// The packet as the long way takes it.
    fn view<'p>(&self, message: &'p Message, rare: Rare<'p>) -> PacketView<'p> {
        let (&Self { at, bytes, ttl, .. }, Rare { origin, macs }) = (self, rare);
        let (bytes, parent, role, is_outside, checksum_ok) = (u64::from(bytes), 0, None, false, true);
        PacketView { at, bytes, origin, parent, role, message, ttl, is_outside, macs, checksum_ok }
    }
}

/// What of a plain packet is asked for rarely.
#[derive(Clone, Copy, Debug)]
pub struct Rare<'p> {
    /// As [`PacketView::origin`].
    pub origin: u64,
    /// As [`PacketView::macs`].
    pub macs: Option<&'p Macs>,
}

impl Says {
    /// What a message says, and the segment that it is.
    #[must_use]
    pub fn of(message: &Message) -> (Self, RawSegment) {
        match message {
            Message::Tcp(tcp) => (Self::of_segment(tcp), RawSegment::of(tcp)),
            Message::Icmp { .. } => (Self::More, RawSegment::EMPTY),
            Message::Other => (Self::Nothing, RawSegment::EMPTY),
        }
    }
    /// What a segment says.
    #[inline(always)]
    #[must_use]
    pub const fn of_segment(tcp: &TcpSegment) -> Self {
        match tcp {
            TcpSegment { window_scale: None, sack_permitted: false, fast_open: None, timestamps, .. } => {
                if timestamps.is_some() { Self::StampedSegment } else { Self::Segment }
            }
            _ => Self::More,
        }
    }
}

impl RowGuard<'_, '_> {
    /// Takes a packet of this row as [`RowGuard::packet`] would, the short way if it is usual. `rare` is asked for where
    /// it is not. The packet is a plain one: what others say is not in it. `hint` is where its flow was.
    #[inline]
    pub fn plain_packet<'m>(
        &mut self,
        packet: &PlainPacket,
        hash: FlowHash,
        hint: Hint,
        rare: impl FnOnce() -> Rare<'m>,
    ) -> Verdict {
        debug_assert!(packet.says != Says::More, "a packet that is not plain");
        let table = self.lookup.table;
        let due = self.locked.bucket.deadline().due();
        if !due.is_after(packet.at) || due <= table.now_due() || table.is_emergency() {
            let message = packet.message();
            return self.own_packet(&packet.key, hash, &packet.view(&message, rare()));
        }
        match self.locked.find_at(hint, &packet.key, &table.mask) {
            Some(found) => self.known_packet(packet, hash, found, rare),
            None => self.sought_packet(packet, hash, rare),
        }
    }

    /// The same of one that has to be sought.
    #[inline(never)]
    fn sought_packet<'m>(&mut self, packet: &PlainPacket, hash: FlowHash, rare: impl FnOnce() -> Rare<'m>) -> Verdict {
        match self.locked.find(&packet.key, hash, &self.lookup.table.mask) {
            Some(found) => self.known_packet(packet, hash, found, rare),
            None => self.unusual(packet, hash, None, rare()),
        }
    }

    /// The same of one whose flow is found.
    #[inline(always)]
    fn known_packet<'m>(
        &mut self,
        packet: &PlainPacket,
        hash: FlowHash,
        found: Found,
        rare: impl FnOnce() -> Rare<'m>,
    ) -> Verdict {
        let Found { flow: place, direction: by_key, .. } = found;
        self.recent = Some(place);
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(place, self.locked.store) };
        let Parts { body, beginning, detail, side: None } = flow.parts() else {
            return self.unusual(packet, hash, Some((place, by_key)), rare());
        };
        let (policy, worker) = (self.lookup.tcp, self.lookup.worker);
        let Some(direction) = is_usual(body, detail, by_key, packet, policy, worker) else {
            return self.unusual(packet, hash, Some((place, by_key)), rare());
        };
        body.count(packet.at, direction, u64::from(packet.bytes), packet.ttl, true, |by_key| beginning.turn(by_key));
        Verdict::Counted
    }

    /// Takes the packets right behind one that went the short way, as long as they are of its flow and usual as well: of a train of
    /// packets all but the first, for which nothing has to be looked up. Says what it has taken. (Of the elephant of `benches` it
    /// takes a tenth off the instructions.)
    ///
    /// The first one has shown that no flow of the row is over by now and that there is no emergency. Usual packets change neither
    /// that nor the row's deadline.
    #[inline(always)]
    pub fn train<'m>(&mut self, packets: impl Iterator<Item = &'m PlainPacket>) -> Tally {
        let mut taken = Tally::default();
        let Some(place) = self.recent else { return taken };
        let (mask, due) = (&self.lookup.table.mask, self.locked.bucket.deadline().due());
        let (policy, worker) = (self.lookup.tcp, self.lookup.worker);
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(place, self.locked.store) };
        let Parts { body, beginning, mut detail, side: None } = flow.parts() else { return taken };
        for packet in packets.take_while(|packet| due.is_after(packet.at)) {
            let Some(by_key) = direction_in(place, &Probe::new(&packet.key, mask)) else { break };
            let Some(direction) = is_usual(body, detail.as_deref_mut(), by_key, packet, policy, worker) else { break };
            let bytes = u64::from(packet.bytes);
            body.count(packet.at, direction, bytes, packet.ttl, true, |by_key| beginning.turn(by_key));
            taken.add(bytes);
        }
        taken
    }

    /// Takes it the long way, with what has been found: `known` is its flow.
    #[inline(never)]
    fn unusual(
        &mut self,
        packet: &PlainPacket,
        hash: FlowHash,
        known: Option<(NonNull<Flow>, Direction)>,
        rare: Rare<'_>,
    ) -> Verdict {
        let message = packet.message();
        self.other_packet(&packet.key, hash, known, &packet.view(&message, rare))
    }

    /// Takes a packet that is not usual, of a row of whose flows none is over by now; `known` is its own among them.
    #[inline]
    fn other_packet(
        &mut self,
        key: &FlowKey,
        hash: FlowHash,
        known: Option<(NonNull<Flow>, Direction)>,
        view: &PacketView<'_>,
    ) -> Verdict {
        let (flow, direction) = match known {
            Some((flow, direction)) if self.is_reused(flow, direction, view) => {
                return self.own_packet(key, hash, view);
            }
            Some(known) => known,
            None => {
                self.recent = None;
                match self.open(None, key, hash, view) {
                    Ok(flow) => (flow, Direction::ToServer),
                    Err(verdict) => return verdict,
                }
            }
        };
        self.count(flow, direction, view)
    }
}

/// The direction in which a packet is to be counted that moves no state; its session has taken it then.
#[inline(always)]
fn is_usual(
    body: &FlowBody,
    detail: Option<&mut Detail>,
    by_key: Direction,
    packet: &PlainPacket,
    policy: TcpPolicy,
    worker: u8,
) -> Option<Direction> {
    let direction = oriented(body, by_key);
    let takes = match (packet.says, detail) {
        (says @ (Says::Segment | Says::StampedSegment), Some(Detail::Tcp(session))) => {
            let tcp = packet.segment.segment(says == Says::StampedSegment);
            body.state == FlowState::Established
                && body.owner == worker
                && session.takes_expected(&tcp, direction, body.idle(packet.at), policy)
        }
        // The flow is established already, or the other end still has not spoken.
        (Says::Nothing, _) => {
            let answered = body.marks.has(Marks::SEEN_TO_SERVER << direction.opposite().index());
            match body.state {
                FlowState::Established => true,
                FlowState::New => !answered,
                FlowState::Closed | FlowState::LocalBypassed => false,
            }
        }
        _ => false,
    };
    takes.then_some(direction)
}
