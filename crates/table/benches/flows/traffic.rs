//! The packets of the bench: flow number to packet, and which flows the packets are of. Nothing is stored but the numbers,
//! so that the stream of packets does not compete with the tables for the cache.

use flumen_model::key::{Place, Scope};
use flumen_model::{Address, FlowKey, IpVersion, Ports, Timestamp, VlanTags};
use flumen_wire::{FlowPacket, Transport};

use crate::PACKETS;

/// Time of all packets.
pub(crate) const START: Timestamp = Timestamp::from_nanos(1_600_000_000_000_000_000);
/// Bytes of each packet.
pub(crate) const BYTES: u64 = 100;
/// Server port of flows that are in the tables, and of flows that are not.
pub(crate) const KNOWN: u16 = 443;
pub(crate) const UNKNOWN: u16 = 444;

const PROTO_UDP: u8 = 17;

/// The packet of flow `id`; every other goes from the server to the client.
pub(crate) fn packet(id: u32, ip_version: IpVersion, server_port: u16, back: bool) -> FlowPacket {
    let [_, a, b, c] = id.to_be_bytes();
    let address = |head, tail| match ip_version {
        IpVersion::V4 => Address::v4(head),
        IpVersion::V6 => Address([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, tail, head[0], head[1], head[2], head[3]]),
    };
    let client = (address([10, a, b, c], 1), (id.wrapping_mul(0x9e37_79b9) >> 16) as u16 | 1024);
    let server = (address([192, 0, 2, c % 7], 2), server_port);
    let (from, to) = if back { (server, client) } else { (client, server) };
    FlowPacket {
        src: from.0,
        dst: to.0,
        vlan: VlanTags::default(),
        ip_version,
        protocol: PROTO_UDP,
        ttl: 64,
        recursion: 0,
        tunnel: flumen_wire::Tunnel::NONE,
        transport: Transport::Udp(Ports { src: from.1, dst: to.1 }),
        transport_offset: 34,
        transport_len: 66,
        macs: None,
        event: None,
        inner: None,
    }
}

/// The key of a packet for tables that do not know of directions: the ends in order.
pub(crate) fn ordered(id: u32, server_port: u16, back: bool) -> FlowKey {
    let packet = packet(id, IpVersion::V4, server_port, back);
    let Transport::Udp(ports) = packet.transport else { unreachable!("all packets are UDP") };
    let scope = Scope::of(Place { protocol: packet.protocol, ip_version: packet.ip_version, ..Place::NOWHERE });
    let key = FlowKey::new(packet.src, packet.dst, ports, 0, scope);
    if (packet.src, ports.src) <= (packet.dst, ports.dst) { key } else { key.turned() }
}

/// [`PACKETS`] packets of `flows` flows, each as likely as the others.
pub(crate) fn uniform(flows: u32, seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..PACKETS).map(|_| (random.next() * f64::from(flows)) as u32).collect()
}

/// [`PACKETS`] packets of `flows` flows, the flow of rank r as likely as 1/r. Ranks are spread over the numbers, so that
/// large flows do not lie next to each other in memory.
pub(crate) fn heavy_tailed(flows: u32, seed: u64) -> Vec<u32> {
    const PRIME: u64 = 2_654_435_761;
    let mut random = Random(seed);
    let rank = |random: &mut Random| f64::from(flows).powf(random.next()) as u64 - 1;
    (0..PACKETS).map(|_| (rank(&mut random) * PRIME % u64::from(flows)) as u32).collect()
}

/// Splitmix64: numbers from 0 up to, but not including, 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
