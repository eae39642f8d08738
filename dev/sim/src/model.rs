//! The slow, obvious model: what records a calm run must give of everything that is not TCP, written down without a
//! table, rows, workers or memory. A list of flows, searched from one end to the other.

use flumen_model::record::{EndReason, FlowState, Traffic};
use flumen_model::{Address, FlowKey, FlowRecord, Timestamp};
use flumen_table::{Compat, FlowIds, PacketKey, TableConfig, TimeoutClass};

use crate::book::tracked;
use flumen_wire::Transport;

use crate::packets::{SimPacket, origin};

/// What the model knows of a record.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Expected {
    flow_id: u64,
    client: Address,
    server: Address,
    protocol: u8,
    traffic: [Traffic; 2],
    start: Timestamp,
    end: Timestamp,
    state: FlowState,
    reason: EndReason,
    logged: Timestamp,
}

#[derive(Clone, Debug)]
struct Flow {
    key: FlowKey,
    seen: [bool; 2],
    record: Expected,
}

const TCP: u8 = 6;
const ESP: u8 = 50;

/// The records of all conversations that are not TCP, sorted.
pub(crate) fn records(packets: &[SimPacket], config: &TableConfig) -> Vec<Expected> {
    let mut flows: Vec<Flow> = Vec::new();
    let mut records = Vec::new();
    let ids = FlowIds::new(packets.first().map_or(Timestamp::ZERO, |packet| packet.at));
    for (n, packet) in packets.iter().enumerate() {
        let (key, own) = match PacketKey::of(&packet.packet, 0, config) {
            PacketKey::Own(key) => (key, true),
            PacketKey::About(key) => (key, false),
            PacketKey::Nothing => continue,
        };
        let key = tracked(&key, config);
        if key.scope().protocol() == TCP {
            continue;
        }
        let mut found = flows.iter().position(|flow| way(&flow.key, &key, config).is_some());
        if let Some(i) = found
            && deadline(&flows[i].record, config) <= packet.at
        {
            // An error about a flow that is over says nothing; the flow's own packet begins another.
            if own {
                records.push(over(flows.remove(i).record, None, config));
            }
            found = None;
        }
        if found.is_none() && own {
            flows.push(begin(ids.id(origin(n)), key, packet.at));
            found = Some(flows.len() - 1);
        }
        if let Some(i) = found {
            count(&mut flows[i], &key, own, packet, config);
        }
    }
    let last = packets.iter().map(|packet| packet.at).max().unwrap_or_default();
    records.extend(flows.into_iter().map(|flow| over(flow.record, Some(last), config)));
    records.sort_by_key(|record| record.flow_id);
    records
}

/// What a run recorded, as far as the model can tell.
pub(crate) fn seen(records: &[FlowRecord]) -> Vec<Expected> {
    let mut seen: Vec<_> = records
        .iter()
        .filter(|record| record.protocol != TCP)
        .map(|record| Expected {
            flow_id: record.flow_id,
            client: record.client,
            server: record.server,
            protocol: record.protocol,
            traffic: [record.to_server, record.to_client],
            start: record.start,
            end: record.end,
            state: record.state,
            reason: record.reason,
            logged: record.logged,
        })
        .collect();
    seen.sort_by_key(|record| record.flow_id);
    seen
}

/// 0 for a packet that goes to the server: as the flow's first did, or, in compat mode, of a protocol without ports. 1 for
/// one that goes the other way.
fn way(flow: &FlowKey, packet: &FlowKey, config: &TableConfig) -> Option<usize> {
    const WITH_SIDES: [u8; 5] = [1, TCP, 17, 58, 132];
    if flow == packet {
        Some(0)
    } else if *flow == packet.turned() && flow.scope().protocol() != ESP {
        let has_sides = config.compat == Compat::Flumen || WITH_SIDES.contains(&flow.scope().protocol());
        Some(usize::from(has_sides))
    } else {
        None
    }
}

fn begin(flow_id: u64, key: FlowKey, at: Timestamp) -> Flow {
    let record = Expected {
        flow_id,
        client: key.client(),
        server: key.server(),
        protocol: key.scope().protocol(),
        traffic: [Traffic::default(); 2],
        start: at,
        end: at,
        state: FlowState::New,
        reason: EndReason::Unknown,
        logged: at,
    };
    Flow { key, seen: [false; 2], record }
}

fn count(flow: &mut Flow, key: &FlowKey, own: bool, packet: &SimPacket, config: &TableConfig) {
    let sent = if own {
        way(&flow.key, key, config).unwrap_or(0)
    } else {
        usize::from(packet.packet.src != flow.key.client())
    };
    let traffic = &mut flow.record.traffic[sent];
    traffic.packets += 1;
    traffic.bytes += packet.bytes;
    let ttl = packet.packet.ttl;
    traffic.ttl = Some(traffic.ttl.map_or((ttl, ttl), |(low, high)| (low.min(ttl), high.max(ttl))));
    flow.record.end = packet.at;
    if own {
        flow.seen[sent] = true;
        if flow.seen == [true; 2] {
            flow.record.state = FlowState::Established;
        }
    }
    debug_assert!(!matches!(packet.packet.transport, Transport::Tcp(_)));
}

fn deadline(record: &Expected, config: &TableConfig) -> Timestamp {
    record.end + config.timeouts.of(TimeoutClass::of(record.protocol), record.state, false)
}

/// Ends a flow: by its timeout, or by the end of the run at `last` if that comes first.
fn over(mut record: Expected, last: Option<Timestamp>, config: &TableConfig) -> Expected {
    let deadline = deadline(&record, config);
    (record.logged, record.reason) = match last {
        Some(last) if deadline > last => (last, EndReason::Shutdown),
        _ => (deadline, EndReason::Timeout),
    };
    record
}
