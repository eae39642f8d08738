//! A packet inside of another one: where it begins, with which header, and what is known of it from outside.

use crate::counters::DecodeCounters;
use crate::decoder::Layer;
use crate::ethertype::Carrier;
use crate::{Event, Tunnel, ethertype};

/// A packet inside of another one, still to be decoded: [`crate::Decoder::decode_inner`] takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inner {
    /// Offset of its first byte from the start of the frame.
    pub(crate) offset: u32,
    /// Bytes on the wire.
    pub(crate) len: u32,
    pub(crate) tunnel: Tunnel,
    pub(crate) kind: InnerKind,
    pub(crate) recursion: u8,
    /// Headers around it.
    pub(crate) layers: u8,
}

impl Inner {
    /// Its bytes on the wire from its first header on, which is an Ethernet header in VXLAN and an IP header in IP in IP.
    /// It is with so many bytes that it counts.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the length of a packet, not of a collection")]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// How many packets are around it: 1 or more.
    #[must_use]
    pub const fn recursion(&self) -> u8 {
        self.recursion
    }
}

/// What a packet inside of another begins with, and how it got there as far as that is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InnerKind {
    Ipv4,
    Ipv6,
    Ethernet,
    Ppp,
    Arp,
    Mpls,
    Nsh,
    /// The bytes that follow the Ethernet type of a VLAN tag.
    Vlan,
    /// An Ethernet header (type I), or one of ERSPAN's own before it (types II and III).
    Erspan1,
    Erspan,
    Teredo,
    Ipv4InIpv4,
    Ipv6InIpv4,
    Ipv4InIpv6,
    Ipv6InIpv6,
}

impl InnerKind {
    /// Its first header.
    pub(crate) const fn first(self) -> Layer {
        match self {
            Self::Ipv4 | Self::Ipv4InIpv4 | Self::Ipv4InIpv6 => Layer::Ipv4,
            Self::Ipv6 | Self::Ipv6InIpv4 | Self::Ipv6InIpv6 | Self::Teredo => Layer::Ipv6,
            Self::Ethernet => Layer::Ethernet,
            Self::Ppp => Layer::Ppp,
            Self::Arp => Layer::Arp,
            Self::Mpls => Layer::Mpls,
            Self::Nsh => Layer::Ethertype(ethertype::NSH, Carrier::Other),
            Self::Vlan => Layer::Ethertype(ethertype::VLAN, Carrier::Other),
            Self::Erspan1 => Layer::Erspan1,
            Self::Erspan => Layer::Erspan,
        }
    }

    /// What counts a tunnel once the packet inside has shown to be one. Other tunnels are counted by their own header.
    pub(crate) const fn counter(self, counters: &mut DecodeCounters) -> Option<&mut u64> {
        let layers = &mut counters.layers;
        match self {
            Self::Teredo => Some(&mut layers.teredo),
            Self::Ipv4InIpv4 => Some(&mut layers.ipv4_in_ipv4),
            Self::Ipv6InIpv4 => Some(&mut layers.ipv6_in_ipv4),
            Self::Ipv4InIpv6 => Some(&mut layers.ipv4_in_ipv6),
            Self::Ipv6InIpv6 => Some(&mut layers.ipv6_in_ipv6),
            _ => None,
        }
    }

    /// Whether nothing but its looks says that this is a packet at all.
    pub(crate) const fn is_a_guess(self) -> bool {
        matches!(self, Self::Teredo)
    }

    /// Whether `event`, for which the packet was given up, is about its first header: then Suricata finds that there was
    /// no packet. What an Ethernet header holds is not part of that.
    pub(crate) const fn is_refuted_by(self, event: Event) -> bool {
        match event {
            Event::EthernetPktTooSmall
            | Event::ErspanHeaderTooSmall
            | Event::ErspanUnsupportedVersion
            | Event::ErspanTooManyVlanLayers => true,
            Event::ArpPktTooSmall
            | Event::ArpUnsupportedHardware
            | Event::ArpUnsupportedProtocol
            | Event::ArpInvalidPkt
            | Event::ArpInvalidHardwareSize
            | Event::ArpInvalidProtocolSize
            | Event::ArpUnsupportedOpcode => matches!(self, Self::Arp),
            Event::VlanHeaderTooSmall | Event::VlanUnknownType => matches!(self, Self::Vlan),
            Event::PppPktTooSmall
            | Event::PppVjuPktTooSmall
            | Event::PppIp4PktTooSmall
            | Event::PppIp6PktTooSmall
            | Event::PppWrongType => matches!(self, Self::Ppp),
            Event::Ipv4PktTooSmall
            | Event::Ipv4HlenTooSmall
            | Event::Ipv4IplenSmallerThanHlen
            | Event::Ipv4TruncPkt
            | Event::Ipv4WrongIpVersion
            | Event::Ipv6PktTooSmall
            | Event::Ipv6TruncPkt
            | Event::Ipv6WrongIpVersion => !matches!(
                self,
                Self::Ethernet | Self::Vlan | Self::Arp | Self::Mpls | Self::Nsh | Self::Erspan1 | Self::Erspan
            ),
            _ => false,
        }
    }
}
