//! The books: what was given to the table and what came out of it, kept apart from the table's own counters.

use std::collections::HashMap;

use flumen_model::key::Scope;
use flumen_model::record::FlowRecord;
use flumen_model::{EndReason, FlowKey, FlowState, Ledger, Span, Tally, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowView, TableConfig, TimeoutClass, TrackTunnel};
use flumen_wire::NonFlow;
use traffic::splitmix;

use crate::law::{Law, Probe, Probes, Violation, holds};

/// What went in and what came out.
#[derive(Debug)]
pub(crate) struct Book {
    ids: FlowIds,
    config: TableConfig,
    pub(crate) ledger: Ledger,
    /// Packets of each conversation that were counted and are not in a record yet.
    open: HashMap<FlowKey, i64>,
    pub(crate) records: Vec<FlowRecord>,
    /// Sum of the traces of all recorded flows.
    pub(crate) trace: u64,
    pub(crate) forced: u64,
    pub(crate) reused: u64,
    /// Packets for which the table found no room.
    pub(crate) no_room: u64,
    /// Latest time given to the table.
    pub(crate) latest: Timestamp,
    pub(crate) probes: Probes,
}

impl Book {
    pub(crate) fn new(first: Timestamp, config: &TableConfig) -> Self {
        Self {
            ids: FlowIds::new(first),
            config: config.clone(),
            ledger: Ledger::default(),
            open: HashMap::new(),
            records: Vec::new(),
            trace: 0,
            forced: 0,
            reused: 0,
            no_room: 0,
            latest: Timestamp::ZERO,
            probes: Probes::default(),
        }
    }

    pub(crate) fn read(&mut self, at: Timestamp, bytes: u64) {
        self.ledger.read.add(bytes);
        self.latest = self.latest.max(at);
    }
    pub(crate) fn counted(&mut self, key: &FlowKey) {
        *self.open.entry(conversation(key, &self.config)).or_default() += 1;
    }
    pub(crate) fn refused(&mut self, reason: NonFlow, bytes: u64) {
        self.ledger.non_flow(reason, bytes);
        self.probes.hit(match reason {
            NonFlow::Memcap => Probe::RefusedMemcap,
            NonFlow::Emergency => Probe::RefusedEmergency,
            _ => Probe::RefusedIcmp,
        });
    }

    /// Makes the record of a flow.
    pub(crate) fn record(&mut self, flow: &EndedFlow) -> Result<(), Violation> {
        let record = flow.record(self.ids);
        self.check(flow, &record)?;
        for traffic in [&record.to_server, &record.to_client] {
            self.ledger.in_flows.merge(Tally { packets: traffic.packets, bytes: traffic.bytes });
            *self.open.entry(conversation(&flow.key(), &self.config)).or_default() -= traffic.packets as i64;
        }
        self.trace = self.trace.wrapping_add(trace(flow.body()));
        match record.reason {
            EndReason::Forced => self.forced += 1,
            EndReason::TcpReuse => self.reused += 1,
            _ => {}
        }
        self.probes.add(Probe::WrongThread, u64::from(record.wrong_thread));
        self.records.push(record);
        Ok(())
    }

    /// What the reason of an end says about its time.
    fn check(&self, flow: &EndedFlow, record: &FlowRecord) -> Result<(), Violation> {
        let packets = record.to_server.packets + record.to_client.packets;
        holds(Law::RefusalLeavesNoTrace, packets > 0, || format!("a flow without packets: {record:?}"))?;
        let idle = flow.at.since(record.end);
        // Nobody takes a reference to a flow that has ended, so what is referenced now was referenced when it ended.
        let regardless = matches!(record.reason, EndReason::TcpReuse | EndReason::Shutdown);
        holds(Law::NoEarlyFree, regardless || flow.references() == 1, || {
            format!("{} references to a flow that was ended: {record:?}", flow.references())
        })?;
        match record.reason {
            EndReason::Timeout => {
                let class = TimeoutClass::of(record.protocol);
                let at = |emergency| record.end + self.config.timeouts.of(class, record.state, emergency);
                let known = flow.at == at(false) || flow.at == at(true);
                holds(Law::Deadline, known, || format!("timed out {idle:?} after its last packet: {record:?}"))?;
                holds(Law::Deadline, flow.at <= self.latest, || format!("timed out before its time: {record:?}"))
            }
            EndReason::Forced => {
                let secs = match record.state {
                    FlowState::New => 1,
                    FlowState::Established => 5,
                    FlowState::Closed => 3,
                    FlowState::LocalBypassed => 30,
                };
                let spared = idle < Span::from_secs(secs);
                holds(Law::ForceIsTheLastResort, !spared, || format!("a flow that just spoke was taken: {record:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Nothing is open any more.
    pub(crate) fn is_balanced(&self) -> Result<(), Violation> {
        let unaccounted = self.ledger.unaccounted();
        holds(Law::Conservation, unaccounted == (0, 0), || format!("packets and bytes unaccounted: {unaccounted:?}"))?;
        let open = self.open.iter().find(|(_, packets)| **packets != 0);
        holds(Law::Conservation, open.is_none(), || format!("packets in another's record: {open:?}"))
    }
}

/// A key that all packets of a conversation have, whichever way they go.
fn conversation(key: &FlowKey, config: &TableConfig) -> FlowKey {
    const ESP: u8 = 50;
    let key = tracked(key, config);
    let (client, server) = ((key.client(), key.ports().src), (key.server(), key.ports().dst));
    if key.scope().protocol() != ESP && client > server { key.turned() } else { key }
}

/// A key without what tells nothing apart: tags that are not tracked, and how many there were.
pub(crate) fn tracked(key: &FlowKey, config: &TableConfig) -> FlowKey {
    let tracks_tunnel = config.track_tunnel != TrackTunnel::No;
    let bits = [
        (true, Scope::PROTOCOL),
        (config.track_vlan, Scope::VLAN),
        (config.track_device, Scope::DEVICE),
        (config.track_recursion, Scope::RECURSION),
        (tracks_tunnel, Scope::TUNNEL),
    ];
    let scope = key.scope().masked(bits.iter().filter(|(tracked, _)| *tracked).map(|(_, bits)| bits).sum());
    let tunnel_id = if tracks_tunnel { key.tunnel_id() } else { 0 };
    FlowKey::new(key.client(), key.server(), key.ports(), tunnel_id, scope)
}

/// A number that changes with everything that a packet may change in a flow, wherever the flow is.
pub(crate) fn trace(body: FlowView<'_>) -> u64 {
    use flumen_model::Direction::{ToClient, ToServer};
    let (server, client) = (body.traffic(ToServer), body.traffic(ToClient));
    let mut sum = body.origin();
    for word in [
        server.packets,
        server.bytes,
        client.packets,
        client.bytes,
        body.first_seen().nanos(),
        body.last_seen().nanos(),
        body.state() as u64,
    ] {
        sum = splitmix(sum ^ word);
    }
    sum
}
