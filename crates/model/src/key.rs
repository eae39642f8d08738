//! Who talks to whom.

use flumen_wire::{Address, IpVersion, Ports};

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
/// VLAN ids, device and depth of tunnels are those of the first packet, also when a table is told not to tell flows
/// apart by them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct FlowKey {
    /// Address of the client.
    pub client: Address,
    /// Address of the server.
    pub server: Address,
    /// Ports, or what stands for them.
    pub ports: Ports,
    /// VLAN ids of the first packet, outermost first.
    pub vlan: [u16; 3],
    /// Capture device.
    pub device: u16,
    /// IP protocol.
    pub protocol: u8,
    /// IP version.
    pub ip_version: IpVersion,
    /// Depth of tunnels.
    pub recursion: u8,
    /// How many of `vlan` the first packet carried.
    pub vlan_count: u8,
}
