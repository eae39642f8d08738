//! What decoding a frame yields: one type a stage can match on, plain data, nothing borrowed.
//!
//! A packet ends in exactly one of four ways ([`Decoded`]): it belongs to a flow, it is a tunnel around another packet,
//! it is a fragment that must meet its siblings first, or it belongs to no flow for a stated reason. There is no
//! fifth way, which is what lets the ledger close.

use crate::{Event, Inner, NonFlow};

/// An IPv4 or IPv6 address in sixteen bytes; IPv4 stands in the first four, the rest is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// The address of four bytes in network order.
    #[must_use]
    pub const fn v4(b: [u8; 4]) -> Self {
        // As a number, which stays in one register where the bytes would be taken to pieces.
        Self((u32::from_le_bytes(b) as u128).to_le_bytes())
    }
}

/// Version of the Internet protocol of a packet or a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(u8)]
pub enum IpVersion {
    /// RFC 791.
    #[default]
    V4 = 4,
    /// RFC 8200.
    V6 = 6,
}

/// Up to three VLAN ids, outermost first. An id keeps its 12 bits; priority and drop bits are not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct VlanTags {
    /// Ids; those past `count` are zero.
    pub ids: [u16; 3],
    /// How many tags the packet carried, at most three.
    pub count: u8,
}

/// Destination and source MAC address of the outermost Ethernet header, as they stand there: twelve bytes that are copied as one.
/// As two times six they were written in pieces and read at once in others, which stalls the processor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Macs(pub(crate) [u8; 12]);

impl Macs {
    /// Those of a frame from `src` to `dst`.
    #[must_use]
    pub fn new(src: [u8; 6], dst: [u8; 6]) -> Self {
        let mut both = [0; 12];
        both[..6].copy_from_slice(&dst);
        both[6..].copy_from_slice(&src);
        Self(both)
    }
    /// Who sent the frame.
    #[must_use]
    #[inline]
    pub const fn src(&self) -> [u8; 6] {
        let [_, _, _, _, _, _, src @ ..] = self.0;
        src
    }
    /// Who it was for.
    #[must_use]
    #[inline]
    pub const fn dst(&self) -> [u8; 6] {
        let [dst @ .., _, _, _, _, _, _] = self.0;
        dst
    }
}

/// What tells one tunnel between two hosts from another: the innermost one that has a number, when they are nested.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tunnel {
    /// Whose number `id` is.
    pub kind: TunnelKind,
    /// The number; 0 where there is none.
    pub id: u32,
}

impl Tunnel {
    /// No tunnel, or one without a number.
    pub const NONE: Self = Self { kind: TunnelKind::None, id: 0 };
}

/// Kinds of numbers that tunnels have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum TunnelKind {
    /// No number: IP in IP, Teredo, GRE without a key.
    None = 0,
    /// Virtual network identifier: VXLAN (RFC 7348), VXLAN-GPE, Geneve (RFC 8926), NVGRE (RFC 7637).
    Vni = 1,
    /// GRE key (RFC 2890).
    GreKey = 2,
    /// Tunnel endpoint identifier of GTP-U (3GPP TS 29.281).
    Teid = 3,
    /// Security parameters index of AH (RFC 4302), of what comes in the same packet.
    Spi = 4,
    /// Session of L2TP (RFC 2661: tunnel and session; RFC 3931), PPTP's call, ERSPAN's session.
    Session = 5,
}

impl TunnelKind {
    /// All kinds, by number.
    pub const ALL: [Self; 6] = [Self::None, Self::Vni, Self::GreKey, Self::Teid, Self::Spi, Self::Session];

    /// Whether the receiver chooses the number, so that the two directions of a conversation have different ones: a key that
    /// holds such a number makes two flows of each conversation. (Of ERSPAN it does not hold, but its session has the same
    /// kind as L2TP's.)
    #[must_use]
    pub const fn is_one_way(self) -> bool {
        matches!(self, Self::Teid | Self::Spi | Self::Session)
    }
}

/// How one packet ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decoded {
    /// The frame belongs to a flow.
    Flow(FlowPacket),
    /// The frame belongs to no flow of its own, but a packet is inside that may.
    Tunnel(Inner),
    /// The frame is one fragment of an IP datagram.
    Fragment(Fragment),
    /// The frame belongs to no flow, and why.
    NonFlow(NonFlow),
}

/// What a frame is that does not belong to a flow by itself: the other three ways of [`Decoded`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aside {
    /// The frame belongs to no flow of its own, but a packet is inside that may.
    Tunnel(Inner),
    /// The frame is one fragment of an IP datagram.
    Fragment(Fragment),
    /// The frame belongs to no flow, and why.
    NonFlow(NonFlow),
}

/// A packet that wants a flow: who talks to whom, and what the flow needs to know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowPacket {
    /// Source address of the IP header.
    pub src: Address,
    /// Destination address of the IP header.
    pub dst: Address,
    /// VLAN ids of the frame.
    pub vlan: VlanTags,
    /// IP version.
    pub ip_version: IpVersion,
    /// IP protocol number (IPv6: of the last header of the chain).
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// 0 for a frame as captured; one more for every tunnel that was opened.
    pub recursion: u8,
    /// The tunnel that it came out of, as far as tunnels tell their conversations apart.
    pub tunnel: Tunnel,
    /// What follows the IP header.
    pub transport: Transport,
    /// Offset of the transport header from the start of the frame.
    pub transport_offset: u32,
    /// Bytes from the transport header to the end of the IP datagram, by the IP length.
    pub transport_len: u32,
    /// MAC addresses, when the link layer has them.
    pub macs: Option<Macs>,
    /// First event raised although the packet is usable (a bad TCP option, say); its counter is already up.
    pub event: Option<Event>,
    /// A packet inside this one, which has a flow of its own; still to be decoded.
    pub inner: Option<Inner>,
}

impl FlowPacket {
    /// What stands in a place that nothing was decoded into yet.
    pub const EMPTY: Self = Self {
        src: Address([0; 16]),
        dst: Address([0; 16]),
        vlan: VlanTags { ids: [0; 3], count: 0 },
        ip_version: IpVersion::V4,
        protocol: 0,
        ttl: 0,
        recursion: 0,
        tunnel: Tunnel::NONE,
        transport: Transport::Other,
        transport_offset: 0,
        transport_len: 0,
        macs: None,
        event: None,
        inner: None,
    };
}

/// The transport header, as far as the flow engine looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp(TcpSegment),
    /// UDP (RFC 768).
    Udp(Ports),
    /// SCTP (RFC 9260).
    Sctp(Ports),
    /// ICMP over IPv4 (RFC 792).
    Icmp4(Icmp),
    /// ICMP over IPv6 (RFC 4443).
    Icmp6(Icmp),
    /// ESP (RFC 4303): the security parameters index.
    Esp {
        /// Security parameters index.
        spi: u32,
    },
    /// Another protocol, of which the header is not looked at.
    Other,
}

/// Source and destination port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Ports {
    /// Port of the sender.
    pub src: u16,
    /// Port of the receiver.
    pub dst: u16,
}

/// A TCP header with what of its options the session state machine needs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TcpSegment {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; meaningful with [`TcpFlags::ACK`].
    pub ack: u32,
    /// Window as it stands in the header, unscaled.
    pub window: u16,
    /// Header flags, CWR to FIN.
    pub flags: TcpFlags,
    /// Bytes after the TCP header by the IP length (not by what was captured).
    pub payload_len: u16,
    /// Shift count of the window scale option (RFC 7323 §2), as sent (may exceed 14).
    pub window_scale: Option<u8>,
    /// Timestamp option: value and echo reply (RFC 7323 §3).
    pub timestamps: Option<(u32, u32)>,
    /// The SACK permitted option was there (RFC 2018).
    pub sack_permitted: bool,
    /// A TCP Fast Open option was there (RFC 7413), and whether it carried a cookie.
    pub fast_open: Option<FastOpen>,
}

/// A TCP Fast Open option (RFC 7413 §4.1.1), kind 34 or the experimental 254 with its magic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FastOpen {
    /// Without a cookie: a request for one.
    Request,
    /// With a cookie of this many bytes.
    Cookie(u8),
}

/// The flag byte of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;

    /// Whether all of `mask` are set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
    /// Whether any of `mask` is set.
    #[must_use]
    pub const fn any(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The type that answers this one (echo request ↔ echo reply …), if there is one.
    pub counterpart: Option<u8>,
    /// Whether this is an error message, which never opens a flow of its own in IPv4.
    pub is_error: bool,
    /// The start of the packet that an error message quotes, when it is usable.
    pub quoted: Option<Quoted>,
}

/// Tuple of the packet that an ICMP error message quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Source of the quoted packet.
    pub src: Address,
    /// Destination of the quoted packet.
    pub dst: Address,
    /// Its protocol (IPv6: of the last header of the chain).
    pub protocol: u8,
    /// What stands for ports in its flow's key: the ports of TCP, UDP and SCTP; type and counterpart of ICMP, type with code
    /// and counterpart in the upper byte of ICMPv6; the halves of ESP's index; zeros for any other protocol.
    pub ports: Ports,
}

/// One fragment of an IP datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// IP version.
    pub ip_version: IpVersion,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Identification field.
    pub id: u32,
    /// Offset of this fragment in the datagram, in bytes.
    pub offset: u32,
    /// Whether more fragments follow.
    pub more: bool,
    /// VLAN ids of the frame.
    pub vlan: VlanTags,
    /// Protocol of the datagram (IPv4), or the header that follows the fragment header (IPv6).
    pub protocol: u8,
    /// Offset of the IP header from the start of the frame.
    pub ip_offset: u32,
    /// Offset of this fragment's payload from the start of the frame.
    pub payload_offset: u32,
    /// Length of this fragment's payload in bytes, by the IP length.
    pub payload_len: u32,
    /// Offset from the start of the frame of the byte that says what follows: the protocol of an IPv4 header, the next-header
    /// field that announced the fragment header of IPv6.
    pub protocol_offset: u32,
    /// Bytes before the IP header, in the frame or in the packet that came out of a tunnel: the datagram that is put together
    /// counts with as many.
    pub link_len: u32,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// MAC addresses, when the link layer has them.
    pub macs: Option<Macs>,
    /// Depth of tunnels, as in [`FlowPacket::recursion`].
    pub recursion: u8,
    /// Headers that were decoded up to the IP header, that one too.
    pub layers: u8,
    /// The tunnel that it came out of.
    pub tunnel: Tunnel,
}
