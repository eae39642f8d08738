//! What every case stands on: packets made by hand, a table with one or more workers, and records of what ends.

use flumen_model::{FlowKey, FlowRecord, Span, Tally, Timestamp};
use flumen_table::{
    EndedFlow, FlowHash, FlowIds, FlowLookup, FlowTable, Hint, Message, PacketKey, PacketView, PlainPacket, Rare, Says,
    TableConfig, Verdict,
};
use flumen_wire::{
    Address, FastOpen, FlowPacket, Icmp, IpVersion, NonFlow, Ports, Quoted, TcpFlags, TcpSegment, Transport, VlanTags,
};

/// Hosts that talk.
pub(crate) const A: Address = Address::v4([10, 0, 0, 1]);
pub(crate) const B: Address = Address::v4([10, 0, 0, 2]);
/// A router between them.
pub(crate) const R: Address = Address::v4([10, 0, 0, 254]);

/// `ms` milliseconds after the run began.
pub(crate) const fn ms(ms: u64) -> Timestamp {
    Timestamp::from_nanos(1_600_000_000_000_000_000 + ms * 1_000_000)
}
/// `secs` seconds after the run began.
pub(crate) const fn at(secs: u64) -> Timestamp {
    ms(secs * 1000)
}
/// One nanosecond before `at`.
pub(crate) const fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.nanos() - 1)
}

/// A small table: sixteen rows, a hundred spare flows, a fixed secret.
pub(crate) fn small() -> TableConfig {
    TableConfig { memcap: 1 << 20, hash_size: 16, prealloc: 100, hash_seed: Some(7), ..TableConfig::default() }
}
pub(crate) fn table(config: TableConfig) -> FlowTable {
    FlowTable::new(config, [1, 2]).expect("a table that fits")
}

/// A packet with what the table needs to know of it besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) wire: FlowPacket,
    pub(crate) bytes: u64,
    pub(crate) checksum_ok: bool,
}

impl Packet {
    pub(crate) fn new(src: Address, dst: Address, protocol: u8, transport: Transport) -> Self {
        let wire = FlowPacket {
            src,
            dst,
            vlan: VlanTags::default(),
            ip_version: IpVersion::V4,
            protocol,
            ttl: 64,
            recursion: 0,
            tunnel: flumen_wire::Tunnel::NONE,
            transport,
            transport_offset: 34,
            transport_len: 0,
            macs: None,
            event: None,
            inner: None,
        };
        Self { wire, bytes: 100, checksum_ok: true }
    }
    pub(crate) fn udp(src: Address, sport: u16, dst: Address, dport: u16) -> Self {
        Self::new(src, dst, 17, Transport::Udp(Ports { src: sport, dst: dport }))
    }
    pub(crate) fn sctp(src: Address, sport: u16, dst: Address, dport: u16) -> Self {
        Self::new(src, dst, 132, Transport::Sctp(Ports { src: sport, dst: dport }))
    }
    pub(crate) fn esp(src: Address, dst: Address, spi: u32) -> Self {
        Self::new(src, dst, 50, Transport::Esp { spi })
    }
    pub(crate) fn icmp(src: Address, dst: Address, kind: u8, counterpart: u8) -> Self {
        let icmp = Icmp { kind, code: 0, counterpart: Some(counterpart), is_error: false, quoted: None };
        Self::new(src, dst, 1, Transport::Icmp4(icmp))
    }
    /// An ICMP error about `about`; about nothing that is known without.
    pub(crate) fn icmp_error(src: Address, dst: Address, kind: u8, code: u8, about: Option<&Self>) -> Self {
        let icmp = Icmp { kind, code, counterpart: None, is_error: true, quoted: about.map(Self::quoted) };
        Self::new(src, dst, 1, Transport::Icmp4(icmp))
    }
    pub(crate) fn v6(mut self) -> Self {
        self.wire.ip_version = IpVersion::V6;
        if let Transport::Icmp4(icmp) = self.wire.transport {
            self.wire.transport = Transport::Icmp6(icmp);
            self.wire.protocol = 58;
        }
        self
    }
    fn quoted(&self) -> Quoted {
        let ports = match self.wire.transport {
            Transport::Udp(ports) | Transport::Sctp(ports) => ports,
            Transport::Tcp(tcp) => tcp.ports,
            _ => Ports::default(),
        };
        Quoted { src: self.wire.src, dst: self.wire.dst, protocol: self.wire.protocol, ports }
    }
    pub(crate) fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }
    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.wire.ttl = ttl;
        self
    }
    /// Changes the TCP header.
    pub(crate) fn tcp(mut self, change: impl FnOnce(&mut TcpSegment)) -> Self {
        let Transport::Tcp(tcp) = &mut self.wire.transport else { panic!("not TCP") };
        change(tcp);
        self
    }
    pub(crate) fn fast_open(self) -> Self {
        self.tcp(|tcp| tcp.fast_open = Some(FastOpen::Cookie(8)))
    }
    pub(crate) fn bad_checksum(mut self) -> Self {
        self.checksum_ok = false;
        self
    }
}

/// A segment from A:5000 to B:80. `flags` are letters (S A F R P U), `len` is the length of the payload.
pub(crate) fn c(flags: &str, seq: u32, ack: u32, len: u16) -> Packet {
    segment(A, 5000, B, 80, flags, seq, ack, len)
}
/// A segment from B:80 to A:5000.
pub(crate) fn s(flags: &str, seq: u32, ack: u32, len: u16) -> Packet {
    segment(B, 80, A, 5000, flags, seq, ack, len)
}
#[allow(clippy::too_many_arguments)]
pub(crate) fn segment(
    src: Address,
    sport: u16,
    dst: Address,
    dport: u16,
    flags: &str,
    seq: u32,
    ack: u32,
    payload_len: u16,
) -> Packet {
    let bit = |letter| match letter {
        'F' => TcpFlags::FIN,
        'S' => TcpFlags::SYN,
        'R' => TcpFlags::RST,
        'P' => TcpFlags::PSH,
        'A' => TcpFlags::ACK,
        'U' => TcpFlags::URG,
        other => panic!("no flag {other}"),
    };
    let flags = TcpFlags(flags.chars().map(bit).fold(0, |all, bit| all | bit));
    let ports = Ports { src: sport, dst: dport };
    let tcp = TcpSegment { ports, seq, ack, window: 8192, flags, payload_len, ..TcpSegment::default() };
    Packet::new(src, dst, 6, Transport::Tcp(tcp))
}
/// A handshake: the client begins at 100, the server at 300.
pub(crate) fn handshake() -> Vec<Packet> {
    vec![c("S", 100, 0, 0), s("SA", 300, 101, 0), c("A", 101, 301, 0)]
}
/// A handshake, and what follows.
pub(crate) fn after_handshake(more: &[Packet]) -> Vec<Packet> {
    handshake().into_iter().chain(more.iter().copied()).collect()
}

/// A worker of a table, and the records of what has ended there.
pub(crate) struct Worker<'t> {
    pub(crate) table: &'t FlowTable,
    pub(crate) lookup: FlowLookup<'t>,
    pub(crate) records: Vec<FlowRecord>,
    ids: FlowIds,
    origin: u64,
    /// Which packets are offered the short way first.
    pub(crate) short: Short,
    /// Where the flow was that was asked for last.
    last_hint: Hint,
    /// Packets that it took, and how many of them behind another.
    pub(crate) taken_short: u64,
    pub(crate) in_trains: u64,
}

/// Which packets are offered the short way: it must make no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    None,
    EveryOther,
    All,
}

impl Short {
    const fn is_offered(self, number: u64) -> bool {
        match self {
            Self::None => false,
            Self::EveryOther => number & 1 == 1,
            Self::All => true,
        }
    }
}

impl<'t> Worker<'t> {
    pub(crate) fn new(table: &'t FlowTable) -> Self {
        Self::number(table, 0)
    }
    pub(crate) fn number(table: &'t FlowTable, worker: u8) -> Self {
        let origin = u64::from(worker) << 32;
        Self {
            table,
            lookup: FlowLookup::new(table, worker),
            records: Vec::new(),
            ids: FlowIds::new(at(0)),
            origin,
            short: Short::EveryOther,
            last_hint: Hint::NONE,
            taken_short: 0,
            in_trains: 0,
        }
    }

    /// Goes on with the origins of a worker that is replaced.
    pub(crate) fn continue_after(&mut self, old: &Self) {
        self.origin = old.origin;
    }

    /// Gives a packet to the table as the pipeline does: room is made when there is none, and what ends is recorded.
    pub(crate) fn send(&mut self, now: Timestamp, packet: &Packet) -> Verdict {
        self.origin += 1;
        let message = Message::of(&packet.wire);
        let view = PacketView {
            bytes: packet.bytes,
            origin: self.origin,
            checksum_ok: packet.checksum_ok,
            ..PacketView::of(&packet.wire, &message, now)
        };
        let key = PacketKey::of(&packet.wire, 0, self.table.config());
        let hash = match &key {
            PacketKey::Own(key) | PacketKey::About(key) => self.table.hash(key),
            PacketKey::Nothing => return Verdict::NonFlow(NonFlow::IcmpError),
        };
        let row = self.table.row(hash);
        let mut verdict = match plain(&key, &view) {
            Some(plain) if self.short.is_offered(self.origin) => {
                let mut was_asked = false;
                let hint = self.hint(&plain.key, hash);
                let verdict = self.lookup.lock(row).plain_packet(&plain, hash, hint, || {
                    was_asked = true;
                    Rare { origin: view.origin, macs: view.macs }
                });
                self.taken_short += u64::from(!was_asked);
                verdict
            }
            _ => self.lookup.lock(row).packet(&key, hash, &view),
        };
        if verdict == Verdict::NoSpare && self.lookup.make_room(now) {
            self.record_ended();
            verdict = self.lookup.lock(row).packet(&key, hash, &view);
        }
        self.record_ended();
        if verdict == Verdict::NoSpare { Verdict::NonFlow(NonFlow::Memcap) } else { verdict }
    }
    /// A hint of where a flow is that is right, or one of another packet, or none.
    fn hint(&mut self, key: &FlowKey, hash: FlowHash) -> Hint {
        match self.origin % 3 {
            0 => self.last_hint = self.table.prefetch_flow(key, hash),
            1 => {}
            _ => return Hint::NONE,
        }
        self.last_hint
    }
    /// Gives the first of some packets to the table, and if it went the short way those behind it that go with it, as the pipeline
    /// does. What became of those that were taken.
    pub(crate) fn send_train(&mut self, packets: &[(Timestamp, &Packet)]) -> Vec<Verdict> {
        let config = self.table.config();
        let plain_of = |&(at, packet): &(Timestamp, &Packet)| {
            let message = Message::of(&packet.wire);
            let view = PacketView::of(&packet.wire, &message, at);
            let view = PacketView { bytes: packet.bytes, checksum_ok: packet.checksum_ok, ..view };
            plain(&PacketKey::of(&packet.wire, 0, config), &view).map(|plain| (self.table.hash(&plain.key), plain))
        };
        let mut all = packets.iter().map_while(plain_of).collect::<Vec<_>>().into_iter();
        let Some((hash, first)) = all.next() else { return vec![self.send(packets[0].0, packets[0].1)] };
        let behind: Vec<_> = all.take_while(|&(other, _)| other == hash).map(|(_, plain)| plain).collect();
        let hint = self.hint(&first.key, hash);
        let mut guard = self.lookup.lock(self.table.row(hash));
        let origin = self.origin + 1;
        let mut was_asked = false;
        let verdict = guard.plain_packet(&first, hash, hint, || {
            was_asked = true;
            Rare { origin, macs: packets[0].1.wire.macs.as_ref() }
        });
        let taken = if verdict == Verdict::Counted { guard.train(behind.iter()) } else { Tally::default() };
        drop(guard);
        if verdict == Verdict::NoSpare {
            return vec![self.send(packets[0].0, packets[0].1)];
        }
        assert_eq!(
            taken.bytes,
            behind[..taken.packets as usize].iter().map(|plain| u64::from(plain.bytes)).sum::<u64>()
        );
        self.origin += 1 + taken.packets;
        self.taken_short += u64::from(!was_asked) + taken.packets;
        self.in_trains += taken.packets;
        self.record_ended();
        std::iter::once(verdict).chain((0..taken.packets).map(|_| Verdict::Counted)).collect()
    }
    /// A packet that must be counted.
    pub(crate) fn count(&mut self, now: Timestamp, packet: &Packet) {
        assert_eq!(self.send(now, packet), Verdict::Counted, "{packet:?}");
    }
    /// Packets, a millisecond apart.
    pub(crate) fn count_all(&mut self, packets: &[Packet]) {
        for (n, packet) in packets.iter().enumerate() {
            self.count(ms(n as u64), packet);
        }
    }

    /// Makes records of what has ended in this worker, and takes the flows back.
    pub(crate) fn record_ended(&mut self) {
        for ended in self.lookup.work_queue().drain(..).collect::<Vec<_>>() {
            self.record(ended);
        }
    }
    pub(crate) fn record(&mut self, ended: EndedFlow) {
        self.records.push(ended.record(self.ids));
        self.lookup.recycle(ended);
    }
    /// Ends what has timed out at `now`; how many flows that were.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> usize {
        self.sweep_rows(now, false)
    }
    pub(crate) fn sweep_rows(&mut self, now: Timestamp, every_row: bool) -> usize {
        let mut ended = Vec::new();
        self.table.set_now(now);
        let counts = self.table.sweep(0..self.table.groups(), every_row, &mut ended);
        assert!(counts.checked == counts.timeout + counts.notimeout && counts.timeout <= ended.len() as u64);
        let len = ended.len();
        ended.into_iter().for_each(|flow| self.record(flow));
        len
    }
    /// Ends everything: the records of the run, in the order of their flows' beginnings.
    pub(crate) fn finish(mut self) -> Vec<FlowRecord> {
        let ended: Vec<_> = self.table.drain(at(10_000), Vec::new()).collect();
        ended.into_iter().for_each(|flow| self.record(flow));
        self.record_ended();
        self.records.sort_by_key(|record| record.start);
        self.records
    }
}

/// The records of a run of packets, a millisecond apart.
pub(crate) fn run(config: TableConfig, packets: &[Packet]) -> Vec<FlowRecord> {
    let table = table(config);
    let mut worker = Worker::new(&table);
    worker.count_all(packets);
    let records = worker.finish();
    let sent: u64 = records.iter().map(|r| r.to_server.packets + r.to_client.packets).sum();
    assert_eq!(sent, packets.len() as u64, "every packet is in a record");
    assert_eq!(table.spare() as u64, table.slots(), "every slot is back");
    records
}
/// The one record of a run of packets.
pub(crate) fn run_one(config: TableConfig, packets: &[Packet]) -> FlowRecord {
    let mut records = run(config, packets);
    assert_eq!(records.len(), 1, "{records:#?}");
    records.remove(0)
}

/// A span of whole seconds.
pub(crate) const fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

/// Random numbers: splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The packet for the short way, if it may be tried.
fn plain(key: &PacketKey, view: &PacketView<'_>) -> Option<PlainPacket> {
    let &PacketView { at, bytes, ttl, message, .. } = view;
    let PacketKey::Own(key) = *key else { return None };
    let is_plain = !view.is_outside && view.parent == 0 && view.role.is_none() && view.checksum_ok;
    let (says, segment) = Says::of(message);
    let bytes = u32::try_from(bytes).expect("a short frame");
    (is_plain && says != Says::More).then_some(PlainPacket { key, at, bytes, says, ttl, segment })
}
