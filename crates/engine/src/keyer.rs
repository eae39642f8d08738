//! The last step before the table: from a decoded packet to its key and hash and what else the table needs of it.
//!
//! The common frame goes through here in registers: the decoder calls [`Keep`] at the end of its straight line, compiled
//! for each kind of packet. All other packets are written once and keyed by the same function.

use flumen_model::Timestamp;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_table::{FlowHash, FlowTable, Message, PROTO_TCP, PROTO_UDP, PacketKey, straight_key};
use flumen_wire::{FlowPacket, NonFlow, Ports, Role, Straight, Take, TcpSegment, tcp_checksum_ok, tcp_segment_ok};

use crate::checksums::ChecksumTest;
use crate::config::EngineConfig;
use crate::vector::{Keyed, Outside, Vector};

/// Numbers packets and gives them their keys.
#[derive(Debug)]
pub(crate) struct Keyer<'t> {
    table: &'t FlowTable,
    checksums: ChecksumTest,
    /// Number of the last packet, those in tunnels counted too: the number of each is the origin of the flow that it opens.
    packets: u64,
    /// What lies between two numbers: other fronts have those.
    step: u64,
    /// Whether MAC addresses are collected.
    pub(crate) notes_macs: bool,
    /// Whether payloads are asked who is client and who is server.
    asks_role: bool,
}

/// Where a packet was found: when, where, and the bytes that it was decoded from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) at: Timestamp,
    pub(crate) device: u16,
    pub(crate) data: &'p [u8],
    /// What the capture says of the checksum of the first transport header in `data`.
    pub(crate) checksum: ChecksumNote,
}

impl<'p> Place<'p> {
    /// That of a frame.
    pub(crate) const fn of(data: &'p [u8], entry: &Entry) -> Self {
        Self { at: entry.timestamp, device: entry.device, data, checksum: entry.checksum }
    }
}

impl<'t> Keyer<'t> {
    /// The keyer of front `number` of `of`.
    pub(crate) fn new(table: &'t FlowTable, config: &EngineConfig, number: usize, of: usize) -> Self {
        Self {
            table,
            checksums: ChecksumTest::new(config.checksums),
            packets: number as u64,
            step: of as u64,
            notes_macs: table.config().macs_max.is_some(),
            asks_role: table.config().midstream,
        }
    }

    /// What comes from now on is numbered from 0 and judged ahead of what comes before: see [`Keyer::take_over`].
    pub(crate) const fn begin_ahead(&mut self, checksums: ChecksumTest) {
        self.checksums = checksums.ahead();
        self.packets = 0;
    }
    /// How checksums are judged now.
    pub(crate) const fn checksums(&self) -> ChecksumTest {
        self.checksums
    }
    /// The turn of the packets has come that `ahead` has keyed: takes them over if their checksums would have been judged so
    /// here, and returns the number behind which theirs come.
    pub(crate) fn take_over(&mut self, ahead: &Self) -> Option<u64> {
        self.checksums.take_over(&ahead.checksums).then(|| {
            let before = self.packets;
            self.packets += ahead.packets;
            before
        })
    }

    /// Puts a packet of `bytes` bytes into the vector, with its key and hash, and whether its checksum is believed.
    ///
    /// # Errors
    /// Why it has no flow.
    #[inline(never)]
    pub(crate) fn keep(
        &mut self,
        packet: &FlowPacket,
        found: Place<'_>,
        bytes: u32,
        outside: Outside,
        into: &mut Vector,
    ) -> Result<Outside, NonFlow> {
        let key = PacketKey::of(packet, found.device, self.table.config());
        let hash = match &key {
            PacketKey::Own(key) | PacketKey::About(key) => self.table.hash(key),
            PacketKey::Nothing => return Err(NonFlow::IcmpError),
        };
        self.packets += self.step;
        let is_outside = packet.inner.is_some();
        *into.place() = Keyed {
            key,
            hash,
            at: found.at,
            origin: self.packets,
            bytes,
            outside,
            message: Message::of(packet),
            ttl: packet.ttl,
            is_outside,
            role: if self.asks_role { Role::of_sender(packet, found.data) } else { None },
            checksum_ok: !self.checksums.asks(found.checksum)
                || self.checksums.judge(tcp_checksum_ok(found.data, packet)),
        };
        let index = into.take_in(hash, is_outside);
        if self.notes_macs {
            into.note_macs(packet.macs);
        }
        Ok(index)
    }
}

/// Does the same with a packet of a frame that was decoded in a straight line. What is taken is its hash; the packet is then
/// to be taken in.
pub(crate) struct Keep<'k, 't> {
    pub(crate) keyer: &'k mut Keyer<'t>,
    pub(crate) entry: &'k Entry,
    pub(crate) bytes: u32,
    pub(crate) place: &'k mut Keyed,
}

impl Keep<'_, '_> {
    /// Writes all that is in the headers. That comes first: what was read stays in registers only until the payload is looked
    /// at.
    #[inline(always)]
    fn write(&mut self, packet: &Straight<'_>, protocol: u8, ports: Ports, message: Message) -> FlowHash {
        let Self { keyer, entry, bytes, place } = self;
        keyer.packets += keyer.step;
        let key = straight_key(packet, protocol, ports, entry.device);
        **place = Keyed {
            key: PacketKey::Own(key),
            hash: FlowHash::ZERO,
            at: entry.timestamp,
            origin: keyer.packets,
            bytes: *bytes,
            outside: Outside::NONE,
            message,
            ttl: packet.ttl(),
            is_outside: false,
            role: None,
            checksum_ok: true,
        };
        let hash = keyer.table.hash(&key);
        place.hash = hash;
        hash
    }
}

impl Take for Keep<'_, '_> {
    type Taken = FlowHash;

    #[inline(always)]
    fn tcp(mut self, packet: &Straight<'_>, segment: &TcpSegment) -> FlowHash {
        let hash = self.write(packet, PROTO_TCP, segment.ports, Message::Tcp(*segment));
        let Self { keyer, entry, place, .. } = self;
        if keyer.asks_role && segment.payload_len > 0 {
            place.role = packet.payload_of(segment).and_then(Role::of_stream);
        }
        if keyer.checksums.asks(entry.checksum)
            && let Some(segment) = packet.transport()
        {
            let (src, dst) = packet.ends();
            place.checksum_ok = keyer.checksums.judge(Some(tcp_segment_ok(src, dst, segment)));
        }
        hash
    }

    #[inline(always)]
    fn udp(mut self, packet: &Straight<'_>, ports: Ports, payload: &[u8], _is_tunnel: bool) -> FlowHash {
        let hash = self.write(packet, PROTO_UDP, ports, Message::Other);
        if self.keyer.asks_role {
            self.place.role = Role::of_datagram(ports, || Some(payload));
        }
        hash
    }
}
