//! The settings of a run, from values that are each right to values that are right together.
//!
//! This is where Suricata's rules on several keys at once stand: an emergency timeout is not above the normal one, three
//! keys and an option decide about checksums, a master policy stands in for policies that are not set.

use std::path::PathBuf;

use flumen_engine::{Checksums, CpuSet, EngineConfig};
use flumen_model::Span;
use flumen_output::eve::{CommunityId, CommunityIdRule, DeviceNames, EveConfig, ExistingFile, Ipv6Form, StatsConfig};
use flumen_table::config::{Compat, MemcapPolicy, RateTracking, StateTimeouts, Timeouts, TrackTunnel};
use flumen_table::{DefragConfig, TableConfig};
use flumen_wire::{DecodeOptions, PortList, ReservedBits, TunnelOptions, TunnelPorts};

use super::hosts::host_policies;
#[cfg(target_os = "linux")]
use super::live::LiveSettings;
use super::problem::{Problem, Problems};
use super::resolve::Resolved;
use super::section::Section;
use super::threads::threads;
use super::value::{Ports, Value};

/// Everything that can be set for a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Engine and flow table.
    pub engine: EngineConfig,
    /// EVE logs, those that are enabled.
    pub eve: Vec<EveConfig>,
    /// `stats`: `stats` events at all, and the time between two when capturing live.
    pub stats: StatsSettings,
    /// `default-log-dir`.
    pub log_dir: PathBuf,
    /// What matters for live capture alone.
    #[cfg(target_os = "linux")]
    pub live: LiveSettings,
}

/// `stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsSettings {
    /// Whether there are `stats` events.
    pub enabled: bool,
    /// Time between two.
    pub interval: Span,
}

impl Settings {
    /// The settings that the values stand for, on a machine with these CPUs (`None`: threads cannot be bound there). A
    /// value that a rule replaces is replaced in `values` too, with a warning.
    ///
    /// # Errors
    /// Values that are right alone and not together.
    pub fn of(values: &mut Resolved, available: Option<CpuSet>) -> Result<Self, Problems> {
        lower_emergency_timeouts(values);
        forget_tunnels_for_compatibility(values);
        let mut problems = Vec::new();
        check_memory(&values.root, &mut problems);
        let rate_tracking = rate_tracking(&values.root, &mut problems);
        let threads = threads(values, available, &mut problems);
        let policies = host_policies(values, &mut problems);
        let mut eve = Vec::new();
        for section in values.eve.iter().filter(|section| section.flag("outputs.eve-log.enabled")) {
            check_filetype(section, &mut problems);
            eve.push(eve_log(section, &values.root));
        }
        #[cfg(target_os = "linux")]
        let live = LiveSettings::of(values, available, &mut problems);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let midstream = midstream(values);
        let root = &values.root;
        let ethernet = eve.iter().any(|eve| eve.ethernet);
        let table = TableConfig { rate_tracking, midstream, macs_max: ethernet.then_some(MACS_MAX), ..table(root) };
        let engine = EngineConfig {
            table,
            decode: DecodeOptions {
                max_layers: count(root, "decoder.max-layers") as u8,
                flow_for_every_protocol: compat(root) == Compat::Flumen,
                beyond_suricata: compat(root) == Compat::Flumen,
                tunnels: tunnels(root),
            },
            anomalies: eve.iter().any(|eve| eve.anomaly),
            defrag: DefragConfig { policies, ..defrag(root) },
            defrag_memcap_policy: memcap_policy(policy(root, "defrag.memcap-policy")),
            threads,
            memory_limit: root.number("flumen.memory-limit"),
            active_timeout: root.duration("flumen.active-timeout").filter(|span| *span > Span::ZERO),
            checksums: checksums(root),
            filter: None,
        };
        Ok(Self {
            engine,
            eve,
            stats: StatsSettings { enabled: root.flag("stats.enabled"), interval: span(root, "stats.interval") },
            log_dir: root.text("default-log-dir").into(),
            #[cfg(target_os = "linux")]
            live,
        })
    }
}

/// Tunnels over UDP.
fn tunnels(root: &Section) -> TunnelOptions {
    let ports = |name: &str| {
        if !root.flag(&format!("decoder.{name}.enabled")) {
            return TunnelPorts::Off;
        }
        match root.ports(&format!("decoder.{name}.ports")) {
            None | Some(Ports::Any) => TunnelPorts::Any,
            Some(Ports::These(ports)) => PortList::new(ports).map_or(TunnelPorts::Off, TunnelPorts::Only),
        }
    };
    TunnelOptions {
        teredo: ports("teredo"),
        geneve: ports("geneve"),
        vxlan: ports("vxlan"),
        vxlan_reserved: match root.word("decoder.vxlan.reserved-bits-check") {
            Some("permissive") => ReservedBits::Permissive,
            _ => ReservedBits::Strict,
        },
        fou: ports("fou"),
    }
}

/// Reassembly of IP datagrams, but for what is known of hosts.
fn defrag(root: &Section) -> DefragConfig {
    DefragConfig {
        enabled: true,
        memcap: count(root, "defrag.memcap"),
        hash_size: count(root, "defrag.hash-size") as u32,
        trackers: count(root, "defrag.trackers") as u32,
        max_frags: count(root, "defrag.max-frags") as u32,
        prealloc: root.flag("defrag.prealloc"),
        timeout: span(root, "defrag.timeout"),
        track_vlan: root.flag("vlan.use-for-tracking"),
        track_device: root.flag("livedev.use-for-tracking"),
        track_recursion: root.flag("decoder.recursion-level.use-for-tracking"),
        compat: compat(root),
        report_incomplete: root.flag("flumen.incomplete-datagrams"),
        ..DefragConfig::default()
    }
}

/// The flow table, but for what depends on several keys.
fn table(root: &Section) -> TableConfig {
    let depth = count(root, "stream.reassembly.depth");
    TableConfig {
        memcap: count(root, "flow.memcap"),
        hash_size: count(root, "flow.hash-size") as u32,
        prealloc: count(root, "flow.prealloc") as u32,
        emergency_recovery: count(root, "flow.emergency-recovery") as u8,
        memcap_policy: memcap_policy(policy(root, "flow.memcap-policy")),
        timeouts: Timeouts {
            normal: CLASSES.map(|class| state_timeouts(root, class, "")),
            emergency: CLASSES.map(|class| state_timeouts(root, class, "emergency-")),
        },
        track_vlan: root.flag("vlan.use-for-tracking"),
        track_device: root.flag("livedev.use-for-tracking"),
        track_recursion: root.flag("decoder.recursion-level.use-for-tracking"),
        track_tunnel: match root.word(TRACK_TUNNEL) {
            Some("no") => TrackTunnel::No,
            Some("two-way") => TrackTunnel::TwoWay,
            _ => TrackTunnel::Yes,
        },
        async_oneside: root.flag("stream.async-oneside"),
        depth: u32::try_from(depth).unwrap_or(0),
        bypass: root.flag("stream.bypass"),
        compat: compat(root),
        hash_seed: root.number("flumen.hash-seed"),
        ..TableConfig::default()
    }
}

fn compat(root: &Section) -> Compat {
    match root.word("flumen.compat") {
        Some("suricata") => Compat::Suricata,
        _ => Compat::Flumen,
    }
}

/// One EVE log, with what the other keys say about all of them.
fn eve_log(section: &Section, root: &Section) -> EveConfig {
    let flag = |name: &str| section.flag(&format!("outputs.eve-log.{name}"));
    let stats = StatsConfig {
        totals: flag("types.stats.totals"),
        null_values: flag("types.stats.null-values"),
        deltas: flag("types.stats.deltas"),
    };
    let community_id = CommunityId {
        seed: count(section, "outputs.eve-log.community-id-seed") as u16,
        rule: match compat(root) {
            Compat::Flumen => CommunityIdRule::Spec,
            Compat::Suricata => CommunityIdRule::Suricata,
        },
    };
    let host = root.text("sensor-name");
    EveConfig {
        filename: section.text("outputs.eve-log.filename").into(),
        existing: if flag("append") { ExistingFile::Append } else { ExistingFile::Truncate },
        flow: flag("types.flow.enabled"),
        netflow: flag("types.netflow.enabled"),
        anomaly: flag("types.anomaly.enabled")
            && section
                .given_flag("outputs.eve-log.types.anomaly.types.decode")
                .unwrap_or_else(|| compat(root) == Compat::Flumen),
        stats: (root.flag("stats.enabled") && flag("types.stats.enabled")).then_some(stats),
        community_id: flag("community-id").then_some(community_id),
        ipv6: if flag("ipv6-compress") { Ipv6Form::Compressed } else { Ipv6Form::Expanded },
        ethernet: flag("ethernet"),
        host: (!host.is_empty()).then(|| host.to_owned()),
        devices: DeviceNames::default(),
        tunnels: compat(root) == Compat::Flumen,
        extended: root.flag("flumen.extended"),
    }
}

fn state_timeouts(root: &Section, class: &str, prefix: &str) -> StateTimeouts {
    StateTimeouts(STATES.map(|state| span(root, &format!("flow-timeouts.{class}.{prefix}{state}"))))
}

/// An emergency timeout above the normal one becomes a tenth of it in whole seconds, as in Suricata, with a warning.
fn lower_emergency_timeouts(values: &mut Resolved) {
    for class in CLASSES {
        for state in STATES {
            let (name, emergency) = (format!("{class}.{state}"), format!("flow-timeouts.{class}.emergency-{state}"));
            let normal = span(&values.root, &format!("flow-timeouts.{name}"));
            if span(&values.root, &emergency) <= normal {
                continue;
            }
            let lowered = Value::Duration(Span::from_secs(normal.secs() / 10));
            let at = match values.root.origin(&emergency) {
                super::node::Origin::Default => values.root.origin(&format!("flow-timeouts.{name}")),
                at => at,
            };
            let text =
                format!("'{emergency}' is above the normal timeout, {lowered} is used (a tenth of the normal one)");
            values.warnings.push(Problem::new(&at, text));
            values.root.replace(&emergency, lowered);
        }
    }
}

/// With `compat: suricata` tunnels are not told apart, whatever is said; when somebody said it, with a warning.
fn forget_tunnels_for_compatibility(values: &mut Resolved) {
    if compat(&values.root) != Compat::Suricata || values.root.word(TRACK_TUNNEL) == Some("no") {
        return;
    }
    let at = values.root.origin(TRACK_TUNNEL);
    if at != super::node::Origin::Default {
        let text = format!("'{TRACK_TUNNEL}' is off with 'flumen.compat: suricata', which does not tell tunnels apart");
        values.warnings.push(Problem::new(&at, text));
    }
    values.root.replace(TRACK_TUNNEL, Value::Word("no"));
}

/// The rows alone must fit into the memory of the table.
fn check_memory(root: &Section, problems: &mut Vec<Problem>) {
    let (memcap, rows) = (count(root, "flow.memcap"), count(root, "flow.hash-size"));
    if rows * ROW_BYTES > memcap {
        let at = match root.origin("flow.memcap") {
            super::node::Origin::Default => root.origin("flow.hash-size"),
            at => at,
        };
        let text = format!("'flow.memcap' is {memcap} bytes, but the {rows} rows of 'flow.hash-size' alone take {}", {
            rows * ROW_BYTES
        });
        problems.push(Problem::new(&at, text));
    }
}

/// `flow.rate-tracking`: both of its keys or none.
fn rate_tracking(root: &Section, problems: &mut Vec<Problem>) -> Option<RateTracking> {
    let (bytes, interval) = ("flow.rate-tracking.bytes", "flow.rate-tracking.interval");
    match (root.number(bytes), root.number(interval)) {
        (Some(bytes), Some(secs)) => Some(RateTracking { bytes, interval_secs: secs as u32 }),
        (None, None) => None,
        (there, _) => {
            let (there, missing) = if there.is_some() { (bytes, interval) } else { (interval, bytes) };
            problems.push(Problem::new(&root.origin(there), format!("'{there}' needs '{missing}' beside it")));
            None
        }
    }
}

fn check_filetype(section: &Section, problems: &mut Vec<Problem>) {
    let name = "outputs.eve-log.filetype";
    let known = ["regular", "file", "unix_stream", "unix_dgram"];
    if let Some(filetype) = section.word(name).filter(|word| !known.contains(word)) {
        let text = format!(
            "'{name}' is {filetype}, but Flumen writes EVE logs to files and Unix sockets only; set it to regular or \
             'enabled' to no"
        );
        problems.push(Problem::new(&section.origin(name), text));
    }
}

/// The policy of a key, or the master policy when it has none of its own.
fn policy(root: &Section, name: &str) -> &'static str {
    root.word(name).or_else(|| root.word("exception-policy")).unwrap_or("ignore")
}

/// `drop-flow`, `pass-flow` and `bypass` act on the packet here, as there is no flow.
fn memcap_policy(word: &str) -> MemcapPolicy {
    match word {
        "drop-flow" | "drop-packet" => MemcapPolicy::DropPacket,
        "pass-flow" | "pass-packet" => MemcapPolicy::PassPacket,
        "reject" => MemcapPolicy::Reject,
        "rejectboth" => MemcapPolicy::RejectBoth,
        _ => MemcapPolicy::Ignore,
    }
}

/// Whether sessions may begin in their middle: switched on, and no policy against it.
fn midstream(values: &mut Resolved) -> bool {
    let wanted = values.root.flag("stream.midstream");
    let policy = policy(&values.root, "stream.midstream-policy");
    let allowed = matches!(policy, "auto" | "ignore" | "pass-flow");
    if wanted && !allowed {
        let key =
            ["stream.midstream-policy", "exception-policy"].into_iter().find(|key| values.root.word(key).is_some());
        let at = values.root.origin(key.unwrap_or("stream.midstream"));
        let text = format!("with the midstream policy {policy} no session begins in its middle, as in Suricata");
        values.warnings.push(Problem::new(&at, text));
    }
    wanted && allowed
}

/// `-k` and `capture.checksum-validation` first, then the switch of the stream, then what is said of captures.
fn checksums(root: &Section) -> Checksums {
    match (root.word("capture.checksum-validation"), root.word("pcap-file.checksum-checks")) {
        (Some("none"), _) => Checksums::None,
        (Some("all"), _) => Checksums::All,
        _ if !root.flag("stream.checksum-validation") => Checksums::None,
        (_, Some("yes")) => Checksums::All,
        (_, Some("no")) => Checksums::None,
        _ => Checksums::Auto,
    }
}

/// A number that has a default, within the bounds of its row.
pub(super) fn count(section: &Section, name: &str) -> u64 {
    debug_assert!(section.number(name).is_some(), "{name} has a row with a default");
    section.number(name).unwrap_or(0)
}

/// A duration that has a default.
pub(super) fn span(section: &Section, name: &str) -> Span {
    debug_assert!(section.duration(name).is_some(), "{name} has a row with a default");
    section.duration(name).unwrap_or(Span::ZERO)
}

/// Classes of timeouts, in the order of [`flumen_table::config::TimeoutClass`].
const CLASSES: [&str; 4] = ["default", "tcp", "udp", "icmp"];
/// States, in the order of [`flumen_model::FlowState`] as timeouts know them.
const STATES: [&str; 4] = ["new", "established", "closed", "bypassed"];
/// Whether what tells tunnels apart tells flows apart.
const TRACK_TUNNEL: &str = "flumen.tunnel.use-for-tracking";
/// Bytes of a row of the flow table: one cache line.
const ROW_BYTES: u64 = 64;
/// Most MAC addresses of a side of a flow, as in Suricata.
const MACS_MAX: usize = 10;
