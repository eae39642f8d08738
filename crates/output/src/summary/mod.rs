//! What a run was about, for a person at a terminal.
//!
//! [`Summary`] is a sink that adds records up while they pass and keeps none of them; [`Summary::render`] then says
//! what was there: when, how much, which protocols, who talked most, where the packets went, and what was odd.
//!
//! Memory is bounded whatever passes: fixed arrays, and two lists of the largest that are exact up to
//! [`KEYS_EXACT`] keys and from there on say by how much they may be short (below 1 MB for both).
//! Interim records are left out, because the record of the end holds all of the flow.

mod hash;
mod render;
mod report;
mod table;
mod top;
mod units;

pub use report::{Layout, Notice, RunReport, Style};

use flumen_model::record::{Endpoint, FlowState};
use flumen_model::sink::{RecordSink, SinkError, Stats};
use flumen_model::{Address, EndReason, FlowRecord, IpVersion, TcpFlags, TcpState, Timestamp};
use std::hash::{Hash, Hasher};
use top::{Sum, Top};

/// Adds records up.
#[derive(Debug)]
pub struct Summary {
    total: Sum,
    first: Option<Timestamp>,
    last: Timestamp,
    /// By IP protocol number.
    protocols: Box<[Sum; 256]>,
    /// In the order of [`FlowState::ALL`].
    states: [u64; FlowState::ALL.len()],
    /// In the order of [`REASONS`].
    reasons: [u64; REASONS.len()],
    conversations: Top<Conversation>,
    services: Top<Service>,
    odd: Oddities,
}

/// All flows of one client to one service of one server. The client's ports are not part of it: they differ from
/// connection to connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Conversation {
    v6: bool,
    client: Address,
    server: Address,
    service: Service,
}

/// A protocol, and the server's port where it has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Service {
    protocol: u8,
    port: Option<u16>,
}

impl Hash for Conversation {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(u128::from_ne_bytes(self.client.0));
        hasher.write_u128(u128::from_ne_bytes(self.server.0));
        hasher.write_u64(self.service.word() | u64::from(self.v6) << 63);
    }
}

impl Hash for Service {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.word());
    }
}

impl Service {
    /// All of it in the lower half of a word.
    #[inline]
    fn word(self) -> u64 {
        let port = self.port.map_or(0, |port| 1 << 16 | u64::from(port));
        u64::from(self.protocol) | port << 8
    }
}

/// Flows that deserve a look, by what is odd about them.
#[derive(Clone, Copy, Debug, Default)]
struct Oddities {
    unanswered_syn: u64,
    one_sided_tcp: u64,
    no_handshake: u64,
    reset: u64,
    single_packet: u64,
    forced: u64,
    elephants: u64,
    wrong_thread: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self::new()
    }
}

impl Summary {
    /// A summary of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            total: Sum::default(),
            first: None,
            last: Timestamp::ZERO,
            protocols: Box::new([Sum::default(); 256]),
            states: Default::default(),
            reasons: Default::default(),
            conversations: Top::new(KEYS_EXACT / 2),
            services: Top::new(KEYS_EXACT / 2),
            odd: Oddities::default(),
        }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &FlowRecord) {
        if record.interim.is_some() {
            return;
        }
        let packets = record.to_server.packets.saturating_add(record.to_client.packets);
        let bytes = record.to_server.bytes.saturating_add(record.to_client.bytes);
        self.total.add(packets, bytes);
        self.first = Some(self.first.map_or(record.start, |first| first.min(record.start)));
        self.last = self.last.max(record.end);
        self.protocols[usize::from(record.protocol)].add(packets, bytes);
        self.states[record.state as usize] += 1;
        if let Some(at) = REASONS.iter().position(|&reason| reason == record.reason) {
            self.reasons[at] += 1;
        }
        let port = match record.endpoint {
            Endpoint::Ports(ports) => Some(ports.dst),
            Endpoint::Icmp { .. } | Endpoint::Spi(_) | Endpoint::None => None,
        };
        let service = Service { protocol: record.protocol, port };
        self.services.add(service, packets, bytes);
        let v6 = record.ip_version == IpVersion::V6;
        let conversation = Conversation { v6, client: record.client, server: record.server, service };
        self.conversations.add(conversation, packets, bytes);
        self.odd.add(record, packets);
    }
}

impl RecordSink for Summary {
    fn flows(&mut self, records: &[FlowRecord]) -> Result<(), SinkError> {
        records.iter().for_each(|record| self.add(record));
        Ok(())
    }
    /// Nothing to do: the account of the whole run comes with the [`RunReport`].
    fn stats(&mut self, _: &Stats) -> Result<(), SinkError> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Oddities {
    fn add(&mut self, record: &FlowRecord, packets: u64) {
        let one_sided = record.to_server.packets == 0 || record.to_client.packets == 0;
        if let Some(tcp) = record.tcp {
            let flags = tcp.flags[0] | tcp.flags[1];
            match tcp.state {
                Some(TcpState::SynSent) if one_sided => self.unanswered_syn += 1,
                _ => self.one_sided_tcp += u64::from(one_sided),
            }
            self.no_handshake += u64::from(tcp.state.is_none());
            self.reset += u64::from(flags & TcpFlags::RST != 0);
        }
        self.single_packet += u64::from(packets == 1);
        self.forced += u64::from(record.reason == EndReason::Forced);
        self.elephants += u64::from(record.elephant != [false; 2]);
        self.wrong_thread += u64::from(record.wrong_thread);
    }
}

/// In the order in which they are listed.
const REASONS: [EndReason; 5] =
    [EndReason::Timeout, EndReason::Shutdown, EndReason::TcpReuse, EndReason::Forced, EndReason::Unknown];
/// Conversations, and services, up to which the lists of the largest are exact.
pub const KEYS_EXACT: usize = 4096;
