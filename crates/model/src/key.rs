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
/// `ports` holds what tells conversations of one host pair apart: ports for TCP, UDP and SCTP; the type and the type
/// that answers it for ICMP; the two halves of the SPI for ESP, which goes one way only; zero for the rest.
///
/// The scope is that of the first packet, also when a table is told not to tell flows apart by a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct FlowKey {
    /// Address of the client.
    pub client: Address,
    /// Address of the server.
    pub server: Address,
    /// Ports, or what stands for them.
    pub ports: Ports,
    /// Number of the tunnel, of the kind that the scope says; 0 where there is none.
    pub tunnel_id: u32,
    /// Where the conversation takes place.
    pub scope: Scope,
}

impl FlowKey {
    /// A key of zeros: that of no conversation.
    pub const NONE: Self = Self {
        client: Address([0; 16]),
        server: Address([0; 16]),
        ports: Ports { src: 0, dst: 0 },
        tunnel_id: 0,
        scope: Scope::of(Place::NOWHERE),
    };

    /// The tunnel that the conversation goes through.
    #[must_use]
    pub const fn tunnel(&self) -> Tunnel {
        Tunnel { kind: self.scope.tunnel_kind(), id: self.tunnel_id }
    }
}

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
