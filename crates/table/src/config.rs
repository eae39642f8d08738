//! What the table can be told: sizes, limits, timeouts, and the switches that change what makes a flow.

use flumen_model::{FlowState, Span};

/// Settings of a flow table. The defaults are those of Suricata's shipped `suricata.yaml`, with midstream pickup on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// `flow.memcap`: bytes for rows, flows and side stores together.
    pub memcap: u64,
    /// `flow.hash-size`: rows, any number from 1.
    pub hash_size: u32,
    /// `flow.prealloc`: flows that are ready at the start and are kept ready.
    pub prealloc: u32,
    /// `flow.emergency-recovery`: percent of `prealloc` that must be spare again before emergency mode ends, 1 to 100.
    pub emergency_recovery: u8,
    /// `flow.memcap-policy`: what becomes of a packet for which no flow could be had.
    pub memcap_policy: MemcapPolicy,
    /// `flow-timeouts`.
    pub timeouts: Timeouts,
    /// `flow.rate-tracking`: when a direction of a flow is an elephant.
    pub rate_tracking: Option<RateTracking>,
    /// `vlan.use-for-tracking`.
    pub track_vlan: bool,
    /// `livedev.use-for-tracking`.
    pub track_device: bool,
    /// `decoder.recursion-level.use-for-tracking`.
    pub track_recursion: bool,
    /// `flumen.tunnel.use-for-tracking`: whether what tells one tunnel from another tells the conversations in them apart.
    pub track_tunnel: TrackTunnel,
    /// `stream.midstream`: a TCP session may begin in its middle.
    pub midstream: bool,
    /// `stream.async-oneside`: a TCP session may be seen from one side only.
    pub async_oneside: bool,
    /// `stream.reassembly.depth`: bytes of a direction up to which data that the capture has lost is noticed (which makes
    /// the checks of the session lenient); 0 is no limit.
    pub depth: u32,
    /// `stream.bypass`: only count the packets of a TCP session once both directions have reached the depth.
    pub bypass: bool,
    /// `ethernet: yes` of the EVE log: collect MAC addresses, at most this many a side and never more than 10.
    pub macs_max: Option<usize>,
    /// `flumen.active-timeout`: make a record of every flow that goes on each time it has lived this long again. Not
    /// zero.
    pub active_timeout: Option<Span>,
    /// `flumen.compat`: keep to what Suricata does where Flumen would do better.
    pub compat: Compat,
    /// `flumen.hash-seed`: fixes the secret of the hash. Only for repeating an experiment: a known seed can be flooded.
    pub hash_seed: Option<u64>,
}

/// Whether records keep to Suricata's behaviour where Flumen's own differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Flows for every IP protocol, ICMP errors of every kind tied to their flow, reuse after TIME_WAIT.
    #[default]
    Flumen,
    /// None of these.
    Suricata,
}

/// Which numbers of tunnels tell the conversations in them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackTunnel {
    /// None, as in Suricata.
    No,
    /// Those that both directions of a tunnel share: VNI and GRE key. A conversation stays in one flow, and two that differ
    /// only in a TEID, SPI or session are one.
    TwoWay,
    /// All: VNI, GRE key, TEID, SPI, session. Of the last three the receiver chooses the number, so each direction of a
    /// conversation is a flow of its own.
    #[default]
    Yes,
}

/// `flow.memcap-policy`, as far as it has a meaning for a sensor: what is done with a packet that got no flow. Each
/// choice only decides which counter `exception_policy.flow.memcap.*` goes up; a sensor neither drops nor passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemcapPolicy {
    /// Not configured: no counter.
    #[default]
    Ignore,
    /// `drop-packet`, also for `drop-flow`.
    DropPacket,
    /// `pass-packet`, also for `pass-flow`.
    PassPacket,
    /// `reject`.
    Reject,
    /// `rejectboth`.
    RejectBoth,
}

/// `flow.rate-tracking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateTracking {
    /// Bytes in one direction within the interval that make it an elephant.
    pub bytes: u64,
    /// Length of the interval in whole seconds, at least 1.
    pub interval_secs: u32,
}

/// Classes of protocols that have timeouts of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeoutClass {
    /// Everything that is not below; ICMPv6 too.
    Default,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP over IPv4.
    Icmp,
}

impl TimeoutClass {
    /// All classes, by number.
    pub const ALL: [Self; 4] = [Self::Default, Self::Tcp, Self::Udp, Self::Icmp];

    /// The class of an IP protocol number.
    #[must_use]
    pub const fn of(protocol: u8) -> Self {
        match protocol {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            _ => Self::Default,
        }
    }
}

/// Timeouts of one class, by state: new, established, closed, bypassed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTimeouts(pub [Span; 4]);

/// `flow-timeouts`: normal and emergency timeouts of every class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// By class.
    pub normal: [StateTimeouts; 4],
    /// By class, while the table is in emergency mode.
    pub emergency: [StateTimeouts; 4],
}

impl StateTimeouts {
    /// Timeouts of whole seconds.
    #[must_use]
    pub const fn secs(new: u64, established: u64, closed: u64, bypassed: u64) -> Self {
        Self([Span::from_secs(new), Span::from_secs(established), Span::from_secs(closed), Span::from_secs(bypassed)])
    }
}

impl Timeouts {
    /// The timeout of a flow.
    #[must_use]
    pub const fn of(&self, class: TimeoutClass, state: FlowState, emergency: bool) -> Span {
        let table = if emergency { &self.emergency } else { &self.normal };
        table[class as usize].0[state as usize]
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let other = StateTimeouts::secs(30, 300, 0, 100);
        let other_emergency = StateTimeouts::secs(10, 100, 0, 50);
        Self {
            normal: [other, StateTimeouts::secs(60, 600, 60, 100), other, other],
            emergency: [other_emergency, StateTimeouts::secs(5, 100, 10, 50), other_emergency, other_emergency],
        }
    }
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            memcap: 128 << 20,
            hash_size: 65_536,
            prealloc: 10_000,
            emergency_recovery: 30,
            memcap_policy: MemcapPolicy::Ignore,
            timeouts: Timeouts::default(),
            rate_tracking: None,
            track_vlan: true,
            track_device: true,
            track_recursion: true,
            track_tunnel: TrackTunnel::Yes,
            midstream: true,
            async_oneside: false,
            depth: 1 << 20,
            bypass: false,
            macs_max: None,
            active_timeout: None,
            compat: Compat::Flumen,
            hash_seed: None,
        }
    }
}
