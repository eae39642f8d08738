//! What a counter is called as a metric, and what it means.

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A counter as a metric.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) kind: Kind,
    pub(super) help: String,
}

/// Counters that are one metric: what their names begin with, the metric, its labels, and what it means. The last label
/// has what follows the last dot, the one before it what precedes that.
const FAMILIES: [(&str, &str, &[&str], &str); 4] = [
    (
        "decoder.event.",
        "flumen_decoder_events_total",
        &["layer", "event"],
        "What was odd or wrong about packets, by layer and event.",
    ),
    ("flow.end.state.", "flumen_flow_ended_total", &["state"], "Flows that ended, by the state they were in."),
    (
        "flow.end.tcp_state.",
        "flumen_flow_ended_tcp_total",
        &["tcp_state"],
        "TCP sessions that ended, by the state they were in.",
    ),
    (
        "exception_policy.",
        "flumen_exception_policy_total",
        &["target", "policy"],
        "Packets to which a policy was applied, by what it is for.",
    ),
];

impl Metric {
    /// The metric of the counter `name`.
    pub(super) fn of(name: &str) -> Self {
        for (prefix, metric, labels, help) in FAMILIES {
            if let Some(rest) = name.strip_prefix(prefix) {
                return Self {
                    name: metric.to_owned(),
                    labels: label_values(labels, rest),
                    kind: Kind::Counter,
                    help: help.to_owned(),
                };
            }
        }
        let kind = if is_gauge(name) { Kind::Gauge } else { Kind::Counter };
        // Counters that Suricata does not have begin with what all metrics begin with.
        let own = name.strip_prefix("flumen.").unwrap_or(name);
        let words: Vec<_> = own.split(['.', '_']).map(spelled_out).collect();
        let (unit, total) = (unit(name), if kind == Kind::Counter { "_total" } else { "" });
        let help = meaning(name).map_or_else(|| format!("The counter {name} of the stats event."), str::to_owned);
        Self { name: format!("flumen_{}{unit}{total}", words.join("_")), labels: Vec::new(), kind, help: escape(&help) }
    }
}

fn label_values(labels: &[&'static str], rest: &str) -> Vec<(&'static str, String)> {
    match labels {
        [first, last] => {
            // An event that belongs to no layer is one of the packet.
            let (before, after) = rest.rsplit_once('.').unwrap_or(("packet", rest));
            vec![(*first, plain(before)), (*last, plain(after))]
        }
        labels => labels.iter().map(|label| (*label, plain(rest))).collect(),
    }
}

/// A value without what would have to be escaped in a label.
fn plain(value: &str) -> String {
    value.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect()
}

/// A word of a counter's name as a word of a metric's: only letters and digits.
fn spelled_out(word: &str) -> String {
    match word {
        "pkts" => "packets".to_owned(),
        "pkt" => "packet".to_owned(),
        other => other.chars().filter(char::is_ascii_alphanumeric).collect(),
    }
}

fn escape(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n")
}

/// Values that go up and down, or are averages and maxima.
fn is_gauge(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    matches!(
        name,
        "flow.active"
            | "flow.spare"
            | "tcp.active_sessions"
            | "http.memcap"
            | "ftp.memcap"
            | "host.memcap"
            | "ippair.memcap"
    ) || matches!(last, "memuse" | "pressure" | "rows_per_sec" | "rows_maxlen" | "flows_injected_max")
        || (name.starts_with("flow.mgr.") && matches!(last, "flows_checked" | "flows_notimeout" | "flows_timeout"))
        || ["max_", "avg_"].iter().any(|part| last.starts_with(part) && !last.ends_with("_reached"))
        || ["_max", "_avg"].iter().any(|part| last.ends_with(part))
}

/// The unit that the name of a counter leaves out.
fn unit(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("memuse" | "reassembly_memuse" | "avg_pkt_size" | "max_pkt_size") => "_bytes",
        Some("pressure" | "pressure_max") if name.starts_with("memcap.") => "_percent",
        _ => "",
    }
}

/// What a counter counts.
fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

const MEANINGS: &[(&str, &str)] = &[
    ("capture.kernel_packets", "Packets that the kernel offered."),
    ("capture.kernel_drops", "Packets that the kernel had no room for: the sensor was too slow."),
    ("decoder.pkts", "Packets decoded."),
    ("decoder.bytes", "Bytes of the packets decoded."),
    ("decoder.invalid", "Packets that could not be decoded."),
    ("decoder.avg_pkt_size", "Mean size of a packet."),
    ("decoder.max_pkt_size", "Size of the largest packet."),
    ("decoder.too_many_layers", "Packets with more layers than decoder.max-layers."),
    ("defrag.ipv4.fragments", "IPv4 fragments seen."),
    ("defrag.ipv4.reassembled", "IPv4 datagrams put together from fragments."),
    ("defrag.ipv6.fragments", "IPv6 fragments seen."),
    ("defrag.ipv6.reassembled", "IPv6 datagrams put together from fragments."),
    ("defrag.max_trackers_reached", "Fragments for which there was no tracker."),
    ("defrag.max_frags_reached", "Fragments for which there was no memory."),
    ("defrag.memuse", "Memory in use for fragments."),
    ("flow.memcap", "Packets that got no flow because flow.memcap was spent."),
    ("flow.total", "Flows begun."),
    ("flow.active", "Flows in the table now."),
    ("flow.tcp", "TCP flows begun."),
    ("flow.udp", "UDP flows begun."),
    ("flow.icmpv4", "ICMPv4 flows begun."),
    ("flow.icmpv6", "ICMPv6 flows begun."),
    ("flow.tcp_reuse", "TCP flows that ended because a new session began with the same addresses and ports."),
    ("flow.get_used", "Flows ended early to make room for others."),
    ("flow.get_used_failed", "Searches for a flow to end early that found none."),
    ("flow.spare", "Flows that are ready in the shared pool."),
    ("flow.emerg_mode_entered", "Times that emergency mode began, with its shorter time-outs."),
    ("flow.emerg_mode_over", "Times that emergency mode ended."),
    ("flow.memuse", "Memory in use for flows, to compare with flow.memcap."),
    ("flow.mgr.full_hash_pass", "Passes over the whole flow table."),
    ("flow.recycler.recycled", "Flows turned into records."),
    ("flow_bypassed.local_pkts", "Packets of flows that are only counted."),
    ("flow_bypassed.local_bytes", "Bytes of flows that are only counted."),
    ("memcap.pressure", "How much of its limit the memory with the least room left has in use."),
    ("memcap.pressure_max", "The highest memory pressure since the start."),
    ("tcp.syn", "TCP segments with SYN alone."),
    ("tcp.synack", "TCP segments with SYN and ACK."),
    ("tcp.rst", "TCP segments with RST."),
    ("tcp.sessions", "TCP sessions begun."),
    ("tcp.active_sessions", "TCP sessions now."),
    ("tcp.midstream_pickups", "TCP sessions begun in their middle."),
    ("tcp.invalid_checksum", "TCP segments with a wrong checksum."),
    ("tcp.pkt_on_wrong_thread", "TCP segments that came to another worker than those before."),
];
