//! What is known of a flow when it has ended. Sinks turn a [`FlowRecord`] into bytes; nothing of the table remains in it.

use crate::time::Timestamp;
use flumen_wire::{Address, IpVersion, Macs, Ports, Tunnel, VlanTags};

/// One ended flow.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    /// Unique in a run, the same in the next run over the same input, at most 2^53 − 1 so that JSON readers keep it.
    pub flow_id: u64,
    /// The moment the record was made: packet time when a file is read.
    pub logged: Timestamp,
    /// Where among tunnels the flow stands; `None` for a flow that has to do with none.
    pub nesting: Option<Nesting>,
    /// Interface of the capture on which the flow's packets came in, by its number.
    pub device: u16,
    /// VLAN ids of the flow's packets.
    pub vlan: VlanTags,
    /// IP version.
    pub ip_version: IpVersion,
    /// The end that opened the conversation.
    pub client: Address,
    /// The other end.
    pub server: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// What follows the addresses, by protocol.
    pub endpoint: Endpoint,
    /// Packets and bytes from the client to the server.
    pub to_server: Traffic,
    /// Packets and bytes from the server to the client.
    pub to_client: Traffic,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// State in which the flow ended.
    pub state: FlowState,
    /// Why it ended.
    pub reason: EndReason,
    /// It was ended by force while the table was in emergency mode.
    pub emergency: bool,
    /// A packet of a TCP flow came on another worker than the first one.
    pub wrong_thread: bool,
    /// Directions (to server, to client) in which the flow was found to be an elephant.
    pub elephant: [bool; 2],
    /// The packet met no TCP session and the midstream policy was applied to it.
    pub midstream_policy: bool,
    /// TCP detail; `None` for other protocols.
    pub tcp: Option<TcpRecord>,
    /// MAC addresses seen, when they are collected.
    pub macs: Option<Box<MacSet>>,
    /// Set on an interim record of a flow that goes on: its place and what is new since the one before.
    pub interim: Option<Box<Interim>>,
}

/// An update about a flow that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interim {
    /// 1 for the first update of the flow.
    pub sequence: u32,
    /// New packets and bytes since the update before, to server and to client.
    pub delta: [Traffic; 2],
}

/// Where a flow stands among tunnels.
///
/// Every captured byte is counted once by the flows of depth 0, and every byte of payload once by the flows that are no
/// outside: so sums leave out one kind or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nesting {
    /// How many tunnels the flow's packets came out of.
    pub depth: u8,
    /// What tells the innermost of them from others between the same hosts.
    pub tunnel: Tunnel,
    /// Id of the flow of the packets around this one's, when they have a flow.
    pub parent_id: Option<u64>,
    /// Packets of this flow had other packets in them, which have flows of their own.
    pub is_outside: bool,
}

/// What tells the conversations of two hosts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP, UDP, SCTP.
    Ports(Ports),
    /// ICMP, ICMPv6: type and code of the first packet, and of the first answer when there was one.
    Icmp {
        /// Type and code of the client's messages.
        request: (u8, u8),
        /// Type and code of the server's messages, once there was one.
        response: Option<(u8, u8)>,
    },
    /// ESP: security parameters index.
    Spi(u32),
    /// Nothing.
    None,
}

/// What one direction carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Lowest and highest time to live; `None` while no packet has set it.
    pub ttl: Option<(u8, u8)>,
}

/// TCP part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpRecord {
    /// All flags seen to the server and to the client once there was a session.
    pub flags: [u8; 2],
    /// State of the session; `None` when there never was one.
    pub state: Option<TcpState>,
}

/// MAC addresses of a flow, in the order in which they were first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MacSet {
    /// From the client's side, as source.
    pub src: Vec<[u8; 6]>,
    /// From the client's side, as destination.
    pub dst: Vec<[u8; 6]>,
}

impl MacSet {
    /// Adds the addresses of one frame, keeping at most `max` of each.
    pub fn add(&mut self, macs: Macs, max: usize) {
        for (list, mac) in [(&mut self.src, macs.src()), (&mut self.dst, macs.dst())] {
            if list.len() < max && !list.contains(&mac) {
                list.push(mac);
            }
        }
    }
}

/// State of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FlowState {
    /// One side has spoken, or the handshake is not over.
    #[default]
    New,
    /// Both sides have spoken, or the TCP handshake is over.
    Established,
    /// The TCP session is over.
    Closed,
    /// Packets are only counted.
    LocalBypassed,
}

impl FlowState {
    /// All states, in the order of `flow.end.state`.
    pub const ALL: [Self; 4] = [Self::New, Self::Established, Self::Closed, Self::LocalBypassed];

    /// The word in records: bypassed flows say `bypassed` here and `local` in `bypass`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Established => "established",
            Self::Closed => "closed",
            Self::LocalBypassed => "bypassed",
        }
    }
}

/// Why a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// No packet for as long as its protocol and state allow.
    Timeout,
    /// It made room for another one.
    Forced,
    /// The run ended.
    Shutdown,
    /// A new TCP session took its tuple.
    TcpReuse,
    /// Nothing is known (an interim record of a live flow).
    Unknown,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Timeout, Self::Forced, Self::Shutdown, Self::TcpReuse, Self::Unknown];

    /// The word in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Forced => "forced",
            Self::Shutdown => "shutdown",
            Self::TcpReuse => "tcp_reuse",
            Self::Unknown => "unknown",
        }
    }
}

/// State of a TCP session as an observer between the two ends sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// A session exists but no packet has moved it.
    #[default]
    None,
    /// SYN seen.
    SynSent,
    /// SYN and SYN+ACK seen.
    SynRecv,
    /// Handshake over.
    Established,
    /// The server's FIN was first.
    FinWait1,
    /// And it was acknowledged.
    FinWait2,
    /// Both FINs seen and acknowledged, client last.
    TimeWait,
    /// Both FINs seen, the client's was first.
    LastAck,
    /// The client's FIN was first.
    CloseWait,
    /// Both sent a FIN at the same time.
    Closing,
    /// Over.
    Closed,
}

impl TcpState {
    /// All states, in the order of `flow.end.tcp_state`.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::SynSent,
        Self::SynRecv,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::LastAck,
        Self::CloseWait,
        Self::Closing,
        Self::Closed,
    ];

    /// The word in records and counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::Established => "established",
            Self::FinWait1 => "fin_wait1",
            Self::FinWait2 => "fin_wait2",
            Self::TimeWait => "time_wait",
            Self::LastAck => "last_ack",
            Self::CloseWait => "close_wait",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}
