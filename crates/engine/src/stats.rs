//! The counters of a run by name, in the order of Suricata's `stats` event.

use flumen_model::{Counters, FlowState, TcpState};
use flumen_table::{Compat, DropReason, FlowTable, LookupCounters, MemcapPolicy};

use crate::front::FrontCounters;
use crate::manager::ManagerCounters;
use crate::recorder::Recycler;

/// What the counters of a run are made from.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) front: &'a FrontCounters,
    pub(crate) lookup: &'a LookupCounters,
    pub(crate) recycler: &'a Recycler,
    pub(crate) manager: &'a ManagerCounters,
    pub(crate) table: &'a FlowTable,
}

const END_STATE: [&str; FlowState::ALL.len()] =
    ["flow.end.state.new", "flow.end.state.established", "flow.end.state.closed", "flow.end.state.local_bypassed"];
const END_TCP_STATE: [&str; TcpState::ALL.len()] = [
    "flow.end.tcp_state.none",
    "flow.end.tcp_state.syn_sent",
    "flow.end.tcp_state.syn_recv",
    "flow.end.tcp_state.established",
    "flow.end.tcp_state.fin_wait1",
    "flow.end.tcp_state.fin_wait2",
    "flow.end.tcp_state.time_wait",
    "flow.end.tcp_state.last_ack",
    "flow.end.tcp_state.close_wait",
    "flow.end.tcp_state.closing",
    "flow.end.tcp_state.closed",
];

impl Parts<'_> {
    /// The counters. `flow.active` is what was created and has not ended, so that it is right however a flow ends.
    pub(crate) fn counters(&self) -> Counters {
        let mut out = Counters::default();
        let mut decode = self.front.decode.clone();
        decode.layers.max_mac_addrs_src = self.lookup.max_macs_src;
        decode.layers.max_mac_addrs_dst = self.lookup.max_macs_dst;
        decode.iter().for_each(|(name, value)| out.push(name, value));
        if self.table.config().compat == Compat::Flumen {
            decode.beyond.iter().for_each(|(name, value)| out.push(name, value));
        }
        self.tcp(&mut out);
        self.front.decode.sctp.iter().for_each(|(name, value)| out.push(name, value));
        self.flow(&mut out);
        self.defrag(&mut out);
        self.rest(&mut out);
        out
    }

    fn ended(&self) -> u64 {
        self.recycler.endings.counters.state.iter().sum()
    }

    fn tcp(&self, out: &mut Counters) {
        let l = self.lookup;
        let closed_sessions: u64 = self.recycler.endings.counters.tcp_state.iter().sum();
        out.push("tcp.syn", l.syn);
        out.push("tcp.synack", l.synack);
        out.push("tcp.rst", l.rst);
        out.push("tcp.urg", l.urg);
        out.push("tcp.active_sessions", l.sessions.saturating_sub(closed_sessions));
        out.push("tcp.sessions", l.sessions);
        // A session is a part of its flow and fails only together with it (`flow.memcap`). There is no cache and no pool
        // that it could come from.
        out.push("tcp.ssn_memcap_drop", 0);
        out.push("tcp.ssn_from_cache", 0);
        out.push("tcp.ssn_from_pool", 0);
        // No packet is ever made up.
        out.push("tcp.pseudo", 0);
        out.push("tcp.invalid_checksum", l.invalid_checksum);
        out.push("tcp.midstream_pickups", l.midstream_pickups);
        out.push("tcp.pkt_on_wrong_thread", l.pkt_on_wrong_thread);
        out.push("tcp.ack_unseen_data", l.ack_unseen_data);
        // Payload is not kept, so there is nothing that segments could be stored in.
        out.push("tcp.segment_memcap_drop", 0);
        out.push("tcp.segment_from_cache", 0);
        out.push("tcp.segment_from_pool", 0);
        out.push("tcp.stream_depth_reached", l.stream_depth_reached);
        out.push("tcp.reassembly_gap", l.reassembly_gap);
        // For the same reason nothing is there that later data could overlap or fail to be put beside, and no urgent byte
        // is taken out of a stream.
        out.push("tcp.overlap", 0);
        out.push("tcp.overlap_diff_data", 0);
        out.push("tcp.insert_data_normal_fail", 0);
        out.push("tcp.insert_data_overlap_fail", 0);
        out.push("tcp.urgent_oob_data", 0);
        // The bytes of sessions are in `flow.memuse`; other memory they have none.
        out.push("tcp.memuse", 0);
        out.push("tcp.reassembly_memuse", 0);
    }

    fn flow(&self, out: &mut Counters) {
        let (l, m) = (self.lookup, self.manager);
        out.push("flow.memcap", l.memcap);
        out.push("flow.total", l.total);
        out.push("flow.active", l.total.saturating_sub(self.ended()));
        out.push("flow.tcp", l.tcp);
        out.push("flow.udp", l.udp);
        out.push("flow.icmpv4", l.icmpv4);
        out.push("flow.icmpv6", l.icmpv6);
        out.push("flow.tcp_reuse", l.tcp_reuse);
        out.push("flow.elephant", l.elephant);
        out.push("flow.elephant_toserver", l.elephant_toserver);
        out.push("flow.elephant_toclient", l.elephant_toclient);
        out.push("flow.get_used", l.get_used);
        out.push("flow.get_used_eval", l.get_used_eval);
        out.push("flow.get_used_eval_reject", l.get_used_eval_reject);
        out.push("flow.get_used_eval_busy", l.get_used_eval_busy);
        out.push("flow.get_used_failed", l.get_used_failed);
        if self.table.config().compat == Compat::Flumen {
            out.push("flow.rows_full", l.rows_full);
        }
        let fetches = l.spare_sync - l.spare_sync_empty;
        out.push("flow.wrk.spare_sync_avg", l.spare_sync_flows.checked_div(fetches).unwrap_or(0));
        out.push("flow.wrk.spare_sync", l.spare_sync);
        out.push("flow.wrk.spare_sync_incomplete", l.spare_sync_incomplete);
        out.push("flow.wrk.spare_sync_empty", l.spare_sync_empty);
        // No stream is reassembled, so no flow needs a worker's hands when it ends, and none is injected into one.
        out.push("flow.wrk.flows_evicted_needs_work", 0);
        out.push("flow.wrk.flows_evicted_pkt_inject", 0);
        out.push("flow.wrk.flows_evicted", l.flows_evicted);
        out.push("flow.wrk.flows_injected", 0);
        out.push("flow.wrk.flows_injected_max", 0);
        END_STATE.into_iter().zip(self.recycler.endings.counters.state).for_each(|(name, value)| out.push(name, value));
        END_TCP_STATE
            .into_iter()
            .zip(self.recycler.endings.counters.tcp_state)
            .for_each(|(name, value)| out.push(name, value));
        out.push("flow.end.tcp_liberal", self.recycler.endings.counters.tcp_liberal);
        out.push("flow.mgr.full_hash_pass", m.full_hash_pass);
        out.push("flow.mgr.rows_per_sec", m.rows_per_sec);
        out.push("flow.mgr.rows_maxlen", m.rows_maxlen);
        out.push("flow.mgr.flows_checked", m.flows_checked);
        out.push("flow.mgr.flows_notimeout", m.flows_notimeout);
        out.push("flow.mgr.flows_timeout", m.flows_timeout);
        out.push("flow.mgr.flows_evicted", m.flows_evicted);
        out.push("flow.mgr.flows_evicted_needs_work", 0);
        out.push("flow.spare", self.table.spare() as u64);
        let (entered, over) = self.table.emergency_counts();
        out.push("flow.emerg_mode_entered", entered);
        out.push("flow.emerg_mode_over", over);
        out.push("flow.recycler.recycled", self.recycler.recycled);
        out.push("flow.recycler.queue_avg", self.recycler.recycled.checked_div(self.recycler.queues).unwrap_or(0));
        out.push("flow.recycler.queue_max", self.recycler.queue_max);
        out.push("flow.memuse", self.table.memuse());
    }

    fn defrag(&self, out: &mut Counters) {
        let d = &self.front.defrag;
        out.push("defrag.ipv4.fragments", d.ipv4.fragments);
        out.push("defrag.ipv4.reassembled", d.ipv4.reassembled);
        out.push("defrag.ipv6.fragments", d.ipv6.fragments);
        out.push("defrag.ipv6.reassembled", d.ipv6.reassembled);
        out.push("defrag.max_trackers_reached", d.max_trackers_reached);
        out.push("defrag.max_frags_reached", d.max_frags_reached);
        out.push("defrag.tracker_soft_reuse", d.tracker_soft_reuse);
        out.push("defrag.tracker_hard_reuse", d.tracker_hard_reuse);
        out.push("defrag.wrk.tracker_timeout", d.wrk_tracker_timeout);
        out.push("defrag.mgr.tracker_timeout", d.mgr_tracker_timeout);
        out.push("defrag.memuse", self.front.defrag_memuse);
        if self.table.config().compat == Compat::Flumen {
            out.push("defrag.fragments_completed", d.completed);
            out.push("defrag.fragments_timed_out", d.timed_out);
            out.push("defrag.fragments_evicted", d.evicted);
            out.push("defrag.fragments_discarded", d.discarded);
            out.push("defrag.fragments_unfinished", d.unfinished);
            DropReason::ALL.into_iter().for_each(|reason| out.push(reason.counter(), d.dropped(reason)));
        }
    }

    fn rest(&self, out: &mut Counters) {
        let percent = |bytes: u64| bytes * 100 / self.table.memcap().max(1);
        out.push("memcap.pressure", percent(self.table.memuse()));
        out.push("memcap.pressure_max", percent(self.table.memuse_max()));
        out.push("flow_bypassed.local_pkts", self.lookup.bypassed_packets);
        out.push("flow_bypassed.local_bytes", self.lookup.bypassed_bytes);
        if let Some(name) = memcap_policy(self.table.config().memcap_policy) {
            out.push(name, self.lookup.memcap);
        }
    }
}

/// `exception_policy.flow.memcap.*` of a policy that is configured: every packet that got no flow counts there.
const fn memcap_policy(policy: MemcapPolicy) -> Option<&'static str> {
    match policy {
        MemcapPolicy::Ignore => None,
        MemcapPolicy::DropPacket => Some("exception_policy.flow.memcap.drop_packet"),
        MemcapPolicy::PassPacket => Some("exception_policy.flow.memcap.pass_packet"),
        MemcapPolicy::Reject => Some("exception_policy.flow.memcap.reject"),
        MemcapPolicy::RejectBoth => Some("exception_policy.flow.memcap.reject_both"),
    }
}

#[cfg(test)]
mod tests {
    use flumen_table::TableConfig;

    use super::*;

    fn counters(policy: MemcapPolicy, lookup: &LookupCounters) -> Counters {
        let config = TableConfig { memcap_policy: policy, hash_size: 64, prealloc: 0, ..TableConfig::default() };
        let table = FlowTable::new(config, [1, 2]).expect("a table");
        let (recycler, manager) = (Recycler::default(), ManagerCounters::default());
        let front = FrontCounters::default();
        Parts { front: &front, lookup, recycler: &recycler, manager: &manager, table: &table }.counters()
    }

    #[test]
    fn refused_packets_count_for_the_policy_that_is_configured_and_for_no_other() {
        let lookup = LookupCounters { memcap: 3, ..LookupCounters::default() };
        let policies = |counters: &Counters| {
            counters.iter().filter(|(name, _)| name.starts_with("exception_policy.")).collect::<Vec<_>>()
        };
        assert_eq!(policies(&counters(MemcapPolicy::Ignore, &lookup)), []);
        let dropped = counters(MemcapPolicy::DropPacket, &lookup);
        assert_eq!(policies(&dropped), [("exception_policy.flow.memcap.drop_packet", 3)]);
        assert_eq!(dropped.value("flow.memcap"), Some(3));
    }

    #[test]
    fn fetches_that_brought_nothing_do_not_lower_the_mean() {
        let lookup =
            LookupCounters { spare_sync: 5, spare_sync_empty: 3, spare_sync_flows: 160, ..LookupCounters::default() };
        assert_eq!(counters(MemcapPolicy::Ignore, &lookup).value("flow.wrk.spare_sync_avg"), Some(80));
        let none = LookupCounters { spare_sync: 3, spare_sync_empty: 3, ..LookupCounters::default() };
        assert_eq!(counters(MemcapPolicy::Ignore, &none).value("flow.wrk.spare_sync_avg"), Some(0));
    }

    #[test]
    fn tcp_counters_stand_in_the_order_of_suricata_and_each_has_its_own_number() {
        let lookup = LookupCounters {
            urg: 1,
            pkt_on_wrong_thread: 2,
            ack_unseen_data: 3,
            stream_depth_reached: 4,
            reassembly_gap: 5,
            ..LookupCounters::default()
        };
        let counters = counters(MemcapPolicy::Ignore, &lookup);
        let tcp: Vec<_> =
            counters.iter().filter_map(|(name, value)| Some((name.strip_prefix("tcp.")?, value))).collect();
        let names = "syn synack rst urg active_sessions sessions ssn_memcap_drop ssn_from_cache ssn_from_pool pseudo \
            invalid_checksum midstream_pickups pkt_on_wrong_thread ack_unseen_data segment_memcap_drop \
            segment_from_cache segment_from_pool stream_depth_reached reassembly_gap overlap overlap_diff_data \
            insert_data_normal_fail insert_data_overlap_fail urgent_oob_data memuse reassembly_memuse";
        assert_eq!(tcp.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names.split(' ').collect::<Vec<_>>());
        let counted: Vec<_> = tcp.into_iter().filter(|(_, value)| *value > 0).collect();
        let expected = [
            ("urg", 1),
            ("pkt_on_wrong_thread", 2),
            ("ack_unseen_data", 3),
            ("stream_depth_reached", 4),
            ("reassembly_gap", 5),
        ];
        assert_eq!(counted, expected);
    }

    #[test]
    fn most_mac_addresses_of_a_flow_stand_among_the_decoder_counters() {
        let lookup = LookupCounters { max_macs_src: 2, max_macs_dst: 7, ..LookupCounters::default() };
        let counters = counters(MemcapPolicy::Ignore, &lookup);
        assert_eq!(counters.value("decoder.max_mac_addrs_src"), Some(2));
        assert_eq!(counters.value("decoder.max_mac_addrs_dst"), Some(7));
    }
}
