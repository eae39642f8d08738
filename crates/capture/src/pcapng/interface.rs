//! An interface of a pcapng section, and how its time stamps count.
#![forbid(unsafe_code)]

use crate::records::ByteOrder;
use flumen_model::{LinkType, Timestamp};

/// What an Interface Description Block says (draft-ietf-opsawg-pcapng, §4.2).
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    pub(super) link_number: u16,
    /// Bytes kept of a packet; 0 for all.
    pub(super) snap_len: u32,
    resolution: Resolution,
    /// Seconds to add to every time stamp.
    offset_secs: i64,
}

/// How long a tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// A tick is this many nanoseconds.
    Nanos(u64),
    /// A nanosecond is this many ticks.
    PerNano(u128),
    /// A tick is 2^-n seconds.
    Binary(u32),
}

impl Interface {
    /// Reads a whole block of at least 20 bytes. Options that are cut short or of a wrong length are left out: they end
    /// within the block, so nothing else depends on them.
    pub(super) fn read(order: ByteOrder, block: &[u8]) -> Self {
        let link_number = order.u16(block, 8);
        let mut interface = Self {
            link: LinkType::from_dlt(u32::from(link_number)),
            link_number,
            snap_len: order.u32(block, 12),
            resolution: Resolution::Nanos(1_000),
            offset_secs: 0,
        };
        let mut options = &block[16..block.len() - 4];
        while options.len() >= 4 {
            let (code, len) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
            let Some(value) = options.get(4..4 + len) else { break };
            match (code, len) {
                (END_OF_OPTIONS, _) => break,
                (TIME_RESOLUTION, 1) => interface.resolution = Resolution::of(value[0]),
                (TIME_OFFSET, 8) => {
                    let (first, second) = (u64::from(order.u32(value, 0)), u64::from(order.u32(value, 4)));
                    let bits = match order {
                        ByteOrder::Little => second << 32 | first,
                        ByteOrder::Big => first << 32 | second,
                    };
                    interface.offset_secs = bits.cast_signed();
                }
                _ => {}
            }
            // Values are padded to four bytes; the padding of the last may be missing.
            options = options.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        interface
    }

    /// The moment of a time stamp, clamped to what [`Timestamp`] holds.
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Timestamp {
        if let (Resolution::Nanos(nanos), 0) = (self.resolution, self.offset_secs) {
            return Timestamp::from_nanos(ticks.saturating_mul(nanos));
        }
        // Below 2^94 and 2^93: neither the product nor the sum overflows.
        let nanos = self.resolution.nanos(ticks).cast_signed() + i128::from(self.offset_secs) * 1_000_000_000;
        Timestamp::from_nanos(nanos.clamp(0, i128::from(u64::MAX)) as u64)
    }
}

impl Resolution {
    /// By the value of the option if_tsresol: a negative power of 10, or of 2 when the top bit is set.
    fn of(value: u8) -> Self {
        let power = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            return Self::Binary(power);
        }
        match power.checked_sub(9) {
            None | Some(0) => Self::Nanos(10_u64.pow(9 - power)),
            // 10^38 is the largest that fits; any tick count is less than a nanosecond long before.
            Some(finer) => Self::PerNano(10_u128.checked_pow(finer).unwrap_or(u128::MAX)),
        }
    }

    /// Nanoseconds of `ticks`, rounded down.
    fn nanos(self, ticks: u64) -> u128 {
        let ticks = u128::from(ticks);
        match self {
            Self::Nanos(nanos) => ticks * u128::from(nanos),
            Self::PerNano(ticks_per_nano) => ticks / ticks_per_nano,
            Self::Binary(power) => (ticks * 1_000_000_000) >> power,
        }
    }
}

const END_OF_OPTIONS: u16 = 0;
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resolution_then_nanoseconds() {
        for (value, ticks, nanos) in [
            (0, 5, 5_000_000_000),
            (3, 5, 5_000_000),
            (6, 5, 5_000),
            (9, 5, 5),
            (12, 5_999, 5),
            (127, u64::MAX, 0),
            (0x80, 7, 7_000_000_000),
            (0x80 | 10, 1 << 10, 1_000_000_000),
            (0x80 | 32, 1 << 31, 500_000_000),
            (0x80 | 127, u64::MAX, 0),
        ] {
            assert_eq!(Resolution::of(value).nanos(ticks), nanos, "if_tsresol {value:#x}");
        }
    }

    #[test]
    fn absurd_times_then_clamped() {
        let mut interface = Interface {
            link: LinkType::Ethernet,
            link_number: 1,
            snap_len: 0,
            resolution: Resolution::Nanos(1_000_000_000),
            offset_secs: i64::MAX,
        };
        assert_eq!(interface.time(u64::MAX), Timestamp::MAX);
        interface.offset_secs = i64::MIN;
        assert_eq!(interface.time(1), Timestamp::ZERO);
        interface.offset_secs = -10;
        assert_eq!(interface.time(12), Timestamp::from_nanos(2_000_000_000));
        interface.offset_secs = 0;
        assert_eq!(interface.time(u64::MAX), Timestamp::MAX);
    }
}
