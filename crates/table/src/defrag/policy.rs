//! Which of two fragments a receiver takes the bytes from that both have sent: target-based reassembly (V. Paxson and
//! U. Shankar, "Active Mapping", 2003; J. Novak, "Target-Based Fragmentation Reassembly", 2005).

/// Bytes `start..end` of a datagram's payload, which has at most 65,535. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Extent {
    pub(super) const fn len(self) -> u16 {
        self.end - self.start
    }
}

/// How a receiver resolves overlaps. A rule looks at two fragments as they were sent, whole, and says which of them
/// keeps the bytes that both have; who holds a byte when the datagram is complete is who won it last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum OverlapPolicy {
    /// The older one, unless the newer begins before it.
    #[default]
    Bsd,
    /// The newer one, unless it begins before the older.
    BsdRight,
    /// The older one, unless the newer begins before it or where it does.
    Linux,
    /// The older one, unless the newer begins before it and ends after it.
    Windows,
    /// The older one, unless the newer begins before it and ends where it does or after it.
    Solaris,
    /// Always the older one.
    First,
    /// Always the newer one.
    Last,
}

impl OverlapPolicy {
    /// All policies.
    pub const ALL: [Self; 7] =
        [Self::Bsd, Self::BsdRight, Self::Linux, Self::Windows, Self::Solaris, Self::First, Self::Last];

    /// The policy of a system by its name in `host-os-policy`.
    #[must_use]
    pub fn of_system(name: &str) -> Option<Self> {
        Some(match name {
            "bsd" | "hpux10" | "irix" => Self::Bsd,
            "bsd-right" => Self::BsdRight,
            "linux" | "old-linux" => Self::Linux,
            "windows" | "windows2k3" | "vista" => Self::Windows,
            "solaris" => Self::Solaris,
            "first" | "old-solaris" | "hpux11" | "macos" => Self::First,
            "last" => Self::Last,
            _ => return None,
        })
    }

    /// Whether the bytes that two fragments have in common are the newer one's.
    pub(super) const fn newer_wins(self, older: Extent, newer: Extent) -> bool {
        match self {
            Self::Bsd => newer.start < older.start,
            Self::BsdRight => newer.start >= older.start,
            Self::Linux => newer.start <= older.start,
            Self::Windows => newer.start < older.start && newer.end > older.end,
            Self::Solaris => newer.start < older.start && newer.end >= older.end,
            Self::First => false,
            Self::Last => true,
        }
    }
}
