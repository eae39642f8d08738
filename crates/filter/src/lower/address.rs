//! Hosts and nets: addresses of IPv4 (RFC 791), IPv6 (RFC 8200), ARP and RARP (RFC 826, 903), Ethernet and DECnet.

use core::net::Ipv6Addr;

use super::link_type::{ARP, DECNET, IPV4, IPV6, RARP};
use super::{End, Lowered, Lowering};
use crate::ast::{Id, Kind, Qualifiers, Size};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Source};
use crate::link::LinkLayer;
use crate::token::{Dotted, Protocol};

/// An IPv4 address under a mask.
#[derive(Clone, Copy)]
struct Network {
    address: u32,
    mask: u32,
}

impl Lowering {
    pub(super) fn address(&mut self, qualifiers: &Qualifiers, id: &Id, span: &Span) -> Lowered<Fragment> {
        match *id {
            Id::Mac(mac) => self.mac(qualifiers, mac, span),
            Id::Ipv6(address) => self.network6(qualifiers, address, 128, span),
            Id::Prefix6(address, length) => self.network6(qualifiers, address, length, span),
            Id::Dotted(Dotted { address, bits }) if qualifiers.protocol == Some(Protocol::Decnet) => {
                self.decnet(qualifiers, address, bits, span)
            }
            Id::Name(ref name) => Err(FilterError::new(no_names(qualifiers, name), span.clone())),
            Id::Number(number) if qualifiers.kind == Kind::Net => {
                let shift = if number == 0 { 0 } else { number.leading_zeros() / 8 * 8 };
                // As many bytes as the number has, moved to the high end: 10 is 10.0.0.0/8.
                let network = Network { address: number << shift, mask: u32::MAX << shift };
                self.network4(qualifiers, network, span)
            }
            Id::Number(number) => self.network4(qualifiers, Network { address: number, mask: u32::MAX }, span),
            Id::Dotted(dotted) => {
                let network = Network { address: dotted.address, mask: prefix_mask(dotted.bits) };
                self.network4(qualifiers, network, span)
            }
            Id::Prefix(..) | Id::Masked(..) if qualifiers.kind != Kind::Net => {
                Err(FilterError::new("a mask belongs to a net: net ADDRESS/LENGTH", span.clone()))
            }
            Id::Prefix(_, length) if length > 32 => {
                Err(FilterError::new("an IPv4 prefix has at most 32 bits", span.clone()))
            }
            Id::Prefix(dotted, length) => {
                let network = Network { address: dotted.address, mask: prefix_mask(length) };
                self.network4(qualifiers, clean(network, span)?, span)
            }
            Id::Masked(dotted, mask) => {
                let network = Network { address: dotted.address, mask: mask.address };
                self.network4(qualifiers, clean(network, span)?, span)
            }
        }
    }

    fn network4(&mut self, qualifiers: &Qualifiers, network: Network, span: &Span) -> Lowered<Fragment> {
        match qualifiers.protocol {
            None => {
                let mut any = self.network4_in(IPV4, qualifiers, network, span)?;
                // Behind MPLS labels there is only IP.
                if self.layers.labels == 0 {
                    for protocol in [ARP, RARP] {
                        let next = self.network4_in(protocol, qualifiers, network, span)?;
                        any = self.graph.or(any, next);
                    }
                }
                Ok(any)
            }
            Some(Protocol::Ip) => self.network4_in(IPV4, qualifiers, network, span),
            Some(Protocol::Arp) => self.network4_in(ARP, qualifiers, network, span),
            Some(Protocol::Rarp) => self.network4_in(RARP, qualifiers, network, span),
            Some(other) => Err(no_such_address(other, "IPv4", qualifiers)),
        }
    }

    fn network4_in(
        &mut self,
        protocol: u32,
        qualifiers: &Qualifiers,
        network: Network,
        span: &Span,
    ) -> Lowered<Fragment> {
        let (source, destination) = if protocol == IPV4 { (12, 16) } else { (14, 24) };
        self.directed(qualifiers.direction, |lowering, end| {
            let at = match end {
                End::Source => source,
                End::Destination => destination,
            };
            let is_protocol = lowering.link_type(protocol, span)?;
            let at = lowering.layers.network.plus(at);
            let is_network = lowering.equal_masked(at, Size::Word, network.address, network.mask);
            Ok(lowering.graph.and(is_protocol, is_network))
        })
    }

    fn network6(&mut self, qualifiers: &Qualifiers, address: Ipv6Addr, length: u32, span: &Span) -> Lowered<Fragment> {
        match qualifiers.kind {
            Kind::Unsaid | Kind::Host if length != 128 => {
                return Err(FilterError::new("a mask belongs to a net: net ADDRESS/LENGTH", span.clone()));
            }
            _ if length > 128 => return Err(FilterError::new("an IPv6 prefix has at most 128 bits", span.clone())),
            _ => {}
        }
        match qualifiers.protocol {
            None | Some(Protocol::Ip6) => {}
            Some(other) => return Err(no_such_address(other, "IPv6", qualifiers)),
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let address = address.to_bits();
        if address & !mask != 0 {
            return Err(FilterError::new("the address has bits beyond its prefix", span.clone()));
        }
        self.directed(qualifiers.direction, |lowering, end| {
            let at = match end {
                End::Source => 8,
                End::Destination => 24,
            };
            let mut all = lowering.link_type(IPV6, span)?;
            for word in 0..4 {
                let part = |value: u128| (value >> (96 - 32 * word)) as u32;
                let at = lowering.layers.network.plus(at + 4 * word);
                let equal = lowering.equal_masked(at, Size::Word, part(address), part(mask));
                all = lowering.graph.and(all, equal);
            }
            Ok(all)
        })
    }

    fn mac(&mut self, qualifiers: &Qualifiers, mac: [u8; 6], span: &Span) -> Lowered<Fragment> {
        if qualifiers.protocol != Some(Protocol::Link) || !matches!(qualifiers.kind, Kind::Unsaid | Kind::Host) {
            return Err(FilterError::new("an Ethernet address needs ether host, ether src or ether dst", span.clone()));
        }
        self.require_ethernet("an Ethernet address", span)?;
        self.directed(qualifiers.direction, |lowering, end| Ok(lowering.mac_equals(end, mac)))
    }

    fn mac_equals(&mut self, end: End, mac: [u8; 6]) -> Fragment {
        let at = self.layers.start.plus(match end {
            End::Source => 6,
            End::Destination => 0,
        });
        let [a, b, c, d, e, f] = mac;
        let present = self.inner_ethernet();
        let low = self.equal(at.plus(2), Size::Word, u32::from_be_bytes([c, d, e, f]));
        let high = self.equal(at, Size::Half, u32::from_be_bytes([0, 0, a, b]));
        let equal = self.graph.and(low, high);
        match present {
            Some(present) => self.graph.and(present, equal),
            None => equal,
        }
    }

    fn require_ethernet(&self, what: &str, span: &Span) -> Lowered<()> {
        if self.layers.link == LinkLayer::Ethernet { Ok(()) } else { Err(self.not_on_link(what, span)) }
    }

    /// `ether broadcast`, `ip broadcast`. The mask of the network is not known: only the addresses that are broadcasts
    /// everywhere (RFC 919 §7) are.
    pub(super) fn broadcast(&mut self, protocol: Option<Protocol>, span: &Span) -> Lowered<Fragment> {
        match protocol {
            None | Some(Protocol::Link) => {
                self.require_ethernet("a link broadcast", span)?;
                Ok(self.mac_equals(End::Destination, [0xff; 6]))
            }
            Some(Protocol::Ip) => {
                let is_ip = self.link_type(IPV4, span)?;
                let destination = self.layers.network.plus(16);
                let zeros = self.equal(destination, Size::Word, 0);
                let ones = self.equal(destination, Size::Word, u32::MAX);
                let either = self.graph.or(zeros, ones);
                Ok(self.graph.and(is_ip, either))
            }
            Some(other) => Err(FilterError::new(format!("{} has no broadcast", other.keyword()), span.clone())),
        }
    }

    /// Multicasts: the group bit of Ethernet, 224.0.0.0 and above (RFC 1112), ff00::/8 (RFC 4291).
    pub(super) fn multicast(&mut self, protocol: Option<Protocol>, span: &Span) -> Lowered<Fragment> {
        match protocol {
            None | Some(Protocol::Link) => {
                self.require_ethernet("a link multicast", span)?;
                let present = self.inner_ethernet();
                let group = self.graph.test(self.layers.start.load(0, Size::Byte), Compare::AnyBit, Source::K(1));
                Ok(match present {
                    Some(present) => self.graph.and(present, group),
                    None => group,
                })
            }
            Some(Protocol::Ip) => {
                let is_ip = self.link_type(IPV4, span)?;
                let first = self.layers.network.load(16, Size::Byte);
                let group = self.graph.test(first, Compare::GreaterOrEqual, Source::K(224));
                Ok(self.graph.and(is_ip, group))
            }
            Some(Protocol::Ip6) => {
                let is_ip = self.link_type(IPV6, span)?;
                let group = self.equal(self.layers.network.plus(24), Size::Byte, 0xff);
                Ok(self.graph.and(is_ip, group))
            }
            Some(other) => Err(FilterError::new(format!("{} has no multicast", other.keyword()), span.clone())),
        }
    }

    /// DECnet Phase IV routing headers: a short or a long one, each with or without a byte of padding before it. The
    /// address is AREA.NODE, six and ten bits, low byte first.
    fn decnet(&mut self, qualifiers: &Qualifiers, address: u32, bits: u32, span: &Span) -> Lowered<Fragment> {
        let [area, node, ..] = address.to_be_bytes();
        if bits != 16 || area > 63 || qualifiers.kind == Kind::Net {
            return Err(FilterError::new("a DECnet address is AREA.NODE, below 64 and 256", span.clone()));
        }
        let value = u32::from((u16::from(area) << 10 | u16::from(node)).swap_bytes());
        self.directed(qualifiers.direction, |lowering, end| {
            let is_decnet = lowering.link_type(DECNET, span)?;
            let (short, long) = match end {
                End::Source => (5, 17),
                End::Destination => (3, 9),
            };
            let short = lowering.decnet_header(0x02, short, value);
            let long = lowering.decnet_header(0x06, long, value);
            let either = lowering.graph.or(short, long);
            Ok(lowering.graph.and(is_decnet, either))
        })
    }

    /// One of the two headers, without and with padding.
    fn decnet_header(&mut self, flags: u32, at: u32, value: u32) -> Fragment {
        let network = self.layers.network;
        let plain = self.equal_masked(network.plus(2), Size::Byte, flags, 0x07);
        let address = self.equal(network.plus(at), Size::Half, value);
        let plain = self.graph.and(plain, address);
        let padded = self.equal_masked(network.plus(2), Size::Half, 0x8100 | flags, 0xff07);
        let address = self.equal(network.plus(at + 1), Size::Half, value);
        let padded = self.graph.and(padded, address);
        self.graph.or(plain, padded)
    }

    /// Inside Geneve an Ethernet header may be missing: the test whether there is one.
    fn inner_ethernet(&mut self) -> Option<Fragment> {
        let slots = self.layers.geneve?;
        Some(self.has_inner_ethernet(slots))
    }
}

fn prefix_mask(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits).unwrap_or(0)
}

fn clean(network: Network, span: &Span) -> Lowered<Network> {
    if network.address & !network.mask == 0 {
        Ok(network)
    } else {
        Err(FilterError::new("the address has bits beyond its mask", span.clone()))
    }
}

fn no_names(qualifiers: &Qualifiers, name: &str) -> String {
    let what = match (qualifiers.kind, qualifiers.protocol) {
        (Kind::Net, _) => "networks",
        (_, Some(Protocol::Link)) => "Ethernet hosts",
        _ => "hosts",
    };
    format!("names of {what} are not looked up: {name} has to be an address")
}

fn no_such_address(protocol: Protocol, what: &str, qualifiers: &Qualifiers) -> FilterError {
    let message = format!("{} has no {what} addresses of its own", protocol.keyword());
    FilterError::new(message, qualifiers.span.clone())
}
