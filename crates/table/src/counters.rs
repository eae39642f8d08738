//! What one worker counts: plain numbers, merged when they are read.

use crate::flow::Detail;
use crate::storage::EndedFlow;
use crate::tcp::Noticed;
use flumen_model::{FlowState, TcpState};

/// Counters of one worker. Field names follow Suricata's counter names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupCounters {
    /// `flow.memcap`: packets for which no flow could be had.
    pub memcap: u64,
    /// `flow.total`.
    pub total: u64,
    /// `flow.tcp`.
    pub tcp: u64,
    /// `flow.udp`.
    pub udp: u64,
    /// `flow.icmpv4`.
    pub icmpv4: u64,
    /// `flow.icmpv6`.
    pub icmpv6: u64,
    /// `flow.tcp_reuse`.
    pub tcp_reuse: u64,
    /// `flow.elephant`.
    pub elephant: u64,
    /// `flow.elephant_toserver`.
    pub elephant_toserver: u64,
    /// `flow.elephant_toclient`.
    pub elephant_toclient: u64,
    /// `flow.get_used`: flows taken by force.
    pub get_used: u64,
    /// `flow.get_used_eval`: rows looked at for it.
    pub get_used_eval: u64,
    /// `flow.get_used_eval_reject`: rows in which every flow was too much alive.
    pub get_used_eval_reject: u64,
    /// `flow.get_used_eval_busy`: rows, or flows, that another thread held.
    pub get_used_eval_busy: u64,
    /// `flow.get_used_failed`: no row gave one.
    pub get_used_failed: u64,
    /// `flow.rows_full`: flows ended by force because their row had become as long as a row may be.
    pub rows_full: u64,
    /// `flow.wrk.spare_sync`: blocks fetched from the pool.
    pub spare_sync: u64,
    /// Flows in them: `flow.wrk.spare_sync_avg` is the quotient.
    pub spare_sync_flows: u64,
    /// `flow.wrk.spare_sync_incomplete`.
    pub spare_sync_incomplete: u64,
    /// `flow.wrk.spare_sync_empty`.
    pub spare_sync_empty: u64,
    /// `flow.wrk.flows_evicted`: flows that ended in a worker.
    pub flows_evicted: u64,
    /// `flow.end.*`.
    pub end: EndCounters,
    /// `flow_bypassed.local_pkts`.
    pub bypassed_packets: u64,
    /// `flow_bypassed.local_bytes`.
    pub bypassed_bytes: u64,
    /// `decoder.max_mac_addrs_src`: most MAC addresses that one flow has had on its client's side.
    pub max_macs_src: u64,
    /// `decoder.max_mac_addrs_dst`: the same of its server's side.
    pub max_macs_dst: u64,
    /// `tcp.syn`.
    pub syn: u64,
    /// `tcp.synack`.
    pub synack: u64,
    /// `tcp.rst`.
    pub rst: u64,
    /// `tcp.urg`.
    pub urg: u64,
    /// `tcp.sessions`.
    pub sessions: u64,
    /// `tcp.invalid_checksum`.
    pub invalid_checksum: u64,
    /// `tcp.midstream_pickups`.
    pub midstream_pickups: u64,
    /// `tcp.pkt_on_wrong_thread`.
    pub pkt_on_wrong_thread: u64,
    /// `tcp.ack_unseen_data`: segments of established sessions that acknowledge more than was seen, repeated ones too.
    pub ack_unseen_data: u64,
    /// `tcp.stream_depth_reached`: directions of sessions that have sent as many bytes as `stream.reassembly.depth`.
    pub stream_depth_reached: u64,
    /// `tcp.reassembly_gap`: holes in a stream that the receiver has acknowledged, so that they will not be filled.
    pub reassembly_gap: u64,
}

/// `flow.end.*`: flows by the state in which they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndCounters {
    /// `flow.end.state.*`, by [`FlowState`].
    pub state: [u64; FlowState::ALL.len()],
    /// `flow.end.tcp_state.*`, by [`TcpState`].
    pub tcp_state: [u64; TcpState::ALL.len()],
    /// `flow.end.tcp_liberal`.
    pub tcp_liberal: u64,
}

impl LookupCounters {
    /// Counts what a segment has shown of its session, which is seldom anything.
    #[cold]
    pub(crate) fn count_noticed(&mut self, noticed: Noticed) {
        self.ack_unseen_data += u64::from(noticed.ack_unseen_data());
        self.stream_depth_reached += u64::from(noticed.depth_reached());
        self.reassembly_gap += u64::from(noticed.gap());
    }

    /// Adds another worker's counters.
    pub fn merge(&mut self, other: &Self) {
        let Self { end, .. } = other;
        macro_rules! add {
            ($($field:ident)*) => { $(self.$field += other.$field;)* };
        }
        add!(memcap total tcp udp icmpv4 icmpv6 tcp_reuse elephant elephant_toserver elephant_toclient get_used
            get_used_eval get_used_eval_reject get_used_eval_busy get_used_failed rows_full spare_sync spare_sync_flows
            spare_sync_incomplete spare_sync_empty flows_evicted bypassed_packets bypassed_bytes syn synack rst urg
            sessions invalid_checksum midstream_pickups pkt_on_wrong_thread
            ack_unseen_data stream_depth_reached reassembly_gap);
        self.max_macs_src = self.max_macs_src.max(other.max_macs_src);
        self.max_macs_dst = self.max_macs_dst.max(other.max_macs_dst);
        self.end.merge(end);
    }
}

impl EndCounters {
    /// Counts a flow that has ended.
    pub fn add(&mut self, flow: &EndedFlow) {
        let view = flow.body();
        self.state[view.state() as usize] += 1;
        self.tcp_liberal += u64::from(view.is_tcp_liberal());
        if let Some(tcp) = flow.detail().and_then(Detail::tcp_state) {
            self.tcp_state[tcp as usize] += 1;
        }
    }
    /// Adds other counters.
    pub fn merge(&mut self, other: &Self) {
        self.state.iter_mut().zip(other.state).for_each(|(a, b)| *a += b);
        self.tcp_state.iter_mut().zip(other.tcp_state).for_each(|(a, b)| *a += b);
        self.tcp_liberal += other.tcp_liberal;
    }
}
