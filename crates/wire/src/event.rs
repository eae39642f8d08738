//! Decoder events: what can be wrong with a packet, one counter each, named as Suricata names them.
//!
//! The table below is the only place where an event is written down; its order is that of the `stats` event. Two facts
//! of Suricata's naming are kept: `too_many_layers` stands outside the `event` object, and the ARP events have names
//! but no place in the `stats` event ([`Event::in_stats`]).
//!
//! An event says that something is odd, not that the packet is lost: whether it is still followed is decided where
//! the event is raised.

macro_rules! events {
    ($($variant:ident = $name:literal,)*) => {
        /// Something wrong with a packet. The name of each is that of its counter.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Event {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Event {
            /// All events, in the order of the `stats` event.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant,)*];
            /// How many events there are.
            pub const COUNT: usize = [$($name,)*].len();
            const NAMES: [&'static str; Self::COUNT] = [$($name,)*];
        }
    };
}

impl Event {
    /// Name of the counter, `decoder.event.<group>.<name>`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether the `stats` event has a counter for it. The ARP events have none: they show only in `decoder.invalid`.
    #[must_use]
    pub const fn in_stats(self) -> bool {
        !matches!(self as u8, FIRST_ARP..=LAST_ARP)
    }
}

const FIRST_ARP: u8 = Event::ArpPktTooSmall as u8;
const LAST_ARP: u8 = Event::ArpUnsupportedOpcode as u8;

events! {
    AfpacketTruncPkt = "decoder.event.afpacket.trunc_pkt",
    Ipv4PktTooSmall = "decoder.event.ipv4.pkt_too_small",
    Ipv4HlenTooSmall = "decoder.event.ipv4.hlen_too_small",
    Ipv4IplenSmallerThanHlen = "decoder.event.ipv4.iplen_smaller_than_hlen",
    Ipv4TruncPkt = "decoder.event.ipv4.trunc_pkt",
    Ipv4OptInvalid = "decoder.event.ipv4.opt_invalid",
    Ipv4OptInvalidLen = "decoder.event.ipv4.opt_invalid_len",
    Ipv4OptMalformed = "decoder.event.ipv4.opt_malformed",
    Ipv4OptPadRequired = "decoder.event.ipv4.opt_pad_required",
    Ipv4OptEolRequired = "decoder.event.ipv4.opt_eol_required",
    Ipv4OptDuplicate = "decoder.event.ipv4.opt_duplicate",
    Ipv4OptUnknown = "decoder.event.ipv4.opt_unknown",
    Ipv4WrongIpVersion = "decoder.event.ipv4.wrong_ip_version",
    Ipv4Icmpv6 = "decoder.event.ipv4.icmpv6",
    Ipv4UnknownProtocol = "decoder.event.ipv4.unknown_protocol",
    Ipv4FragPktTooLarge = "decoder.event.ipv4.frag_pkt_too_large",
    Ipv4FragOverlap = "decoder.event.ipv4.frag_overlap",
    Ipv4FragIgnored = "decoder.event.ipv4.frag_ignored",
    Icmpv4PktTooSmall = "decoder.event.icmpv4.pkt_too_small",
    Icmpv4UnknownType = "decoder.event.icmpv4.unknown_type",
    Icmpv4UnknownCode = "decoder.event.icmpv4.unknown_code",
    Icmpv4Ipv4TruncPkt = "decoder.event.icmpv4.ipv4_trunc_pkt",
    Icmpv4Ipv4UnknownVer = "decoder.event.icmpv4.ipv4_unknown_ver",
    Icmpv6UnknownType = "decoder.event.icmpv6.unknown_type",
    Icmpv6UnknownCode = "decoder.event.icmpv6.unknown_code",
    Icmpv6PktTooSmall = "decoder.event.icmpv6.pkt_too_small",
    Icmpv6Ipv6UnknownVersion = "decoder.event.icmpv6.ipv6_unknown_version",
    Icmpv6Ipv6TruncPkt = "decoder.event.icmpv6.ipv6_trunc_pkt",
    Icmpv6MldMessageWithInvalidHl = "decoder.event.icmpv6.mld_message_with_invalid_hl",
    Icmpv6UnassignedType = "decoder.event.icmpv6.unassigned_type",
    Icmpv6ExperimentationType = "decoder.event.icmpv6.experimentation_type",
    Ipv6PktTooSmall = "decoder.event.ipv6.pkt_too_small",
    Ipv6TruncPkt = "decoder.event.ipv6.trunc_pkt",
    Ipv6TruncExthdr = "decoder.event.ipv6.trunc_exthdr",
    Ipv6ExthdrDuplFh = "decoder.event.ipv6.exthdr_dupl_fh",
    Ipv6ExthdrUselessFh = "decoder.event.ipv6.exthdr_useless_fh",
    Ipv6ExthdrDuplRh = "decoder.event.ipv6.exthdr_dupl_rh",
    Ipv6ExthdrDuplHh = "decoder.event.ipv6.exthdr_dupl_hh",
    Ipv6ExthdrDuplDh = "decoder.event.ipv6.exthdr_dupl_dh",
    Ipv6ExthdrDuplAh = "decoder.event.ipv6.exthdr_dupl_ah",
    Ipv6ExthdrDuplEh = "decoder.event.ipv6.exthdr_dupl_eh",
    Ipv6ExthdrInvalidOptlen = "decoder.event.ipv6.exthdr_invalid_optlen",
    Ipv6WrongIpVersion = "decoder.event.ipv6.wrong_ip_version",
    Ipv6ExthdrAhResNotNull = "decoder.event.ipv6.exthdr_ah_res_not_null",
    Ipv6HopoptsUnknownOpt = "decoder.event.ipv6.hopopts_unknown_opt",
    Ipv6HopoptsOnlyPadding = "decoder.event.ipv6.hopopts_only_padding",
    Ipv6DstoptsUnknownOpt = "decoder.event.ipv6.dstopts_unknown_opt",
    Ipv6DstoptsOnlyPadding = "decoder.event.ipv6.dstopts_only_padding",
    Ipv6RhType0 = "decoder.event.ipv6.rh_type_0",
    Ipv6ZeroLenPadn = "decoder.event.ipv6.zero_len_padn",
    Ipv6FhNonZeroReservedField = "decoder.event.ipv6.fh_non_zero_reserved_field",
    Ipv6DataAfterNoneHeader = "decoder.event.ipv6.data_after_none_header",
    Ipv6UnknownNextHeader = "decoder.event.ipv6.unknown_next_header",
    Ipv6Icmpv4 = "decoder.event.ipv6.icmpv4",
    Ipv6FragPktTooLarge = "decoder.event.ipv6.frag_pkt_too_large",
    Ipv6FragOverlap = "decoder.event.ipv6.frag_overlap",
    Ipv6FragInvalidLength = "decoder.event.ipv6.frag_invalid_length",
    Ipv6FragIgnored = "decoder.event.ipv6.frag_ignored",
    Ipv6Ipv4InIpv6TooSmall = "decoder.event.ipv6.ipv4_in_ipv6_too_small",
    Ipv6Ipv4InIpv6WrongVersion = "decoder.event.ipv6.ipv4_in_ipv6_wrong_version",
    Ipv6Ipv6InIpv6TooSmall = "decoder.event.ipv6.ipv6_in_ipv6_too_small",
    Ipv6Ipv6InIpv6WrongVersion = "decoder.event.ipv6.ipv6_in_ipv6_wrong_version",
    TcpPktTooSmall = "decoder.event.tcp.pkt_too_small",
    TcpHlenTooSmall = "decoder.event.tcp.hlen_too_small",
    TcpInvalidOptlen = "decoder.event.tcp.invalid_optlen",
    TcpOptInvalidLen = "decoder.event.tcp.opt_invalid_len",
    TcpOptDuplicate = "decoder.event.tcp.opt_duplicate",
    UdpPktTooSmall = "decoder.event.udp.pkt_too_small",
    UdpHlenTooSmall = "decoder.event.udp.hlen_too_small",
    UdpHlenInvalid = "decoder.event.udp.hlen_invalid",
    UdpLenInvalid = "decoder.event.udp.len_invalid",
    SllPktTooSmall = "decoder.event.sll.pkt_too_small",
    Sll2PktTooSmall = "decoder.event.sll2.pkt_too_small",
    EthernetPktTooSmall = "decoder.event.ethernet.pkt_too_small",
    EthernetUnknownEthertype = "decoder.event.ethernet.unknown_ethertype",
    PppPktTooSmall = "decoder.event.ppp.pkt_too_small",
    PppVjuPktTooSmall = "decoder.event.ppp.vju_pkt_too_small",
    PppIp4PktTooSmall = "decoder.event.ppp.ip4_pkt_too_small",
    PppIp6PktTooSmall = "decoder.event.ppp.ip6_pkt_too_small",
    PppWrongType = "decoder.event.ppp.wrong_type",
    PppUnsupProto = "decoder.event.ppp.unsup_proto",
    PppoePktTooSmall = "decoder.event.pppoe.pkt_too_small",
    PppoeWrongCode = "decoder.event.pppoe.wrong_code",
    PppoeMalformedTags = "decoder.event.pppoe.malformed_tags",
    GrePktTooSmall = "decoder.event.gre.pkt_too_small",
    GreWrongVersion = "decoder.event.gre.wrong_version",
    GreVersion0Recur = "decoder.event.gre.version0_recur",
    GreVersion0Flags = "decoder.event.gre.version0_flags",
    GreVersion0HdrTooBig = "decoder.event.gre.version0_hdr_too_big",
    GreVersion0MalformedSreHdr = "decoder.event.gre.version0_malformed_sre_hdr",
    GreVersion1Chksum = "decoder.event.gre.version1_chksum",
    GreVersion1Route = "decoder.event.gre.version1_route",
    GreVersion1Ssr = "decoder.event.gre.version1_ssr",
    GreVersion1Recur = "decoder.event.gre.version1_recur",
    GreVersion1Flags = "decoder.event.gre.version1_flags",
    GreVersion1NoKey = "decoder.event.gre.version1_no_key",
    GreVersion1WrongProtocol = "decoder.event.gre.version1_wrong_protocol",
    GreVersion1MalformedSreHdr = "decoder.event.gre.version1_malformed_sre_hdr",
    GreVersion1HdrTooBig = "decoder.event.gre.version1_hdr_too_big",
    VlanHeaderTooSmall = "decoder.event.vlan.header_too_small",
    VlanUnknownType = "decoder.event.vlan.unknown_type",
    VlanTooManyLayers = "decoder.event.vlan.too_many_layers",
    Ieee8021ahHeaderTooSmall = "decoder.event.ieee8021ah.header_too_small",
    VntagHeaderTooSmall = "decoder.event.vntag.header_too_small",
    VntagUnknownType = "decoder.event.vntag.unknown_type",
    EtagHeaderTooSmall = "decoder.event.etag.header_too_small",
    EtagUnknownType = "decoder.event.etag.unknown_type",
    IprawInvalidIpVersion = "decoder.event.ipraw.invalid_ip_version",
    LtnullPktTooSmall = "decoder.event.ltnull.pkt_too_small",
    LtnullUnsupportedType = "decoder.event.ltnull.unsupported_type",
    SctpPktTooSmall = "decoder.event.sctp.pkt_too_small",
    SctpChunkTooSmall = "decoder.event.sctp.chunk_too_small",
    SctpChunkLenInvalid = "decoder.event.sctp.chunk_len_invalid",
    SctpInitChunkBundled = "decoder.event.sctp.init_chunk_bundled",
    SctpInitWithNonZeroVtag = "decoder.event.sctp.init_with_non_zero_vtag",
    SctpDataWithZeroVtag = "decoder.event.sctp.data_with_zero_vtag",
    SctpTooManyChunks = "decoder.event.sctp.too_many_chunks",
    SctpTooManyDataChunks = "decoder.event.sctp.too_many_data_chunks",
    EspPktTooSmall = "decoder.event.esp.pkt_too_small",
    MplsHeaderTooSmall = "decoder.event.mpls.header_too_small",
    MplsPktTooSmall = "decoder.event.mpls.pkt_too_small",
    MplsBadLabelRouterAlert = "decoder.event.mpls.bad_label_router_alert",
    MplsBadLabelImplicitNull = "decoder.event.mpls.bad_label_implicit_null",
    MplsBadLabelReserved = "decoder.event.mpls.bad_label_reserved",
    MplsUnknownPayloadType = "decoder.event.mpls.unknown_payload_type",
    VxlanUnknownPayloadType = "decoder.event.vxlan.unknown_payload_type",
    GeneveUnknownPayloadType = "decoder.event.geneve.unknown_payload_type",
    ErspanHeaderTooSmall = "decoder.event.erspan.header_too_small",
    ErspanUnsupportedVersion = "decoder.event.erspan.unsupported_version",
    ErspanTooManyVlanLayers = "decoder.event.erspan.too_many_vlan_layers",
    DcePktTooSmall = "decoder.event.dce.pkt_too_small",
    ChdlcPktTooSmall = "decoder.event.chdlc.pkt_too_small",
    NshHeaderTooSmall = "decoder.event.nsh.header_too_small",
    NshUnsupportedVersion = "decoder.event.nsh.unsupported_version",
    NshBadHeaderLength = "decoder.event.nsh.bad_header_length",
    NshReservedType = "decoder.event.nsh.reserved_type",
    NshUnsupportedType = "decoder.event.nsh.unsupported_type",
    NshUnknownPayload = "decoder.event.nsh.unknown_payload",
    IgmpPktTooSmall = "decoder.event.igmp.pkt_too_small",
    IgmpV3PktTooSmall = "decoder.event.igmp.v3_pkt_too_small",
    IgmpMalformed = "decoder.event.igmp.malformed",
    ArpPktTooSmall = "decoder.event.arp.pkt_too_small",
    ArpUnsupportedHardware = "decoder.event.arp.unsupported_hardware",
    ArpUnsupportedProtocol = "decoder.event.arp.unsupported_protocol",
    ArpInvalidPkt = "decoder.event.arp.invalid_pkt",
    ArpInvalidHardwareSize = "decoder.event.arp.invalid_hardware_size",
    ArpInvalidProtocolSize = "decoder.event.arp.invalid_protocol_size",
    ArpUnsupportedOpcode = "decoder.event.arp.unsupported_opcode",
    TooManyLayers = "decoder.too_many_layers",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_149_events_and_each_stands_at_its_own_index() {
        assert_eq!(Event::COUNT, 149);
        for (index, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, index);
            assert!(event.name().starts_with("decoder."));
        }
        assert_eq!(Event::ALL.iter().filter(|e| e.in_stats()).count(), 142);
        assert_eq!(Event::Ipv4PktTooSmall.name(), "decoder.event.ipv4.pkt_too_small");
        assert_eq!(Event::TooManyLayers.name(), "decoder.too_many_layers");
    }
}
