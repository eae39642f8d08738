//! A flow: who talks to whom, a count, and what is known of the conversation.
//!
//! A flow is in three pieces, each in an array of its block (see `storage::block`), by who touches them. Its [`FlowLine`] is
//! what every packet reads or writes: one cache line. Its [`Detail`], another, is the TCP session or what is known of ICMP; a
//! UDP packet does not touch it. The [`Flow`] itself, by which it is held, is half a line with its count, its link and how
//! it began: touched when it begins, ends or is referred to. IPv4 addresses take four bytes each; what IPv6 addresses have
//! more than that is in the block's annex, as is what only flows inside of others have.
//!
//! The flow's number and its store are not in the flow: its address says where they are.
//!
//! 1. A flow is in one place: a row, a row's evicted list, a queue of ended flows, or a spare queue.
//! 2. The count is one for the place plus one for every [`FlowRef`](crate::FlowRef). A flow whose count is not one is
//!    not ended by time or by force.
//! 3. The key does not change while the flow is in use, so that a holder of a reference may read it without a lock. Body and
//!    detail are read and written only under the lock of the flow's row, or by who owns the flow alone.
//! 4. The detail of a UDP flow is never looked at: it may be that of a flow that had the slot before.

use core::cell::UnsafeCell;
use core::marker::PhantomPinned;

use flumen_kref::Refcount;
use flumen_model::key::KeyHead;
use flumen_model::record::{Endpoint, TcpRecord, Traffic};
use flumen_model::{Direction, FlowKey, FlowState, Ports, Span, Tally, TcpState, Timestamp};

use crate::config::{Compat, TimeoutClass};
use crate::prim::{AtomicU32, Witness};
use crate::tcp::TcpSession;

/// A flow. Reached through [`FlowGuard`](crate::FlowGuard), [`FlowRef`](crate::FlowRef) or an ended flow.
#[repr(C, align(32))]
#[derive(Debug)]
pub struct Flow {
    pub(crate) count: Refcount,
    /// The next flow of an overflow chain or evicted list; see [`Link`](crate::storage::Link).
    pub(crate) next: AtomicU32,
    pub(crate) beginning: UnsafeCell<Beginning>,
    pub(crate) key_use: Witness,
    pub(crate) body_use: Witness,
    /// A flow knows its place by its address: it is not to be swapped with another.
    pub(crate) pinned: PhantomPinned,
}

impl Flow {
    /// One that is in no use: elsewhere zeroed memory is.
    #[cfg(loom)]
    pub(crate) fn vacant() -> Self {
        Self {
            count: Refcount::new(0),
            next: AtomicU32::new(0),
            beginning: UnsafeCell::new(Beginning::new(Timestamp::ZERO, 0)),
            key_use: Witness::default(),
            body_use: Witness::default(),
            pinned: PhantomPinned,
        }
    }
}

/// What every packet of a flow touches.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct FlowLine {
    pub(crate) key: UnsafeCell<KeyHead>,
    pub(crate) body: UnsafeCell<FlowBody>,
}

/// How a flow began, and what else few packets ask for. Read and written as the body is.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// Time of the first packet.
    pub(crate) first_seen: Timestamp,
    /// Number of the packet that opened the flow: what the flow's id is made from.
    pub(crate) origin: u64,
    /// How often the packets of a direction have gone beyond 32 bits. The directions are those of the key, not those that turn
    /// with client and server.
    turns: [u32; 2],
}

/// What is known of a conversation besides its beginning. Changes only under the row's lock.
#[repr(C)]
#[derive(Clone, Debug)]
pub(crate) struct FlowBody {
    /// Time of the latest packet; never moves back.
    pub(crate) last_seen: Timestamp,
    /// Packets, the low 32 bits: [`Beginning`] has the others.
    packets: [u32; 2],
    pub(crate) bytes: [u64; 2],
    /// Lowest and highest time to live of each direction.
    pub(crate) ttl: [TtlRange; 2],
    pub(crate) state: FlowState,
    /// Worker that took the first packet.
    pub(crate) owner: u8,
    pub(crate) marks: Marks,
}

/// Lowest and highest time to live; empty while lowest is above highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TtlRange {
    pub(crate) low: u8,
    pub(crate) high: u8,
}

/// What only some protocols have.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    /// Nothing; not written for UDP.
    None,
    Tcp(TcpSession),
    Icmp {
        request: (u8, u8),
        response: Option<(u8, u8)>,
    },
}

/// Facts that are true or not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub(crate) struct Marks(u16);

impl Marks {
    /// A packet came from the client; the next bit: from the server.
    pub(crate) const SEEN_TO_SERVER: u16 = 1;
    pub(crate) const SEEN_TO_CLIENT: u16 = 1 << 1;
    /// The key's client is the server: a SYN+ACK opened the session.
    pub(crate) const REVERSED: u16 = 1 << 2;
    /// The midstream policy was applied.
    pub(crate) const MIDSTREAM_POLICY: u16 = 1 << 3;
    /// A packet came on another worker.
    pub(crate) const WRONG_THREAD: u16 = 1 << 4;
    /// Elephant to the server; the next bit: to the client.
    pub(crate) const ELEPHANT_TO_SERVER: u16 = 1 << 5;
    pub(crate) const ELEPHANT_TO_CLIENT: u16 = 1 << 6;
    /// What was said has shown who is client and who is server.
    pub(crate) const ROLES_KNOWN: u16 = 1 << 8;
    /// Packets of the flow had other packets in them.
    pub(crate) const OUTSIDE: u16 = 1 << 7;
    /// The capture has lost packets of the TCP session.
    pub(crate) const TCP_LIBERAL: u16 = 1 << 9;

    /// The highest two bits: the class of timeouts, so that a flow's deadline is known without its key.
    const CLASS_SHIFT: u32 = 14;

    const fn of(class: TimeoutClass) -> Self {
        Self((class as u16) << Self::CLASS_SHIFT)
    }
    pub(crate) const fn timeout_class(self) -> TimeoutClass {
        // Not out of an array: so it is known to be the number itself.
        match self.0 >> Self::CLASS_SHIFT {
            0 => TimeoutClass::Default,
            1 => TimeoutClass::Tcp,
            2 => TimeoutClass::Udp,
            _ => TimeoutClass::Icmp,
        }
    }
    pub(crate) const fn has(self, mark: u16) -> bool {
        self.0 & mark == mark
    }
    pub(crate) const fn any(self, marks: u16) -> bool {
        self.0 & marks != 0
    }
    pub(crate) const fn set(&mut self, mark: u16) {
        self.0 |= mark;
    }
}

impl TtlRange {
    pub(crate) const EMPTY: Self = Self { low: u8::MAX, high: 0 };

    fn add(&mut self, ttl: u8) {
        self.low = self.low.min(ttl);
        self.high = self.high.max(ttl);
    }
    const fn pair(self) -> Option<(u8, u8)> {
        if self.low > self.high { None } else { Some((self.low, self.high)) }
    }
}

/// What is known of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct FlowView<'f> {
    pub(crate) body: &'f FlowBody,
    pub(crate) beginning: &'f Beginning,
}

impl Beginning {
    pub(crate) const fn new(at: Timestamp, origin: u64) -> Self {
        Self { first_seen: at, origin, turns: [0; 2] }
    }
    /// The packets of a direction of the key have begun anew at zero.
    #[cold]
    pub(crate) const fn turn(&mut self, by_key: Direction) {
        self.turns[by_key.index()] += 1;
    }
}

impl FlowBody {
    /// A body without a conversation.
    pub(crate) const VACANT: Self = Self {
        last_seen: Timestamp::ZERO,
        packets: [0; 2],
        bytes: [0; 2],
        ttl: [TtlRange::EMPTY; 2],
        state: FlowState::New,
        owner: 0,
        marks: Marks(0),
    };

    /// A new conversation of which the first packet has not been counted yet.
    pub(crate) const fn begin(at: Timestamp, owner: u8, class: TimeoutClass) -> Self {
        Self { last_seen: at, owner, marks: Marks::of(class), ..Self::VACANT }
    }

    /// Counts a packet. Its direction is seen from now on, unless the packet only speaks about the flow (an ICMP
    /// error), which says nothing about who has spoken. `turn` is told when the packets begin anew at zero.
    #[inline(always)]
    pub(crate) fn count(
        &mut self,
        at: Timestamp,
        dir: Direction,
        bytes: u64,
        ttl: u8,
        speaks: bool,
        turn: impl FnOnce(Direction),
    ) {
        self.last_seen = self.last_seen.max(at);
        let i = dir.index();
        self.packets[i] = self.packets[i].wrapping_add(1);
        if self.packets[i] == 0 {
            turn(self.by_key(dir));
        }
        self.bytes[i] += bytes;
        self.ttl[i].add(ttl);
        if speaks {
            self.marks.set(Marks::SEEN_TO_SERVER << i);
        }
    }
    /// The direction of the key that is `dir` for the client and server as they are now known, and the other way round.
    pub(crate) const fn by_key(&self, dir: Direction) -> Direction {
        if self.marks.has(Marks::REVERSED) { dir.opposite() } else { dir }
    }
    /// Whether both ends have spoken.
    pub(crate) const fn both_seen(&self) -> bool {
        self.marks.has(Marks::SEEN_TO_SERVER | Marks::SEEN_TO_CLIENT)
    }
    /// How long the flow had been silent at `now`.
    pub(crate) const fn idle(&self, now: Timestamp) -> Span {
        now.since(self.last_seen)
    }
    /// Whether packets are only counted.
    pub(crate) const fn is_bypassed(&self) -> bool {
        matches!(self.state, FlowState::LocalBypassed)
    }
    /// Whether the flow has a [`Detail`] that may be looked at.
    pub(crate) const fn has_detail(&self) -> bool {
        !matches!(self.marks.timeout_class(), TimeoutClass::Udp)
    }
    /// Whether this is a TCP flow.
    pub(crate) const fn is_tcp(&self) -> bool {
        matches!(self.marks.timeout_class(), TimeoutClass::Tcp)
    }
    /// Swaps who is client and who is server, with all that was counted per direction; in compat mode without the times to
    /// live, which stay where they are in Suricata.
    pub(crate) fn reverse(&mut self, compat: Compat) {
        self.marks.0 ^= Marks::REVERSED;
        self.packets.swap(0, 1);
        self.bytes.swap(0, 1);
        if compat == Compat::Flumen {
            self.ttl.swap(0, 1);
        }
        const TO_SERVER: u16 = Marks::SEEN_TO_SERVER | Marks::ELEPHANT_TO_SERVER;
        const TO_CLIENT: u16 = Marks::SEEN_TO_CLIENT | Marks::ELEPHANT_TO_CLIENT;
        let (to_server, to_client) = (self.marks.0 & TO_SERVER, self.marks.0 & TO_CLIENT);
        self.marks.0 = self.marks.0 & !(TO_SERVER | TO_CLIENT) | to_server << 1 | to_client >> 1;
    }

    pub(crate) fn endpoint(&self, key: &FlowKey, detail: Option<&Detail>) -> Endpoint {
        match (detail, key.scope().protocol()) {
            (Some(Detail::Icmp { request, response }), _) => Endpoint::Icmp { request: *request, response: *response },
            (_, PROTO_TCP | PROTO_UDP | PROTO_SCTP) => Endpoint::Ports(if self.marks.has(Marks::REVERSED) {
                Ports { src: key.ports().dst, dst: key.ports().src }
            } else {
                key.ports()
            }),
            (_, PROTO_ESP) => Endpoint::Spi(u32::from(key.ports().src) << 16 | u32::from(key.ports().dst)),
            _ => Endpoint::None,
        }
    }
}

impl FlowView<'_> {
    /// Time of the first packet.
    #[must_use]
    pub const fn first_seen(&self) -> Timestamp {
        self.beginning.first_seen
    }
    /// Time of the latest packet.
    #[must_use]
    pub const fn last_seen(&self) -> Timestamp {
        self.body.last_seen
    }
    /// The number by which the first packet is known: no other flow of the run has it.
    #[must_use]
    pub const fn origin(&self) -> u64 {
        self.beginning.origin
    }
    /// State of the flow.
    #[must_use]
    pub const fn state(&self) -> FlowState {
        self.body.state
    }
    /// What one direction carried so far.
    #[must_use]
    pub const fn traffic(&self, dir: Direction) -> Traffic {
        let (i, turns) = (dir.index(), self.beginning.turns[self.body.by_key(dir).index()]);
        let packets = self.body.packets[i] as u64 | (turns as u64) << 32;
        Traffic { packets, bytes: self.body.bytes[i], ttl: self.body.ttl[i].pair() }
    }
    /// Packets and bytes of both directions.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        let (there, back) = (self.traffic(Direction::ToServer), self.traffic(Direction::ToClient));
        Tally { packets: there.packets + back.packets, bytes: there.bytes + back.bytes }
    }
    /// Whether the capture has lost packets of the TCP session.
    #[must_use]
    pub const fn is_tcp_liberal(&self) -> bool {
        self.body.marks.has(Marks::TCP_LIBERAL)
    }
}

impl Detail {
    pub(crate) const fn tcp_record(&self) -> Option<TcpRecord> {
        match self {
            Self::Tcp(session) => Some(TcpRecord { flags: session.tcp_flags(), state: self.tcp_state() }),
            _ => None,
        }
    }
    /// State of the TCP session, when there is one.
    pub(crate) const fn tcp_state(&self) -> Option<TcpState> {
        match self {
            Self::Tcp(session) if !matches!(session.state(), TcpState::None) => Some(session.state()),
            _ => None,
        }
    }
}

/// Numbers of the IP protocols that are told apart.
pub(crate) const PROTO_ICMP: u8 = 1;
/// IP protocol of TCP.
pub const PROTO_TCP: u8 = 6;
/// IP protocol of UDP.
pub const PROTO_UDP: u8 = 17;
pub(crate) const PROTO_ESP: u8 = 50;
pub(crate) const PROTO_ICMPV6: u8 = 58;
pub(crate) const PROTO_SCTP: u8 = 132;

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<FlowLine>() == 64, "what a packet touches is one line");
    assert!(size_of::<Flow>() == 32, "half a line");
    assert!(size_of::<Detail>() <= 64, "a session and its tag fit a line");
};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn more_packets_than_32_bits_hold_then_none_is_forgotten_also_when_client_and_server_turn() {
        let mut body = FlowBody::begin(Timestamp::ZERO, 0, TimeoutClass::Udp);
        let mut beginning = Beginning::new(Timestamp::ZERO, 1);
        body.packets = [u32::MAX, 5];
        body.count(Timestamp::ZERO, Direction::ToServer, 60, 64, true, |by_key| beginning.turn(by_key));
        body.count(Timestamp::ZERO, Direction::ToServer, 60, 64, true, |by_key| beginning.turn(by_key));
        let packets = |body: &FlowBody, beginning: &Beginning| {
            let view = FlowView { body, beginning };
            [Direction::ToServer, Direction::ToClient].map(|dir| view.traffic(dir).packets)
        };
        assert_eq!(packets(&body, &beginning), [(1 << 32) + 1, 5]);
        body.reverse(Compat::Flumen);
        assert_eq!(packets(&body, &beginning), [5, (1 << 32) + 1]);
        body.packets[0] = u32::MAX;
        body.count(Timestamp::ZERO, Direction::ToServer, 60, 64, true, |by_key| beginning.turn(by_key));
        assert_eq!(packets(&body, &beginning), [1 << 32, (1 << 32) + 1]);
    }
}
