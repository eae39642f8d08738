//! The short way of a usual packet: one of a conversation that is known and goes on, which is counted and changes nothing
//! else. Most packets are usual, and this is all that is done with them.
//!
//! It takes a packet only where [`RowGuard::packet`] would do exactly the same with it; a test of the table sends
//! the same packets both ways. Whatever is not sure is left to the long way, with what has been found out already: whose the packet
//! is, and that no flow of the row is over. What makes it short: the row's deadline says that none of its
//! flows is over, so that no flow's own has to be computed; and nothing is kept for what may come up, so that most of it stays in
//! registers. With tags compared at once ([`Lanes`](crate::lanes::Lanes)) it took a twelfth off all instructions of a packet
//! (`benches/instructions`, heavy-tailed).

use core::ptr::NonNull;

use flumen_model::{Direction, FlowKey, FlowState, Timestamp};

use crate::account::oriented;
use crate::flow::{Detail, Flow, FlowBody, Marks};
use crate::guard::{FlowGuard, Parts};
use crate::hash::FlowHash;
use crate::key::Message;
use crate::lookup::{PacketView, RowGuard, Verdict};
use crate::storage::{Probe, direction_in};
use crate::tcp::TcpPolicy;

/// A packet of its own flow, in no other and with none in it, whose TCP checksum is right or not asked for and whose payload
/// says nothing of its sender.
#[derive(Clone, Copy, Debug)]
pub struct PlainPacket<'p> {
    /// Key of its flow.
    pub key: &'p FlowKey,
    /// Hash of the key.
    pub hash: FlowHash,
    /// Time of capture.
    pub at: Timestamp,
    /// Length of the frame in bytes, as it is counted.
    pub bytes: u64,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// What it says in its flow.
    pub message: &'p Message,
}

impl RowGuard<'_, '_> {
    /// Takes a packet of this row as [`RowGuard::packet`] would, the short way if it is usual. `view` is asked for where it is not.
    #[inline(always)]
    pub fn plain_packet<'p>(&mut self, packet: &PlainPacket<'p>, view: impl FnOnce() -> PacketView<'p>) -> Verdict {
        let table = self.lookup.table;
        let due = self.locked.bucket.deadline().due();
        if !due.is_after(packet.at) || due <= table.now_due() || table.is_emergency() {
            return self.sought_packet(packet.key, packet.hash, &view());
        }
        // A tenth of the time of a run on the elephant of `benches`.
        let again = match self.recent {
            Some((hash, flow)) if hash == packet.hash => {
                direction_in(flow, &Probe::new(packet.key, &table.mask)).map(|direction| (flow, direction))
            }
            _ => None,
        };
        let Some((place, by_key)) = (match again {
            Some(again) => Some(again),
            None => self.locked.find(packet.key, packet.hash, &table.mask).map(|found| (found.flow, found.direction)),
        }) else {
            return self.other_packet(packet.key, packet.hash, None, &view());
        };
        self.recent = Some((packet.hash, place));
        // SAFETY:
        // - The flow is in this guard's row, which is locked; no other guard of it exists.
        let mut flow = unsafe { FlowGuard::new(place, self.locked.store) };
        let Parts { body, beginning, detail, side } = flow.parts();
        let (policy, worker) = (self.lookup.tcp, self.lookup.worker);
        let usual = if side.is_some() { None } else { is_usual(body, detail, by_key, packet, policy, worker) };
        let Some(direction) = usual else {
            return self.other_packet(packet.key, packet.hash, Some((place, by_key)), &view());
        };
        body.count(packet.at, direction, packet.bytes, packet.ttl, true, |by_key| beginning.turn(by_key));
        Verdict::Counted
    }

    /// Takes a packet that is not usual, of a row of whose flows none is over by now; `known` is its own among them.
    #[inline(never)]
    fn other_packet(
        &mut self,
        key: &FlowKey,
        hash: FlowHash,
        known: Option<(NonNull<Flow>, Direction)>,
        view: &PacketView<'_>,
    ) -> Verdict {
        let (flow, direction) = match known {
            Some((flow, direction)) if self.is_reused(flow, direction, view) => {
                return self.sought_packet(key, hash, view);
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
    packet: &PlainPacket<'_>,
    policy: TcpPolicy,
    worker: u8,
) -> Option<Direction> {
    let direction = oriented(body, by_key);
    let takes = match (packet.message, detail) {
        (Message::Tcp(tcp), Some(Detail::Tcp(session))) => {
            body.state == FlowState::Established
                && body.owner == worker
                && session.takes_expected(tcp, direction, body.idle(packet.at), policy)
        }
        // The flow is established already, or the other end still has not spoken.
        (Message::Other, _) => {
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
