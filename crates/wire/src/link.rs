//! Link types: what the first header of a captured frame is.

/// First header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum LinkType {
    /// Ethernet, DLT 1.
    Ethernet,
    /// BSD loopback, DLT 0.
    Null,
    /// IPv4 or IPv6 by the first nibble: DLT 12, 14, 101.
    Raw,
    /// IPv4, DLT 228.
    Ipv4,
    /// IPv6, DLT 229.
    Ipv6,
    /// PPP, DLT 9.
    Ppp,
    /// Cisco HDLC, DLT 104.
    Chdlc,
    /// Linux cooked capture, DLT 113.
    Sll,
    /// Linux cooked capture version 2, DLT 276.
    Sll2,
    /// GRE over IP, DLT 778.
    GreOverIp,
    /// One that is not decoded: its packets are counted as `unsupported_link`.
    Unsupported,
}

impl LinkType {
    /// The link type of a capture file's number (LINKTYPE_ or DLT_); [`LinkType::Unsupported`] for others.
    #[must_use]
    pub const fn from_dlt(dlt: u32) -> Self {
        match dlt {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 14 | 101 => Self::Raw,
            104 => Self::Chdlc,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            778 => Self::GreOverIp,
            _ => Self::Unsupported,
        }
    }
}
