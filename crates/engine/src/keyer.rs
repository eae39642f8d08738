//! The last step before the table: from a decoded packet to its key and hash and what else the table needs of it.
//!
//! The common frame goes through here in registers: the decoder calls [`Keep`] at the end of its straight line, compiled
//! for each kind of packet. All other packets are written once and keyed by the same function.

use flumen_model::Timestamp;
use flumen_model::source::{ChecksumNote, Entry};
use flumen_table::{FlowHash, FlowTable, Message, PROTO_TCP, PROTO_UDP, PacketKey, PlainPacket, Says, straight_key};
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
        let (key, is_about) = match PacketKey::of(packet, found.device, self.table.config()) {
            PacketKey::Own(key) => (key, false),
            PacketKey::About(key) => (key, true),
            PacketKey::Nothing => return Err(NonFlow::IcmpError),
        };
        let hash = self.table.hash(&key);
        self.packets += self.step;
        let is_outside = packet.inner.is_some();
        let role = if self.asks_role { Role::of_sender(packet, found.data) } else { None };
        let checksum_ok =
            !self.checksums.asks(found.checksum) || self.checksums.judge(tcp_checksum_ok(found.data, packet));
        let place = into.place();
        place.origin = self.packets;
        place.plain = PlainPacket { key, at: found.at, bytes, ttl: packet.ttl, ..PlainPacket::EMPTY };
        place.say(&Message::of(packet));
        if is_about || is_outside || outside.is_some() || role.is_some() || !checksum_ok {
            let odd = place.odd_mut();
            (odd.is_about, odd.is_outside, odd.outside) = (is_about, is_outside, outside);
            (odd.role, odd.checksum_ok) = (role, checksum_ok);
        }
        let index = into.take_in(hash, is_outside);
        if self.notes_macs {
            into.note_macs(packet.macs);
        }
        Ok(index)
    }
}

/// Notes what a segment's payload says of its sender. The payload is given by its parts: so the packet stays in registers where
/// it comes from.
#[cold]
#[inline(never)]
fn note_role_of(place: &mut Keyed, payload_len: u16, payload: Option<&[u8]>) {
    if payload_len > 0
        && let Some(role) = payload.and_then(Role::of_stream)
    {
        place.odd_mut().role = Some(role);
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
    /// Writes all but what the packet says, where it stays.
    #[inline(always)]
    fn write(&mut self, packet: &Straight<'_>, protocol: u8, ports: Ports) -> FlowHash {
        let Self { keyer, entry, bytes, place } = self;
        keyer.packets += keyer.step;
        place.origin = keyer.packets;
        let plain = &mut place.plain;
        (plain.at, plain.bytes, plain.ttl) = (entry.timestamp, *bytes, packet.ttl());
        let key = straight_key(packet, protocol, ports, entry.device);
        plain.key = key;
        keyer.table.hash(&key)
    }
}

impl Take for Keep<'_, '_> {
    type Taken = FlowHash;

    #[inline(always)]
    fn tcp(mut self, packet: &Straight<'_>, segment: &TcpSegment) -> FlowHash {
        // First, while nothing else takes up the registers.
        self.place.say_segment(segment, packet.raw_segment(segment));
        let hash = self.write(packet, PROTO_TCP, segment.ports);
        if self.keyer.asks_role && packet.may_tell_role() {
            note_role_of(self.place, segment.payload_len, packet.segment_payload());
        }
        let Self { keyer, entry, place, .. } = self;
        if keyer.checksums.asks(entry.checksum)
            && let Some(segment) = packet.transport()
        {
            let (src, dst) = packet.ends();
            if !keyer.checksums.judge(Some(tcp_segment_ok(src, dst, segment))) {
                place.odd_mut().checksum_ok = false;
            }
        }
        hash
    }

    #[inline(always)]
    fn udp(mut self, packet: &Straight<'_>, ports: Ports, payload: &[u8], _is_tunnel: bool) -> FlowHash {
        self.place.plain.says = Says::Nothing;
        let hash = self.write(packet, PROTO_UDP, ports);
        if self.keyer.asks_role {
            let role = Role::of_datagram(ports, || Some(payload));
            if role.is_some() {
                self.place.odd_mut().role = role;
            }
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use flumen_table::TableConfig;
    use flumen_wire::{Decoder, IpVersion, LinkType};

    use super::*;
    use crate::config::Checksums;

    /// A frame of TCP or UDP. `transport` has its ports first.
    fn frame(version: IpVersion, vlan: bool, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if vlan {
            frame.extend([0x81, 0, 0x20, 5]);
        }
        let len = transport.len() as u8;
        match version {
            IpVersion::V4 => {
                frame.extend([8, 0, 0x45, 0, 0, 20 + len, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            }
            IpVersion::V6 => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, len, protocol, 63]);
                frame.extend([[0x20; 16], [0x21; 16]].concat());
            }
        }
        frame.extend(transport);
        frame
    }

    /// Transport headers and payloads that differ in what is made of them.
    fn transports() -> Vec<(u8, Vec<u8>)> {
        let tcp = |ports: [u8; 4], flags: u8, options: &[u8], payload: &[u8]| {
            let offset = (20 + options.len() as u8) << 2;
            let fixed = [0, 0, 1, 2, 3, 4, 5, 6, offset, flags, 7, 8, 9, 10, 0, 0];
            (PROTO_TCP, [&ports[..], &fixed, options, payload].concat())
        };
        let udp = |ports: [u8; 4], payload: &[u8]| {
            (PROTO_UDP, [&ports[..], &[0, 8 + payload.len() as u8, 0, 0], payload].concat())
        };
        let (up, down) = ([4, 0, 0, 80], [0, 80, 4, 0]);
        let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        vec![
            tcp(up, 0x02, &[2, 4, 5, 180, 4, 2, 1, 1, 3, 3, 7, 0], &[]),
            tcp(up, 0x02, &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7], &[]),
            tcp(up, 0x18, &[], b"GET / HTTP/1.1"),
            tcp(down, 0x18, &timestamps, b"HTTP/1.1 200 OK"),
            tcp(down, 0x10, &timestamps, &[]),
            tcp(up, 0x18, &timestamps, b"\0\0\0\x40\xfeSMB"),
            udp([0, 53, 9, 9], &[0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
            udp([9, 9, 0, 53], &[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        ]
    }

    /// The frame with a TCP checksum that is right.
    fn corrected(decoder: &mut Decoder, mut frame: Vec<u8>) -> Vec<u8> {
        let mut packet = FlowPacket::EMPTY;
        decoder.decode_into(LinkType::Ethernet, &frame, 0, &mut packet).expect("a packet");
        let at = packet.transport_offset as usize + 16;
        for sum in 0..=u16::MAX {
            frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
            if tcp_checksum_ok(&frame, &packet) != Some(false) {
                break;
            }
        }
        frame
    }

    #[test]
    fn a_packet_is_kept_alike_whether_or_not_it_was_written_first() {
        let table = TableConfig { midstream: true, hash_size: 64, prealloc: 0, ..TableConfig::default() };
        let table = FlowTable::new(table, [1, 2]).expect("a table");
        let config = EngineConfig { checksums: Checksums::All, ..EngineConfig::default() };
        let mut decoder = Decoder::default();
        for (protocol, transport) in transports() {
            for (version, vlan) in
                [(IpVersion::V4, false), (IpVersion::V4, true), (IpVersion::V6, false), (IpVersion::V6, true)]
            {
                let wrong = frame(version, vlan, protocol, &transport);
                let right = corrected(&mut decoder, wrong.clone());
                for data in [wrong, right] {
                    kept_alike(&table, &config, &mut decoder, &data);
                }
            }
        }
    }

    fn kept_alike(table: &FlowTable, config: &EngineConfig, decoder: &mut Decoder, data: &[u8]) {
        let wire_len = data.len() as u32;
        let entry = Entry {
            timestamp: Timestamp::from_nanos(7),
            offset: 0,
            captured_len: wire_len,
            wire_len,
            link: LinkType::Ethernet,
            device: 3,
            checksum: ChecksumNote::None,
        };
        let (mut straight, mut written) = (Vector::default(), Vector::default());
        let mut keyer = Keyer::new(table, config, 0, 1);
        let keep = Keep { keyer: &mut keyer, entry: &entry, bytes: wire_len, place: straight.place() };
        let hash = decoder.decode_straight(entry.link, data, wire_len, keep).expect("a common frame");
        straight.take_in(hash, false);
        let mut packet = FlowPacket::EMPTY;
        decoder.decode_into(entry.link, data, wire_len, &mut packet).expect("a packet");
        let mut keyer = Keyer::new(table, config, 0, 1);
        keyer.keep(&packet, Place::of(data, &entry), wire_len, Outside::NONE, &mut written).expect("a flow");
        assert_eq!(seen(&straight), seen(&written), "{data:02x?}");
    }

    /// All that the table is told of the only packet.
    fn seen(vector: &Vector) -> String {
        assert_eq!(vector.len(), 1);
        let packet = vector.packet(0);
        let message = packet.message();
        let view = vector.view(0, &message, 0);
        format!("{:?} {:?} {:?} {view:?}", vector.hash(0), packet.key(), packet.is_plain())
    }
}
