//! Names of IP protocols in the field `proto`.

use crate::line::{Line, Padded};

/// Appends the name of `protocol`, or its number where it has no name, and the quote behind it.
#[inline(always)]
pub(super) fn put(line: &mut Line<'_>, protocol: u8) {
    line.part(&QUOTED[usize::from(protocol)]);
}

/// A table, because the protocols of records alternate.
static QUOTED: [Padded<16>; 256] = {
    let mut table = [Padded::EMPTY; 256];
    let mut n = 0;
    while n < 256 {
        let name_or_number = match name(n as u8) {
            Some(name) => Padded::of(&[name]),
            None => Padded::EMPTY.and_byte(n as u8),
        };
        table[n] = name_or_number.and(b"\"");
        n += 1;
    }
    table
};

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
    fn protocols_then_name_or_number_and_a_quote() {
        for protocol in 0..=255 {
            let mut room = [0; 200];
            let mut line = Line::new(&mut room);
            put(&mut line, protocol);
            let len = line.len();
            let want = name(protocol).map_or_else(|| protocol.to_string(), str::to_owned);
            assert_eq!(room[..len], *format!("{want}\"").as_bytes());
        }
    }
}
