//! Every key there is: those that Flumen honours, one row each, and those of Suricata that it accepts and ignores.
//!
//! The rows drive everything: what is read, what is checked, defaults, `flumen config`, `docs/configuration.md` (a test
//! compares them). Keys that are ignored stand in `suricata-keys.txt`, one a line, perhaps with the reason; a line covers
//! all that is below it.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::threads::WORKERS_MAX;
use super::value::Kind;

/// A key that Flumen honours.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name. In lists of Suricata the name of the element takes the place of its index.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Its value when nobody says anything; `None`: it is then not set.
    pub default: Option<&'static str>,
    /// Whether it does something yet.
    pub effect: Effect,
    /// What it means, one line.
    pub meaning: &'static str,
}

/// Whether a key does something yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Now,
    /// It is read and checked, and will do something together with this part of Flumen.
    Later(&'static str),
}

/// What a dotted name is.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// Flumen honours it.
    Honoured(&'static Key),
    /// It is Suricata's, and so is all below it; Flumen ignores it.
    Ignored,
    /// Keys are below it.
    Section,
}

/// Where EVE logs are configured; there may be several.
pub const EVE: &str = "outputs.eve-log";
/// Where interfaces are configured, a list of sections that name theirs.
pub const AF_PACKET: &str = "af-packet";
/// The sets of CPUs: a list of named elements, or a section.
pub const CPU_SETS: &str = "threading.cpu-affinity";
/// What is known of hosts that put fragments together: a list of elements with names that mean nothing.
pub const HOST_CONFIG: &str = "defrag.host-config";
/// The hosts of each system, by its name.
pub const HOST_SYSTEMS: &str = "host-os-policy";
/// The record types of an EVE log.
pub const EVE_TYPES: &str = "outputs.eve-log.types";

/// What `name` is; `None` when there is no such key.
#[must_use]
pub fn known(name: &str) -> Option<Known> {
    index().get(name).copied()
}

/// Why an ignored key is ignored, when there is more to say than that Flumen does not have it.
#[must_use]
pub fn reason(name: &str) -> Option<&'static str> {
    ignored().find(|(ignored, _)| *ignored == name)?.1
}

/// The rows, in the order of documentation.
#[must_use]
pub const fn rows() -> &'static [Key] {
    KEYS
}

/// The key that is most like `name`: first among its siblings, then anywhere.
///
/// # Panics
/// Never: there are keys.
#[must_use]
pub fn nearest(name: &str) -> &'static str {
    // Longer than any key; comparing takes space by the product of lengths.
    let name = name.char_indices().nth(COMPARED_MAX).map_or(name, |(end, _)| &name[..end]);
    let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
    let siblings = index().keys().filter(|key| key.rsplit_once('.').map_or("", |(parent, _)| parent) == parent);
    let near = siblings.map(|key| {
        let own = key.rsplit_once('.').map_or(*key, |(_, last)| last);
        (strsim::damerau_levenshtein(last, own), *key)
    });
    let sibling = near.min().filter(|(distance, _)| *distance <= (last.chars().count() / 2).max(1));
    let anywhere = || {
        // A right name in the wrong place is nearer than a wrong name in the right one.
        let keys = index().keys().map(|key| {
            let own = key.rsplit_once('.').map_or(*key, |(_, last)| last);
            let misplaced = strsim::damerau_levenshtein(last, own) * 2 + usize::from(!parent.is_empty());
            (misplaced.min(strsim::damerau_levenshtein(name, key)), key.len(), *key)
        });
        keys.min().map(|(_, _, key)| key)
    };
    sibling.map(|(_, key)| key).or_else(anywhere).expect("there are keys")
}

/// Every key and section by name.
fn index() -> &'static HashMap<&'static str, Known> {
    static INDEX: OnceLock<HashMap<&'static str, Known>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let honoured = KEYS.iter().map(|key| (key.name, Known::Honoured(key)));
        let ignored = ignored().map(|(name, _)| (name, Known::Ignored));
        let mut index: HashMap<_, _> = honoured.chain(ignored).collect();
        let names: Vec<_> = index.keys().copied().collect();
        for name in names {
            for (dot, _) in name.match_indices('.') {
                index.entry(&name[..dot]).or_insert(Known::Section);
            }
        }
        index
    })
}

/// Suricata's keys that Flumen ignores, some with the reason.
fn ignored() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let lines = include_str!("suricata-keys.txt").lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").map_or((line, None), |(name, reason)| (name, Some(reason))))
}

const fn row(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    effect: Effect,
    meaning: &'static str,
) -> Key {
    Key { name, kind, default, effect, meaning }
}

/// Characters of an unknown key that are compared.
const COMPARED_MAX: usize = 100;

const DURATION: Kind = Kind::Duration;
const CPU_MODES: Kind = Kind::Word(&["balanced", "exclusive"]);
const SWITCH: Kind = Kind::Word(&["auto", "yes", "no"]);
const CHECKS: Kind = Kind::Word(&["none", "all"]);
const TRACKED: Kind = Kind::Word(&["yes", "no", "two-way"]);
const RESERVED: Kind = Kind::Word(&["strict", "permissive"]);
const COMPAT: Kind = Kind::Word(&["flumen", "suricata"]);
/// Kinds of output that Suricata knows. All are words here, so that the message can say which of them Flumen writes.
const FILETYPES: Kind = Kind::Word(&["regular", "file", "syslog", "unix_dgram", "unix_stream", "redis"]);
const CLUSTERS: Kind = Kind::Word(&[
    "cluster_flow",
    "cluster_cpu",
    "cluster_qm",
    "cluster_random",
    "cluster_rollover",
    "cluster_round_robin",
    "cluster_ebpf",
]);
const STAMPS: Kind = Kind::Word(&["kernel", "hardware"]);
const RING_CHECKS: Kind = Kind::Word(&["kernel", "auto", "yes", "no"]);
const POLICIES: Kind = Kind::Word(&[
    "auto",
    "ignore",
    "drop-flow",
    "pass-flow",
    "bypass",
    "drop-packet",
    "pass-packet",
    "reject",
    "rejectboth",
]);

const REASSEMBLY: &str = "TCP reassembly";

/// One row for each key.
#[rustfmt::skip]
const KEYS: &[Key] = &[
    row("default-log-dir", Kind::Text, Some("/var/log/flumen"), Effect::Now, "Directory of the output files when `-l` is not given"),
    row("stats.enabled", Kind::Flag, Some("yes"), Effect::Now, "Write `stats` events"),
    row("stats.interval", DURATION, Some("8"), Effect::Now, "Time between two `stats` events; reading a file writes one at its end"),
    row("outputs.eve-log.enabled", Kind::Flag, Some("yes"), Effect::Now, "Write this EVE log"),
    row("outputs.eve-log.filetype", FILETYPES, Some("regular"), Effect::Now, "Where records go: a file, or when capturing a Unix socket that somebody listens to"),
    row("outputs.eve-log.filename", Kind::Text, Some("eve.json"), Effect::Now, "File, relative to the log directory"),
    row("outputs.eve-log.append", Kind::Flag, Some("yes"), Effect::Now, "Add to a file that is there; otherwise start it anew"),
    row("outputs.eve-log.rotate-interval", Kind::Text, None, Effect::Now, "When capturing, begin a new file at each end of an interval: minute, hour, day, or a number with s, m, h, d, w"),
    row("outputs.eve-log.rotate-size", Kind::Size { min: 1 }, None, Effect::Now, "When capturing, begin a new file before one has more bytes"),
    row("outputs.eve-log.spool-size", Kind::Size { min: 65_536 }, Some("64mb"), Effect::Now, "When capturing, what waits in memory for an output that is slow, full, or away; beyond it records are lost and counted"),
    row("outputs.eve-log.community-id", Kind::Flag, Some("no"), Effect::Now, "Add `community_id`"),
    row("outputs.eve-log.community-id-seed", Kind::Count { min: 0, max: 65_535 }, Some("0"), Effect::Now, "Seed of the community id"),
    row("outputs.eve-log.ipv6-compress", Kind::Flag, Some("no"), Effect::Now, "Write IPv6 addresses in their short form"),
    row("outputs.eve-log.ethernet", Kind::Flag, Some("no"), Effect::Now, "Add the MAC addresses as `ether`"),
    row("outputs.eve-log.types.flow.enabled", Kind::Flag, Some("yes"), Effect::Now, "Write a `flow` record for each flow"),
    row("outputs.eve-log.types.netflow.enabled", Kind::Flag, Some("yes"), Effect::Now, "Write a `netflow` record for each direction of a flow"),
    row("outputs.eve-log.types.anomaly.enabled", Kind::Flag, Some("no"), Effect::Now, "Write an `anomaly` event for each decoder event of a packet"),
    row("outputs.eve-log.types.anomaly.types.decode", Kind::Flag, None, Effect::Now, "Decoder events among the anomalies; without it they are, and with `compat: suricata` they are not"),
    row("outputs.eve-log.types.stats.enabled", Kind::Flag, Some("yes"), Effect::Now, "Write `stats` events into this log"),
    row("outputs.eve-log.types.stats.totals", Kind::Flag, Some("yes"), Effect::Now, "Counters of all threads together"),
    row("outputs.eve-log.types.stats.deltas", Kind::Flag, Some("no"), Effect::Now, "What changed since the last event"),
    row("outputs.eve-log.types.stats.null-values", Kind::Flag, Some("yes"), Effect::Now, "Counters that are 0"),
    row("outputs.stats.enabled", Kind::Flag, Some("no"), Effect::Now, "When capturing, write the counters as a table"),
    row("outputs.stats.filename", Kind::Text, Some("stats.log"), Effect::Now, "File of the tables, relative to the log directory"),
    row("outputs.stats.append", Kind::Flag, Some("yes"), Effect::Now, "Add to a file that is there; otherwise start it anew"),
    row("outputs.stats.null-values", Kind::Flag, Some("no"), Effect::Now, "Counters that are 0"),
    row("af-packet.interface", Kind::Text, None, Effect::Now, "Which interface the keys beside it are for; `default`: those that have none of their own"),
    row("af-packet.threads", Kind::AutoOr { max: WORKERS_MAX }, None, Effect::Now, "Rings of the interface, each with a worker; `auto`: one for each CPU that workers may run on. Not set: as `flumen.threads`. `any` has one"),
    row("af-packet.cluster-id", Kind::Count { min: 0, max: 65_535 }, None, Effect::Now, "Number of the group that its rings make; without it one that is free"),
    row("af-packet.cluster-type", CLUSTERS, Some("cluster_flow"), Effect::Now, "Which ring a packet goes to; `cluster_ebpf` is refused"),
    row("af-packet.defrag", Kind::Flag, Some("yes"), Effect::Now, "With several rings, have the kernel put IPv4 fragments together first: what is counted is then the datagram"),
    row("af-packet.rollover", Kind::Flag, Some("no"), Effect::Now, "A packet whose ring is full goes to another"),
    row("af-packet.use-mmap", Kind::Flag, Some("yes"), Effect::Now, "Always so; `no` is a warning"),
    row("af-packet.mmap-locked", Kind::Flag, Some("no"), Effect::Now, "The ring must stay in memory"),
    row("af-packet.tpacket-v3", Kind::Flag, Some("yes"), Effect::Now, "Always so; `no` is a warning"),
    row("af-packet.ring-size", Kind::Count { min: 1, max: 4_294_967_295 }, None, Effect::Now, "Packets that a ring has room for; without it a ring of 64 blocks"),
    row("af-packet.block-size", Kind::Size { min: 1 }, Some("128kb"), Effect::Now, "Bytes of a block, rounded up to a power of two"),
    row("af-packet.block-timeout", Kind::Count { min: 1, max: 10_000 }, Some("10"), Effect::Now, "Milliseconds after which a block is handed over though it is not full"),
    row("af-packet.disable-promisc", Kind::Flag, Some("no"), Effect::Now, "Do not ask for frames that are for other hosts"),
    row("af-packet.bpf-filter", Kind::Text, None, Effect::Now, "Which frames are captured; words on the command line replace it"),
    row("af-packet.checksum-checks", RING_CHECKS, Some("kernel"), Effect::Now, "Trust TCP checksums: `auto` looks whether most are wrong; `kernel` asks the kernel, packet by packet"),
    row("af-packet.timestamps", STAMPS, Some("kernel"), Effect::Now, "Whose time stamps packets have: the kernel's, or the network card's where it can; not a key of Suricata"),
    row("unix-command.enabled", SWITCH, Some("auto"), Effect::Now, "When capturing, listen on a socket; `auto`: when that is possible"),
    row("unix-command.filename", Kind::Text, Some("/run/flumen/flumen-command.socket"), Effect::Now, "Where that socket is; a plain name is one in /run/flumen"),
    row("run-as.user", Kind::Text, None, Effect::Now, "Once interfaces are open, go on as this user"),
    row("run-as.group", Kind::Text, None, Effect::Now, "And with this group; without it the user's"),
    row("security.limit-noproc", Kind::Flag, Some("yes"), Effect::Now, "When capturing, start neither processes nor programs once all is open (seccomp)"),
    row("security.landlock.enabled", SWITCH, Some("auto"), Effect::Now, "When capturing, leave no files but those that are needed once all is open; `auto`: when the kernel has Landlock"),
    row("security.landlock.directories.write", Kind::Paths, None, Effect::Now, "Directories that can be written all the same; those of the logs always can"),
    row("security.landlock.directories.read", Kind::Paths, None, Effect::Now, "Directories that can be read all the same"),
    row("flow.memcap", Kind::Size { min: 1 }, Some("128mb"), Effect::Now, "Memory for the flow table: rows, flows and what belongs to them"),
    row("flow.memcap-policy", POLICIES, None, Effect::Now, "What is counted for a packet that got no flow; without it `exception-policy`"),
    row("flow.hash-size", Kind::Count { min: 1, max: 4_294_967_295 }, Some("65536"), Effect::Now, "Rows of the flow table"),
    row("flow.prealloc", Kind::Count { min: 0, max: 4_294_967_295 }, Some("10000"), Effect::Now, "Flows that are ready at the start and kept ready"),
    row("flow.emergency-recovery", Kind::Count { min: 1, max: 100 }, Some("30"), Effect::Now, "Percent of `flow.prealloc` that must be ready again before emergency mode ends"),
    row("flow.managers", Kind::Count { min: 1, max: 1024 }, Some("1"), Effect::Now, "Threads that end idle flows; not used with one worker"),
    row("flow.recyclers", Kind::Count { min: 1, max: 1024 }, Some("1"), Effect::Now, "Threads that turn ended flows into records; not used with one worker"),
    row("flow.rate-tracking.bytes", Kind::Size { min: 1 }, None, Effect::Now, "Bytes of one direction within the interval that make it an elephant; needs the interval"),
    row("flow.rate-tracking.interval", Kind::Count { min: 1, max: 86_400 }, None, Effect::Now, "Length of that interval in seconds"),
    row("flow-timeouts.default.new", DURATION, Some("30"), Effect::Now, "Idle time after which a flow seen from one side ends: protocols that are not below"),
    row("flow-timeouts.default.established", DURATION, Some("300"), Effect::Now, "Idle time after which an established flow ends: protocols that are not below"),
    row("flow-timeouts.default.closed", DURATION, Some("0"), Effect::Now, "Idle time after which a closed flow ends: protocols that are not below"),
    row("flow-timeouts.default.bypassed", DURATION, Some("100"), Effect::Now, "Idle time after which a bypassed flow ends: protocols that are not below"),
    row("flow-timeouts.default.emergency-new", DURATION, Some("10"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.default.emergency-established", DURATION, Some("100"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.default.emergency-closed", DURATION, Some("0"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.default.emergency-bypassed", DURATION, Some("50"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.tcp.new", DURATION, Some("60"), Effect::Now, "Idle time after which a flow seen from one side ends: TCP"),
    row("flow-timeouts.tcp.established", DURATION, Some("600"), Effect::Now, "Idle time after which an established flow ends: TCP"),
    row("flow-timeouts.tcp.closed", DURATION, Some("60"), Effect::Now, "Idle time after which a closed flow ends: TCP"),
    row("flow-timeouts.tcp.bypassed", DURATION, Some("100"), Effect::Now, "Idle time after which a bypassed flow ends: TCP"),
    row("flow-timeouts.tcp.emergency-new", DURATION, Some("5"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.tcp.emergency-established", DURATION, Some("100"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.tcp.emergency-closed", DURATION, Some("10"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.tcp.emergency-bypassed", DURATION, Some("50"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.udp.new", DURATION, Some("30"), Effect::Now, "Idle time after which a flow seen from one side ends: UDP"),
    row("flow-timeouts.udp.established", DURATION, Some("300"), Effect::Now, "Idle time after which an established flow ends: UDP"),
    row("flow-timeouts.udp.closed", DURATION, Some("0"), Effect::Now, "Idle time after which a closed flow ends: UDP"),
    row("flow-timeouts.udp.bypassed", DURATION, Some("100"), Effect::Now, "Idle time after which a bypassed flow ends: UDP"),
    row("flow-timeouts.udp.emergency-new", DURATION, Some("10"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.udp.emergency-established", DURATION, Some("100"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.udp.emergency-closed", DURATION, Some("0"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.udp.emergency-bypassed", DURATION, Some("50"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.icmp.new", DURATION, Some("30"), Effect::Now, "Idle time after which a flow seen from one side ends: ICMP over IPv4"),
    row("flow-timeouts.icmp.established", DURATION, Some("300"), Effect::Now, "Idle time after which an established flow ends: ICMP over IPv4"),
    row("flow-timeouts.icmp.closed", DURATION, Some("0"), Effect::Now, "Idle time after which a closed flow ends: ICMP over IPv4"),
    row("flow-timeouts.icmp.bypassed", DURATION, Some("100"), Effect::Now, "Idle time after which a bypassed flow ends: ICMP over IPv4"),
    row("flow-timeouts.icmp.emergency-new", DURATION, Some("10"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.icmp.emergency-established", DURATION, Some("100"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.icmp.emergency-closed", DURATION, Some("0"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("flow-timeouts.icmp.emergency-bypassed", DURATION, Some("50"), Effect::Now, "The same in emergency mode, not above the normal one"),
    row("stream.midstream", Kind::Flag, Some("no"), Effect::Now, "A TCP session may begin in its middle. Without a configuration file: yes"),
    row("stream.midstream-policy", POLICIES, None, Effect::Now, "As in Suricata: any policy but `ignore` and `pass-flow` keeps sessions from beginning in their middle; without it `exception-policy`"),
    row("stream.async-oneside", Kind::Flag, Some("no"), Effect::Now, "A TCP session may be seen from one side only"),
    row("stream.checksum-validation", Kind::Flag, Some("yes"), Effect::Now, "A TCP segment with a wrong checksum does not reach its session"),
    row("stream.bypass", Kind::Flag, Some("no"), Effect::Now, "Stop looking at a TCP session at `stream.reassembly.depth`"),
    row("stream.memcap", Kind::Size { min: 0 }, Some("64mb"), Effect::Later(REASSEMBLY), "Memory for TCP sessions; they live in `flow.memcap`"),
    row("stream.reassembly.memcap", Kind::Size { min: 0 }, Some("256mb"), Effect::Later(REASSEMBLY), "Memory for reassembled TCP data"),
    row("stream.reassembly.depth", Kind::Size { min: 0 }, Some("1mb"), Effect::Now, "Bytes of a direction of a TCP session that are looked at; 0 is no limit"),
    row("vlan.use-for-tracking", Kind::Flag, Some("yes"), Effect::Now, "VLAN identifiers are part of what makes a flow"),
    row("livedev.use-for-tracking", Kind::Flag, Some("yes"), Effect::Now, "The capture device is part of what makes a flow"),
    row("decoder.recursion-level.use-for-tracking", Kind::Flag, Some("yes"), Effect::Now, "The depth of tunnels is part of what makes a flow"),
    row("decoder.max-layers", Kind::Count { min: 1, max: 255 }, Some("16"), Effect::Now, "Most layers of a packet"),
    row("decoder.teredo.enabled", Kind::Flag, Some("yes"), Effect::Now, "Look into Teredo tunnels"),
    row("decoder.teredo.ports", Kind::Ports, Some("any"), Effect::Now, "UDP ports of Teredo"),
    row("decoder.vxlan.enabled", Kind::Flag, Some("yes"), Effect::Now, "Look into VXLAN tunnels"),
    row("decoder.vxlan.ports", Kind::Ports, Some("4789"), Effect::Now, "UDP ports of VXLAN"),
    row("decoder.vxlan.reserved-bits-check", RESERVED, Some("strict"), Effect::Now, "Whether reserved bits of a VXLAN header must be zero"),
    row("decoder.geneve.enabled", Kind::Flag, Some("yes"), Effect::Now, "Look into Geneve tunnels"),
    row("decoder.geneve.ports", Kind::Ports, Some("6081"), Effect::Now, "UDP ports of Geneve"),
    row("decoder.fou.enabled", Kind::Flag, Some("no"), Effect::Now, "Look into foo over UDP, bare IP in UDP; never with `compat: suricata`"),
    row("decoder.fou.ports", Kind::Ports, Some("5555"), Effect::Now, "UDP ports of foo over UDP"),
    row("defrag.memcap", Kind::Size { min: 1 }, Some("32mb"), Effect::Now, "Memory for fragments that wait"),
    row("defrag.memcap-policy", POLICIES, None, Effect::Now, "What is counted for a fragment for which there is no memory"),
    row("defrag.hash-size", Kind::Count { min: 1, max: 4_294_967_295 }, Some("65536"), Effect::Now, "Rows of the fragment table"),
    row("defrag.trackers", Kind::Count { min: 1, max: 4_294_967_295 }, Some("65535"), Effect::Now, "Datagrams that may wait for their fragments"),
    row("defrag.max-frags", Kind::Count { min: 1, max: 4_294_967_295 }, Some("65535"), Effect::Now, "Fragments that may wait"),
    row("defrag.prealloc", Kind::Flag, Some("yes"), Effect::Now, "Make the trackers at the start"),
    row("defrag.timeout", DURATION, Some("60"), Effect::Now, "Time after its last fragment at which a datagram is given up"),
    row("defrag.host-config.timeout", DURATION, None, Effect::Now, "The same for the hosts of this element of the list; needs `address`"),
    row("defrag.host-config.address", Kind::Networks, None, Effect::Now, "These hosts; needs `timeout`"),
    row("host-os-policy.windows", Kind::Networks, None, Effect::Now, "Hosts for which bytes that two fragments have are those of the earlier one, unless the later one reaches beyond it at both ends"),
    row("host-os-policy.windows2k3", Kind::Networks, None, Effect::Now, "As `windows`"),
    row("host-os-policy.vista", Kind::Networks, None, Effect::Now, "As `windows`"),
    row("host-os-policy.bsd", Kind::Networks, None, Effect::Now, "The earlier one, unless the later one begins before it; so do hosts in no list"),
    row("host-os-policy.bsd-right", Kind::Networks, None, Effect::Now, "The later one, unless it begins before the earlier one"),
    row("host-os-policy.old-linux", Kind::Networks, None, Effect::Now, "As `linux`"),
    row("host-os-policy.linux", Kind::Networks, None, Effect::Now, "The earlier one, unless the later one begins before it or where it does"),
    row("host-os-policy.old-solaris", Kind::Networks, None, Effect::Now, "As `first`"),
    row("host-os-policy.solaris", Kind::Networks, None, Effect::Now, "The earlier one, unless the later one begins before it and ends where it does or behind it"),
    row("host-os-policy.hpux10", Kind::Networks, None, Effect::Now, "As `bsd`"),
    row("host-os-policy.hpux11", Kind::Networks, None, Effect::Now, "As `first`"),
    row("host-os-policy.irix", Kind::Networks, None, Effect::Now, "As `bsd`"),
    row("host-os-policy.macos", Kind::Networks, None, Effect::Now, "As `first`"),
    row("host-os-policy.first", Kind::Networks, None, Effect::Now, "Always the earlier one; not a name of Suricata"),
    row("host-os-policy.last", Kind::Networks, None, Effect::Now, "Always the later one; not a name of Suricata"),
    row("pcap-file.checksum-checks", SWITCH, Some("auto"), Effect::Now, "Trust checksums of a capture: `auto` looks whether most are wrong"),
    row("capture.checksum-validation", CHECKS, None, Effect::Now, "`none` overrules both checksum keys, as `-k none` does; `all` forces them"),
    row("exception-policy", POLICIES, Some("auto"), Effect::Now, "Policy where none of its own is set; `auto` is `ignore`, since Flumen only watches"),
    row("threading.set-cpu-affinity", Kind::Flag, Some("no"), Effect::Now, "Bind threads to the sets below (Linux); otherwise the sets have no effect"),
    row("threading.cpu-affinity.management-cpu-set.cpu", Kind::Cpus, Some("all"), Effect::Now, "CPUs of managers and recyclers"),
    row("threading.cpu-affinity.management-cpu-set.mode", CPU_MODES, Some("balanced"), Effect::Now, "`exclusive`: one CPU each, in turn; `balanced`: each on all of them"),
    row("threading.cpu-affinity.receive-cpu-set.cpu", Kind::Cpus, Some("all"), Effect::Now, "CPUs of threads that only read packets"),
    row("threading.cpu-affinity.receive-cpu-set.mode", CPU_MODES, Some("exclusive"), Effect::Now, "As above"),
    row("threading.cpu-affinity.worker-cpu-set.cpu", Kind::Cpus, Some("all"), Effect::Now, "CPUs of workers"),
    row("threading.cpu-affinity.worker-cpu-set.mode", CPU_MODES, Some("exclusive"), Effect::Now, "As above"),
    row("threading.cpu-affinity.worker-cpu-set.threads", Kind::Count { min: 1, max: WORKERS_MAX }, None, Effect::Now, "Worker threads when `flumen.threads` is not set"),
    row("threading.detect-thread-ratio", Kind::Ratio, Some("1"), Effect::Now, "Worker threads for each CPU with `flumen.threads: auto`, and only then"),
    row("sensor-name", Kind::Text, None, Effect::Now, "Name of the sensor, written as `host` into every record"),
    row("flumen.compat", COMPAT, Some("flumen"), Effect::Now, "`suricata` keeps to what Suricata does where Flumen would do better"),
    row("flumen.memory-limit", Kind::Size { min: 1_048_576 }, None, Effect::Now, "Ceiling for table, queues and output together"),
    row("flumen.active-timeout", DURATION, None, Effect::Now, "Write an update of every flow that lives this long, again and again; 0: never"),
    row("flumen.hash-seed", Kind::Count { min: 0, max: u64::MAX }, None, Effect::Now, "Fixes the secret of the hash, to repeat an experiment; a known seed can be flooded"),
    row("flumen.extended", Kind::Flag, Some("no"), Effect::Now, "Add exact times in nanoseconds to records, under a key of their own"),
    row("flumen.tunnel.use-for-tracking", TRACKED, Some("yes"), Effect::Now, "What tells one tunnel from another (VNI, GRE key, TEID, SPI, session) is part of what makes a flow; `two-way`: only what both directions share (VNI, GRE key); always `no` with `compat: suricata`"),
    row("flumen.incomplete-datagrams", Kind::Flag, Some("no"), Effect::Now, "Write a flow, without ports, for fragments whose datagram was never complete"),
    row("flumen.seccomp", SWITCH, Some("auto"), Effect::Now, "When capturing, leave no system calls but those that are needed once all is open; `auto`: when the kernel has seccomp"),
    row("flumen.metrics", Kind::Text, None, Effect::Now, "When capturing, serve /metrics, /healthz and /readyz at this loopback address, such as 127.0.0.1:9143"),
    row("flumen.threads", Kind::AutoOr { max: WORKERS_MAX }, None, Effect::Now, "Worker threads; `auto`: `threading.detect-thread-ratio` for each CPU that workers may run on. Not set: `threads` of the worker set, else 1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_of_its_kind() {
        for key in rows() {
            if let Some(default) = key.default {
                assert!(key.kind.parse(default).is_ok(), "{}: {default}", key.name);
            }
        }
    }

    #[test]
    fn every_key_stands_once_and_none_below_an_ignored_one() {
        let mut seen = std::collections::HashSet::new();
        for name in rows().iter().map(|key| key.name).chain(ignored().map(|(name, _)| name)) {
            assert!(seen.insert(name), "{name} twice");
            assert!(!name.contains(char::is_whitespace), "{name}");
        }
        for name in &seen {
            for (dot, _) in name.match_indices('.') {
                assert!(matches!(known(&name[..dot]), Some(Known::Section)), "{name} is below a key");
            }
        }
    }

    #[test]
    fn misspelt_key_then_nearest_is_the_one_meant() {
        let cases = [
            ("flow.memcp", "flow.memcap"),
            ("flwo", "flow"),
            ("flow.hashsize", "flow.hash-size"),
            ("flow-timeouts.tcp.establshed", "flow-timeouts.tcp.established"),
            ("stream.mid-stream", "stream.midstream"),
            ("outputs.evelog", "outputs.eve-log"),
            ("outputs.eve-log.types.flows", "outputs.eve-log.types.flow"),
            ("flumen.compatibility", "flumen.compat"),
            ("app-layers", "app-layer"),
            ("compat", "flumen.compat"),
            ("emergency-recovery", "flow.emergency-recovery"),
        ];
        for (wrong, right) in cases {
            assert_eq!(nearest(wrong), right, "{wrong}");
        }
        for nonsense in ["", ".", "..", "x", "ünïcödé.ключ"] {
            assert!(!nearest(nonsense).is_empty());
        }
    }
}
