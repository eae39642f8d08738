//! Link types a capture can have.

/// First header of every frame of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// BSD loopback: a four-byte address family in the byte order of the machine, here little endian.
    Null,
    /// IPv4 or IPv6 by its first nibble.
    Raw,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// PPP with the address and control bytes.
    Ppp,
    /// Cisco HDLC.
    Chdlc,
    /// Linux cooked capture.
    Sll,
    /// Linux cooked capture version 2.
    Sll2,
    /// An IP packet that carries GRE.
    GreOverIp,
    /// IEEE 802.11: stands for all that no flow tool decodes.
    Wireless,
}

impl Link {
    /// Every link type.
    pub const ALL: [Self; 11] = [
        Self::Ethernet,
        Self::Null,
        Self::Raw,
        Self::Ipv4,
        Self::Ipv6,
        Self::Ppp,
        Self::Chdlc,
        Self::Sll,
        Self::Sll2,
        Self::GreOverIp,
        Self::Wireless,
    ];

    /// Its number in a capture file.
    #[must_use]
    pub const fn dlt(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::Raw => 101,
            Self::Chdlc => 104,
            Self::Wireless => 105,
            Self::Sll => 113,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::Sll2 => 276,
            Self::GreOverIp => 778,
        }
    }

    /// Its word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Null => "null",
            Self::Raw => "raw",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Ppp => "ppp",
            Self::Chdlc => "chdlc",
            Self::Sll => "sll",
            Self::Sll2 => "sll2",
            Self::GreOverIp => "gre",
            Self::Wireless => "wireless",
        }
    }

    /// The link type of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|link| link.name() == name)
    }
}
