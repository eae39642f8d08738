//! Who talks to whom.

use core::fmt;

use flumen_wire::{Address, IpVersion, Ports, Tunnel, TunnelKind, VlanTags};

/// Which way a packet of a flow goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Direction {
    /// From the client, who opened the conversation, to the server.
    ToServer = 0,
    /// From the server to the client.
    ToClient = 1,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
    /// 0 to the server, 1 to the client: the index of per-direction pairs.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What makes two packets belong to one flow. The two ends are as the first packet had them: the sender is the client.
///
/// The ports hold what tells conversations of one host pair apart: ports for TCP, UDP and SCTP; the type and the type
/// that answers it for ICMP; the two halves of the SPI for ESP, which goes one way only; zero for the rest.
///
/// The scope is that of the first packet, also when a table is told not to tell flows apart by a part of it.
///
/// It is kept in words, as a table compares and hashes it: so a key with IPv4 addresses is three of them, its [head](Self::head), and
/// nothing has to be put together for each packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FlowKey {
    head: KeyHead,
    tails: KeyTails,
}

/// A key without what IPv6 addresses have beyond four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct KeyHead {
    /// First four bytes of the client's address, and above them of the server's.
    pub ends: u64,
    /// From the low end on: the port of the client, that of the server, the number of the tunnel.
    pub rest: u64,
    /// Where the conversation takes place.
    pub scope: Scope,
}

/// What IPv6 addresses have beyond four bytes: the client's, then the server's. Zero for IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct KeyTails(pub [[u32; 3]; 2]);

impl KeyHead {
    /// The first four bytes of the ends the other way round.
    #[must_use]
    #[inline]
    pub const fn ends_turned(&self) -> u64 {
        self.ends.rotate_left(32)
    }
    /// The ports the other way round, with the number of the tunnel.
    #[must_use]
    #[inline]
    pub const fn rest_turned(&self) -> u64 {
        const TUNNEL: u64 = 0xffff_ffff << 32;
        self.rest & TUNNEL | (self.rest as u32).rotate_left(16) as u64
    }
    /// Whether the key has tails: its addresses are of IPv6.
    #[must_use]
    #[inline]
    pub const fn has_tails(&self) -> bool {
        matches!(self.scope.ip_version(), IpVersion::V6)
    }
}

impl KeyTails {
    /// Those of IPv4 addresses.
    pub const NONE: Self = Self([[0; 3]; 2]);

    /// The other way round.
    #[must_use]
    pub const fn turned(self) -> Self {
        let Self([client, server]) = self;
        Self([server, client])
    }
    /// In words.
    #[must_use]
    #[inline]
    pub const fn words(&self) -> [u64; 3] {
        let Self([[a, b, c], [d, e, f]]) = *self;
        [a as u64 | (b as u64) << 32, c as u64 | (d as u64) << 32, e as u64 | (f as u64) << 32]
    }
}

/// The first four bytes of an address, and the others.
#[inline(always)]
const fn parts(address: &Address) -> (u32, [u32; 3]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.0;
    let tail = [u32::from_ne_bytes([e, f, g, h]), u32::from_ne_bytes([i, j, k, l]), u32::from_ne_bytes([m, n, o, p])];
    (u32::from_ne_bytes([a, b, c, d]), tail)
}

fn address(head: u32, tail: [u32; 3]) -> Address {
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip([head, tail[0], tail[1], tail[2]]) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Address(bytes)
}

impl FlowKey {
    /// A key of zeros: that of no conversation.
    pub const NONE: Self =
        Self { head: KeyHead { ends: 0, rest: 0, scope: Scope::of(Place::NOWHERE) }, tails: KeyTails::NONE };

    /// The key of a packet from `client` to `server`. Of an address of IPv4, as the scope says, only four bytes count.
    #[must_use]
    #[inline(always)]
    pub const fn new(client: Address, server: Address, ports: Ports, tunnel_id: u32, scope: Scope) -> Self {
        let ((client, client_tail), (server, server_tail)) = (parts(&client), parts(&server));
        let head = KeyHead {
            ends: client as u64 | (server as u64) << 32,
            rest: ports.src as u64 | (ports.dst as u64) << 16 | (tunnel_id as u64) << 32,
            scope,
        };
        Self { head, tails: if head.has_tails() { KeyTails([client_tail, server_tail]) } else { KeyTails::NONE } }
    }
    /// The key that has these parts.
    #[must_use]
    #[inline]
    pub const fn of(head: KeyHead, tails: KeyTails) -> Self {
        Self { head, tails }
    }

    /// All there is of a key of IPv4.
    #[must_use]
    #[inline]
    pub const fn head(&self) -> &KeyHead {
        &self.head
    }
    /// What an IPv6 key has more.
    #[must_use]
    #[inline]
    pub const fn tails(&self) -> &KeyTails {
        &self.tails
    }
    /// Address of the client.
    #[must_use]
    pub fn client(&self) -> Address {
        address(self.head.ends as u32, self.tails.0[0])
    }
    /// Address of the server.
    #[must_use]
    pub fn server(&self) -> Address {
        address((self.head.ends >> 32) as u32, self.tails.0[1])
    }
    /// Ports, or what stands for them.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        Ports { src: self.head.rest as u16, dst: (self.head.rest >> 16) as u16 }
    }
    /// Number of the tunnel, of the kind that the scope says; 0 where there is none.
    #[must_use]
    pub const fn tunnel_id(&self) -> u32 {
        (self.head.rest >> 32) as u32
    }
    /// Where the conversation takes place.
    #[must_use]
    #[inline]
    pub const fn scope(&self) -> Scope {
        self.head.scope
    }
    /// The tunnel that the conversation goes through.
    #[must_use]
    pub const fn tunnel(&self) -> Tunnel {
        Tunnel { kind: self.head.scope.tunnel_kind(), id: self.tunnel_id() }
    }
    /// The key of a packet that goes the other way.
    #[must_use]
    pub const fn turned(&self) -> Self {
        let head = KeyHead { ends: self.head.ends_turned(), rest: self.head.rest_turned(), scope: self.head.scope };
        Self { head, tails: self.tails.turned() }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowKey")
            .field("client", &self.client())
            .field("server", &self.server())
            .field("ports", &self.ports())
            .field("tunnel_id", &self.tunnel_id())
            .field("scope", &self.scope())
            .finish()
    }
}

const _: () = assert!(size_of::<KeyHead>() == 24 && size_of::<FlowKey>() == 48);

/// What of a key is not an end of the conversation, field by field; [`Scope`] is the same in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// IP protocol.
    pub protocol: u8,
    /// IP version.
    pub ip_version: IpVersion,
    /// VLAN ids, outermost first.
    pub vlan: VlanTags,
    /// Capture device. Those from [`Scope::DEVICE_MAX`] on are not told apart.
    pub device: u16,
    /// Depth of tunnels, of which those from 15 on are not told apart.
    pub recursion: u8,
    /// Kind of the tunnel's number.
    pub tunnel: TunnelKind,
}

impl Place {
    /// No protocol, anywhere.
    pub const NOWHERE: Self = Self {
        protocol: 0,
        ip_version: IpVersion::V4,
        vlan: VlanTags { ids: [0; 3], count: 0 },
        device: 0,
        recursion: 0,
        tunnel: TunnelKind::None,
    };
}

/// Protocol, VLAN ids, device and depth of a conversation in one word, so that two are compared at once.
///
/// | bits | 0–7 | 8 | 9–12 | 13–15 | 16–25 | 26–27 | 28–39 | 40–51 | 52–63 |
/// |---|---|---|---|---|---|---|---|---|---|
/// | | protocol | IPv6 | recursion | kind of tunnel | device | number of VLAN ids | first | second | third |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Scope(u64);

impl Scope {
    /// The highest number of a device that is told from others.
    pub const DEVICE_MAX: u16 = 1023;
    /// Bits of the VLAN ids. How many there were tells no conversations apart.
    pub const VLAN: u64 = 0xf_ffff_ffff << 28;
    /// Bits of the device.
    pub const DEVICE: u64 = 0x3ff << 16;
    /// Bits of the depth.
    pub const RECURSION: u64 = 0xf << 9;
    /// Bits of the kind of tunnel.
    pub const TUNNEL: u64 = 0x7 << 13;
    /// Bits that are what they are in every configuration.
    pub const PROTOCOL: u64 = 0x1ff;

    /// A place in one word. Inlined where it is called, which most often knows half of the place.
    #[must_use]
    #[inline(always)]
    pub const fn of(place: Place) -> Self {
        const fn least(a: u64, b: u64) -> u64 {
            if a < b { a } else { b }
        }
        // Most packets have no tag and came out of no tunnel: what these add is left to a branch that is foreseen.
        let [first, second, third] = place.vlan.ids;
        let vlan = if place.vlan.count == 0 {
            0
        } else {
            let ids = (first as u64 & 0xfff) | (second as u64 & 0xfff) << 12 | (third as u64 & 0xfff) << 24;
            ids << 28 | least(place.vlan.count as u64, 3) << 26
        };
        let nesting = if place.recursion == 0 && matches!(place.tunnel, TunnelKind::None) {
            0
        } else {
            least(place.recursion as u64, 15) << 9 | (place.tunnel as u64) << 13
        };
        Self(
            place.protocol as u64
                | (matches!(place.ip_version, IpVersion::V6) as u64) << 8
                | nesting
                | least(place.device as u64, Self::DEVICE_MAX as u64) << 16
                | vlan,
        )
    }
    /// The word.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
    /// With what is not in `mask` set to zero.
    #[must_use]
    pub const fn masked(self, mask: u64) -> Self {
        Self(self.0 & mask)
    }
    /// The same for another protocol.
    #[must_use]
    pub const fn with_protocol(self, protocol: u8) -> Self {
        Self(self.0 & !0xff | protocol as u64)
    }
    /// IP protocol.
    #[must_use]
    pub const fn protocol(self) -> u8 {
        self.0 as u8
    }
    /// IP version.
    #[must_use]
    pub const fn ip_version(self) -> IpVersion {
        if self.0 >> 8 & 1 == 1 { IpVersion::V6 } else { IpVersion::V4 }
    }
    /// VLAN ids of the first packet.
    #[must_use]
    pub fn vlan(self) -> VlanTags {
        let id = |shift: u32| (self.0 >> shift & 0xfff) as u16;
        VlanTags { ids: [id(28), id(40), id(52)], count: (self.0 >> 26 & 3) as u8 }
    }
    /// Capture device.
    #[must_use]
    pub const fn device(self) -> u16 {
        (self.0 >> 16 & 0x3ff) as u16
    }
    /// Depth of tunnels.
    #[must_use]
    pub const fn recursion(self) -> u8 {
        (self.0 >> 9 & 0xf) as u8
    }
    /// Kind of the tunnel's number.
    #[must_use]
    pub const fn tunnel_kind(self) -> TunnelKind {
        TunnelKind::ALL[((self.0 >> 13 & 7) as usize) % TunnelKind::ALL.len()]
    }
    /// All of it, field by field.
    #[must_use]
    pub fn place(self) -> Place {
        Place {
            protocol: self.protocol(),
            ip_version: self.ip_version(),
            vlan: self.vlan(),
            device: self.device(),
            recursion: self.recursion(),
            tunnel: self.tunnel_kind(),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_put_into_words_comes_out_as_it_was_either_way_round() {
        for ip_version in [IpVersion::V4, IpVersion::V6] {
            let bytes = if ip_version == IpVersion::V4 { 4 } else { 16 };
            let ends =
                [1, 101].map(|first| Address(core::array::from_fn(|n| if n < bytes { first + n as u8 } else { 0 })));
            let (ports, scope) =
                (Ports { src: 0x1234, dst: 0xfedc }, Scope::of(Place { ip_version, ..Place::NOWHERE }));
            let key = FlowKey::new(ends[0], ends[1], ports, 0x89ab_cdef, scope);
            assert_eq!((key.client(), key.server(), key.ports()), (ends[0], ends[1], ports));
            assert_eq!((key.tunnel_id(), key.scope()), (0x89ab_cdef, scope));
            let other_way = Ports { src: ports.dst, dst: ports.src };
            assert_eq!(key.turned(), FlowKey::new(ends[1], ends[0], other_way, 0x89ab_cdef, scope));
            assert_eq!(key.turned().turned(), key);
            assert_eq!(FlowKey::of(*key.head(), *key.tails()), key);
        }
    }

    #[test]
    fn an_ipv4_key_then_only_four_bytes_of_an_address_count() {
        let scope = Scope::of(Place::NOWHERE);
        let key = |last| FlowKey::new(Address([last; 16]), Address([1; 16]), Ports::default(), 0, scope);
        let short = Address([7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            (key(7).client(), key(7) == FlowKey::new(short, key(1).server(), Ports::default(), 0, scope)),
            (short, true)
        );
    }

    #[test]
    fn a_place_put_into_a_word_comes_out_as_it_was() {
        for n in 0..4096_u16 {
            let place = Place {
                protocol: n as u8,
                ip_version: if n & 1 == 0 { IpVersion::V4 } else { IpVersion::V6 },
                vlan: match n % 4 {
                    0 => VlanTags::default(),
                    count => VlanTags { ids: [n, 4095 - n, n ^ 0x5a5], count: count as u8 },
                },
                device: n % 1024,
                recursion: (n % 16) as u8,
                tunnel: TunnelKind::ALL[usize::from(n) % TunnelKind::ALL.len()],
            };
            assert_eq!(Scope::of(place).place(), place);
        }
    }

    #[test]
    fn too_many_devices_and_levels_then_the_last_ones_are_one() {
        let place = |device, recursion| Scope::of(Place { device, recursion, ..Place::NOWHERE });
        assert_eq!(place(1023, 15), place(u16::MAX, u8::MAX));
        assert_eq!(place(1023, 15).place(), Place { device: 1023, recursion: 15, ..Place::NOWHERE });
    }
}
