//! The encoder of records, and the parts that `flow` and `netflow` events share.

use std::collections::HashMap;

use super::clock::Clock;
use super::community_id::TEXT_LEN;
use super::{EveConfig, address, anomaly, flow, netflow, protocol};
use crate::text::{Text, hex_pair};
use flumen_model::record::{Endpoint, FlowRecord, MacSet, Nesting};
use flumen_model::sink::Anomaly;
use flumen_model::{Ports, TcpFlags, TunnelKind};

/// Turns records into lines of JSON. Holds the settings and what is remembered from line to line.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(super) config: EveConfig,
    pub(super) clock: Clock,
    /// The field `host` with its comma, or nothing.
    pub(super) host: Text,
    /// The field `in_iface` with its comma, by the number of the interface, as far as names are known.
    devices: HashMap<u16, Text>,
}

impl Encoder {
    pub(crate) fn new(config: EveConfig) -> Self {
        let mut host = Text::default();
        if let Some(name) = &config.host {
            host.raw(b",\"host\":\"");
            host.escaped(name);
            host.byte(b'"');
        }
        Self { config, clock: Clock::new(), host, devices: HashMap::new() }
    }
    /// Appends the event of an odd packet and a line feed.
    pub(crate) fn anomaly(&mut self, out: &mut Text, odd: &Anomaly) {
        let in_iface = match self.config.devices.are_known() {
            true => {
                self.note_device(odd.device);
                self.devices.get(&odd.device).map_or(&[][..], Text::as_bytes)
            }
            false => &[],
        };
        anomaly::append(out, &mut self.clock, &self.config, (in_iface, self.host.as_bytes()), odd);
    }
    /// Looks up the name of an interface, unless it is known.
    fn note_device(&mut self, device: u16) {
        if self.devices.contains_key(&device) {
            return;
        }
        if let Some(name) = self.config.devices.of(device) {
            let mut field = Text::default();
            field.raw(b",\"in_iface\":\"");
            field.escaped(&name);
            field.byte(b'"');
            self.devices.insert(device, field);
        }
    }
    /// Appends all events of `record` that are wanted.
    pub(crate) fn record(&mut self, out: &mut Text, record: &FlowRecord) {
        let community_id = self.config.community_id.map(|rule| rule.text(record));
        if self.config.devices.are_known() {
            self.note_device(record.device);
        }
        let in_iface = self.devices.get(&record.device).map_or(&[][..], Text::as_bytes);
        let common = Common { config: &self.config, host: self.host.as_bytes(), in_iface, community_id };
        if self.config.flow {
            flow::append(out, &mut self.clock, &common, record);
        }
        if self.config.netflow && record.interim.is_none() {
            netflow::append(out, &mut self.clock, &common, record);
        }
    }
}

/// What all events of one record share.
pub(super) struct Common<'a> {
    pub(super) config: &'a EveConfig,
    host: &'a [u8],
    in_iface: &'a [u8],
    community_id: Option<[u8; TEXT_LEN]>,
}

/// Whose address and port come first, as source.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    Client,
    Server,
}

impl Common<'_> {
    /// The start of the line up to the VLANs.
    pub(super) fn open(&self, out: &mut Text, clock: &mut Clock, record: &FlowRecord, kind: &[u8]) {
        out.raw(b"{\"timestamp\":\"");
        clock.append(out, record.logged);
        key_uint(out, b"\",\"flow_id\":", record.flow_id);
        if let Some(parent) = self.nesting(record).and_then(|nesting| nesting.parent_id) {
            key_uint(out, b",\"parent_id\":", parent);
        }
        out.raw(self.in_iface);
        out.raw(b",\"event_type\":\"");
        out.raw(kind);
        out.byte(b'"');
        let ids = &record.vlan.ids[..usize::from(record.vlan.count).min(record.vlan.ids.len())];
        for (i, &id) in ids.iter().enumerate() {
            key_uint(out, if i == 0 { b",\"vlan\":[" } else { b"," }, id.into());
        }
        if !ids.is_empty() {
            out.byte(b']');
        }
    }
    /// Where the flow stands among tunnels, when that is written.
    fn nesting<'r>(&self, record: &'r FlowRecord) -> Option<&'r Nesting> {
        record.nesting.as_ref().filter(|_| self.config.tunnels)
    }
    /// The object `tunnel`: depth, the number that tells the tunnel from others, and whether the flow is the outside of one.
    pub(super) fn tunnel(&self, out: &mut Text, record: &FlowRecord) {
        let Some(nesting) = self.nesting(record) else { return };
        key_uint(out, b",\"tunnel\":{\"depth\":", nesting.depth.into());
        let name = match nesting.tunnel.kind {
            TunnelKind::None => None,
            TunnelKind::Vni => Some(b",\"vni\":".as_slice()),
            TunnelKind::GreKey => Some(b",\"gre_key\":".as_slice()),
            TunnelKind::Teid => Some(b",\"teid\":".as_slice()),
            TunnelKind::Spi => Some(b",\"spi\":".as_slice()),
            TunnelKind::Session => Some(b",\"session\":".as_slice()),
        };
        if let Some(name) = name {
            key_uint(out, name, nesting.tunnel.id.into());
        }
        if nesting.is_outside {
            out.raw(b",\"outside\":true");
        }
        out.byte(b'}');
    }
    /// Addresses, and ports where there are any.
    pub(super) fn ends(&self, out: &mut Text, record: &FlowRecord, sender: Sender) {
        let ports = ports(record);
        let (src, dst, ports) = match sender {
            Sender::Client => (record.client, record.server, ports),
            Sender::Server => (record.server, record.client, ports.map(|p| Ports { src: p.dst, dst: p.src })),
        };
        out.raw(b",\"src_ip\":\"");
        address::append(out, src, record.ip_version, self.config.ipv6);
        out.byte(b'"');
        if let Some(ports) = ports {
            key_uint(out, b",\"src_port\":", ports.src.into());
        }
        out.raw(b",\"dest_ip\":\"");
        address::append(out, dst, record.ip_version, self.config.ipv6);
        out.byte(b'"');
        if let Some(ports) = ports {
            key_uint(out, b",\"dest_port\":", ports.dst.into());
        }
    }
    pub(super) fn protocol(&self, out: &mut Text, record: &FlowRecord) {
        out.raw(b",\"proto\":\"");
        protocol::append(out, record.protocol);
        out.byte(b'"');
    }
    pub(super) fn community_id(&self, out: &mut Text) {
        if let Some(id) = &self.community_id {
            out.raw(b",\"community_id\":\"");
            out.raw(id);
            out.byte(b'"');
        }
    }
    /// The field `host`, when the sensor has a name.
    pub(super) fn host(&self, out: &mut Text) {
        out.raw(self.host);
    }
    /// The MAC addresses of `record`, when they are known and wanted.
    pub(super) fn macs<'r>(&self, record: &'r FlowRecord) -> Option<&'r MacSet> {
        record.macs.as_deref().filter(|_| self.config.ethernet)
    }
}

/// The ports of `record`, when its protocol has any.
fn ports(record: &FlowRecord) -> Option<Ports> {
    match record.endpoint {
        Endpoint::Ports(ports) => Some(ports),
        Endpoint::Icmp { .. } | Endpoint::Spi(_) | Endpoint::None => None,
    }
}

/// `start`, `end`, and the difference of their whole seconds.
pub(super) fn span(out: &mut Text, clock: &mut Clock, record: &FlowRecord) {
    out.raw(b",\"start\":\"");
    clock.append(out, record.start);
    out.raw(b"\",\"end\":\"");
    clock.append(out, record.end);
    key_uint(out, b"\",\"age\":", record.end.secs().saturating_sub(record.start.secs()));
}

#[inline]
pub(super) fn key_uint(out: &mut Text, key: &[u8], value: u64) {
    out.raw(key);
    out.uint(value);
}

/// A key with the opening quote of its value, a byte in hexadecimal, and the closing quote.
#[inline]
pub(super) fn hex_field(out: &mut Text, key: &[u8], value: u8) {
    out.raw(key);
    out.hex(value);
    out.byte(b'"');
}

/// A word for each TCP flag that is set.
pub(super) fn flag_words(out: &mut Text, flags: u8) {
    for (mask, word) in FLAG_WORDS {
        if flags & mask != 0 {
            out.raw(word);
        }
    }
}

/// The object `ether`; without any address there is none.
pub(super) fn ether(out: &mut Text, dest: &[[u8; 6]], src: &[[u8; 6]]) {
    if dest.is_empty() && src.is_empty() {
        return;
    }
    out.raw(b",\"ether\":{\"dest_macs\":[");
    macs(out, dest);
    out.raw(b"],\"src_macs\":[");
    macs(out, src);
    out.raw(b"]}");
}

fn macs(out: &mut Text, macs: &[[u8; 6]]) {
    for (i, mac) in macs.iter().enumerate() {
        out.raw(if i == 0 { b"\"" } else { b",\"" });
        let mut text = [b':'; 17];
        for (digits, byte) in text.chunks_mut(3).zip(mac) {
            digits[..2].copy_from_slice(&hex_pair(*byte));
        }
        out.raw(&text);
        out.byte(b'"');
    }
}

const FLAG_WORDS: [(u8, &[u8]); 8] = [
    (TcpFlags::SYN, b",\"syn\":true"),
    (TcpFlags::FIN, b",\"fin\":true"),
    (TcpFlags::RST, b",\"rst\":true"),
    (TcpFlags::PSH, b",\"psh\":true"),
    (TcpFlags::ACK, b",\"ack\":true"),
    (TcpFlags::URG, b",\"urg\":true"),
    (TcpFlags::ECE, b",\"ecn\":true"),
    (TcpFlags::CWR, b",\"cwr\":true"),
];
