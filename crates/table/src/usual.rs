//! The short way of a usual packet: one of a conversation that is known and goes on, which is counted and changes nothing
//! else. Most packets are usual, and this is all that is done with them.
//!
//! It takes a packet only where [`RowGuard::packet`] would do exactly the same with it; a test of the table sends
//! the same packets both ways. Whatever is not sure is left to that. What makes it short: the row's deadline says that none of its
//! flows is over, so that no flow's own has to be computed; and nothing is kept for what may come up, so that most of it stays in
//! registers. With tags compared at once ([`Lanes`](crate::lanes::Lanes)) it took a twelfth off all instructions of a packet
//! (`benches/instructions`, heavy-tailed).

use flumen_model::{Direction, FlowKey, FlowState, Timestamp};
use flumen_wire::{RawSegment, TcpSegment};

use crate::account::oriented;
use crate::flow::{Detail, FlowBody, Marks};
use crate::guard::{FlowGuard, Parts};
use crate::hash::FlowHash;
use crate::key::Message;
use crate::lookup::RowGuard;
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
    /// Counts a packet of this row that is usual, and says whether it was; if not nothing has changed.
    #[inline(always)]
    #[must_use]
    pub fn takes_usual(&mut self, packet: &PlainPacket, hash: FlowHash) -> bool {
        let table = self.lookup.table;
        let due = self.locked.bucket.deadline().due();
        if !due.is_after(packet.at) || due <= table.now_due() || table.is_emergency() {
            return false;
        }
        // A tenth of the time of a run on the elephant of `benches`.
        let again = match self.recent {
            Some((recent, flow)) if recent == hash => {
                direction_in(flow, &Probe::new(&packet.key, &table.mask)).map(|direction| (flow, direction))
            }
            _ => None,
        };
        let Some((place, by_key)) = (match again {
            Some(again) => Some(again),
            None => self.locked.find(&packet.key, hash, &table.mask).map(|found| (found.flow, found.direction)),
        }) else {
            return false;
        };
        self.recent = Some((hash, place));
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(place, self.locked.store) };
        let Parts { body, beginning, detail, side: None } = flow.parts() else { return false };
        let (policy, worker) = (self.lookup.tcp, self.lookup.worker);
        let Some(direction) = is_usual(body, detail, by_key, packet, policy, worker) else { return false };
        body.count(packet.at, direction, u64::from(packet.bytes), packet.ttl, true, |by_key| beginning.turn(by_key));
        true
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
