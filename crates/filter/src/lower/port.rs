//! Ports of TCP, UDP and SCTP over IPv4 and IPv6 (RFC 9293, 768, 9260: all three begin with source and destination).
//! Only the first fragment of an IPv4 packet has them, and over IPv6 only a packet without extension headers.

use super::link_type::{IPV4, IPV6};
use super::{End, Lowered, Lowering};
use crate::ast::{Id, Kind, Qualifiers, Size};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Source, Step};
use crate::names::{self, Transport};
use crate::token::Protocol;

const TCP: u32 = 6;
const UDP: u32 = 17;
const SCTP: u32 = 132;
/// Where IPv6's header ends.
pub(super) const IPV6_HEADER: u32 = 40;

/// Ports from one to another, both included, of one protocol or of any.
#[derive(Clone, Copy)]
struct Ports {
    first: u32,
    last: u32,
    protocol: Option<u32>,
}

impl Lowering {
    pub(super) fn port(&mut self, qualifiers: &Qualifiers, id: &Id, span: &Span) -> Lowered<Fragment> {
        let ports = ports(qualifiers, id, span)?;
        let over_ipv6 = self.ports_over_ipv6(ports, qualifiers, span)?;
        let over_ipv4 = self.ports_over_ipv4(ports, qualifiers, span)?;
        Ok(self.graph.or(over_ipv6, over_ipv4))
    }

    fn ports_over_ipv6(&mut self, ports: Ports, qualifiers: &Qualifiers, span: &Span) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV6, span)?;
        let network = self.layers.network;
        let any = self.any_transport(ports, |lowering, protocol| {
            let is_protocol = lowering.equal(network.plus(6), Size::Byte, protocol);
            let matches = lowering.directed(qualifiers.direction, |lowering, end| {
                Ok(lowering.in_range(ports, &network.load(IPV6_HEADER + end.port_offset(), Size::Half)))
            })?;
            Ok(lowering.graph.and(is_protocol, matches))
        })?;
        Ok(self.graph.and(is_ip, any))
    }

    fn ports_over_ipv4(&mut self, ports: Ports, qualifiers: &Qualifiers, span: &Span) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV4, span)?;
        let network = self.layers.network;
        let any = self.any_transport(ports, |lowering, protocol| {
            let is_protocol = lowering.equal(network.plus(9), Size::Byte, protocol);
            let first_fragment = lowering.first_fragment();
            let matches = lowering.directed(qualifiers.direction, |lowering, end| {
                Ok(lowering.in_range(ports, &network.load_behind_ipv4(end.port_offset(), Size::Half)))
            })?;
            let is_protocol = lowering.graph.and(is_protocol, first_fragment);
            Ok(lowering.graph.and(is_protocol, matches))
        })?;
        Ok(self.graph.and(is_ip, any))
    }

    fn any_transport(
        &mut self,
        ports: Ports,
        mut test: impl FnMut(&mut Self, u32) -> Lowered<Fragment>,
    ) -> Lowered<Fragment> {
        if let Some(protocol) = ports.protocol {
            return test(self, protocol);
        }
        let mut any = test(self, SCTP)?;
        for protocol in [TCP, UDP] {
            let next = test(self, protocol)?;
            any = self.graph.or(any, next);
        }
        Ok(any)
    }

    fn in_range(&mut self, ports: Ports, load: &[Step]) -> Fragment {
        if ports.first == ports.last {
            return self.graph.test(load.to_vec(), Compare::Equal, Source::K(ports.first));
        }
        let from = self.graph.test(load.to_vec(), Compare::GreaterOrEqual, Source::K(ports.first));
        let to = self.graph.test(load.to_vec(), Compare::Greater, Source::K(ports.last)).not();
        self.graph.and(from, to)
    }

    /// The IPv4 packet is whole or its first fragment: its fragment offset is 0.
    pub(super) fn first_fragment(&mut self) -> Fragment {
        let flags = self.layers.network.load(6, Size::Half);
        self.graph.test(flags, Compare::AnyBit, Source::K(0x1fff)).not()
    }
}

impl End {
    fn port_offset(self) -> u32 {
        match self {
            Self::Source => 0,
            Self::Destination => 2,
        }
    }
}

fn ports(qualifiers: &Qualifiers, id: &Id, span: &Span) -> Lowered<Ports> {
    let wanted = match qualifiers.protocol {
        None => None,
        Some(Protocol::Tcp) => Some(TCP),
        Some(Protocol::Udp) => Some(UDP),
        Some(Protocol::Sctp) => Some(SCTP),
        Some(other) => {
            let message = format!("{} has no ports", other.keyword());
            return Err(FilterError::new(message, qualifiers.span.clone()));
        }
    };
    let (first, last) = match id {
        Id::Number(number) => {
            let end = numbered(*number, span)?;
            (end, end)
        }
        Id::Name(name) if qualifiers.kind == Kind::PortRange => match name.split_once('-') {
            Some((first, last)) => (named(first, span)?, named(last, span)?),
            None => return Err(FilterError::new("a range of ports is FIRST-LAST", span.clone())),
        },
        Id::Name(name) => {
            let end = named(name, span)?;
            (end, end)
        }
        _ => return Err(FilterError::new("a port is a number or a name", span.clone())),
    };
    // A name of one protocol's service stands for that protocol.
    let known = if first.1 == last.1 { first.1 } else { None };
    let protocol = match (wanted, known) {
        (None, known) => known,
        (Some(wanted), Some(known)) if wanted != known => {
            let name = if known == TCP { "TCP" } else { "UDP" };
            return Err(FilterError::new(format!("this is a port of {name}"), span.clone()));
        }
        (wanted, _) => wanted,
    };
    Ok(Ports { first: first.0.min(last.0), last: first.0.max(last.0), protocol })
}

/// A port, and the protocol that its name belongs to.
type OnePort = (u32, Option<u32>);

fn numbered(number: u32, span: &Span) -> Lowered<OnePort> {
    if number <= 0xffff {
        Ok((number, None))
    } else {
        Err(FilterError::new(format!("{number} is no port: they end at 65535"), span.clone()))
    }
}

fn named(name: &str, span: &Span) -> Lowered<OnePort> {
    if let Ok(number) = name.parse::<u32>() {
        return numbered(number, span);
    }
    match names::port(name) {
        Some((number, Transport::Tcp)) => Ok((number, Some(TCP))),
        Some((number, Transport::Udp)) => Ok((number, Some(UDP))),
        Some((number, Transport::Both)) => Ok((number, None)),
        None => Err(FilterError::new(format!("no port of the name {name} is known"), span.clone())),
    }
}
