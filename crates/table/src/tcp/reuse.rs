//! Whether a SYN on the tuple of a known flow starts another session, so that the flow ends and a new one begins.

use super::{Segment, SessionMarks, TcpPolicy, TcpSession};
use crate::config::Compat;
use flumen_model::{Direction, TcpState};
use flumen_wire::{TcpFlags, TcpSegment};

impl TcpSession {
    /// Whether `tcp`, a segment in direction `dir` of the session's flow, starts another session.
    ///
    /// Only a lone SYN does (and a SYN+ACK where sessions may begin with one). Over is a session that never was, or
    /// one that is past its close: LAST_ACK, CLOSE_WAIT, CLOSING, CLOSED, and TIME_WAIT by `policy`. A SYN with the
    /// initial number of the client that opened the session is a retransmission.
    pub(crate) fn is_reused_by(&self, tcp: &TcpSegment, dir: Direction, policy: TcpPolicy) -> bool {
        let segment = Segment::of(tcp, dir);
        if segment.any(TcpFlags::RST | TcpFlags::FIN) || !segment.any(TcpFlags::SYN) {
            return false;
        }
        if segment.any(TcpFlags::ACK) {
            return (policy.midstream || policy.async_oneside) && self.is_reused_by_synack(&segment, policy);
        }
        if self.state == TcpState::None {
            return true;
        }
        let retransmitted = dir == Direction::ToServer && segment.seq == self.streams[0].isn;
        (dir == Direction::ToServer && self.has(SessionMarks::FAST_OPEN_IGNORED))
            || !retransmitted && self.is_over(policy)
    }

    /// A SYN+ACK comes from the server of the session it belongs to.
    fn is_reused_by_synack(&self, segment: &Segment, policy: TcpPolicy) -> bool {
        match (self.state, segment.dir) {
            (TcpState::None, dir) => dir == Direction::ToServer,
            (_, Direction::ToClient) => segment.seq != self.streams[1].isn && self.is_over(policy),
            (_, Direction::ToServer) => self.is_over(policy),
        }
    }

    const fn is_over(&self, policy: TcpPolicy) -> bool {
        match self.state {
            TcpState::LastAck | TcpState::CloseWait | TcpState::Closing | TcpState::Closed => true,
            TcpState::TimeWait => matches!(policy.compat, Compat::Flumen),
            _ => false,
        }
    }
}
