//! From a packet to the key by which its flow is found, and from a flow's key back to the packet's direction.

use flumen_model::key::{KeyHead, Place, Scope};
use flumen_model::{Address, FlowKey, Ports};
use flumen_wire::{FlowPacket, Icmp, Quoted, Straight, TcpSegment, Transport, Tunnel};

use crate::config::{Compat, TableConfig, TrackTunnel};
use crate::flow::{PROTO_TCP, PROTO_UDP};

/// What a packet has to do with a flow.
#[derive(Clone, Copy, Debug)]
pub enum PacketKey {
    /// It belongs to the flow of this key, and opens it when there is none.
    Own(FlowKey),
    /// It is an error message about the flow of this key (in either orientation): counted there, if the flow is known.
    About(FlowKey),
    /// It is an error message about nothing that could be known.
    Nothing,
}

impl PacketKey {
    /// The key of a packet that came in on `device`.
    #[must_use]
    pub fn of(packet: &FlowPacket, device: u16, config: &TableConfig) -> Self {
        let tunnel = match config.track_tunnel {
            TrackTunnel::TwoWay if packet.tunnel.kind.is_one_way() => Tunnel::NONE,
            _ => packet.tunnel,
        };
        let scope = Scope::of(Place {
            protocol: packet.protocol,
            ip_version: packet.ip_version,
            vlan: packet.vlan,
            device,
            recursion: packet.recursion,
            tunnel: tunnel.kind,
        });
        let key = FlowKey::new(packet.src, packet.dst, ports_of(&packet.transport), tunnel.id, scope);
        match &packet.transport {
            Transport::Icmp4(icmp) if icmp.is_error => match usable_quote(icmp, config.compat) {
                Some(quoted) => Self::About(quoted_key(&key, &quoted)),
                None => Self::Nothing,
            },
            // An ICMPv6 error makes a flow of its own in Suricata. Where it can be tied to its flow it is.
            Transport::Icmp6(icmp) if icmp.is_error && config.compat == Compat::Flumen => match icmp.quoted {
                Some(quoted) => Self::About(quoted_key(&key, &quoted)),
                None => Self::Own(key),
            },
            _ => Self::Own(key),
        }
    }
}

/// The same for a packet of TCP or UDP that was decoded in a straight line, which has a flow of its own and is in no tunnel:
/// most of it is settled where this is inlined.
#[inline(always)]
#[must_use]
pub fn straight_key(packet: &Straight<'_>, protocol: u8, ports: Ports, device: u16) -> FlowKey {
    let (client, server) = packet.ends();
    let scope =
        Scope::of(Place { protocol, ip_version: packet.ip_version(), vlan: packet.vlan(), device, ..Place::NOWHERE });
    FlowKey::new(client, server, ports, 0, scope)
}

/// What of a packet's transport header a flow looks at, apart from what is in its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// A TCP segment.
    Tcp(TcpSegment),
    /// An ICMP or ICMPv6 message.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Who sent it: of an error message that is not in the key.
        src: Address,
    },
    /// Nothing that a flow looks at.
    Other,
}

impl Message {
    /// What a packet says.
    #[must_use]
    pub const fn of(packet: &FlowPacket) -> Self {
        match &packet.transport {
            Transport::Tcp(tcp) => Self::Tcp(*tcp),
            Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
                Self::Icmp { kind: icmp.kind, code: icmp.code, src: packet.src }
            }
            _ => Self::Other,
        }
    }
}

const _: () = assert!(size_of::<Message>() == size_of::<TcpSegment>(), "a message is no larger than a segment");

/// Suricata ties only destination-unreachable to its flow, and only for TCP and UDP.
fn usable_quote(icmp: &Icmp, compat: Compat) -> Option<Quoted> {
    const DEST_UNREACHABLE: u8 = 3;
    const CODE_MAX: u8 = 15;
    let quoted = icmp.quoted?;
    let as_suricata =
        icmp.kind == DEST_UNREACHABLE && icmp.code <= CODE_MAX && matches!(quoted.protocol, PROTO_TCP | PROTO_UDP);
    (compat == Compat::Flumen || as_suricata).then_some(quoted)
}

const fn quoted_key(key: &FlowKey, quoted: &Quoted) -> FlowKey {
    let scope = key.scope().with_protocol(quoted.protocol);
    FlowKey::new(quoted.src, quoted.dst, quoted.ports, key.tunnel_id(), scope)
}

#[inline(always)]
fn ports_of(transport: &Transport) -> Ports {
    match transport {
        Transport::Tcp(tcp) => tcp.ports,
        Transport::Udp(ports) | Transport::Sctp(ports) => *ports,
        // Neither code nor identifier: two pings between the same hosts are one flow.
        Transport::Icmp4(icmp) => Ports { src: u16::from(icmp.kind), dst: icmp.counterpart.map_or(0, u16::from) },
        Transport::Icmp6(icmp) => Ports {
            src: u16::from_be_bytes([icmp.kind, icmp.code]),
            dst: icmp.counterpart.map_or(0, |kind| u16::from_be_bytes([kind, 0])),
        },
        Transport::Esp { spi } => Ports { src: (spi >> 16) as u16, dst: *spi as u16 },
        Transport::Other => Ports::default(),
    }
}

/// What of a key tells flows apart besides the ends: a flow keeps all that its first packet had, for its record, but
/// VLAN ids, device, depth and number of tunnels count only when they are tracked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyMask {
    pub(crate) scope: u64,
    /// Ports and the tunnel's number as a flow keeps them, in one word.
    pub(crate) rest: u64,
    /// As in Suricata, packets of protocols without ports all go to the server, whoever sends them.
    pub(crate) portless_to_server: bool,
}

impl KeyMask {
    pub(crate) const fn of(config: &TableConfig) -> Self {
        const fn when(tracked: bool, bits: u64) -> u64 {
            if tracked { bits } else { 0 }
        }
        let tracks_tunnel = !matches!(config.track_tunnel, TrackTunnel::No);
        Self {
            scope: Scope::PROTOCOL
                | when(config.track_vlan, Scope::VLAN)
                | when(config.track_device, Scope::DEVICE)
                | when(config.track_recursion, Scope::RECURSION)
                | when(tracks_tunnel, Scope::TUNNEL),
            rest: if tracks_tunnel { u64::MAX } else { u32::MAX as u64 },
            portless_to_server: matches!(config.compat, Compat::Suricata),
        }
    }
    /// The key as it is hashed: what is not tracked is zero.
    #[inline(always)]
    pub(crate) const fn apply(self, key: &FlowKey) -> FlowKey {
        let &KeyHead { ends, rest, scope } = key.head();
        // Ports always count: said so, it is known where a key is made that has no tunnel.
        let rest = rest & (self.rest | u32::MAX as u64);
        FlowKey::of(KeyHead { ends, rest, scope: scope.masked(self.scope) }, *key.tails())
    }
}
