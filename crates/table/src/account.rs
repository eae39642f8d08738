//! What a packet does to its flow: it is counted, it moves the state, and of TCP the session.
//!
//! Called under the row's lock by [`RowGuard::packet`](crate::RowGuard::packet), which has found the flow.

use flumen_model::{Direction, FlowState};
use flumen_wire::{Role, TcpFlags, TcpSegment};

use crate::config::Compat;
use crate::counters::LookupCounters;
use crate::flow::{Beginning, Detail, FlowBody, Marks};
use crate::key::Message;
use crate::lookup::PacketView;
use crate::tcp::{TcpPolicy, TcpSession};

/// The way a packet goes for the client and server as they are now known.
pub(crate) const fn oriented(body: &FlowBody, by_key: Direction) -> Direction {
    body.by_key(by_key)
}

/// What the payload says of its sender decides who is client and who is server, once, where a session was met in its
/// middle; and for a datagram, which may always be an answer.
#[cold]
fn believe(body: &mut FlowBody, session: Option<&mut TcpSession>, role: Role, by_key: Direction, compat: Compat) {
    let turned = match (role, oriented(body, by_key)) {
        (Role::Server, Direction::ToServer) | (Role::Client, Direction::ToClient) => true,
        (Role::Server, Direction::ToClient) | (Role::Client, Direction::ToServer) => false,
    };
    if body.marks.has(Marks::ROLES_KNOWN) || session.as_ref().is_some_and(|session| !session.is_midstream()) {
        return;
    }
    body.marks.set(Marks::ROLES_KNOWN);
    if turned {
        if let Some(session) = session {
            session.reverse();
        }
        body.reverse(compat);
    }
}

/// Counts a packet in its flow and moves the flow's state.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn account(
    body: &mut FlowBody,
    beginning: &mut Beginning,
    detail: Option<&mut Detail>,
    by_key: Direction,
    view: &PacketView<'_>,
    policy: TcpPolicy,
    worker: u8,
    counters: &mut LookupCounters,
) {
    let direction = oriented(body, by_key);
    let idle = body.idle(view.at);
    body.count(view.at, direction, view.bytes, view.ttl, true, |by_key| beginning.turn(by_key));
    if view.is_outside {
        body.marks.set(Marks::OUTSIDE);
    }
    if body.is_bypassed() {
        counters.bypassed_packets += 1;
        counters.bypassed_bytes += view.bytes;
        return;
    }
    match view.message {
        Message::Tcp(_) if !view.checksum_ok => counters.invalid_checksum += 1,
        Message::Tcp(tcp) => {
            if tcp.flags.any(TcpFlags::SYN | TcpFlags::RST | TcpFlags::URG) {
                count_flags(tcp.flags, counters);
            }
            if body.owner != worker {
                body.marks.set(Marks::WRONG_THREAD);
                counters.pkt_on_wrong_thread += 1;
            }
            let Some(Detail::Tcp(session)) = detail else { return };
            if !session.takes_expected(tcp, direction, idle, policy) {
                segment(body, session, tcp, direction, idle.secs(), policy, counters);
            }
            if let Some(role) = view.role {
                believe(body, Some(session), role, by_key, policy.compat);
            }
        }
        message => {
            if let Some(role) = view.role {
                believe(body, None, role, by_key, policy.compat);
            }
            if body.both_seen() {
                body.state = FlowState::Established;
            }
            if let (
                Some(Detail::Icmp { response: response @ None, .. }),
                &Message::Icmp { kind, code, .. },
                Direction::ToClient,
            ) = (detail, message, direction)
            {
                *response = Some((kind, code));
            }
        }
    }
}

/// Takes a segment that was not expected into its session.
#[inline(never)]
fn segment(
    body: &mut FlowBody,
    session: &mut TcpSession,
    tcp: &TcpSegment,
    direction: Direction,
    seconds_idle: u64,
    policy: TcpPolicy,
    counters: &mut LookupCounters,
) {
    let outcome = session.segment(tcp, direction, seconds_idle, policy);
    if let Some(state) = outcome.flow_state {
        body.state = state;
    }
    if outcome.midstream_policy {
        body.marks.set(Marks::MIDSTREAM_POLICY);
    }
    if outcome.opened {
        counters.sessions += 1;
        counters.midstream_pickups += u64::from(outcome.midstream);
        if outcome.reversed {
            body.reverse(policy.compat);
        }
    }
    if !outcome.noticed.is_nothing() {
        counters.count_noticed(outcome.noticed);
        if session.is_liberal() {
            body.marks.set(Marks::TCP_LIBERAL);
        }
    }
}

fn count_flags(flags: TcpFlags, counters: &mut LookupCounters) {
    if flags.has(TcpFlags::SYN | TcpFlags::ACK) {
        counters.synack += 1;
    } else if flags.any(TcpFlags::SYN) {
        counters.syn += 1;
    }
    counters.rst += u64::from(flags.any(TcpFlags::RST));
    counters.urg += u64::from(flags.any(TcpFlags::URG));
}
