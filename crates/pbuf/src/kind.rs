//! Where the memory of a buffer comes from, and how much room is left in front for headers.

use crate::PbufPool;

/// Where the memory of a buffer comes from, and thereby what happens to it when the last reference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One heap block that also holds the count; given back to the heap.
    Ram,
    /// Read-only memory that lives as long as the program; nothing to give back.
    Rom,
    /// Read-only bytes of an owner (a mapped file, say); the owner is dropped.
    Ref,
    /// A buffer of a [`PbufPool`]; goes back to it.
    Pool,
    /// Writable memory of an owner; the owner is dropped, or the release function called.
    Custom,
}

impl Kind {
    /// Whether the memory may be written by who owns it alone.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Ram | Self::Pool | Self::Custom)
    }
    /// Whether the room in front of the data was set aside for headers, as opposed to bytes of somebody else.
    #[must_use]
    pub const fn has_own_room(self) -> bool {
        self.is_writable()
    }
}

/// The memory from which an allocation takes its buffers.
#[derive(Clone, Copy, Debug)]
pub enum Memory<'a> {
    /// The heap: always one buffer, of any length.
    Ram,
    /// A pool: as many of its buffers as it takes.
    Pool(&'a PbufPool),
}

/// The protocol layer a buffer is made for: how much room it needs in front for the headers of the layers below.
///
/// The room holds the largest fixed headers without options or extensions: TCP 20 (RFC 9293 §3.1), IPv6 40 (RFC 8200 §3), Ethernet
/// 14 (IEEE 802.3) bytes, and is rounded up to a multiple of 8, so that the data starts aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Payload of a transport protocol: room for TCP, IPv6 and Ethernet headers.
    Transport,
    /// Payload of IP: room for IPv6 and Ethernet headers.
    Ip,
    /// Payload of a link frame: room for an Ethernet header.
    Link,
    /// A frame to be sent as it is. No encapsulation below Ethernet is provided for, so no room.
    RawTx,
    /// A frame as received: no room.
    Raw,
}

impl Layer {
    /// All layers, from the one with most room.
    pub const ALL: [Self; 5] = [Self::Transport, Self::Ip, Self::Link, Self::RawTx, Self::Raw];

    /// Bytes left free in front of the data.
    #[must_use]
    pub const fn header_room(self) -> usize {
        const ETHERNET: usize = 14;
        const IPV6: usize = 40;
        const TCP: usize = 20;
        let room = match self {
            Self::Transport => ETHERNET + IPV6 + TCP,
            Self::Ip => ETHERNET + IPV6,
            Self::Link => ETHERNET,
            Self::RawTx | Self::Raw => 0,
        };
        room.next_multiple_of(8)
    }
}
