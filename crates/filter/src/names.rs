//! Names that stand for numbers: constants of the language, ports, IP protocols, Ethernet types. The tables are compiled
//! in: the same expression means the same on every machine.

mod ports;
mod protocols;

/// Which transport a port's name belongs to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Both,
}

/// The port of a service.
pub(crate) fn port(name: &str) -> Option<(u32, Transport)> {
    let at = ports::PORTS.binary_search_by_key(&name, |(known, ..)| known).ok()?;
    let (_, number, transport) = ports::PORTS[at];
    Some((u32::from(number), transport))
}

/// The number of a protocol over IP.
pub(crate) fn ip_protocol(name: &str) -> Option<u32> {
    let at = protocols::PROTOCOLS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(protocols::PROTOCOLS[at].1)
}

/// The Ethernet type of a name, or the LLC service access point where that is the smaller number.
pub(crate) fn ethernet_protocol(name: &str) -> Option<u32> {
    ETHERNET.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The protocol identifier of a name over OSI (ISO/IEC TR 9577).
pub(crate) fn osi_protocol(name: &str) -> Option<u32> {
    OSI.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// A named constant of the language: where a field lies in its header, or a value of it.
pub(crate) fn constant(name: &str) -> Option<u32> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

const ETHERNET: &[(&str, u32)] = &[
    ("ip", 0x0800),
    ("ip6", 0x86dd),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("decnet", 0x6003),
    ("lat", 0x6004),
    ("sca", 0x6007),
    ("loopback", 0x9000),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("ipx", 0xe0),
    ("iso", 0xfe),
    ("stp", 0x42),
    ("netbeui", 0xf0),
];

const OSI: &[(&str, u32)] = &[("clnp", 0x81), ("esis", 0x82), ("isis", 0x83)];

/// ICMP: RFC 792, 950, 1256. ICMPv6: RFC 4443, 2710, 4861, 2894, 4620, 3122, 3810, 6275, 3971, 4286. TCP: RFC 9293.
const CONSTANTS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_without_doubles() {
        assert!(ports::PORTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(protocols::PROTOCOLS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn well_known_names_have_their_numbers() {
        assert_eq!(port("https"), Some((443, Transport::Both)));
        assert_eq!(port("domain"), Some((53, Transport::Both)));
        assert_eq!(port("http"), Some((80, Transport::Tcp)));
        assert_eq!(port("ntp"), Some((123, Transport::Udp)));
        assert_eq!(port("no-such-service"), None);
        assert_eq!(ip_protocol("ipv6-icmp"), Some(58));
        assert_eq!(ethernet_protocol("ip6"), Some(0x86dd));
        assert_eq!(osi_protocol("isis"), Some(0x83));
        assert_eq!(constant("tcp-syn"), Some(2));
    }
}
