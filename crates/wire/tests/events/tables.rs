//! The frames: one for each way in which an event is raised.

use super::Outcome::{FlowAndInvalid, FlowDespite, Invalid, Refused, Without};
use super::frames::*;
use super::{Case, Outcome};
use flumen_wire::{Event, LinkType};

pub(crate) fn inner_events() -> Vec<Case> {
    let v4 = ipv4(17, &udp(b""));
    let erspan = |payload: &[u8]| eth4(47, &gre([0x10, 0], 0x88be, &[0; 4], payload));
    vec![
        (Event::ErspanHeaderTooSmall, Invalid, erspan(&[0x10, 0, 0, 0, 0, 0, 0])),
        (Event::ErspanHeaderTooSmall, Invalid, erspan(&erspan_3(0, 0, [0, 0], &[])[..11])),
        (Event::ErspanUnsupportedVersion, Invalid, erspan(&[0x30, 0, 0, 0, 0, 0, 0, 0])),
        (Event::EthernetPktTooSmall, Invalid, erspan(&erspan_2(0, 0, &[0; 13]))),
        (Event::VlanUnknownType, Invalid, eth4(47, &gre([0, 0], 0x8100, &[], &vlan(1, 0x1234, &v4)))),
        (Event::TcpPktTooSmall, Invalid, eth4(4, &ipv4(6, &[0; 19]))),
        (Event::TcpOptDuplicate, FlowDespite, eth4(41, &ipv6(6, &tcp(2, &[3, 3, 7, 3, 3, 8, 0, 0], &[])))),
        (Event::MplsHeaderTooSmall, Invalid, eth4(137, &[0, 0])),
    ]
}

pub(crate) fn udp_tunnel_events() -> Vec<Case> {
    let frame = ethernet(0x88cc, &[0; 20]);
    vec![
        (Event::VxlanUnknownPayloadType, FlowAndInvalid, eth4(17, &udp_to(4789, &vxlan(1, &frame)))),
        (Event::GeneveUnknownPayloadType, FlowAndInvalid, eth4(17, &udp_to(6081, &geneve(1, 0x1234, &[], &frame)))),
    ]
}

pub(crate) fn link_events() -> Vec<Case> {
    let v4 = ipv4(17, &udp(b""));
    let too_deep = (0..8).fold(v4.clone(), |inner, _| cat(&[&label(16, true), &[0; 4], &ethernet(0x8847, &inner)]));
    let four_tags = (0..3).fold(vlan(1, 0x0800, &v4), |inner, _| vlan(1, 0x8100, &inner));
    let mpls = |label_: u32, payload: &[u8]| ethernet(0x8847, &cat(&[&label(label_, true), payload]));
    let mut bad_nsh_type_1 = nsh(1, &v4);
    bad_nsh_type_1[2] = 1;
    let with_nsh = |at: usize, value: u8| {
        let mut header = nsh(1, &v4);
        header[at] = value;
        ethernet(0x894f, &header)
    };
    vec![
        (Event::EthernetPktTooSmall, Invalid, vec![0; 13]),
        (Event::EthernetUnknownEthertype, Without, ethernet(0x1234, &v4)),
        (Event::DcePktTooSmall, Invalid, ethernet(0x8903, &[0; 15])),
        (Event::VlanHeaderTooSmall, Invalid, ethernet(0x8100, &[0, 1, 8])),
        (Event::VlanUnknownType, Invalid, ethernet(0x8100, &vlan(1, 0x1234, &v4))),
        (Event::VlanTooManyLayers, Refused, ethernet(0x8100, &four_tags)),
        (Event::Ieee8021ahHeaderTooSmall, Invalid, ethernet(0x88e7, &[0; 17])),
        (Event::EtagHeaderTooSmall, Invalid, ethernet(0x893f, &[0; 7])),
        (Event::EtagUnknownType, Invalid, ethernet(0x893f, &[0; 8])),
        (Event::VntagHeaderTooSmall, Invalid, ethernet(0x8926, &[0; 5])),
        (Event::VntagUnknownType, Invalid, ethernet(0x8926, &[0; 6])),
        (Event::MplsHeaderTooSmall, Invalid, ethernet(0x8847, &label(16, false))),
        (Event::MplsPktTooSmall, Invalid, mpls(16, &[0x45, 0, 0])),
        (Event::MplsBadLabelRouterAlert, Refused, mpls(1, &v4)),
        (Event::MplsBadLabelImplicitNull, Refused, mpls(3, &v4)),
        (Event::MplsBadLabelReserved, Refused, mpls(14, &v4)),
        (Event::MplsUnknownPayloadType, Invalid, mpls(15, &[0x50, 0, 0, 0])),
        (Event::NshHeaderTooSmall, Invalid, ethernet(0x894f, &[0; 7])),
        (Event::NshUnsupportedVersion, Refused, with_nsh(0, 0x40)),
        (Event::NshBadHeaderLength, Invalid, with_nsh(1, 63)),
        (Event::NshBadHeaderLength, Invalid, ethernet(0x894f, &bad_nsh_type_1)),
        (Event::NshReservedType, Refused, with_nsh(2, 0)),
        (Event::NshUnsupportedType, Refused, with_nsh(2, 3)),
        (Event::NshUnknownPayload, Refused, with_nsh(3, 4)),
        (Event::PppoePktTooSmall, Invalid, ethernet(0x8864, &[0; 6])),
        (Event::PppoePktTooSmall, Invalid, ethernet(0x8863, &[0; 5])),
        (Event::PppoeWrongCode, Invalid, ethernet(0x8863, &[0x11, 1, 0, 0, 0, 0])),
        (Event::PppoeMalformedTags, Invalid, ethernet(0x8863, &[0x11, 9, 0, 0, 0, 5, 1, 1, 0, 0])),
        (Event::PppWrongType, Invalid, ethernet(0x8864, &pppoe(&[0x12, 0x34]))),
        (Event::PppUnsupProto, Without, ethernet(0x8864, &pppoe(&[0x00, 0x2b]))),
        (Event::TooManyLayers, Invalid, ethernet(0x8847, &too_deep)),
    ]
}

pub(crate) fn other_link_events() -> Vec<(LinkType, Event, Outcome, Vec<u8>)> {
    vec![
        (LinkType::Null, Event::LtnullPktTooSmall, Invalid, vec![2, 0, 0]),
        (LinkType::Null, Event::LtnullUnsupportedType, Refused, vec![7, 0, 0, 0]),
        (LinkType::Null, Event::LtnullUnsupportedType, Refused, vec![0, 0, 0, 2]),
        (LinkType::Raw, Event::IprawInvalidIpVersion, Refused, vec![0x50; 20]),
        (LinkType::Raw, Event::Ipv4PktTooSmall, Invalid, vec![0x60; 19]),
        (LinkType::Sll, Event::SllPktTooSmall, Invalid, vec![0; 15]),
        (LinkType::Sll2, Event::Sll2PktTooSmall, Invalid, vec![0; 19]),
        (LinkType::Chdlc, Event::ChdlcPktTooSmall, Invalid, vec![0; 3]),
        (LinkType::Ppp, Event::PppPktTooSmall, Invalid, vec![]),
        (LinkType::Ppp, Event::PppPktTooSmall, Invalid, vec![0xff, 3]),
        (LinkType::Ppp, Event::PppPktTooSmall, Invalid, vec![0xff, 3, 0]),
        (LinkType::Ppp, Event::PppIp4PktTooSmall, Invalid, vec![0xff, 3, 0, 0x21, 0x45]),
        (LinkType::Ppp, Event::PppIp6PktTooSmall, Invalid, vec![0xff, 3, 0, 0x57, 0x60]),
        (LinkType::Ppp, Event::PppVjuPktTooSmall, Invalid, vec![0xff, 3, 0, 0x2f, 0x45]),
        (LinkType::Ppp, Event::PppVjuPktTooSmall, Invalid, vec![0x21, 0x45]),
        (LinkType::Ppp, Event::PppUnsupProto, Without, vec![0xff, 3, 0x2d, 0x45]),
        (LinkType::Ppp, Event::PppWrongType, Invalid, vec![0xff, 3, 0x12, 0x34]),
    ]
}

pub(crate) fn arp_events() -> Vec<Case> {
    let with = |at: usize, value: u8| {
        let mut packet = arp(1);
        packet[at] = value;
        ethernet(0x0806, &packet)
    };
    vec![
        (Event::ArpPktTooSmall, Invalid, ethernet(0x0806, &arp(1)[..7])),
        (Event::ArpUnsupportedHardware, Invalid, with(1, 6)),
        (Event::ArpUnsupportedProtocol, Invalid, with(3, 6)),
        (Event::ArpInvalidPkt, Invalid, ethernet(0x0806, &arp(1)[..27])),
        (Event::ArpInvalidHardwareSize, Invalid, with(4, 8)),
        (Event::ArpInvalidProtocolSize, Invalid, with(5, 16)),
        (Event::ArpUnsupportedOpcode, Invalid, with(7, 5)),
    ]
}

pub(crate) fn ipv4_events() -> Vec<Case> {
    let v4 = ipv4(17, &udp(b""));
    let with = |at: usize, value: u8| {
        let mut packet = v4.clone();
        packet[at] = value;
        ethernet(0x0800, &packet)
    };
    let options = |options: &[u8]| ethernet(0x0800, &ipv4_with(17, 0, options, &udp(b"")));
    vec![
        (Event::Ipv4PktTooSmall, Invalid, ethernet(0x0800, &v4[..19])),
        (Event::Ipv4WrongIpVersion, Invalid, with(0, 0x65)),
        (Event::Ipv4HlenTooSmall, Invalid, with(0, 0x44)),
        (Event::Ipv4IplenSmallerThanHlen, Invalid, with(3, 19)),
        (Event::Ipv4TruncPkt, Invalid, with(3, 29)),
        (Event::Ipv4OptInvalid, FlowDespite, options(&[99, 8, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptInvalidLen, FlowAndInvalid, options(&[7, 9, 4, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptInvalidLen, FlowAndInvalid, options(&[7, 1, 4, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptInvalidLen, FlowAndInvalid, options(&[7, 2, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptInvalidLen, FlowAndInvalid, options(&[130, 8, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptInvalidLen, FlowAndInvalid, options(&[148, 5, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptMalformed, FlowAndInvalid, options(&[7, 7, 5, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptMalformed, FlowAndInvalid, options(&[68, 8, 6, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptMalformed, FlowAndInvalid, options(&[134, 10, 0, 0, 0, 1, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv4OptPadRequired, FlowDespite, options(&[148, 4, 0, 0])),
        (Event::Ipv4OptEolRequired, FlowDespite, options(&[1, 1, 1, 1, 1, 1, 1, 7])),
        (Event::Ipv4OptDuplicate, FlowDespite, options(&[148, 4, 0, 0, 148, 4, 0, 0])),
        (Event::Ipv4Icmpv6, Invalid, eth4(58, &icmp(128, 0, &[]))),
        (Event::Ipv4UnknownProtocol, Without, eth4(89, &[0; 8])),
    ]
}

pub(crate) fn ipv6_events() -> Vec<Case> {
    let v6 = ipv6(17, &udp(b""));
    let with = |at: usize, value: u8| {
        let mut packet = v6.clone();
        packet[at] = value;
        ethernet(0x86dd, &packet)
    };
    let twice = |header: u8, body: &[u8]| eth6(header, &extension(header, body, &extension(17, body, &udp(b""))));
    let one = |header: u8, body: &[u8]| eth6(header, &extension(17, body, &udp(b"")));
    let authentication = |next: u8, reserved: u8, payload: &[u8]| cat(&[&[next, 1, reserved, 0], &[0; 8], payload]);
    let alert = [5, 2, 0, 0, 0, 0];
    let three_destinations = extension(60, &alert, &extension(60, &alert, &extension(17, &alert, &udp(b""))));
    let mut reserved = fragment_header(17, 9, &[0; 16]);
    reserved[1] = 1;
    // A second fragment header only shows behind one that changes nothing, which is an event of its own; so it is
    // checked in `ipv6_second_fragment_header_is_skipped`.
    vec![
        (Event::Ipv6PktTooSmall, Invalid, ethernet(0x86dd, &v6[..39])),
        (Event::Ipv6WrongIpVersion, Invalid, with(0, 0x45)),
        (Event::Ipv6TruncPkt, Invalid, with(5, 9)),
        (Event::Ipv6TruncExthdr, Invalid, eth6(0, &[17, 1, 1, 4, 0, 0, 0, 0])),
        (Event::Ipv6TruncExthdr, Invalid, eth6(43, &[17])),
        (Event::Ipv6TruncExthdr, Invalid, eth6(51, &[17, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        (Event::Ipv6TruncExthdr, Invalid, eth6(44, &[17, 0, 0, 1])),
        (Event::Ipv6ExthdrUselessFh, FlowDespite, eth6(44, &fragment_header(17, 0, &udp(b"")))),
        (Event::Ipv6ExthdrDuplRh, FlowDespite, twice(43, &[2, 0])),
        (Event::Ipv6ExthdrDuplHh, FlowDespite, twice(0, &alert)),
        (Event::Ipv6ExthdrDuplDh, FlowDespite, eth6(60, &three_destinations)),
        (Event::Ipv6ExthdrDuplAh, FlowDespite, eth6(51, &authentication(51, 0, &authentication(17, 0, &udp(b""))))),
        (Event::Ipv6ExthdrInvalidOptlen, FlowAndInvalid, one(0, &[5, 1, 0, 1, 1, 0])),
        (Event::Ipv6ExthdrInvalidOptlen, FlowAndInvalid, one(60, &[5, 2, 0, 0, 5, 9])),
        (Event::Ipv6ExthdrInvalidOptlen, FlowAndInvalid, one(60, &[5, 3, 0, 0, 0, 9])),
        (Event::Ipv6ExthdrAhResNotNull, FlowDespite, eth6(51, &authentication(17, 1, &udp(b"")))),
        (Event::Ipv6HopoptsUnknownOpt, FlowDespite, one(0, &[99, 4, 0, 0, 0, 0])),
        (Event::Ipv6HopoptsOnlyPadding, FlowDespite, one(0, &[1, 4, 0, 0, 0, 0])),
        (Event::Ipv6DstoptsUnknownOpt, FlowDespite, one(60, &[99, 4, 0, 0, 0, 0])),
        (Event::Ipv6DstoptsOnlyPadding, FlowDespite, one(60, &[1, 4, 0, 0, 0, 0])),
        (Event::Ipv6RhType0, FlowDespite, one(43, &[0, 0])),
        (Event::Ipv6ZeroLenPadn, FlowDespite, one(0, &[5, 2, 0, 0, 1, 0])),
        (Event::Ipv6FhNonZeroReservedField, Without, eth6(44, &reserved)),
        (Event::Ipv6DataAfterNoneHeader, Without, eth6(59, &[0])),
        (Event::Ipv6UnknownNextHeader, Without, eth6(89, &[0; 8])),
        (Event::Ipv6Icmpv4, Refused, eth6(1, &icmp(8, 0, &[]))),
        (Event::Ipv6FragInvalidLength, Without, eth6(44, &fragment_header(17, 9, &[0; 15]))),
        (Event::Ipv6Ipv4InIpv6TooSmall, Invalid, eth6(4, &[0x45; 19])),
        (Event::Ipv6Ipv4InIpv6WrongVersion, Invalid, eth6(4, &[0x65; 20])),
        (Event::Ipv6Ipv6InIpv6TooSmall, Invalid, eth6(41, &[0x60; 39])),
        (Event::Ipv6Ipv6InIpv6WrongVersion, Invalid, eth6(41, &[0x45; 40])),
    ]
}

pub(crate) fn icmp_events() -> Vec<Case> {
    let quote = ipv4(17, &udp(b""));
    let quote6 = ipv6(17, &udp(b""));
    vec![
        (Event::Icmpv4PktTooSmall, Invalid, eth4(1, &[8, 0, 0, 0, 0, 0, 0])),
        (Event::Icmpv4UnknownType, FlowDespite, eth4(1, &icmp(10, 0, &[]))),
        (Event::Icmpv4UnknownCode, FlowDespite, eth4(1, &icmp(8, 1, &[]))),
        (Event::Icmpv4UnknownCode, FlowDespite, eth4(1, &icmp(3, 16, &quote))),
        (Event::Icmpv4Ipv4TruncPkt, FlowAndInvalid, eth4(1, &icmp(3, 3, &quote[..19]))),
        (Event::Icmpv4Ipv4TruncPkt, FlowAndInvalid, eth4(1, &icmp(4, 0, &[]))),
        (Event::Icmpv4Ipv4TruncPkt, FlowDespite, eth4(1, &icmp(13, 0, &[0; 11]))),
        (Event::Icmpv4Ipv4UnknownVer, FlowAndInvalid, eth4(1, &icmp(11, 0, &quote6))),
        (Event::Icmpv6PktTooSmall, Invalid, eth6(58, &[128, 0, 0, 0, 0, 0, 0])),
        (Event::Icmpv6UnknownType, FlowDespite, eth6(58, &icmp(127, 0, &[]))),
        (Event::Icmpv6UnknownCode, FlowDespite, eth6(58, &icmp(128, 1, &[]))),
        (Event::Icmpv6UnknownCode, FlowDespite, eth6(58, &icmp(1, 7, &quote6))),
        (Event::Icmpv6UnknownCode, FlowDespite, eth6(58, &icmp(155, 4, &[]))),
        (Event::Icmpv6Ipv6TruncPkt, FlowAndInvalid, eth6(58, &icmp(1, 0, &quote6[..39]))),
        (Event::Icmpv6Ipv6UnknownVersion, FlowAndInvalid, eth6(58, &icmp(3, 0, &cat(&[&quote, &[0; 20]])))),
        (Event::Icmpv6MldMessageWithInvalidHl, FlowDespite, eth6(58, &icmp(131, 0, &[0; 16]))),
        (Event::Icmpv6UnassignedType, FlowDespite, eth6(58, &icmp(160, 0, &[]))),
        (Event::Icmpv6ExperimentationType, FlowDespite, eth6(58, &icmp(200, 0, &[]))),
    ]
}

pub(crate) fn transport_events() -> Vec<Case> {
    let mut short_tcp = tcp(2, &[], &[]);
    short_tcp[12] = 0x40;
    let mut long_tcp = tcp(2, &[], &[]);
    long_tcp[12] = 0x60;
    let options = |options: &[u8]| eth4(6, &tcp(2, options, &[]));
    let mut tiny_udp = udp(b"");
    tiny_udp[5] = 7;
    let mut long_udp = udp(b"");
    long_udp[5] = 9;
    let many = |kind: u8| eth4(132, &sctp(1, &chunk(kind, &[]).repeat(17)));
    vec![
        (Event::TcpPktTooSmall, Invalid, eth4(6, &tcp(2, &[], &[])[..19])),
        (Event::TcpHlenTooSmall, Invalid, eth4(6, &long_tcp)),
        (Event::TcpInvalidOptlen, Invalid, eth4(6, &short_tcp)),
        (Event::TcpOptInvalidLen, FlowAndInvalid, options(&[3, 5, 7, 0])),
        (Event::TcpOptInvalidLen, FlowAndInvalid, options(&[99, 1, 0, 0])),
        (Event::TcpOptInvalidLen, FlowAndInvalid, options(&[19, 4, 0, 0])),
        (Event::TcpOptInvalidLen, FlowAndInvalid, options(&[29, 3, 0, 0])),
        (Event::TcpOptInvalidLen, FlowDespite, options(&[3, 2, 0, 0])),
        (Event::TcpOptInvalidLen, FlowDespite, options(&[5, 4, 0, 0])),
        (Event::TcpOptInvalidLen, FlowDespite, options(&[34, 4, 0, 0])),
        (Event::TcpOptInvalidLen, FlowDespite, options(&[254, 3, 0, 0])),
        (Event::TcpOptDuplicate, FlowDespite, options(&[3, 3, 7, 3, 3, 8, 0, 0])),
        (Event::TcpOptDuplicate, FlowDespite, options(&[2, 4, 5, 0, 2, 4, 5, 0])),
        (Event::UdpHlenTooSmall, Invalid, eth4(17, &[0; 7])),
        (Event::UdpPktTooSmall, Invalid, eth4(17, &long_udp)),
        (Event::UdpLenInvalid, Invalid, eth4(17, &tiny_udp)),
        (Event::SctpPktTooSmall, Invalid, eth4(132, &[0; 11])),
        (Event::SctpChunkTooSmall, Invalid, eth4(132, &sctp(1, &[3, 0, 0]))),
        (Event::SctpChunkLenInvalid, Invalid, eth4(132, &sctp(1, &[3, 0, 0, 3]))),
        (Event::SctpChunkLenInvalid, Invalid, eth4(132, &sctp(1, &[3, 0, 0, 5]))),
        (Event::SctpInitChunkBundled, FlowDespite, eth4(132, &sctp(1, &cat(&[&chunk(2, &[]), &chunk(10, &[])])))),
        (Event::SctpInitWithNonZeroVtag, FlowDespite, eth4(132, &sctp(1, &chunk(1, &[0; 16])))),
        (Event::SctpDataWithZeroVtag, FlowDespite, eth4(132, &sctp(0, &chunk(0, &[0; 12])))),
        (Event::SctpTooManyChunks, FlowDespite, many(3)),
        (Event::EspPktTooSmall, Invalid, eth4(50, &[0; 7])),
        (Event::IgmpPktTooSmall, Invalid, eth4(2, &[0x16; 7])),
        (Event::IgmpV3PktTooSmall, Invalid, eth4(2, &[0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        (Event::IgmpV3PktTooSmall, Invalid, eth4(2, &[0x22, 0, 0, 0, 0, 0, 0, 1])),
        (Event::IgmpMalformed, Invalid, eth4(2, &[0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xf8])),
        (Event::IgmpMalformed, Invalid, eth4(2, &[0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 224, 0, 0, 1])),
    ]
}

pub(crate) fn gre_events() -> Vec<Case> {
    let gre = |header: &[u8]| eth4(47, header);
    vec![
        (Event::GrePktTooSmall, Invalid, gre(&[0, 0, 8])),
        (Event::GreWrongVersion, Invalid, gre(&[0, 2, 8, 0])),
        (Event::GreVersion0Recur, Invalid, gre(&[1, 0, 8, 0])),
        (Event::GreVersion0Flags, Invalid, gre(&[0, 8, 8, 0])),
        (Event::GreVersion0HdrTooBig, Invalid, gre(&[0x20, 0, 8, 0])),
        (Event::GreVersion0MalformedSreHdr, Invalid, gre(&[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 9])),
        (Event::GreVersion0MalformedSreHdr, Invalid, gre(&[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0])),
        (Event::GreVersion1Chksum, Invalid, gre(&[0xa0, 1, 0x88, 0x0b])),
        (Event::GreVersion1Route, Invalid, gre(&[0x60, 1, 0x88, 0x0b])),
        (Event::GreVersion1Ssr, Invalid, gre(&[0x28, 1, 0x88, 0x0b])),
        (Event::GreVersion1Recur, Invalid, gre(&[0x21, 1, 0x88, 0x0b])),
        (Event::GreVersion1Flags, Invalid, gre(&[0x20, 9, 0x88, 0x0b])),
        (Event::GreVersion1NoKey, Invalid, gre(&[0, 1, 0x88, 0x0b])),
        (Event::GreVersion1WrongProtocol, Invalid, gre(&[0x20, 1, 8, 0])),
        (Event::GreVersion1HdrTooBig, Invalid, gre(&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0])),
    ]
}
