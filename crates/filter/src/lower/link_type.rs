//! What follows the link header: one number space, Ethernet types (IEEE 802.3 §3.2.6), and the tests for it on each link.
//! Numbers up to 1500 are lengths on Ethernet, so they stand for service access points of LLC (IEEE 802.2).

use super::{Lowered, Lowering, Position};
use crate::ast::{LlcKind, Size};
use crate::error::{FilterError, Span};
use crate::graph::{Compare, Fragment, Source};
use crate::link::LinkLayer;

pub(super) const IPV4: u32 = 0x0800;
pub(super) const ARP: u32 = 0x0806;
pub(super) const MOP_DUMP: u32 = 0x6001;
pub(super) const MOP_CONSOLE: u32 = 0x6002;
pub(super) const DECNET: u32 = 0x6003;
pub(super) const LAT: u32 = 0x6004;
pub(super) const SCA: u32 = 0x6007;
pub(super) const RARP: u32 = 0x8035;
pub(super) const APPLETALK: u32 = 0x809b;
pub(super) const APPLETALK_ARP: u32 = 0x80f3;
pub(super) const VLAN: [u32; 3] = [0x8100, 0x88a8, 0x9100];
pub(super) const IPX_TYPE: u32 = 0x8137;
pub(super) const IPV6: u32 = 0x86dd;
pub(super) const MPLS: u32 = 0x8847;
pub(super) const PPPOE_DISCOVERY: u32 = 0x8863;
pub(super) const PPPOE_SESSION: u32 = 0x8864;
/// Service access points.
pub(super) const STP: u32 = 0x42;
pub(super) const IPX: u32 = 0xe0;
pub(super) const NETBEUI: u32 = 0xf0;
pub(super) const OSI: u32 = 0xfe;
const IP_ACCESS_POINT: u32 = 0x06;

/// The highest value of the type field that is a length.
const MAX_LENGTH: u32 = 1500;
/// Cooked captures say so for LLC, and for IPX without LLC (`LINUX_SLL_P_802_2`, `LINUX_SLL_P_802_3`).
const COOKED_LLC: u32 = 4;
const COOKED_RAW_IPX: u32 = 1;
/// LLC's header of a SNAP frame, and the first byte of the organization behind it.
const SNAP: u32 = 0xaaaa_0300;
const APPLE: u32 = 0x08;

impl Lowering {
    /// Whether this protocol follows the innermost link header (or the last MPLS label).
    pub(super) fn link_type(&mut self, protocol: u32, span: &Span) -> Lowered<Fragment> {
        if self.layers.labels > 0 {
            return self.behind_labels(protocol, span);
        }
        let network = self.layers.network;
        let Some(kind) = self.layers.kind else {
            return match (self.layers.link, protocol) {
                (LinkLayer::Other(_), _) => Err(self.not_on_link("what follows the link header", span)),
                (LinkLayer::Raw, IPV4) => Ok(self.equal_masked(network, Size::Byte, 0x40, 0xf0)),
                (LinkLayer::Raw, IPV6) => Ok(self.equal_masked(network, Size::Byte, 0x60, 0xf0)),
                (link, protocol) => Ok(self.graph.constant(
                    link == LinkLayer::Ipv4 && protocol == IPV4 || link == LinkLayer::Ipv6 && protocol == IPV6,
                )),
            };
        };
        Ok(match self.layers.link {
            LinkLayer::Null | LinkLayer::Loop => self.loopback(kind, protocol),
            LinkLayer::Ethernet => self.ethernet_type(kind, protocol),
            LinkLayer::Sll => self.cooked_type(kind, protocol),
            LinkLayer::Ppp | LinkLayer::PppSerial | LinkLayer::PppEther => {
                self.equal(kind, Size::Half, ppp_protocol(protocol))
            }
            LinkLayer::CiscoHdlc if protocol == OSI => self.equal(kind, Size::Half, OSI << 8 | OSI),
            _ => self.equal(kind, Size::Half, protocol),
        })
    }

    /// Below the last label there is no field for it: only IP, by its version (RFC 4928).
    fn behind_labels(&mut self, protocol: u32, span: &Span) -> Lowered<Fragment> {
        let version = match protocol {
            IPV4 => 0x40,
            IPV6 => 0x60,
            _ => return Err(FilterError::new("behind MPLS labels only IPv4 and IPv6 can be told", span.clone())),
        };
        let network = self.layers.network;
        let bottom = self.equal_masked(network.plus(2u32.wrapping_sub(4)), Size::Byte, 1, 1);
        let version = self.equal_masked(network, Size::Byte, version, 0xf0);
        Ok(self.graph.and(bottom, version))
    }

    /// The address family: 2 for IPv4 everywhere, one of three for IPv6 on the systems that use this link. A file in the
    /// other byte order has it swapped; no family looks like another one swapped.
    fn loopback(&mut self, kind: Position, protocol: u32) -> Fragment {
        let families: &[u32] = match protocol {
            IPV4 => &[2],
            IPV6 => &[30, 24, 28],
            _ => return self.graph.constant(false),
        };
        let swapped = self.layers.link == LinkLayer::Null;
        let mut any = None;
        for &family in families {
            let orders: &[u32] = if swapped { &[family.swap_bytes(), family] } else { &[family] };
            for &value in orders {
                let one = self.equal(kind, Size::Word, value);
                any = Some(match any {
                    None => one,
                    Some(before) => self.graph.or(before, one),
                });
            }
        }
        any.unwrap_or_else(|| self.graph.constant(false))
    }

    fn ethernet_type(&mut self, kind: Position, protocol: u32) -> Fragment {
        match protocol {
            OSI | NETBEUI | IP_ACCESS_POINT => {
                let length = self.is_length(kind);
                let both = self.equal(self.layers.network, Size::Half, protocol << 8 | protocol);
                self.graph.and(length, both)
            }
            IPX => {
                let by_type = self.equal(kind, Size::Half, IPX_TYPE);
                let length = self.is_length(kind);
                let snap = self.snap(0, IPX_TYPE);
                let access_point = self.equal(self.layers.network, Size::Byte, IPX);
                let raw = self.equal(self.layers.network, Size::Half, 0xffff);
                let inside = self.graph.or(snap, access_point);
                let inside = self.graph.or(inside, raw);
                let by_length = self.graph.and(length, inside);
                self.graph.or(by_type, by_length)
            }
            APPLETALK | APPLETALK_ARP => {
                let by_type = self.equal(kind, Size::Half, protocol);
                let length = self.is_length(kind);
                let snap = self.snap(if protocol == APPLETALK { APPLE } else { 0 }, protocol);
                let by_length = self.graph.and(length, snap);
                self.graph.or(by_type, by_length)
            }
            access_point if access_point <= MAX_LENGTH => {
                let length = self.is_length(kind);
                let destination = self.equal(self.layers.network, Size::Byte, access_point);
                self.graph.and(length, destination)
            }
            _ => self.equal(kind, Size::Half, protocol),
        }
    }

    fn cooked_type(&mut self, kind: Position, protocol: u32) -> Fragment {
        let network = self.layers.network;
        match protocol {
            OSI | NETBEUI | IP_ACCESS_POINT => {
                let llc = self.equal(kind, Size::Half, COOKED_LLC);
                let both = self.equal(network, Size::Half, protocol << 8 | protocol);
                self.graph.and(llc, both)
            }
            IPX => {
                let by_type = self.equal(kind, Size::Half, IPX_TYPE);
                let raw = self.equal(kind, Size::Half, COOKED_RAW_IPX);
                let llc = self.equal(kind, Size::Half, COOKED_LLC);
                let access_point = self.equal(network, Size::Byte, IPX);
                let snap = self.snap(0, IPX_TYPE);
                let inside = self.graph.or(access_point, snap);
                let by_llc = self.graph.and(llc, inside);
                let without_llc = self.graph.or(by_type, raw);
                self.graph.or(without_llc, by_llc)
            }
            APPLETALK | APPLETALK_ARP => {
                let by_type = self.equal(kind, Size::Half, protocol);
                let llc = self.equal(kind, Size::Half, COOKED_LLC);
                let snap = self.snap(if protocol == APPLETALK { APPLE } else { 0 }, protocol);
                let by_llc = self.graph.and(llc, snap);
                self.graph.or(by_type, by_llc)
            }
            access_point if access_point <= MAX_LENGTH => {
                let llc = self.equal(kind, Size::Half, COOKED_LLC);
                let destination = self.equal(network, Size::Byte, access_point);
                self.graph.and(llc, destination)
            }
            _ => self.equal(kind, Size::Half, protocol),
        }
    }

    fn is_length(&mut self, kind: Position) -> Fragment {
        self.graph.test(kind.load(0, Size::Half), Compare::Greater, Source::K(MAX_LENGTH)).not()
    }

    /// A SNAP header: AA AA 03, three bytes of organization, two of type (IEEE 802).
    fn snap(&mut self, organization: u32, protocol: u32) -> Fragment {
        let network = self.layers.network;
        // The first byte of Apple's organization is 08, the other two are 00 07.
        let rest = if organization == APPLE { 0x0007_0000 } else { 0 };
        let protocol = self.equal(network.plus(4), Size::Word, rest | protocol);
        let header = self.equal(network, Size::Word, SNAP | organization);
        self.graph.and(protocol, header)
    }

    /// `llc`: a length, and not IPX without LLC, which has ones where the access points are.
    pub(super) fn llc(&mut self, kind: Option<LlcKind>, span: &Span) -> Lowered<Fragment> {
        let (LinkLayer::Ethernet, Some(field)) = (self.layers.link, self.layers.kind) else {
            return Err(self.not_on_link("LLC", span));
        };
        let length = self.is_length(field);
        let access_points = self.equal(self.layers.network, Size::Half, 0xffff).not();
        let llc = self.graph.and(length, access_points);
        let Some(LlcKind { mask, value }) = kind else { return Ok(llc) };
        let control = self.equal_masked(self.layers.network.plus(2), Size::Byte, value, mask);
        Ok(self.graph.and(llc, control))
    }
}

/// PPP has its own numbers for some (IANA, PPP DLL protocol numbers); others are compared as they are.
fn ppp_protocol(protocol: u32) -> u32 {
    match protocol {
        IPV4 => 0x21,
        OSI => 0x23,
        DECNET => 0x27,
        APPLETALK => 0x29,
        IPX => 0x2b,
        STP => 0x31,
        IPV6 => 0x57,
        other => other,
    }
}
