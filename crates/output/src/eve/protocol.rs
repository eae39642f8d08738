//! Names of IP protocols in the field `proto`.

use crate::text::Text;

/// Appends the name of `protocol`, or its number where it has no name, without quotes.
#[inline]
pub(crate) fn append(out: &mut Text, protocol: u8) {
    match name(protocol) {
        Some(name) => out.raw(name.as_bytes()),
        None => out.uint(protocol.into()),
    }
}

/// The keyword of `protocol` in IANA's registry of protocol numbers, with `IP-in-IP` for 4 as Suricata has it.
pub(crate) const fn name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        3 => "GGP",
        4 => "IP-in-IP",
        5 => "ST",
        6 => "TCP",
        8 => "EGP",
        9 => "IGP",
        12 => "PUP",
        17 => "UDP",
        22 => "XNS-IDP",
        27 => "RDP",
        29 => "ISO-TP4",
        33 => "DCCP",
        36 => "XTP",
        41 => "IPv6",
        43 => "IPv6-Route",
        44 => "IPv6-Frag",
        45 => "IDRP",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        55 => "MOBILE",
        57 => "SKIP",
        58 => "IPv6-ICMP",
        59 => "IPv6-NoNxt",
        60 => "IPv6-Opts",
        73 => "CPHB",
        81 => "VMTP",
        88 => "EIGRP",
        89 => "OSPF",
        93 => "AX.25",
        94 => "IPIP",
        97 => "ETHERIP",
        98 => "ENCAP",
        103 => "PIM",
        108 => "IPComp",
        112 => "VRRP",
        113 => "PGM",
        115 => "L2TP",
        124 => "ISIS",
        132 => "SCTP",
        133 => "FC",
        135 => "Mobility-Header",
        136 => "UDPLite",
        137 => "MPLS-in-IP",
        138 => "MANET",
        139 => "HIP",
        140 => "Shim6",
        141 => "WESP",
        142 => "ROHC",
        143 => "Ethernet",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_protocol_then_its_number() {
        let mut out = Text::default();
        append(&mut out, 253);
        append(&mut out, 6);
        assert_eq!(out.as_bytes(), b"253TCP");
    }
}
