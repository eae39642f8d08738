//! What was odd about a capture that was read all the same. Counted, never one a packet.

use flumen_model::source::Entry;
use flumen_model::{Span, Timestamp};
use std::fmt;

/// Something odd about one capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// File or pipe.
    pub source_name: String,
    /// What it was.
    pub kind: NoticeKind,
}

/// Kinds of oddity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// Packets whose time is before that of the packet before them.
    ClockBackwards {
        /// How many.
        packets: u64,
        /// Byte where the record of the first of them begins, in the (decompressed) file.
        first_offset: u64,
        /// The longest way back.
        largest_step: Span,
    },
    /// The first packet is earlier than the last of the capture that was read before.
    Overlaps {
        /// By how much.
        by: Span,
    },
    /// Packets of which the capture holds only the beginning.
    Snapped {
        /// How many.
        packets: u64,
    },
    /// Packets whose first header is one that is not decoded.
    UnsupportedLink {
        /// The file's number for it (LINKTYPE).
        number: u32,
        /// How many.
        packets: u64,
    },
    /// Packets of other link types that are not decoded, after [`LINKS_MAX`] of them have been named.
    OtherUnsupportedLinks {
        /// How many.
        packets: u64,
    },
    /// The capture is in order and holds no packet.
    NoPackets,
    /// A file of a directory that is not a capture, and was left out.
    LeftOut {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source_name, self.kind)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockBackwards { packets, first_offset, largest_step } => {
                write!(f, "the clock goes backwards at {}, ", Packets(*packets))?;
                write!(f, "first at byte {first_offset}, at most by {}", Seconds(*largest_step))
            }
            Self::Overlaps { by } => {
                write!(f, "it begins {} before the end of the capture that was read before", Seconds(*by))
            }
            Self::Snapped { packets } => write!(f, "{} not captured in full", Packets(*packets)),
            Self::UnsupportedLink { number, packets } => {
                write!(f, "{} of link type {number}, which is not decoded", Packets(*packets))
            }
            Self::OtherUnsupportedLinks { packets } => {
                write!(f, "{} of further link types that are not decoded", Packets(*packets))
            }
            Self::NoPackets => write!(f, "the capture holds no packets"),
            Self::LeftOut { reason } => write!(f, "left out: {reason}"),
        }
    }
}

struct Packets(u64);

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packet{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

struct Seconds(Span);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.0.secs(), self.0.nanos() % 1_000_000_000)
    }
}

/// Counts what is odd about the packets of one capture as they go by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oddities {
    packets: u64,
    last: Timestamp,
    overlap: Span,
    backwards: u64,
    backwards_offset: u64,
    backwards_step: Span,
    snapped: u64,
    links: Vec<(u32, u64)>,
    other_links: u64,
}

impl Oddities {
    /// Looks at a packet whose record begins at byte `start` of the file. `before` are those of its batch before it, which are
    /// [counted](Self::count) as a whole.
    #[inline]
    pub(crate) fn packet(&mut self, entry: &Entry, before: usize, start: impl FnOnce() -> u64) {
        if entry.timestamp < self.last {
            self.went_back(self.last.since(entry.timestamp), start(), self.packets == 0 && before == 0);
        }
        self.last = entry.timestamp;
        self.snapped += u64::from(entry.captured_len < entry.wire_len);
    }

    /// How often the clock has gone back from one packet to the next.
    pub(crate) const fn steps_back(&self) -> u64 {
        self.backwards
    }

    /// Counts the packets of a batch.
    pub(crate) fn count(&mut self, packets: usize) {
        self.packets += packets as u64;
    }

    #[cold]
    fn went_back(&mut self, step: Span, start: u64, is_first: bool) {
        if is_first {
            self.overlap = step;
            return;
        }
        if self.backwards == 0 {
            self.backwards_offset = start;
        }
        self.backwards += 1;
        self.backwards_step = self.backwards_step.max(step);
    }

    /// Counts a packet of `LinkType::Unsupported`, which the file calls `number`.
    #[cold]
    pub(crate) fn unsupported_link(&mut self, number: u32) {
        match self.links.iter().position(|(known, _)| *known == number) {
            Some(at) => self.links[at].1 += 1,
            None if self.links.len() < LINKS_MAX => self.links.push((number, 1)),
            None => self.other_links += 1,
        }
    }

    /// Counts that start at zero, with the clock of the last packet that these have seen.
    pub(crate) fn next(&self) -> Self {
        Self { last: self.last, ..Self::default() }
    }

    /// What was found so far.
    pub(crate) fn findings(&self) -> Vec<NoticeKind> {
        let mut kinds = Vec::new();
        if self.packets == 0 {
            kinds.push(NoticeKind::NoPackets);
        }
        if self.overlap > Span::ZERO {
            kinds.push(NoticeKind::Overlaps { by: self.overlap });
        }
        if self.backwards > 0 {
            kinds.push(NoticeKind::ClockBackwards {
                packets: self.backwards,
                first_offset: self.backwards_offset,
                largest_step: self.backwards_step,
            });
        }
        if self.snapped > 0 {
            kinds.push(NoticeKind::Snapped { packets: self.snapped });
        }
        kinds.extend(self.links.iter().map(|&(number, packets)| NoticeKind::UnsupportedLink { number, packets }));
        if self.other_links > 0 {
            kinds.push(NoticeKind::OtherUnsupportedLinks { packets: self.other_links });
        }
        kinds
    }
}

/// Unsupported link types that are named one by one.
pub const LINKS_MAX: usize = 16;
