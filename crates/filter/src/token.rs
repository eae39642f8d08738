//! The words of the language: pcap-filter(7)'s keywords and named constants, and what the lexer makes of a text.

use core::net::Ipv6Addr;

use crate::error::Span;

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum TokenKind {
    Word(Word),
    /// A name that is no keyword, or any word behind a backslash.
    Name(String),
    Number(u32),
    /// Two to four decimal numbers with points between.
    Dotted(Dotted),
    Ipv6(Ipv6Addr),
    Mac([u8; 6]),
    Symbol(Symbol),
    End,
}

/// The written part of an IPv4 address: `10.1` is two bytes at the high end.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Dotted {
    /// The written bytes moved to the high end.
    pub(crate) address: u32,
    /// How many bits were written: 16, 24 or 32.
    pub(crate) bits: u32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Symbol {
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Colon,
    Plus,
    Minus,
    Times,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Word {
    Protocol(Protocol),
    Src,
    Dst,
    Host,
    Net,
    Mask,
    Port,
    PortRange,
    Proto,
    ProtoChain,
    And,
    Or,
    Not,
    Len,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    Inbound,
    Outbound,
    IfIndex,
    Vlan,
    Mpls,
    PppoeDiscovery,
    PppoeSession,
    Geneve,
    Llc,
    /// A keyword of pcap-filter(7) for something that Flumen does not read.
    Unsupported(&'static str),
}

/// Protocols that have a keyword.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Protocol {
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Ah,
    Esp,
    AppleTalk,
    AppleTalkArp,
    Decnet,
    Lat,
    Sca,
    Mopdl,
    Moprc,
    Iso,
    Clnp,
    Esis,
    Isis,
    IsisLevel1,
    IsisLevel2,
    IsisHello,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Stp,
    Ipx,
    Netbeui,
}

impl Protocol {
    /// The keyword, for messages.
    pub(crate) fn keyword(self) -> &'static str {
        PROTOCOLS.iter().find(|(_, protocol)| *protocol == self).map_or("", |(keyword, _)| keyword)
    }
}

impl Word {
    pub(crate) fn find(text: &str) -> Option<Self> {
        let of = |table: &'static [(&str, Self)]| table.iter().find(|(word, _)| *word == text).map(|(_, word)| *word);
        let protocol = || PROTOCOLS.iter().find(|(word, _)| *word == text).map(|(_, p)| Self::Protocol(*p));
        let unsupported = || UNSUPPORTED.iter().find(|(word, _)| *word == text).map(|(_, why)| Self::Unsupported(why));
        of(WORDS).or_else(protocol).or_else(unsupported)
    }
}

const WORDS: &[(&str, Word)] = &[
    ("src", Word::Src),
    ("dst", Word::Dst),
    ("host", Word::Host),
    ("net", Word::Net),
    ("mask", Word::Mask),
    ("port", Word::Port),
    ("portrange", Word::PortRange),
    ("proto", Word::Proto),
    ("protochain", Word::ProtoChain),
    ("and", Word::And),
    ("or", Word::Or),
    ("not", Word::Not),
    ("len", Word::Len),
    ("length", Word::Len),
    ("less", Word::Less),
    ("greater", Word::Greater),
    ("byte", Word::Byte),
    ("broadcast", Word::Broadcast),
    ("multicast", Word::Multicast),
    ("inbound", Word::Inbound),
    ("outbound", Word::Outbound),
    ("ifindex", Word::IfIndex),
    ("vlan", Word::Vlan),
    ("mpls", Word::Mpls),
    ("pppoed", Word::PppoeDiscovery),
    ("pppoes", Word::PppoeSession),
    ("geneve", Word::Geneve),
    ("llc", Word::Llc),
];

/// Where two keywords mean one protocol, the first is the one that messages use.
const PROTOCOLS: &[(&str, Protocol)] = &[
    ("ether", Protocol::Link),
    ("link", Protocol::Link),
    ("ppp", Protocol::Link),
    ("slip", Protocol::Link),
    ("fddi", Protocol::Link),
    ("tr", Protocol::Link),
    ("wlan", Protocol::Link),
    ("ip", Protocol::Ip),
    ("ip6", Protocol::Ip6),
    ("arp", Protocol::Arp),
    ("rarp", Protocol::Rarp),
    ("tcp", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("sctp", Protocol::Sctp),
    ("icmp", Protocol::Icmp),
    ("icmp6", Protocol::Icmp6),
    ("igmp", Protocol::Igmp),
    ("igrp", Protocol::Igrp),
    ("pim", Protocol::Pim),
    ("vrrp", Protocol::Vrrp),
    ("carp", Protocol::Carp),
    ("ah", Protocol::Ah),
    ("esp", Protocol::Esp),
    ("atalk", Protocol::AppleTalk),
    ("aarp", Protocol::AppleTalkArp),
    ("decnet", Protocol::Decnet),
    ("lat", Protocol::Lat),
    ("sca", Protocol::Sca),
    ("mopdl", Protocol::Mopdl),
    ("moprc", Protocol::Moprc),
    ("iso", Protocol::Iso),
    ("clnp", Protocol::Clnp),
    ("esis", Protocol::Esis),
    ("es-is", Protocol::Esis),
    ("isis", Protocol::Isis),
    ("is-is", Protocol::Isis),
    ("l1", Protocol::IsisLevel1),
    ("l2", Protocol::IsisLevel2),
    ("iih", Protocol::IsisHello),
    ("lsp", Protocol::IsisLsp),
    ("snp", Protocol::IsisSnp),
    ("csnp", Protocol::IsisCsnp),
    ("psnp", Protocol::IsisPsnp),
    ("stp", Protocol::Stp),
    ("ipx", Protocol::Ipx),
    ("netbeui", Protocol::Netbeui),
];

const WLAN: &str = "asks for a header of IEEE 802.11, which is not supported";
const ATM: &str = "asks for a header of ATM, which is not supported";
const SS7: &str = "asks for a header of SS7, which is not supported";
const PF: &str = "asks for a header of BSD's packet filter log, which is not supported";

const UNSUPPORTED: &[(&str, &str)] = &[
    ("gateway", "needs the names of hosts in the DNS and in /etc/ethers, which are not looked up"),
    ("radio", WLAN),
    ("type", WLAN),
    ("subtype", WLAN),
    ("dir", WLAN),
    ("direction", WLAN),
    ("address1", WLAN),
    ("address2", WLAN),
    ("address3", WLAN),
    ("address4", WLAN),
    ("addr1", WLAN),
    ("addr2", WLAN),
    ("addr3", WLAN),
    ("addr4", WLAN),
    ("ra", WLAN),
    ("ta", WLAN),
    ("lane", ATM),
    ("metac", ATM),
    ("bcc", ATM),
    ("sc", ATM),
    ("ilmic", ATM),
    ("oam", ATM),
    ("oamf4", ATM),
    ("oamf4ec", ATM),
    ("oamf4sc", ATM),
    ("vpi", ATM),
    ("vci", ATM),
    ("connectmsg", ATM),
    ("metaconnect", ATM),
    ("fisu", SS7),
    ("lssu", SS7),
    ("lsu", SS7),
    ("msu", SS7),
    ("hfisu", SS7),
    ("hlssu", SS7),
    ("hmsu", SS7),
    ("sio", SS7),
    ("opc", SS7),
    ("dpc", SS7),
    ("sls", SS7),
    ("hsio", SS7),
    ("hopc", SS7),
    ("hdpc", SS7),
    ("hsls", SS7),
    ("on", PF),
    ("ifname", PF),
    ("rset", PF),
    ("ruleset", PF),
    ("rulenum", PF),
    ("srnr", PF),
    ("subrulenum", PF),
    ("reason", PF),
    ("action", PF),
];
