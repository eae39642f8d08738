//! A table with one worker, and packets to give it.

use flumen_model::{FlowRecord, Timestamp};
use flumen_table::{EndedFlow, FlowIds, FlowLookup, FlowTable, Message, PacketKey, PacketView, TableConfig, Verdict};
use flumen_wire::{Address, FlowPacket, IpVersion, Macs, NonFlow, Ports, TcpFlags, TcpSegment, Transport, VlanTags};

/// Small enough for Miri.
pub(crate) fn small() -> TableConfig {
    TableConfig { memcap: 4 << 20, hash_size: 64, prealloc: 100, ..TableConfig::default() }
}

pub(crate) fn table(config: TableConfig) -> FlowTable {
    FlowTable::new(config, [1, 2]).expect("a table that fits")
}

/// Milliseconds after some moment.
pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_nanos(1_600_000_000_000_000_000 + ms * 1_000_000)
}

pub(crate) fn mac(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, n]
}

/// A UDP packet from one of 10.0.0.0/24 to another, of which the MAC addresses end like the hosts.
pub(crate) fn udp(from: u8, to: u8, src: u16, dst: u16) -> FlowPacket {
    FlowPacket {
        src: Address::v4([10, 0, 0, from]),
        dst: Address::v4([10, 0, 0, to]),
        vlan: VlanTags::default(),
        ip_version: IpVersion::V4,
        protocol: 17,
        ttl: 64,
        recursion: 0,
        tunnel: flumen_wire::Tunnel::NONE,
        transport: Transport::Udp(Ports { src, dst }),
        transport_offset: 34,
        transport_len: 8,
        macs: Some(Macs::new(mac(from), mac(to))),
        event: None,
        inner: None,
    }
}

/// A TCP packet between the hosts 1 and 2, ports 5000 and 80: from 1 when `from_client`.
pub(crate) fn tcp(from_client: bool, flags: u8, seq: u32, ack: u32, payload_len: u16) -> FlowPacket {
    let (from, to) = if from_client { (1, 2) } else { (2, 1) };
    let ports = if from_client { Ports { src: 5000, dst: 80 } } else { Ports { src: 80, dst: 5000 } };
    let segment = TcpSegment {
        ports,
        seq,
        ack,
        window: u16::MAX,
        flags: TcpFlags(flags),
        payload_len,
        window_scale: (flags & TcpFlags::SYN != 0).then_some(7),
        ..TcpSegment::default()
    };
    FlowPacket { protocol: 6, transport: Transport::Tcp(segment), ..udp(from, to, 0, 0) }
}

pub(crate) struct Bench<'t> {
    pub(crate) table: &'t FlowTable,
    pub(crate) lookup: FlowLookup<'t>,
    pub(crate) ended: Vec<EndedFlow>,
    frames: u64,
}

impl<'t> Bench<'t> {
    pub(crate) fn new(table: &'t FlowTable) -> Self {
        Self { table, lookup: FlowLookup::new(table, 0), ended: Vec::new(), frames: 0 }
    }

    /// Gives the table a packet of `bytes` bytes.
    pub(crate) fn send(&mut self, at: Timestamp, packet: &FlowPacket, bytes: u64) -> Verdict {
        self.send_on(0, at, packet, bytes)
    }

    /// Gives the table a packet that came in on a device.
    pub(crate) fn send_on(&mut self, device: u16, at: Timestamp, packet: &FlowPacket, bytes: u64) -> Verdict {
        self.frames += 1;
        let key = PacketKey::of(packet, device, self.table.config());
        let hash = match &key {
            PacketKey::Own(key) | PacketKey::About(key) => self.table.hash(key),
            PacketKey::Nothing => return Verdict::NonFlow(NonFlow::IcmpError),
        };
        let message = Message::of(packet);
        let view = PacketView { bytes, origin: self.frames << 4, ..PacketView::of(packet, &message, at) };
        self.lookup.prepare(1, at);
        let row = self.table.row(hash);
        let verdict = self.lookup.lock(row).packet(&key, hash, &view);
        self.ended.append(self.lookup.work_queue());
        verdict
    }

    /// Ends what has timed out at `now` and everything that did so before, and returns the records in order.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<FlowRecord> {
        self.table.set_now(now);
        self.table.sweep(0..self.table.groups(), false, &mut self.ended);
        self.ended.sort_by_key(EndedFlow::order);
        let records = self.ended.iter().map(|flow| flow.record(FlowIds::new(Timestamp::ZERO))).collect();
        for flow in self.ended.drain(..) {
            self.lookup.recycle(flow);
        }
        records
    }
}
