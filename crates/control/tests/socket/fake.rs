//! A sensor that is none: its answers are known, and it notes what it was told to do.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flumen_control::{InterfaceCounters, Memcap, MemcapRefusal, PcapJob, Pcaps, Sensor, Unavailable};
use flumen_model::record::{Endpoint, Traffic};
use flumen_model::sink::Stats;
use flumen_model::{Address, Counters, EndReason, FlowRecord, FlowState, IpVersion, Timestamp, VlanTags};

/// Knows one flow, two interfaces and two memory limits.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) shut: AtomicBool,
    pub(crate) reopened: AtomicU64,
    pub(crate) flow_memcap: AtomicU64,
    pub(crate) queue: Option<Queue>,
}

/// Captures that nobody reads.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) waiting: Mutex<Vec<PcapJob>>,
    pub(crate) current: Mutex<Option<PathBuf>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { flow_memcap: AtomicU64::new(64 << 20), ..Self::default() }
    }
    pub(crate) fn serving() -> Self {
        Self { queue: Some(Queue::default()), ..Self::new() }
    }
}

/// The id of the one flow, which more than 53 bits are needed for.
pub(crate) const FLOW_ID: u64 = (1 << 60) + 1;
/// Bytes of flow memory in use.
pub(crate) const IN_USE: u64 = 7_154_304;

impl Sensor for Fake {
    fn version(&self) -> String {
        "0.1.0".to_owned()
    }
    fn uptime_secs(&self) -> u64 {
        35_264
    }
    fn running_mode(&self) -> String {
        "workers".to_owned()
    }
    fn capture_mode(&self) -> String {
        if self.queue.is_some() { "UNIX_SOCKET" } else { "AF_PACKET_DEV" }.to_owned()
    }
    fn shutdown(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }
    fn configuration(&self, key: &str) -> Option<String> {
        (key == "unix-command.enabled").then(|| "yes".to_owned())
    }
    fn stats(&self) -> Result<Stats, Unavailable> {
        let mut counters = Counters::default();
        counters.push("decoder.pkts", 8);
        counters.push("flow.total", 4);
        counters.push("flow.end.state.new", u64::MAX);
        Ok(Stats { uptime_secs: 2, counters, ..Stats::default() })
    }
    fn interfaces(&self) -> Vec<String> {
        vec!["eth0".to_owned(), "eth1".to_owned()]
    }
    fn interface(&self, name: &str) -> Option<InterfaceCounters> {
        (name == "eth0").then_some(InterfaceCounters { packets: 378, invalid_checksums: 1, dropped: 2, bypassed: 3 })
    }
    fn memcaps(&self) -> Vec<Memcap> {
        let flow = self.flow_memcap.load(Ordering::SeqCst);
        vec![Memcap { name: "flow", bytes: flow }, Memcap { name: "defrag", bytes: 0 }]
    }
    fn set_memcap(&self, name: &str, bytes: u64) -> Result<(), MemcapRefusal> {
        match (name, bytes) {
            ("flow", 0) => Err(MemcapRefusal::Unlimited),
            ("flow", bytes) if bytes < IN_USE => Err(MemcapRefusal::InUse(IN_USE)),
            ("flow", bytes) => {
                self.flow_memcap.store(bytes, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(MemcapRefusal::Other("cannot be changed while running".to_owned())),
        }
    }
    fn flow(&self, id: u64) -> Result<Option<FlowRecord>, Unavailable> {
        Ok((id == FLOW_ID).then(flow))
    }
    fn reopen_log_files(&self) -> Result<(), String> {
        self.reopened.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    fn pcaps(&self) -> Option<&dyn Pcaps> {
        self.queue.as_ref().map(|queue| queue as &dyn Pcaps)
    }
}

impl Pcaps for Queue {
    fn add(&self, job: PcapJob) -> Result<(), String> {
        if job.input.starts_with("/nowhere") {
            return Err(format!("{}: no such file", job.input.display()));
        }
        self.waiting.lock().expect("not poisoned").push(job);
        Ok(())
    }
    fn waiting(&self) -> Vec<PathBuf> {
        self.waiting.lock().expect("not poisoned").iter().map(|job| job.input.clone()).collect()
    }
    fn current(&self) -> Option<PathBuf> {
        self.current.lock().expect("not poisoned").clone()
    }
    fn last_processed(&self) -> Option<Timestamp> {
        Some(Timestamp::from_parts(1_509_138_964, 0))
    }
    fn interrupt(&self) -> bool {
        self.current.lock().expect("not poisoned").take().is_some()
    }
}

fn flow() -> FlowRecord {
    let traffic = |packets, bytes| Traffic { packets, bytes, ttl: None };
    FlowRecord {
        nesting: None,
        flow_id: FLOW_ID,
        logged: Timestamp::from_parts(1_600_000_010, 0),
        device: 0,
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        client: Address::v4([10, 0, 0, 1]),
        server: Address::v4([10, 0, 0, 2]),
        protocol: 17,
        endpoint: Endpoint::None,
        to_server: traffic(5, 273),
        to_client: traffic(3, 162),
        start: Timestamp::from_parts(1_600_000_000, 999_999_999),
        end: Timestamp::from_parts(1_600_000_010, 0),
        state: FlowState::Established,
        reason: EndReason::Unknown,
        emergency: false,
        wrong_thread: false,
        elephant: [false; 2],
        midstream_policy: false,
        tcp: None,
        macs: None,
        interim: None,
    }
}
