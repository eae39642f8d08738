//! What is set for live capture: interfaces, logs, the control socket, rights, what is shut.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flumen_capture::ring::{Fanout, FanoutMode, RingConfig, Stamps};
use flumen_engine::{Checksums, CpuSet};
use flumen_output::eve::{ExistingFile, Interval, Rotation};
use flumen_output::spool::SpoolConfig;
use flumen_output::{LiveLog, StatsLogConfig, Target};

use super::problem::Problem;
use super::resolve::Resolved;
use super::section::Section;
use super::settings::count;

/// Everything that can be set for live capture alone.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// The interfaces that are configured, in their order.
    pub interfaces: Vec<InterfaceSettings>,
    /// What is set for any other.
    pub default: InterfaceSettings,
    /// Where each of the EVE logs goes.
    pub eve: Vec<LiveLog>,
    /// `outputs.stats`.
    pub stats_log: Option<(LiveLog, StatsLogConfig)>,
    /// `unix-command.filename`, below the directory of sockets.
    pub socket_path: PathBuf,
    /// `unix-command`.
    pub control: Option<ControlSettings>,
    /// `flumen.metrics`.
    pub metrics: Option<SocketAddr>,
    /// `run-as.user`, a name or a number.
    pub user: Option<String>,
    /// `run-as.group`, a name or a number.
    pub group: Option<String>,
    /// `security`, and `flumen.seccomp`.
    pub sandbox: SandboxSettings,
}

/// What a capture shuts itself out of once it has opened everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Whether only some files are left.
    pub landlock: Switch,
    /// Directories that are left to be written, besides those of the logs.
    pub write: Vec<PathBuf>,
    /// Directories that are left to be read.
    pub read: Vec<PathBuf>,
    /// Whether only some system calls are left.
    pub seccomp: Switch,
    /// Whether no processes are started, whatever `seccomp` says.
    pub no_processes: bool,
}

/// Whether something is used that the system need not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// When it is there.
    Auto,
    /// It should be there.
    Yes,
    /// Not.
    No,
}

/// How an interface is captured.
#[derive(Clone, Debug)]
pub struct InterfaceSettings {
    /// The ring. Its filter is empty, and its device number is 0.
    pub ring: RingConfig,
    /// How many rings; without it as many as there are workers.
    pub threads: Option<usize>,
    /// `bpf-filter`, empty when there is none.
    pub filter: String,
    /// `checksum-checks`.
    pub checksums: Checksums,
}

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// Where it is.
    pub path: PathBuf,
    /// Whether there is no capture without it.
    pub required: bool,
}

impl LiveSettings {
    pub(super) fn of(values: &mut Resolved, available: Option<CpuSet>, problems: &mut Vec<Problem>) -> Self {
        warn_of_what_is_always_so(values);
        let root = &values.root;
        let text = |name| Some(root.text(name)).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let is_default = |section: &&Section| section.text(INTERFACE) == DEFAULT;
        let base = values.interfaces.iter().find(is_default);
        let named = values.interfaces.iter().filter(|section| !is_default(section));
        let eve = values.eve.iter().filter(|section| section.flag("outputs.eve-log.enabled"));
        let cpus = available.map_or(1, |cpus| cpus.len());
        Self {
            interfaces: named.map(|section| interface(&section.interface_over(base), root, cpus, problems)).collect(),
            default: interface(&Section::default().interface_over(base), root, cpus, problems),
            eve: eve.map(|section| eve_log(section, problems)).collect(),
            stats_log: root.flag("outputs.stats.enabled").then(|| stats_log(root)),
            socket_path: socket_path(root),
            control: control(root),
            metrics: text("flumen.metrics").and_then(|address| metrics(&address, root, problems)),
            user: text("run-as.user"),
            group: text("run-as.group"),
            sandbox: sandbox(root),
        }
    }

    /// How the interface of this name is captured.
    #[must_use]
    pub fn interface(&self, name: &str) -> InterfaceSettings {
        let named = self.interfaces.iter().find(|interface| interface.ring.interface == name);
        let settings = named.unwrap_or(&self.default).clone();
        InterfaceSettings { ring: RingConfig { interface: name.to_owned(), ..settings.ring }, ..settings }
    }
}

fn interface(section: &Section, root: &Section, cpus: usize, problems: &mut Vec<Problem>) -> InterfaceSettings {
    let name = section.text(INTERFACE);
    let number = |key: &str| section.number(&format!("af-packet.{key}"));
    let flag = |key: &str| section.flag(&format!("af-packet.{key}"));
    let cluster = section.word(CLUSTER_TYPE).unwrap_or("cluster_flow");
    let mode = FanoutMode::from_cluster_type(cluster).unwrap_or_else(|| {
        let text = format!("'{CLUSTER_TYPE}' is {cluster}, which Flumen does not have");
        problems.push(Problem::new(&section.origin(CLUSTER_TYPE), text));
        FanoutMode::Hash
    });
    let fanout = Fanout {
        id: number("cluster-id").map(|id| id as u16),
        mode,
        defrag: flag("defrag"),
        rollover: flag("rollover"),
    };
    let ring = RingConfig {
        fanout: Some(fanout),
        ring_size: number("ring-size").map(|size| size as u32),
        block_size: usize::try_from(count(section, "af-packet.block-size")).unwrap_or(usize::MAX),
        block_timeout_ms: count(section, "af-packet.block-timeout") as u32,
        promiscuous: !flag("disable-promisc"),
        locked: flag("mmap-locked"),
        stamps: match section.word("af-packet.timestamps") {
            Some("hardware") => Stamps::Hardware,
            _ => Stamps::Kernel,
        },
        ..RingConfig::new(name)
    };
    let threads = match section.word("af-packet.threads") {
        Some("auto") => Some(cpus),
        _ => number("threads").map(|threads| threads as usize),
    };
    InterfaceSettings {
        ring,
        threads,
        filter: section.text("af-packet.bpf-filter").to_owned(),
        checksums: checksums(section, root),
    }
}

/// `-k` and `capture.checksum-validation` first, then the switch of the stream, then what is said of the interface.
fn checksums(section: &Section, root: &Section) -> Checksums {
    match (root.word("capture.checksum-validation"), section.word("af-packet.checksum-checks")) {
        (Some("none"), _) => Checksums::None,
        (Some("all"), _) => Checksums::All,
        _ if !root.flag("stream.checksum-validation") => Checksums::None,
        (_, Some("yes")) => Checksums::All,
        (_, Some("no")) => Checksums::None,
        (_, Some("kernel")) => Checksums::Told,
        _ => Checksums::Auto,
    }
}

fn eve_log(section: &Section, problems: &mut Vec<Problem>) -> LiveLog {
    let filename: PathBuf = section.text("outputs.eve-log.filename").into();
    let every = Some(section.text(ROTATE)).filter(|text| !text.is_empty()).and_then(|text| {
        let interval = Interval::parse(text);
        if interval.is_none() {
            let text = format!("'{ROTATE}' takes minute, hour, day, or a number with s, m, h, d or w");
            problems.push(Problem::new(&section.origin(ROTATE), text));
        }
        interval
    });
    let bytes = usize::try_from(count(section, "outputs.eve-log.spool-size")).unwrap_or(usize::MAX);
    LiveLog {
        target: Target::of(section.word("outputs.eve-log.filetype").unwrap_or("regular"), &filename)
            .unwrap_or_default(),
        filename,
        existing: existing(section.flag("outputs.eve-log.append")),
        rotation: Rotation { every, bytes: section.number("outputs.eve-log.rotate-size") },
        spool: SpoolConfig { bytes, ..SpoolConfig::default() },
    }
}

fn stats_log(root: &Section) -> (LiveLog, StatsLogConfig) {
    let log = LiveLog {
        filename: root.text("outputs.stats.filename").into(),
        existing: existing(root.flag("outputs.stats.append")),
        ..LiveLog::default()
    };
    (log, StatsLogConfig { null_values: root.flag("outputs.stats.null-values") })
}

const fn existing(append: bool) -> ExistingFile {
    if append { ExistingFile::Append } else { ExistingFile::Truncate }
}

fn control(root: &Section) -> Option<ControlSettings> {
    let required = match root.word("unix-command.enabled") {
        Some("no") => return None,
        word => word == Some("yes"),
    };
    Some(ControlSettings { path: socket_path(root), required })
}

fn socket_path(root: &Section) -> PathBuf {
    let directory = Path::new(flumen_control::DEFAULT_SOCKET).parent().unwrap_or_else(|| Path::new("/"));
    directory.join(root.text("unix-command.filename"))
}

fn sandbox(root: &Section) -> SandboxSettings {
    let paths = |name| root.paths(name).iter().map(PathBuf::from).collect();
    let switch = |name| match root.word(name) {
        Some("yes") => Switch::Yes,
        Some("no") => Switch::No,
        _ => Switch::Auto,
    };
    SandboxSettings {
        landlock: switch("security.landlock.enabled"),
        write: paths("security.landlock.directories.write"),
        read: paths("security.landlock.directories.read"),
        seccomp: switch("flumen.seccomp"),
        no_processes: root.flag("security.limit-noproc"),
    }
}

fn metrics(address: &str, root: &Section, problems: &mut Vec<Problem>) -> Option<SocketAddr> {
    let parsed = address.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    if parsed.is_none() {
        let text = "'flumen.metrics' takes a loopback address with a port, such as 127.0.0.1:9143".to_owned();
        problems.push(Problem::new(&root.origin("flumen.metrics"), text));
    }
    parsed
}

/// There is no way to capture but a ring of version 3.
fn warn_of_what_is_always_so(values: &mut Resolved) {
    for section in &values.interfaces {
        for key in ["af-packet.use-mmap", "af-packet.tpacket-v3"] {
            if section.given_flag(key) == Some(false) {
                let text = format!("'{key}' is always yes");
                values.warnings.push(Problem::new(&section.origin(key), text));
            }
        }
    }
}

const INTERFACE: &str = "af-packet.interface";
const CLUSTER_TYPE: &str = "af-packet.cluster-type";
const ROTATE: &str = "outputs.eve-log.rotate-interval";
/// The interface that stands for those that are not named.
const DEFAULT: &str = "default";
