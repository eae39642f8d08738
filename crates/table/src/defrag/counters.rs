//! What became of fragments: numbers, and the reasons for which one is dropped.

use flumen_wire::{Event, IpVersion};

/// Why a fragment was dropped: it is held nowhere, and has changed no datagram but for [`DropReason::Overlap`] and
/// [`DropReason::TooLarge`], which may give up the datagram with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum DropReason {
    /// Defragmentation is switched off.
    Disabled,
    /// No payload. It could only say where the datagram ends, and what it says would be no receiver's view.
    Empty,
    /// More follow, but its length is no multiple of eight, so that none can follow (RFC 791 §3.2, RFC 8200 §4.5).
    InvalidLength,
    /// The datagram would exceed 65,535 bytes.
    TooLarge,
    /// It lies beyond the end that another has set, or sets an end before what is there.
    Inconsistent,
    /// It, or one before it, overlaps another of an IPv6 datagram, which is given up whole (RFC 5722 §4).
    Overlap,
    /// The capture has cut it.
    Snapped,
    /// `defrag.max-frags` are held, and none that could go.
    MaxFrags,
    /// It does not fit within `defrag.memcap`, whatever goes.
    Memcap,
    /// No tracker is to be had: none are allowed, or none fits within `defrag.memcap`.
    Trackers,
}

impl DropReason {
    /// All reasons, by number.
    pub const ALL: [Self; 10] = [
        Self::Disabled,
        Self::Empty,
        Self::InvalidLength,
        Self::TooLarge,
        Self::Inconsistent,
        Self::Overlap,
        Self::Snapped,
        Self::MaxFrags,
        Self::Memcap,
        Self::Trackers,
    ];

    /// Name of its counter.
    #[must_use]
    pub const fn counter(self) -> &'static str {
        match self {
            Self::Disabled => "defrag.fragments_dropped_disabled",
            Self::Empty => "defrag.fragments_dropped_empty",
            Self::InvalidLength => "defrag.fragments_dropped_invalid_length",
            Self::TooLarge => "defrag.fragments_dropped_too_large",
            Self::Inconsistent => "defrag.fragments_dropped_inconsistent",
            Self::Overlap => "defrag.fragments_dropped_overlap",
            Self::Snapped => "defrag.fragments_dropped_snapped",
            Self::MaxFrags => "defrag.fragments_dropped_max_frags",
            Self::Memcap => "defrag.fragments_dropped_memcap",
            Self::Trackers => "defrag.fragments_dropped_trackers",
        }
    }

    /// The decoder event that says so, if there is one. The event of a length that is no multiple of eight is the
    /// decoder's own, and already counted.
    #[must_use]
    pub const fn event(self, version: IpVersion) -> Option<Event> {
        match (self, version) {
            (Self::TooLarge, IpVersion::V4) => Some(Event::Ipv4FragPktTooLarge),
            (Self::TooLarge, IpVersion::V6) => Some(Event::Ipv6FragPktTooLarge),
            (Self::MaxFrags | Self::Memcap, IpVersion::V4) => Some(Event::Ipv4FragIgnored),
            (Self::MaxFrags | Self::Memcap, IpVersion::V6) => Some(Event::Ipv6FragIgnored),
            (Self::Overlap, IpVersion::V6) => Some(Event::Ipv6FragOverlap),
            _ => None,
        }
    }
}

/// Fragments and datagrams of one IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionCounters {
    /// `defrag.*.fragments`: fragments handed in.
    pub fragments: u64,
    /// `defrag.*.reassembled`: datagrams put together.
    pub reassembled: u64,
}

/// What defragmentation counts. `fragments = completed + timed_out + evicted + discarded + unfinished + dropped + held`
/// at every moment; at the end of a run `held` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefragCounters {
    /// `defrag.ipv4.*`.
    pub ipv4: VersionCounters,
    /// `defrag.ipv6.*`.
    pub ipv6: VersionCounters,
    /// `defrag.max_trackers_reached`: fragments for which no tracker was to be had.
    pub max_trackers_reached: u64,
    /// `defrag.max_frags_reached`: fragments that came when `max_frags` were held.
    pub max_frags_reached: u64,
    /// `defrag.tracker_soft_reuse`: trackers taken for another datagram that only kept the rest of a discarded one out.
    pub tracker_soft_reuse: u64,
    /// `defrag.tracker_hard_reuse`: datagrams given up so that another one, or a fragment of it, could be held.
    pub tracker_hard_reuse: u64,
    /// `defrag.wrk.tracker_timeout`: timeouts found while a fragment was handed in.
    pub wrk_tracker_timeout: u64,
    /// `defrag.mgr.tracker_timeout`: timeouts found by [`Defrag::expire`](super::Defrag::expire).
    pub mgr_tracker_timeout: u64,
    /// Fragments of datagrams that were put together, the completing one counted.
    pub completed: u64,
    /// Fragments of datagrams that were given up by timeout.
    pub timed_out: u64,
    /// Fragments of datagrams that were given up because a limit was met.
    pub evicted: u64,
    /// Fragments of datagrams that another fragment proved to be wrong: too large, or overlapping in IPv6. That other
    /// fragment counts as dropped.
    pub discarded: u64,
    /// Fragments of datagrams that were incomplete at the end.
    pub unfinished: u64,
    /// Fragments that wait now.
    pub held: u64,
    /// Datagrams never completed, for whatever reason.
    pub incomplete: u64,
    /// Fragments dropped, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Fragments that overlap one that was there.
    pub overlapping: u64,
}

impl DefragCounters {
    /// Fragments of both versions handed in.
    #[must_use]
    pub const fn fragments(&self) -> u64 {
        self.ipv4.fragments + self.ipv6.fragments
    }
    /// Fragments dropped for this reason.
    #[must_use]
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }
    /// Fragments that have, or had, an end; the rest is held.
    #[must_use]
    pub fn ended(&self) -> u64 {
        let dropped: u64 = self.dropped.iter().sum();
        self.completed + self.timed_out + self.evicted + self.discarded + self.unfinished + dropped
    }
    /// Adds another worker's counters.
    pub fn merge(&mut self, other: &Self) {
        macro_rules! add {
            ($($field:ident)*) => { $(self.$field += other.$field;)* };
        }
        for (mine, theirs) in [(&mut self.ipv4, &other.ipv4), (&mut self.ipv6, &other.ipv6)] {
            mine.fragments += theirs.fragments;
            mine.reassembled += theirs.reassembled;
        }
        add!(max_trackers_reached max_frags_reached tracker_soft_reuse tracker_hard_reuse wrk_tracker_timeout
            mgr_tracker_timeout completed timed_out evicted discarded unfinished held incomplete overlapping);
        self.dropped.iter_mut().zip(other.dropped).for_each(|(mine, theirs)| *mine += theirs);
    }
    pub(super) const fn version(&mut self, version: IpVersion) -> &mut VersionCounters {
        match version {
            IpVersion::V4 => &mut self.ipv4,
            IpVersion::V6 => &mut self.ipv6,
        }
    }
}
