//! The encoder of records, and the parts that `flow` and `netflow` events share.
//!
//! Constant text between two numbers is one piece; words that belong to a state, a reason, a protocol or a set of flags
//! come from tables that are made when this is compiled. So nearly all of a record is stores of known length.

use super::clock::{Clock, STAMP_LEN, Stamp};
use super::community_id::TEXT_LEN;
use super::{EveConfig, address, anomaly, flow, netflow, protocol};
use crate::digits::hex_pair;
use crate::line::{Line, Padded};
use crate::text::Text;
use flumen_model::record::{Endpoint, FlowRecord, MacSet, Nesting};
use flumen_model::sink::Anomaly;
use flumen_model::{Address, IpVersion, Ports, TunnelKind, VlanTags};

/// Turns records into lines of JSON. Holds the settings and what is remembered from line to line.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(super) config: EveConfig,
    pub(super) clock: Clock,
    /// The field `host` with its comma, or nothing.
    pub(super) host: Text,
    /// The field `in_iface` with its comma, at the number of the interface, as far as names are known.
    devices: Vec<Option<Text>>,
}

impl Encoder {
    pub(crate) fn new(config: EveConfig) -> Self {
        let mut host = Text::default();
        if let Some(name) = &config.host {
            host.raw(b",\"host\":\"");
            host.escaped(name);
            host.byte(b'"');
        }
        Self { config, clock: Clock::new(), host, devices: Vec::new() }
    }
    /// Appends the event of an odd packet and a line feed.
    pub(crate) fn anomaly(&mut self, out: &mut Text, odd: &Anomaly) {
        let in_iface = match self.config.devices.are_known() {
            true => {
                self.note_device(odd.device);
                self.devices.get(usize::from(odd.device)).and_then(Option::as_ref).map_or(&[][..], Text::as_bytes)
            }
            false => &[],
        };
        let (clock, config, host) = (&mut self.clock, &self.config, self.host.as_bytes());
        out.line(|room| anomaly::write(room, clock, config, (in_iface, host), odd));
    }
    /// Looks up the name of an interface, unless it is known.
    fn note_device(&mut self, device: u16) {
        let place = usize::from(device);
        if self.devices.get(place).is_some_and(Option::is_some) {
            return;
        }
        if let Some(name) = self.config.devices.of(device) {
            let mut field = Text::default();
            field.raw(b",\"in_iface\":\"");
            field.escaped(&name);
            field.byte(b'"');
            self.devices.resize_with(self.devices.len().max(place + 1), || None);
            self.devices[place] = Some(field);
        }
    }
    /// Appends all events of `record` that are wanted.
    pub(crate) fn record(&mut self, out: &mut Text, record: &FlowRecord) {
        if !self.config.wants_flows() {
            return;
        }
        if self.config.devices.are_known() {
            self.note_device(record.device);
        }
        let in_iface = self.devices.get(usize::from(record.device)).and_then(Option::as_ref);
        let community_id = self.config.community_id.map(|rule| rule.text(record));
        let common = Common {
            config: &self.config,
            host: self.host.as_bytes(),
            in_iface: in_iface.map_or(&[][..], Text::as_bytes),
            community_id: community_id.as_ref(),
            logged: self.clock.stamp(record.logged),
            start: self.clock.stamp(record.start),
            end: self.clock.stamp(record.end),
        };
        if self.config.flow {
            out.line(|room| flow::write(room, &common, record));
        }
        if self.config.netflow && record.interim.is_none() {
            netflow::append(out, &common, record);
        }
    }
}

/// What all events of one record share.
pub(super) struct Common<'a> {
    pub(super) config: &'a EveConfig,
    host: &'a [u8],
    in_iface: &'a [u8],
    community_id: Option<&'a [u8; TEXT_LEN]>,
    logged: Stamp,
    start: Stamp,
    end: Stamp,
}

/// Whose address and port come first, as source.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    Client,
    Server,
}

impl Common<'_> {
    /// The start of the line up to the VLANs; `event_type` is that field, with its comma.
    #[inline(always)]
    pub(super) fn open<const N: usize>(&self, line: &mut Line<'_>, record: &FlowRecord, event_type: &[u8; N]) {
        line.fill(OPEN.len(), |next: &mut [u8; OPEN.len()]| {
            *next = OPEN;
            self.logged.write(&mut next[OPEN_STAMP..OPEN_STAMP + STAMP_LEN]);
        });
        line.wide(record.flow_id);
        if let Some(parent) = self.nesting(record).and_then(|nesting| nesting.parent_id) {
            line.apart(|line| line.key_uint(b",\"parent_id\":", parent));
        }
        if !self.in_iface.is_empty() {
            line.slice(self.in_iface);
        }
        line.put(event_type);
        if record.vlan.count > 0 {
            line.apart(|line| vlans(line, &record.vlan));
        }
    }
    /// Where the flow stands among tunnels, when that is written.
    #[inline(always)]
    fn nesting<'r>(&self, record: &'r FlowRecord) -> Option<&'r Nesting> {
        record.nesting.as_ref().filter(|_| self.config.tunnels)
    }
    /// Addresses, and ports where there are any.
    #[inline(always)]
    pub(super) fn ends(&self, line: &mut Line<'_>, record: &FlowRecord, sender: Sender) {
        let ports = ports(record);
        let (src, dst, ports) = match sender {
            Sender::Client => (record.client, record.server, ports),
            Sender::Server => (record.server, record.client, ports.map(|p| Ports { src: p.dst, dst: p.src })),
        };
        ends(line, self.config, record.ip_version, [src, dst], ports);
    }
    /// The rest of `flow` and `netflow` up to `age`: `start`, `end`, and the difference of their whole seconds.
    #[inline(always)]
    pub(super) fn span(&self, line: &mut Line<'_>, record: &FlowRecord) {
        line.fill(SPAN.len(), |next: &mut [u8; SPAN.len()]| {
            *next = SPAN;
            self.start.write(&mut next[SPAN_START..SPAN_START + STAMP_LEN]);
            self.end.write(&mut next[SPAN_END..SPAN_END + STAMP_LEN]);
        });
        line.uint(record.end.secs().saturating_sub(record.start.secs()));
    }
    #[inline(always)]
    pub(super) fn community_id(&self, line: &mut Line<'_>) {
        if let Some(id) = self.community_id {
            line.put(b",\"community_id\":\"");
            line.put(id);
            line.put(b"\"");
        }
    }
    /// The MAC addresses of `record`, when they are known and wanted.
    #[inline(always)]
    pub(super) fn macs<'r>(&self, record: &'r FlowRecord) -> Option<&'r MacSet> {
        record.macs.as_deref().filter(|_| self.config.ethernet)
    }
    /// The object `tunnel`, when the flow has to do with one, and the field `host`, when the sensor has a name.
    #[inline(always)]
    pub(super) fn surroundings(&self, line: &mut Line<'_>, record: &FlowRecord) {
        if let Some(nesting) = self.nesting(record) {
            line.apart(|line| tunnel(line, nesting));
        }
        if !self.host.is_empty() {
            line.slice(self.host);
        }
    }
}

/// What stands before the number of a flow.
const OPEN: [u8; 57] = *b"{\"timestamp\":\"0000-00-00T00:00:00.000000+0000\",\"flow_id\":";
const OPEN_STAMP: usize = 14;
/// What stands between the bytes and the age of a flow.
const SPAN: [u8; 89] =
    *b",\"start\":\"0000-00-00T00:00:00.000000+0000\",\"end\":\"0000-00-00T00:00:00.000000+0000\",\"age\":";
const SPAN_START: usize = 10;
const SPAN_END: usize = SPAN_START + STAMP_LEN + 9;

/// The ports of `record`, when its protocol has any.
#[inline(always)]
fn ports(record: &FlowRecord) -> Option<Ports> {
    match record.endpoint {
        Endpoint::Ports(ports) => Some(ports),
        Endpoint::Icmp { .. } | Endpoint::Spi(_) | Endpoint::None => None,
    }
}

/// The field `vlan`, when there are any.
#[inline(never)]
pub(super) fn vlans(line: &mut Line<'_>, vlan: &VlanTags) {
    let ids = &vlan.ids[..usize::from(vlan.count).min(vlan.ids.len())];
    for (i, &id) in ids.iter().enumerate() {
        line.slice(if i == 0 { b",\"vlan\":[" } else { b"," });
        line.uint(id.into());
    }
    if !ids.is_empty() {
        line.put(b"]");
    }
}

/// Addresses of sender and receiver, ports where there are any, and the beginning of what follows.
#[inline(always)]
pub(super) fn ends(
    line: &mut Line<'_>,
    config: &EveConfig,
    version: IpVersion,
    [src, dst]: [Address; 2],
    ports: Option<Ports>,
) {
    line.put(b",\"src_ip\":\"");
    address::put(line, src, version, config.ipv6);
    match ports {
        Some(ports) => {
            line.key_uint(b"\",\"src_port\":", ports.src.into());
            line.put(b",\"dest_ip\":\"");
            address::put(line, dst, version, config.ipv6);
            line.key_uint(b"\",\"dest_port\":", ports.dst.into());
        }
        None => {
            line.put(b"\",\"dest_ip\":\"");
            address::put(line, dst, version, config.ipv6);
            line.put(b"\"");
        }
    }
}

/// The field `proto`.
#[inline(always)]
pub(super) fn protocol_field<const N: usize>(line: &mut Line<'_>, key: &[u8; N], protocol: u8) {
    line.put(key);
    protocol::put(line, protocol);
}

/// The object `tunnel`: depth, the number that tells the tunnel from others, and whether the flow is the outside of one.
#[inline(never)]
fn tunnel(line: &mut Line<'_>, nesting: &Nesting) {
    line.key_uint(b",\"tunnel\":{\"depth\":", nesting.depth.into());
    let name = match nesting.tunnel.kind {
        TunnelKind::None => None,
        TunnelKind::Vni => Some(b",\"vni\":".as_slice()),
        TunnelKind::GreKey => Some(b",\"gre_key\":".as_slice()),
        TunnelKind::Teid => Some(b",\"teid\":".as_slice()),
        TunnelKind::Spi => Some(b",\"spi\":".as_slice()),
        TunnelKind::Session => Some(b",\"session\":".as_slice()),
    };
    if let Some(name) = name {
        line.slice(name);
        line.uint(nesting.tunnel.id.into());
    }
    line.slice(if nesting.is_outside { b",\"outside\":true}" } else { b"}" });
}

/// A word for each TCP flag that is set.
#[inline(always)]
pub(super) fn flag_words(line: &mut Line<'_>, flags: u8) {
    line.part(&FLAG_WORDS[0][usize::from(flags & 15)]);
    line.part(&FLAG_WORDS[1][usize::from(flags >> 4)]);
}

/// The words of the four lower flags, and of the four upper ones.
static FLAG_WORDS: [[Padded<44>; 16]; 2] = [
    // SYN comes before FIN.
    words([(2, ",\"syn\":true"), (1, ",\"fin\":true"), (4, ",\"rst\":true"), (8, ",\"psh\":true")]),
    words([(1, ",\"ack\":true"), (2, ",\"urg\":true"), (4, ",\"ecn\":true"), (8, ",\"cwr\":true")]),
];

const fn words(names: [(usize, &str); 4]) -> [Padded<44>; 16] {
    let mut table = [Padded::EMPTY; 16];
    let mut flags = 0;
    while flags < 16 {
        let mut i = 0;
        while i < 4 {
            if flags & names[i].0 != 0 {
                table[flags] = table[flags].and(names[i].1.as_bytes());
            }
            i += 1;
        }
        flags += 1;
    }
    table
}

/// The object `ether`; without any address there is none.
#[inline(never)]
pub(super) fn ether(line: &mut Line<'_>, dest: &[[u8; 6]], src: &[[u8; 6]]) {
    if dest.is_empty() && src.is_empty() {
        return;
    }
    line.put(b",\"ether\":{\"dest_macs\":[");
    macs(line, dest);
    line.put(b"],\"src_macs\":[");
    macs(line, src);
    line.put(b"]}");
}

fn macs(line: &mut Line<'_>, macs: &[[u8; 6]]) {
    for (i, mac) in macs.iter().enumerate() {
        line.slice(if i == 0 { b"\"" } else { b",\"" });
        line.fill(18, |next: &mut [u8; 18]| {
            *next = *b"00:00:00:00:00:00\"";
            for (digits, byte) in next.chunks_mut(3).zip(mac) {
                digits[..2].copy_from_slice(&hex_pair(*byte));
            }
        });
    }
}
