//! Protocols: by keyword, and by number inside another one. Numbers over IP are those of RFC 5237's registry; the header
//! chain of IPv6 is not followed, but for a fragment header that comes first.

use super::link_type::{
    APPLETALK, APPLETALK_ARP, ARP, DECNET, IPV4, IPV6, IPX, LAT, MOP_CONSOLE, MOP_DUMP, NETBEUI, OSI, RARP, SCA, STP,
};
use super::port::IPV6_HEADER;
use super::{Lowered, Lowering};
use crate::ast::{Qualifiers, Size};
use crate::error::{FilterError, Span};
use crate::graph::Fragment;
use crate::token::Protocol;

/// OSI network layer protocols (ISO/IEC TR 9577).
const CLNP: u32 = 0x81;
const ESIS: u32 = 0x82;
const ISIS: u32 = 0x83;
const FRAGMENT_HEADER: u32 = 44;

/// What a keyword stands for.
enum Meaning {
    LinkType(u32),
    OverIp(u32),
    OverIpv4(u32),
    OverIpv6(u32),
    OverOsi(u32),
    /// PDU types of IS-IS (ISO/IEC 10589), the last one first: that is the order of the tests.
    IsisTypes(&'static [u32]),
    Nothing,
}

fn meaning(protocol: Protocol) -> Meaning {
    match protocol {
        Protocol::Link => Meaning::Nothing,
        Protocol::Ip => Meaning::LinkType(IPV4),
        Protocol::Ip6 => Meaning::LinkType(IPV6),
        Protocol::Arp => Meaning::LinkType(ARP),
        Protocol::Rarp => Meaning::LinkType(RARP),
        Protocol::AppleTalk => Meaning::LinkType(APPLETALK),
        Protocol::AppleTalkArp => Meaning::LinkType(APPLETALK_ARP),
        Protocol::Decnet => Meaning::LinkType(DECNET),
        Protocol::Lat => Meaning::LinkType(LAT),
        Protocol::Sca => Meaning::LinkType(SCA),
        Protocol::Mopdl => Meaning::LinkType(MOP_DUMP),
        Protocol::Moprc => Meaning::LinkType(MOP_CONSOLE),
        Protocol::Iso => Meaning::LinkType(OSI),
        Protocol::Stp => Meaning::LinkType(STP),
        Protocol::Ipx => Meaning::LinkType(IPX),
        Protocol::Netbeui => Meaning::LinkType(NETBEUI),
        Protocol::Tcp => Meaning::OverIp(6),
        Protocol::Udp => Meaning::OverIp(17),
        Protocol::Sctp => Meaning::OverIp(132),
        Protocol::Pim => Meaning::OverIp(103),
        Protocol::Ah => Meaning::OverIp(51),
        Protocol::Esp => Meaning::OverIp(50),
        Protocol::Icmp => Meaning::OverIpv4(1),
        Protocol::Igmp => Meaning::OverIpv4(2),
        Protocol::Igrp => Meaning::OverIpv4(9),
        Protocol::Vrrp | Protocol::Carp => Meaning::OverIpv4(112),
        Protocol::Icmp6 => Meaning::OverIpv6(58),
        Protocol::Clnp => Meaning::OverOsi(CLNP),
        Protocol::Esis => Meaning::OverOsi(ESIS),
        Protocol::Isis => Meaning::OverOsi(ISIS),
        Protocol::IsisLevel1 => Meaning::IsisTypes(&[0x1a, 0x18, 0x12, 0x0f, 0x11]),
        Protocol::IsisLevel2 => Meaning::IsisTypes(&[0x1b, 0x19, 0x14, 0x10, 0x11]),
        Protocol::IsisHello => Meaning::IsisTypes(&[0x11, 0x0f, 0x10]),
        Protocol::IsisLsp => Meaning::IsisTypes(&[0x12, 0x14]),
        Protocol::IsisSnp => Meaning::IsisTypes(&[0x1b, 0x1a, 0x18, 0x19]),
        Protocol::IsisCsnp => Meaning::IsisTypes(&[0x18, 0x19]),
        Protocol::IsisPsnp => Meaning::IsisTypes(&[0x1a, 0x1b]),
    }
}

impl Lowering {
    /// A keyword alone.
    pub(super) fn protocol(&mut self, protocol: Protocol, span: &Span) -> Lowered<Fragment> {
        match meaning(protocol) {
            Meaning::LinkType(number) => self.link_type(number, span),
            Meaning::OverIp(number) => self.over_ip(number, span),
            Meaning::OverIpv4(number) => self.over_ipv4(number, span),
            Meaning::OverIpv6(number) => self.over_ipv6(number, span),
            Meaning::OverOsi(number) => self.over_osi(number, span),
            Meaning::IsisTypes(types) => {
                let mut any = self.isis_type(types[0], span)?;
                for &next in &types[1..] {
                    let next = self.isis_type(next, span)?;
                    any = self.graph.or(any, next);
                }
                Ok(any)
            }
            Meaning::Nothing => {
                Err(FilterError::new("the link header alone is no primitive; every frame has one", span.clone()))
            }
        }
    }

    /// `PROTOCOL proto NUMBER`.
    pub(super) fn protocol_in(&mut self, qualifiers: &Qualifiers, number: u32) -> Lowered<Fragment> {
        let span = &qualifiers.span;
        match qualifiers.protocol {
            None => self.over_ip(number, span),
            Some(Protocol::Link) => self.link_type(number, span),
            Some(Protocol::Ip) => self.over_ipv4(number, span),
            Some(Protocol::Ip6) => self.over_ipv6(number, span),
            Some(Protocol::Iso) => self.over_osi(number, span),
            Some(Protocol::Isis) => self.isis_type(number, span),
            Some(other) => {
                let message = format!("what {} carries has no protocol number to test", other.keyword());
                Err(FilterError::new(message, span.clone()))
            }
        }
    }

    pub(super) fn over_ip(&mut self, number: u32, span: &Span) -> Lowered<Fragment> {
        let over_ipv4 = self.over_ipv4(number, span)?;
        let over_ipv6 = self.over_ipv6(number, span)?;
        Ok(self.graph.or(over_ipv4, over_ipv6))
    }

    fn over_ipv4(&mut self, number: u32, span: &Span) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV4, span)?;
        let is_protocol = self.equal(self.layers.network.plus(9), Size::Byte, number);
        Ok(self.graph.and(is_ip, is_protocol))
    }

    pub(super) fn over_ipv6(&mut self, number: u32, span: &Span) -> Lowered<Fragment> {
        let is_ip = self.link_type(IPV6, span)?;
        let network = self.layers.network;
        let direct = self.equal(network.plus(6), Size::Byte, number);
        let fragment = self.equal(network.plus(6), Size::Byte, FRAGMENT_HEADER);
        let behind_fragment = self.equal(network.plus(IPV6_HEADER), Size::Byte, number);
        let behind_fragment = self.graph.and(fragment, behind_fragment);
        let either = self.graph.or(direct, behind_fragment);
        Ok(self.graph.and(is_ip, either))
    }

    fn over_osi(&mut self, number: u32, span: &Span) -> Lowered<Fragment> {
        let is_osi = self.link_type(OSI, span)?;
        let is_protocol = self.equal(self.layers.osi(), Size::Byte, number);
        Ok(self.graph.and(is_osi, is_protocol))
    }

    fn isis_type(&mut self, number: u32, span: &Span) -> Lowered<Fragment> {
        let is_isis = self.over_osi(ISIS, span)?;
        let is_type = self.equal(self.layers.osi().plus(4), Size::Byte, number);
        Ok(self.graph.and(is_isis, is_type))
    }
}
