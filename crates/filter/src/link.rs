//! The first header of a frame, by its number in capture files.

/// What a frame begins with. Capture files and sockets know it by a number (`LINKTYPE_` or `DLT_`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkLayer {
    /// Ethernet, 1.
    Ethernet,
    /// BSD loopback: the address family in the byte order of the host that captured, 0. Both orders are understood.
    Null,
    /// OpenBSD loopback: the address family in network order, 108.
    Loop,
    /// IPv4 or IPv6 by the first four bits, 12, 14 and 101.
    Raw,
    /// IPv4, 228.
    Ipv4,
    /// IPv6, 229.
    Ipv6,
    /// PPP behind its two bytes of HDLC, 9.
    Ppp,
    /// PPP over a serial line, 50.
    PppSerial,
    /// A PPPoE session without its Ethernet header, 51.
    PppEther,
    /// Cisco HDLC, 104.
    CiscoHdlc,
    /// Linux cooked capture, 113.
    Sll,
    /// Linux cooked capture version 2, 276.
    Sll2,
    /// One whose headers are not known: only lengths and bytes counted from the start of the frame can be asked for.
    Other(u32),
}

impl LinkLayer {
    /// The link layer of a number.
    #[must_use]
    pub const fn from_dlt(dlt: u32) -> Self {
        match dlt {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 14 | 101 => Self::Raw,
            50 => Self::PppSerial,
            51 => Self::PppEther,
            104 => Self::CiscoHdlc,
            108 => Self::Loop,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            other => Self::Other(other),
        }
    }

    /// How messages call it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Ethernet => "Ethernet",
            Self::Null => "BSD loopback",
            Self::Loop => "OpenBSD loopback",
            Self::Raw => "raw IP",
            Self::Ipv4 => "raw IPv4",
            Self::Ipv6 => "raw IPv6",
            Self::Ppp => "PPP",
            Self::PppSerial => "PPP over serial",
            Self::PppEther => "PPPoE",
            Self::CiscoHdlc => "Cisco HDLC",
            Self::Sll => "Linux cooked capture",
            Self::Sll2 => "Linux cooked capture v2",
            Self::Other(number) => return format!("link type {number}"),
        }
        .to_owned()
    }
}
