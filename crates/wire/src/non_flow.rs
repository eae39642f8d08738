//! Reasons for which a frame belongs to no flow. Every frame has a flow or exactly one of these.

use crate::Event;

/// Why a frame belongs to no flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NonFlow {
    /// ARP.
    Arp,
    /// IGMP.
    Igmp,
    /// The frame could not be decoded; the event says why.
    Invalid(Event),
    /// An Ethernet type that is not decoded.
    UnknownEthertype,
    /// An IP protocol that gets no flow.
    UnknownProtocol,
    /// Control traffic of the link layer (PPP control protocols, PPPoE discovery, loopback).
    LinkControl,
    /// A capture link type that is not decoded.
    UnsupportedLink,
    /// A fragment that waits for its siblings, or whose datagram was never complete.
    Fragment,
    /// The outside of a tunnel that gets no flow of its own.
    Tunnel,
    /// An ICMP error message about no flow that is known.
    IcmpError,
    /// Refused: no memory for another flow within `flow.memcap`.
    Memcap,
    /// Refused: in emergency mode only a SYN opens a TCP flow.
    Emergency,
    /// Left out by a filter.
    Filtered,
}

impl NonFlow {
    /// How many reasons there are, every event of [`NonFlow::Invalid`] counted.
    pub const COUNT: usize = Self::PLAIN.len() + Event::COUNT;
    const PLAIN: [Self; 12] = [
        Self::Arp,
        Self::Igmp,
        Self::UnknownEthertype,
        Self::UnknownProtocol,
        Self::LinkControl,
        Self::UnsupportedLink,
        Self::Fragment,
        Self::Tunnel,
        Self::IcmpError,
        Self::Memcap,
        Self::Emergency,
        Self::Filtered,
    ];

    /// A number below [`NonFlow::COUNT`], the same as the place in [`NonFlow::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Arp => 0,
            Self::Igmp => 1,
            Self::UnknownEthertype => 2,
            Self::UnknownProtocol => 3,
            Self::LinkControl => 4,
            Self::UnsupportedLink => 5,
            Self::Fragment => 6,
            Self::Tunnel => 7,
            Self::IcmpError => 8,
            Self::Memcap => 9,
            Self::Emergency => 10,
            Self::Filtered => 11,
            Self::Invalid(event) => Self::PLAIN.len() + event as usize,
        }
    }

    /// All reasons, by index.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(Event::ALL.into_iter().map(Self::Invalid))
    }

    /// The word in the ledger. For [`NonFlow::Invalid`] it is the name of the event's counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arp => "arp",
            Self::Igmp => "igmp",
            Self::Invalid(event) => event.name(),
            Self::UnknownEthertype => "unknown_ethertype",
            Self::UnknownProtocol => "unknown_protocol",
            Self::LinkControl => "link_control",
            Self::UnsupportedLink => "unsupported_link",
            Self::Fragment => "fragment",
            Self::Tunnel => "tunnel",
            Self::IcmpError => "icmp_error",
            Self::Memcap => "memcap",
            Self::Emergency => "emergency",
            Self::Filtered => "filtered",
        }
    }
}
